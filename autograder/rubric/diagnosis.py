"""Which known slip a part shows that computes something else than it should."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from autograder.outcome import UNANSWERED, Raised
from autograder.rubric import oracle
from autograder.rubric.expect import TOLERANCE, close
from autograder.rubric.measures import measure, measure_end, measure_range
from autograder.rubric.mistake import Mistake
from autograder.rubric.part_slips import PartSlips
from autograder.rubric.slips import clamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from autograder.rubric.behaviour import Behaviour
    from autograder.rubric.oracle import Layer

    Slips = Callable[[Tensor, Sequence[Layer]], Iterator[tuple[str, Tensor]]]

__all__ = ["diagnose"]

SECONDS = 10  # of computing, to look for the slip; most take less than one
WIDER = 3  # times the input: there ReLU is told from ReLU6, which is the same below 6
MIXED = (
    "One image's result depends on the others in the batch: is there a batch normalisation, a softmax over the batch, "
    "or something else worked out from the whole batch, such as its maximum? Or does a view, reshape or transpose mix "
    "the images?"
)
TRAINING = "It is right in evaluation mode and wrong in training mode"
COARSE = (
    0.01  # half precision rounds a batch's sums otherwise than one image's: that is no batch normalisation
)


def diagnose(behaviour: Behaviour, x: Tensor, y: Tensor) -> list[str]:
    """Name the slips that would give just this result."""
    again = behaviour.part(x)
    if not close(again, y):
        found = [
            "It gives other values when it is asked again: is there dropout, RReLU or other random noise?"
        ]
    elif len(x) > 1 and mixes(behaviour, x, y):
        found = [MIXED]
    else:
        found = []
    behaviour.model.eval()
    if not behaviour.matches(x, behaviour.part(x)) or close(y, behaviour.right(x, behaviour.chains[0])):
        return found or search(behaviour, x, y)
    behaviour.model.train()  # y is wrong, and so comes of this mode
    if not found and (named := search(behaviour, x, y)):
        scaled = any(" times the right one" in line for line in named)
        why = ": is there dropout, which divides by the share that it keeps?" if scaled else "."
        return [f"{TRAINING}{why}", *(f"In training mode {line[0].lower()}{line[1:]}" for line in named)]
    return [*found, f"{TRAINING}: is there dropout, or a batch normalisation?"]


def search(behaviour: Behaviour, x: Tensor, y: Tensor) -> list[str]:
    """Name the slip of the layers and activations that would give just this result, or say how it differs."""
    chain, flat = behaviour.chains[0], x.flatten(1)
    if close(y, right := behaviour.right(x, chain)):  # but not rectified
        most = float(y[right == 0].abs().max())
        return [
            f"Where ReLU gives 0 it gives numbers up to {most:.4g}: is something added behind it, or is it no ReLU?"
        ]
    if len(behaviour.layers) > behaviour.length and oracle.fits(behaviour.layers, flat.shape[1]):
        more = behaviour.compute(x, behaviour.layers, rough=False)
        if more.shape == y.shape and close(y, more):
            number = len(behaviour.layers)
            return [
                f"It has {number} fully connected layers, one after the other; it should have {behaviour.length}."
            ]
    y, right = y.flatten(1), behaviour.right(x, chain).flatten(1)
    end = time.thread_time() + SECONDS
    known = PartSlips(
        behaviour.values, behaviour.last, behaviour.image, behaviour.part.name.startswith("CVAE.")
    )
    for slips in (known.single, known.pairs, known.mixed):
        named = nearest(slips, chain, probes(behaviour, x, y, right), end)
        if named := named or clamps("its result", y, right, TOLERANCE) or measure(behaviour, y, right):
            return named
    if float((y - right).abs().max()) < 0.02 * float(right.abs().max()):
        return [
            "The difference is small: something is slightly off, or computed in lower precision (half, bfloat16)."
        ]
    return measure_end(behaviour, flat, y, right, chain) + measure_range(behaviour, y)


def probes(behaviour: Behaviour, x: Tensor, y: Tensor, right: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Give inputs (N, size_in) and the part's results, by which slips are known."""
    # Where it is most wrong: two images show most of what is no slip, and there are thousands to compute.
    worst = (y - right).abs().amax(1).argsort(descending=True)[:2]
    yield x.flatten(1)[worst], y[worst]
    yield x.flatten(1), y
    with contextlib.suppress(Mistake, *UNANSWERED):  # whatever it does there: it is wrong anyway
        wide = WIDER * x
        yield wide.flatten(1), behaviour.ask(wide).flatten(1)


def nearest(
    slips: Slips, chain: Sequence[Layer], probed: Iterable[tuple[Tensor, Tensor]], end: float
) -> list[str]:
    """Name the slip that gives what the part gives, if one does; where several do, the first of those next to it.

    end: when to stop looking for the first that do
    """
    errors: dict[str, float] = {}
    for number, (x, y) in enumerate(probed):
        found: dict[str, float] = {}
        for text, slip in slips(x, chain):
            if not number and time.thread_time() > end:
                break
            if (not number or text in errors) and close(y, slip):
                found[text] = min(float((y - slip).abs().max()), found.get(text, math.inf))
        errors = found if number < 2 else found or errors
        if len(errors) < min(number + 1, 2):  # none, or behind the second question one
            break
    # What is off by more than rounding is not it: GELU's two forms differ by less than large numbers may be off.
    least = min(errors.values(), default=0.0)
    return [f"It looks as if {text}." for text, error in errors.items() if error <= 2 * least][:1]


def mixes(behaviour: Behaviour, x: Tensor, y: Tensor) -> bool:
    """Tell whether one image's result depends on the others in its batch."""
    try:
        # Without the first one as well, which may be what the others depend on: it may hold the batch's maximum.
        return not all(close(behaviour.part(x[some]), y[some], COARSE) for some in (slice(1), slice(1, None)))
    except Raised as error:
        if "more than 1 value per channel" in str(error):  # so says a batch normalisation
            return True
        raise
