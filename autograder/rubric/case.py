"""One call of a model's forward, compared with what the model's own parts give, called one by one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autograder.outcome import UNANSWERED, Raised, WrongKind
from autograder.rubric.again import SAME, Again
from autograder.rubric.composer import Composed, Composer, fitted
from autograder.rubric.crowd import agrees
from autograder.rubric.expect import (
    Mistake,
    as_three,
    changed,
    close,
    difference,
    expect_untouched,
    fail,
    noting,
    raise_all,
    show,
)
from autograder.rubric.forward_slips import IMAGE_SLIPS, input_slips, latent_slips, posterior_slips
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.free_noise import FreeNoise
from autograder.rubric.gradients import Gradients
from autograder.sandbox import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.rubric.forwards import VAEForward
    from autograder.rubric.oracle import Sizes
    from autograder.student import Model

    Function = Callable[[Tensor], Tensor]
    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["Case", "Setting"]


@dataclass(frozen=True)
class Setting:
    """What makes a case."""

    sizes: Sizes
    number: int  # of images
    training: bool  # in which mode the model is
    dtype: torch.dtype  # of the classes
    learning: bool = False  # whether gradients are looked at: they take the longest
    again: bool = False  # whether forward is called once more, under other seeds
    stretched: bool = False  # whether mu and logvar go further than people's clamps
    crowd: bool = False  # whether a few of the images will do

    @property
    def when(self) -> str:
        """Name the case."""
        return f" for a batch of {self.number} in {'training' if self.training else 'evaluation'} mode"


class Case:
    """One call of forward and the composition that it is compared with."""

    def __init__(
        self, forward: VAEForward, model: Model, given: tuple[Tensor, Tensor], setting: Setting, seed: int
    ) -> None:
        """Ask nothing yet. given: images (N, 1, 28, 28) and their classes (N, C)."""
        self.forward, self.model, self.setting, self.seed = forward, model, setting, seed
        self.x, self.c = given
        self.training = setting.training
        self.when = setting.when
        self.student = forward.student
        self.followed: Three | None = None  # what forward gave, where its noise is the seed's
        self.slipped: Composed | None = None  # what forward composes, by a known slip
        self.composer = Composer(forward, model, given, setting.sizes.latents, seed)

    def check(self, before: Three | Exception | None, *, forward_first: bool) -> None:
        """Compare. Raises Mistake, or UnjudgedError where a part gives nothing to compare with.

        before: what forward gave for the same images, classes and seed, or how it failed, if it was called with them
        """
        try:
            self.judge(forward_first=forward_first)
            self.expect_same(before)
        except Mistake:
            self.composer.expect_rest()
            raise

    def judge(self, *, forward_first: bool) -> None:
        """Compare, where the parts give the same for the same input."""
        held = self.forward.hold(self.x, self.c)
        self.again = Again(self.composer, held, self.fail)
        composed = [] if forward_first else self.composer.compose_all()
        answer, failure = self.ask(held)
        if forward_first and isinstance(failure, Ended):  # the next worker does not have this model
            raise failure
        if not failure and self.setting.crowd and agrees(self.composer, answer, SAME):
            self.followed = as_three(answer, "")
        else:
            self.compare(answer, failure, held, composed or self.composer.compose_all())
        try:
            expect_untouched(self.student, f"{self.forward.name}.forward", {"x": held[0]})
        except Mistake:
            if not self.encoder_changes_images():
                raise
        if self.model.is_training() != self.training:
            raise self.fail("it changes the model's mode: do not call train() or eval() in forward.")
        if len(held) > 1:
            expect_untouched(self.student, f"{self.forward.name}.forward", {"c": held[1]})
        self.composer.witness.judge()

    def expect_same(self, before: Three | Exception | None) -> None:
        """Expect what forward gave before, where its noise follows the seed."""
        if isinstance(before, Exception):
            raise self.fail("called twice with the same images, it failed once.", str(before))
        if before and self.followed:
            pairs = zip(before, self.followed, strict=True)
            if not all(close(one, other, SAME) for one, other in pairs):
                raise self.fail(
                    "called twice with the same images and seed, it gives something else.",
                    "Is something kept from an earlier call, such as a z, a class, a running mean or a counter?",
                )

    def encoder_changes_images(self) -> bool:
        """Tell whether it is a wrong encoder that changes the images in place: its own row charges it."""
        with contextlib.suppress(*UNANSWERED):
            given = self.student.put(self.x, like="data")
            self.model.encoder(given)
            return changed(self.student, given) and not self.forward.in_use("encoder").parameters
        return False

    def compare(
        self,
        answer: Any,
        failure: Raised | WrongKind | Ended | None,
        held: list[Tensor],
        composed: list[Composed],
    ) -> None:
        """Compare forward's answer with what the parts give. Raises Mistake, UnjudgedError or how it failed."""
        if failure:
            raise composed[0].broken or self.reason(failure, held)
        x_hat, mu, logvar = as_three(answer, f"{self.forward.name}.forward")
        self.expect_shapes(x_hat, mu, logvar, composed[0])
        mistakes: list[Mistake] = []
        try:
            right = self.expect_posterior(mu, logvar, composed)
        except Mistake as mistake:
            if self.slipped is None:
                raise
            mistakes, right = [mistake], self.slipped
        with noting(mistakes):
            self.expect_images(x_hat, mu, logvar, right)
        raise_all(mistakes)
        if self.setting.again and right.z is not None:
            if changed(self.student, held[0]):  # whoever did it: each call is to get the same
                self.again.arguments = self.forward.arguments(self.x, self.c)
            self.again.expect_fresh_noise(x_hat, right)

    def ask(self, held: list[Tensor]) -> tuple[Any, Raised | WrongKind | Ended | None]:
        """Call forward; returns its answer, and how it failed."""
        try:
            return self.model.ask(*held, seed=self.seed), None
        except UNANSWERED as error:
            return None, error

    def reason(self, failure: Exception, held: list[Tensor]) -> Exception:
        """Word that forward failed, and see whether it takes its arguments in another way."""
        x, *labels = held
        for c in labels:
            for text, arguments in (
                ("It works with c first: the order is forward(x, c).", [c, x]),
                ("It works with c as float32: c may also be of another type, such as int64.", [x, c.float()]),
            ):
                with contextlib.suppress(*UNANSWERED):
                    self.model.ask(*arguments)
                    return self.fail(
                        f"it fails for x of shape {show(x.shape)} and c of shape {show(c.shape)}, {c.dtype}.",
                        text,
                        str(failure) if type(failure) is Raised else "",
                    )
        return fail(str(failure), f"That was{self.when}.") if type(failure) is Raised else failure

    def fail(self, text: str, *lines: str) -> Mistake:
        """Word a mistake of forward's own."""
        return self.forward.mistake(self.when, text, *lines)

    # -- mu and logvar ---------------------------------------------------------------------------------------------

    def expect_shapes(self, x_hat: Tensor, mu: Tensor, logvar: Tensor, composed: Composed) -> None:
        """Expect (N, 1, 28, 28), (N, Z), (N, Z), and say so where they came in another order."""
        pixels: tuple[int, ...] = (len(self.x), 1, 28, 28)
        if (
            composed.x_hat is not None
            and composed.x_hat.shape == x_hat.shape
            and composed.x_hat.numel() == self.x.numel()
        ):
            pixels = tuple(
                x_hat.shape
            )  # forward hands on what the decoder gives; that it is no image is the decoder's
        due = (pixels, tuple(composed.mu.shape), tuple(composed.logvar.shape))
        found = tuple(tuple(t.shape) for t in (x_hat, mu, logvar))
        if found != due:
            order = (
                "They seem to be in another order: x_hat comes first." if sorted(found) == sorted(due) else ""
            )
            raise self.fail(
                f"x_hat, mu and logvar have the shapes {', '.join(map(show, found))};"
                f" expected {', '.join(map(show, due))}.",
                order,
            )

        for name, tensor in (("x_hat", x_hat), ("mu", mu), ("logvar", logvar)):
            if tensor.dtype != torch.float32:
                raise self.fail(f"{name} is of type {tensor.dtype}; expected torch.float32.")

    def expect_posterior(self, mu: Tensor, logvar: Tensor, composed: list[Composed]) -> Composed:
        """Expect mu and logvar to be what the encoder and its layers give; returns the composition that they are."""
        for candidate in composed:
            if self.same(mu, candidate.mu) and self.same(logvar, candidate.logvar):
                self.forward.joins = {"own": candidate.join}
                return candidate
        right = composed[0]
        if right.negative:  # a last ReLU in forward, not in the encoder, is charged by the encoder's row
            rectified = self.composer.compose(right.join, rectify=True)
            if close(mu, rectified.mu, SAME) and close(logvar, rectified.logvar, SAME):
                return rectified
        named = []
        for text, slip in self.forward.slips.items():
            if close(mu, (wrong := self.composer.compose(slip)).mu, SAME):
                self.slipped = wrong  # the rest of forward may be judged all the same
                named.append(f"It looks as if {text}.")
        named += posterior_slips((mu, logvar), (right.mu, right.logvar), SAME)
        if not named and not close(mu, right.mu, SAME):
            named = self.changed_images(mu, right) or self.changed_classes(composed)
        which, found, expected = (
            ("logvar", logvar, right.logvar) if close(mu, right.mu, SAME) else ("mu", mu, right.mu)
        )
        raise self.fail(
            f"the {which} that it returns is not what your own {which}_layer gives for your own encoder's features.",
            *named,
            self.again.kept(mu) if not named else "",
            self.forward.hint if which == "mu" and not named else "",
            difference(found, expected),
        )

    def changed_images(self, mu: Tensor, right: Composed) -> list[str]:
        """Name what forward does to the images first, where it gives just this mu."""
        for text, images in input_slips(self.x):
            with contextlib.suppress(*UNANSWERED):
                features = self.model.encoder(right.join(images, self.c), seed=self.seed)
                if close(mu, self.model.mu_layer(features), SAME):
                    return [f"It looks as if {text}, before the encoder."]
        return []

    def changed_classes(self, composed: list[Composed]) -> list[str]:
        """Tell where forward is right for classes of zeros: then it does something to others."""
        if self.forward.name != "CVAE":
            return []
        zeros = 0 * self.c
        with contextlib.suppress(Mistake, *UNANSWERED):
            answer = self.model.ask(*self.forward.arguments(self.x, zeros), seed=self.seed)
            _, mu, _ = as_three(answer, f"{self.forward.name}.forward")
            for candidate in composed:
                features = self.model.encoder(candidate.join(self.x, zeros), seed=self.seed)
                if close(mu, self.model.mu_layer(features), SAME):
                    return [
                        "It is right where the class c is zero: is c changed before it is joined, or another image's?"
                    ]
        return []

    def same(self, found: Tensor, composed: Tensor) -> bool:
        """Compare with a tensor that the parts gave; reparametrize may have changed it since (that is row 3.2's)."""
        return close(found, composed, SAME) or close(found, self.student.look(composed), SAME)

    # -- x_hat -----------------------------------------------------------------------------------------------------

    def expect_images(self, x_hat: Tensor, mu: Tensor, logvar: Tensor, right: Composed) -> None:
        """Expect x_hat to be the decoder's image of a z that was drawn for this call."""
        found, due = (x_hat, mu, logvar), (right.x_hat, right.mu, right.logvar)
        if self.follows(found, right):
            return
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
        if self.setting.stretched and self.follows_where_small(right, eps):
            raise self.fail(
                "x_hat is not decoder(reparametrize(mu, logvar)) where mu and logvar reach from -7.5 to 7.5.",
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
            self.followed = found
            if self.setting.learning:
                self.gradients(right).expect(found, due, right.z, weights=self.training)
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

        eps: what torch draws under the seed, (N, Z)
        """
        self.forward.furnish(self.model, self.c.shape[1])
        small, x_hat = self.composer.compose(right.join), self.again.image(self.seed)
        formula = self.composer.decode(small.mu + torch.exp(small.logvar / 2) * eps)
        return any(
            image is not None and close(x_hat, fitted(image, x_hat), SAME) for image in (small.x_hat, formula)
        )

    def expect_free_noise(self, right: Composed) -> None:
        """Expect right noise in x_hat, where it is other noise than that of reparametrize under the same seed."""
        noise = FreeNoise(self.forward, self.when, self.c, self.model)
        try:
            if right.z is not None and right.z.shape == right.mu.shape:
                eps = (right.z - right.mu) * torch.exp(-right.logvar / 2)
                noise.expect_other(eps, self.x, self.c, self.seed)
            noise.check(right.mu.shape[-1], training=self.training)
        except Mistake as mistake:
            if wrong := noise.wrong_alone():
                raise self.forward.blame(UnjudgedError("reparametrize", wrong)) from None
            raise self.fail(
                "x_hat is not decoder(reparametrize(mu, logvar)), with your own decoder and reparametrize.",
                str(mistake),
            ) from None

    def expect_slips_absent(self, x_hat: Tensor, right: Composed, formula: Tensor) -> None:
        """Name the slip that would give just this x_hat, where there is one."""
        z = right.z if right.z is not None else formula
        eps = (formula - right.mu) / torch.exp(right.logvar / 2)
        for text, latent in {"": z, **latent_slips(right.mu, right.logvar, eps)}.items():
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
                        f"It looks as if {named}.",
                    )
        image = fitted(self.composer.decode(z), x_hat)
        for text, change in IMAGE_SLIPS.items() if image.dim() else ():
            if close(x_hat, change(image), SAME):
                raise self.fail("x_hat is not what your own decoder gives.", f"It looks as if {text}.")

    def gradients(self, right: Composed) -> Gradients:
        """Return what judges the gradients of this call."""
        given = right.join(self.x, self.c), self.c
        return Gradients(self.forward, self.model, given, self.fail, self.again.frozen)
