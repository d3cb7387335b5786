"""How a part's result differs from the right one, in numbers, where no known slip gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric import oracle
from autograder.rubric.expect import close

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.rubric.behaviour import Behaviour
    from autograder.rubric.oracle import Layer

__all__ = ["measure", "measure_end", "measure_range"]

EXPLAINED = 0.05  # of a difference: what may be left of it where a function of the last Linear explains it


def measure(behaviour: Behaviour, y: Tensor, right: Tensor) -> list[str]:
    """Describe a result that is the right one but for a factor and a constant, or is the same everywhere."""
    if y.numel() > 1 and y.min() == y.max():
        return [f"It gives {float(y.min()):.6g} everywhere, whatever its input is."]
    factor = float((y.double() * right).sum() / (right * right).sum())
    if abs(factor - 1) > 1e-4 and close(y, factor * right):
        return [f"The result is {factor:.6g} times the right one: something follows the last step."]
    apart = right - right.mean()
    factor = float((y.double() * apart).sum() / (apart * apart).sum())
    constant = float(y.double().mean() - factor * right.mean())
    if abs(factor) > 1e-3 and close(y, factor * right + constant):
        more = f"{'plus' if constant > 0 else 'minus'} {abs(constant):.4g}"
        return [f"The result is {factor:.6g} times the right one {more}: something follows the last step."]
    return measure_logits(y, right) if behaviour.image else []


def measure_logits(y: Tensor, right: Tensor) -> list[str]:
    """Describe a decoder's result that is the right one but for a factor before the sigmoid."""
    logits = torch.logit(right)
    inner = (logits.abs() < 4) & (y > 1e-4) & (y < 1 - 1e-4)
    apart = logits[inner]
    factor = float((torch.logit(y.double()[inner]) * apart).sum() / (apart * apart).sum())
    if abs(factor - 1) > 1e-3 and close(y, torch.sigmoid(factor * logits)):
        return [f"Before the Sigmoid, the numbers are {factor:.4g} times the right ones."]
    return []


def measure_end(
    behaviour: Behaviour, x: Tensor, y: Tensor, right: Tensor, chain: Sequence[Layer]
) -> list[str]:
    """Describe a result that an unknown function makes of the right numbers of the last Linear.

    x: (N, size_in), y and right: (N, size_out)
    """
    before = oracle.network(x, chain[:-1], behaviour.values, last=True)
    before = oracle.network(before, chain[-1:], behaviour.values)
    if not is_function(before, y, right):
        return []
    due = "Sigmoid" if behaviour.image else "ReLU" if behaviour.last else ""
    what = f"what follows it is no {due}" if due else "something follows it"
    most = int((y - right).abs().argmax())
    example = f"it makes {float(y.flatten()[most]):.4g} of {float(before.flatten()[most]):.4g}"
    return [f"It is right as far as the last Linear; {what}: {example}, for example."]


def measure_range(behaviour: Behaviour, y: Tensor) -> list[str]:
    """Describe a decoder's result that is no image."""
    low, high = float(y.min()), float(y.max())
    if not behaviour.image or 0 <= low <= high <= 1:
        return []
    span = f"from {low:.4g} to {high:.4g}"
    return [
        f"It gives numbers {span}; pixels lie between 0 and 1: the Sigmoid is missing, or not the last step."
    ]


def is_function(before: Tensor, y: Tensor, right: Tensor) -> bool:
    """Tell whether each number of y is the same function of the number in its place before, and not the right one.

    Along the sorted numbers before, each of y then lies nearly on the line between its neighbours.
    """
    before, order = before.flatten().sort()
    y, right = y.double().flatten()[order], right.flatten()[order]
    if len(y) < 10 or y.min() == y.max():
        return False
    share = ((before[1:-1] - before[:-2]) / (before[2:] - before[:-2])).nan_to_num(0.5)
    off = (torch.lerp(y[:-2], y[2:], share) - y[1:-1]).abs().mean()
    return bool(off < EXPLAINED * (y - right).abs().mean())
