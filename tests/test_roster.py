"""All submissions of a class, from an export of Gradescope's or whatever a folder holds."""

from __future__ import annotations

import os
import re
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from handed_in import MIB, VAE, Tree, below, make_folder, make_zip, zipped

from autograder import metadata, roster
from autograder.intake import Submission, Submitter, Unreadable, stage, submissions
from autograder.metadata import Entry, read_metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METADATA = """\
---
submission_11:
  :submitters:
  - :name: Elena Example
    :sid: '00100'
    :email: e@example.edu
  - :name: Ján Ďurčo
    :sid: 00200
    :email:
  :created_at: 2025-04-20 13:16:26.000000000 -07:00
  :score: 9.5
  :status: processed
  :results:
    score: 9.5
    tests:
    - name: "1.1"
      output: ":submitters: not these"
  :history:
  - :id: 10
    :created_at: 2025-04-19 10:00:00.000000000 -07:00
    :results: {score: 1, tests: [{output: x}]}
submission_12:
  :submitters:
  - :name: "=HYPERLINK(\\"x\\")\\e[31m"
    :sid: ~
submission_14:
"""
ELENA = Submitter("Elena Example", "00100", "e@example.edu")
JAN = Submitter("Ján Ďurčo", "00200", "")
EXPORT: Tree = {
    "submission_metadata.yml": METADATA.encode(),
    "submission_11/vae.py": VAE,
    "submission_12/src/vae.py": VAE,
    "submission_12/data.txt": b"",
    "submission_13/notes.txt": b"",
    "__MACOSX/._submission_11": b"",
    ".DS_Store": b"",
}


def in_root(tree: Tree) -> Tree:
    """The same files in a folder, as they lie in an export."""
    return {f"assignment_7_export/{name}": content for name, content in tree.items()}


@pytest.mark.parametrize("wrap", [dict, in_root], ids=["bare", "in its root folder"])
@pytest.mark.parametrize("make", [make_folder, make_zip], ids=["folder", "zip"])
def test_export(make: Callable[[Tree, Path], Path], wrap: Callable[[Tree], Tree], tmp_path: Path) -> None:
    """An export gives each folder its submitters, and says what only the folders or only the list have."""
    found = submissions(make(wrap(EXPORT), tmp_path / "export"), tmp_path / "work")
    assert [(one.name, one.submission_id, one.created_at) for one in found] == [
        ("submission_11", "11", "2025-04-20 13:16 -07:00"),
        ("submission_12", "12", ""),
        ("submission_13", "13", ""),
        ("submission_14", "14", ""),
    ]
    assert [one.submitters for one in found] == [
        (ELENA, JAN),
        (Submitter('=HYPERLINK("x")\\x1b[31m', "", ""),),
        (),
        (),
    ]
    assert [one.notes for one in found] == [
        (),
        (),
        ("submission_13 is not listed in submission_metadata.yml, so whose it is must be found out",),
        ("submission_14 is listed in submission_metadata.yml, but the export holds no files of it",),
    ]
    staged = [stage(one.source, tmp_path / "staged" / one.name).sha256 for one in found[:2]]
    assert staged[0] == staged[1]
    with pytest.raises(Unreadable, match=r"there is no vae.py; found notes.txt"):
        stage(found[2].source, tmp_path / "staged/13")
    with pytest.raises(Unreadable, match=r"its files are not there"):
        stage(found[3].source, tmp_path / "staged/14")


@pytest.mark.parametrize("make", [make_folder, make_zip], ids=["folder", "zip"])
def test_mixture(make: Callable[[Tree, Path], Path], tmp_path: Path) -> None:
    """A class may be folders, zips, files and notebooks in any mixture; lists beside them are none."""
    tree = {
        "alice/p/vae.py": VAE,
        "alice.zip": zipped({"vae.py": VAE}),
        "Alice.py": VAE,
        "bob.ipynb": b"{}",
        "carol smith/x": b"",
        "dan.tar.gz": b"",
        "\N{SNOWMAN}?*: é.py": VAE,
        "con.py": VAE,
        "grades.csv": b"",
        "README": b"",
        ".hidden/vae.py": VAE,
        "__pycache__/x.pyc": b"",
    }
    found = submissions(make(tree, tmp_path / "class"), tmp_path / "work")
    assert [one.name for one in found] == [
        "Alice",
        "alice-2",
        "alice-3",
        "bob",
        "carol_smith",
        "con-1",
        "dan.tar",
        "é",
    ]
    assert not any(one.submitters or one.notes for one in found)
    assert stage(found[0].source, tmp_path / "1") == stage(found[1].source, tmp_path / "2")
    with pytest.raises(Unreadable, match=r"dan.tar.gz is not a folder, a zip, a .py file or a notebook"):
        stage(found[6].source, tmp_path / "3")


SINGLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a folder with vae.py": (lambda at: make_folder({"vae.py": VAE, "old/vae.py": b""}, at / "eve"), "eve"),
    "a zip with vae.py": (lambda at: make_zip({"vae.py": VAE}, at / "eve"), "eve"),
    "a zip with a folder with vae.py": (
        lambda at: make_zip({"p/vae.py": VAE, "p/q/x": b""}, at / "eve"),
        "eve",
    ),
    "a file": (lambda at: make_folder({"eve.py": VAE}, at / "s") / "eve.py", "eve"),
}


@pytest.mark.parametrize(("make", "name"), SINGLE.values(), ids=SINGLE)
def test_single(make: Callable[[Path], Path], name: str, tmp_path: Path) -> None:
    """What itself holds vae.py is one submission."""
    (found,) = submissions(make(tmp_path), tmp_path / "work")
    assert (found.name, found.notes) == (name, ())
    assert stage(found.source, tmp_path / "staged").sha256


REFUSED: dict[str, tuple[Tree, str]] = {
    "damaged metadata": (
        {"submission_metadata.yml": b"a: [", "submission_1/vae.py": VAE},
        "cannot be read: did not find expected node content in line 2",
    ),
    "metadata of another kind": (
        {"submission_metadata.yml": b"- a", "s/vae.py": VAE},
        "not a table of submissions",
    ),
    "bytes that are no text": ({"submission_metadata.yml": b"a: \xff", "s/vae.py": VAE}, "cannot be read"),
}


