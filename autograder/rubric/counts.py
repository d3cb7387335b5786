"""Counting parameters, and explaining a count that is wrong."""

from __future__ import annotations

import contextlib
import math
import re
from typing import TYPE_CHECKING

import torch

from autograder.outcome import Raised, WrongKind
from autograder.rubric import oracle
from autograder.rubric.expect import show
from autograder.rubric.mistake import Cause, Mistake
from autograder.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.part import Parameter, Part
    from autograder.rubric.oracle import Layer

__all__ = ["FIFTEEN", "ORDINALS", "awaken", "expect_count", "explain_odd"]

FIFTEEN = "It is right for 15 latents: is 15 written into your code? Use latent_size."
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NORMED = re.compile(r"weight_[gv]$|parametrizations\.weight\.original[01]$")  # both of torch's ways
WEIGHTS = re.compile(r"(^|\.)(weight|bias)$")
SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def expect_count(part: Part, expected: Sequence[tuple[int, int]], hint: str = "") -> None:
    """Expect as many parameters as fully connected layers of these sizes (in, out) have.

    hint: a last line, where the student should look when the count is wrong
    """
    parameters = part.parameters()
    if part.function:
        raise part.no_layer([part.function])
    if any(p.shape is None for p in parameters):
        parameters = awaken(part, expected[0][0])
    if any(p.shape is None for p in parameters):
        raise Mistake(f"{part.name} has lazy layers, whose sizes are not known before they are used once.")
    found = sum(torch.Size(p.shape or ()).numel() for p in parameters)
    right = sum((size_in + 1) * size_out for size_in, size_out in expected)
    if found == right:
        return
    amount = SMALL[abs(found - right)] if abs(found - right) < len(SMALL) else abs(found - right)
    layers = oracle.layers_of(parameters)
    plain = len(layers) * 2 == len(parameters) and not common_bias(parameters)
    if hint and len(layers) > len(expected):  # which a model of other sizes had not
        hint = "Another model has as many as it should: is a list of layers kept from one model to the next?"
    why = explain_layers(layers, expected, part) if plain else explain_odd(parameters)
    raise Mistake(
        f"{part.name} has {found} parameters; expected {right} = {' + '.join(f'({i}+1)*{o}' for i, o in expected)}: "
        f"that is {amount} {'more' if found > right else 'fewer'} than it should be.",
        why if hint else Cause(why),
        f"Expected layers: {', '.join(f'Linear({i}, {o})' for i, o in expected)}.",
        f"Your layers: {oracle.sizes_of(layers)}."
        if plain
        else f"Your parameters: {', '.join(f'{p.name} {show(p.shape or ())}' for p in parameters[:12])}.",
        Cause(hint),
    )


def awaken(part: Part, size_in: int) -> list[Parameter]:
    """Have lazy layers get their shapes, from a first call; returns the parameters."""
    side = math.isqrt(size_in)
    for shape in ((1, size_in), (1, 1, side, side)):
        if math.prod(shape) == size_in and any(p.shape is None for p in part.parameters()):
            with contextlib.suppress(Raised, WrongKind):  # what follows the layers may not suit these sizes
                part(torch.rand(shape))
    return part.parameters()


def explain_layers(layers: Sequence[Layer], expected: Sequence[tuple[int, int]], part: Part) -> str:
    """Explain a wrong count of fully connected layers."""
    if not layers:
        return (
            "None are registered: are the layers in a plain Python list, or made in forward, or their weights plain "
            "tensors? nn.Sequential and nn.ModuleList register theirs, and nn.Parameter is a tensor that is learned."
        )
    if len(layers) != len(expected):
        due = f"{SMALL[len(expected)]} {'is' if len(expected) == 1 else 'are'} expected"
        fewer = " One that is used twice counts once, and one in a plain Python list or dict not at all."
        twice = fewer if len(layers) < len(expected) else ""
        number = SMALL[len(layers)] if len(layers) < len(SMALL) else len(layers)
        return f"You have {counted(number, 'fully connected layer')}; {due}.{twice}"
    if swapped(layers, expected):
        taken, given = layers[0].size_in, layers[0].size_out
        own = meaning(part, 0, 0).strip(" ()")
        return f"The first Linear takes {taken} numbers and gives {given}: are {own} and hidden_dim swapped?"
    hidden = {layer.size_out for layer in layers[:-1]} | {layer.size_in for layer in layers[1:]}
    if len(hidden) == 1 and hidden != {oracle.H}:
        return f"Your hidden_dim is {hidden.pop()}; the assignment asks for {oracle.H}."
    lines = []
    for number, (layer, (size_in, size_out)) in enumerate(zip(layers, expected, strict=True)):
        takes, gives = (counted(size, "number") for size in (layer.size_in, layer.size_out))
        which = f"The {ORDINALS[number]} Linear" if len(layers) > 1 else "Your Linear"
        if layer.size_in != size_in:
            lines.append(f"{which} takes {takes}; it should take {size_in}{meaning(part, number, 0)}.")
        if layer.size_out != size_out:
            lines.append(f"{which} gives {gives}; it should give {size_out}{meaning(part, number, 1)}.")
    return " ".join(lines[:2])


