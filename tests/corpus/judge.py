"""A second opinion on the corpus: each row of the rubric, judged inside the submission's own process.

It shares nothing with the grader, explains nothing and trusts what it runs, so it is for the corpus only.
`python -m corpus.judge [NAME ...]`, started in `tests/`, compares its verdicts with the entries' own.
"""

import contextlib
import importlib.util
import io
import itertools
import math
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpus import Entry, entries

__all__ = ["verdict"]

H = 400


def seed(number: int) -> None:
    """Seed every generator that a submission may draw from."""
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002 - a submission may draw from this one
    random.seed(number)


def check(condition: bool, what: str) -> None:  # noqa: FBT001 - reads like assert
    """Lose the row unless the condition holds."""
    if not condition:
        raise AssertionError(what)


def close(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> bool:
    """Compare, relative to the largest element."""
    if found.shape != expected.shape:
        return False
    error = (found.detach().double() - expected.detach().double()).abs().max()
    return bool(error <= tolerance * expected.abs().max() + 1e-30)


# Parts


def redrawn(part: nn.Module, gain: float) -> nn.Module:
    """Draw all parameters anew, so large that the shape of each activation matters."""
    with torch.no_grad():
        for p in part.parameters():
            p.normal_(std=gain * math.sqrt(2 / p.shape[1]) if p.dim() > 1 else gain / 2)
    return part


def chains(x: Tensor, parameters: list[Tensor], layers: int) -> Iterator[Tensor]:
    """Every output of so many Linear layers, with ReLU between them, that these parameters allow.

    They may be registered in any order, and weights may be stored either way round.
    """
    for w, b in itertools.permutations(range(len(parameters)), 2):
        weight, bias = parameters[w], parameters[b]
        for stored in {weight, weight.T} if weight.dim() == 2 else ():
            if stored.shape == (*bias.shape, x.shape[1]):
                y = x @ stored.T + bias
                rest = [p for i, p in enumerate(parameters) if i not in {w, b}]
                yield from [y] if layers == 1 else chains(y.relu(), rest, layers - 1)


def computes(
    part: nn.Module, layers: int, x: Tensor, end: Callable[[Tensor], Tensor], large: float = 2.0
) -> None:
    """Check that a part is such a chain, in both modes and for several batches."""
    for mode, n, gain in ((True, len(x), 1.0), (False, len(x), large), (True, 1, large)):
        redrawn(part.train(mode), gain)
        found = part(x[:n].clone())
        check(found.dtype == torch.float32, f"dtype {found.dtype}")
        oracle = chains(x[:n].flatten(1).double(), [p.detach().double() for p in part.parameters()], layers)
        check(any(close(found, end(y)) for y in oracle), f"behaviour {mode=} {n=} {gain=}")


def counts(part: nn.Module, *widths: int) -> None:
    """Check the number of parameters of a chain of Linear layers."""
    expected = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    found = sum(p.numel() for p in part.parameters())
    check(found == expected, f"{found} parameters, not {expected}")


def head(layer: nn.Module, latent: int) -> None:
    """Check mu_layer or logvar_layer."""
    counts(layer, H, latent)
    computes(layer, 1, 20 * torch.randn(9, H), lambda y: y)


def image(y: Tensor) -> Tensor:
    """Make images of the decoder's last layer."""
    return y.sigmoid().view(-1, 1, 28, 28)


def decoder(part: Callable[[int], nn.Module], inputs: int) -> None:
    """Check a decoder, made for a number of pixels."""
    for d in (784, 345):
        counts(part(d), inputs, H, H, H, d)
    computes(part(784), 4, 3 * torch.randn(9, inputs), image, large=0.7)


def row_1_1(vae: Any) -> None:
    for d in (784, 345):
        counts(vae.VAE(d, 17).encoder, d, H, H, H)


def row_1_2(vae: Any) -> None:
    computes(vae.VAE(784, 17).encoder, 3, torch.rand(9, 1, 28, 28), torch.relu)


def row_1_3(vae: Any) -> None:
    for latent in (15, 17):
        head(vae.VAE(784, latent).mu_layer, latent)


def row_1_4(vae: Any) -> None:
    for latent in (15, 17):
        head(vae.VAE(784, latent).logvar_layer, latent)


def row_2_1(vae: Any) -> None:
    for latent in (15, 17):
        decoder(lambda d: vae.VAE(d, latent).decoder, latent)  # noqa: B023 - called at once


def row_6_1(vae: Any) -> None:
    for classes, latent in ((10, 15), (7, 17)):
        for d in (784, 345):
            counts(vae.CVAE(d, classes, latent).encoder, d + classes, H, H, H)
        model = vae.CVAE(784, classes, latent)
        computes(model.encoder, 3, torch.rand(9, 784 + classes), torch.relu)
        head(model.mu_layer, latent)
        head(model.logvar_layer, latent)


def row_6_2(vae: Any) -> None:
    for classes, latent in ((10, 15), (7, 17)):
        decoder(lambda d: vae.CVAE(d, classes, latent).decoder, latent + classes)  # noqa: B023 - called at once


# Reparametrization


def rel_error(x: float, y: float) -> float:
    return abs(x - y) / max(1e-10, abs(x) + abs(y))


def row_3_1(vae: Any) -> None:
    mu, logvar = torch.zeros(1, 15), torch.ones(1, 15)
    for number, known in ((0, (-0.4363, 1.6860)), *((n, None) for n in (5, 6, 7, 8))):
        seed(number)
        mean, std = known or ((e := math.sqrt(math.e) * torch.randn(1, 15)).mean().item(), e.std().item())
        seed(number)
        z = vae.reparametrize(mu.clone(), logvar.clone())
        check(z.shape == (1, 15), "shape")
        check(rel_error(z.mean().item(), mean) <= 1e-4, f"mean {z.mean()} for seed {number}")
        check(rel_error(z.std().item(), std) <= 1e-4, f"std {z.std()} for seed {number}")


def is_normal(eps: Tensor) -> None:
    """Check that so many numbers look like independent draws from N(0, 1)."""
    n = eps.numel()
    check(abs(eps.mean()).item() < 6 / math.sqrt(n), "mean of eps")
    check(abs(eps.std() - 1).item() < 6 / math.sqrt(2 * n), "std of eps")
    ordered = eps.flatten().double().sort().values
    cdf = (1 + torch.erf(ordered / math.sqrt(2))) / 2
    steps = torch.arange(1, n + 1, dtype=torch.float64) / n
    check((cdf - steps).abs().max().item() < 4 / math.sqrt(n), "distribution of eps")
    check(eps.abs().unique().numel() > 0.9 * n, "eps repeats itself")
    for table in (eps, eps.T):
        factor = torch.corrcoef(table)
        factor.fill_diagonal_(0)
        check(factor.abs().max().item() < 8 / math.sqrt(table.shape[1]), "eps is correlated")


def row_3_2(vae: Any) -> None:
    r = vae.reparametrize
    for n, latent in ((1, 3), (64, 7), (129, 40)):
        mu, logvar, zero = 3 * torch.randn(n, latent), 3 * torch.randn(n, latent), torch.zeros(n, latent)
        before = mu.clone(), logvar.clone()
        seed(1)
        z = r(mu, logvar)
        check(torch.equal(mu, before[0]) and torch.equal(logvar, before[1]), "inputs changed")
        check(z.shape == mu.shape and z.dtype == mu.dtype, f"shape {z.shape}, {z.dtype}")
        seed(1)
        if torch.equal(z, r(mu, logvar)):
            seed(1)
            eps = r(zero, zero)
            check(close(z, mu + (logvar / 2).exp() * eps), "formula")
        check(not torch.equal(r(mu, logvar), r(mu, logvar)), "the same noise again")
        mu.requires_grad_()
        logvar.requires_grad_()
        z = r(mu.clone(), logvar.clone())
        by_mu, by_logvar = torch.autograd.grad(z.sum(), (mu, logvar))
        check(close(by_mu, torch.ones_like(mu)), "gradient of mu")
        check(close(by_logvar, (z - mu) / 2, 1e-3), "gradient of logvar")
    mu, logvar = torch.randn(512, 300), torch.randn(512, 300)
    is_normal((r(mu, logvar) - mu) / (logvar / 2).exp())


# Forward


class Recorded:
    """Reparametrize as the submission has it, remembering its last draw."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function, self.z = function, torch.zeros(0)

    def __call__(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        self.z = self.function(*args, **kwargs)
        return self.z


def usual(mu: Tensor, logvar: Tensor) -> Tensor:
    return mu + (logvar / 2).exp() * torch.randn_like(mu)


def forward(vae: Any, model: Any, x: Tensor, c: Tensor | None = None) -> None:
    """Check that the model's forward is the composition of its own parts."""
    own = getattr(vae, "reparametrize", None) or usual
    recorded = Recorded(own)
    arguments = [x] if c is None else [x, c]

    seed(3)
    drawn = own(torch.zeros(1, 2), torch.zeros(1, 2))
    seed(3)
    seedable = torch.equal(drawn, own(torch.zeros(1, 2), torch.zeros(1, 2)))

    def composed(z: Tensor | None, order: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        extra = [] if c is None else [c.to(x.dtype)]
        h = model.encoder(x if c is None else torch.cat([x.flatten(1), *extra][::order], 1))
        mu, logvar = model.mu_layer(h), model.logvar_layer(h)
        z = own(mu, logvar) if z is None else z
        return model.decoder(torch.cat([z, *extra], 1)).view(x.shape), mu, logvar

    before = [a.clone() for a in arguments]
    seed(3)
    if hasattr(vae, "reparametrize"):
        vae.reparametrize = recorded
    out = model(*arguments)
    if hasattr(vae, "reparametrize"):
        vae.reparametrize = own
    check(all(torch.equal(a, b) for a, b in zip(arguments, before, strict=True)), "inputs changed")
    check(isinstance(out, tuple) and len(out) == 3, "not three")
    check(not any(o.isnan().any() for o in out), "nan")
    for order in (1, -1):
        seed(3)
        expected = composed(None if seedable else recorded.z, order)
        if all(close(o, e) for o, e in zip(out, expected, strict=True)):
            break
    else:
        raise AssertionError("composition: " + str([o.shape for o in out]))
    weights = [torch.randn_like(e) for e in out]
    slopes = []
    for outputs in (out, expected):
        model.zero_grad()
        sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)).backward(retain_graph=True)
        slopes.append([p.grad if p.grad is None else p.grad.clone() for p in model.parameters()])
    for found, wanted in zip(*slopes, strict=True):
        check((found is None) == (wanted is None), "a gradient is missing")
        check(found is None or close(found, wanted, 1e-4), "gradient")
    seed(3)
    again = model(*arguments)
    check(all(close(o, a) for o, a in zip(out, again, strict=True)) or not seedable, "remembers")
    seed(4)
    other_z, other = composed(None), model(*arguments)
    check(torch.equal(other_z[0], expected[0]) or not torch.equal(other[0], out[0]), "not random")


