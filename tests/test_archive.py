"""Zips from students: read with caps, and nothing in them is believed."""

from __future__ import annotations

import functools
import io
import os
import re
import stat
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from handed_in import MIB, VAE, below, zipped

from autograder.intake import Unreadable, stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def with_info(content: bytes = b"", name: str = "x", **attributes: object) -> bytes:
    """A zip with vae.py and one entry whose header says what is asked for."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if name != "vae.py":
            archive.writestr("vae.py", VAE)
        info = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, content)
    return buffer.getvalue()


def encrypted(name: str) -> bytes:
    """A zip with vae.py, one of whose members is marked as encrypted."""
    data = bytearray(with_info(b"x", name))
    data[data.index(name.encode()) - 30 + 6] |= 1  # in the header before the member
    data[data.rindex(name.encode()) - 46 + 8] |= 1  # in the table of contents
    return bytes(data)


def corrupt() -> bytes:
    """A zip in which a byte of vae.py is another."""
    return packed(zipfile.ZIP_STORED).replace(b"class VAE", b"glass VAE")


def packed(method: int, content: bytes = VAE) -> bytes:
    """A zip whose vae.py is packed by some method."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("vae.py", content)
    return buffer.getvalue()


def understated() -> bytes:
    """A zip whose headers say that a vae.py of 64 MiB has 10 bytes."""
    data = packed(zipfile.ZIP_DEFLATED, b"#" * (64 * MIB))
    return data.replace(struct.pack("<L", 64 * MIB), struct.pack("<L", 10))


def twice(name: str) -> bytes:
    """A zip with vae.py, and one name twice."""
    other = "_" * len(name)
    return zipped({"vae.py": VAE, name: b"1", other: b"2"}).replace(other.encode(), name.encode())


def twice_vae_py() -> bytes:
    """A zip with two files of the name vae.py."""
    return zipped({"vae.py": VAE, "vae_py": b"2"}).replace(b"vae_py", b"vae.py")


@functools.cache
def crowded() -> bytes:
    """A zip with 120,000 entries: its table of contents has 6 MiB."""
    return zipped({"vae.py": VAE} | {f"{number}": b"" for number in range(120_000)})


def as_link(name: str) -> bytes:
    """A zip with a symbolic link, as Info-ZIP writes them."""
    return with_info(b"/etc/passwd", name, create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16)


ZIPS_REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"PK\x03\x04 no zip", "the zip is damaged, cut off or not a zip"),
    "empty file": (lambda: b"", "the zip is damaged, cut off or not a zip"),
    "truncated": (
        lambda: zipped({"vae.py": os.urandom(9999)})[:-100],
        "the zip is damaged, cut off or not a zip",
    ),
    "damaged vae.py": (corrupt, "vae.py cannot be read: Bad CRC-32"),
    "climbing out": (lambda: with_info(name="../../x"), "leads outside: ../../x"),
    "climbing out in the middle": (lambda: with_info(name="a/../../x"), "leads outside: a/../../x"),
    "climbing out through junk": (lambda: with_info(name="__MACOSX/../../x"), "leads outside"),
    "climbing out by backslash": (lambda: with_info(name="..\\x"), "leads outside: ../x"),
    "absolute": (lambda: with_info(name="/etc/cron.d/x"), "leads outside: /etc/cron.d/x"),
    "drive letter": (lambda: with_info(name="C:\\x"), "leads outside: C:/x"),
    "share": (lambda: with_info(name="\\\\server\\x"), "leads outside: //server/x"),
    "encrypted": (lambda: encrypted("vae.py"), "vae.py is encrypted: hand in a zip without a password"),
    "two vae.py of one name": (twice_vae_py, "vae.py is in the zip twice"),
    "vae.py as a link": (lambda: as_link("vae.py"), "symbolic link vae.py was ignored"),
    "bzip2": (lambda: packed(zipfile.ZIP_BZIP2), "vae.py is not packed in the ordinary way"),
    "lzma": (lambda: packed(zipfile.ZIP_LZMA), "vae.py is not packed in the ordinary way"),
    "a bomb": (lambda: with_info(bytes(64 * MIB), compress_type=8), "unpack to 64 MiB, more than 100 times"),
    "a bomb that lies": (understated, "vae.py cannot be read: Bad CRC-32"),
    "too many entries": (crowded, "there are too many files in the zip"),
}
ZIPS_TAKEN: dict[str, tuple[Callable[[], bytes], set[str], str]] = {
    "backslashes": (lambda: zipped({"p\\vae.py": VAE, "p\\data\\x": b""}), {"data/x"}, ""),
    "dots and double slashes": (lambda: zipped({".//vae.py": VAE, "./a//x": b""}), {"a/x"}, ""),
    "folder entries": (lambda: zipped({"p/": b"", "p/vae.py": VAE, "p/q/": b""}), set(), ""),
    "a link beside": (lambda: as_link("x"), set(), "symbolic link x was ignored"),
    "a FIFO beside": (
        lambda: with_info(external_attr=stat.S_IFIFO << 16),
        set(),
        "special file x was ignored",
    ),
    "an encrypted file beside": (lambda: encrypted("x.txt"), set(), "x.txt is encrypted"),
    "a name twice": (
        lambda: twice("x.txt"),
        set(),
        "only vae.py was taken, not the files beside it: x.txt is",
    ),
    "a file and a folder of one name": (
        lambda: zipped({"vae.py": VAE, "a": b"", "a/b": b""}),
        set(),
        "twice",
    ),
    "a name of 300 bytes": (lambda: with_info(name="x" * 300), set(), "a name that this system cannot write"),
    "a table of ones and zeros": (lambda: zipped({"vae.py": VAE, "x": bytes(9 * MIB)}), {"x"}, ""),
    "behind other bytes": (lambda: b"#!/bin/sh\n" + zipped({"vae.py": VAE}), set(), ""),
}


