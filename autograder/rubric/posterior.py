"""The mu and logvar of one call of forward, compared with what the encoder and the layers behind it give."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.composer import SAME
from autograder.rubric.expect import as_three, changed, close, difference
from autograder.rubric.forward_slips import followers, input_slips, posterior_slips
from autograder.rubric.mistake import Cause, Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from autograder.rubric.again import Again
    from autograder.rubric.case import Setting
    from autograder.rubric.composer import Composed, Composer

__all__ = ["Posterior"]


class Posterior:
    """The mu and logvar of one call of forward."""

    def __init__(self, composer: Composer, again: Again, setting: Setting) -> None:
        """Compare nothing yet. composer, again: of this call."""
        self.composer, self.again = composer, again
        self.forward, self.model = composer.forward, composer.model
        self.fail = partial(composer.forward.mistake, setting.when)
        self.x, self.c, self.seed = composer.x, composer.c, composer.seed
        self.slipped: Composed | None = None  # what forward composes, by a known slip

    def expect(self, mu: Tensor, logvar: Tensor, composed: Sequence[Composed]) -> Composed:
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
        for candidate in composed:  # the encoder may get the class first
            named = named or posterior_slips((mu, logvar), (candidate.mu, candidate.logvar), SAME)
        if not named and not any(close(mu, candidate.mu, SAME) for candidate in composed):
            with contextlib.suppress(*UNANSWERED):
                named = self.explain(mu, composed)
        if not named and any(each.z is not None and close(logvar, each.z, SAME) for each in composed):
            named = ["It looks as if z were returned in the place of logvar."]
        right = next((each for each in composed if close(mu, each.mu, SAME)), right)
        which, found, expected = (
            ("logvar", logvar, right.logvar) if close(mu, right.mu, SAME) else ("mu", mu, right.mu)
        )
        raise self.fail(
            f"the {which} that it returns is not what your own {which}_layer gives for your own encoder's features.",
            *map(Cause, named),
            Cause(self.again.kept(mu) if not named else ""),
            self.forward.hint if which == "mu" and not named else "",
            difference(found, expected),
        )

    def same(self, found: Tensor, composed: Tensor) -> bool:
        """Compare with a tensor that the parts gave; reparametrize may have changed it since (that is row 3.2's)."""
        return close(found, composed, SAME) or close(found, self.composer.student.look(composed), SAME)

    def explain(self, mu: Tensor, composed: Sequence[Composed]) -> list[str]:
        """Name what forward does on the way to mu that gives just this one."""
        for candidate in composed:
            if candidate.z is not None and close(mu, candidate.z, SAME):
                return ["It looks as if z were returned in the place of mu."]
            if named := self.changed_images(mu, candidate) or self.changed_features(mu, candidate):
                return named
        if changed(self.composer.student, self.again.arguments[0]):
            return [
                "The images x are other ones afterwards: is x changed in place, by /=, -= or x[...] = for one?"
            ]
        return self.changed_classes(composed) or self.noise(mu, composed[0])

    def changed_images(self, mu: Tensor, right: Composed) -> list[str]:
        """Name what forward does to the images first, where it gives just this mu."""
        for text, images in input_slips(self.x):
            with contextlib.suppress(*UNANSWERED):
                features = self.model.encoder(right.join(images, self.c), seed=self.seed)
                if close(mu, self.model.mu_layer(features), SAME):
                    return [f"It looks as if {text}, before the encoder."]
        return []

    def changed_features(self, mu: Tensor, right: Composed) -> list[str]:
        """Name what forward does to the encoder's features, where it gives just this mu."""
        with contextlib.suppress(*UNANSWERED):
            features = self.model.encoder(right.join(self.x, self.c), seed=self.seed)
            if features.dim() == 2:
                given = {text: self.model.mu_layer(slip) for text, slip in followers(features).items()}
                if names := [text for text, slip in given.items() if close(mu, slip, SAME)]:
                    return [f"It looks as if {' or '.join(names[:3])} followed the encoder, before mu_layer."]
        return []

    def noise(self, mu: Tensor, right: Composed) -> list[str]:
        """Tell where mu is another one under another seed, and the encoder's features are not."""
        with contextlib.suppress(Mistake, *UNANSWERED):
            given, arguments = right.join(self.x, self.c), self.forward.arguments(self.x, self.c)
            one, two = (self.model.encoder(given, seed=self.seed + i) for i in range(2))
            other = as_three(self.model.ask(*arguments, seed=self.seed + 1), "")[1]
            if close(one, two) and not close(mu, other, SAME):
                return [
                    "Under another seed it gives another mu: is there dropout on the way to it, or other noise?"
                ]
        return []

    # -- the class -------------------------------------------------------------------------------------------------

    def changed_classes(self, composed: Sequence[Composed]) -> list[str]:
        """Tell where it is the class that the encoder does not get as it is."""
        if self.forward.name != "CVAE":
            return []
        beside, zero = self.is_right_but_for_classes(composed), self.is_right(composed, 0 * self.c)
        if beside and not zero:
            beyond = (
                "The encoder gets the pixels as they are, and beside them something else than the class c"
            )
            return [
                f"{beyond}: is c changed before it is joined, by an embedding, a Linear or a Softmax, or made anew?"
            ]
        if zero:
            where = (
                "is c changed before it is joined, or another image's?"
                if beside
                else "is it added to the image?"
            )
            return [f"It is right where the class c is zero: {where}"]
        return []

    def is_right_but_for_classes(self, composed: Sequence[Composed]) -> bool:
        """Tell whether mu is right with an encoder that does not see what stands in the class's place."""
        encoder, ones = self.model.encoder, torch.ones(1, self.c.shape[1])
        if (drawn := encoder.drawn) is None:
            return False
        layers = oracle.layers_of(drawn.parameters)
        try:
            for candidate in composed:
                seen = 1 - candidate.join(torch.zeros(1, 1, 28, 28), ones)[0]
                first = next((layer for layer in layers if layer.size_in == len(seen)), None)
                if first is None:
                    continue
                values, weight = list(drawn.values), drawn.values[first.weight].flatten(1)
                blind = weight * (seen.view(-1, 1) if first.transposed else seen)
                values[first.weight] = blind.view(drawn.values[first.weight].shape)
                encoder.assign(values)
                if self.is_right([candidate], self.c):
                    return True
        finally:
            encoder.redraw(drawn)
        return False

    def is_right(self, composed: Sequence[Composed], c: Tensor) -> bool:
        """Tell whether forward's mu is right for these classes, in one of the ways to join them."""
        with contextlib.suppress(Mistake, *UNANSWERED):
            answer = self.model.ask(*self.forward.arguments(self.x, c), seed=self.seed)
            mu = as_three(answer, f"{self.forward.name}.forward")[1]
            for candidate in composed:
                features = self.model.encoder(candidate.join(self.x, c), seed=self.seed)
                if close(mu, self.model.mu_layer(features), SAME):
                    return True
        return False
