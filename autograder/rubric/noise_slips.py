"""What reparametrize might give in place of mu + exp(logvar / 2) * eps, with the words for it."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.outcome import UNANSWERED
from autograder.rubric.deviation_slips import deviation_slips
from autograder.rubric.expect import changed, close
from autograder.rubric.oracle import any_number
from autograder.rubric.slips import clamps
from autograder.rubric.steadiness import is_unsteady
from autograder.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autograder.student import Student

__all__ = ["UNSTEADY", "clamp_slips", "drawn", "ends", "matching_slips", "multiple_of", "seeded_slips"]

ALWAYS_ONE = "1, whatever logvar is"
# What z may go through, and the way back.
THROUGH = {"tanh": (torch.tanh, torch.atanh), "sigmoid": (torch.sigmoid, torch.logit)}
SEEDS = 1000  # that people set: 0, 1, 42, 123
UNSTEADY = (
    "What it gives changes from call to call, and not with the seed alone: does reparametrize count its calls, keep "
    "something from one to the next, or set a seed by the clock?"
)


def drawn(shape: tuple[int, ...], seed: int) -> Tensor:
    """Draw the noise that torch.randn gives under this seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded_slips(student: Student, z: Tensor, mu: Tensor, logvar: Tensor, seed: int) -> list[str]:
    """Name what makes z of other numbers than torch.randn gives under this seed.

    z, mu, logvar: (1, Z); mu is 0, logvar the same everywhere
    """
    held = student.put(mu)
    student.reparametrize(held, logvar, seed=seed)
    if changed(student, held):
        return ["reparametrize changes its input mu, which is no place for the noise."]
    eps = drawn(tuple(mu.shape), seed)
    if known := confirmed_slips(student, z, logvar, eps, seed) or kept_noise(student, z, mu, logvar):
        return known
    found = wrong_size(student, z, logvar, eps, seed)
    if is_unsteady(student):
        return [UNSTEADY]
    return found or other_noise(student, z, mu, logvar, seed)


def confirmed_slips(student: Student, z: Tensor, logvar: Tensor, eps: Tensor, seed: int) -> list[str]:
    """Name known slips where torch draws the noise eps and mu is 0.

    For one logvar many formulas agree: a slip must give what comes of others, too, with the same noise.
    """
    zero, mu, others = torch.zeros_like(logvar), torch.randn(logvar.shape), 2 * torch.randn(logvar.shape)
    confirmed = matching_slips(student.reparametrize(mu, others, seed=seed), mu, others, eps)
    named = [text for text in matching_slips(z, zero, logvar, eps) if text in confirmed]
    return [*map(sentence, named)]


def kept_noise(student: Student, z: Tensor, mu: Tensor, logvar: Tensor) -> list[str]:
    """Tell where another seed changes nothing."""
    seed = any_number(SEEDS, 2**31 - 1)
    if not close(student.reparametrize(mu, logvar, seed=seed), z):
        return []
    one, other = (student.reparametrize(mu + 1, logvar, seed=seed + i) for i in range(2))
    if not close(one, other):
        return ["Where mu is 0, z has no noise: is mu multiplied by it?"]
    held = [student.put(t) for t in (mu, logvar)]
    if not close(student.reparametrize(*held, seed=seed), z):
        return [
            "z is the same for every seed where mu requires no gradient, and has noise only where it does."
        ]
    noise = z * torch.exp(-logvar / 2)
    for set_seed in range(SEEDS):
        if close(noise, drawn(tuple(mu.shape), set_seed), 1e-4) and sets(student, set_seed):
            return [
                f"z is the same for every seed: the seed {set_seed} is set inside, before the noise is drawn."
            ]
    return [
        "z is the same for every seed: it is not random, its noise is drawn once and kept, or a seed is set inside."
    ]


def sets(student: Student, seed: int) -> bool:
    """Tell whether noise of another shape is of this seed, too: what is kept may come of a seed of ours."""
    zero = torch.zeros(2, 7)
    with contextlib.suppress(*UNANSWERED):
        return close(student.reparametrize(zero, zero), drawn((2, 7), seed), 1e-4)
    return False


