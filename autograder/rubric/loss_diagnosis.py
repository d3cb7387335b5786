"""What is wrong with a loss: its known slips, confirmed with other inputs, or else the term that is wrong."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from autograder.outcome import UNANSWERED
from autograder.rubric.loss_slips import BCE, SOFTMAX, explain
from autograder.rubric.loss_terms import dissect, draw_batch, value
from autograder.rubric.oracle import any_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autograder.rubric.loss_slips import Inputs
    from autograder.student import Student

__all__ = ["diagnose"]

MOST = 1e5  # of a loss for which float32 has many numbers between two whole ones


def diagnose(student: Student, inputs: Inputs, found: float) -> list[str]:
    """Name what gives the loss found for these inputs and for others: slips, or else the term that is wrong."""
    lines: list[str] = []
    # What is wrong is told already; of a liar's numbers nothing may be known.
    with contextlib.suppress(*UNANSWERED, ArithmeticError):
        lines.extend(look_closer(student, inputs, found))
    return lines


def other_batches() -> list[Inputs]:
    """Draw some: a loss that is rounded is the same number for one in twenty or so."""
    return [draw_batch(any_number(15, 20), any_number(10, 14)) for _ in range(5)]


def look_closer(student: Student, inputs: Inputs, found: float) -> Iterator[str]:
    """Ask for other inputs to find out. Raises what the student's code raises then."""
    again = value(student, *inputs)
    if not math.isfinite(found + again):
        yield from tame(student, inputs)
    elif abs(again - found) > 1e-6 * abs(found):
        yield f"The same call gives another value when it is made again ({again:.6g}): it must not."
    elif {*(others := [value(student, *other) for other in other_batches()])} == {found}:
        yield "It is the same number for other inputs, too: it depends on none of them, or is clamped."
    elif all(abs(loss) < MOST and loss.is_integer() for loss in (found, *others)):
        yield "It is a whole number, for other inputs too: is it rounded, or divided by //, which rounds down?"
    elif named := known(student, inputs, found):
        yield from named
    else:
        yield from dissect(student, inputs)


def known(student: Student, inputs: Inputs, found: float) -> list[str]:
    """Name the slips that give the loss found for these inputs, and those for others as well."""
    named = explain(inputs, found)
    # By chance, perhaps: with two slips at a time there are thousands of values, with little KL divergence in them.
    for far in (1, 10, 10, 10):  # the exp of more would be too much for float32
        if named:
            others = alter(inputs, far)
            confirmed = explain(others, value(student, *others))
            named = [slips for slips in named if slips in confirmed]
    clear = shortest(named)
    if any(f"{BCE} were missing" in slips for slips in clear):
        x_hat, x, mu, logvar = inputs
        with contextlib.suppress(*UNANSWERED):  # a function may ask for images
            flat = value(student, x_hat.flatten(1), x.flatten(1), mu, logvar)
            clear = shortest([slips for slips in explain(inputs, flat) if SOFTMAX in slips]) or clear
    return [f"It looks as if {', and '.join(slips)}." for slips in clear]


def shortest(named: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Keep what takes the fewest slips, three at most."""
    fewest = min(map(len, named), default=0)
    return [slips for slips in named if len(slips) == fewest][:3]


def alter(inputs: Inputs, far: float) -> Inputs:
    """Draw other inputs with whatever makes a logarithm finite: pixels away from 0 and 1, mu or logvar above 0.

    far: what mu is multiplied by, and logvar as far as its exp allows
    """
    x_hat, x, mu, logvar = draw_batch(any_number(15, 20), any_number(10, 14))
    x = x.clamp(float(inputs[1].min()), float(inputs[1].max()))
    mu, logvar = (
        new.abs() + 0.1 if float(old.min()) > 0 else new
        for old, new in zip(inputs[2:], (mu, logvar), strict=True)
    )
    return x_hat, x, far * mu, min(far, 3) * logvar


def tame(student: Student, inputs: Inputs) -> Iterator[str]:
    """Tell for which inputs a loss is finite that is not for these."""
    x_hat, x, mu, logvar = inputs
    gray = x_hat, x.clamp(0.02, 0.98), mu, logvar
    if math.isfinite(found := value(student, *gray)):
        yield "It is finite where no pixel of x is 0 or 1: is a logarithm of x taken, not of x_hat?"
        yield from look_closer(student, gray, found)
        return
    for name, positive in (
        ("mu", (x_hat, x, mu.abs() + 0.1, logvar)),
        ("logvar", (x_hat, x, mu, logvar.abs() + 0.1)),
    ):
        if math.isfinite(found := value(student, *positive)):
            yield f"It is finite where every {name} is positive: is a logarithm or a root of {name} taken?"
            yield from known(student, positive, found)
