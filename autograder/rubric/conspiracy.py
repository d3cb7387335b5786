"""Whether a model's parts, called beside forward, give what they give alone: they might help forward to a lie.

Forward is compared with what the student's own parts give. Parts that remember forward's calls could give whatever it
returned. So a few of their results are looked at: each must follow from the weights that the grader drew. One that does
not is no lie yet: a mistake in the part is its own row's. It is one if the part is right for nearly the same input.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import PARTS, UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.derivatives import compute
from autograder.rubric.expect import close
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from autograder.part import Drawn, Model, Part
    from autograder.rubric.forwards import VAEForward

__all__ = ["T", "Witness", "plausible"]

CHAINS = 10  # ways to order a part's layers
IMAGES = 3  # whose results are looked at
# What a part gives changes by about the share by which its input does: a result that is WRONG stays above RIGHT.
WRONG, NEARBY, RIGHT = 1e-3, 1 + 1e-4, 1e-4
# Of less noise a mistake's could be right by chance. The sum of n right eps ** 2 is more than 2 * (sqrt(n * t) + t) off
# with a probability below 2 * exp(-t) (Laurent and Massart 2000, lemma 1): for t = 30, 2e-13.
NUMBERS, T, PROBES, T_PROBE = 1000, 30.0, 20, 6.0


@dataclass(frozen=True, eq=False)
class Result:
    """What a part got and gave, (N, *) each, the weights that all parts had, and the images that are looked at."""

    name: str
    given: Tensor
    found: Tensor
    drawn: dict[str, Drawn]
    rows: Tensor

    def follows(self, tolerance: float) -> bool:
        """Tell whether some of it is what the weights give; True where there is nothing to go by."""
        drawn, few = self.drawn.get(self.name), min(self.given.dim(), self.found.dim()) < 2
        if drawn is None or few or not self.given.numel() or len(self.found) != len(self.given):
            return True
        x, y = self.given[self.rows].flatten(1).float(), self.found[self.rows].flatten(1)
        chains = oracle.chains(oracle.layers_of(drawn.parameters), x.shape[1], oracle.LENGTHS[self.name])
        ways = list(itertools.islice(chains, CHAINS))
        return not ways or any(
            close(y, compute(self.name, x, chain, drawn.numbers, drawn.scales), tolerance) for chain in ways
        )


class Witness:
    """Notes what a model's parts give in one case, and judges it when the case is over."""

    def __init__(self, forward: VAEForward, model: Model) -> None:
        self.forward, self.model = forward, model
        self.results: list[Result] = []
        self.noise: list[tuple[Tensor, Tensor, Tensor]] = []

    def note(self, name: str, given: Tensor, found: Tensor) -> Tensor:
        """Note what a part got and gave, (N, *) each; returns the latter."""
        drawn = {part: weights for part in PARTS if (weights := self.part(part).drawn)}
        rows = torch.randperm(len(given) if given.dim() else 0)[:IMAGES]
        self.results.append(Result(name, given, found, drawn, rows))
        return found

    def note_noise(self, mu: Tensor, logvar: Tensor, z: Tensor) -> Tensor:
        """Note what reparametrize got and gave, (N, Z) each; returns the latter."""
        self.noise.append((mu, logvar, z))
        return z

    def judge(self) -> None:
        """Expect all that was noted to be the parts' own. Raises Mistake."""
        for result in self.results:
            if result.name in self.forward.unlike or result.follows(WRONG):
                continue
            if self.follows_nearby(result):
                raise Mistake(
                    f"{self.forward.name}.{result.name}, called beside forward with the same input, gives something "
                    "else than its weights do.",
                    "Alone it is right: does it keep something from another call, or does forward change weights?",
                )
            self.forward.unlike.add(result.name)
        for mu, logvar, z in self.noise:
            if not plausible(mu, logvar, z, T) and self.is_plausible_nearby(mu * NEARBY, logvar * NEARBY):
                raise Mistake(
                    "reparametrize, called beside forward with the same mu and logvar, draws z otherwise than alone.",
                    "Does it keep something from another call?",
                )

    def part(self, name: str) -> Part:
        """Return a part of the model."""
        part: Part = getattr(self.model, name)
        return part

    def follows_nearby(self, result: Result) -> bool:
        """Tell whether a part, with the weights that it had, is right for numbers that forward has not seen."""
        part = self.part(result.name)
        try:
            # In the order in which they were drawn: of layers that two parts share, the last one's are there.
            for name, drawn in sorted(result.drawn.items(), key=lambda item: item[1].order):
                self.part(name).redraw(drawn)
            given = NEARBY * result.given
            answers = (part(given) for _ in range(PROBES))  # dropout may drop nothing at times
            # The same images: what is wrong behind the 128th alone is the part's own mistake, too.
            return all(replace(result, given=given, found=found).follows(RIGHT) for found in answers)
        except UNANSWERED:
            return False

    def is_plausible_nearby(self, mu: Tensor, logvar: Tensor) -> bool:
        """Tell whether reparametrize draws right noise, again and again, for numbers that forward has not seen.

        Twice under one seed, too, as it is called beside forward: what it keeps from call to call is its own mistake.
        """
        ask, seeds = self.forward.student.reparametrize, (*[None] * PROBES, 1, 1)
        try:
            return all(plausible(mu, logvar, ask(mu, logvar, seed=seed), T_PROBE) for seed in seeds)
        except UNANSWERED:
            return False


def plausible(mu: Tensor, logvar: Tensor, z: Tensor, t: float) -> bool:
    """Tell whether the noise in z may be standard normal, by the sum of its squares; True where it is little."""
    if not mu.shape == logvar.shape == z.shape or mu.numel() < NUMBERS:
        return True
    eps = (z.double() - mu.double()) * torch.exp(-logvar.double() / 2)
    number, total = eps.numel(), float((eps**2).sum())
    return abs(total - number) <= 2 * (math.sqrt(number * t) + t)
