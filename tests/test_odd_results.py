"""Whatever a student's parts and functions give, the grader judges it: it never fails, and what is odd is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest
from apart import REFERENCE

from autograder.lane import Graded, Lanes, Task

if TYPE_CHECKING:
    from pathlib import Path

# What is made of a result y, and of what was given for it, x.
ODD = {
    "half the columns": "y[:, : y.shape[1] // 2]",
    "one column": "y[:, :1]",
    "no column": "y[:, :0]",
    "twice the columns": "torch.cat([y, y], 1)",
    "one row": "y[:1]",
    "no row": "y[:0]",
    "twice the rows": "torch.cat([y, y])",
    "any number of rows": "y[: int(torch.randint(0, len(y) + 1, ()))]",
    "any number of columns": "y[:, : int(torch.randint(0, y.shape[1] + 1, ()))]",
    "a number": "y.sum()",
    "a sum of rows": "y.sum(0)",
    "a sum of columns": "y.sum(1)",
    "rows alone": "y if len(y) == 1 else y[0]",
    "squeezed": "y.squeeze(0)",
    "turned": "y.transpose(0, 1)",
    "a dimension before": "y[None]",
    "a dimension within": "y.unsqueeze(1)",
    "flat": "y.flatten()",
    "gated": "F.glu(torch.cat([y, y], 1), 1)",
    "float64": "y.double()",
    "float16": "y.half()",
    "integers": "y.int()",
    "truth": "y > 0",
    "complex": "y + 1j",
    "sparse": "y.flatten(1).to_sparse()",
    "without contents": "y.to('meta')",
    "quantized": "torch.quantize_per_tensor(y.detach(), 0.1, 0, torch.qint8)",
    "no number": "y * float('nan')",
    "one row of no numbers": "y.index_fill(0, torch.tensor([0]), float('nan'))",
    "infinite": "y + float('inf')",
    "huge": "y * 1e30",
    "tiny": "y * 1e-30",
    "zero": "0 * y",
    "what it was given": "x",
    "nothing": "None",
    "a tuple": "(y, y)",
    "a list": "[y]",
    "a dict": "{'y': y}",
    "an array": "y.detach().numpy()",
    "numbers in lists": "y.tolist()",
    "words": "str(y)",
    "a parameter": "nn.Parameter(y.detach())",
    "changed in place": "y.mul_(2)",
    "noise": "y + torch.randn_like(y)",
    "another order of rows": "y.flip(0)",
    "a mean of rows": "y.mean(0, keepdim=True).expand_as(y) + 0 * y",
}
PART = """
class Odd(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return odd(self.part(x), x)

def wrapped(init):
    def replaced(self, *args, **named):
        init(self, *args, **named)
        self.{part} = Odd(self.{part})
    return replaced

{model}.__init__ = wrapped({model}.__init__)
"""
FUNCTION = """
right = {function}
{function} = lambda *given: odd(right(*given), given[0])
"""
SLOT = """
right = {model}.forward
def forward(self, *given):
    y = [*right(self, *given)]
    y[{slot}] = odd(y[{slot}], given[0])
    return tuple(y)
{model}.forward = forward
"""
# Where, and the rows of which one at least must be lost: those that own it, or the forward that it breaks.
PLACES = {
    "VAE.encoder": (PART.format(part="encoder", model="VAE"), "1.2 4.1"),
    "VAE.mu_layer": (PART.format(part="mu_layer", model="VAE"), "1.3 4.1"),
    "VAE.logvar_layer": (PART.format(part="logvar_layer", model="VAE"), "1.4 4.1"),
    "VAE.decoder": (PART.format(part="decoder", model="VAE"), "2.1 4.1"),
    "CVAE.encoder": (PART.format(part="encoder", model="CVAE"), "6.1 6.3"),
    "CVAE.mu_layer": (PART.format(part="mu_layer", model="CVAE"), "6.1 6.3"),
    "CVAE.decoder": (PART.format(part="decoder", model="CVAE"), "6.2 6.3"),
    "reparametrize": (FUNCTION.format(function="reparametrize"), "3.1 3.2"),
    "loss_function": (FUNCTION.format(function="loss_function"), "5.1"),
    "VAE.forward's x_hat": (SLOT.format(model="VAE", slot=0), "4.1"),
    "VAE.forward's mu": (SLOT.format(model="VAE", slot=1), "4.1"),
    "CVAE.forward's logvar": (SLOT.format(model="CVAE", slot=2), "6.3"),
}
CASES = [(odd, place) for i, odd in enumerate(ODD) for j, place in enumerate(PLACES) if (i + j) % 5 == 0]
# What changes nothing: images have one channel, and a loss has no rows.
RIGHT = {
    *(("one column", place) for place in ("VAE.decoder", "CVAE.decoder", "VAE.forward's x_hat")),
    *((odd, "loss_function") for odd in ("another order of rows", "squeezed")),
}


@pytest.mark.slow
def test_nothing_odd_is_a_fault(tmp_path: Path) -> None:
    """For each of many odd results the grader finishes, without a fault of its own, and a row that owns it is lost."""
    lanes = Lanes()

    def lost(case: tuple[str, str]) -> set[str]:
        odd, place = case
        path = tmp_path / f"{odd} {place}.py"
        path.write_text(f"{REFERENCE}\ndef odd(y, x):\n    return {ODD[odd]}\n{PLACES[place][0]}", "utf-8")
        record = msgspec.msgpack.decode(lanes.perform(Task(path.name, path)), type=Graded).record
        assert not record.fault, case
        return {row.number for row in record.tests if row.max_score and row.score != row.max_score}

    try:
        with ThreadPoolExecutor(2) as pool:
            rows = dict(zip(CASES, pool.map(lost, CASES), strict=True))
    finally:
        lanes.close()
    kept = {(odd, place) for (odd, place), row in rows.items() if not row & set(PLACES[place][1].split())}
    assert kept <= RIGHT
