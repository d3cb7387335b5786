"""What forward must give by the weights that the grader drew: where it gives just that, its parts need not be asked.

A right forward of right parts, the usual case, takes a few questions so. What gives anything else is not wrong yet: a
part may be, which its own row charges. So nothing is said of it here; case.py compares it with its own parts.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from autograder.outcome import PARTS, UNANSWERED, Raised, WrongKind
from autograder.rubric import oracle
from autograder.rubric.again import Again
from autograder.rubric.composer import SAME, Composed, Composer
from autograder.rubric.conspiracy import T, plausible
from autograder.rubric.crowd import standing_out
from autograder.rubric.derivatives import UnknownError, follow
from autograder.rubric.expect import aligned, as_three, close, unchanged
from autograder.rubric.gradients import SUM
from autograder.rubric.mistake import Mistake
from autograder.rubric.places import HEADS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from autograder.part import Model
    from autograder.promise import Promise
    from autograder.rubric.case import Setting
    from autograder.rubric.forwards import VAEForward

    Three = tuple[Tensor, Tensor, Tensor]
    Learns = Callable[[Three, list[list[Tensor]]], bool]

__all__ = ["Ideal"]


class Ideal:
    """One call of forward, or several, compared with what the weights give."""

    def __init__(
        self, forward: VAEForward, model: Model, given: tuple[Tensor, Tensor], setting: Setting, seed: int
    ) -> None:
        """Ask nothing yet. given: images (N, 1, 28, 28) and their classes (N, C)."""
        self.forward, self.model, self.setting, self.seed = forward, model, setting, seed
        self.x, self.c = given
        self.student = forward.student
        self.fail = partial(forward.mistake, setting.when)
        self.composer = Composer(forward, model, given, setting.sizes.latents, seed)
        self.answer: Three | Exception | None = None  # what the first call gave, or how it failed
        # Where the first call was right: further ones, its x_hat, and what that was made of.
        self.first: tuple[Again, Tensor, Composed] | None = None

    def judge(self) -> bool:
        """Call forward, and tell whether all is as it must be.

        Raises Mistake, or UnjudgedError, where it is at first and a further call changes that.
        """
        try:
            if self.holds():
                return True
        except (Mistake, UnknownError, *UNANSWERED):
            pass
        self.explain()
        return False

    def holds(self) -> bool:
        """Tell whether forward gives the right numbers and gradients, keeps nothing and changes nothing."""
        held = self.forward.hold(self.x, self.c)
        answer, z = self.call(held, self.seed)
        learns = self.learning(answer) if self.setting.learning else None
        # Where further calls follow, that is looked at behind them.
        as_before = None if self.setting.again else self.changes_nothing(held)
        try:
            self.answer = found = as_three(answer.get(), f"{self.forward.name}.forward")
        except (Mistake, Raised, WrongKind) as error:
            self.answer = error
            raise
        right = self.composition(found, z.get(), self.x, self.c, learns)
        if right is None:
            return False
        if as_before:
            return as_before()
        again = Again(self.composer, held, self.fail)
        self.first = again, found[0], right
        return self.keeps_nothing(again, found[0])

    def call(
        self, arguments: Sequence[Tensor], seed: int, *, learning: bool = True
    ) -> tuple[Promise[Any], Promise[Tensor]]:
        """Call forward, and reparametrize with the mu and logvar that it returns, both under the seed."""
        answer = self.model.later(*arguments, seed=seed, learning=learning)
        return answer, self.student.reparametrize_later(answer.slot(1), answer.slot(2), seed=seed)

    def changes_nothing(self, held: Sequence[Tensor]) -> Callable[[], bool]:
        """Look at what was handed over, and at the model's mode; returns what tells whether both are as before."""
        looked = [(tensor, self.student.look_later(tensor)) for tensor in held]
        modes = self.model.modes_later()
        return lambda: (
            all(unchanged(tensor, after.get()) for tensor, after in looked)
            and modes.get()[:2] == (self.setting.training, False)
            and not self.model.disables
        )

    def keeps_nothing(self, again: Again, x_hat: Tensor) -> bool:
        """Tell whether another call has other images, classes and noise, and this one again has the same.

        And whether they leave what they were given, and the model's mode, as it was. In evaluation mode the other call
        is made under torch.no_grad(), as one generates images.
        """
        others, seed, training = again.others(), self.seed + 1, self.setting.training
        answer, z = self.call(self.forward.arguments(*others), seed, learning=training)
        same = [
            again.later(self.seed, learning=learning) for learning in ((True, False) if training else (True,))
        ]
        fresh = [again.later(), again.later()]
        as_before = self.changes_nothing(again.arguments)
        return (
            self.composition(as_three(answer.get(), ""), z.get(), *others) is not None
            and all(close(again.x_hat(each), x_hat, SAME) for each in same)
            and not close(again.x_hat(fresh[0]), again.x_hat(fresh[1]))
            and as_before()
        )

    def explain(self) -> None:
        """Word what a further call changes, where the first one was right. Raises Mistake or UnjudgedError."""
        if not self.first:
            return
        again, x_hat, right = self.first
        with contextlib.suppress(*UNANSWERED):
            try:
                again.expect_fresh_noise(x_hat, right)
            except Mistake:
                self.composer.expect_rest()
                raise

    def composition(
        self, found: Three, z: Tensor, x: Tensor, c: Tensor, learns: Learns | None = None
    ) -> Composed | None:
        """Compare an answer for images and classes with what it must be, with the noise that reparametrize draws.

        z: what that gives for its mu and logvar
        learns: tells whether the gradients are right, too, where that is asked
        Returns what it was made of, None where it is not the right one.
        """
        x_hat, mu, logvar = found
        number, latents = len(x), self.setting.sizes.latents
        for tensor, shape in zip(found, (x.shape, (number, latents), (number, latents)), strict=True):
            if tensor.shape != shape or tensor.dtype != torch.float32:
                return None
        if z.shape != mu.shape or not plausible(mu, logvar, z, T):
            return None
        rows = standing_out(mu, logvar, z, c) if self.setting.crowd else torch.arange(number)
        eps = (z - mu) * torch.exp(-logvar / 2)
        with torch.set_grad_enabled(learns is not None):
            for join in self.forward.joins.values():
                due, biases = self.compute(join(x[rows], c[rows]), c[rows], eps[rows])
                if all(close(t[rows], right.detach(), SAME) for t, right in zip(found, due, strict=True)):
                    if learns and not learns(due, biases):
                        return None
                    self.forward.keep_to(join)
                    return Composed(join, mu, logvar, z, x_hat)
        return None

    def compute(self, given: Tensor, c: Tensor, eps: Tensor) -> tuple[Three, list[list[Tensor]]]:
        """Compute x_hat, mu and logvar, and list each part's biases, of which they are made.

        given: what the encoder gets, (N, *); c, eps: (N, C) and (N, Z). Raises UnknownError.
        """
        biases: dict[str, list[Tensor]] = {}

        def part(name: str, given: Tensor, size: int) -> Tensor:
            y, biases[name] = follow(name, getattr(self.model, name).drawn, given)
            if y.shape[1] != size:
                raise UnknownError
            return y

        features = part("encoder", given, oracle.H)
        mu, logvar = (part(name, features, eps.shape[1]) for name in HEADS)
        z = mu + torch.exp(logvar / 2) * eps
        x_hat = part("decoder", self.forward.joined(z, c), 784).view(-1, 1, 28, 28)
        return (x_hat, mu, logvar), [biases[name] for name in PARTS]

    def learning(self, answer: Promise[Any]) -> Learns:
        """Ask for the gradients of what forward gives; returns what tells whether they are right, for all parts."""
        number, latents = len(self.x), self.setting.sizes.latents
        directions = [torch.randn(shape) for shape in (self.x.shape, (number, latents), (number, latents))]
        pairs = [(answer.slot(i), direction) for i, direction in enumerate(directions)]
        parts = [getattr(self.model, name) for name in PARTS]
        gradients = self.student.gradients_later(pairs, parts)
        # Those of weights are asked for once: they take as long as all the rest.
        once = self.setting.training and not self.forward.weights_judged
        reach = self.student.reach_later(pairs, parts) if once else None

        def learns(due: Three, biases: list[list[Tensor]]) -> bool:
            total = torch.stack([(t * d).sum() for t, d in zip(due, directions, strict=True)]).sum()
            vectors = [bias for each in biases for bias in each]  # none, where that is the mistake
            right = iter(torch.autograd.grad(total, vectors, allow_unused=True) if vectors else ())
            got = gradients.get()
            if [len(each) for each in got] != [len(each) for each in biases]:
                return False
            if not all(aligned(gradient, next(right), SUM) for each in got for gradient in each):
                return False
            if reach:
                if not all(length > 0 for each in reach.get() for length in each):
                    return False
                self.forward.weights_judged = True
            return True

        return learns
