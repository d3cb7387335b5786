"""What a part gives where it has known slips in it, computed from its own weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.rubric import oracle
from autograder.rubric.counts import ORDINALS
from autograder.rubric.slips import ACTIVATIONS, AFTER, COMMON, ENDS, INPUTS, activation_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.rubric.oracle import Layer

    Function = Callable[[Tensor], Tensor]

__all__ = ["PartSlips"]


@dataclass(frozen=True, eq=False)
class PartSlips:
    """The slips of one part. Each is given with its words and its result (N, size_out) for x (N, size_in)."""

    values: Sequence[Tensor]  # the part's weights, in double precision
    last: bool  # whether a ReLU follows the last layer
    image: bool  # whether a sigmoid does
    classes: bool  # whether the last inputs are a class

    def single(self, x: Tensor, chain: Sequence[Layer]) -> Iterator[tuple[str, Tensor]]:
        """Give the results of one slip at a time."""
        end: Function = torch.sigmoid if self.image else (lambda v: v)
        right = end(oracle.network(x, chain, self.values, last=self.last))
        yield from self.activations(x, chain, end)
        yield from self.layers(x, chain, end)
        for name, change in INPUTS.items():
            yield name, end(oracle.network(change(x.double()), chain, self.values, last=self.last))
        if self.classes and len(chain) > 1:
            for classes in range(10, 17):
                kept = x.double().clone()
                kept[:, -classes:] = 0
                yield (
                    "the class (the last inputs) were ignored",
                    end(oracle.network(kept, chain, self.values, last=self.last)),
                )
        if self.image:
            logits = oracle.network(x, chain, self.values)
            for name, other in ENDS.items():
                yield name, other(logits)
            for name, activation in ACTIVATIONS.items():
                if name not in ("", "Sigmoid"):
                    yield f"there were {name} at the end, not a Sigmoid", activation(logits)
            before = torch.sigmoid(oracle.network(x, chain[:-1], self.values, last=True))
            yield (
                "the Sigmoid stood before the last Linear, not after it",
                oracle.network(before, chain[-1:], self.values),
            )
        last_step = "the last ReLU" if self.last else "the Linear" if len(chain) == 1 else "the Sigmoid"
        for name, after in AFTER.items():
            yield f"{name} followed {last_step}", after(right)

    def pairs(self, x: Tensor, chain: Sequence[Layer]) -> Iterator[tuple[str, Tensor]]:
        """Give the results of two known slips at a time: another activation, and one at either end."""
        end: Function = torch.sigmoid if self.image else (lambda v: v)
        for name, change in INPUTS.items():
            for text, y in self.activations(change(x.double()), chain, end):
                yield f"{text}, and {name}", y
        for text, y in self.activations(x, chain, lambda v: v) if self.image else ():
            for name, other in ENDS.items():
                yield f"{text}, and {name}", other(y)

    def activations(self, x: Tensor, chain: Sequence[Layer], end: Function) -> Iterator[tuple[str, Tensor]]:
        """Give the results of another activation in some of the places, or of one where none belongs."""
        if len(chain) == 1:
            given = oracle.network(x, chain, self.values)
            # Before those that are the same for small numbers.
            yield "ReLU followed the Linear", F.relu(given)
            for name, activation in ACTIVATIONS.items():
                yield f"{name or 'nothing'} followed the Linear", activation(given)
            return
        places = len(chain) if self.last else len(chain) - 1
        functions: dict[str | None, Function] = {None: F.relu}
        functions.update(ACTIVATIONS)
        known: dict[tuple[str | None, ...], Tensor] = {}  # many begin alike

        def linear(acts: tuple[str | None, ...]) -> Tensor:
            """Compute the next Linear behind these activations."""
            if acts not in known:
                given = functions[acts[-1]](linear(acts[:-1])) if acts else x
                known[acts] = oracle.network(given, [chain[len(acts)]], self.values)
            return known[acts]

        for size in range(places, 0, -1):
            for where in itertools.combinations(range(places), size):
                for name in ACTIVATIONS:
                    acts = tuple(name if i in where else None for i in range(places))
                    y = functions[acts[-1]](linear(acts[:-1])) if self.last else linear(acts)
                    yield activation_text(name, where, places, last=self.last), end(y)

    def mixed(self, x: Tensor, chain: Sequence[Layer]) -> Iterator[tuple[str, Tensor]]:
        """Give the results of different activations in different places."""
        end: Function = torch.sigmoid if self.image else (lambda v: v)
        for names, y in self.choices(x, chain, ()):
            if len({*names} - {"ReLU"}) > 1:
                yield f"not only ReLU followed the Linears, but in this order: {', '.join(names)}", end(y)

    def choices(
        self, x: Tensor, chain: Sequence[Layer], names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], Tensor]]:
        """Give what layers make of x in all ways to choose the activations behind them.

        names: the activations before x; those of each way stand behind them
        """
        y, rest = oracle.network(x, chain[:1], self.values), chain[1:]
        if not rest and not self.last:
            yield names, y
            return
        for name, activation in COMMON.items():
            if rest:
                yield from self.choices(activation(y), rest, (*names, name))
            else:
                yield (*names, name), activation(y)

    def layers(self, x: Tensor, chain: Sequence[Layer], end: Function) -> Iterator[tuple[str, Tensor]]:
        """Give the results of biases and layers used in another way."""
        everything = range(len(chain))
        for where in (*((i,) for i in everything), tuple(everything)):
            which = "all biases" if len(where) > 1 else f"the bias of the {ORDINALS[where[0]]} Linear"
            biases = [layer.bias for layer in (chain[i] for i in where) if layer.bias is not None]
            for text, factor in (("not used", 0.0), ("added twice", 2.0), ("subtracted", -1.0)):
                values = list(self.values)
                for number in biases:
                    values[number] = factor * values[number]
                yield f"{which} were {text}", end(oracle.network(x, chain, values, last=self.last))
        for i in everything:
            rest = [layer for j, layer in enumerate(chain) if j != i]
            if oracle.fits(rest, x.shape[1]) and rest:
                slip = oracle.network(x, rest, self.values, last=self.last)
                yield f"the {ORDINALS[i]} Linear were skipped", end(slip)
            for j in everything:
                again = [chain[j] if k == i else layer for k, layer in enumerate(chain)]
                if i != j and oracle.fits(again, x.shape[1]):
                    slip = oracle.network(x, again, self.values, last=self.last)
                    yield f"the {ORDINALS[j]} Linear took the place of the {ORDINALS[i]} too", end(slip)
        yield from self.halves(x, chain, end)
        yield from self.repeated(x, chain, end)
        for where in (*((i,) for i in everything), tuple(everything)):
            z = x.double()
            for i, layer in enumerate(chain):
                bias = torch.zeros(1) if layer.bias is None else self.values[layer.bias].flatten()
                product = oracle.network(z, [layer], self.values) - bias
                behind = i in where and (self.last or i < len(chain) - 1)
                act = F.relu if self.last or i < len(chain) - 1 else (lambda v: v)
                z = act(product) + bias if behind else act(product + bias)
            which = "biases were" if len(where) > 1 else f"bias of the {ORDINALS[where[0]]} Linear were"
            yield f"the {which} added after the ReLU", end(z)

    def halves(self, x: Tensor, chain: Sequence[Layer], end: Function) -> Iterator[tuple[str, Tensor]]:
        """Give the results where the weight or the bias alone of one layer serves another, too."""
        for (i, one), (j, other) in itertools.permutations(enumerate(chain), 2):
            parts = []
            if (one.size_in, one.size_out) == (other.size_in, other.size_out):
                parts.append(("weight", replace(one, weight=other.weight, transposed=other.transposed)))
            if one.size_out == other.size_out and one.bias is not None and other.bias is not None:
                parts.append(("bias", replace(one, bias=other.bias)))
            for what, layer in parts:
                wrong = [layer if k == i else each for k, each in enumerate(chain)]
                slip = oracle.network(x, wrong, self.values, last=self.last)
                yield (
                    f"the {what} of the {ORDINALS[j]} Linear took the place of the {ORDINALS[i]}'s",
                    end(slip),
                )

    def repeated(self, x: Tensor, chain: Sequence[Layer], end: Function) -> Iterator[tuple[str, Tensor]]:
        """Give the results of layers called once more, and of skip connections."""
        square = [i for i, layer in enumerate(chain) if layer.size_in == layer.size_out]
        for i in square:
            again = [*chain[: i + 1], *chain[i:]]
            slip = end(oracle.network(x, again, self.values, last=self.last))
            yield f"the {ORDINALS[i]} Linear were called twice", slip
        for where in (*((i,) for i in square), *([tuple(square)] if len(square) > 1 else [])):
            which = " and ".join(ORDINALS[i] for i in where)
            for text, inside in (("after", False), ("before", True)):
                z = x.double()
                for i, layer in enumerate(chain):
                    y = oracle.network(z, [layer], self.values)
                    act = F.relu if self.last or i < len(chain) - 1 else (lambda v: v)
                    z = act(y + z if inside else y) + (z if not inside else 0) if i in where else act(y)
                yield f"there were a skip connection round the {which} Linear, added {text} the ReLU", end(z)
