"""The weights of the student's models: listed, and drawn alike on both sides of the pipe, and quickly.

A grading draws ten million of them. A generator would take longer for that than all else takes together, so each
tensor is a piece of one long list of normal numbers, and only where it begins is drawn. The list is no secret: the
student's code sees the weights of its models anyway.
"""

from __future__ import annotations

import contextlib
import math
import random
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn, randn  # as they are before the student has any say

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

__all__ = ["draw", "fill", "is_lazy", "is_plain", "is_vector", "listed", "quick_start", "registered", "start"]

NUMBERS = randn(1 << 20, generator=Generator().manual_seed(0))
STARTS = random.Random(0)  # noqa: S311 - for where first weights begin
RESET = nn.Linear.reset_parameters


def draw(shapes: Sequence[Sequence[int]], seed: int) -> list[Tensor]:
    """Draw standard normal tensors of these shapes: not to be written to, since they may be pieces of the list."""
    places = random.Random(seed)  # noqa: S311 - as in fill()
    return [piece(math.prod(shape), places).view(tuple(shape)) for shape in shapes]


def fill(tensors: Sequence[Tensor], scales: Sequence[float], seed: int) -> None:
    """Draw new values for tensors, normal with these standard deviations: those numbers of draw(), times these."""
    places = random.Random(seed)  # noqa: S311 - torch's would draw where a student's default device is
    with torch.no_grad():
        for tensor, scale in zip(tensors, scales, strict=True):
            numbers = piece(tensor.numel(), places).view(tensor.shape)
            if tensor.dtype == torch.float32:
                torch.mul(numbers, scale, out=tensor)
            else:
                tensor.copy_(numbers * scale)


def piece(number: int, places: random.Random) -> Tensor:
    """Return so many consecutive normal numbers, from anywhere in the list, or new ones where it is too short."""
    spare = len(NUMBERS) - number
    if spare < len(NUMBERS) // 4:
        generator = Generator().manual_seed(places.getrandbits(32))
        return randn(number, generator=generator, device="cpu")
    start = places.randrange(spare)
    return NUMBERS[start : start + number]


class Begun(list[nn.Linear]):
    """Layers that took their first weights from the list, or are still to do so."""

    def __init__(self) -> None:
        super().__init__()
        self.few: list[Tensor] = []  # of the weights that each got, where they have them

    def are_untouched(self) -> bool:
        """Tell whether these weights are still there."""
        return all(torch.equal(few, beginning(layer)) for layer, few in zip(self, self.few))  # noqa: B905 - or none


def beginning(layer: nn.Linear) -> Tensor:
    """Return a few of a layer's weights."""
    return layer.weight.detach().flatten()[:8].clone()


@contextlib.contextmanager
def quick_start(*, late: bool = False) -> Iterator[Begun]:
    """Have nn.Linear take its first weights from the list, and gather the layers that do.

    late: leave them open, for models that get new weights before they are asked for anything: to write five megabytes
        takes as long as to compute with them. What gets none, such as layers in a plain list, start() is for.
    """
    layers = Begun()
    if nn.Linear.reset_parameters is not RESET:  # the student's own
        yield layers
        return

    def begin(layer: nn.Linear) -> None:
        if layer.weight.device.type != "cpu":
            RESET(layer)
            return
        if any(other is layer for other in layers):  # who begins anew looks at what comes of it
            start(layer)
            return
        layers.append(layer)
        if not late:
            start(layer)
            layers.few.append(beginning(layer))

    nn.Linear.reset_parameters = begin  # type: ignore[assignment, method-assign]
    try:
        yield layers
    finally:
        if nn.Linear.reset_parameters is begin:
            nn.Linear.reset_parameters = RESET  # type: ignore[method-assign]


def start(layer: nn.Linear, filled: Container[int] = ()) -> None:
    """Give a layer its first weights: variance 1 / (3 * fan_in), as U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)) has.

    They come from the list: torch's own way takes twice as long.
    filled: ids of parameters that have theirs
    """
    own = vars(layer)["_parameters"].values()
    parameters = [p for p in own if p is not None and is_real(p) and id(p) not in filled]
    scale = (3 * max(1, layer.in_features)) ** -0.5
    fill(parameters, [scale] * len(parameters), STARTS.getrandbits(32))


def is_plain(model: object, layers: Begun) -> bool:
    """Tell whether a model has nothing that could depend on its layers' first weights, as a spectral norm would.

    Nor may it have changed them: perhaps until they were as it wants them, which they might never be.
    """
    if not isinstance(model, nn.Module):
        return False
    own = {id(p) for layer in layers for p in vars(layer)["_parameters"].values()}
    try:
        alone = all(id(p) in own for _, p in registered(model)) and not any(True for _ in model.buffers())
        return alone and layers.are_untouched()
    except Exception:  # noqa: BLE001 - without super().__init__() it is no module yet; and methods may be the student's
        return False


def listed(part: nn.Module) -> list[tuple[str, Tensor]]:
    """List a part's parameters but for those that could not learn.

    One that holds less memory than its shape promises (expanded, meta) is none.
    """
    return [(name, p) for name, p in registered(part) if is_lazy(p) or is_real(p)]


def registered(part: nn.Module, prefix: str = "", seen: set[int] | None = None) -> list[tuple[str, Tensor]]:
    """List a part's parameters as nn.Module registers them, whatever its own parameters() says."""
    if isinstance(part, torch.jit.ScriptModule):
        return list(part.named_parameters())
    seen = set() if seen is None else seen
    found = []
    for name, parameter in vars(part)["_parameters"].items():
        if parameter is not None and id(parameter) not in seen:
            seen.add(id(parameter))
            found.append((prefix + name, parameter))
    for name, module in vars(part)["_modules"].items():
        if module is not None and id(module) not in seen:
            seen.add(id(module))
            found += registered(module, f"{prefix}{name}.", seen)
    return found


def is_vector(shape: Sequence[int]) -> bool:
    """Tell whether a parameter is a vector: (n,), or written as a row or a column, (1, n) or (n, 1)."""
    return len(shape) > 0 and max(shape) == math.prod(shape)


def is_lazy(parameter: Tensor) -> bool:
    """Tell whether a parameter has no shape before the first call (nn.LazyLinear)."""
    # To ask nn.Parameter itself is slow, and nearly all are just that.
    return type(parameter) is not nn.Parameter and isinstance(parameter, nn.parameter.UninitializedParameter)


def is_real(parameter: Tensor) -> bool:
    """Tell whether a parameter has memory of its own for each of its elements."""
    return (
        (type(parameter) is nn.Parameter or isinstance(parameter, nn.Parameter))
        and not parameter.is_meta
        and parameter.untyped_storage().nbytes() >= parameter.numel() * parameter.element_size()
    )
