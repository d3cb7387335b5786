"""Where a name may be that the assignment asks for and that is not at its place."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["in_file", "in_model"]

ASKED_FOR = ("VAE", "CVAE", "reparametrize", "loss_function")
ALIKE = 0.7  # of two names' letters: so reparameterize, loss_fn and Vae are
MOST = 10  # names


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
    """List a model's layers; and the places within these that have a layer of this name."""
    if "_modules" not in vars(model):  # its __init__ does not call torch's
        return [], []
    layers = [key for key, layer in vars(model)["_modules"].items() if layer is not None]
    inner = [path for path, _ in nn.Module.named_modules(model) if path.endswith(f".{name}")]
    return layers[:MOST], inner[:MOST]


def alike(name: str, others: Iterable[str]) -> list[str]:
    """List the names that are much like this one, the most similar first."""
    known = {other.lower(): other for other in others}
    return [known[key] for key in difflib.get_close_matches(name.lower(), known, n=MOST, cutoff=ALIKE)]
