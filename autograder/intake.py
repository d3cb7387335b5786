"""What a student handed in - a folder, a zip, a file, a notebook - becomes a folder with vae.py in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import msgspec

from autograder import files
from autograder.archive import in_zip
from autograder.files import Listing, Opener, Parts, TooBig, Unreadable, printable, shown
from autograder.metadata import METADATA, Submitter
from autograder.notebook import defines_a_model, to_python
from autograder.roster import Submission, left_out, submissions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Staged", "Submission", "Submitter", "Unreadable", "left_out", "notebooks", "stage", "submissions"]

MAX_CODE = files.MIB  # bytes of vae.py
MAX_FILES = 500  # beside vae.py
MAX_NOTES = 20
VAE_PY = ("vae.py",)
CLASS = "this looks like a class, and `autograder batch` grades one"
# Only vae.py is loaded, with nothing of the student's on the import path; so no other code is copied, and
# nothing that would steer pytest. The project's own nndl2 takes the place of a student's copy.
CODE = (".py", ".pyw", ".pyd", ".so", ".dll", ".dylib")
GRADED = re.compile(rb"^(?:class|def)[ \t]+(?:C?VAE|reparametrize|loss_function)\b", re.MULTILINE)
SETTINGS = ("pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "check.py")  # the last is the template's


@dataclass(frozen=True)
class Staged:
    """What was staged: a hash of all copied files with their names, and notes for the result."""

    sha256: str
    notes: tuple[str, ...] = ()


def stage(source: Path, into: Path) -> Staged:
    """Copy what counts of a submission into the empty folder `into`, the file to grade as `into/vae.py`.

    The shallowest vae.py counts, with the data files beside and below it. All is copied as bytes; nothing of
    the student's is run, imported or compiled. Raises Unreadable; an OSError is a fault of this machine's.
    """
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise FileExistsError(into)
    with _listed(source) as listing:
        return _stage(listing, into)


def notebooks(source: Path) -> tuple[list[Parts], bytes]:
    """List a submission's notebooks, vae.ipynb and the shallowest first, and read the first; b"" where there is none.

    A vae.py need not be there.

    Raises Unreadable; an OSError is a fault of this machine's.
    """
    with _listed(source) as listing:
        found = [parts for parts in listing.files if parts[-1].lower().endswith(".ipynb")]
        found.sort(key=lambda parts: (parts[-1] != "vae.ipynb", len(parts), parts))
        content = files.read(found[0], listing.files[found[0]], files.MAX_TOTAL) if found else b""
        return found, content


@contextmanager
def _listed(source: Path) -> Iterator[Listing]:
    """List what a submission holds. Raises Unreadable."""
    name, suffix = printable(source.name), source.suffix.lower()
    try:
        mode = source.lstat().st_mode
    except OSError as error:
        if files.is_ours(error):
            raise
        if isinstance(error, FileNotFoundError):
            raise Unreadable("its files are not there") from error
        raise Unreadable(f"{name} cannot be read: {files.reason(error)}") from error
    if stat.S_ISLNK(mode):
        raise Unreadable(f"{name} is a symbolic link, which is not followed: give what it points to")
    if stat.S_ISDIR(mode):
        yield files.in_folder(source)
    elif stat.S_ISREG(mode) and suffix == ".zip":
        with files.open_regular(source) as file:
            yield in_zip(file)
    elif stat.S_ISREG(mode) and suffix in (".py", ".ipynb"):
        staged_as = VAE_PY if suffix == ".py" else (source.name,)
        yield Listing({staged_as: partial(files.open_regular, source)})
    else:
        raise Unreadable(f"{name} is not a folder, a zip, a .py file or a notebook")


def _stage(listing: Listing, into: Path, *, within: bool = False) -> Staged:
    """Stage the vae.py of a listing, or what can stand for it: a notebook, or the only zip, once."""
    notes = listing.notes
    if main := _shallowest([parts for parts in listing.files if parts[-1] == "vae.py"], listing):
        code = files.read(main, listing.files[main], MAX_CODE)
    elif main := _shallowest(_notebooks(listing), listing):
        notebook = files.read(main, listing.files[main], files.MAX_TOTAL)
        code, left_out = to_python(notebook, shown(main))
        notes += [f"vae.py was made from {shown(main)}: its definitions, and what they use", *left_out]
    else:
        zips = [parts for parts in listing.files if parts[-1].lower().endswith(".zip")]
        if len(zips) != 1 or within:
            if listing.closed:  # there may be one where we may not look
                raise listing.closed
            raise Unreadable(_what_was_found(listing))
        inner = in_zip(BytesIO(files.read(zips[0], listing.files[zips[0]], files.MAX_TOTAL)))
        inner.notes[:0] = [*notes, f"{shown(zips[0])} was unpacked"]
        return _stage(inner, into, within=True)

    beside = _beside(listing, main, code)
    digests: dict[Parts, str] = {VAE_PY: files.write([code], into, VAE_PY)[0]}
    try:
        if listing.excess:
            raise Unreadable(listing.excess)  # noqa: TRY301  one note for all the caps
        digests.update(_copy(beside, into))
    except Unreadable as reason:
        notes.append(f"only {shown(main)} was taken, not the files beside it: {reason}")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more such notes"]
    lines = sorted(os.fsencode(f"{digest} {'/'.join(parts)}\n") for parts, digest in digests.items())
    return Staged(hashlib.sha256(b"".join(lines)).hexdigest(), tuple(notes))


def _shallowest(candidates: list[Parts], listing: Listing) -> Parts | None:
    """Return the one with the fewest folders above it; where there are several, none is guessed but vae.ipynb."""
    depth = min(map(len, candidates), default=0)
    shallowest = [parts for parts in candidates if len(parts) == depth]
    named = [parts for parts in shallowest if parts[-1] == "vae.ipynb"]
    if len(named) == 1 and len({parts[:-1] for parts in shallowest}) == 1:
        shallowest = named  # what Jupyter calls vae-Copy1.ipynb lies beside it
    if len(shallowest) > 1:
        names = ", ".join(map(shown, shallowest[:5]))
        if len(shallowest) > 2 or any(parts[-1] == METADATA for parts in listing.files):
            raise Unreadable(f"{CLASS}: {names}; if it is one submission, hand in only one of these files")
        raise Unreadable(f"it is not clear which file counts: {names}; hand in only one of them")
    return shallowest[0] if shallowest else None


def _notebooks(listing: Listing) -> list[Parts]:
    """Return the notebooks that seem to define a model; only so many are looked into."""
    notebooks = [parts for parts in listing.files if parts[-1].lower().endswith(".ipynb")][:MAX_NOTES]
    found, left = [], 2 * files.MAX_TOTAL
    for parts in notebooks:
        content = files.read(parts, listing.files[parts], files.MAX_TOTAL)
        left -= len(content)
        if left >= 0 and defines_a_model(content):
            found.append(parts)
    return found


def _what_was_found(listing: Listing) -> str:
    """Say why there is nothing to grade, and what there is instead."""
    if listing.excess:
        return f"no vae.py was found near the top, and {listing.excess}: hand in vae.py alone"
    if not listing.files and not listing.notes:
        return "there is no vae.py: the submission is empty"
    own = [parts for parts in listing.files if "nndl2" not in parts and parts[-1] not in SETTINGS]
    code = [parts for parts in own if parts[-1].lower().endswith((".py", ".py.txt", ".pyw"))]
    notebooks = [parts for parts in listing.files if parts[-1].lower().endswith(".ipynb")]
    zips = [parts for parts in listing.files if parts[-1].lower().endswith(".zip")]
    rest = [shown(parts) for parts in [*code, *notebooks, *listing.files]]
    found = ", ".join([*dict.fromkeys(rest)][:5])
    reason = f"there is no vae.py; found {found}" if found else "there is no vae.py"
    if len(code) == 1:
        reason += f": rename {shown(code[0])} to vae.py"
    elif len(zips) > 2 and not code:
        reason += f": {CLASS}"
    elif notebooks and not code:
        damaged = [
            n for n in notebooks[:MAX_NOTES] if not _is_json(files.read(n, listing.files[n], files.MAX_TOTAL))
        ]
        if damaged:
            return f"there is no vae.py, and {shown(damaged[0])} is damaged: it is cut off, or no notebook"
        reason += ": a notebook counts only where it defines the class VAE or CVAE itself"
    return "; ".join([reason, *listing.notes[:5]])


def _is_json(content: bytes) -> bool:
    """Say whether bytes are JSON, as a notebook is; nothing is made of them, so no memory is taken."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _beside(listing: Listing, main: Parts, source: bytes) -> dict[Parts, Opener]:
    """Return the data files beside and below the main file, by their path from its folder.

    source: what is graded; other code is named where it seems to be a part of that
    """
    root, beside, other_code, own_nndl2 = main[:-1], dict[Parts, Opener](), list[str](), False
    looked_into = 0
    for parts, opener in listing.files.items():
        inside = parts[len(root) :]
        if parts[: len(root)] != root or inside in ((), VAE_PY) or inside[-1] in SETTINGS:
            continue
        if inside[0] == "nndl2":
            own_nndl2 = True
        elif inside[-1].lower().endswith(CODE):
            looked_into += 1
            if looked_into <= MAX_NOTES and _belongs(inside, opener, source):
                other_code.append(shown(parts))
        else:
            beside[inside] = opener
            if inside == ("vae.ipynb",) and main[-1] == "vae.py" and _defines(inside, opener):
                text = f"{shown(parts)} defines VAE or CVAE, too, and was not looked at: vae.py counts"
                listing.notes.append(text)
    if own_nndl2:
        listing.notes.append("your own copy of nndl2 was ignored")
    if other_code:
        listing.notes.append(f"only vae.py is loaded; other code was left out: {', '.join(other_code[:5])}")
    return beside


