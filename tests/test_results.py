"""The record: always valid, clean of what could harm a reader, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from valid import problems

from autograder import results as records
from autograder.results import MAX_OUTPUT, UNWANTED, Results, Row, clean, gist

if TYPE_CHECKING:
    from collections.abc import Callable


def record(**more: Any) -> Results:
    """A record with a row that has points and one that has none."""
    rows = [
        Row(number="1.1", name="counts", status="passed", score=1.0, max_score=1.0, tags=["encoder"]),
        Row(number="T", name="training", status="passed", output="Not run."),
    ]
    return Results(**{"score": 1.0, "output": "fine", "output_format": "text", "tests": rows, **more})


# -- the schema ------------------------------------------------------------------------------------------------

VALID: dict[str, dict[str, Any]] = {
    "a score alone": {"score": 3},
    "one scored test": {"tests": [{"score": 1}]},
    "an informational test beside it": {"tests": [{"score": 1}, {"status": "passed"}]},
    "everything": {
        "score": 1.5,
        "execution_time": 0.5,
        "output": "a\nb",
        "output_format": "md",
        "visibility": "after_published",
        "stdout_visibility": "hidden",
        "extra_data": {"any": [1]},
        "tests": [{"score": 0, "max_score": 1, "number": "1.1", "tags": ["t"], "visibility": "visible"}],
        "leaderboard": [{"name": "loss", "value": 1, "order": "asc"}, {"name": "n", "value": "x"}],
    },
}
INVALID: dict[str, Any] = {
    "a list": [],
    "nothing": {},
    "no score anywhere": {"tests": [{"status": "passed"}]},
    "a test with neither score nor status": {"score": 1, "tests": [{"name": "x"}]},
    "an unknown key": {"score": 1, "max_score": 12},
    "an unknown key of a test": {"score": 1, "tests": [{"score": 1, "execution_time": 1}]},
    "a score of words": {"score": "1"},
    "a score of null": {"score": None},
    "a number for a row's number": {"score": 1, "tests": [{"score": 1, "number": 1.1}]},
    "another format": {"score": 1, "output_format": "markdown"},
    "another status": {"score": 1, "tests": [{"status": "skipped"}]},
    "another audience": {"score": 1, "visibility": "staff"},
    "a carriage return": {"score": 1, "output": "a\r\nb"},
    "a NUL": {"score": 1, "tests": [{"score": 1, "output": "\0"}]},
    "a negative time": {"score": 1, "execution_time": -1},
    "NaN": {"score": float("nan")},
    "infinity": {"score": 1, "extra_data": {"loss": float("inf")}},
}


@pytest.mark.parametrize("value", VALID.values(), ids=VALID)
def test_schema_accepts(value: object) -> None:
    """What Gradescope documents is valid."""
    assert problems(json.dumps(value).encode()) == []


@pytest.mark.parametrize("value", INVALID.values(), ids=INVALID)
def test_schema_refuses(value: object) -> None:
    """What it does not document is not."""
    assert problems(json.dumps(value).encode()) != []


@given(st.floats(), st.text(), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_record_is_valid(score: float, text: str, extra: object) -> None:
    """Whatever text and numbers a record holds, cleaned as the grader cleans them, Gradescope can read it."""
    row = Row(number="1.1", name="row", status="failed", output=clean(text), score=0.0, max_score=1.0)
    made = record(tests=[row], output=clean(text), extra_data={"number": score, "text": clean(text)})
    assert problems(made) == []
    assert msgspec.json.decode(msgspec.json.encode(made), type=Results).tests[0].output == clean(text)


def test_points() -> None:
    """Only rows with points count; any row that the grader failed at makes the record a fault."""
    made = record()
    assert (made.max_score, made.fault) == (1, False)
    made.tests[1].extra_data = {"ending": "grader fault"}
    assert made.fault
    assert record(extra_data={"grader_fault": "Traceback"}).fault


# -- clean -----------------------------------------------------------------------------------------------------

MARK = "\N{REPLACEMENT CHARACTER}"
TEXTS = {
    "plain": ("x_hat\thas\nshape", "x_hat\thas\nshape"),
    "letters of the world": ("π ≈ 3, ñ 汉字 🙂 עברית", "π ≈ 3, ñ 汉字 🙂 עברית"),
    "CRLF": ("a\r\nb", "a\nb"),
    "a progress bar": ("1%\r2%\r", "1%\n2%\n"),
    "colour": ("\x1b[1;31mred\x1b[0m", f"{MARK}red{MARK}"),
    "cursor": ("\x1b[2J\x1b[H", MARK * 2),
    "a window's title": ("\x1b]0;title\x07rest", f"{MARK}rest"),
    "a link": ("\x1b]8;;http://x\x1b\\rest", f"{MARK}rest"),
    "a title without an end": ("\x1b]0;x\nvae.py, line 3", f"{MARK}]0;x\nvae.py, line 3"),
    "eight-bit control": ("\x9b31mred", f"{MARK}31mred"),
    "NUL": ("a\0b", f"a{MARK}b"),
    "bell and backspace": ("\a\b\v\f\x7f", MARK * 5),
    "half a surrogate pair": ("\udcff", MARK),
    "text turned round": ("\u202egnp.exe\u2066\u061c\u200f", f"{MARK}gnp.exe{MARK * 3}"),
    "line separators": ("a\u2028b\u2029c\x85d", f"a{MARK}b{MARK}c{MARK}d"),
    "byte-order mark": ("\ufeffx", f"{MARK}x"),
    "letters that nobody sees": ("a\u00adb\u200b\U000e0041\U000e0042", f"a{MARK}b{MARK * 3}"),
    "bytes that nobody sees": ("a\U000e0101\u3164\ufe01\u180eb", f"a{MARK * 4}b"),
    "circles on a letter": ("e" + "\u20dd" * 60 + "f", f"e{4 * chr(0x20DD)}{MARK}f"),
    "accents": ("e\u0301 n\u0303", "e\u0301 n\u0303"),
    "accents on accents": ("e" + "\u0301" * 300 + "f", f"e{4 * chr(0x301)}{MARK}f"),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("text", "cleaned"), TEXTS.values(), ids=TEXTS)
def test_clean(text: str, cleaned: str) -> None:
    """Control characters and what else could move, colour or turn a reader's text is taken out, the rest is kept."""
    assert clean(text) == cleaned


