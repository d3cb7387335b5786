"""A part called by itself, where its model's forward is right: one call then tells what many would.

Forward was right in both modes, for one image and for many, for numbers of all sizes, with weights drawn for each part
(ideal.py). So its parts compute what they should, from weights of their own, when forward calls them. What is left to
see is that they do so when called by themselves, with what forward would not give them: numbers of both signs, and
larger ones.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from autograder.outcome import UNANSWERED
from autograder.part import as_tensor
from autograder.rubric import oracle
from autograder.rubric.derivatives import UnknownError, follow
from autograder.rubric.expect import TOLERANCE, close

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from autograder.part import Model, Part
    from autograder.promise import Promise

__all__ = ["are_right_alone", "is_right_alone"]

# Times as large: with the weights that forward got, units go far beyond 6 so, where ReLU6 and clamps show.
LARGE = {"encoder": 30, "mu_layer": 50, "logvar_layer": 50, "decoder": 40}


def are_right_alone(name: str, models: Mapping[Model, Sequence[int]]) -> bool:
    """Tell whether two models' parts of this name are, and share no layers: all weights were drawn before.

    models: with the shape of what the part takes, as below
    """
    if not all(model.forward_is_right for model in models):
        return False
    told = [tell(model, name, shape) for model, shape in models.items()]
    return all(is_right() for is_right in told)


def is_right_alone(model: Model, name: str, shape: Sequence[int]) -> bool:
    """Tell whether a part of a model whose forward is right gives, called by itself, what its weights give.

    shape: of what it takes, but for the number of images
    False says nothing: whether it is wrong, and how, is to be found out.
    """
    return are_right_alone(name, {model: shape})


def tell(model: Model, name: str, shape: Sequence[int]) -> Callable[[], bool]:
    """Call the part; returns what tells whether it gave the right thing."""
    number, part = oracle.any_number(5, 9), getattr(model, name)
    x = oracle.pixels(number, *shape) if name == "encoder" else torch.randn(number, *shape)
    x[: number // 2] *= LARGE[name]
    answer = part.later(x)
    return partial(gives, name, part, x, answer)


def gives(name: str, part: Part, x: Tensor, answer: Promise[Any]) -> bool:
    """Tell whether a part's answer for x (N, *) is what its weights give."""
    number = len(x)
    try:
        y, due = as_tensor(answer.get(), part.name), follow(name, part.drawn, x)[0].detach()
    except (UnknownError, *UNANSWERED):
        return False
    due = due.view(-1, 1, 28, 28) if name == "decoder" else due
    if y.shape != due.shape or y.dtype != torch.float32:
        return False
    # Numbers of one size at a time, since the largest tells how exact all must be. For the half see Behaviour.gives.
    halves = zip(y.tensor_split([number // 2]), due.tensor_split([number // 2]), strict=True)
    return all(close(found, right, TOLERANCE / 2) for found, right in halves)
