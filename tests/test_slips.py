"""What the rubric says of wrong formulas, and what it must not say of them, asked of functions in this process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import functional as F

from autograder.rubric import loss_diagnosis, test_3_reparametrize
from autograder.rubric.forward_slips import posterior_slips
from autograder.rubric.loss_terms import draw_batch
from autograder.rubric.measures import is_function
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

FOLLOWED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "a function": (torch.tanh, "if Tanh followed mu_layer"),
    "two functions that are one here": (
        lambda m: m.clamp(-1, 1),
        "if nn.Hardtanh or a clamp to -1 ... 1 followed",
    ),
    "ReLU": (torch.relu, "if ReLU or another clamp at 0 followed"),
    "a logarithm": (torch.log, "if a logarithm followed"),
    "a clamp": (lambda m: m.clamp(-0.7, 0.9), "clamped at -0.7 and 0.9"),
    "a factor": (lambda m: 0.999 * m, "0.999 times"),
    "nothing known": (lambda m: m + m.roll(1, 0), ""),
    "nothing but NaN": (lambda m: m + torch.nan, ""),
}


@pytest.mark.parametrize(("function", "words"), FOLLOWED.values(), ids=FOLLOWED)
def test_followed(function: Callable[[Tensor], Tensor], words: str) -> None:
    """What follows mu_layer in forward is named; where several functions give the same, they all are."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mu, logvar = torch.randn(2, 6, 7)
    named = " ".join(posterior_slips((function(mu), logvar), (mu, logvar), 1e-4))
    assert words in named
    assert bool(words) == bool(named)


ENDS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "a smooth function": (torch.cos, True),
    "a function that jumps": (lambda v: v.floor(), True),
    "a function of other numbers": (lambda v: v.roll(1, 0).cos(), False),
    "something for each column": (lambda v: v * torch.arange(v.shape[1]), False),
    "the right one, but for noise": (lambda v: v.relu() + 0.01 * torch.randn(v.shape), False),
    "the right one of numbers that are slightly off": (
        lambda v: (v + 0.1 * torch.randn(v.shape)).relu(),
        False,
    ),
    "a number": (torch.ones_like, False),
}


@pytest.mark.parametrize(("end", "known"), ENDS.values(), ids=ENDS)
def test_function_at_the_end(end: Callable[[Tensor], Tensor], known: bool) -> None:  # noqa: FBT001
    """That another function stands where ReLU belongs is seen of the numbers, whichever it is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        before = 3 * torch.randn(6, 200, dtype=torch.float64)
        assert is_function(before, end(before), before.relu()) == known


RUBRIC: Any = test_3_reparametrize  # whose functions have no types, as tests have none
DIAGNOSIS: Any = loss_diagnosis  # which asks a student's process; here a function is asked


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


@dataclass
class LocalLoss:
    """Stands for a submission with a wrong loss."""

    formula: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

    def loss_function(self, *inputs: Tensor) -> Tensor:
        """Compute the loss."""
        return self.formula(*inputs)


def bce(x_hat: Tensor, x: Tensor) -> Tensor:
    """Compute the right cross-entropy of a batch."""
    return F.binary_cross_entropy(x_hat, x, reduction="sum")


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Compute the right divergence of a batch."""
    return -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())


