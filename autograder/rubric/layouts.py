"""Fully connected layers whose weights and biases a part keeps in another form than nn.Linear does.

Layers of one size stacked in one tensor, or all biases; a bias that is a column of its weight; one weight for the image
and one for the class, which side by side are the layer's.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from autograder.part import Parameter
from autograder.rubric import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.rubric.oracle import Layer

__all__ = ["Piece", "unpack"]

FEW = 5  # layers or biases in one tensor; right ones have 4
MOST = 10  # weights and biases; right ones have 8
WAYS = 20  # to read a part's parameters; most that can be read can be in one


class Piece(NamedTuple):
    """A weight or a bias, made of a part's parameters."""

    shape: tuple[int, ...]
    take: Callable[[Sequence[Tensor]], Tensor]  # from the values of all parameters


def unpack(
    parameters: Sequence[Parameter], size_in: int, length: int
) -> tuple[list[Piece], list[list[Layer]]]:
    """Find ways to read parameters as so many fully connected layers, where they are no weights and biases as they are.

    Returns weights and biases, and the layers that are made of them, in each way: there these are numbered from
    len(parameters) on.
    """
    pieces: list[Piece] = []
    chains: list[list[Layer]] = []
    for pairs in itertools.islice(layouts(parameters, size_in), WAYS):
        first = len(parameters) + len(pieces)
        own = [piece for pair in pairs for piece in pair]
        named = [
            Parameter(f"{i // 2}.{('weight', 'bias')[i % 2]}", piece.shape) for i, piece in enumerate(own)
        ]
        chains += (
            [replace(layer, weight=first + layer.weight, bias=first + (layer.bias or 0)) for layer in chain]
            for chain in oracle.chains(oracle.layers_of(named), size_in, length)
        )
        pieces += own
    return pieces, chains


def layouts(parameters: Sequence[Parameter], size_in: int) -> Iterator[list[tuple[Piece, Piece]]]:
    """Give ways to read parameters as pairs of a weight and a bias, in their order."""
    whole = [[as_it_is(parameters, i)] for i in range(len(parameters))]
    apart = [rows(parameters, i) if is_stack(p.shape or ()) else whole[i] for i, p in enumerate(parameters)]
    for found in (whole, apart):
        each = [piece for pieces in found for piece in pieces]
        if len(each) > MOST:
            continue
        weights = [piece for piece in each if len(piece.shape) == 2]
        biases = [piece for piece in each if len(piece.shape) == 1]
        if len(weights) == len(biases) and found is apart:
            yield list(zip(weights, biases, strict=True))
        if len(weights) == len(biases) + 1:
            for joined in join(weights, size_in):
                yield list(zip(joined, biases, strict=True))
        if not biases and all(min(weight.shape) > 1 for weight in weights):
            for dim, place in itertools.product((1, 0), (-1, 0)):
                yield [split(weight, dim, place) for weight in weights]


def is_stack(shape: Sequence[int]) -> bool:
    """Tell whether a parameter may be several of a kind, one behind the other."""
    return len(shape) in (2, 3) and shape[0] <= FEW


def as_it_is(parameters: Sequence[Parameter], number: int) -> Piece:
    """Take a parameter."""
    return Piece(parameters[number].shape or (), lambda values: values[number])


def rows(parameters: Sequence[Parameter], number: int) -> list[Piece]:
    """Take each row of a parameter."""
    count, *shape = parameters[number].shape or ()

    def row(i: int) -> Piece:
        return Piece(tuple(shape), lambda values: values[number][i])

    return [row(i) for i in range(count)]


def join(weights: Sequence[Piece], size_in: int) -> Iterator[list[Piece]]:
    """Join two weights that follow each other, and together take so many numbers, side by side in either order."""
    for i, (one, other) in enumerate(itertools.pairwise(weights)):
        for dim in (1, 0):
            if one.shape[1 - dim] == other.shape[1 - dim] and one.shape[dim] + other.shape[dim] == size_in:
                for pair in ((one, other), (other, one)):
                    yield [*weights[:i], beside(pair, dim), *weights[i + 2 :]]


def beside(pair: tuple[Piece, Piece], dim: int) -> Piece:
    """Put two matrices side by side."""
    shape = [*pair[0].shape]
    shape[dim] += pair[1].shape[dim]
    return Piece(tuple(shape), lambda values: torch.cat([piece.take(values) for piece in pair], dim))


def split(weight: Piece, dim: int, place: int) -> tuple[Piece, Piece]:
    """Split a matrix into a weight and a bias, which is its last column or row (place -1), or its first (0)."""
    size = weight.shape[dim]
    begin = 0 if place else 1
    shape = [*weight.shape]
    shape[dim] -= 1
    return (
        Piece(tuple(shape), lambda values: weight.take(values).narrow(dim, begin, size - 1)),
        Piece((weight.shape[1 - dim],), lambda values: weight.take(values).select(dim, place)),
    )
