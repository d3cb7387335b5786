"""The names that a statement gives and reads, found in its syntax tree and in Python's own symbol tables of it."""

from __future__ import annotations

import ast
import symtable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFINITIONS", "IMPORTS", "body", "evaluated", "given", "imported", "path", "read", "short"]

ABSENT = {"vae", "google", "__future__"}  # what no worker can import: the made file itself, Colab's drive
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}  # as symbol tables call them


def short(alias: ast.alias) -> str:
    """Return the name under which an import makes something known."""
    return (alias.asname or alias.name).split(".")[0]


def imported(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Return the names that an import gives, and what each stands for, as F for torch.nn.functional."""
    if isinstance(node, ast.ImportFrom):
        return {short(alias): f"{node.module}.{alias.name}" for alias in node.names}
    return {short(alias): alias.name if alias.asname else short(alias) for alias in node.names}


def root(node: ast.AST) -> str:
    """Return the name at the left of a.b[c].d, empty where there is another expression."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def path(node: ast.AST) -> str:
    """Return a.b.c as it is written, and .c where another expression stands before it."""
    if isinstance(node, ast.Attribute):
        return f"{path(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def given(node: ast.AST) -> set[str]:
    """Return the outer names that a statement binds, or whose value it changes; "*" for all."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    match node:
        case ast.Import() | ast.ImportFrom():
            names = {name for name, whole in imported(node).items() if whole.split(".")[0] not in ABSENT}
        case ast.Name(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
            names = {root(node)}
        case ast.Expr(value=ast.Call(func=ast.Name(id="setattr"), args=[changed, *_])):
            names = {root(changed)}
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            names = {root(method)}
        case ast.Lambda() | ast.comprehension():
            names = set()
        case _:
            names = set().union(*map(given, ast.iter_child_nodes(node)))
    return names


def read(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the outer names that a statement reads at once, and with what its functions read when called."""
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    return set(symbols(table, later=False)), set(symbols(table, later=True))


def symbols(table: symtable.SymbolTable, *, later: bool) -> Iterator[str]:
    """Yield the outer names that a block of code reads, those in functions only when `later` is asked for."""
    kind = table.get_type()
    for symbol in table.get_symbols():
        outer = symbol.is_global() or kind == "module" or (later and kind == "class")
        if symbol.is_referenced() and outer and (kind != "module" or not symbol.is_assigned()):
            yield symbol.get_name()
    for child in table.get_children():
        if later or child.get_type() == "class" or child.get_name() in COMPREHENSIONS:
            yield from symbols(child, later=later)


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement that are evaluated with it, and not those within functions and classes."""
    yield node
    if not isinstance(node, (ast.Lambda, *DEFINITIONS)):
        for child in ast.iter_child_nodes(node):
            yield from evaluated(child)


def body(definition: ast.stmt) -> list[ast.stmt]:
    """Return the statements that are run when a function, or a class, is called."""
    inner: list[ast.stmt] = getattr(definition, "body", [])
    if isinstance(definition, ast.ClassDef):
        return [
            statement for part in inner if getattr(part, "name", "")[:2] == "__" for statement in body(part)
        ]
    return inner