# Formulas, and the lines that are said of them, with … for numbers.
LOSSES: dict[str, tuple[Callable[..., Tensor], list[str]]] = {
    "the whole by a number": (
        lambda p, x, m, v: (bce(p, x) + kl(m, v)) / 128,
        [
            "The whole loss, the KL divergence too, is divided by 128, whatever the batch's size is: here it is 20."
        ],
    ),
    "the whole by the latents": (
        lambda p, x, m, v: (bce(p, x) + kl(m, v)) / m.shape[1],
        [
            "The whole loss, the KL divergence too, is divided by the number of latents (7), not by the batch's"
        ],
    ),
    "one term": (
        lambda p, x, m, v: (3 * bce(p, x) + kl(m, v)) / len(x),
        [
            "The cross-entropy (BCE) is wrong: for mu = 0…. It is multiplied by about 3, whatever the batch's size.",
        ],
    ),
    "the other": (
        lambda p, x, m, v: bce(p, x) / len(x) + kl(m, v) / 500,
        [
            "The cross-entropy (BCE) is right; the KL divergence is divided by 500, whatever…",
        ],
    ),
    "a number of latents that is written in": (
        lambda p, x, m, v: bce(p, x) / len(x) + 15 * kl(m, v) / m.numel(),
        [
            "The cross-entropy (BCE) is right; the KL divergence is multiplied by 15 and divided by…(7). That",
        ],
    ),
    "a batch's size for the latents": (
        lambda p, x, m, v: bce(p, x) / len(x) + kl(m, v) / m.shape[1],
        ["It looks as if the KL divergence were summed over the batch and averaged over the latents"],
    ),
    "rounded down": (
        lambda p, x, m, v: (bce(p, x) + kl(m, v)) // len(x),
        ["It is a whole number, for other inputs too"],
    ),
    "a term missing": (
        lambda p, x, m, v: 0 * p.sum() + kl(m, v) / len(x),
        ["It looks as if the cross-entropy (BCE) were missing."],
    ),
    "nothing by softmax": (
        lambda p, x, m, v: (F.cross_entropy(p, x, reduction="sum") + kl(m, v)) / len(x),
        ["It looks as if the softmax cross-entropy"],
    ),
    # Not that the KL divergence were averaged, too: it is missing.
    "a sum without a term": (
        lambda p, x, *_: bce(p, x),
        ["It looks as if the loss were summed over the batch, not averaged (or divided by 1), and the KL"],
    ),
    "a clamp": (
        lambda p, x, m, v: (bce(p.clamp(min=0.07), x) + kl(m, v)) / len(x),
        ["The cross-entropy (BCE) is wrong: for mu = 0…. It looks as if x_hat were clamped at 0.07."],
    ),
    "a guard": (
        lambda p, x, m, v: (-(x * (p + 0.02).log() + (1 - x) * (1 - p).log()).sum() + kl(m, v)) / len(x),
        [
            "The cross-entropy (BCE) is wrong: for mu = 0…this were added in the logarithms: 0.02 to x_hat.",
        ],
    ),
    "an unknown cross-entropy": (
        lambda p, x, m, v: (bce(p, x**1.3) + kl(m, v)) / len(x),
        ["The cross-entropy (BCE) is wrong: for mu = 0…. That is "],
    ),
    "an unknown divergence": (
        lambda p, x, m, v: (bce(p, x) + kl(1.3 * m, v)) / len(x),
        [
            "The cross-entropy (BCE) is right; the KL divergence is wrong. For logvar = 0, its part in mu is ",
        ],
    ),
    "a logarithm of mu": (
        lambda p, x, m, v: (bce(p, x) + F.kl_div(v, m, reduction="sum")) / len(x),
        ["It is finite where every mu is positive", "It looks as if F.kl_div, "],
    ),
    "a number": (lambda *_: torch.tensor(3.0), ["It is the same number for other inputs, too"]),
    "noise": (
        lambda p, x, m, v: (bce(p, x) + kl(m, v)) / len(x) + 0.1 * torch.randn(()),
        ["The same call gives another value when it is made again"],
    ),
}


@pytest.mark.parametrize(("formula", "lines"), LOSSES.values(), ids=LOSSES)
def test_wrong_loss(formula: Callable[..., Tensor], lines: list[str]) -> None:
    """What is wrong with a loss is named once, and nothing that is not."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inputs = draw_batch(20, 7)
        said = DIAGNOSIS.diagnose(LocalLoss(formula), inputs, float(formula(*inputs)))
    assert len(said) == len(lines), said
    for line, due in zip(said, lines, strict=True):
        assert re.match(".*".join(map(re.escape, due.split("…"))), line), line


STRANGE: dict[str, Callable[..., Tensor]] = {
    "a pixel": lambda *given: given[1].flatten()[0],
    "a latent": lambda *given: given[2].flatten()[-1],
    "nothing where mu and logvar are 0": lambda *given: (given[2].abs() + given[3].abs()).sum(),
    "something where mu is 0": lambda *given: given[0].sum() * (not given[2].any()),
    "huge": lambda *given: given[0].double().sum() * 1e300 * 1e8,
    "tiny": lambda *given: given[0].double().sum() * 1e-320,
    "minus 0": lambda *given: -0.0 * given[0].sum(),
    "NaN at times": lambda *given: given[3].log().sum() + given[2].sum(),
    "the number of images": lambda *given: torch.tensor(float(len(given[0]))),
}


@pytest.mark.parametrize("formula", STRANGE.values(), ids=STRANGE)
def test_strange_loss(formula: Callable[..., Tensor]) -> None:
    """Whatever numbers a loss gives, to look for what is wrong is no fault of the grader's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inputs = draw_batch(20, 7)
        assert isinstance(DIAGNOSIS.diagnose(LocalLoss(formula), inputs, float(formula(*inputs))), list)