@given(st.text(st.characters(exclude_categories=())))
def test_clean_is_clean(text: str) -> None:
    """Nothing unwanted is left of any text, and to clean it again changes nothing."""
    cleaned = clean(text)
    assert not UNWANTED.search(cleaned)
    assert cleaned.encode().decode() == cleaned == clean(cleaned)


@pytest.mark.parametrize("size", [MAX_OUTPUT, MAX_OUTPUT + 1, 10_000_000])
def test_clean_is_short(size: int) -> None:
    """Endless text is cut, and says of how much it is the beginning."""
    cleaned = clean("\x1b" * (size // 2) + "x" * (size - size // 2))
    assert len(cleaned) < MAX_OUTPUT + 50
    assert cleaned.endswith(f"(the first of {size:,} characters)") == (size > MAX_OUTPUT)


def test_clean_is_quick() -> None:
    """No text takes long to clean: the patterns do not go back and forth."""
    for text in ("\x1b]" * 500_000, "\x1b[" * 500_000, "\x1b[" + "0" * 1_000_000, "\x1b]" + "x" * 1_000_000):
        clean(text, 1_000_000)


# -- gist ------------------------------------------------------------------------------------------------------

GISTS: dict[str, tuple[str, list[str], str]] = {
    "nothing": ("", [], ""),
    "a line": ("A slip.", [], "A slip."),
    "a known mistake": ("A slip.\nLargest difference at [3].\nX is no Y.", ["X is no Y."], "X is no Y."),
    "two of them": ("A slip.", ["X is no Y.", "Z is no Y."], "X is no Y. Z is no Y."),
    "many": ("A slip.", ["A.", "B.", "C."], "A. B."),
    "an unknown one": ("A slip.\nLargest difference at [3].\nTo see it in your notebook:", [], "A slip."),
    "an exception": (
        "VAE(1) raised X: y\n  vae.py, line 3 in f:  g()\n  vae.py, line 7 in g:  h()",
        [],
        "VAE(1) raised X: y (vae.py, line 7 in g: h())",
    ),
    "another row's mistake": (
        "It cannot be judged, because of X (row 1):\nA slip.\nLargest difference at [3].",
        [],
        "It cannot be judged, because of X (row 1): A slip.",
    ),
}


@pytest.mark.parametrize(("output", "causes", "said"), GISTS.values(), ids=GISTS)
def test_gist(output: str, causes: list[str], said: str) -> None:
    """A row in one line: what the mistake is, or else what was found, and where it lies."""
    assert gist(output, causes) == said


# -- write and read --------------------------------------------------------------------------------------------


def test_write(tmp_path: Path) -> None:
    """What is written is read again, by us and by any JSON reader; everybody may read it."""
    path = tmp_path / "new folder" / "results.json"
    made = record(execution_time=0.5, extra_data={"seed": 7})
    records.write(path, made)
    assert records.read(path) == made
    assert problems(path.read_bytes()) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [*path.parent.iterdir()] == [path]


def test_write_replaces_a_link(tmp_path: Path) -> None:
    """A link in the place of the file is replaced, and what it points to is left alone."""
    path, target = tmp_path / "results.json", tmp_path / "target"
    target.write_text("keep")
    path.symlink_to(target)
    records.write(path, record())
    assert not path.is_symlink()
    assert target.read_text() == "keep"


def fail(*_: object, **__: object) -> None:
    """Stand for a call to a system whose disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt(*_: object) -> None:
    """Stand for Ctrl-C."""
    raise KeyboardInterrupt


BREAKS: dict[str, tuple[object, str, Callable[..., None], type[BaseException]]] = {
    "fsync": (os, "fsync", fail, OSError),
    "the rights": (os, "fchmod", fail, OSError),
    "replace": (Path, "replace", fail, OSError),
    "Ctrl-C": (os, "fsync", interrupt, KeyboardInterrupt),
}


def test_no_device_is_replaced(tmp_path: Path) -> None:
    """What is written to /dev, itself or by another name, fails: as root, it would take a device's place."""
    (tmp_path / "link").symlink_to("/dev")
    for folder in (Path("/dev"), tmp_path / "link"):
        with pytest.raises(PermissionError, match="what is a device stays one"):
            records.put(folder / "no such device", b"")


@pytest.mark.parametrize(("where", "name", "action", "kind"), BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("old", [b"old", None], ids=["over an old file", "for the first time"])
def test_write_whole_or_not_at_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    action: Callable[..., None],
    kind: type[BaseException],
    old: bytes | None,
) -> None:
    """Wherever writing breaks off, the old file is untouched and nothing is left beside it."""
    path = tmp_path / "results.json"
    if old:
        path.write_bytes(old)
    monkeypatch.setattr(where, name, action)
    with pytest.raises(kind):
        records.write(path, record())
    monkeypatch.undo()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([("results.json", old)] if old else [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_full_disk_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the bytes are written is told as such."""
    path = tmp_path / "results.json"
    path.write_bytes(b"old")
    temporary = tmp_path / ".temporary"
    temporary.write_bytes(b"")
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(temporary)))
    with pytest.raises(OSError, match="No space left"):
        records.write(path, record())
    assert path.read_bytes() == b"old"
    assert not temporary.exists()


@pytest.mark.parametrize("bad", ["a file in the folder's place", "a folder in the file's place"])
def test_unwritable(tmp_path: Path, bad: str) -> None:
    """A place that no file can be written to is an OSError."""
    path = tmp_path / "a" / "results.json"
    if bad.startswith("a file"):
        path.parent.write_bytes(b"")
    else:
        path.mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory|exists"):
        records.write(path, record())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"score": "x"}', b"\xff\xfe", b"NaN", b"[" * 100_000]
)
def test_read_refuses(tmp_path: Path, data: bytes) -> None:
    """A file that is no record of ours is refused in one way."""
    path = tmp_path / "results.json"
    path.write_bytes(data)
    with pytest.raises(msgspec.MsgspecError):
        records.read(path)