@pytest.mark.parametrize(("make", "reason"), ZIPS_REFUSED.values(), ids=ZIPS_REFUSED)
def test_zip_refused(make: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    """A zip that leads outside, lies, bursts or is damaged is refused, and nothing of it is written."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.zip").write_bytes(make())
    with pytest.raises(Unreadable, match=re.escape(reason)):
        stage(tmp_path / "in/x.zip", tmp_path / "in/staged")
    assert below(tmp_path) == {"in/x.zip"}


@pytest.mark.parametrize(("make", "beside", "note"), ZIPS_TAKEN.values(), ids=ZIPS_TAKEN)
def test_zip_taken(make: Callable[[], bytes], beside: set[str], note: str, tmp_path: Path) -> None:
    """A zip with something odd beside vae.py is graded, and the oddity noted."""
    (tmp_path / "x.zip").write_bytes(make())
    staged = stage(tmp_path / "x.zip", tmp_path / "staged")
    assert below(tmp_path / "staged") == {"vae.py", *beside}
    assert note in "\n".join(staged.notes)
    assert bool(note) == bool(staged.notes)


def test_bombs_cost_little(tmp_path: Path) -> None:
    """Bombs of every kind are refused within 100 MiB more than Python takes by itself, and quickly."""
    bombs = {
        "zeros": packed(zipfile.ZIP_DEFLATED, bytes(256 * MIB)),
        "bzip2": packed(zipfile.ZIP_BZIP2, bytes(256 * MIB)),
        "beside": with_info(bytes(256 * MIB), compress_type=zipfile.ZIP_BZIP2),
        "entries": crowded(),
        "zips": zipped({f"{number}/vae.py": VAE for number in range(50_000)}),
    }
    for name, data in bombs.items():
        (tmp_path / f"{name}.zip").write_bytes(data)
    script = """
import resource, sys, pathlib
from autograder.intake import Unreadable, stage
from autograder.notebook import to_python
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = used()
for bomb in sorted(pathlib.Path(sys.argv[1]).glob("*.zip")):
    try:
        print(bomb.name, stage(bomb, bomb.with_suffix("")).notes)
    except Unreadable as reason:
        print(bomb.name, reason)
print((used() - before) // 1024)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path], check=True, capture_output=True, text=True, timeout=60
    )
    *_, mebibytes = run.stdout.split()
    assert int(mebibytes) < 100, run.stdout
