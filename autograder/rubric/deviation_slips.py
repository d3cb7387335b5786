"""What stands in the place of the standard deviation sigma = exp(logvar / 2), read off z, with the words for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["deviation_slips"]

TELLING = 0.5  # smaller noise tells too little of what it was multiplied by
RELATIVE, ROUNDING = 2e-3, 3e-7
FEWEST = 5  # elements, from which two numbers are fitted


def deviation_slips(z: Tensor, mu: Tensor, logvar: Tensor, eps: Tensor) -> list[str]:
    """Name what z = mu + s * eps has as s, where that is a usual function of logvar, or no function of it alone.

    z, mu, logvar, eps: (N, Z)
    """
    if z.shape != mu.shape:
        return []
    found = (z.double() - mu) / eps
    telling = (eps.abs() > TELLING) & torch.isfinite(found)
    if int(telling.sum()) < FEWEST:
        return []
    rounding = ROUNDING * (1 + float(mu.abs().max())) / TELLING
    named = next(functions(found[telling], logvar.double()[telling], rounding, more=len(z) > 1), "")
    if not named and is_of_rows(found, telling, rounding):
        named = "the same for all latents of an image"
    return [f"your standard deviation is {named}"] if named else []


def functions(found: Tensor, logvar: Tensor, rounding: float, *, more: bool) -> Iterator[str]:
    """Name functions of logvar that give the standard deviations found.

    found, logvar: of the same shape
    more: whether they are of more than one image
    """
    right = torch.exp(logvar / 2)
    even = torch.full_like(found, rounding)
    if (number := one_number(found, even)) is not None:
        yield f"{number:.4g}" + (", whatever logvar is" if more else " for all latents of the image")
    if (added := one_number(found - right, even)) is not None:
        yield f"exp(logvar / 2) {signed(added, 2)}"
    if (added := one_number(found.square() - right.square(), 2 * rounding * found.abs())) is not None:
        yield f"sqrt(exp(logvar) {signed(added, 2)})"
    if float(found.min()) > rounding / RELATIVE:
        line = line_through(logvar, found.log(), rounding / float(found.min()))
        if line and abs(line[0] - 0.5) > 2 * RELATIVE:
            factor = math.exp(line[1])
            times = "" if abs(line[0] - 1) < RELATIVE else f"{line[0]:.4g} * "
            yield ("" if abs(factor - 1) < RELATIVE else f"{factor:.4g} * ") + f"exp({times}logvar)"
    if line := line_through(logvar, found, rounding):
        yield f"{line[1]:.4g} {signed(line[0], 4)} * logvar, without exp"


def is_of_rows(found: Tensor, telling: Tensor, rounding: float) -> bool:
    """Tell whether each row has one number where it is telling, in three rows at least.

    found, telling: (N, Z)
    """
    rows = [row[known] for row, known in zip(found, telling, strict=True) if int(known.sum()) > 1]
    return len(rows) > 2 and all(one_number(row, torch.full_like(row, rounding)) is not None for row in rows)


def one_number(values: Tensor, rounding: Tensor) -> float | None:
    """Return the number that all values are but for their rounding, None where there is none or it is 0.

    values, rounding: of the same shape
    """
    weights = rounding.clamp(min=1e-12) ** -2
    mean = float((weights * values).sum() / weights.sum())
    alike = bool(((values - mean).abs() <= RELATIVE * abs(mean) + rounding).all())
    return mean if alike and abs(mean) > 3 * float(rounding.min()) else None


def signed(number: float, digits: int) -> str:
    """Write what is added, with a sign before it."""
    return f"{'-' if number < 0 else '+'} {abs(number):.{digits}g}"


def line_through(x: Tensor, y: Tensor, rounding: float) -> tuple[float, float] | None:
    """Return the slope and the height at 0 of the line on which all values lie, if there is one that rises or falls."""
    apart = x - x.mean()
    slope = float((apart * y).sum() / apart.square().sum())
    height = float(y.mean()) - slope * float(x.mean())
    off = float((y - height - slope * x).abs().max())
    return (slope, height) if off <= RELATIVE * abs(slope) + rounding and abs(slope) > RELATIVE else None
