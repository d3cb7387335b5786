"""The files in a folder that a student made: listed and read as bytes, never followed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from struct import error as StructError
from typing import IO

__all__ = [
    "DAMAGE",
    "MAX_DEPTH",
    "MAX_TOTAL",
    "MIB",
    "TOO_DEEP",
    "Listing",
    "Opener",
    "Parts",
    "TooBig",
    "Unreadable",
    "chunks",
    "in_folder",
    "is_junk",
    "is_ours",
    "open_regular",
    "printable",
    "read",
    "reason",
    "shown",
    "size",
    "write",
]

MIB = 1 << 20
MAX_DEPTH = 12  # folders within folders
TOO_DEEP = f"folders are nested more than {MAX_DEPTH} deep"
MAX_TOTAL = 32 * MIB  # bytes of all files of a submission together
MAX_LISTED = 20_000  # entries of a folder that are looked at: a virtual environment has as many
CHUNK = 1 << 16
# what zipfile and the system raise on files that are damaged, forbidden, or gone in the meantime
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, StructError),
    *(EOFError, OSError, OverflowError, RuntimeError, ValueError),
)
# What file systems raise that come over a network, or are damaged; not each system has all.
REMOTE = (
    *(
        "ESTALE",
        "ETIMEDOUT",
        "ENOTCONN",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ECONNRESET",
        "ECONNREFUSED",
        "ENETDOWN",
    ),
    *("ENETUNREACH", "EPROTO", "EREMOTEIO", "EUCLEAN", "EBADMSG", "ENOLCK", "EKEYEXPIRED"),
)
# of these, what is no fault of whoever handed the files in
OURS = (
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC),
    *(errno.EAGAIN, errno.EBUSY, errno.ENODEV, errno.ENXIO),
    *(getattr(errno, name, errno.EIO) for name in REMOTE),
)
BAD_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)

Parts = tuple[str, ...]  # a relative path, folder by folder
Opener = Callable[[], IO[bytes]]


class Unreadable(Exception):  # noqa: N818  it is a verdict on a submission, not a fault of ours
    """A submission that cannot be taken, with the reason in the student's words."""


class TooBig(Unreadable):
    """A file has more bytes than were allowed."""


@dataclass
class Listing:
    """What a submission holds: an opener for each regular file, and a word on what was passed over."""

    files: dict[Parts, Opener] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    excess: str = ""  # why the listing is not complete, if it is not
    closed: OSError | None = None  # by what a folder could not be listed that is no fault of the submission's


def printable(text: str, limit: int = 120) -> str:
    """Student text on one line, at most `limit` characters, with nothing in it that a terminal would obey."""
    text = text if len(text) <= limit else text[: limit // 2] + "…" + text[1 - limit // 2 :]
    # the two joiners are invisible but belong to the spelling of names in several scripts
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )


def shown(parts: Parts) -> str:
    """Return a path as the student is told it."""
    return printable("/".join(parts))


def is_junk(name: str) -> bool:
    """Say whether a file or folder of this name is what systems and tools leave behind: never looked at."""
    known = {"__MACOSX", "__pycache__", "site-packages", "node_modules", "Thumbs.db", "desktop.ini"}
    return name.startswith(".") or name in known or name.endswith((".pyc", ".pyo"))


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file. A link is not followed, and a FIFO neither opened for good nor waited for."""
    wanted = ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")  # Windows has only the last
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in wanted))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unreadable(f"{printable(path.name)} is not a regular file")
    return os.fdopen(handle, "rb")


def chunks(parts: Parts, opener: Opener, limit: int) -> Iterator[bytes]:
    """Read a file piece by piece, counting: more than `limit` bytes, or damage of any kind, is Unreadable.

    An OSError that is this machine's fault, such as a file that this account may not read, is left as it is.
    """
    left = limit
    try:
        with opener() as file:
            while data := file.read(min(CHUNK, left + 1)):
                left -= len(data)
                if left < 0:
                    raise TooBig(f"{shown(parts)} has more than {size(limit)}")
                yield data
    except DAMAGE as error:
        if is_ours(error):
            raise
        raise Unreadable(f"{shown(parts)} cannot be read: {reason(error)}") from error


def is_ours(error: Exception) -> bool:
    """Tell whether an error is this machine's fault, or its owner's, and not that of whoever handed the files in."""
    return isinstance(error, OSError) and error.errno in OURS


def reason(error: Exception) -> str:
    """Return what an exception says, without the paths of this machine."""
    return printable((isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__)


def write(pieces: Iterable[bytes], root: Path, parts: Parts) -> tuple[str, int]:
    """Make a new file of these pieces below `root`; return its SHA-256 and its size. Raises Unreadable.

    An OSError that is not the name's fault, such as a full disk, is left as it is: a fault of this machine's.
    """
    target, digest, count = root.joinpath(*parts), hashlib.sha256(), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                count += len(piece)
    except Unreadable:  # what is there is not the whole file
        target.unlink()
        raise
    except (FileExistsError, NotADirectoryError) as error:
        raise Unreadable(f"{shown(parts)} is there twice") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in BAD_NAME:
            raise Unreadable(f"{shown(parts)} is a name that this system cannot write") from error
        raise
    return digest.hexdigest(), count


def read(parts: Parts, opener: Opener, limit: int) -> bytes:
    """Return a whole file of at most `limit` bytes."""
    return b"".join(chunks(parts, opener, limit))


def size(count: int) -> str:
    """Return a number of bytes as people write it."""
    return f"{count // MIB} MiB" if count >= MIB else f"{count} bytes"


def in_folder(folder: Path) -> Listing:
    """List a folder level by level, so that what is near the top is found however much lies below."""
    listing, level, looked_at = Listing(), list[Parts]([()]), 0
    for _ in range(MAX_DEPTH + 1):
        files: dict[Parts, Opener] = {}
        deeper: list[Parts] = []
        for parent in level:
            for entry in _scan(folder, parent, listing):
                looked_at += 1
                if looked_at > MAX_LISTED:  # this level is not complete, so nothing of it counts
                    listing.excess = f"there are more than {MAX_LISTED:,} files and folders"
                    return listing
                parts = (*parent, entry.name)
                if is_junk(entry.name):
                    continue
                if entry.is_symlink():
                    listing.notes.append(f"symbolic link {shown(parts)} was ignored")
                elif entry.is_dir(follow_symlinks=False):
                    deeper.append(parts)
                elif entry.is_file(follow_symlinks=False):
                    files[parts] = partial(open_regular, Path(entry.path))
                else:
                    listing.notes.append(f"special file {shown(parts)} was ignored")
        listing.files.update(sorted(files.items()))
        level = sorted(deeper)
    if level:
        listing.excess = TOO_DEEP
    listing.notes.sort()
    return listing


def _scan(folder: Path, parts: Parts, listing: Listing) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder.joinpath(*parts)) as entries:
            yield from entries
    except OSError as error:
        listing.notes.append(f"folder {shown(parts) or '.'} cannot be read: {reason(error)}")
        listing.closed = listing.closed or (error if is_ours(error) else None)
