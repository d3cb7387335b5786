"""Which known slip a part shows that computes something else than it should."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import Raised
from autograder.rubric import oracle
from autograder.rubric.expect import TOLERANCE, close
from autograder.rubric.part_slips import PartSlips
from autograder.rubric.slips import clamps

if TYPE_CHECKING:
    from autograder.rubric.behaviour import Behaviour

__all__ = ["diagnose"]

SECONDS = 10  # of computing, to look for the slip; most take less than one
MIXED = (
    "One image's result depends on the others in the batch: is there a batch normalisation, or a softmax over the "
    "batch, or does a view, reshape or transpose mix the images?"
)
COARSE = (
    0.01  # half precision rounds a batch's sums otherwise than one image's: that is no batch normalisation
)


def diagnose(behaviour: Behaviour, x: Tensor, y: Tensor) -> list[str]:
    """Name the slips that would give just this result."""
    again = behaviour.part(x)
    if not close(again, y):
        found = ["It gives other values when it is asked again: is there dropout, or other random noise?"]
    elif len(x) > 1 and mixes(behaviour, x, y):
        found = [MIXED]
    else:
        found = []
    behaviour.model.eval()
    if behaviour.matches(x, behaviour.part(x)) and not close(y, behaviour.right(x, behaviour.chains[0])):
        found.append(
            "It is right in evaluation mode and wrong in training mode: is there dropout, or a batch normalisation?"
        )
    return found or search(behaviour, x, y)


def search(behaviour: Behaviour, x: Tensor, y: Tensor) -> list[str]:
    """Name the slips of the layers and activations that would give just this result, or say how it differs."""
    chain, flat = behaviour.chains[0], x.flatten(1)
    if len(behaviour.layers) > behaviour.length and oracle.fits(behaviour.layers, flat.shape[1]):
        more = behaviour.compute(x, behaviour.layers, rough=False)
        if more.shape == y.shape and close(y, more):
            number = len(behaviour.layers)
            return [
                f"It has {number} fully connected layers, one behind the other; it should have {behaviour.length}."
            ]
    y, right = y.flatten(1), behaviour.right(x, chain).flatten(1)
    # Where it is most wrong: a known slip is known by two images, and there are thousands to compute.
    worst = (y - right).abs().amax(1).argsort(descending=True)[:2]
    end = time.thread_time() + SECONDS
    known = PartSlips(
        behaviour.values, behaviour.last, behaviour.image, behaviour.part.name.startswith("CVAE.")
    )
    for slips in (known.single, known.pairs):
        named: list[str] = []
        for rows in (worst, torch.arange(len(x))):  # all, where several slips are alike for these two
            in_time = itertools.takewhile(lambda _: time.thread_time() < end, slips(flat[rows], chain))
            named = [f"It looks as if {text}." for text, slip in in_time if close(y[rows], slip)] or named
            if len(named) < 2:
                break
        named = named or clamps("its result", y, right, TOLERANCE) or measure(behaviour, y, right)
        if named:
            return list(dict.fromkeys(named))[:3]
    if float((y - right).abs().max()) < 0.02 * float(right.abs().max()):
        return [
            "The difference is small: something is slightly off, or computed in lower precision (half, bfloat16)."
        ]
    return []


def mixes(behaviour: Behaviour, x: Tensor, y: Tensor) -> bool:
    """Tell whether one image's result depends on the others in its batch."""
    try:
        return not close(behaviour.part(x[:1]), y[:1], COARSE)
    except Raised as error:
        if "more than 1 value per channel" in str(error):  # so says a batch normalisation
            return True
        raise


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