def _belongs(inside: Parts, opener: Opener, source: bytes) -> bool:
    """Say whether vae.py seems to import a file, or the file to define what is graded."""
    if inside[-1] == "vae.py":
        return True
    words = b"|".join(re.escape(part.partition(".")[0].encode(errors="replace")) for part in inside)
    if re.search(rb"^[ \t]*(?:from|import)\b[^#\n]*\b(?:%b)\b" % words, source, re.MULTILINE):
        return True
    try:
        return bool(GRADED.search(files.read(inside, opener, MAX_CODE)))
    except Unreadable:
        return False


def _defines(inside: Parts, opener: Opener) -> bool:
    """Say whether a notebook seems to define a model."""
    try:
        return defines_a_model(files.read(inside, opener, files.MAX_TOTAL))
    except Unreadable:
        return False


def _copy(beside: dict[Parts, Opener], into: Path) -> dict[Parts, str]:
    """Copy the files beside vae.py, all or none, and return their hashes."""
    if len(beside) > MAX_FILES:
        raise Unreadable(f"there are more than {MAX_FILES} of them")
    digests, left = dict[Parts, str](), files.MAX_TOTAL
    try:
        for parts, opener in beside.items():
            digests[parts], count = files.write(files.chunks(parts, opener, left), into, parts)
            left -= count
    except Unreadable as reason:
        for entry in into.iterdir():
            if entry.name != "vae.py":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if isinstance(reason, TooBig):
            raise Unreadable(f"together they have more than {files.size(files.MAX_TOTAL)}") from reason
        raise
    return digests
