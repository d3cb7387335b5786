"""The records of a class on disk: where they are, whose, and whether they are of the files and the grader of now."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from autograder import files, identity, results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autograder.intake import Submission
    from autograder.lane import Graded
    from autograder.results import Results

__all__ = [
    "claimed",
    "contents",
    "fault_path",
    "if_current",
    "key",
    "pictures_of",
    "read_if_there",
    "record_path",
    "save",
    "suffices",
]

TRAIN = ("never", "auto", "always")  # the training run; each includes those before


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder meanwhile, and remove what one that was killed has left there."""
    with (out / ".lock").open("w") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"another run is writing to {out}") from None
            except OSError:
                pass  # a file system without locks
        for left in out.glob(".work-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def record_path(out: Path, name: str) -> Path:
    """Return where a submission's record belongs."""
    return out / "results" / f"{name}.json"


def fault_path(out: Path, name: str) -> Path:
    """Return where the record of a failure of the grader's belongs, which is no grade: the next run tries again."""
    return out / "faults" / f"{name}.json"


def save(out: Path, name: str, graded: Graded) -> None:
    """Write a record where it belongs, its pictures first: where a record is, all of it is there."""
    path, other = record_path(out, name), fault_path(out, name)
    if graded.record.fault:
        path, other = other, path
    for file, picture in graded.pictures.items():
        target = out / "results" / file
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(picture)
    results.write(path, graded.record)
    other.unlink(missing_ok=True)


def if_current(record: Results | None, current: str) -> Results | None:
    """Return a record if there is one, and it is that of this submission by this grader."""
    return record if record and record.extra_data.get("key") == current else None


def read_if_there(path: Path) -> Results | None:
    """Read a record if it is there and can be read; what is no file might never give a byte."""
    try:
        return results.read(path) if path.is_file() else None
    except (OSError, msgspec.MsgspecError):
        return None


def suffices(record: Results, train: str) -> bool:
    """Tell whether a record was made with as much training as is asked for."""
    return TRAIN.index(record.extra_data.get("train", "never")) >= TRAIN.index(train)


def key(submission: Submission) -> str:
    """Hash what a record depends on: the submission's files and the grader. One that cannot be hashed is always new."""
    grader = [identity.hash_of_grader(), identity.versions(), submission.notes]
    digest = hashlib.sha256(json.dumps(grader, sort_keys=True).encode())
    try:
        for name, content in contents(submission.source):
            digest.update(hashlib.sha256(os.fsencode(name)).digest() + content)
    except Exception:  # noqa: BLE001 - whatever it is, the intake says it, of this submission alone
        return secrets.token_hex()
    return digest.hexdigest()


def contents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Give each file of a submission that the intake looks at: its path inside, and a hash of what it is and holds."""
    paths = [source]
    if source.is_dir() and not source.is_symlink():
        listing = files.in_folder(source)
        yield "", hashlib.sha256(repr((listing.notes, listing.excess)).encode()).digest()
        paths = [source.joinpath(*parts) for parts in listing.files]
    left = files.MAX_TOTAL
    for path in paths:
        try:
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size <= left:
                left -= found.st_size
                content = b"file " + hashlib.sha256(path.read_bytes()).digest()
            elif stat.S_ISREG(found.st_mode):  # beyond what is graded
                content = f"large {found.st_size} {found.st_mtime_ns}".encode()
            elif stat.S_ISLNK(found.st_mode):
                content = b"link " + os.fsencode(path.readlink())
            else:
                content = b"other"
        except OSError as error:
            content = b"unreadable " + str(error.strerror).encode()
        yield path.relative_to(source).as_posix(), hashlib.sha256(content).digest()


def pictures_of(out: Path, record: Results) -> dict[str, bytes]:
    """Read the pictures of a record's training run, by their captions."""
    pictures = {}
    for row in record.tests:
        for picture in row.extra_data.get("pictures", []):
            with contextlib.suppress(OSError):
                pictures[picture["alt"]] = (out / "results" / picture["file"]).read_bytes()
    return pictures
