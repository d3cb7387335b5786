"""Where a name may be that the assignment asks for and that is not at its place."""

from __future__ import annotations

import ast
import contextlib
import difflib
import dis
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["NOWHERE", "in_file", "in_model"]

ASKED_FOR = ("VAE", "CVAE", "reparametrize", "loss_function")
ALIKE = 0.7  # of two names' letters: so reparameterize, loss_fn and Vae are
MOST = 10  # names
DEFINED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
THROWN_AWAY, COMPARED, ANNOTATED, LOCAL = "thrown away by another __init__", "compared", "annotated", "local"
EMPTY = "empty"
# Told as the place of what is nowhere, with what became of it.
NOWHERE = {
    THROWN_AWAY: (
        "It is assigned, but after that __init__ calls super().__init__(), which throws all layers away: "
        "that call belongs to the top, once."
    ),
    COMPARED: "With == it is compared with something, and not assigned: a single = is needed.",
    EMPTY: "The file is empty: has your editor saved it elsewhere?",
    LOCAL: "It is assigned without `self.` before its name: that is a variable of __init__, and lost at its end.",
    ANNOTATED: "There is a colon after its name, which only says of what type it is: = assigns.",
}


def in_file(module: Any, name: str) -> tuple[list[str], list[str]]:
    """List names of the module that are much like this one; and such names inside of classes and functions."""
    with contextlib.suppress(OSError):
        if not Path(module.__file__).read_bytes().strip():
            return [], [EMPTY]
    own = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    }
    classes = {key: value for key, value in own.items() if isinstance(value, type)}
    among = classes if name in ("VAE", "CVAE") else own.keys() - classes.keys()
    methods = [f"{key}.{method}" for key, value in classes.items() for method in alike(name, vars(value))]
    return alike(name, [key for key in among if key not in ASKED_FOR]), [*methods, *within(module, name)][
        :MOST
    ]


def within(module: Any, name: str) -> Iterator[str]:
    """List the functions of a module inside of which something has this name: behind a return it is in no bytecode."""
    try:
        tree = ast.parse(source_of(module))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, DEFINED[1:]):
            inner = {each.name for each in ast.walk(node) if each is not node and isinstance(each, DEFINED)}
            if name in inner:
                yield f"{node.name}.{name}"


def source_of(thing: Any) -> str:
    """Return the source of a module or a class, "" where there is none to be had."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


def in_model(model: nn.Module, name: str) -> tuple[list[str], list[str]]:
    """List a model's layers; and the places within these that have a layer of this name, or that it is thrown away."""
    if "_modules" not in vars(model):  # its __init__ does not call torch's
        return [], []
    if name not in vars(model) and throws_away(type(model), name):
        return [], [THROWN_AWAY]
    if slip := mistyped(type(model), name):
        return [], [slip]
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


def mistyped(owner: type, name: str) -> str:
    """Tell what stands behind the attribute's name in a class where = is due; "" for nothing of the kind."""
    source = source_of(owner)
    if re.search(rf"^\s*self\.{name}\s*==", source, re.MULTILINE):
        return COMPARED
    if re.search(rf"^\s*{name}\s*=[^=]", source, re.MULTILINE):
        return LOCAL
    return ANNOTATED if re.search(rf"^\s*self\.{name}\s*:[^=\n]*[(\n][^=\n]*$", source, re.MULTILINE) else ""


def alike(name: str, others: Iterable[str]) -> list[str]:
    """List the names that are much like this one, the most similar first."""
    known = {other.lower(): other for other in others}
    return [known[key] for key in difflib.get_close_matches(name.lower(), known, n=MOST, cutoff=ALIKE)]
