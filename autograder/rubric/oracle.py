"""What is right, computed in double precision from parameters that the grader chose."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from autograder.student import Parameter

__all__ = ["Layer", "chains", "draw", "images", "layers_of", "loss", "network", "one_hot", "sizes_of"]

H = 400  # hidden units, by the assignment


@dataclass(frozen=True)
class Layer:
    """A fully connected layer found among a part's parameters: which ones, and which way round the weight lies."""

    weight: int
    bias: int
    size_in: int
    size_out: int
    transposed: bool = False


def layers_of(parameters: Sequence[Parameter]) -> list[Layer] | None:
    """Pair weights and biases into layers, in their order; None where they do not pair.

    A pair shares its name up to the last dot, as nn.Linear's do, or stands side by side.
    """
    matrices = [i for i, p in enumerate(parameters) if p.shape is not None and len(p.shape) == 2]
    vectors = [i for i, p in enumerate(parameters) if p.shape is not None and len(p.shape) == 1]
    if len(matrices) != len(vectors) or len(parameters) != 2 * len(matrices):
        return None
    owners = {parameters[i].name.rpartition(".")[0]: i for i in vectors}
    if len(owners) != len(vectors):
        owners = {}
    layers = []
    for position, i in enumerate(matrices):
        bias = owners.get(parameters[i].name.rpartition(".")[0], vectors[position])
        rows, columns = parameters[i].shape or (0, 0)
        (size,) = parameters[bias].shape or (0,)
        if size == rows:
            layers.append(Layer(i, bias, columns, rows))
        elif size == columns:
            layers.append(Layer(i, bias, rows, columns, transposed=True))
        else:
            return None
    return layers


def chains(layers: Sequence[Layer], size_in: int) -> Iterator[list[Layer]]:
    """Give every order of the layers, and every way round of square weights, in which their sizes fit together.

    The order of registration comes first: it is nearly always the one. A network of more layers than the
    assignment has gets no other order.
    """
    orders: Iterable[tuple[Layer, ...]] = itertools.permutations(layers) if len(layers) <= 4 else [tuple(layers)]  # noqa: PLR2004
    for order in orders:
        sizes = [size_in, *(layer.size_out for layer in order)]
        if all(layer.size_in == size for layer, size in zip(order, sizes, strict=False)):
            ways = [(False, True) if layer.size_in == layer.size_out else (layer.transposed,) for layer in order]
            for way in itertools.product(*ways):
                yield [
                    Layer(layer.weight, layer.bias, layer.size_in, layer.size_out, turned)
                    for layer, turned in zip(order, way, strict=True)
                ]


def sizes_of(layers: Sequence[Layer]) -> str:
    """Write layers as a student would: Linear(784, 400), Linear(400, 400)."""
    return ", ".join(f"Linear({layer.size_in}, {layer.size_out})" for layer in layers) or "none"


def draw(parameters: Sequence[Parameter], size_out: int | None = None) -> list[Tensor]:
    """Draw new values for parameters, such that every unit of a right part is now negative, now above 6.

    size_out: the last layer's number of outputs where a sigmoid follows, which must not be saturated
    """
    values = []
    for parameter in parameters:
        shape = parameter.shape or ()
        value = torch.randn(shape)
        if len(shape) == 2:  # noqa: PLR2004
            fan_in = shape[0] if size_out == shape[1] != shape[0] else shape[1]
            value *= 2 * math.sqrt(2 / max(1, fan_in))
            if size_out in shape:
                value *= 0.1
        elif size_out in shape:
            value *= 0.5
        values.append(value)
    return values


def network(
    x: Tensor,
    chain: Sequence[Layer],
    values: Sequence[Tensor],
    activation: Callable[[Tensor], Tensor] = F.relu,
    *,
    last: bool = False,
) -> Tensor:
    """Compute fully connected layers with an activation between them, and behind the last one where asked for.

    x: (N, size_in); returns (N, size_out) in float64
    """
    x = x.double()
    for i, layer in enumerate(chain):
        weight = values[layer.weight].double()
        x = F.linear(x, weight.T if layer.transposed else weight, values[layer.bias].double())
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


def images(number: int, size: int = 784) -> Tensor:
    """Draw images (N, 1, 28, 28), each pixel between 0 and 1."""
    return torch.rand(number, 1, 28, size // 28)


def one_hot(number: int, classes: int) -> Tensor:
    """Draw classes, one-hot (N, C) in int64; the first ones are all different."""
    return F.one_hot(torch.arange(number) % classes, classes)[:, torch.randperm(classes)]
