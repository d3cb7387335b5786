"""Modules that vae.py imports, and that are not installed here: they may be, as long as nothing needs them.

A progress bar that only the student's own training shows, or an import from a notebook's first cell, says nothing about
the work. What is imported where its absence would be noticed (first of all in a try, or in a function) is left to that.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["NEEDS", "stand_ins"]

# Modules of packages that are here, and what they need. An editor on Windows imports NULL from the second by itself.
NEEDS = {"torch.utils.tensorboard": "tensorboard", "asyncio.windows_events": "_winapi"}
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "or")


@contextlib.contextmanager
def stand_ins(text: bytes) -> Iterator[None]:
    """Let a file of this text be run where modules are missing that it imports by name, and not within anything.

    While it runs, what it does with them is nothing. Afterwards whoever uses them meets the error of the import.
    """
    finder = Finder(text)
    sys.meta_path.append(finder)  # behind all others: only what nobody has comes to it
    sys.meta_path.insert(0, finder.in_need)
    try:
        yield
    finally:
        finder.loading = False
        sys.meta_path.remove(finder.in_need)


def imported(text: bytes) -> set[str]:
    """List the packages that a file imports at its top. Of * nobody knows the names."""
    found: set[str] = set()
    body: list[ast.stmt] = []
    with contextlib.suppress(RecursionError, MemoryError):  # it may be run all the same
        body = ast.parse(text).body
    for node in unnoticed(body):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif (
            isinstance(node, ast.ImportFrom) and node.module and not node.level and node.names[0].name != "*"
        ):
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def unnoticed(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """List the statements, also within if, with and the like, behind which nothing waits for their failure.

    What a try does when its first import fails belongs to them: most often it is installed there, and imported again.
    """
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from unnoticed([*node.body, *node.orelse])
        elif isinstance(node, ast.With) and not any("suppress" in ast.dump(item) for item in node.items):
            yield from unnoticed(node.body)
        elif isinstance(node, ast.Try):
            handled = [statement for handler in node.handlers for statement in handler.body]
            yield from unnoticed([*([] if handled else node.body), *handled, *node.orelse, *node.finalbody])


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins for packages that a file of this text imports at its top, and for their modules."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.loading = True  # whether vae.py is
        self.in_need = InNeed(self)

    @cached_property
    def names(self) -> set[str]:
        """The names of these packages, which most files need not be searched for."""
        return imported(self.text)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module."""
        del path, target
        package, _, module = fullname.partition(".")
        if not self.loading or package not in self.names:
            return None
        if module and not isinstance(
            sys.modules.get(package), AbsentModule
        ):  # what an installed one does not have
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make a module."""
        return AbsentModule(NEEDS.get(spec.name, spec.name), self)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing."""


class InNeed(importlib.abc.MetaPathFinder):
    """Finds stand-ins for modules that are here, but could not be imported for want of what they need."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module."""
        del path, target
        needed = NEEDS.get(fullname)
        if not needed or fullname.partition(".")[0] not in self.finder.names:
            return None
        found = importlib.util.find_spec(needed)
        if found and found.loader is not self.finder:
            return None
        return importlib.machinery.ModuleSpec(fullname, self.finder, is_package=True)


class AbsentModule(ModuleType):
    """Stands for a module that is not there."""

    def __init__(self, name: str, finder: Finder) -> None:
        super().__init__(name)
        self.__finder = finder
        self.__version__ = "999"  # people print it, and ask for a newer one than they know to fail

    def __getattr__(self, name: str) -> Any:
        return Absent(self.__name__, self.__finder).__getattr__(name)


class Absent:
    """Stands for anything of such a module."""

    def __init__(self, module: str, finder: Finder) -> None:
        self.__module, self.__finder = module.partition(".")[0], finder

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):  # asked by many who can do without
            raise AttributeError(name)
        return self.__use()

    def __call__(self, *_: object, **__: object) -> Absent:
        return self.__use()

    def __getitem__(self, _: object) -> Absent:
        return self.__use()

    __enter__ = __neg__ = __invert__ = __call__

    def __setitem__(self, _: object, value: object) -> None:
        self.__use()

    def __delitem__(self, _: object) -> None:
        self.__use()

    def __contains__(self, _: object) -> bool:
        self.__use()
        return False

    def __len__(self) -> int:
        self.__use()
        return 0

    def __float__(self) -> float:
        self.__use()
        return 0.0

    def __int__(self) -> int:
        self.__use()
        return 0

    def __bool__(self) -> bool:
        self.__use()
        return True

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Absent]:
        """Give nothing to a loop, such as a progress bar's, and as many things as are unpacked."""
        frame = sys._getframe(1)  # noqa: SLF001 - nothing else tells who asks
        operation, number = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
        wanted = {"GET_ITER": 0, "UNPACK_SEQUENCE": number}.get(dis.opname[operation])
        if wanted is None:
            self.__fail()
        return iter([self.__use()] * wanted)

    def __subclasscheck__(self, _: object) -> bool:
        """Be a base: only of what is said to be a class of theirs this is asked."""
        self.__use()
        return True

    def __instancecheck__(self, _: object) -> bool:
        """Have made nothing."""
        self.__use()
        return False

    def __lt__(self, _: object) -> NoReturn:
        self.__fail()

    __le__ = __gt__ = __ge__ = __lt__

    def __mro_entries__(self, _: object) -> tuple[type]:
        self.__use()

        def fail(*_: object, **__: object) -> NoReturn:
            self.__fail()  # an object of theirs would be another without it

        return (type(self.__module, (), {"__new__": fail}),)

    def __use(self) -> Absent:
        if not self.__finder.loading:
            self.__fail()
        return self

    def __fail(self) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {self.__module!r}", name=self.__module)


for operator in OPERATORS:  # as in a type, Tensor | None, or with a number of theirs
    setattr(Absent, f"__{operator}__", Absent.__call__)
    setattr(Absent, f"__r{operator}__", Absent.__call__)
