"""Finding out what is wrong with a loss: by its known slips, and by asking for inputs that make a term nothing."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import Raised, WrongKind
from autograder.rubric.loss_slips import alike, explain
from autograder.rubric.oracle import any_number, cross_entropies, divergences, images, loss
from autograder.sandbox import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autograder.rubric.loss_slips import Inputs
    from autograder.student import Student

__all__ = ["diagnose", "draw_batch"]


def draw_batch(number_of_images: int, latents: int, spread: float = 1) -> Inputs:
    """Draw x_hat, x, mu and logvar; no pixel is so near to 0 or 1 that a guard against log(0) would matter.

    No logvar is beyond 9: a clamp at 10 is never seen, rather than by chance.
    """
    x_hat = 0.02 + 0.96 * images(number_of_images)
    mu, logvar = spread * torch.randn(2, number_of_images, latents)
    return x_hat, images(number_of_images), mu, logvar.clamp(-9, 9)


def diagnose(student: Student, inputs: Inputs, found: float) -> list[str]:
    """Name what gives the loss found for these inputs and for others: slips, or else the term that is wrong."""
    with contextlib.suppress(Raised, WrongKind, Ended):  # what is wrong is told already
        return [*look_closer(student, inputs, found)]
    return []


def look_closer(student: Student, inputs: Inputs, found: float) -> Iterator[str]:
    """Ask for other inputs to find out. Raises what the student's code raises then."""
    again = value(student, *inputs)
    if not math.isfinite(found + again):
        yield from tame(student, inputs)
        return
    if not alike(again, found):
        yield f"The same call gives another value when it is made again ({again:.6g}): it must not."
        return
    named = explain(inputs, found)
    # By chance, perhaps: with two slips at a time there are hundreds of values, with little KL divergence in them.
    for far in (1, 10, 10, 10):  # the exp of more would be too much for float32
        if named:
            x_hat, x, mu, logvar = draw_batch(any_number(15, 20), any_number(10, 14))
            x = x.clamp(float(inputs[1].min()), float(inputs[1].max()))
            others = x_hat, x, far * mu, min(far, 3) * logvar
            confirmed = explain(others, value(student, *others))
            named = [slips for slips in named if slips in confirmed]
    fewest = min(map(len, named), default=0)
    clear = [slips for slips in named if len(slips) == fewest][:3]
    if clear:
        yield from (f"It looks as if {', and '.join(slips)}." for slips in clear)
    else:
        yield from dissect(student, inputs)


def tame(student: Student, inputs: Inputs) -> Iterator[str]:
    """Tell for which inputs a loss is finite that is not for these."""
    x_hat, x, mu, logvar = inputs
    gray = x_hat, x.clamp(0.02, 0.98), mu, logvar
    if math.isfinite(found := value(student, *gray)):
        yield "It is finite where no pixel of x is 0 or 1: is a logarithm of x taken, not of x_hat?"
        yield from look_closer(student, gray, found)
    elif math.isfinite(value(student, x_hat, x, mu, logvar.abs() + 0.1)):
        yield "It is finite where every logvar is positive: is a logarithm or a root of logvar taken?"


def value(student: Student, *inputs: Tensor) -> float:
    """Ask for a loss, NaN where it is no single number."""
    found = student.loss_function(*inputs)
    return float(found) if found.numel() == 1 else math.nan


def singly(tensor: Tensor) -> Iterator[Tensor]:
    """Give each image, or its mu or logvar, as a batch of one."""
    return (tensor[i : i + 1] for i in range(len(tensor)))


