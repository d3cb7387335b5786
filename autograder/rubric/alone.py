"""A part called by itself, where its model's forward is right: two calls then tell what many would.

Forward was right in both modes, for one image and for many, for numbers of all sizes, with weights drawn for each part
(ideal.py). So its parts compute what they should, from weights of their own, when forward calls them. What is left to
see is that they do so when called by themselves: before forward was ever called, with what it would not give them
(numbers of both signs, and larger ones), and for one image in evaluation mode.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from autograder.outcome import UNANSWERED
from autograder.part import as_tensor
from autograder.rubric import oracle
from autograder.rubric.derivatives import UnknownError, follow
from autograder.rubric.expect import TOLERANCE, close, rectified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from autograder.part import Drawn, Model
    from autograder.promise import Promise

__all__ = ["are_right_alone", "ask_before", "is_right_alone"]

# Times as large: with the weights that forward got, units go far beyond 6 so, where ReLU6 and clamps show.
LARGE = {"encoder": 30, "mu_layer": 1000, "logvar_layer": 1000, "decoder": 40}


def ask_before(model: Model, shapes: Mapping[str, Sequence[int]]) -> None:
    """Call each part of a model that has weights, and whose forward was not called yet, for several images.

    shapes: of what each part takes, but for the number of images
    """
    for name, shape in shapes.items():
        if name in model.late:
            continue
        x = draw(name, oracle.any_number(5, 9), shape)
        x[: len(x) // 2] *= LARGE[name]
        model.before[name] = tell(model, name, x)


def are_right_alone(name: str, models: Mapping[Model, Sequence[int]]) -> bool:
    """Tell whether two models' parts of this name are, and share no layers: all weights were drawn before.

    models: with the shape of what the part takes, as below
    """
    if not all(model.forward_is_right and name in model.before for model in models):
        return False
    told = []
    for model, shape in models.items():
        model.eval()
        told += [model.before[name], tell(model, name, draw(name, 1, shape))]
    return all(is_right() for is_right in told)


def is_right_alone(model: Model, name: str, shape: Sequence[int]) -> bool:
    """Tell whether a part of a model whose forward is right gives, called by itself, what its weights give.

    shape: of what it takes, but for the number of images
    False says nothing: whether it is wrong, and how, is to be found out. The model is in evaluation mode then.
    """
    return are_right_alone(name, {model: shape})


def draw(name: str, number: int, shape: Sequence[int]) -> Tensor:
    """Draw what a part gets, (N, *): pixels, or normal numbers."""
    return oracle.pixels(number, *shape) if name == "encoder" else torch.randn(number, *shape)


def tell(model: Model, name: str, x: Tensor) -> Callable[[], bool]:
    """Call the part; returns what tells whether it gave the right thing."""
    part = getattr(model, name)
    try:
        return partial(gives, name, part.drawn, x, part.later(x))
    except UNANSWERED:  # the time is over
        return lambda: False


def gives(name: str, drawn: Drawn | None, x: Tensor, answer: Promise[Any]) -> bool:
    """Tell whether a part's answer for x (N, *) is what these weights give."""
    try:
        y, due = as_tensor(answer.get(), name), follow(name, drawn, x)[0].detach()
    except (UnknownError, *UNANSWERED):
        return False
    due = due.view(-1, 1, 28, 28) if name == "decoder" else due
    if y.shape != due.shape or y.dtype != torch.float32:
        return False
    if name == "encoder" and not rectified(y, due):
        return False
    # Numbers of one size at a time, since the largest tells how exact all must be. For the half see Behaviour.gives.
    half = [len(x) // 2]
    halves = zip(y.tensor_split(half), due.tensor_split(half), strict=True)
    return all(close(found, right, TOLERANCE / 2) for found, right in halves if len(right))
