"""Whether reparametrize gives now one thing, now another: what it then gave to forward cannot be known."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric.expect import close
from autograder.rubric.noise import correlation

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.student import Student

__all__ = ["is_unsteady"]

CLOCK = 1.1  # seconds: some seed by the clock, by its second most often
ALIKE = 0.5  # a correlation that right noise of 200 numbers never has
SIDE = 200  # so many it has, where a whole row or column of a batch has the same noise


def is_unsteady(student: Student) -> bool:
    """Tell whether reparametrize's noise depends on earlier calls, or on nothing: its own rows charge that.

    Noise that grows from call to call, or comes with the other sign, is alike under one seed, and not the same; noise
    that is kept for some calls is alike under two. A generator of its own gives other noise; one that is seeded inside
    gives the same, whatever was asked before, and so what forward got is known.
    """
    # All alike, so that what differs in z is noise; and others each time, which what is kept from calls shows.
    mu, logvar = (torch.full((SIDE, SIDE), 0.5 + float(torch.rand(()))) for _ in range(2))
    with contextlib.suppress(*UNANSWERED):
        if is_constant(student, mu, logvar):
            return False
        for _ in range(2):  # what is kept may just be drawn anew
            drawn = [student.reparametrize(mu, logvar, seed=seed).double() for seed in (1, 1, 2)]
            if any(z.shape != mu.shape for z in drawn):
                return False
            one, same, other = (z - z.mean() for z in drawn)
            if alike(one, other) or (alike(one, same) and not close(one, same, 1e-6)):
                return True
    return False


def is_constant(student: Student, mu: Tensor, logvar: Tensor) -> bool:
    """Tell whether z is the same for every seed, after calls for other sizes, and a second later.

    mu, logvar: (N, Z), any
    """
    first = student.reparametrize(mu, logvar, seed=1)
    for seed, size, pause in ((2, 3, 0.0), (3, 5, CLOCK)):
        few = torch.zeros(size, size + 1)
        time.sleep(pause)
        student.reparametrize(few, few)
        if not close(student.reparametrize(mu, logvar, seed=seed), first, 1e-6):
            return False
    return True


def alike(one: Tensor, other: Tensor) -> bool:
    """Tell whether two draws are correlated: not where either is one number all over, but for rounding."""
    random = min(float(noise.abs().max()) for noise in (one, other)) > 1e-4
    return random and abs(correlation(one, other)) > ALIKE
