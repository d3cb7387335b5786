"""Whether a forward is right as a whole, where its model does not have the parts that the assignment names.

That they are not there is charged by the parts' own rows; what forward does with its layers can be seen all the same,
by gradients. Where x_hat is made of z = mu + sigma * eps alone, and of the class, it is as steep along logvar as along
mu times sigma * eps / 2, number by number, and the images reach it through mu and logvar only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.composer import SAME, fitted
from autograder.rubric.expect import aligned, as_three, close, expect_shape
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.part import Model
    from autograder.rubric.forwards import UnjudgedError, VAEForward
    from autograder.rubric.oracle import Sizes

    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["expect_right_as_a_whole"]

SHARE = 3e-5  # of a gradient's length: both come of one call, and differ by rounding only
FARTHEST = 8  # of right noise
NO_WAY = "No gradient leads from x_hat back to the mu that is returned: look for detach(), .data and torch.no_grad()."


def expect_right_as_a_whole(forward: VAEForward, error: UnjudgedError) -> None:
    """Expect forward to return a posterior, and what is decoded from a draw of it, whatever its layers are called.

    error: why it cannot be compared with what its parts give
    Raises Mistake, also where that cannot be told.
    """
    try:
        for sizes, number in ((oracle.Sizes(), 6), (forward.sizes, 3)):
            Whole(forward, sizes, number).expect()
    except Mistake as mistake:
        raise forward.blame(error, mistake) from None
    except UNANSWERED:
        raise forward.blame(error) from None


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
        found = as_three(self.model.ask(*arguments, seed=seed), f"{self.forward.name}.forward")
        due = ((number, 1, 28, 28), (number, latents), (number, latents))
        for name, tensor, shape in zip(("x_hat", "mu", "logvar"), found, due, strict=True):
            expect_shape(f"The {name} that it returns for {number} images", tensor, shape)
        return found

    def expect(self) -> None:
        """Expect its noise, its gradients and its other calls to be as they must be. Raises Mistake."""
        self.model.train()
        found = x_hat, mu, logvar = self.ask(self.held, self.seed)
        z = self.student.reparametrize(mu, logvar, seed=self.seed)
        eps = (z - mu) * torch.exp(-logvar / 2)
        if not 0 < float(eps.abs().max()) < FARTHEST:  # that is reparametrize's own
            raise Mistake
        if 0 in (x_hat.std(), mu.std(), logvar.std()):
            raise Mistake("Of x_hat, mu and logvar one is the same number everywhere.")
        self.expect_decoded(z, x_hat)
        self.expect_passed(found, (z - mu) / 2)  # sigma * eps / 2
        self.expect_kept(found)

    def expect_decoded(self, z: Tensor, x_hat: Tensor) -> None:
        """Expect x_hat to be what the model's decoder gives, if there is one that can be asked."""
        try:
            image = self.model.decoder(self.forward.to_decoder(z, self.c.float()))
        except UNANSWERED:
            return
        if not close(fitted(image, x_hat), x_hat, SAME):
            raise Mistake("x_hat is not what your own decoder gives for the z that reparametrize draws.")

    def expect_passed(self, found: Three, spread: Tensor) -> None:
        """Expect x_hat to be reached from mu and logvar as z is, and from the arguments through them only.

        But for the class, which the decoder gets, too.
        """
        x_hat, mu, logvar = found
        along = torch.randn(x_hat.shape)
        (by_mu,), (by_logvar,), *given = self.student.gradients([(x_hat, along)], [mu, logvar, *self.held])
        first = torch.zeros_like(along).index_fill(0, torch.tensor([0]), 1.0)
        ((of_first,),) = self.student.gradients([(x_hat, first)], [mu])
        if by_mu is None or of_first is None or not by_mu.any():
            raise Mistake(NO_WAY)
        if by_logvar is None or not by_logvar.any():
            raise Mistake(
                "x_hat does not come from the logvar that is returned: is it decoded from mu, or is something else "
                "returned in the place of logvar?"
            )
        if of_first[1:].any():
            raise Mistake("One image's x_hat depends on another's mu: are the images of a batch mixed?")
        if by_logvar.shape != spread.shape or not aligned(by_logvar, by_mu * spread, SHARE):
            raise self.otherwise(found, by_mu, by_logvar)
        through = self.student.gradients([(mu, by_mu), (logvar, by_logvar)], self.held)
        pairs = [(whole, part) for (whole,), (part,) in zip(given, through, strict=True)]
        names = ("images", "classes")
        for name, (whole, part) in zip(names, pairs, strict=False):
            if whole is None or part is None or not part.any():
                raise Mistake(
                    f"No gradient leads from mu and logvar back to the {name}: does the encoder get them?"
                )
        (x, x_through), *classes = pairs
        if not aligned(x, x_through, SHARE):
            raise Mistake("The images reach x_hat by another way than through mu and logvar.")
        if any(aligned(whole, part, SHARE) for whole, part in classes):
            raise Mistake("The decoder does not get the class.")

    def otherwise(self, found: Three, by_mu: Tensor, by_logvar: Tensor) -> Mistake:
        """Word that x_hat depends on mu and logvar otherwise than z does."""
        _, mu, logvar = found
        z = self.student.reparametrize(logvar, mu, seed=self.seed)
        if z.shape == by_mu.shape == by_logvar.shape and aligned(by_mu, by_logvar * (z - logvar) / 2, SHARE):
            return Mistake(
                "mu and logvar are in the wrong order, where they are returned or given to reparametrize."
            )
        return Mistake(
            "x_hat depends on mu and logvar otherwise than z = mu + exp(logvar / 2) * eps does: is another sigma used, "
            "or something done to z?"
        )

    def expect_kept(self, found: Three) -> None:
        """Expect other noise to change x_hat alone, and other images in the batch, or the mode, nothing."""
        x_hat, mu, logvar = found
        other = self.ask(self.held, self.seed + 1)
        if close(other[0], x_hat, SAME):
            raise Mistake("Another seed gives the same x_hat: is there no noise in z?")
        if not all(close(one, two, SAME) for one, two in zip(other[1:], (mu, logvar), strict=True)):
            raise Mistake("Another seed gives another mu or logvar: is there dropout, or z in their place?")
        alone = self.ask([tensor[:1] for tensor in self.forward.arguments(self.x, self.c.long())], self.seed)
        if not all(close(one, two[:1], SAME) for one, two in zip(alone[1:], (mu, logvar), strict=True)):
            raise Mistake("One image alone has another mu or logvar than among others.")
        self.model.eval()
        settled = self.ask(self.held, self.seed)
        if not all(close(one, two, SAME) for one, two in zip(settled, found, strict=True)):
            raise Mistake(
                "In evaluation mode it gives something else than in training mode, under the same seed."
            )
