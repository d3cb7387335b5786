"""How a part's result differs from the right one, in numbers, where no known slip gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric.expect import close

if TYPE_CHECKING:
    from autograder.rubric.behaviour import Behaviour

__all__ = ["measure"]


def measure(behaviour: Behaviour, y: Tensor, right: Tensor) -> list[str]:
    """Describe a result that is the right one but for a factor and a constant."""
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
