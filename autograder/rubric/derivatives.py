"""The gradients that a model's parts should have, from the weights that the grader drew for them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric import oracle
from autograder.rubric.expect import close
from autograder.weights import is_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.part import Drawn, Parameter

__all__ = ["UnknownError", "compute", "follow", "true_gradients"]

SAME = 1e-3  # of the largest number: what a part computes is what its weights give


class UnknownError(Exception):
    """There is nothing to go by: a part has no weights of the grader's, or its layers do not fit."""


def true_gradients(
    parts: Sequence[tuple[str, Drawn | None]], x: Tensor, y: Tensor, direction: Tensor
) -> tuple[Tensor, list[list[Tensor | None]]] | None:
    """Compute the gradients of <y, direction>, in float32, where y is what the parts give one behind the other.

    parts: their names and weights
    x: (N, *), what the first one gets; y, direction: (N, *)
    Returns the gradients for x (N, size_in), and for each part for its biases; None where the parts give something
    else than y, or there is nothing to go by.
    """
    if min(x.dim(), y.dim()) < 2:
        return None
    x = x.flatten(1).float().requires_grad_()
    h, biases = x, []
    for name, drawn in parts:
        try:
            h, own = follow(name, drawn, h)
        except UnknownError:
            return None
        biases.append(own)
    if not close(h.detach(), y.flatten(1), SAME):
        return None
    found = torch.autograd.grad(
        h, [x, *(v for each in biases for v in each)], direction.view(h.shape), allow_unused=True
    )
    of_x, rest = found[0], iter(found[1:])
    return of_x, [[next(rest) for _ in each] for each in biases]


def follow(name: str, drawn: Drawn | None, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Compute what a part of these weights gives for x (N, *), and list its biases, which may have gradients.

    They are small, and each layer has one. The layers are taken to be in the order in which they are registered.
    Raises UnknownError.
    """
    if drawn is None:
        raise UnknownError
    x = x.flatten(1).float()
    vectors = [is_vector(numbers.shape) for numbers in drawn.numbers]
    scales = [1.0 if vector else scale for vector, scale in zip(vectors, drawn.scales, strict=True)]
    values = [
        (numbers * scale).requires_grad_() if vector else numbers
        for numbers, scale, vector in zip(drawn.numbers, drawn.scales, vectors, strict=True)
    ]
    chain = chain_of(tuple(drawn.parameters), x.shape[1], oracle.LENGTHS[name])
    if not chain:
        raise UnknownError
    return compute(name, x, chain, values, scales), [v for v in values if v.requires_grad]


@lru_cache(maxsize=64)  # a part is followed for each case, and most students' parts are alike
def chain_of(parameters: tuple[Parameter, ...], size_in: int, length: int) -> list[oracle.Layer] | None:
    """Choose the first way in which so many of a part's layers fit one behind the other, None where there is none."""
    return next(oracle.chains(oracle.layers_of(parameters), size_in, length), None)


def compute(
    name: str, x: Tensor, chain: Sequence[oracle.Layer], values: Sequence[Tensor], scales: Sequence[float]
) -> Tensor:
    """Compute what a part's values, times scales, give, in float32: x (N, size_in); returns (N, size_out)."""
    y = oracle.network(x, chain, values, last=name == "encoder", dtype=torch.float32, scales=scales)
    return torch.sigmoid(y) if name == "decoder" else y
