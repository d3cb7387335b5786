"""Parts of a model that are functions of the student's - a method, a lambda - and no layers: which layers they use.

What such a part computes can be judged as any other's, once its weights are known. They are found by the names in its
code, `self.fc1`, also in the methods that it calls.
"""

from __future__ import annotations

import contextlib
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["layer_of"]


def layer_of(model: Any, part: Any) -> nn.Module | None:
    """Gather the layers and parameters that a function of a model uses; None where it is no function or uses none."""
    if not isinstance(model, nn.Module) or not isinstance(part, (FunctionType, MethodType, partial)):
        return None
    gathered = nn.Module()
    used = {*names(part, model, set())}
    for name, value in {**vars(model)["_modules"], **vars(model)["_parameters"]}.items():
        if value is not None and (name in used or id(value) in used):
            setattr(gathered, name, value)
    return gathered if next(gathered.parameters(), None) is not None else None


def names(function: Any, model: nn.Module, seen: set[CodeType]) -> Iterator[str | int]:
    """List the names that a function's code uses, also in methods of the model, and ids of what it was made with."""
    if isinstance(function, partial):
        yield from map(id, [*function.args, *function.keywords.values()])
        function = function.func
    yield id(function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    torchs = str(getattr(function, "__module__", "")).startswith("torch")
    if torchs or not isinstance(code, CodeType) or code in seen:
        return
    seen.add(code)
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it may be empty still
            yield id(cell.cell_contents)
    for name in names_in(code):
        yield name
        yield from names(getattr(type(model), name, None) or vars(model).get(name), model, seen)


def names_in(code: CodeType) -> Iterator[str]:
    """List the names in a function's code, and in that of the functions within."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)
