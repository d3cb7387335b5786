"""What the rubric says of wrong formulas, and what it must not say of them, asked of functions in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch

from autograder.rubric import test_3_reparametrize
from autograder.rubric.expect import Mistake

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

RUBRIC: Any = test_3_reparametrize  # whose functions have no types, as tests have none


@dataclass
class Local:
    """Stands for a submission."""

    formula: Callable[[Tensor, Tensor, Tensor], Tensor]

    def reparametrize(self, mu: Tensor, logvar: Tensor, *, seed: int) -> Tensor:
        """Compute z, with the noise that torch draws."""
        return self.formula(mu, logvar, torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed)))


def said_of_formula(formula: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Give what row 3.2 says of a formula for mu, logvar and noise."""
    student = Local(formula)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mu, logvar = torch.randn(2, 60, 7)
        zero = torch.zeros_like(mu)
        z, eps = (student.reparametrize(*given, seed=5) for given in ((mu, logvar), (zero, zero)))
        with pytest.raises(Mistake) as mistake:
            RUBRIC.expect_formula(student, z, mu, logvar, eps, 5)
    return str(mistake.value)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        pytest.param(lambda m, v, e: m + (v.exp() + 1e-4).sqrt() * e, False, id="nearly-right"),
        pytest.param(lambda m, v, e: m.clamp(-2, 2) + (v / 2).exp() * e, False, id="clamped"),
        pytest.param(
            lambda m, v, e: m + torch.cat([(v[:1] / 2).exp(), 1 + v[1:] ** 2]) * e, True, id="first-image"
        ),
    ],
)
def test_first_image(formula: Callable[[Tensor, Tensor, Tensor], Tensor], said: bool) -> None:  # noqa: FBT001
    """That z is right for the first image only is said where all others are wrong, and a wrong element is shown."""
    words = said_of_formula(formula)
    assert ("first image of the batch only" in words) == said
    yours, expected = words.rpartition("yours is ")[2].rstrip(".").split("; expected ")
    assert yours != expected
