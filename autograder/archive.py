"""Zips that a student made: listed and read with caps, with nothing in them believed before it is counted."""

from __future__ import annotations

import os
import re
import stat
import struct
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
MAX_CONTENTS_OF_A_CLASS = 128 * MIB  # in which one submission's many long names leave room for the others
MAX_RATIO = 100  # a zip may unpack to so many times its size, where that is more than MAX_TOTAL
ENTRY = b"PK\x01\x02"  # begins each entry of a table of contents: 46 bytes and a name
UTF_8 = 1 << 3  # in an entry's tenth byte
END = 3 << 16  # bytes at its end that zipfile reads to find the table of contents


def in_zip(file: IO[bytes], *, of_a_class: bool = False) -> Listing:
    """List an open zip. A name that leads outside, or a submission of an absurd size, is Unreadable.

    Of a class, only the files that a submission gives such names to are.
    """
    archive = _opened(file, MAX_CONTENTS_OF_A_CLASS if of_a_class else MAX_CONTENTS)
    listing, total = Listing(), 0
    for info in archive.infolist():
        parts, outside = _inside(info.filename)
        if outside and (parts[0] == "_" or not of_a_class):
            raise Unreadable(outside)
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
        elif outside or parts in listing.files:
            listing.files[parts] = partial(_refuse, outside or f"{shown(parts)} is in the zip twice")
        else:
            listing.files[parts] = partial(_open_member, archive, info)
            total += info.file_size  # zipfile gives no more than this, whatever is packed
    if not of_a_class and total > max(MAX_TOTAL, MAX_RATIO * file.seek(0, os.SEEK_END)):
        raise Unreadable(f"the zip would unpack to {size(total)}, more than {MAX_RATIO} times its own size")
    listing.files = dict(sorted(listing.files.items()))
    listing.notes.sort()
    return listing


def _opened(file: IO[bytes], limit: int) -> zipfile.ZipFile:
    """Read a zip's table of contents, of so many bytes at most."""
    counted = _Counted(file, END + limit)
    try:
        archive: zipfile.ZipFile = zipfile.ZipFile(counted)  # type: ignore[call-overload]  # it has all that is read
    except DAMAGE as error:
        raise Unreadable(f"the zip is damaged, cut off or not a zip ({reason(error)})") from error
    counted.left = None  # members are counted one by one, as they are read
    return archive


def _inside(name: str) -> tuple[Parts, str]:
    """Return the parts of a name in a zip; where it leads outside, that, and each step that does so as "_"."""
    name = name.replace("\\", "/")  # some Windows tools write these
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        parts = ("..", *parts)
    outside = f"the zip holds a path that leads outside: {printable(name)}" if ".." in parts else ""
    return tuple("_" if part == ".." else part for part in parts), outside


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
        self.file = file
        self.left: int | None = limit  # None: as many as are asked for

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)

    def read(self, count: int = -1) -> bytes:
        if self.left is None:
            return self.file.read(count)
        data = self.file.read(self.left + 1 if count < 0 else min(count, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise Unreadable("there are too many files in the zip")
        return _with_names(data)


def _with_names(contents: bytes) -> bytes:
    """Unmark the names in a table of contents that are marked as UTF-8 and are not: for one, zipfile refuses all."""
    table, at = bytearray(contents), 0
    while table.startswith(ENTRY, at) and at + 46 <= len(table):
        lengths = struct.unpack_from("<3H", table, at + 28)  # of the name, and of what follows it
        try:
            table[at + 46 : at + 46 + lengths[0]].decode()
        except UnicodeDecodeError:
            table[at + 9] &= ~UTF_8
        at += 46 + sum(lengths)
    return bytes(table)
