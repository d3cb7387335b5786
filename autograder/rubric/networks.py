"""Whether a part computes fully connected layers with ReLU between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.affine import is_linear_in_disguise
from autograder.rubric.alone import is_right_alone
from autograder.rubric.behaviour import Behaviour
from autograder.rubric.counts import awaken, expect_count
from autograder.rubric.mistake import Mistake
from autograder.rubric.sharing import expect_apart
from autograder.weights import is_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.part import Model, Part
    from autograder.student import Student

__all__ = [
    "Used",
    "expect_linear",
    "expect_network",
    "expect_saturated",
    "parameters_in_use",
]


def expect_linear(
    student: Student,
    model: Model,
    name: str,
    size_out: int,
    fresh: Callable[[], Model] | None = None,
    *,
    crowd: bool = False,
    hint: str = "",
) -> None:
    """Expect one fully connected layer and nothing more.

    fresh: makes a model with the same part, of its own, whose forward was not called: the part must not need that
    crowd: for a large batch in training mode, and nothing else
    hint: where to look when only these sizes are wrong
    """
    part: Part = getattr(model, name)
    expect_count(part, [(oracle.H, size_out)], hint)
    other = fresh() if fresh else None
    if other:
        if any(p.shape is None for p in getattr(other, name).parameters()):  # lazy
            awaken(getattr(other, name), oracle.H)
        expect_apart(getattr(other, name), {part: (oracle.H,)})
    if is_right_alone(model, name, (oracle.H,)):
        return
    if other:
        model, part = other, getattr(other, name)
    if is_linear_in_disguise(model, part, (1, 6, crowd_size())):
        return
    if (layers := len(oracle.layers_of(part.known))) > 1:
        raise Mistake(
            f"{part.name} should compute what one fully connected layer does, and nothing more; "
            f"the {layers} layers that it is made of give something else."
        )
    number = crowd_size() if crowd else 6
    behaviour = Behaviour(student, model, part, torch.randn(number, oracle.H), 1, last=False)
    behaviour.check_crowd() if crowd else behaviour.check()


def crowd_size() -> int:
    """Draw how many images a large batch has: more than in any batch of the notebook."""
    return oracle.any_number(129, 140)


def expect_network(
    student: Student, model: Model, part: Part, shape: Sequence[int], layers: int, *, crowd: bool = False
) -> None:
    """Expect a number of fully connected layers with ReLU, computed from the part's own parameters.

    shape: of what the part takes, but for the number of images. A decoder takes normal numbers; it has no ReLU behind
        its last layer, but a sigmoid, and gives images.
    crowd: for a large batch in training mode, and nothing else
    """
    image = part.path[-1] == "decoder"
    number = crowd_size() if crowd else oracle.any_number(5, 9)
    x = torch.randn(number, *shape) if image else oracle.pixels(number, *shape)
    behaviour = Behaviour(student, model, part, x, layers, last=not image, image=image)
    behaviour.check_crowd() if crowd else behaviour.check()


def expect_saturated(decoder: Part, inputs: int) -> None:
    """Expect pixels of a decoder that is right for numbers of usual sizes for far larger ones, too.

    inputs: how many it gets for each image
    """
    image = decoder(1000 * torch.randn(5, inputs))
    if not bool(((image >= 0) & (image <= 1)).all()):  # NaN is neither
        raise Mistake(
            f"{decoder.name} gives NaN for large numbers, or something beyond 0 ... 1; it should give 0 or 1 there.",
            "Is its sigmoid made by hand? The exp of a large number is infinite, and infinity divided by itself NaN.",
        )


@dataclass(frozen=True)
class Used:
    """Which of a part's parameters take part in what it computes; its biases also by their place among its vectors."""

    parameters: list[int]
    biases: list[int]


def parameters_in_use(student: Student, model: Model, name: str, x: Tensor) -> Used:
    """Find out which of a part's parameters take part in what it computes.

    None do where it computes something else for x than it should. It has new weights afterwards.
    """
    part: Part = getattr(model, name)
    try:
        behaviour = Behaviour(
            student, model, part, x, oracle.LENGTHS[name], last=name == "encoder", image=name == "decoder"
        )
        if not behaviour.matches(x, behaviour.ask(x)):
            return Used([], [])
    except (Mistake, *UNANSWERED):
        return Used([], [])
    chain = behaviour.chains[0]
    vectors = [i for i, p in enumerate(behaviour.parameters) if p.shape and is_vector(p.shape)]
    if chain[0].weight >= len(behaviour.parameters):
        return Used([*range(len(behaviour.parameters))], [*range(len(vectors))])
    biases = [layer.bias for layer in chain if layer.bias is not None]
    return Used([layer.weight for layer in chain] + biases, [vectors.index(i) for i in biases])
