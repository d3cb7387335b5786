"""Whether what forward returns passes gradients on to all of the model's parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import PARTS, Raised, WrongKind
from autograder.rubric.derivatives import true_gradients
from autograder.rubric.expect import aligned, changed
from autograder.rubric.places import HEADS
from autograder.student import UNASKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.part import Model
    from autograder.rubric.forwards import VAEForward
    from autograder.rubric.mistake import Mistake

    Three = tuple[Tensor, Tensor, Tensor]
    Composition = tuple[Tensor | None, Tensor, Tensor]

__all__ = ["SUM", "Gradients"]

# What a gradient that is missing from a sum of three changes is more.
SUM = 1e-3
# Of a gradient's length: where rounding turns a sum's sign, a ReLU passes a unit's gradient on or not.
ROUGH = 0.1
# Of the sigmoid: what passes a smaller one and then some layers, float32 may round to nothing.
SLOPE = 1e-12
OUTPUTS = ("x_hat", "mu", "logvar")


@dataclass(frozen=True, eq=False)
class Due:
    """The gradients of one output of the composition: along a direction, for each part's biases."""

    number: int  # among the outputs
    name: str
    direction: Tensor
    gradients: list[list[Tensor | None]]


class Gradients:
    """The gradients of one call of forward."""

    def __init__(
        self,
        forward: VAEForward,
        model: Model,
        given: tuple[Tensor, Tensor],
        mistake: Callable[..., Mistake],
        frozen: Callable[[], str],
    ) -> None:
        """Ask for none yet.

        given: what the encoder gets, (N, *), and the classes (N, C)
        mistake: words a mistake of this call
        frozen: tells where another seed changes nothing
        """
        self.forward, self.model, self.mistake, self.frozen = forward, model, mistake, frozen
        self.x, self.c = given
        self.student = forward.student
        self.parts = [getattr(model, name) for name in PARTS]
        self.lengths: list[int] = []  # how many biases each has

    def expect(self, found: Three, composed: Composition, z: Tensor | None, *, weights: bool = True) -> None:
        """Expect x_hat, mu and logvar to have the composition's gradients with respect to every part.

        weights: whether they must reach the weights, too
        """
        due = self.gradients_of(composed)
        if composed[0] is not None and not any(each.number == 0 for each in due):
            self.expect_broken(found[0])
        for each in due:
            if each.number > 0 or not saturated(composed[0]):
                self.expect_learning(each, composed[each.number])
        self.expect_true(due, composed, z)
        pairs = [(found[d.number], d.direction.view(found[d.number].shape)) for d in due]
        # All at once: their gradients add up, and only where the sum is another one it matters whose it is.
        together = self.along(pairs) if pairs else []
        for i, gradients in enumerate(together):
            right = [total(each) for each in zip(*(each.gradients[i] for each in due), strict=True)]
            if not all(aligned(got, expected, SUM) for got, expected in zip(gradients, right, strict=True)):
                break
        else:
            # A decoder that gets zeros cannot learn from them.
            if weights and len(pairs) == len(found) and nonzero(z) and not saturated(found[0]):
                self.expect_weights(pairs, composed)
            return
        for each in due:
            self.compare(each, found[each.number])

    def expect_alike(self, found: Three, composed: Composition) -> None:
        """Expect the same where x_hat comes from other noise: its gradients are of the composition's size only."""
        dues = self.gradients_of(composed)
        for each in dues:
            if each.number > 0:
                self.expect_learning(each, composed[each.number])
                self.compare(each, found[each.number])
                continue
            if found[0].numel() != each.direction.numel():  # what the decoder gives is no image
                continue
            direction = each.direction.view(found[0].shape)
            theirs = self.along([(found[0], direction)])
            for part, right, gradient in zip(PARTS, each.gradients, theirs, strict=True):
                for expected, got in zip(right, gradient, strict=True):
                    if nonzero(expected) and not (got is not None and got.norm() > SUM * expected.norm()):  # type: ignore[union-attr]
                        raise self.mistake(
                            f"no gradient of x_hat reaches {part}, so it would not learn.",
                            "Look for detach(), .data and torch.no_grad().",
                        )
        if len(dues) == len(found) and found[0].shape == dues[0].direction.shape and not saturated(found[0]):
            self.expect_weights([(found[each.number], each.direction) for each in dues], composed)

    def along(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> list[list[Tensor | None]]:
        """Ask for the gradients of the sum of <output, direction>: for each part one for each bias, always as many."""
        found = self.student.gradients(pairs, self.parts)
        lengths = [len(gradients) for gradients in found]
        self.lengths = self.lengths or lengths
        if lengths != self.lengths:
            raise WrongKind(UNASKED)
        return found

    def gradients_of(self, composed: Composition) -> list[Due]:
        """Ask for the gradients of what the parts gave, where they have any."""
        due = []
        for number, (name, output) in enumerate(zip(OUTPUTS, composed, strict=True)):
            if output is None:
                continue
            direction = torch.randn(output.shape)
            try:
                gradients = self.along([(output, direction)])
            except Raised as error:
                # A wrong head that changes the features in place breaks it for both, and that is its own row's.
                if number > 0 and not all(self.forward.in_use(head).parameters for head in HEADS):
                    continue
                if part := self.breaking_part(composed[1]):
                    if not self.forward.in_use(part).parameters:  # a wrong part is its own row's, too
                        continue
                    raise self.mistake(
                        f"its gradients cannot be computed, because of {part}.", str(error)
                    ) from None
                # What breaks behind the decoder on the way back is reparametrize, and row 3.2's.
                if number > 0:
                    raise
                self.student.gradients([(output, direction)], self.parts[-1:])
                continue
            due.append(Due(number, name, direction, gradients))
        return due

    def breaking_part(self, mu: Tensor | None) -> str:
        """Name the part whose gradients cannot be computed even where it is called by itself, "" for none."""
        z = torch.zeros(0) if mu is None else torch.randn(mu.shape)
        for name, given in (("encoder", self.x), ("decoder", self.forward.to_decoder(z, self.c))):
            part = getattr(self.model, name)
            try:
                y = part(given)
                self.student.gradients([(y, torch.randn(y.shape))], [part])
            except Raised:
                return name
        return ""

    def compare(self, due: Due, output: Tensor) -> None:
        """Compare the gradients of one output, bias by bias."""
        theirs = self.along([(output, due.direction.view(output.shape))])
        for part, right, gradient in zip(PARTS, due.gradients, theirs, strict=True):
            for expected, got in zip(right, gradient, strict=True):
                if aligned(got, expected, ROUGH):
                    continue
                if not nonzero(got):
                    raise self.mistake(
                        f"no gradient of {due.name} reaches {part}, so it would not learn.",
                        "Look for detach(), .data and torch.no_grad().",
                        self.frozen() if due.name == "x_hat" else "",
                    )
                raise self.mistake(
                    f"the gradient of {due.name} with respect to {part} is not the right one.",
                    "Look for detach(), .data and torch.no_grad() somewhere on its way.",
                )

    def expect_weights(self, pairs: Sequence[tuple[Tensor, Tensor]], composed: Composition) -> None:
        """Expect gradients for all parameters of parts that compute the right thing, weights too."""
        if self.forward.weights_judged:
            return
        self.forward.weights_judged = True  # once will do: it takes as long as all the rest
        for name, lengths in zip(PARTS, self.student.reach(pairs, self.parts), strict=True):
            if all(length > 0 for length in lengths) or any(changed(self.student, y) for y in composed):
                continue
            if not all(k < len(lengths) and lengths[k] > 0 for k in self.forward.in_use(name).parameters):
                raise self.mistake(
                    f"no gradient reaches all weights and biases of {name}, so it would not learn.",
                    f"Look for detach(), .data, torch.no_grad() and requires_grad in {name}.",
                )

    def expect_learning(self, output: Due, y: Tensor | None) -> None:
        """Expect each part to pass gradients on to its own parameters, where it computes the right thing.

        y: the output

        Where it computes something else, that is charged by its own row. What keeps x_hat's gradients from the
        encoder is reparametrize, and row 3.2's.
        """
        due = {"x_hat": ("decoder",), "mu": ("mu_layer", "encoder"), "logvar": ("logvar_layer", "encoder")}[
            output.name
        ]
        for i, name in enumerate(due):
            found = output.gradients[PARTS.index(name)]
            if all(map(nonzero, found)) or changed(self.student, y):
                continue
            # A part that computes something else may well keep gradients from those before it.
            used = [self.forward.in_use(part).biases for part in due[: i + 1]]
            if all(used) and not all(k < len(found) and nonzero(found[k]) for k in used[-1]):
                raise self.mistake(
                    f"no gradient of {output.name} reaches all layers of {name}, so it would not learn.",
                    f"Look for detach(), .data, torch.no_grad() and requires_grad in {name}.",
                )

    def expect_broken(self, x_hat: Tensor) -> None:
        """Where reparametrize breaks backward(), expect x_hat's to break too, or to reach the encoder."""
        try:
            found = self.along([(x_hat, torch.randn(x_hat.shape))])
        except Raised:
            return
        if not any(map(nonzero, found[PARTS.index("encoder")])):
            raise self.mistake(
                "no gradient of x_hat reaches encoder, so it would not learn.",
                "Look for detach(), .data and torch.no_grad().",
            )

    def expect_true(self, due: Sequence[Due], composed: Composition, z: Tensor | None) -> None:
        """Expect parts that give what their weights do to have its gradients, too. z: (N, Z)."""
        # By turns: the encoder is the same for both, and its gradients take a while.
        which = "logvar" if self.forward.passing_judged else "mu"
        for each in due:
            if each.name == which:
                names = ["encoder", f"{each.name}_layer"]
                found = [each.gradients[PARTS.index(name)] for name in names]
                self.expect_true_parts(names, self.x, composed[each.number], each.direction, found)
        if z is not None and composed[0] is not None and not self.forward.passing_judged:
            self.expect_passing(z)
            self.forward.passing_judged = True

    def expect_passing(self, z: Tensor) -> None:
        """Expect the decoder, for a z (N, Z) from nowhere, to have the right gradients and to pass them on."""
        held = self.student.put(z)
        image = self.model.decoder(self.forward.to_decoder(held, self.c))
        direction = torch.randn(image.shape)
        try:
            (passed,), biases = self.student.gradients([(image, direction)], [held, self.model.decoder])
        except Raised:
            if self.forward.in_use("decoder").parameters:
                raise
            return
        joined = self.forward.joined(z, self.c)
        right = self.expect_true_parts(["decoder"], joined, image, direction, [biases])
        if right is None or aligned(passed, right[:, : z.shape[1]], ROUGH):
            return
        if not self.forward.in_use("decoder").parameters:
            return
        raise self.mistake(
            "no gradient passes through the decoder to z, so the encoder would not learn from x_hat."
            if not nonzero(passed)
            else "the gradient that the decoder passes on to z is not the right one, although its values are.",
            "Look in the decoder for detach(), .data, torch.no_grad() and torch.tensor().",
        )

    def expect_true_parts(
        self,
        names: Sequence[str],
        x: Tensor,
        y: Tensor | None,
        direction: Tensor,
        found: Sequence[Sequence[Tensor | None]],
    ) -> Tensor | None:
        """Expect the right gradients of <y, direction> for the biases of parts, one behind the other.

        found: for each part those for its biases. Returns the right ones for x, None where they cannot be told.
        """
        drawn = [(name, getattr(self.model, name).drawn) for name in names]
        true = None if y is None else true_gradients(drawn, x, y, direction)
        if true is None:
            return None
        of_x, of_parts = true
        for name, right, got in zip(names, of_parts, found, strict=True):
            if len(got) != len(right) or all(map(right_or_clipped, got, right)):
                continue
            # What reparametrize changed in place since has other gradients: that is its own row's. So is a part that is
            # nearly right.
            if not changed(self.student, y) and all(self.forward.in_use(each).parameters for each in names):
                raise self.mistake(
                    f"gradients with respect to {name} are not the right ones, although its values are.",
                    f"Look in {name} for detach(), .data, hooks and a backward() of your own.",
                )
        return of_x


def right_or_clipped(found: Tensor | None, right: Tensor | None) -> bool:
    """Tell whether a gradient is the right one, or that with its elements clipped, as a parameter's hook may do."""
    if found is None or right is None or not found.any():
        return aligned(found, right, ROUGH)
    most = float(found.abs().max())
    return aligned(found, right, ROUGH) or aligned(found, right.clamp(-most, most), ROUGH)


def saturated(image: Tensor | None) -> bool:
    """Tell whether all pixels are next to 0 or 1, behind a sigmoid of large numbers: no gradient can pass that."""
    return image is not None and bool(((image * (1 - image)).abs() < SLOPE).all())


def nonzero(gradient: Tensor | None) -> bool:
    """Tell whether there is a gradient."""
    return gradient is not None and bool(gradient.any())


def total(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Add gradients up; None stands for no dependence."""
    present = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(present).sum(0) if present else None