def wrong_size(student: Student, z: Tensor, logvar: Tensor, eps: Tensor, seed: int) -> list[str]:
    """Tell by what number torch's noise eps was multiplied, where mu is 0, if it was."""
    if float(z.max() - z.min()) <= 1e-6:
        return ["Every element of z is the same: each needs noise of its own."]
    found = multiple_of(z, eps)
    if found is None:
        return []
    mu, others, at = torch.randn(z.shape), 2 * torch.randn(z.shape), float(logvar[0, 0])
    factor = found / math.exp(at / 2)
    again = student.reparametrize(mu, others, seed=seed)
    if not same(again, mu + factor * torch.exp(others / 2) * eps):
        if named := deviation_slips(again, mu, others, eps):
            return [*map(sentence, named)]
        right = f"expected {math.exp(at / 2):.4g} ({factor:.4g} times that)."
        return [f"For logvar = {at:.4g} your standard deviation is {found:.4g}; {right}"]
    sign = " Its sign is minus: add sigma * eps to mu." if factor < 0 else ""
    return [f"Your noise is {factor:.4g} times what it should be.{sign}"]


def other_noise(student: Student, z: Tensor, mu: Tensor, logvar: Tensor, seed: int) -> list[str]:
    """Tell whether it is the generator or the formula."""
    uniform = torch.rand(z.shape, generator=torch.Generator().manual_seed(seed))
    if multiple_of(z, uniform.double()):
        return ["The noise is uniform, from 0 to 1: rand in place of randn?"]
    if multiple_of(z, torch.from_numpy(np.random.RandomState(seed).standard_normal(z.shape))):
        return ["The noise is numpy's: draw it with torch, whose generator the notebook seeds."]
    if named := clamps("the noise", z * torch.exp(-logvar / 2), drawn(tuple(z.shape), seed), 1e-4):
        return named
    if close(student.reparametrize(mu, logvar, seed=seed), z):
        what = "z is not exp(logvar / 2) times the numbers that torch.randn gives under this seed"
        return [f"{what}: is the noise another library's, or is it, or z, changed after that?"]
    others = "other generators ignore torch's seed, and so does one that is seeded inside, by the clock for example"
    return [f"Draw the noise with torch (randn, randn_like, normal): {others}."]


