"""Intake under fire: random zips, notebooks and metadata, and the cases that such runs have found before.

`scripts/fuzz_intake.py` runs the same checks for as long as one likes.
"""

from __future__ import annotations

import ast
import io
import json
import stat
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from handed_in import VAE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autograder.files import MAX_TOTAL, MIB
from autograder.intake import Unreadable, stage, submissions
from autograder.metadata import read_metadata
from autograder.notebook import convert, defines_a_model
from autograder.scope import DEFINITIONS, IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.notebook import Exporter

CASES = Path(__file__).parent / "fuzz_cases"
MODERATE = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def exporter() -> Exporter:
    """nbconvert's, made once."""
    from nbconvert import PythonExporter

    made: Exporter = PythonExporter()
    return made


def check_written(into: Path, around: Path) -> None:
    """All that was written is regular files within the folder, and not too much."""
    written = [path for path in into.rglob("*") if not path.is_dir()]
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in written)
    assert sum(path.stat().st_size for path in written) <= MAX_TOTAL + MIB
    assert {path.name for path in around.iterdir()} <= {"given.zip", "staged", "work"}


def check_zip(data: bytes) -> None:
    """A submission's zip is staged, or it is Unreadable."""
    with tempfile.TemporaryDirectory() as name:
        around = Path(name)
        (around / "given.zip").write_bytes(data)
        try:
            staged = stage(around / "given.zip", around / "staged")
        except Unreadable as reason:
            assert str(reason).isprintable()  # noqa: PT017  both outcomes are right
            assert list((around / "staged").iterdir()) == []
        else:
            assert (around / "staged/vae.py").is_file()
            assert all(note.isprintable() for note in staged.notes)
        check_written(around / "staged", around)


def check_class(data: bytes) -> None:
    """A zip of a class gives submissions, each staged or Unreadable, or it is itself Unreadable."""
    with tempfile.TemporaryDirectory() as name:
        around = Path(name)
        (around / "given.zip").write_bytes(data)
        try:
            found = submissions(around / "given.zip", around / "work")
        except Unreadable as reason:
            assert str(reason).isprintable()  # noqa: PT017  both outcomes are right
            found = []
        assert len({one.name.casefold() for one in found}) == len(found)
        for number, one in enumerate(found):
            try:
                stage(one.source, around / "staged" / str(number))
            except Unreadable:
                continue
        check_written(around / "work", around)


def check_metadata(data: bytes) -> None:
    """Metadata is a table of entries, or it is Unreadable."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "m.yml"
        path.write_bytes(data)
        try:
            entries = read_metadata(path)
        except Unreadable as reason:
            assert str(reason).isprintable()  # noqa: PT017  both outcomes are right
            return
        shown = [
            text for entry in entries.values() for one in entry.submitters for text in (one.name, one.sid)
        ]
        assert all(text.isprintable() or "\u200c" in text or "\u200d" in text for text in shown)


def check_notebook(data: bytes) -> None:
    """What a notebook becomes is definitions, imports, and what gives or changes a value, in Python.

    Any exception is right here: it ends the process that reads notebooks, and that is Unreadable.
    """
    if not defines_a_model(data):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source, notes = convert(data, exporter())
        except Exception:  # noqa: BLE001  see above
            return
        tree = ast.parse(source)
    allowed = (*DEFINITIONS, *IMPORTS, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
    assert all(isinstance(node, (*allowed, ast.If, ast.Try, ast.With)) for node in tree.body)
    assert all(note.isprintable() for note in notes)


CHECKS: dict[str, Callable[[bytes], None]] = {
    "zip": check_zip,
    "class": check_class,
    "metadata": check_metadata,
    "notebook": check_notebook,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", sorted(path.name for check in CHECKS for path in CASES.glob(f"{check}-*")))
def test_found_before(name: str) -> None:
    """A case that once went wrong goes right."""
    CHECKS[name.partition("-")[0]]((CASES / name).read_bytes())


# Zips: sound ones with odd members, then with some bytes changed.
names = st.lists(
    st.sampled_from(
        ["vae.py", "a", "p", "..", "", ".", "C:", "nndl2", "x.zip", "__MACOSX", "m.ipynb", "\0", "é"]
    )
    | st.text(max_size=8),
    min_size=1,
    max_size=5,
).map("/".join)
contents = st.sampled_from([VAE, b"", bytes(99_999), b"PK\x05\x06" + bytes(18)]) | st.binary(max_size=64)
members = st.tuples(
    names, contents, st.sampled_from([0, 8, 12, 14]), st.integers(0, (1 << 32) - 1) | st.just(0)
)
changes = st.lists(
    st.tuples(st.integers(0, 9_999), st.sampled_from([0, 1, 8, 0x7F, 0xFF]) | st.integers(0, 255)), max_size=6
)


def build_zip(members: list[tuple[str, bytes, int, int]], changes: list[tuple[int, int]], cut: int) -> bytes:
    """Write a zip, then overwrite some of its bytes, counted from its end, and cut some off."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice are wanted
        for name, content, method, attributes in members:
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("\ud800", "?") or "x"
            info.compress_type, info.external_attr = method, attributes
            archive.writestr(info, content)
    data = bytearray(buffer.getvalue())
    for position, value in changes:
        data[-1 - position % len(data)] = value
    return bytes(data[: len(data) - cut])


