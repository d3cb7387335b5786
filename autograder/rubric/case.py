"""One call of a model's forward, compared with what the model's own parts give, called one by one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autograder.endings import Ended
from autograder.outcome import UNANSWERED, Raised, WrongKind
from autograder.rubric.again import KEPT, Again
from autograder.rubric.composer import SAME, Composed, Composer
from autograder.rubric.crowd import agrees
from autograder.rubric.expect import as_three, changed, close, expect_untouched, show
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.mistake import Mistake, disabling, noting, raise_all
from autograder.rubric.posterior import Posterior
from autograder.rubric.reconstruction import Reconstruction
from autograder.rubric.steadiness import is_unsteady

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.part import Model
    from autograder.rubric.forwards import VAEForward
    from autograder.rubric.oracle import Sizes

    Function = Callable[[Tensor], Tensor]
    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["Case", "Setting"]

INFERENCE = "Inference tensors cannot be saved for backward"  # torch's words for what inference_mode() made


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
        self.when, self.fail = setting.when, partial(forward.mistake, setting.when)
        self.student = forward.student
        self.followed: Three | None = None  # what forward gave, where its noise is the seed's
        self.composer = Composer(forward, model, given, setting.sizes.latents, seed)

    def check(self, before: Three | Exception | None, *, forward_first: bool) -> None:
        """Compare. Raises Mistake, or UnjudgedError where a part gives nothing to compare with.

        before: what forward gave for the same images, classes and seed, or how it failed, if it was called with them
        """
        try:
            self.judge(forward_first=forward_first)
            self.expect_same(before)
        except Mistake:
            if part := self.composer.rewritten():
                raise self.fail(
                    f"it changes the weights of {part}, or makes that anew, whenever it is called.",
                    "Layers are made in __init__, once, and only an optimizer changes what they hold.",
                ) from None
            self.composer.expect_rest()
            raise

    def judge(self, *, forward_first: bool) -> None:
        """Compare, where the parts give the same for the same input."""
        if self.setting.learning and self.reparametrize_disables():  # its own row charges it
            self.setting = replace(self.setting, learning=False)
        held = self.forward.hold(self.x, self.c)
        self.again = Again(self.composer, held, self.fail)
        composed = [] if forward_first else self.compose_all(held)
        answer, failure = self.ask(held)
        # That reparametrize is cut off its own row charges.
        if failure and INFERENCE in str(failure) and self.reparametrize_is_cut_off():
            self.setting = replace(self.setting, learning=False, again=False)
            answer, failure = self.ask(held, learning=False)
        if forward_first and isinstance(failure, Ended):  # the next worker does not have this model
            raise failure
        if not failure and self.setting.crowd and agrees(self.composer, answer, SAME):
            self.followed = as_three(answer, "")
        else:
            self.compare(answer, failure, held, composed or self.compose_all(held))
        try:
            expect_untouched(self.student, f"{self.forward.name}.forward", {"x": held[0]})
        except Mistake:
            if not self.encoder_changes_images():
                raise
        modes = self.model.modes()
        if modes.training != self.training:
            raise self.fail("it changes the model's mode: do not call train() or eval() in forward.")
        if modes.left_disabled or self.model.disables:
            self.expect_gradients_left(held)
        if len(held) > 1:
            expect_untouched(self.student, f"{self.forward.name}.forward", {"c": held[1]})
        self.composer.witness.judge()

    def compose_all(self, held: list[Tensor]) -> list[Composed]:
        """Compose in each way that the parts can take.

        Raises UnjudgedError where they can take none, or Mistake where forward hands them something else.
        """
        try:
            return self.composer.compose_all()
        except UnjudgedError as error:
            with contextlib.suppress(*UNANSWERED):
                self.forward.expect_joined(
                    self.model, self.setting.sizes, lambda: not self.ask(held)[1], self.when
                )
            raise error from None

    def expect_gradients_left(self, held: list[Tensor]) -> None:
        """Expect forward, and the making of its model, not to disable gradients for all that comes behind it."""
        if self.model.disables:
            raise disabling(f"{self.forward.name}(...)")
        disables = self.student.disables_gradients(lambda: self.ask(held))
        if disables and not self.reparametrize_disables() and not self.enables_gradients(held):
            raise disabling(f"{self.forward.name}.forward{self.when}")

    def enables_gradients(self, held: list[Tensor]) -> bool:
        """Tell whether forward, in evaluation mode now, enables gradients where they are disabled and it is to train.

        torch.set_grad_enabled(self.training) does no harm: the next step of a training enables them again.
        """
        if self.training:
            return False
        self.model.train()
        try:
            x_hat, *_ = as_three(self.model.ask(*held, learning=False), "")
            found = self.student.gradients([(x_hat, torch.ones_like(x_hat))], [self.model.decoder])
        except (Mistake, *UNANSWERED):
            return False
        finally:
            self.model.eval()
        return any(gradient is not None for each in found for gradient in each)

    def reparametrize_disables(self) -> bool:
        """Tell whether reparametrize leaves gradients disabled."""
        few = torch.zeros(2, self.setting.sizes.latents)
        with contextlib.suppress(*UNANSWERED):
            return self.student.disables_gradients(lambda: self.student.reparametrize(few, few))
        return False

    def reparametrize_is_cut_off(self) -> bool:
        """Tell whether no gradient leads through reparametrize, as where it is made under torch.inference_mode()."""
        given = [self.student.put(torch.ones(2, self.setting.sizes.latents)) for _ in range(2)]
        with contextlib.suppress(*UNANSWERED):
            z = self.student.reparametrize(*given)
            found = self.student.gradients([(z, torch.ones_like(z))], given)
            return all(gradient is None for (gradient,) in found)
        return True

    def expect_same(self, before: Three | Exception | None) -> None:
        """Expect what forward gave before, where its noise follows the seed."""
        if isinstance(before, Exception):
            if INFERENCE in str(before) and not self.setting.learning:
                return
            raise self.fail("called twice with the same images, it failed once.", str(before))
        if before and self.followed:
            pairs = zip(before, self.followed, strict=True)
            if not all(close(one, other, SAME) for one, other in pairs) and not is_unsteady(self.student):
                raise self.fail(
                    "called twice with the same images and seed, it gives something else.",
                    KEPT,
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
            unflattened = UnjudgedError("encoder", failure) if self.flattens_nothing(composed[0]) else None
            raise composed[0].broken or unflattened or self.reason(failure, held)
        try:
            x_hat, mu, logvar = as_three(answer, f"{self.forward.name}.forward")
        except Mistake as mistake:
            raise Mistake(*mistake.lines, f"That was{self.when}.") from None
        self.expect_shapes(x_hat, mu, logvar, composed[0])
        mistakes: list[Mistake] = []
        posterior = Posterior(self.composer, self.again, self.setting)
        try:
            right = posterior.expect(mu, logvar, composed)
        except Mistake as mistake:
            if posterior.slipped is None:
                raise
            mistakes, right = [mistake], posterior.slipped
        reconstruction = Reconstruction(self.composer, self.again, self.setting)
        with noting(mistakes):
            reconstruction.expect((x_hat, mu, logvar), right)
        raise_all(mistakes)
        if reconstruction.same_noise:
            self.followed = x_hat, mu, logvar
        if self.setting.again and right.z is not None:
            if changed(self.student, held[0]):  # whoever did it: each call is to get the same
                self.again.arguments = self.forward.arguments(self.x, self.c)
            self.again.expect_fresh_noise(x_hat, right)

    def flattens_nothing(self, right: Composed) -> bool:
        """Tell whether VAE's encoder takes flat images only, and no images as they are."""
        return self.forward.name == "VAE" and right.join is self.forward.joins.get("flat")

    def ask(
        self, held: list[Tensor], *, learning: bool = True
    ) -> tuple[Any, Raised | WrongKind | Ended | None]:
        """Call forward; returns its answer, and how it failed. learning: False under torch.no_grad()."""
        try:
            return self.model.ask(*held, seed=self.seed, learning=learning), None
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
        return Mistake(str(failure), f"That was{self.when}.") if type(failure) is Raised else failure

    def expect_shapes(self, x_hat: Tensor, mu: Tensor, logvar: Tensor, composed: Composed) -> None:
        """Expect (N, 1, 28, 28), (N, Z), (N, Z), and say so where they came in another order."""
        pixels: tuple[int, ...] = (len(self.x), 1, 28, 28)
        # Forward hands on what the decoder gives; that it is no image is the decoder's.
        if composed.x_hat is not None and composed.x_hat.shape == x_hat.shape:
            pixels = tuple(x_hat.shape)
        due = (pixels, tuple(composed.mu.shape), tuple(composed.logvar.shape))
        found = tuple(tuple(t.shape) for t in (x_hat, mu, logvar))
        if found != due:
            reordered = sorted(found) == sorted(due)
            if composed.broken and not reordered:
                raise composed.broken
            order = "They seem to be in another order: x_hat comes first." if reordered else ""
            raise self.fail(
                f"x_hat, mu and logvar have the shapes {', '.join(map(show, found))};"
                f" expected {', '.join(map(show, due))}.",
                order,
            )

        for name, tensor in (("x_hat", x_hat), ("mu", mu), ("logvar", logvar)):
            if tensor.dtype != torch.float32:
                raise self.fail(f"{name} is of type {tensor.dtype}; expected torch.float32.")
