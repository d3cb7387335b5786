"""What is right, computed in double precision from parameters that the grader chose."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.weights import is_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.part import Parameter

__all__ = [
    "LENGTHS",
    "Layer",
    "Sizes",
    "any_number",
    "chains",
    "fits",
    "images",
    "layers_of",
    "loss",
    "network",
    "one_hot",
    "one_of",
    "other_sizes",
    "pixels",
    "scales",
    "sizes_of",
]

H = 400  # hidden units, by the assignment
MOST = 24  # layers of a part that are put in order; right ones have 4
LENGTHS = {
    "encoder": 3,
    "mu_layer": 1,
    "logvar_layer": 1,
    "decoder": 4,
}  # fully connected layers of each part
AFFIX = re.compile(
    r"^(weights?|bias(es)?|w|b)_?|_?(weights?|bias(es)?|w|b)$", re.IGNORECASE
)  # of W_in and b_in


@dataclass(frozen=True)
class Layer:
    """A fully connected layer found among a part's parameters: which ones, and which way round the weight lies."""

    weight: int
    bias: int | None
    size_in: int
    size_out: int
    transposed: bool = False


def layers_of(parameters: Sequence[Parameter]) -> list[Layer]:
    """Find the fully connected layers among a part's parameters, in their order.

    A weight and its bias share their names up to the last dot, as nn.Linear's do, or what W and b stand for in W_in and
    b_in; or the k-th weight has the k-th bias.
    """
    vectors = vectors_of(parameters)
    matrices = [i for i, p in enumerate(parameters) if is_matrix(p.shape or ()) and i not in vectors]
    owner = [p.name.rpartition(".")[0] for p in parameters]
    which = [(owner[i], AFFIX.sub("", p.name.rpartition(".")[2])) for i, p in enumerate(parameters)]
    layers = []
    for number, i in enumerate(matrices):
        rows, columns = (parameters[i].shape or (0, 0))[:2]
        own = [v for v in vectors if owner[v] == owner[i]]
        if len(own) != 1:
            own = [v for v in vectors if which[v] == which[i]]
        if len(own) != 1:  # bare parameters: the bias of the k-th weight is the k-th that fits some weight
            own = [v for v in vectors[number : number + 1] if len(vectors) == len(matrices)]
        if not vectors or (not own and owner[i]):
            layers.append(Layer(i, None, columns, rows))
        elif own and math.prod(parameters[own[0]].shape or ()) == rows:
            layers.append(Layer(i, own[0], columns, rows))
        elif own and math.prod(parameters[own[0]].shape or ()) == columns:
            layers.append(Layer(i, own[0], rows, columns, transposed=True))
        elif own and math.prod(parameters[own[0]].shape or ()) == 1:  # the same for all units
            layers.append(Layer(i, own[0], columns, rows))
    return [turned(layer, first=k == 0, only=len(layers) == 1) for k, layer in enumerate(layers)]


def turned(layer: Layer, *, first: bool, only: bool) -> Layer:
    """Turn a weight that has no bias, which would tell which way round it lies, where only so it fits its neighbor.

    The first of several layers gives H numbers, and the others take as many.
    """
    inner, outer = (layer.size_out, layer.size_in) if first else (layer.size_in, layer.size_out)
    if only or layer.bias is not None or not inner != outer == H:
        return layer
    return replace(layer, size_in=layer.size_out, size_out=layer.size_in, transposed=True)


def vectors_of(parameters: Sequence[Parameter]) -> list[int]:
    """Find the biases among a part's parameters: of one dimension, or else rows and columns of a matrix's shape."""
    shapes = [p.shape or () for p in parameters]
    plain = [i for i, shape in enumerate(shapes) if len(shape) == 1]
    # nn.Linear(400, 1) has a weight of shape (1, 400), and a bias of one dimension.
    if 2 * len(plain) >= len(parameters):
        return plain
    return [i for i, shape in enumerate(shapes) if is_vector(shape)]


def is_matrix(shape: Sequence[int]) -> bool:
    """Tell whether a weight is a matrix, be it that of a convolution over a single place, (n, m, 1) or (n, m, 1, 1)."""
    return len(shape) >= 2 and max(shape[2:], default=1) == 1


def chains(layers: Sequence[Layer], size_in: int, length: int) -> Iterator[list[Layer]]:
    """Give each way to choose and order so many layers, and to turn square weights, in which their sizes fit.

    The order of registration comes first: it is nearly always the one. Where there are many layers there is no other;
    where there are too few, one may be used again.
    """
    if len(layers) > MOST:
        return
    for order in orders(layers, size_in, length, again=len(layers) < length, any_order=len(layers) <= 5):
        ways = [(False, True) if layer.size_in == layer.size_out else (layer.transposed,) for layer in order]
        for way in itertools.product(*ways):
            yield [
                layer if layer.transposed == turned else replace(layer, transposed=turned)
                for layer, turned in zip(order, way, strict=True)
            ]


def orders(
    layers: Sequence[Layer], size_in: int, length: int, *, again: bool, any_order: bool
) -> Iterator[tuple[Layer, ...]]:
    """Give each choice of so many layers of which each takes what the one before it gives.

    again: whether a layer may come twice; any_order: whether an earlier one may come behind a later one
    """
    if not length:
        yield ()
        return
    for i, layer in enumerate(layers):
        if layer.size_in == size_in and layer.size_out:
            rest = layers if again else [*layers[:i], *layers[i + 1 :]] if any_order else layers[i + 1 :]
            for others in orders(rest, layer.size_out, length - 1, again=again, any_order=any_order):
                yield (layer, *others)


