"""Whether reparametrize gives now one thing, now another: what it then gave to forward cannot be known."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric.expect import close
from autograder.rubric.noise import correlation

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.student import Student

__all__ = ["is_unsteady"]

ALIKE = 0.5  # a correlation that right noise of 1,000 numbers never has


def is_unsteady(student: Student) -> bool:
    """Tell whether reparametrize's noise depends on earlier calls, or on nothing: its own rows charge that.

    Noise that grows from call to call, or comes with the other sign, is alike under one seed, and not the same; noise
    that is kept for some calls, or seeded inside, is alike under two. A generator of its own gives other noise.
    """
    mu, logvar = torch.randn(2, 50, 20)
    with contextlib.suppress(*UNANSWERED):
        for _ in range(2):  # what is kept may just be drawn anew
            drawn = [student.reparametrize(mu, logvar, seed=seed) for seed in (1, 1, 2)]
            if any(z.shape != mu.shape for z in drawn):
                return False
            one, same, other = ((z - mu) * torch.exp(-logvar / 2) for z in drawn)
            if alike(one, other) or (alike(one, same) and not close(one, same, 1e-6)):
                return True
    return False


def alike(one: Tensor, other: Tensor) -> bool:
    """Tell whether two draws are correlated."""
    return abs(correlation(one, other)) > ALIKE
