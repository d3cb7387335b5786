"""Whether what forward returns passes gradients on to all of the model's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric import oracle
from autograder.rubric.behaviour import biases_in_use
from autograder.rubric.expect import aligned
from autograder.rubric.forwards import PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.rubric.expect import Mistake
    from autograder.rubric.forwards import VAEForward
    from autograder.student import Model

__all__ = ["Gradients"]

# What a gradient that is missing from a sum of three changes is more.
SUM = 1e-3


class Gradients:
    """The gradients of one call of forward."""

    def __init__(
        self, forward: VAEForward, model: Model, mistake: Callable[..., Mistake], frozen: Callable[[], str]
    ) -> None:
        """Ask for none yet.

        mistake: words a mistake of this call
        frozen: tells where another seed changes nothing
        """
        self.forward, self.model, self.mistake, self.frozen = forward, model, mistake, frozen
        self.student = forward.student

    def expect(self, found: tuple[Tensor, ...], composed: tuple[Tensor, ...]) -> None:
        """Expect x_hat, mu and logvar to pass gradients on to every part that the composition reaches."""
        parts = [getattr(self.model, name) for name in PARTS]
        directions = [torch.randn(output.shape) for output in found]
        due = []
        for name, twin, direction in zip(("x_hat", "mu", "logvar"), composed, directions, strict=True):
            due.append(self.student.gradients([(twin, direction.view(twin.shape))], parts))
            self.expect_learning(name, due[-1])
        # All three at once: their gradients add up, and only where the sum is another one it matters whose it is.
        together = self.student.gradients([*zip(found, directions, strict=True)], parts)
        for i, gradients in enumerate(together):
            right = [total(each) for each in zip(*(ours[i] for ours in due), strict=True)]
            if not all(aligned(got, expected, SUM) for got, expected in zip(gradients, right, strict=True)):
                break
        else:
            return
        for name, output, direction, ours in zip(
            ("x_hat", "mu", "logvar"), found, directions, due, strict=True
        ):
            theirs = self.student.gradients([(output, direction)], parts)
            for part, right, gradient in zip(PARTS, ours, theirs, strict=True):
                for expected, got in zip(right, gradient, strict=True):
                    if aligned(got, expected, 0.1):
                        continue
                    if got is None or not got.any():
                        raise self.mistake(
                            f"no gradient of {name} reaches {part}, so it would not learn.",
                            "Look for detach(), .data and torch.no_grad().",
                            self.frozen() if name == "x_hat" else "",
                        )
                    raise self.mistake(
                        f"the gradient of {name} with respect to {part} is not the right one.",
                        "Look for detach(), .data and torch.no_grad() somewhere on its way.",
                    )

    def expect_learning(self, output: str, gradients: list[list[Tensor | None]]) -> None:
        """Expect each part to pass gradients on to its own parameters, where it computes the right thing.

        Where it computes something else, that is charged by its own row. What keeps x_hat's gradients from the
        encoder is reparametrize, and row 3.2's.
        """
        due = {"x_hat": ("decoder",), "mu": ("mu_layer", "encoder"), "logvar": ("logvar_layer", "encoder")}[
            output
        ]
        for i, name in enumerate(due):
            found = gradients[PARTS.index(name)]
            if all(map(nonzero, found)):
                continue
            # A part that computes something else may well keep gradients from those before it.
            used = [self.biases_in_use(part) for part in due[: i + 1]]
            if all(used) and not all(k < len(found) and nonzero(found[k]) for k in used[-1]):
                raise self.mistake(
                    f"no gradient of {output} reaches all layers of {name}, so it would not learn.",
                    f"Look for detach(), .data, torch.no_grad() and requires_grad in {name}.",
                )

    def biases_in_use(self, name: str) -> list[int]:
        """Return which of a part's biases it uses, none where it computes something else than it should.

        It is asked in a model of its own, since it gets new weights.
        """
        sizes = self.forward.sizes
        x = {
            "encoder": next(iter(self.forward.joins.values()))(
                oracle.images(4), oracle.one_hot(4, sizes.classes)
            ),
            "decoder": torch.randn(
                4, sizes.latents + 1 + (sizes.classes if self.forward.name == "CVAE" else 0)
            ),
        }.get(name, torch.randn(4, oracle.H))
        return biases_in_use(self.student, self.forward.make(sizes.latents + 1, sizes.classes), name, x)

    def expect_reach(self, x_hat: Tensor) -> None:
        """Expect x_hat to pass gradients on to every part."""
        parts = [getattr(self.model, name) for name in PARTS]
        gradients = self.student.gradients([(x_hat, torch.randn(x_hat.shape))], parts)
        for part, found in zip(PARTS, gradients, strict=True):
            if not all(map(nonzero, found)):
                raise self.mistake(
                    f"no gradient of x_hat reaches {part}, so it would not learn.",
                    "Look for detach(), .data and torch.no_grad().",
                )


def nonzero(gradient: Tensor | None) -> bool:
    """Tell whether there is a gradient."""
    return gradient is not None and bool(gradient.any())


def total(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Add gradients up; None stands for no dependence."""
    present = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(present).sum(0) if present else None