@pytest.mark.parametrize(("tree", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(tree: Tree, reason: str, tmp_path: Path) -> None:
    """A class whose metadata cannot be read is refused at once: grades without names are of no use."""
    with pytest.raises(Unreadable, match=f"submission_metadata.yml.*{re.escape(reason)}"):
        submissions(make_folder(tree, tmp_path / "class"), tmp_path / "work")


def test_nothing_there(tmp_path: Path) -> None:
    """A path that is not there, or is of another kind, is refused; an empty folder is a class of none."""
    for name in ("missing", "missing.zip", "class.txt"):
        with pytest.raises(Unreadable, match=f"{name} is not a folder, a zip, a .py file or a notebook"):
            submissions(tmp_path / name, tmp_path / "work")
    (tmp_path / "empty").mkdir()
    assert submissions(tmp_path / "empty", tmp_path / "work") == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link in a class's folder is listed, and refused when it is staged."""
    other = make_folder({"vae.py": VAE}, tmp_path / "other")
    folder = make_folder({"alice/vae.py": VAE}, tmp_path / "class")
    (folder / "bob").symlink_to(other)
    (folder / "loop").symlink_to(folder / "loop")
    _, bob, loop = submissions(folder, tmp_path / "work")
    for one in (bob, loop):
        with pytest.raises(Unreadable, match="is a symbolic link, which is not followed"):
            stage(one.source, tmp_path / "staged" / one.name)


def test_own_folder_is_no_submission(tmp_path: Path) -> None:
    """The folder that results are written to may lie within the class's."""
    folder = make_folder({"alice/vae.py": VAE, "out/later/x": b""}, tmp_path / "class")
    assert [one.name for one in submissions(folder, folder / "out/later")] == ["alice"]


def test_earlier_results_are_no_submission(tmp_path: Path) -> None:
    """What an earlier grading wrote into the class's folder is no submission; a student's own table is."""
    results = {"graded/grades.csv": b"", "graded/results/alice.json": b"{}", "graded/index.html": b""}
    folder = make_folder(
        {"alice/vae.py": VAE, "ben/vae.py": VAE, "ben/grades.csv": b"", **results}, tmp_path / "class"
    )
    assert [one.name for one in submissions(folder, folder / "out")] == ["alice", "ben"]
    assert roster.left_out(folder, folder / "out") == []


@pytest.mark.parametrize("key", ["../outside", "/etc", "a/b", ".", "..", "", "\0", "a\nb"])
def test_names_in_metadata_lead_nowhere(key: str, tmp_path: Path) -> None:
    """A folder's name in the metadata is never used as a path."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/vae.py").write_bytes(VAE)
    text = f'{{"{key.encode("unicode_escape").decode()}": {{":submitters": []}}}}'
    source = make_folder({"submission_metadata.yml": text.encode()}, tmp_path / "class")
    found = submissions(source, tmp_path / "work")
    assert len(found) == 1
    for one in found:
        assert one.source.parent == tmp_path / "class"
        assert re.fullmatch(r"[\w.-]+", one.name)
        with pytest.raises(Unreadable, match="its files are not there"):
            stage(one.source, tmp_path / "staged")


def test_one_bad_submission_in_a_zip(tmp_path: Path) -> None:
    """A bomb, a damaged file or a link in one submission is noted there, and the others are graded."""
    tree: Tree = {f"c/{name}/vae.py": VAE for name in ("alice", "bob", "carol", "dan")}
    tree |= {"c/alice/bomb": bytes(80 * MIB), "c/bob/x": os.urandom(99), "c/bob/" + "y" * 300: b""}
    tree |= {f"c/carol/{number:04}": b"" for number in range(1200)} | {"c/eve/vae.py": bytes(80 * MIB)}
    data = bytearray(zipped(tree))
    data[data.index(b"c/bob/x") + 20] ^= 1
    (tmp_path / "c.zip").write_bytes(data)
    alice, bob, carol, dan, eve = submissions(tmp_path / "c.zip", tmp_path / "work")
    assert alice.notes == ("alice/bomb was not unpacked: with it, there would be more than 33 MiB",)
    assert [re.sub("y+", "y", note) for note in bob.notes] == [
        "bob/x cannot be read: Bad CRC-32 for file 'c/bob/x'",
        "bob/y…y is a name that this system cannot write",
    ]
    assert carol.notes == ("of 1201 files the first 1000 were unpacked",)
    assert dan.notes == ()
    assert eve.notes == ("eve/vae.py was not unpacked: with it, there would be more than 33 MiB",)
    assert below(alice.source) == {"vae.py"}
    assert len(below(carol.source)) == 1000
    for one in (alice, bob, carol, dan):
        stage(one.source, tmp_path / one.name)
    with pytest.raises(Unreadable):
        stage(eve.source, tmp_path / "eve")


def test_odd_names_in_a_zip(tmp_path: Path) -> None:
    """Names that lead outside or are no text are noted at the submission that has them; all are graded."""
    tree: Tree = {f"c/{name}/vae.py": VAE for name in ("alice", "bob", "carol")}
    tree |= {"c/bob/..\\..\\..\\notes.txt": b"1", "c/bob/..\\vae.py": b"2", "c/carol/caf\u00e9.txt": b"3"}
    (tmp_path / "c.zip").write_bytes(zipped(tree).replace("caf\u00e9".encode(), b"caf\xff\xff"))
    alice, bob, carol = submissions(tmp_path / "c.zip", tmp_path / "work")
    assert alice.notes == ()
    assert bob.notes == (
        "the zip holds a path that leads outside: c/bob/../vae.py",
        "the zip holds a path that leads outside: c/bob/../../../notes.txt",
    )
    (note,) = carol.notes
    assert note.startswith(r"carol/caf\xa0\xa0.txt cannot be read: 'utf-8' codec can't decode")
    assert len(below(tmp_path)) == 4
    for one in (alice, bob, carol):
        stage(one.source, tmp_path / one.name)


def test_many_long_names_in_a_zip(tmp_path: Path) -> None:
    """One submission whose names fill 40 MB is unpacked in part, and the others are graded."""
    long = "/".join(["c/bob", *["x" * 255] * 10])
    tree = {"c/alice/vae.py": VAE, "c/bob/vae.py": VAE} | {f"{long}/{i:0200}": b"" for i in range(15_000)}
    alice, bob = submissions(make_zip(tree, tmp_path / "c"), tmp_path / "work")
    assert (alice.notes, bob.notes) == ((), ("of 15001 files the first 1000 were unpacked",))
    stage(bob.source, tmp_path / "bob")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_submission_named_as_the_metadata(kind: str, tmp_path: Path) -> None:
    """A folder or a link of the metadata's name is a submission, and stops no class."""
    folder = make_folder({"alice/vae.py": VAE}, tmp_path / "class")
    if kind == "folder":
        make_folder({"vae.py": VAE}, folder / "submission_metadata.yml")
    else:
        (folder / "submission_metadata.yml").symlink_to(folder / "alice")
    found = submissions(folder, tmp_path / "work")
    assert [(one.name, one.notes) for one in found] == [("alice", ()), ("submission_metadata.yml", ())]


@pytest.mark.parametrize("make", [make_folder, make_zip], ids=["folder", "zip"])
def test_own_metadata_is_not_believed(make: Callable[[Tree, Path], Path], tmp_path: Path) -> None:
    """A list that the only submission of a class brings along is a student's word, and makes nobody's grade."""
    tree: Tree = {"submission_metadata.yml": METADATA.encode(), "submission_11/vae.py": VAE, "y/vae.py": VAE}
    source = make({f"submission_9/{name}": content for name, content in tree.items()}, tmp_path / "class")
    (found,) = submissions(source, tmp_path / "work")
    assert (found.name, found.submitters, found.submission_id) == ("submission_9", (), "9")
    assert found.notes == (roster.NOT_READ,)
    with pytest.raises(Unreadable, match="hand in only one of these files"):
        stage(found.source, tmp_path / "staged")


def test_submission_of_any_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one submission only so much is unpacked, code first."""
    monkeypatch.setattr(roster, "MAX_SUBMISSION", 2 * MIB)
    tree: Tree = {f"alice/{name}": os.urandom(MIB) for name in "abc"} | {
        "alice/vae.py": VAE,
        "bob/vae.py": VAE,
    }
    alice, bob = submissions(make_zip(tree, tmp_path / "c"), tmp_path / "work")
    limit = "was not unpacked: with it, there would be more than 2 MiB"
    assert alice.notes == (f"alice/b {limit}", f"alice/c {limit}")
    assert below(alice.source) == {"vae.py", "a"}
    assert bob.notes == ()


def test_class_of_any_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip of a class that would fill the disk is refused."""
    monkeypatch.setattr(roster, "MAX_CLASS", 2 * MIB)
    source = make_zip({f"{name}/x": bytes(MIB) for name in "abc"}, tmp_path / "c")
    with pytest.raises(Unreadable, match="the zip of the class has more than 2 MiB of files"):
        submissions(source, tmp_path / "work")


def test_zip_is_unpacked_anew(tmp_path: Path) -> None:
    """A zip is unpacked into a folder of its own each time, below the one given."""
    source = make_zip({"a/vae.py": VAE, "b/vae.py": VAE}, tmp_path / "c")
    first, second = (submissions(source, tmp_path / "work") for _ in range(2))
    assert [one.name for one in first] == [one.name for one in second]
    assert {one.source.parent.parent for one in first + second} == {tmp_path / "work"}
    assert len({one.source for one in first + second}) == 4


def test_names_are_safe() -> None:
    """Names are unique without regard to case, and fit for files of any system."""
    taken = set[str]()
    odd = ["a b", "A_B", "a\nb", "..", "é" * 99, "é" * 98, "NUL", "nul.py", "\udcff", "🎲", "日本"]
    assert [roster._name(text, taken) for text in odd] == [
        "a_b", "A_B-2", "a_b-3", "submission", "é" * 40, "é" * 40 + "-2",
        "NUL-1", "nul.py-1", "submission-2", "submission-3", "日本",
    ]  # fmt: skip


ENTRIES: dict[str, tuple[str, dict[str, Entry]]] = {
    "nothing": ("{}", {}),
    "nothing known": ("a:", {"a": Entry()}),
    "plain keys": (
        "a: {submitters: [{name: N, sid: 1, email: E}]}",
        {"a": Entry((Submitter("N", "1", "E"),))},
    ),
    "text stays as it is": ("a: {submitters: [{sid: 0x10}]}", {"a": Entry((Submitter(sid="0x10"),))}),
    "empty is unknown": ("a: {submitters: [{sid: '', name: ~}]}", {"a": Entry((Submitter(),))}),
    "a quoted null is a name": ("a: {submitters: [{name: 'null'}]}", {"a": Entry((Submitter("null"),))}),
    "submitters that are none": (
        "a: {submitters: 3}\nb: {submitters: [x, [y]]}",
        {"a": Entry(), "b": Entry()},
    ),
    "values that are no text": (
        "a: {submitters: [{name: [x]}], created_at: {}}",
        {"a": Entry((Submitter(),))},
    ),
    "keys that are no text": ("[a]: b\n{c: d}: e\nf: {}", {"f": Entry()}),
    "an alias": (
        "a: {submitters: [&x {name: &n N}]}\nb: {submitters: [*x, {name: *n}]}",
        {"a": Entry((Submitter("N"),)), "b": Entry((Submitter("N"), Submitter("N")))},
    ),
    "an alias of an old result": (
        "a: {results: [{x: &n N}], submitters: [{name: *n}]}",
        {"a": Entry((Submitter("N"),))},
    ),
    "an unknown alias": ("a: *b", {"a": Entry()}),
    "a circle": ("a: &a {submitters: [*a]}", {"a": Entry()}),
    "long and odd": (
        f'a: {{created_at: "\\e{"x" * 999}"}}',
        {"a": Entry((), "\\x1b" + "x" * 99 + "…" + "x" * 99)},
    ),
}


@pytest.mark.parametrize(("text", "entries"), ENTRIES.values(), ids=ENTRIES)
def test_metadata(text: str, entries: dict[str, Entry], tmp_path: Path) -> None:
    """Metadata is read as text, and whatever is missing or odd is left empty."""
    (tmp_path / "m.yml").write_text(text, encoding="utf-8")
    assert read_metadata(tmp_path / "m.yml") == entries


NO_METADATA = {
    "many levels": ("a: {results: " + "[" * 100_000, "is nested too deep"),
    "many levels of keys": ("a: {results: " + "{? " * 100_000, "is nested too deep"),
    "a control character": ("a: \a", "cannot be read"),
    "an object": ("!!python/object/apply:os.system [true]", "is not a table of submissions"),
    "nothing": ("", "is not a table of submissions"),
}


@pytest.mark.parametrize(("text", "reason"), NO_METADATA.values(), ids=NO_METADATA)
def test_hostile_metadata(text: str, reason: str, tmp_path: Path) -> None:
    """Metadata that is no YAML, or made to exhaust its reader, is refused."""
    (tmp_path / "m.yml").write_text(text)
    with pytest.raises(Unreadable, match=f"submission_metadata.yml {reason}"):
        read_metadata(tmp_path / "m.yml")


def test_metadata_is_a_stream(tmp_path: Path) -> None:
    """The bulk of old results passes through without being kept, and aliases do not multiply."""
    laughs = "".join(f"\n  :l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 30))
    merge = "".join(f"\n  :m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}" for i in range(1, 30))
    bulk = "\n  :history:" + f"\n  - {{results: {{tests: [{{output: '{'x' * 999}'}}]}}}}" * 10_000
    text = f"a:\n  :l0: &l0 lol{laughs}\n  :m0: &m0 {{k: v}}{merge}{bulk}\n  :created_at: today"
    (tmp_path / "m.yml").write_text(text)
    tracemalloc.start()
    entries = read_metadata(tmp_path / "m.yml")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entries == {"a": Entry((), "today")}
    assert (tmp_path / "m.yml").stat().st_size > 9 * MIB
    assert peak < 2 * MIB


def test_large_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata of absurd size is refused before it is read."""
    monkeypatch.setattr(metadata, "MAX_METADATA", MIB)
    (tmp_path / "m.yml").write_bytes(b"#" * (MIB + 1))
    with pytest.raises(Unreadable, match=r"submission_metadata.yml has more than 1 MiB"):
        read_metadata(tmp_path / "m.yml")


def test_pdf_export(tmp_path: Path) -> None:
    """Of an export of another kind each file is listed, and refused when it is staged."""
    tree = {"submission_metadata.yml": b"12.pdf: {submitters: [{name: N}]}", "12.pdf": b""}
    (found,) = submissions(make_folder(tree, tmp_path / "c"), tmp_path / "work")
    assert found == Submission("12", tmp_path / "c/12.pdf", (Submitter("N"),))
    with pytest.raises(Unreadable, match=r"12.pdf is not a folder"):
        stage(found.source, tmp_path / "staged")
    assert below(tmp_path / "staged") == set()