def swapped(layers: Sequence[Layer], expected: Sequence[tuple[int, int]]) -> bool:
    """Tell whether all sizes are right but that what the first layer takes and the hidden size changed places."""
    first = expected[0][0]
    other = {first: oracle.H, oracle.H: first}
    sizes = [(layer.size_in, layer.size_out) for layer in layers]
    return len(expected) > 1 and sizes == [(other.get(i, i), other.get(o, o)) for i, o in expected]


def meaning(part: Part, number: int, side: int) -> str:
    """Say which size of the model a layer's size is. side: 0 for what it takes, 1 for what it gives."""
    name = str(part.path[-1])
    classes = " + num_classes" if part.name.startswith("CVAE.") else ""
    sizes = {
        ("encoder", 0, 0): "input_size" + classes,
        ("decoder", 0, 0): "latent_size" + classes,
        ("decoder", 3, 1): "input_size",
        ("mu_layer", 0, 1): "latent_size",
        ("logvar_layer", 0, 1): "latent_size",
    }
    return f" ({sizes.get((name, number, side), 'hidden_dim')})"


def explain_odd(parameters: Sequence[Parameter]) -> str:
    """Explain parameters that are not all weights and biases of fully connected layers."""
    dimensions = [len(p.shape or ()) for p in parameters]
    paired: set[int | None] = {
        i for layer in oracle.layers_of(parameters) for i in (layer.weight, layer.bias)
    }
    bare = [i for i, layer in enumerate(oracle.layers_of(parameters)) if layer.bias is None]
    extra = [p for i, p in enumerate(parameters) if i not in paired]
    if name := next((p.name for p in parameters if NORMED.search(p.name)), ""):
        return f"{name} comes from a weight normalisation (weight_norm); plain fully connected layers are expected."
    if max(dimensions, default=0) > 2:
        name = next(p.name for p in parameters if len(p.shape or ()) > 2)
        return (
            f"{name} has more than two dimensions, as in a convolution; fully connected layers are expected."
        )
    if bare:
        which = (
            f"Your {ORDINALS[bare[0]] + ' ' if len(parameters) > 1 else ''}Linear has"
            if len(bare) == 1 and bare[0] < len(ORDINALS)
            else "Some of your fully connected layers have"
        )
        return f"{which} no bias."
    if any(p.shape and len(p.shape) == 2 for p in extra):
        return "Some of your fully connected layers have no bias."
    if name := common_bias(parameters):
        return f"{name} is one number, the bias of all units of its layer; in nn.Linear each has its own."
    return explain_extra(extra, parameters)


def common_bias(parameters: Sequence[Parameter]) -> str:
    """Return the name of the first bias that is one number for a layer of several units, "" where there is none."""
    for layer in oracle.layers_of(parameters):
        if (
            layer.bias is not None
            and layer.size_out > torch.Size(parameters[layer.bias].shape or ()).numel() == 1
        ):
            return parameters[layer.bias].name
    return ""


def explain_extra(extra: Sequence[Parameter], parameters: Sequence[Parameter]) -> str:
    """Explain parameters that belong to no fully connected layer, among all of a part's."""
    if not extra:
        return ""
    if all(torch.Size(p.shape or ()).numel() == 1 and not p.name.endswith("bias") for p in extra):
        return (
            f"{extra[0].name} is one number: does PReLU stand where nn.ReLU should, which has none, or is it a factor "
            "of your own?"
        )
    weights = {p.name.rpartition(".")[0] for p in parameters if p.name.endswith("weight")}
    if all(p.name.endswith(".bias") and p.name.rpartition(".")[0] not in weights for p in extra):
        return (
            f"{extra[0].name} has no weight beside it: does its layer take another one's weight, or one that is no "
            "nn.Parameter?"
        )
    names = ", ".join(p.name for p in extra[:4])
    why = "Is there a normalisation (batch norm, layer norm)?"
    if not all(WEIGHTS.search(p.name) for p in extra):  # torch's own layers call theirs weight and bias
        why += " Or a weight that is no nn.Parameter?"
    return f"These belong to no fully connected layer: {names}. {why}"
