"""Whether a forward is right as a whole, where its model does not have the parts that the assignment names.

That they are not there is charged by the parts' own rows; what forward does with its layers can be seen all the same,
by gradients. Where x_hat is made of z = mu + sigma * eps alone, and of the class, it is as steep along logvar as along
mu times sigma * eps / 2, number by number, and the images reach it through mu and logvar only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.composer import SAME, fitted
from autograder.rubric.expect import aligned, as_three, close
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.part import Model
    from autograder.rubric.forwards import VAEForward
    from autograder.rubric.oracle import Sizes

    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["is_right_as_a_whole"]

SHARE = 3e-5  # of a gradient's length: both come of one call, and differ by rounding only
FARTHEST = 8  # of right noise


def is_right_as_a_whole(forward: VAEForward) -> bool:
    """Tell whether forward returns a posterior, and what is decoded from a draw of it, whatever its layers are called.

    False also where that cannot be told.
    """
    with contextlib.suppress(Mistake, *UNANSWERED):
        return all(
            Whole(forward, sizes, number).holds()
            for sizes, number in ((oracle.Sizes(), 6), (forward.sizes, 3))
        )
    return False


class Whole:
    """One model, asked for some images."""

    def __init__(self, forward: VAEForward, sizes: Sizes, number: int) -> None:
        """Hand the images over, and their classes, such that gradients reach them."""
        self.forward, self.sizes, self.student = forward, sizes, forward.student
        self.x, self.c = oracle.images(number), oracle.one_hot(number, sizes.classes)
        self.model: Model = forward.make(sizes.latents, sizes.classes)
        self.held = [self.student.put(tensor) for tensor in forward.arguments(self.x, self.c.float())]
        self.seed = oracle.any_number(1, 2**31 - 1)

    def ask(self, arguments: list[Tensor], seed: int) -> Three:
        """Call forward. Raises Mistake where it returns anything else than three right tensors."""
        number, latents = len(arguments[0]), self.sizes.latents
        found = as_three(self.model.ask(*arguments, seed=seed), "")
        due = ((number, 1, 28, 28), (number, latents), (number, latents))
        for tensor, shape in zip(found, due, strict=True):
            if tensor.shape != shape or tensor.dtype != torch.float32 or not torch.isfinite(tensor).all():
                raise Mistake("")
        return found

    def holds(self) -> bool:
        """Tell whether its noise, its gradients and its other calls are as they must be."""
        self.model.train()
        found = x_hat, mu, logvar = self.ask(self.held, self.seed)
        z = self.student.reparametrize(mu, logvar, seed=self.seed)
        spread = (z - mu) / 2  # sigma * eps / 2
        eps = 2 * spread * torch.exp(-logvar / 2)
        if not 0 < float(eps.abs().max()) < FARTHEST or 0 in (x_hat.std(), mu.std(), logvar.std()):
            return False
        return self.is_decoded(z, x_hat) and self.passes(found, spread) and self.keeps(found)

    def is_decoded(self, z: Tensor, x_hat: Tensor) -> bool:
        """Tell whether x_hat is what the model's decoder gives, if there is one that can be asked."""
        with contextlib.suppress(*UNANSWERED):
            image = self.model.decoder(self.forward.to_decoder(z, self.c.float()))
            return close(fitted(image, x_hat), x_hat, SAME)
        return True

    def passes(self, found: Three, spread: Tensor) -> bool:
        """Tell whether x_hat is reached from mu and logvar as z is, and from the arguments through them only.

        But for the class, which the decoder gets, too.
        """
        x_hat, mu, logvar = found
        along = torch.randn(x_hat.shape)
        (by_mu,), (by_logvar,), *given = self.student.gradients([(x_hat, along)], [mu, logvar, *self.held])
        first = torch.zeros_like(along).index_fill(0, torch.tensor([0]), 1.0)
        ((of_first,),) = self.student.gradients([(x_hat, first)], [mu])
        if by_mu is None or by_logvar is None or of_first is None or not by_mu.any() or of_first[1:].any():
            return False
        if by_logvar.shape != spread.shape or not aligned(by_logvar, by_mu * spread, SHARE):
            return False
        through = self.student.gradients([(mu, by_mu), (logvar, by_logvar)], self.held)
        pairs = [(whole, part) for (whole,), (part,) in zip(given, through, strict=True)]
        if any(whole is None or part is None or not part.any() for whole, part in pairs):
            return False
        (x, x_through), *classes = pairs
        return aligned(x, x_through, SHARE) and not any(
            aligned(whole, part, SHARE) for whole, part in classes
        )

    def keeps(self, found: Three) -> bool:
        """Tell whether other noise changes x_hat alone, and other images in the batch, or the mode, nothing."""
        x_hat, mu, logvar = found
        other = self.ask(self.held, self.seed + 1)
        alone = self.ask([tensor[:1] for tensor in self.forward.arguments(self.x, self.c.long())], self.seed)
        self.model.eval()
        settled = self.ask(self.held, self.seed)
        pairs = ((other[1], mu), (other[2], logvar), (alone[1], mu[:1]), (alone[2], logvar[:1]))
        same = all(close(one, two, SAME) for one, two in (*pairs, *zip(settled, found, strict=True)))
        return same and not close(other[0], x_hat, SAME)
