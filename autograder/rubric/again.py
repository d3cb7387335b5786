"""Forward called again: nothing is kept from one call to the next, and each has noise of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.composer import SAME, Composed, Composer, fitted
from autograder.rubric.expect import as_three, close
from autograder.rubric.mistake import Mistake
from autograder.rubric.steadiness import is_unsteady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from autograder.promise import Promise

__all__ = ["KEPT", "Again"]

KEPT = "Is something kept from an earlier call, such as a z, a class, a running mean or a counter?"


class Again:
    """Further calls of a forward that was called once."""

    def __init__(
        self, composer: Composer, arguments: Sequence[Tensor], mistake: Callable[..., Mistake]
    ) -> None:
        """Make none yet.

        composer, arguments: what was called, and with what
        mistake: words a mistake of forward's
        """
        self.composer, self.arguments, self.mistake = composer, arguments, mistake
        self.model, self.seed = composer.model, composer.seed

    def expect_fresh_noise(self, x_hat: Tensor, right: Composed) -> None:
        """Expect another x_hat under another seed, and of two calls in a row, where reparametrize gives another z.

        And expect the same x_hat behind a call with another image.
        """
        try:
            self.expect_nothing_kept(x_hat, right)
            self.expect_other_noise(x_hat, right)
        except Mistake:
            if not is_unsteady(self.composer.student):
                raise

    def expect_other_noise(self, x_hat: Tensor, right: Composed) -> None:
        """Expect another x_hat under another seed, and of two calls in a row, where reparametrize gives another z."""
        seed, made, image = self.seed + 1, self.composer.made, self.image
        other = image(seed)
        # Pixels of 0 and 1 alone may be the same for two z.
        due = made(right, seed) if close(other, x_hat) else None
        if due is not None and not close(other, due) and not close(due, made(right, seed + 1)):
            raise self.mistake(
                "another seed gives the same x_hat: is a seed set on the way, or z kept from an earlier call?"
            )
        if close(one := image(), image()):
            again = [close(one, image()) for _ in range(3)]
            if all(again) and not any(close(made(right), made(right)) for _ in range(3)):
                raise self.mistake(
                    "two calls, one after the other, give the same x_hat.",
                    "Is a seed set on the way, or the generator's state put back?",
                )

    def expect_nothing_kept(self, x_hat: Tensor, right: Composed) -> None:
        """Expect another mu for another image, where the parts give one, and then the same x_hat as before."""
        others = self.others()
        answer = self.model.ask(*self.composer.forward.arguments(*others), seed=self.seed)
        image, mu, logvar = as_three(answer, "forward")
        if close(mu, right.mu, SAME):
            features = self.model.encoder(right.join(*others))
            if not close(mu, self.model.mu_layer(features), SAME):
                raise self.mistake("another image gives the same mu: is it kept from an earlier call?")
        follows = right.x_hat is not None and close(x_hat, fitted(right.x_hat, x_hat), SAME)
        if self.composer.forward.name == "CVAE":
            self.expect_own_class(others, image, Composed(right.join, mu, logvar))
        if follows and not close(self.image(self.seed), x_hat, SAME):
            raise self.mistake(
                "called again with the same image and seed, it gives another x_hat.",
                KEPT,
            )
        if (
            follows
            and not self.is_same_without_gradients(x_hat)
            and self.has_same_noise_without_gradients(right)
        ):
            raise self.mistake(
                "under torch.no_grad() it gives another x_hat.",
                "Is it asked whether gradients are enabled? What is returned must not depend on that.",
            )

    def is_same_without_gradients(self, x_hat: Tensor) -> bool:
        """Tell whether x_hat is the same under torch.no_grad(), where its noise follows the seed."""
        return close(self.image(self.seed, learning=False), x_hat, SAME)

    def expect_own_class(self, given: tuple[Tensor, Tensor], image: Tensor, found: Composed) -> None:
        """Expect a call with other images and classes not to take the classes of the call before.

        given: those images and classes; image, found: what forward gave for them
        """
        (x, c), old = given, self.composer.c

        def mu(c: Tensor) -> Tensor:
            return self.model.mu_layer(self.model.encoder(found.join(x, c)))

        def x_hat(c: Tensor) -> Tensor:
            z = self.composer.student.reparametrize(found.mu, found.logvar, seed=self.seed)
            return fitted(self.composer.decode(z, c), image)

        for part, due, of in (("encoder", found.mu, mu), ("decoder", image, x_hat)):
            if close(due, of(old), SAME) and not close(due, of(c), SAME):
                raise self.mistake(
                    f"the {part} gets the class of an earlier call, not the one of this call: is c kept somewhere?"
                )

    def kept(self, mu: Tensor) -> str:
        """Tell where another image changes nothing."""
        with contextlib.suppress(Mistake, *UNANSWERED):
            arguments = self.composer.forward.arguments(self.others()[0], self.composer.c)
            if close(as_three(self.model.ask(*arguments), "")[1], mu, SAME):
                return (
                    "Another call, with other images, gives the same mu: is it kept from an earlier call, or are the "
                    "pixels lost, in a conversion to integers for one?"
                )
        return ""

    def frozen(self) -> str:
        """Tell where another seed changes nothing."""
        with contextlib.suppress(Mistake, *UNANSWERED):
            if close(self.image(self.seed), self.image(self.seed + 1)):
                return (
                    "Another call, with another seed, gives the same x_hat: is z kept from an earlier call?"
                )
        return ""

    def others(self) -> tuple[Tensor, Tensor]:
        """Draw as many other images (N, 1, 28, 28), and classes (N, C) for them."""
        c = self.composer.c
        return oracle.images(len(self.composer.x)), c.roll(oracle.any_number(1, c.shape[1] - 1), 1)

    def has_same_noise_without_gradients(self, right: Composed) -> bool:
        """Tell whether z is the same under torch.no_grad(): that is row 3.2's."""
        student = self.composer.student
        given = [student.put(t, like="data") for t in (right.mu, right.logvar)]  # as forward has them then
        z = student.reparametrize(*given, seed=self.seed, learning=False)
        return right.z is not None and close(z, right.z, SAME)

    def image(self, seed: int | None = None, *, learning: bool = True) -> Tensor:
        """Call forward, under a seed where one is given; returns x_hat. learning: False under torch.no_grad()."""
        return self.x_hat(self.later(seed, learning=learning))

    def later(self, seed: int | None = None, *, learning: bool = True) -> Promise[Any]:
        """Do the same, but for hearing the answer."""
        return self.model.later(*self.arguments, seed=seed, learning=learning)

    def x_hat(self, answer: Promise[Any]) -> Tensor:
        """Hear such an answer; returns x_hat."""
        return as_three(answer.get(), f"{self.composer.forward.name}.forward")[0]
