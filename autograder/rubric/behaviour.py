"""One part's behaviour: what it gives beside what fully connected layers with its weights give."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import Raised
from autograder.rubric import oracle
from autograder.rubric.counts import explain_odd
from autograder.rubric.diagnosis import diagnose
from autograder.rubric.expect import TOLERANCE, close, difference, expect_shape, rectified, show
from autograder.rubric.layouts import unpack
from autograder.rubric.mistake import Cause, Mistake
from autograder.rubric.stretch import FURTHER
from autograder.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autograder.part import Model, Part
    from autograder.rubric.layouts import Piece
    from autograder.rubric.oracle import Layer
    from autograder.student import Student

__all__ = ["CHAINS", "Behaviour"]

CHAINS = 100  # ways to choose and order its layers; right ones have 8, if sizes are all that tells them apart
FIRST = 3  # times as large as others are drawn weights that take an encoder's pixels
FEW = 6  # results of a large batch that are looked at


class Behaviour:
    """A part with weights that were drawn for it: it is asked, and compared with what it must compute."""

    def __init__(
        self,
        student: Student,
        model: Model,
        part: Part,
        x: Tensor,
        length: int,
        *,
        last: bool,
        image: bool = False,
    ) -> None:
        self.student, self.model, self.part, self.x = student, model, part, x
        self.length, self.last, self.image = length, last, image
        self.turned = x.flip(0)
        self.known: dict[tuple[tuple[Layer, ...], bool], Tensor] = {}  # what it must give for x
        parameters = part.parameters()
        if any(p.shape is None for p in parameters):  # lazy layers get their shapes from a first call
            part(x)
            parameters = part.parameters()
        self.layers = oracle.layers_of(parameters)
        size_in = x.flatten(1).shape[1]
        scales = oracle.scales(parameters, 784 if image else None)
        if last:  # pixels are small, and units of the first layer are to go beyond 6, too
            scales = [
                FIRST * scale if size_in in (p.shape or ()) else scale
                for scale, p in zip(scales, parameters, strict=True)
            ]
        self.drawn = part.draw(scales)
        self.parameters = parameters
        ways = oracle.chains(self.layers, size_in, length) if self.layers else iter(())
        # Weights and biases made of the parameters, where these are none as they are, and layers of them.
        self.pieces: list[Piece] = []
        made: list[list[Layer]] = []
        if not each_once(self.layers, len(parameters)):
            self.pieces, made = unpack(parameters, size_in, length)
        fitting = (chain for chain in itertools.chain(made, ways) if not image or chain[-1].size_out == 784)
        self.chains = list(itertools.islice(fitting, CHAINS))
        # Whoever lays one weight as (in, out) lays all: square ones, which do not show it, too.
        self.chains.sort(key=turned_otherwise)
        if last:  # of an encoder's ways those that end with features come first
            self.chains.sort(key=lambda chain: chain[-1].size_out != oracle.H)
        self.few = len(self.layers) < length and not made
        if not self.chains and self.few:
            raise self.too_few()
        if not self.chains:
            raise Mistake(
                f"The layers of {part.name} do not fit its input of {size_in} numbers: {oracle.sizes_of(self.layers)}."
            )

    def check(self) -> None:
        """Compare in training and evaluation mode, for several inputs and for one."""
        self.model.train()
        self.compare(self.x, "")
        self.compare(self.x[:1], " for a batch of one")
        if self.length == 1 or self.image:
            other = (10 if self.image else 1000) * self.x
            self.compare(other, " for large inputs: is something clamped?")
        else:
            other = (2 * self.turned).clamp(max=1)
            self.compare(other, " for other images, with white pixels (of 1)", before=self.x)
        self.model.eval()
        # Another one than before: what a part gives may be kept for each shape, or for the last one.
        self.compare(self.turned, " in evaluation mode (model.eval())", before=other)
        if self.last and not self.pieces:
            self.enlarge()
            self.compare(self.x, " where features are large: is something clamped?")

    def enlarge(self) -> None:
        """Draw other weights, of which the last layer makes features that reach beyond 1,000."""
        last = self.chains[0][-1]
        self.drawn = self.part.draw(
            [
                scale * (FURTHER if i in (last.weight, last.bias) else 1)
                for i, scale in enumerate(self.drawn.scales)
            ]
        )
        self.known = {}
        for name in ("values", "weights"):
            self.__dict__.pop(name, None)

    def check_crowd(self) -> None:
        """Compare some results of a large batch in training mode."""
        self.model.train()
        rows = torch.randperm(len(self.x) - 1)[:FEW]
        rows[0] = len(self.x) - 1  # the last one, too: some count to 128 only
        y = self.ask(self.x)[rows]
        if self.matches(self.x[rows], y):
            return
        number, self.x = len(self.x), self.x[rows]
        right = self.right(self.x, self.chains[0])
        self.compare(self.x, "")
        raise Mistake(
            f"{self.part.name} is right for {FEW} images, and something else for the same ones among {number}.",
            difference(y, right),
        )

    def too_few(self) -> Mistake:
        """Word that there are not enough layers."""
        return Mistake(
            f"{self.part.name} should be made of {counted(self.length, 'fully connected layer')}; yours has: "
            f"{oracle.sizes_of(self.layers)}.",
            Cause(explain_odd(self.parameters)),
        )

    def ask(self, x: Tensor) -> Tensor:
        """Call the part and expect the right shape."""
        try:
            y = self.part(x)
        except Raised as error:
            raise Mistake(str(error), *map(Cause, self.explain_raised(x))) from None
        shape = (len(x), 1, 28, 28) if self.image else (len(x), self.chains[0][-1].size_out)
        if self.last and tuple(y.shape) == (len(x), oracle.H) != shape:
            raise Mistake(
                f"{self.part.name} gives {oracle.H} features, and its layers one after the other, "
                f"{oracle.sizes_of(self.chains[0])}, give {shape[1]}: each should take what the one before it gives."
            )
        expect_shape(f"The result of {self.part.name} for an input of shape {show(x.shape)}", y, shape)
        return y

    def explain_raised(self, x: Tensor) -> Iterator[str]:
        """Try easier inputs than the one that the part raised at."""
        shaping = "last view or reshape" if self.image else "Flatten"
        for text, easier in (
            ("It works on images that are flat already: the Flatten at the start is missing.", x.flatten(1)),
            (f"It works for one image: does your {shaping} join the images of a batch?", x[:1]),
        ):
            try:
                if easier.shape != x.shape:
                    self.part(easier)
                    yield text
                    return
            except Exception:  # noqa: BLE001, S112 - it is a mere guess
                continue

    @cached_property
    def values(self) -> list[Tensor]:
        """The weights in double precision, for the hundreds of slips that there may be."""
        return [value.double() for value in self.weights]

    @cached_property
    def weights(self) -> list[Tensor]:
        """The weights and biases that the layers' numbers stand for, in float32."""
        values = self.drawn.values
        return [*values, *(piece.take(values) for piece in self.pieces)]

    def right(self, x: Tensor, chain: Sequence[Layer], *, rough: bool = False) -> Tensor:
        """Compute what the part must give for x, in double precision, or roughly in the part's own."""
        same, turned = (x.data_ptr() == t.data_ptr() for t in (self.x, self.turned))
        if not same and not turned:
            return self.compute(x, chain, rough=rough)
        key = (tuple(chain), rough)  # the same images as before, or the first of them, or in the other order
        if key not in self.known:
            self.known[key] = self.compute(self.x, chain, rough=rough)
        return self.known[key].flip(0) if turned else self.known[key][: len(x)]

    def compute(self, x: Tensor, chain: Sequence[Layer], *, rough: bool) -> Tensor:
        """Compute it, whatever is known of it."""
        if rough:
            numbers, scales = (self.weights, ()) if self.pieces else (self.drawn.numbers, self.drawn.scales)
            y = oracle.network(
                x.flatten(1), chain, numbers, last=self.last, dtype=torch.float32, scales=scales
            )
        else:
            y = oracle.network(x.flatten(1), chain, self.values, last=self.last)
        return torch.sigmoid(y).view(-1, 1, 28, 28) if self.image else y

    def matches(self, x: Tensor, y: Tensor) -> bool:
        """Tell whether y is right for x in some order of the layers, and keep to the first in which it is."""
        found = next((chain for chain in self.chains if self.gives(chain, x, y)), None)
        self.chains = [found] if found else self.chains
        return bool(found)

    def gives(self, chain: Sequence[Layer], x: Tensor, y: Tensor) -> bool:
        """Tell whether y is right for x in this order of the layers.

        What is computed in float32 here too is off by a tenth of the tolerance at most (expect.py): within half of it
        y is right in double precision as well, which takes four times as long.
        """
        return any(
            close(y, right := self.right(x, chain, rough=rough), tolerance)
            and (not self.last or rectified(y, right))
            for rough, tolerance in ((True, TOLERANCE / 2), (False, TOLERANCE))
        )

    def compare(self, x: Tensor, when: str, before: Tensor | None = None) -> None:
        """Ask for x and compare. before: an input of the same shape that it got earlier."""
        y = self.ask(x)
        if not self.matches(x, y):
            if self.few:
                raise self.too_few()
            raise Mistake(
                f"{self.part.name} computes something else than {self.describe()}{when}"
                + "."[when.endswith("?") :],
                *map(Cause, self.kept(y, before) or diagnose(self, x, y)),
                difference(y, self.right(x, self.chains[0])),
            )

    def kept(self, y: Tensor, before: Tensor | None) -> list[str]:
        """Tell where y is right for what was given earlier."""
        if before is not None and close(y, self.right(before, self.chains[0])):
            return [
                "It gives what it gave for other numbers of the same shape: is that kept from an earlier call?"
            ]
        return []

    def describe(self) -> str:
        """Say what the part should be."""
        if self.length == 1:
            return "one Linear and nothing more"
        if self.image:
            return f"{self.length - 1} times Linear and ReLU, then Linear and Sigmoid"
        return f"{self.length} times Linear and ReLU"


def each_once(layers: Sequence[Layer], number: int) -> bool:
    """Tell whether the layers are made of so many parameters, a weight and a bias for each."""
    used = [i for layer in layers for i in (layer.weight, layer.bias) if i is not None]
    return sorted(used) == [*range(number)] and len(used) == 2 * len(layers)


def turned_otherwise(chain: Sequence[Layer]) -> int:
    """Count a chain's square weights that lie another way round than its other weights do."""
    ways = {layer.transposed for layer in chain if layer.size_in != layer.size_out}
    square = [layer for layer in chain if layer.size_in == layer.size_out]
    return sum(layer.transposed not in ways for layer in square) if ways else 0
