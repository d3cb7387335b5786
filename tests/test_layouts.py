"""Weights and biases in other forms than nn.Linear's."""

from __future__ import annotations

import pytest
import torch

from autograder.part import Parameter
from autograder.rubric import oracle
from autograder.rubric.layouts import unpack

SIZES = (7, 400, 400, 400)  # of an encoder, input first


def draw(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """Draw parameters of these shapes."""
    return [torch.randn(shape) / shape[-1] ** 0.5 for shape in shapes]


W, (A, B, C) = draw((400, 7), (400, 400), (400, 400)), draw((400,), (400,), (400,))
LAYOUTS = {
    "biases in one matrix": [*W, torch.stack([A, B, C])],
    "stacked layers": [W[0], A, torch.stack(W[1:]), torch.stack([B, C])],
    "stacked layers, transposed": [W[0], A, torch.stack([W[1].T, W[2].T]), torch.stack([B, C])],
    "a weight for each half": [W[0][:, :3], W[0][:, 3:], A, W[1], B, W[2], C],
    "a weight for each half, the second first": [W[0][:, 3:], W[0][:, :3], A, W[1], B, W[2], C],
    "a weight for each half, transposed": [W[0].T[:3], W[0].T[3:], A, W[1], B, W[2], C],
    "the bias as the last column": [torch.cat([w, b[:, None]], 1) for w, b in zip(W, (A, B, C), strict=True)],
    "the bias as the first column": [
        torch.cat([b[:, None], w], 1) for w, b in zip(W, (A, B, C), strict=True)
    ],
    "the bias as the last row": [torch.cat([w.T, b[None]], 0) for w, b in zip(W, (A, B, C), strict=True)],
    "the bias as the first row": [torch.cat([b[None], w.T], 0) for w, b in zip(W, (A, B, C), strict=True)],
}


def parameters(values: list[torch.Tensor]) -> list[Parameter]:
    """Name them as bare parameters are."""
    return [Parameter(f"p{i}", tuple(value.shape)) for i, value in enumerate(values)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_is_read(name: str) -> None:
    """One of the ways in which it can be read gives the encoder's features."""
    values, x = LAYOUTS[name], torch.rand(5, 7)
    pieces, chains = unpack(parameters(values), 7, 3)
    whole = [*values, *(piece.take(values) for piece in pieces)]
    assert [tuple(value.shape) for value in whole[len(values) :]] == [piece.shape for piece in pieces]
    right = oracle.network(
        x, [oracle.Layer(2 * i, 2 * i + 1, n, 400) for i, n in enumerate(SIZES[:3])], plain()
    )
    found = [oracle.network(x, chain, whole) for chain in chains]
    assert any(torch.allclose(y, right) for y in found)


def plain() -> list[torch.Tensor]:
    """List the same weights and biases as nn.Linear has them."""
    return [value for pair in zip(W, (A, B, C), strict=True) for value in pair]


@pytest.mark.parametrize(
    "shapes",
    [
        [(400, 7), (400, 400), (400, 400)],
        [(400, 7), (400,), (400, 400), (400, 400)],
        [(10_000_000, 1, 1), (400,)],
        [(1, 400, 400)] * 100,
        [(5, 400)] * 100,
    ],
)
def test_what_is_no_layout_costs_nothing(shapes: list[tuple[int, ...]]) -> None:
    """Where biases are missing, or there are far too many tensors, there is no way to read them."""
    assert unpack([Parameter(f"p{i}", shape) for i, shape in enumerate(shapes)], 7, 3)[1] == []