def row_4_1(vae: Any) -> None:
    for latent, n, mode in ((15, 1, True), (15, 5, False), (17, 40, True), (17, 1, False)):
        forward(vae, vae.VAE(784, latent).train(mode), torch.rand(n, 1, 28, 28))


def row_6_3(vae: Any) -> None:
    for classes, latent, n, mode in (
        (10, 15, 1, True),
        (10, 15, 5, False),
        (7, 17, 40, True),
        (7, 17, 1, False),
    ):
        model = vae.CVAE(784, classes, latent).train(mode)
        c = F.one_hot(torch.randint(classes, (n,)), classes)
        for one_hot in (c, c.float()):
            forward(vae, model, torch.rand(n, 1, 28, 28), one_hot)


# Loss


def row_5_1(vae: Any) -> None:
    x_hat, x = (torch.tensor([[[a, b]]]).sigmoid() for a, b in (([2.0, 5], [6.0, 7]), ([1.0, 10], [9.0, 3])))
    notebook = vae.loss_function(x_hat, x, torch.ones(1, 15), torch.zeros(1, 15)).item()
    check(rel_error(notebook, 8.5079) <= 1e-5, f"{notebook} is not 8.5079")
    for n, spread in itertools.product((1, 2, 7, 64), (0.5, 2.0)):
        x_hat, x = torch.rand(n, 1, 28, 28) * 0.998 + 0.001, torch.rand(n, 1, 28, 28)
        mu, logvar = spread * torch.randn(n, 15), spread * torch.randn(n, 15)
        leaves = [t.requires_grad_() for t in (x_hat, mu, logvar)]
        loss = vae.loss_function(x_hat.clone(), x.clone(), mu.clone(), logvar.clone())
        check(loss.shape == (), f"shape {loss.shape}")
        bce = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).double().sum()
        kl = 0.5 * (mu.double() ** 2 + logvar.double().exp() - 1 - logvar).sum()
        expected = (bce + kl) / n
        check(rel_error(loss.item(), expected.item()) <= 1e-5, f"{loss} is not {expected}")
        for f, e in zip(
            torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves), strict=True
        ):
            check(close(f, e, 1e-3), "gradient")


