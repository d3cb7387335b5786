"""Where a name may be that the assignment asks for and that is not at its place."""

from __future__ import annotations

import difflib
import dis
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["THROWN_AWAY", "in_file", "in_model"]

ASKED_FOR = ("VAE", "CVAE", "reparametrize", "loss_function")
ALIKE = 0.7  # of two names' letters: so reparameterize, loss_fn and Vae are
MOST = 10  # names
# Told as the place of a layer that is nowhere any more.
THROWN_AWAY = "thrown away by another __init__"


def in_file(module: Any, name: str) -> tuple[list[str], list[str]]:
    """List names of the module that are much like this one; and methods of its classes that have this name, or so."""
    own = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    }
    classes = {key: value for key, value in own.items() if isinstance(value, type)}
    among = classes if name in ("VAE", "CVAE") else own.keys() - classes.keys()
    methods = [f"{key}.{method}" for key, value in classes.items() for method in alike(name, vars(value))]
    return alike(name, [key for key in among if key not in ASKED_FOR]), methods[:MOST]


def in_model(model: nn.Module, name: str) -> tuple[list[str], list[str]]:
    """List a model's layers; and the places within these that have a layer of this name, or that it is thrown away."""
    if "_modules" not in vars(model):  # its __init__ does not call torch's
        return [], []
    if name not in vars(model) and throws_away(type(model), name):
        return [], [THROWN_AWAY]
    layers = [key for key, layer in vars(model)["_modules"].items() if layer is not None]
    inner = [path for path, _ in nn.Module.named_modules(model) if path.endswith(f".{name}")]
    return layers[:MOST], inner[:MOST]


def throws_away(owner: Any, name: str) -> bool:
    """Tell whether a class's __init__ assigns this attribute and calls another __init__ behind that.

    nn.Module's forgets all layers.
    """
    code = getattr(owner.__init__, "__code__", None)
    steps = dis.get_instructions(code) if code else ()
    order = [step.argval for step in steps if step.opname == "STORE_ATTR" or step.argval == "__init__"]
    return name in order and "__init__" in order[order.index(name) :]


def alike(name: str, others: Iterable[str]) -> list[str]:
    """List the names that are much like this one, the most similar first."""
    known = {other.lower(): other for other in others}
    return [known[key] for key in difflib.get_close_matches(name.lower(), known, n=MOST, cutoff=ALIKE)]
