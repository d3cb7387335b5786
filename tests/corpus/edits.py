"""Wrong and right submissions, made from the reference solution by exact edits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

__all__ = [
    "BLOCKS",
    "Edit",
    "Mistake",
    "Variant",
    "apply",
    "block",
    "define",
    "finished",
    "reference",
    "replace_block",
]

# The marked blocks of the reference solution, in their order. "VAE", "CVAE" and "file" name larger places.
BLOCKS = (
    "VAE.encoder",  # with mu_layer and logvar_layer
    "VAE.decoder",
    "VAE.forward",
    "CVAE.encoder",  # with mu_layer and logvar_layer
    "CVAE.decoder",
    "CVAE.forward",
    "reparametrize",
    "loss_function",
)
MARKED = re.compile(
    r"^(?P<margin> *)# solution begins(?:: (?P<todo>[^\n]*))?\n(?P<body>.*?)^ *# solution ends\n",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"^ *# solution (?:begins.*|ends)\n", re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """In one place of the reference solution, `old` (found exactly `times` times) becomes `new`."""

    where: str
    old: str
    new: str
    times: int = 1


@dataclass(frozen=True)
class Mistake:
    """A wrong submission: its edits, the rows it loses, and words (lower case) in the lost rows."""

    name: str
    edits: tuple[Edit, ...]
    lost: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """A right submission: the edits of the reference solution, or the whole file."""

    name: str
    edits: tuple[Edit, ...] = ()
    source: bytes | None = None


def reference() -> str:
    """Read the reference solution, marks included."""
    return (Path(__file__).parents[2] / "reference" / "vae.py").read_text(encoding="utf-8")


def finished(source: str) -> str:
    """Take the marks out: what a student hands in."""
    return MARK.sub("", source)


def block(source: str, name: str) -> tuple[str, str, str]:
    """Return one of BLOCKS as (body, its margin, the line that the template has instead)."""
    found = [*MARKED.finditer(source)][BLOCKS.index(name)]
    return found["body"], found["margin"], found["todo"] or ""


def place(source: str, where: str) -> tuple[int, int]:
    """Say where a place begins and ends in the source."""
    if where == "file":
        return 0, len(source)
    if where in BLOCKS:
        return [*MARKED.finditer(source)][BLOCKS.index(where)].span("body")
    found = re.search(rf"^class {where}\b.*?(?=^\S)", source, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"there is no class {where}")
    return found.span()


def apply(source: str, edits: Sequence[Edit]) -> str:
    """Make the edits one after another.

    Raises LookupError where a text is not found exactly as often as its edit says.
    """
    for edit in edits:
        start, end = place(source, edit.where)
        text = source[start:end]
        if text.count(edit.old) != edit.times:
            raise LookupError(
                f"{edit.where} holds {edit.old!r} {text.count(edit.old)} times, not {edit.times}"
            )
        source = source[:start] + text.replace(edit.old, edit.new) + source[end:]
    return source


def replace_block(name: str, text: str) -> Edit:
    """Write one of BLOCKS anew."""
    body, margin, _ = block(reference(), name)
    return Edit(name, body, indent(dedent(text).lstrip("\n"), margin))


def define(text: str) -> Edit:
    """Put a definition above class VAE."""
    first = "class VAE(nn.Module):"
    return Edit("file", first, f"{dedent(text).strip()}\n\n\n{first}")