zips = st.builds(build_zip, st.lists(members, max_size=6), changes, st.just(0) | st.integers(0, 99))


@MODERATE
@given(zips)
@example(b"")
def test_zips(data: bytes) -> None:
    """No zip does more than be refused."""
    check_zip(data)
    check_class(data)


YAML = [
    "---\n",
    "\n",
    "submission_1:",
    ":submitters:",
    "- ",
    ":name: ",
    ":sid: ",
    "'00100'",
    "&a ",
    "*a ",
    "[",
    "]",
]
YAML += [
    "{",
    "}",
    ", ",
    ": ",
    "? ",
    "  ",
    "!!int ",
    "!ruby/sym ",
    "<<: ",
    "~",
    "null",
    '"',
    "|\n",
    ">-\n",
    "#",
    "%",
]
YAML += ["...\n", "\t", "\\x", "é", "\ufeff", "\0", ":created_at: 2025-04-20 13:16:26", ":results: ", "a: "]
texts = st.lists(st.sampled_from(YAML) | st.text(max_size=3), max_size=40).map("".join)


@MODERATE
@given(texts.map(str.encode) | st.binary(max_size=200))
def test_metadatas(data: bytes) -> None:
    """No metadata does more than be refused."""
    check_metadata(data)


PYTHON = [
    "class VAE",
    "class CVAE",
    "(nn.Module)",
    ":",
    "\n",
    "    ",
    "pass",
    "def f(x)",
    "@a",
    "import a",
    "a.b",
    "\r",
]
PYTHON += [
    "from a import *",
    "from __future__ import annotations",
    "x",
    " = ",
    "1",
    "'''",
    '"',
    "\\",
    "#",
    "%a",
    "!a",
]
PYTHON += [
    "%%time\n",
    "%%bash\n",
    "a?",
    "(",
    ")",
    "[",
    "{",
    "}",
    ";",
    ",",
    "\t",
    "\f",
    "\0",
    "é",
    "async ",
    "lambda: ",
]
PYTHON += [
    "if 1:",
    "return",
    "await x",
    "f'{x}'",
    "torch.device('cpu')",
    "/",
    ",a b",
    ">>> ",
    "-",
    "**",
    "x: int = 1",
]
sources = st.lists(st.sampled_from(PYTHON) | st.text(max_size=3), max_size=20).map("".join)
values = st.recursive(
    st.none() | st.integers() | sources, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
cells = st.fixed_dictionaries({"cell_type": st.just("code"), "source": sources}) | st.dictionaries(
    st.sampled_from(["cell_type", "source", "input", "metadata"]), values, max_size=4
)


@MODERATE
@given(st.lists(cells, max_size=5), st.just("class VAE: pass") | sources)
def test_notebooks(some: list[dict[str, object]], last: str) -> None:
    """No notebook becomes anything but definitions, and what they use."""
    check_notebook(json.dumps({"cells": [*some, {"cell_type": "code", "source": last}]}).encode())