ROWS = {name[4:].replace("_", "."): row for name, row in list(globals().items()) if name.startswith("row_")}


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("vae", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vae"] = module
    spec.loader.exec_module(module)
    return module


def judge(source: bytes) -> dict[str, str]:
    """Import a submission for each row and name the rows that it loses, each with a reason."""
    reasons = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vae.py")
        path.write_bytes(source)
        for row, function in ROWS.items():
            try:
                torch.manual_seed(11)
                function(load(path))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the row is lost
                reasons[row] = f"{type(error).__name__}: {error}"[:150]
    return reasons


def verdict(entry: Entry, limit: int = 60) -> dict[str, str]:
    """Judge an entry in a fork of this process, within a number of seconds."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        signal.alarm(limit)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            reasons = judge(entry.source)
        os.write(writing, "\n".join(f"{row}\t{why!r}" for row, why in reasons.items()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:  # noqa: PTH123 - a pipe, no path
        text = answer.read()
    _, status = os.waitpid(child, 0)
    check(status == 0, f"{entry.name} ended with status {status}")
    return dict(line.split("\t", 1) for line in text.splitlines())


def main(names: list[str]) -> int:
    """Print every entry on which the judge and the corpus disagree."""
    torch.set_num_threads(1)
    sys.path.append(str(Path(__file__).parents[2] / "student_template"))  # nndl2
    wrong = 0
    for entry in entries():
        if names and entry.name not in names:
            continue
        reasons = verdict(entry)
        if reasons.keys() != entry.lost:
            wrong += 1
            print(f"{entry.name}: {sorted(entry.lost)} expected", *reasons.items(), sep="\n    ")  # noqa: T201
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
