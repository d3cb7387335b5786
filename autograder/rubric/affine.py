"""Heads whose weights are kept in a form of their own: a list of neurons, one long vector, three dimensions.

What cannot be read can be measured: an affine map is known by what it gives for zeros and for each unit vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.expect import close

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from autograder.part import Model, Part

__all__ = ["is_linear_in_disguise"]


def is_linear_in_disguise(model: Model, part: Part, numbers: Sequence[int]) -> bool:
    """Tell whether a part computes one fully connected layer from weights that are no matrix and bias as they are.

    numbers: how many inputs to ask for at once, each in both modes
    The numbers of the map, (H + 1) * Z, must be those that were drawn for the part's parameters, in any order: so each
    is used, once, as it is.
    """
    try:
        parameters = part.parameters()
        if len(oracle.layers_of(parameters)) == 1:  # then what it must compute is known
            return False
        drawn = part.draw(oracle.scales(parameters))
        bias = part(torch.zeros(1, oracle.H))
        weight = part(torch.eye(oracle.H))
        size = tuple(bias.shape[1:])
        shaped = (
            len(size) == 1 and tuple(bias.shape) == (1, *size) and tuple(weight.shape) == (oracle.H, *size)
        )
        if not shaped or (bias.dtype, weight.dtype) != (torch.float32, torch.float32):
            return False
        weight = weight - bias
        if not close(in_order([weight, bias]), in_order(drawn.values)):
            return False
        for training in (True, False):
            model.train(training)
            for x in (torch.randn(number, oracle.H) for number in numbers):
                if not close(part(x), x @ weight + bias):
                    return False
    except UNANSWERED:
        return False
    return True


def in_order(tensors: Sequence[Tensor]) -> Tensor:
    """Sort all numbers of some tensors."""
    return torch.cat([t.detach().flatten() for t in tensors]).sort().values