def ends(eps: Tensor) -> Tensor:
    """Make -1 for the first half of a batch and 1 for the second."""
    return torch.where(torch.arange(len(eps))[:, None] < len(eps) // 2, -1.0, 1.0).expand_as(eps).clone()


def clamp_slips(
    student: Student, mu: Tensor, logvar: Tensor, eps: Tensor, seed: int
) -> Iterator[tuple[str, Tensor]]:
    """Give what z would be with mu, logvar or z clamped, to where very large and small ones seem to be."""
    zero, std, low = torch.zeros_like(eps), torch.exp(logvar / 2), len(eps) // 2
    far = student.reparametrize(30 * ends(eps), zero, seed=seed)
    wide = student.reparametrize(zero, 9 * ends(eps), seed=seed)
    if not far.shape == wide.shape == eps.shape:
        return
    for name, most, at in (("mu", 30, far - eps), ("logvar", 9, 2 * (wide / eps).abs().log())):
        least, largest = float(at[:low].median()), float(at[low:].median())
        words = [f"at least {least:.3g}"] if least > -0.999 * most else []
        words += [f"at most {largest:.3g}"] if largest < 0.999 * most else []
        if words and name == "mu":
            yield f"mu is clamped, {' and '.join(words)}.", mu.clamp(least, largest) + std * eps
        elif words:
            clamped = torch.exp(logvar.clamp(least, largest) / 2)
            yield f"logvar or sigma is clamped: logvar counts as {' and '.join(words)}.", mu + clamped * eps
    both = torch.cat([far, wide])
    yield "z is clamped.", (mu + std * eps).clamp(float(both.min()), float(both.max()))


def matching_slips(z: Tensor, mu: Tensor, logvar: Tensor, eps: Tensor) -> list[str]:
    """Name the slips that make this z, (N, Z) as all others, of the noise eps."""
    named = [text for text, value in formula_slips(mu, logvar, eps).items() if same(z, value)]
    right = mu + torch.exp(logvar / 2) * eps
    return named or [
        f"z goes through a {name}" for name, (function, _) in THROUGH.items() if same(z, function(right))
    ]


def formula_slips(mu: Tensor, logvar: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """Compute what known slips make of the noise eps in place of z.

    mu, logvar, eps: (N, Z)
    """
    std = (logvar / 2).exp()
    deviations = {
        "exp(logvar); that is the variance": logvar.exp(),
        "logvar itself": logvar,
        "logvar / 2, without exp": logvar / 2,
        "sqrt(logvar), without exp": logvar.sqrt(),
        "sqrt(|logvar|), without exp": logvar.abs().sqrt(),
        "|logvar|, without exp": logvar.abs(),
        "logvar squared, without exp": logvar**2,
        "relu(logvar), without exp": logvar.relu(),
        "exp(logvar) / 2: the 2 belongs inside, exp(logvar / 2)": logvar.exp() / 2,
        "exp(logvar / 4)": (logvar / 4).exp(),
        "exp(1/2) * logvar: logvar belongs inside, exp(logvar / 2)": logvar * math.exp(0.5),
        "exp(logvar / 2) + 1": std + 1,
        "sqrt(exp(logvar) + 1)": (logvar.exp() + 1).sqrt(),
        "exp(logvar / 2) - 1 (expm1)": std - 1,
        "sigmoid(logvar)": logvar.sigmoid(),
        "exp(2 * logvar)": (2 * logvar).exp(),
        "exp(-logvar / 2), its reciprocal": (-logvar / 2).exp(),
        "exp(mu / 2): mu stands where logvar belongs": (mu / 2).exp(),
        "2 ** (logvar / 2): the base should be e": 2 ** (logvar / 2),
        "log(logvar), where an exp belongs": logvar.log(),
        "softplus(logvar)": F.softplus(logvar),
        "softplus(logvar / 2)": F.softplus(logvar / 2),
        "exp(logvar // 2), with logvar / 2 rounded to an integer": (logvar // 2).exp(),
        ALWAYS_ONE: torch.ones_like(logvar),
        "the same for all of the batch, a mean of all sigmas": std.mean().expand_as(std),
    }
    wrong = {f"your standard deviation is {text}": value for text, value in deviations.items()}
    without = {
        f"you forgot to add mu, and {text}": value * eps
        for text, value in wrong.items()
        if text != f"your standard deviation is {ALWAYS_ONE}"  # z is the noise alone
    }
    return (
        {text: mu + value * eps for text, value in wrong.items()}
        | {
            "you forgot to add mu": std * eps,
            "you subtract mu; it should be added": std * eps - mu,
            "you add mu twice": 2 * mu + std * eps,
            "you forgot the noise: z is mu, and not random": mu,
            "mu and logvar are swapped": logvar + (mu / 2).exp() * eps,
            "mu and sigma are exchanged": std + mu * eps,
            "mu is multiplied by the noise too": (mu + std) * eps,
            "mu is multiplied by sigma too": (mu + eps) * std,
            "there is no eps: z is mu + sigma, and not random": mu + std,
            "sigma is added to the noise, not multiplied by it": mu + std + eps,
            "z is the noise alone, whatever mu and logvar are": eps,
            "mu is added to the noise first, and then once more": mu + std * (mu + eps),
            **{
                f"z goes through a {name}": function(mu + std * inverse(eps))
                for name, (function, inverse) in THROUGH.items()
            },
            "mu is averaged over the batch": mu.mean(0) + std * eps,
            "sigma is averaged over the batch": mu + std.mean(0) * eps,
            "logvar is averaged over the batch": mu + (logvar.mean(0) / 2).exp() * eps,
            "mu and logvar are averaged over the batch": mu.mean(0) + (logvar.mean(0) / 2).exp() * eps,
            "the first image's mu and logvar serve the whole batch": mu[:1] + std[:1] * eps,
            "the first image's mu serves the whole batch": mu[:1] + std * eps,
            "the first image's logvar serves the whole batch": mu + std[:1] * eps,
            "the noise is the absolute value of what torch.randn gives": mu + std * eps.abs(),
            "the noise is what torch.randn gives, rounded": mu + std * eps.round(),
        }
        | without
    )


def same(found: Tensor, expected: Tensor) -> bool:
    """Compare two z, one of a slip; what is no number in one must be none in the other."""
    return torch.equal(found.isnan(), expected.isnan()) and close(
        found.nan_to_num(), expected.nan_to_num(), 1e-4
    )


def multiple_of(found: Tensor, noise: Tensor) -> float | None:
    """Return by what number the noise was multiplied, 0 too, and None where it was not."""
    factor = float((found * noise).sum() / (noise * noise).sum())
    return factor if close(found, factor * noise, 1e-4) else None