def fits(layers: Sequence[Layer], size_in: int) -> bool:
    """Tell whether each layer takes what the one before it gives."""
    sizes = [size_in, *(layer.size_out for layer in layers)]
    return all(sizes) and all(layer.size_in == size for layer, size in zip(layers, sizes, strict=False))


def sizes_of(layers: Sequence[Layer]) -> str:
    """Write layers as a student would: Linear(784, 400), Linear(400, 400)."""
    return ", ".join(f"Linear({layer.size_in}, {layer.size_out})" for layer in layers) or "none"


def scales(parameters: Sequence[Parameter], size_out: int | None = None) -> list[float]:
    """Choose standard deviations for new values, such that every unit of a right part is now negative, now above 6.

    size_out: the last layer's number of outputs where a sigmoid follows, which must not be saturated
    """
    chosen = []
    for parameter in parameters:
        shape, scale = parameter.shape or (), 1.0
        if len(shape) > 1 and not is_matrix(shape):
            scale = 2 * math.sqrt(2 / max(1, math.prod(shape[1:])))
        elif len(shape) > 1 and not is_vector(shape):
            fan_in = shape[0] if size_out == shape[1] != shape[0] else shape[1]
            scale = 2 * math.sqrt(2 / max(1, fan_in)) * (0.1 if size_out in shape else 1)
        elif size_out in shape:
            scale = 0.5
        elif math.prod(shape) == 1:  # one bias for all units, which together must not become silent
            scale = 0.1
        chosen.append(scale)
    return chosen


def network(
    x: Tensor,
    chain: Sequence[Layer],
    values: Sequence[Tensor],
    activation: Callable[[Tensor], Tensor] = F.relu,
    *,
    last: bool = False,
    dtype: torch.dtype = torch.float64,
    scales: Sequence[float] = (),
) -> Tensor:
    """Compute fully connected layers with an activation between them, and behind the last one where asked for.

    x: (N, size_in); returns (N, size_out) in the given precision
    scales: what the values are multiplied with, if with anything
    """
    x = x.to(dtype)
    for i, layer in enumerate(chain):
        weight = values[layer.weight].to(dtype).flatten(1)
        bias = None if layer.bias is None else values[layer.bias].to(dtype).flatten()
        if scales:  # of a few images there are fewer numbers than of weights
            x = x * scales[layer.weight]
            bias = None if bias is None or layer.bias is None else bias * scales[layer.bias]
        x = F.linear(x, weight.T if layer.transposed else weight, bias)
        if last or i < len(chain) - 1:
            x = activation(x)
    return x


def loss(x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Compute the negative variational lower bound, averaged over the batch (Kingma and Welling 2014, eq. 10)."""
    cross_entropy, divergence = cross_entropies(x_hat, x), divergences(mu, logvar)
    return (cross_entropy.sum() + divergence.sum()) / x.shape[0]


def cross_entropies(x_hat: Tensor, x: Tensor) -> Tensor:
    """Compute each pixel's binary cross-entropy, in float64."""
    return F.binary_cross_entropy(x_hat.double(), x.double(), reduction="none")


def divergences(mu: Tensor, logvar: Tensor) -> Tensor:
    """Compute each latent's KL divergence from N(0, 1), in float64 (Kingma and Welling 2014, appendix B)."""
    mu, logvar = mu.double(), logvar.double()
    return -0.5 * (1 + logvar - mu**2 - logvar.exp())


@dataclass(frozen=True)
class Sizes:
    """The sizes of a model; the notebook's unless given."""

    pixels: int = 784
    classes: int = 10
    latents: int = 15


def other_sizes() -> Sizes:
    """Draw sizes that are not the notebook's: nobody can write them into their code."""
    # Square numbers of pixels, since a model may work out the side of its images when it is made; 400 is H.
    return Sizes(
        int(one_of([18, 22, 24, 26, 30, 32])) ** 2,
        any_number(11, 16),  # more than the notebook has: c[:, :10] is a mistake, too
        any_number(20, 40),
    )


def one_of(numbers: Sequence[int]) -> int:
    """Draw one of these numbers."""
    return numbers[any_number(0, len(numbers) - 1)]


def any_number(first: int, last: int) -> int:
    """Draw a number between first and last, both included."""
    return int(torch.randint(first, last + 1, ()))


def images(number: int, *, white: bool = False) -> Tensor:
    """Draw images (N, 1, 28, 28). white: with white pixels, of 1, too, as MNIST's have some."""
    return (2 * pixels(number, 1, 28, 28)).clamp(max=1) if white else pixels(number, 1, 28, 28)


def pixels(*shape: int) -> Tensor:
    """Draw pixels, as in MNIST with black ones, and less than white, so that x.max() is not 1."""
    return (1.1 * torch.rand(shape) - 0.2).clamp(min=0)


def one_hot(number: int, classes: int) -> Tensor:
    """Draw classes, one-hot (N, C) in int64; the first ones are all different, and the last class comes last.

    So it is not in every batch: to find out from the labels how many classes there are is a mistake.
    """
    order = torch.cat([torch.randperm(classes - 1), torch.tensor([classes - 1])])
    return torch.eye(classes, dtype=torch.int64)[order[torch.arange(number) % classes]]