def dissect(student: Student, inputs: Inputs) -> Iterator[str]:
    """Tell which term is wrong, and where: each of them is nothing for some inputs."""
    x_hat, x, mu, logvar = inputs
    n, zero = len(x), torch.zeros_like(mu)

    def ask(mu: Tensor, logvar: Tensor) -> float:
        return value(student, x_hat, x, mu, logvar)

    bce, total = ask(zero, zero), float(cross_entropies(x_hat, x).sum())
    if strange := [*beyond(student, inputs, bce)]:
        yield from strange
        return
    dimmer = (x_hat + 0.1) / 1.2
    change = bce - value(student, dimmer, x, zero, zero)
    right_change = (total - float(cross_entropies(dimmer, x).sum())) / n
    # A difference of numbers in the hundreds, in single precision.
    if not alike(bce, total / n) and abs(change - right_change) < 3e-3:
        yield from blame_constant(ask, mu, total / n)
        return
    if not alike(bce, total / n):
        yield from blame_cross_entropy(bce, total, n)
        return
    yield "The cross-entropy (BCE) is right; the KL divergence is wrong."
    probes = [
        (zero, zero + 12),
        (mu + 100, zero),
        (zero, zero - 60),
    ]  # as large as can be, the first most of all
    factors = [(ask(*probe) - bce) * n / float(divergences(*probe).sum()) for probe in probes]
    if max(factors) - min(factors) <= 0.01 * abs(factors[0]) and abs(factors[0] - 1) > 1e-3:
        share = f", 1/{1 / factors[0]:.0f}" if 0 < factors[0] < 0.05 else ""
        sign = "Its sign is wrong: it" if factors[0] < 0 else "It"
        yield f"{sign} is multiplied by about {factors[0]:.4g}{share}; the batch's size is {n}."
        return
    for name, parts, other in (("mu", (mu, zero), "logvar"), ("logvar", (zero, logvar), "mu")):
        found, expected = ask(*parts) - bce, float(divergences(*parts).sum()) / n
        # A difference of numbers in the hundreds, in single precision.
        if abs(found - expected) > 1e-3 * max(1.0, abs(expected)):
            yield (
                f"For {other} = 0, its part in {name} is {found:.5g}; expected {expected:.5g} "
                f"({found / expected:.4g} times that)."
            )


def blame_cross_entropy(bce: float, total: float, n: int) -> Iterator[str]:
    """Tell how the cross-entropy is wrong: bce, where it should be total / n."""
    yield (
        f"The cross-entropy (BCE) is wrong: for mu = 0 and logvar = 0, where the KL divergence is 0, your loss is "
        f"{bce:.6g}; expected {total / n:.6g}."
    )
    divisor = total / bce if bce else 0.0
    if 1 < divisor < 1e9 and alike(divisor, round(divisor)):
        yield f"It is the sum divided by {round(divisor)}; the batch has {n} images."
    elif abs(bce * n / total - 1) < 1e-3:
        yield "It is nearly right: is there an eps in the logarithm, or a clamp of x_hat?"
    elif bce:
        yield f"That is {bce * n / total:.4g} times the right one."


def beyond(student: Student, inputs: Inputs, zero: float) -> Iterator[str]:
    """Tell what is wrong where it is neither term: the average, or a loss that is no number for other inputs.

    zero: the loss where mu and logvar are 0
    """
    alone = []
    with contextlib.suppress(Raised, WrongKind):  # some fail for a single image
        alone = [(value(student, *one), float(loss(*one))) for one in zip(*map(singly, inputs), strict=True)]
    if alone and not math.isfinite(alone[0][0]):
        yield f"Of a single image your loss is {alone[0][0]:g}: is there a deviation or a variance over the batch?"
    elif len(alone) > 1 and all(itertools.starmap(alike, alone)):
        yield "It is right for each of these images alone: is the loss no mean over the batch, or are its images mixed?"
    elif not math.isfinite(zero):
        yield (
            f"Where mu = 0 and logvar = 0 your loss is {zero:.6g}: is something divided by one of them, or its "
            "logarithm taken?"
        )


def blame_constant(ask: Callable[[Tensor, Tensor], float], mu: Tensor, bce: float) -> Iterator[str]:
    """Tell whose constant it is that makes the loss wrong where mu and logvar are 0, if that can be told."""
    zero, wider = torch.zeros_like(mu), torch.zeros(len(mu), 3 * mu.shape[1])
    offset, large = ask(zero, zero) - bce, torch.full_like(mu, 20.0)
    where = "for mu = 0 and logvar = 0 it should be 0, and yours seems to be"
    if abs(ask(wider, wider) - bce - offset) > 3e-3:  # it depends on the number of latents
        yield (
            "The cross-entropy (BCE) is right but for a constant; so it is the KL divergence that is wrong: "
            f"{where} {offset:.5g}."
        )
    elif alike(ask(large, zero), bce + float(divergences(large, zero).sum()) / len(mu)):
        yield f"The loss is right where the KL divergence is large; {where} {offset:.5g}. Is it bounded from below?"
    else:
        yield (
            f"For mu = 0 and logvar = 0, where the KL divergence is 0, your loss is {bce + offset:.6g}; expected "
            f"{bce:.6g}. It is off by {offset:.5g} for other x_hat too: is a constant added to one of the terms?"
        )
