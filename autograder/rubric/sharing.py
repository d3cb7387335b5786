"""Whether two parts share layers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.expect import close
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autograder.part import Model, Part

__all__ = ["expect_apart", "expect_two_layers"]


def expect_two_layers(model: Model) -> None:
    """Expect that new weights for mu_layer leave logvar_layer as it is."""
    if model.forward_is_right:  # with weights that were drawn for each of them
        return
    expect_apart(model.mu_layer, {model.logvar_layer: (oracle.H,)})


def expect_apart(part: Part, others: Mapping[Part, Sequence[int]]) -> None:
    """Expect that new weights for a part leave others as they are.

    others: with the shape of what each takes, but for the number of images
    """
    before = []
    for other, shape in others.items():
        x = torch.rand(oracle.any_number(2, 9), *shape)
        with contextlib.suppress(*UNANSWERED):  # what another part fails at is its own row's
            once, y = other(x), other(x)
            if torch.equal(once, y):  # noise, and what is kept from call to call, is its own row's, too
                before.append((other, x, y))
    try:
        part.draw(oracle.scales(part.parameters()))
    except UNANSWERED:
        return
    for other, x, y in before:
        after = other(x)
        if not close(after, y) and close(other(x), after):
            raise Mistake(explain_shared(part, other))


def explain_shared(part: Part, other: Part) -> str:
    """Say that two parts share layers."""
    model, _, name = part.name.partition(".")
    if part.model != other.model:
        return f"Two {model}s share layers: new weights for one's {name} change the other's. Make them in __init__."
    if name == "mu_layer":
        return (
            f"{model}.mu_layer and logvar_layer share weights or a bias, or are one and the same layer; "
            "each needs its own."
        )
    return f"{part.name} shares layers with {other.name}; each needs weights of its own."
