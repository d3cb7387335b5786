"""Which statements of a notebook make the vae.py: those that the graded names need, and that load or train nothing."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.files import printable
from autograder.scope import DEFINITIONS, IMPORTS, body, evaluated, given, imported, path, read, short

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Statement", "select"]

GRADED = {"VAE", "CVAE", "reparametrize", "loss_function", "hello_vae"}
BLOCKS = (ast.If, ast.Try, ast.With)
WHOLE = ("Assign", "AnnAssign", "AugAssign", "TypeAlias", "Expr", "For", "While", "Match")
KEPT = {*WHOLE, *(block.__name__ for block in BLOCKS)}
# What may be called while vae.py is loaded: what these modules have, but for torch.load, torch.utils.data.* and
# the like; Python's own functions, but for a few; the student's own, where they call nothing else. A model is
# not made: where its class is not finished, the notebook goes on after the error, and vae.py would not.
MODULES = [
    *("argparse", "cmath", "collections", "contextlib", "copy", "dataclasses", "einops", "enum", "fractions"),
    *("functools", "itertools", "json", "logging", "math", "numbers", "numpy", "operator", "os.environ"),
    *("os.getenv", "os.path", "pathlib", "random", "re", "string", "time", "torch", "torchvision.transforms"),
    *("types", "typing", "typing_extensions", "yaml"),
]
ACTS = {
    *("backward", "data", "distributed", "download", "fromfile", "genfromtxt", "hub", "load", "loadtxt"),
    *("load_state_dict", "memmap", "mkdir", "multiprocessing", "open", "optim", "read_bytes", "read_text"),
    *("save", "savetxt", "savez", "sleep", "step", "tensorboard", "touch", "write_bytes", "write_text"),
}
REFUSED = {"__import__", "eval", "exec", "get_ipython", "input", "open"}


@dataclass(frozen=True)
class Statement:
    """A statement of a code cell."""

    cell: int
    source: str  # of a definition, as it was written
    node: ast.stmt
    reads: set[str]  # outer names, those that its functions read when they are called among them


class Selection:
    """What is needed of a notebook's statements, and, as they are gone through, what there is already."""

    def __init__(self, statements: list[Statement]) -> None:
        parts = [part for statement in statements for part in evaluated(statement.node)]
        self.imported = dict[str, str]()
        self.defined = defaultdict[str, list[ast.stmt]](list)
        for part in parts:
            if isinstance(part, IMPORTS):
                self.imported |= imported(part)
            elif isinstance(part, DEFINITIONS):
                self.defined[part.name].append(part)
        self.reads = defaultdict[str, set[str]](set)
        for statement in statements:
            for name in self.given(statement.node):
                self.reads[name] |= statement.reads
        self.needed = self.closure({*GRADED, "*"})
        self.known: set[str] = set(dir(builtins))
        self.notes: list[str] = []

    def given(self, node: ast.stmt) -> set[str]:
        """Return what a statement gives; a decorator and a base may make use of what is defined there."""
        names = given(node)
        if isinstance(node, DEFINITIONS):
            users = [*node.decorator_list, *getattr(node, "bases", [])]
            used = {part.id for user in users for part in ast.walk(user) if isinstance(part, ast.Name)}
            return names | (used - self.imported.keys())
        return names - self.imported.keys() if isinstance(node, ast.Expr) else names

    def closure(self, names: Iterable[str]) -> set[str]:
        """Return names with all that what gives them reads."""
        found, todo = set[str](), [*names]
        while todo:
            if (name := todo.pop()) not in found:
                found.add(name)
                todo += self.reads.get(name, ())
        return found

    def keep(self, node: ast.stmt, cell: int, *, within: bool = False) -> bool:
        """Say whether a statement is kept, and leave out of it what is not."""
        if isinstance(node, DEFINITIONS):
            kept = bool(self.given(node) & self.needed) or not self.missing(read(node)[0])
        elif isinstance(node, IMPORTS):
            if not within:  # where a block asks whether there is a library, its imports are all kept
                node.names = [alias for alias in node.names if short(alias) in self.needed]
            kept = (within or bool(given(node) & self.needed)) and getattr(node, "module", "") != "__future__"
        else:
            kept = bool(self.given(node) & self.needed) and self.can_stay(node, cell)
        if kept:
            self.known |= given(node)
        return kept

    def can_stay(self, node: ast.stmt, cell: int) -> bool:
        """Say whether what is needed can be kept, and note why not."""
        if why := self.obstacle(node):
            text = printable(" ".join(ast.unparse(node).split()), 60)
            self.notes.append(f"code cell {cell}: {text} was left out: {why}")
            return False
        if isinstance(node, BLOCKS):
            for part in [node, *getattr(node, "handlers", [])]:
                for field in ("body", "orelse", "finalbody"):
                    if inner := getattr(part, field, None):
                        rest = [each for each in inner if self.keep(each, cell, within=True)]
                        setattr(part, field, rest or [ast.Pass()])
            return bool(given(node) & self.needed)
        return True

    def obstacle(self, node: ast.stmt) -> str:
        """Say what keeps a statement, or the head of a block, from being run; empty where nothing does."""
        if type(node).__name__ not in KEPT:
            return "only definitions, imports and assignments are kept"
        if isinstance(node, BLOCKS):
            heads = [node.test] if isinstance(node, ast.If) else []
            heads += [item.context_expr for item in getattr(node, "items", [])]
            return next(filter(None, (self.obstacle(ast.Expr(h)) for h in heads)), "")
        names, parts, called = read(node)[0], [*evaluated(node)], set[str]()
        for part in parts:  # which grows
            if not isinstance(part, ast.Call):
                continue
            function = path(part.func)
            if not self.is_harmless(function):
                return f"grading does not call {printable(function, 60)}"
            if function in self.defined and function not in called:
                called.add(function)
                names |= self.reads[function]
                parts += [
                    p for each in self.defined[function] for inner in body(each) for p in evaluated(inner)
                ]
        missing = self.missing(names)
        return f"there is no {printable(min(missing), 60)} before it" if missing else ""

    def is_harmless(self, function: str) -> bool:
        """Say whether a function may be called while vae.py is loaded."""
        first, *rest = function.split(".")
        if first in GRADED | REFUSED or ACTS & {*rest}:
            return False
        if first not in self.imported:
            return True
        whole = ".".join([self.imported[first], *rest])
        return not ACTS & {*whole.split(".")} and any(f"{whole}.".startswith(f"{each}.") for each in MODULES)

    def missing(self, names: set[str]) -> set[str]:
        """Return the names that nothing kept so far gives; what `import *` gives is not known."""
        return names - self.known if "*" not in self.known else (names & self.reads.keys()) - self.known


def select(statements: list[Statement]) -> tuple[list[str], list[str]]:
    """Return the text of what is kept of the statements of all cells, and notes on what could not be.

    Kept are the definitions, and what they need of the imports and assignments: a library that only draws
    pictures need not be there for grading. Where a needed value comes from data or training, it is noted.
    """
    selection = Selection(statements)
    kept = [
        f"# code cell {each.cell}\n"
        f"{each.source if isinstance(each.node, DEFINITIONS) else ast.unparse(each.node)}\n"
        for each in statements
        if selection.keep(each.node, each.cell)
    ]
    return kept, selection.notes
