"""Zips that a student made: listed and read with caps, with nothing in them believed before it is counted."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from functools import partial
from typing import IO

from autograder.files import (
    DAMAGE,
    MAX_DEPTH,
    MAX_TOTAL,
    MIB,
    TOO_DEEP,
    Listing,
    Parts,
    Unreadable,
    is_junk,
    printable,
    reason,
    shown,
    size,
)

__all__ = ["in_zip"]

MAX_CONTENTS = 4 * MIB  # bytes of a zip's table of contents: 91,000 entries at most
MAX_CONTENTS_OF_A_CLASS = 32 * MIB
MAX_RATIO = 100  # a zip may unpack to so many times its size, where that is more than MAX_TOTAL
END = 3 << 16  # bytes at its end that zipfile reads to find the table of contents


def in_zip(file: IO[bytes], *, of_a_class: bool = False) -> Listing:
    """List an open zip. A name that leads outside, or a submission of an absurd size, is Unreadable."""
    counted = _Counted(file, END + (MAX_CONTENTS_OF_A_CLASS if of_a_class else MAX_CONTENTS))
    try:
        archive = zipfile.ZipFile(counted)  # type: ignore[call-overload]  # it has all that is read
    except DAMAGE as error:
        raise Unreadable(f"the zip is damaged or not a zip: {reason(error)}") from error
    listing, total = Listing(), 0
    counted.left = 1 << 62  # members are counted one by one, as they are read
    for info in archive.infolist():
        parts = _inside(info.filename)
        if not parts or any(map(is_junk, parts)):
            continue
        if len(parts) > MAX_DEPTH + 1:
            listing.excess = TOO_DEEP
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            listing.notes.append(f"symbolic link {shown(parts)} was ignored")
        elif info.is_dir() or kind == stat.S_IFDIR:
            continue
        elif kind not in (0, stat.S_IFREG):
            listing.notes.append(f"special file {shown(parts)} was ignored")
        elif parts in listing.files:
            listing.files[parts] = partial(_refuse, f"{shown(parts)} is in the zip twice")
        else:
            listing.files[parts] = partial(_open_member, archive, info)
            total += info.file_size  # zipfile gives no more than this, whatever is packed
    if not of_a_class and total > max(MAX_TOTAL, MAX_RATIO * file.seek(0, os.SEEK_END)):
        raise Unreadable(f"the zip would unpack to {size(total)}, more than {MAX_RATIO} times its own size")
    listing.files = dict(sorted(listing.files.items()))
    listing.notes.sort()
    return listing


def _inside(name: str) -> Parts:
    """Return the parts of a name in a zip, which must stay inside the folder it is unpacked to."""
    name = name.replace("\\", "/")  # some Windows tools write these
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        raise Unreadable(f"the zip holds a path that leads outside: {printable(name)}")
    return parts


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 1:
        raise Unreadable(f"{printable(info.filename)} is encrypted: hand in a zip without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks these without a bound: 4 KiB of bzip2 can become gigabytes in one read
        raise Unreadable(f"{printable(info.filename)} is not packed in the ordinary way: make a plain zip")
    return archive.open(info)


def _refuse(reason: str) -> IO[bytes]:
    raise Unreadable(reason)


class _Counted:
    """A binary file that gives so many bytes at most: zipfile reads a table of contents of any length."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.left = file, limit

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)

    def read(self, count: int = -1) -> bytes:
        data = self.file.read(self.left + 1 if count < 0 else min(count, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise Unreadable("there are too many files in the zip")
        return data
