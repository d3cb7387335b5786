"""The terms of a loss, asked for one at a time: each of them is nothing for some inputs."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import Raised, WrongKind
from autograder.rubric.loss_slips import KL, alike, explain
from autograder.rubric.oracle import any_number, cross_entropies, divergences, images, loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.rubric.loss_slips import Inputs
    from autograder.student import Student

__all__ = ["dissect", "draw_batch", "value"]

ROUGHLY = 1e-3  # of a factor that is measured
OF_KL = re.compile(f"{KL}|both terms|the whole")  # slips that say something about the divergence, too
UNSURE = 3e-3  # of a difference between numbers in the hundreds, in single precision


def draw_batch(number_of_images: int, latents: int, spread: float = 1) -> Inputs:
    """Draw x_hat, x, mu and logvar; no pixel is so near to 0 or 1 that a guard against log(0) would matter.

    No logvar is beyond 9: a clamp at 10 is never seen, rather than by chance.
    """
    x_hat = 0.02 + 0.96 * images(number_of_images)
    mu, logvar = spread * torch.randn(2, number_of_images, latents)
    return x_hat, images(number_of_images), mu, logvar.clamp(-9, 9)


def value(student: Student, *inputs: Tensor) -> float:
    """Ask for a loss, NaN where it is no single number."""
    found = student.loss_function(*inputs)
    return float(found) if found.numel() == 1 else math.nan


def dissect(student: Student, inputs: Inputs) -> Iterator[str]:
    """Tell which term is wrong, and where: each of them is nothing for some inputs."""
    x_hat, x, mu, logvar = inputs
    n, zero = len(x), torch.zeros_like(mu)

    def ask(mu: Tensor, logvar: Tensor) -> float:
        return value(student, x_hat, x, mu, logvar)

    bce, right = ask(zero, zero), float(loss(x_hat, x, zero, zero))
    if strange := [*beyond(student, inputs, bce)]:
        yield from strange
        return
    dimmer = dim(x_hat)
    change = bce - value(student, dimmer, x, zero, zero)
    if not alike(bce, right) and abs(change - right + float(loss(dimmer, x, zero, zero))) < UNSURE:
        yield from blame_constant(ask, mu, right)
        return
    # All sizes are others, and not by the same factor, so that it is seen which of them a factor follows.
    others = draw_batch(2 * n + any_number(1, 9), mu.shape[1] + any_number(1, 3))
    factors = [(measure(student, given), given) for given in (inputs, others)]
    (v, w), _ = factors[0]
    of_bce, of_kl = ([(pair[term], given) for pair, given in factors] for term in (0, 1))
    right_bce, missing = alike(bce, right), left_out(inputs, bce / right)
    if abs(v - w) <= ROUGHLY * abs(v) and not right_bce:
        yield missing or f"The whole loss, the KL divergence too, is {name_factor(of_bce)}"
        return
    if not right_bce:
        how = missing or (
            f"It is {name_factor(of_bce)}"
            if math.isfinite(v)
            else name_slip(student, inputs, bce) or blame_formula(student, inputs, bce / right)
        )
        yield (
            f"The cross-entropy (BCE) is wrong: for mu = 0 and logvar = 0, where the KL divergence is 0, your loss is "
            f"{bce:.6g}; expected {right:.6g}. {how}"
        )
    but = "The cross-entropy (BCE) is right; the" if right_bce else "The"
    if math.isfinite(w) and abs(w - 1) > ROUGHLY:
        yield f"{but} KL divergence is {name_factor(of_kl)}"
    elif right_bce:
        yield " ".join([f"{but} KL divergence is wrong.", *blame_part(ask, bce, mu, logvar)])


def dim(x_hat: Tensor) -> Tensor:
    """Give images of another cross-entropy."""
    return (x_hat + 0.1) / 1.2


def measure(student: Student, inputs: Inputs) -> tuple[float, float]:
    """Measure what cross-entropy and divergence are multiplied by: 1 if right, NaN if it is no one number."""
    x_hat, x, mu, _ = inputs
    zero = torch.zeros_like(mu)
    bce = value(student, x_hat, x, zero, zero)
    v = bce / float(loss(x_hat, x, zero, zero))
    v_again = value(student, dim(x_hat), x, zero, zero) / float(loss(dim(x_hat), x, zero, zero))
    probes = [  # as large as can be, the first most of all
        (zero, zero + 12),
        (mu + 100, zero),
        (zero, zero - 60),
    ]
    w = [
        (value(student, x_hat, x, *probe) - bce) * len(x) / float(divergences(*probe).sum())
        for probe in probes
    ]
    return (
        v if alike(v, v_again) else math.nan,
        w[0] if all(abs(other - w[0]) <= 0.01 * abs(w[0]) for other in w) else math.nan,
    )


def name_factor(factors: Sequence[tuple[float, Inputs]]) -> str:
    """Word what a term is multiplied or divided by, from its factors for two batches that differ in all sizes."""

    def follows(size: Callable[[int, int], float]) -> bool:
        return all(abs(f * size(*given[2].shape) - 1) <= ROUGHLY for f, given in factors)

    (factor, inputs), _ = factors
    if not factor:
        return "multiplied by 0: it is missing."
    n, z = inputs[2].shape
    divisor = n / factor
    if follows(lambda n, _z: divisor / n):
        as_many = {28: ", as many as an image has rows", 784: ", as many as an image has pixels"}
        which = whole(divisor) + as_many.get(round(divisor), "")
        return f"divided by {which}, whatever the batch's size is: here it is {n}."
    known: dict[str, Callable[[int, int], float]] = {
        f"divided by the number of latents ({z}), not by the batch's size ({n}).": lambda n, z: z / n,
        f"divided by the number of latents ({z}) once more: is it a mean over them, or that of one alone?": (
            lambda _n, z: z
        ),
        "that of all images but one: is the first or the last left out?": lambda n, _z: n / max(n - 1, 0.5),
        "that of all latents but one: is the first or the last left out?": lambda _n, z: z / (z - 1),
    }
    for words, size in known.items():
        if follows(size):
            return words
    if follows(lambda _n, latents: latents / (factor * z)):
        only = " That is right for 15 latents only: is 15 written in?" if whole(factor * z) == "15" else ""
        return f"multiplied by {whole(factor * z)} and divided by the number of latents ({z}).{only}"
    share = f", 1/{1 / factor:.0f}" if 0 < factor < 0.05 else ""
    sign = ", so its sign is wrong" if factor < 0 else ""
    always = (
        ", whatever the batch's size" if follows(lambda _n, _z: 1 / factor) else f"; the batch's size is {n}"
    )
    return f"multiplied by about {factor:.4g}{share}{sign}{always}."


def whole(number: float) -> str:
    """Write a number that was measured: it is a whole one where it nearly is."""
    return (
        str(round(number)) if abs(number - round(number)) <= ROUGHLY / 10 * abs(number) else f"{number:.4g}"
    )


def name_slip(student: Student, inputs: Inputs, bce: float) -> str:
    """Name what is wrong with a cross-entropy, beside a divergence that is wrong too. bce: it, for these inputs."""
    x_hat, x, mu, _ = inputs
    zero = torch.zeros_like(mu)
    both = [
        {slips for slips in explain(given, found) if not any(OF_KL.search(text) for text in slips)}
        for given, found in (
            ((x_hat, x, zero, zero), bce),
            ((dim(x_hat), x, zero, zero), value(student, dim(x_hat), x, zero, zero)),
        )
    ]
    named = min(both[0] & both[1], key=len, default=())
    return f"It looks as if {', and '.join(named)}." if named else ""


def blame_formula(student: Student, inputs: Inputs, share: float) -> str:
    """Tell how a cross-entropy is wrong that is not the right one multiplied by something.

    share: how many times the right one it is
    """
    x_hat, x, mu, _ = inputs
    zero, pixels = torch.zeros_like(mu), x.numel() // len(x)

    def logarithm_of(gray: float, color: float) -> float:
        """Find what stands in the logarithm, where all pixels are this gray in x_hat, and of this color in x."""
        bce = value(student, torch.full_like(x, gray), torch.full_like(x, color), zero, zero)
        return float(torch.tensor(-bce / pixels).exp())

    def gives(cross_entropy: Tensor) -> bool:
        return alike(share, float(cross_entropy.sum() / cross_entropies(x_hat, x).sum()))

    white, black = logarithm_of(0.5, 1) - 0.5, logarithm_of(0.5, 0) - 0.5
    p, t = x_hat.double(), x.double()
    if max(abs(white), abs(black)) > UNSURE / 100 and gives(
        -(t * (p + white).log() + (1 - t) * (1 - p + black).log())
    ):
        added = [
            f"{eps:.3g} to {to}"
            for eps, to in ((white, "x_hat"), (black, "1 - x_hat"))
            if abs(eps) > UNSURE / 100
        ]
        return f"It looks as if this were added in the logarithms: {' and '.join(added)}."
    low, high = logarithm_of(0.02, 1), 1 - logarithm_of(0.98, 0)
    ends = [f"{end:.4g}" for end, free in ((low, 0.02), (high, 0.98)) if abs(end - free) > UNSURE / 100]
    if ends and 0 <= low < high <= 1 and gives(cross_entropies(x_hat.clamp(low, high), x)):
        return f"It looks as if x_hat were clamped at {' and '.join(ends)}."
    if abs(share - 1) < ROUGHLY:
        return "It is nearly right: is there an eps in the logarithm, or a clamp of x_hat?"
    return f"That is {share:.4g} times the right one, and for other x_hat another multiple: the formula is another."


def left_out(inputs: Inputs, share: float) -> str:
    """Tell which image is missing in a cross-entropy that is this share of the right one, "" for none."""
    x_hat, x, _, _ = inputs
    each = cross_entropies(x_hat, x).flatten(1).sum(1)
    for which, some in (("first", each[1:]), ("last", each[:-1])):
        if alike(share, float(some.sum() / each.sum())):
            return f"It looks as if the {which} image were left out."
    return ""


def blame_part(
    ask: Callable[[Tensor, Tensor], float], bce: float, mu: Tensor, logvar: Tensor
) -> Iterator[str]:
    """Tell in which part the divergence is wrong, in that of mu or of logvar: each is nothing for 0."""
    zero = torch.zeros_like(mu)
    for name, parts, other in (("mu", (mu, zero), "logvar"), ("logvar", (zero, logvar), "mu")):
        found, expected = ask(*parts) - bce, float(divergences(*parts).sum()) / len(mu)
        if abs(found - expected) > ROUGHLY * max(1.0, abs(expected)):
            yield (
                f"For {other} = 0, its part in {name} is {found:.5g}; expected {expected:.5g} "
                f"({found / expected:.4g} times that)."
            )


def blame_constant(ask: Callable[[Tensor, Tensor], float], mu: Tensor, bce: float) -> Iterator[str]:
    """Tell whose constant it is that makes the loss wrong where mu and logvar are 0, if that can be told."""
    zero, wider = torch.zeros_like(mu), torch.zeros(len(mu), 3 * mu.shape[1])
    offset, large = ask(zero, zero) - bce, torch.full_like(mu, 20.0)
    where = "for mu = 0 and logvar = 0 it should be 0, and yours seems to be"
    if abs(ask(wider, wider) - bce - offset) > UNSURE:  # it depends on the number of latents
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


def singly(tensor: Tensor) -> Iterator[Tensor]:
    """Give each image, or its mu or logvar, as a batch of one."""
    return (tensor[i : i + 1] for i in range(len(tensor)))
