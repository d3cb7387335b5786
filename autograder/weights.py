"""Weights for the student's models: drawn alike on both sides of the pipe, and quickly.

A grading draws ten million of them. A generator would take longer for that than all else takes together, so each
tensor is a piece of one long list of normal numbers, and only where it begins is drawn. The list is no secret: the
student's code sees the weights of its models anyway.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn, randint, randn  # as they are before the student has any say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["draw", "fill", "quick_start"]

NUMBERS = randn(1 << 20, generator=Generator().manual_seed(0))
RESET = nn.Linear.reset_parameters


def draw(shapes: Sequence[Sequence[int]], scales: Sequence[float], seed: int) -> list[Tensor]:
    """Draw tensors of these shapes, normal with these standard deviations."""
    drawn = [torch.empty(tuple(shape)) for shape in shapes]
    fill(drawn, scales, seed)
    return drawn


def fill(tensors: Sequence[Tensor], scales: Sequence[float], seed: int) -> None:
    """Draw new values for tensors, normal with these standard deviations."""
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor, scale in zip(tensors, scales, strict=True):
            numbers = piece(tensor.numel(), generator).view(tensor.shape)
            if tensor.dtype == torch.float32:
                torch.mul(numbers, scale, out=tensor)
            else:
                tensor.copy_(numbers * scale)


def piece(number: int, generator: Generator) -> Tensor:
    """Return so many consecutive normal numbers, from anywhere in the list, or new ones where it is too short."""
    places = len(NUMBERS) - number
    if places < len(NUMBERS) // 4:
        return randn(number, generator=generator)
    start = int(randint(places, (), generator=generator))
    return NUMBERS[start : start + number]


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Have nn.Linear take its first weights from the list, with the variance that torch gives them.

    For models that get new weights before they are asked for anything: torch's own way takes as long as the questions.
    """
    if nn.Linear.reset_parameters is not RESET:  # the student's own
        yield
        return
    nn.Linear.reset_parameters = start_linear  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        if nn.Linear.reset_parameters is start_linear:
            nn.Linear.reset_parameters = RESET  # type: ignore[method-assign]


def start_linear(layer: nn.Linear) -> None:
    """Give a layer its first weights: variance 1 / (3 * fan_in), as U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)) has."""
    bias: Tensor | None = layer.bias  # typed as if there always were one
    parameters = [layer.weight] if bias is None else [layer.weight, bias]
    scale = (3 * max(1, layer.in_features)) ** -0.5
    fill(parameters, [scale] * len(parameters), int(randint(1 << 31, ())))
