"""x_hat, as forward gave it, compared with the decoder's image of a z that is drawn as reparametrize draws it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric.composer import SAME, fitted
from autograder.rubric.expect import as_three, close, show
from autograder.rubric.forward_slips import IMAGE_SLIPS, NOT_RANDOM, latent_slips, scaled
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.free_noise import FreeNoise
from autograder.rubric.gradients import Gradients
from autograder.rubric.mistake import Cause, Mistake, noting, raise_all
from autograder.rubric.steadiness import is_unsteady

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from autograder.rubric.again import Again
    from autograder.rubric.case import Setting
    from autograder.rubric.composer import Composed, Composer

    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["Reconstruction"]


class Reconstruction:
    """The x_hat of one call of forward."""

    def __init__(self, composer: Composer, again: Again, setting: Setting) -> None:
        """Compare nothing yet. composer, again: of this call."""
        self.composer, self.again, self.setting = composer, again, setting
        self.forward, self.model = composer.forward, composer.model
        self.fail = partial(composer.forward.mistake, setting.when)
        self.x, self.c, self.seed = composer.x, composer.c, composer.seed
        self.same_noise = False  # whether its noise is that of reparametrize under the same seed

    def expect(self, found: Three, right: Composed) -> None:
        """Expect x_hat to be the decoder's image of a z that was drawn for this call.

        found: x_hat, mu and logvar, as forward gave them; right: what the parts give
        """
        if self.follows(found, right):
            return
        x_hat, due = found[0], (right.x_hat, right.mu, right.logvar)
        if close(x_hat, self.x, SAME):
            raise self.fail("the x_hat that it returns is x, the images themselves.")
        if right.mu.shape != right.logvar.shape or right.mu.dim() != 2 or not right.mu.numel():
            why = f"mu has shape {show(right.mu.shape)}, and logvar {show(right.logvar.shape)}."
            part = "logvar_layer" if right.mu.dim() == 2 and right.mu.numel() else "mu_layer"
            raise UnjudgedError(part, why)
        # Forward may compute z by itself: right where it follows the formula, whatever reparametrize does.
        eps = torch.randn(right.mu.shape, generator=torch.Generator().manual_seed(self.seed))
        formula = right.mu + torch.exp(right.logvar / 2) * eps
        if not torch.isfinite(formula).all():
            raise right.broken or UnjudgedError(
                "logvar_layer", "exp(logvar / 2) is infinite for what it gives."
            )
        mistakes: list[Mistake] = []
        if self.setting.learning:  # before the noise is judged, which takes new weights
            with noting(mistakes):
                self.gradients(right).expect_alike(found, due)
        if close(x_hat, fitted(self.composer.decode(formula), x_hat), SAME):
            raise_all(mistakes)
            return
        self.composer.expect_rest()  # before the decoder is asked again and again, and gets other weights
        self.expect_slips_absent(x_hat, right, formula)
        small = self.setting.stretched and self.follows_where_small(right, eps)
        if small and not is_unsteady(self.forward.student):
            raise self.fail(
                f"x_hat is not {self.forward.formula} where mu and logvar reach from -7.5 to 7.5.",
                "It is where they are small: is mu, logvar, sigma, z or x_hat clamped on the way, or squashed?",
            )
        self.expect_free_noise(right)
        raise_all(mistakes)

    def follows(self, found: Three, right: Composed) -> bool:
        """Tell whether x_hat is the decoder's image of reparametrize's z, and expect its gradients where it is."""
        if right.x_hat is None:
            return False
        x_hat, due = found[0], (right.x_hat, right.mu, right.logvar)
        image = fitted(right.x_hat, x_hat)
        if close(x_hat, image, SAME):
            self.same_noise = True
            if self.setting.learning:
                self.gradients(right).expect(found, due, right.z, weights=self.setting.training)
            return True
        # A decoder that gives logits is charged by its own row; forward may make an image of them.
        logits = bool(((image < 0) | (image > 1)).any())
        if not logits or not close(x_hat, torch.sigmoid(image), SAME):
            return False
        if self.setting.learning:
            self.gradients(right).expect_alike(found, due)
        return True

    def follows_where_small(self, right: Composed, eps: Tensor) -> bool:
        """Tell whether x_hat is the composition's, with noise that follows the seed, where mu and logvar are small.

        A reparametrize that keeps something from call to call may fit one of them by chance: that is its own mistake.

        eps: what torch draws under the seed, (N, Z)
        """
        with contextlib.suppress(*UNANSWERED):
            _, z = (
                self.forward.student.reparametrize(right.mu, right.logvar, seed=seed)
                for seed in (self.seed + 1, self.seed)
            )
            if right.z is not None and not close(z, right.z, SAME):
                return False
        self.forward.furnish(self.model, self.c.shape[1])
        small, x_hat = self.composer.compose(right.join), self.again.image(self.seed)
        formula = self.composer.decode(small.mu + torch.exp(small.logvar / 2) * eps)
        return any(
            image is not None and close(x_hat, fitted(image, x_hat), SAME) for image in (small.x_hat, formula)
        )

    def expect_free_noise(self, right: Composed) -> None:
        """Expect right noise in x_hat, where it is other noise than that of reparametrize under the same seed."""
        noise = FreeNoise(self.forward, self.setting.when, self.c, self.model)
        try:
            if right.z is not None and right.z.shape == right.mu.shape:
                eps = (right.z - right.mu) * torch.exp(-right.logvar / 2)
                noise.expect_nothing_added(right.mu.shape[1], self.x, self.c, self.seed)
                noise.expect_other(eps, self.x, self.c, self.seed)
            noise.check(right.mu.shape[-1], training=self.setting.training)
        except Mistake as mistake:
            if is_unsteady(self.forward.student):
                return
            if right.broken:
                raise self.forward.blame(right.broken) from None
            if wrong := noise.wrong_alone():
                raise self.forward.blame(UnjudgedError("reparametrize", wrong)) from None
            odd = noise.is_odd or not self.forward.in_use("decoder").parameters
            if odd and noise.is_right_without_decoder():
                return
            what, *more = mistake.lines
            due = f"x_hat should be {self.forward.formula}, with your own decoder and reparametrize."
            raise self.fail(f"{what[0].lower()}{what[1:]}", *more, due) from None

    def expect_slips_absent(self, x_hat: Tensor, right: Composed, formula: Tensor) -> None:
        """Name the slip that would give just this x_hat, where there is one."""
        z = right.z if right.z is not None else formula
        for text, latent in [("", z), *slipped(right, formula), *slipped(right, z)]:
            joined = {
                "": self.forward.to_decoder(latent, self.c),
                **self.forward.latent_slips(latent, self.c),
            }
            for how, given in joined.items():
                named = " and ".join(filter(None, (text, how)))
                try:
                    image = self.model.decoder(given)
                except UNANSWERED:
                    continue
                if named and close(x_hat, fitted(image, x_hat), SAME):
                    raise self.fail(
                        "x_hat is not what your own reparametrize and decoder give.",
                        Cause(f"It looks as if {named}."),
                        self.only_here() if text == NOT_RANDOM else "",
                    )
        image = fitted(self.composer.decode(z), x_hat)
        for text, change in IMAGE_SLIPS.items() if image.dim() else ():
            if close(x_hat, change(image), SAME):
                raise self.fail("x_hat is not what your own decoder gives.", Cause(f"It looks as if {text}."))
        factor = scaled("x_hat", "the decoder", x_hat, image, SAME) if image.dim() else []
        if factor and not is_unsteady(self.forward.student):  # its noise may be nearly the same in two calls
            raise self.fail("x_hat is not what your own decoder gives.", *map(Cause, factor))
        if torch.equal(x_hat, x_hat.round()) and float(x_hat.max()) == 1:
            raise self.fail(
                "x_hat holds nothing but 0 and 1: is it drawn from the decoder's probabilities, or compared with one?",
                "It should be these probabilities themselves.",
            )

    def only_here(self) -> str:
        """Tell where x_hat is the image of reparametrize's z in the other mode."""
        training, said = self.setting.training, ""
        with contextlib.suppress(Mistake, UnjudgedError, *UNANSWERED):
            self.model.train(not training)
            arguments = self.forward.arguments(self.x, self.c)
            x_hat, mu, logvar = as_three(self.model.ask(*arguments, seed=self.seed), "")
            z = self.forward.student.reparametrize(mu, logvar, seed=self.seed)
            if close(x_hat, fitted(self.composer.decode(z), x_hat), SAME):
                here, there = ("training", "evaluation") if training else ("evaluation", "training")
                said = f"In {there} mode it is random; in {here} mode it must be, too."
        with contextlib.suppress(*UNANSWERED):
            self.model.train(training)
        return said

    def gradients(self, right: Composed) -> Gradients:
        """Return what judges the gradients of this call."""
        given = right.join(self.x, self.c), self.c
        return Gradients(self.forward, self.model, given, self.fail, self.again.frozen)


def slipped(right: Composed, z: Tensor) -> Iterable[tuple[str, Tensor]]:
    """Give what known slips make of the noise in z, (N, Z): torch's, or where reparametrize sets a seed, that."""
    if z.shape != right.mu.shape:
        return ()
    return latent_slips(right.mu, right.logvar, (z - right.mu) / torch.exp(right.logvar / 2)).items()
