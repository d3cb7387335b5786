"""Planting: zips that lead outside, unpack without end, or are not what their table of contents says."""

from __future__ import annotations

import io
import json
import stat
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from .case import ALL, NONE, Hostile
from .solutions import REFERENCE, WRONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .case import Fill

    Pack = Callable[[zipfile.ZipFile, Fill], None]

__all__ = ["CASES"]

RIGHT, FALSE = REFERENCE.encode(), WRONG.encode()
SLIPPED = b"BREACHED[@MARK@] unpacked outside\n"
LINK = (stat.S_IFLNK | 0o777) << 16


def zipped(
    name: str,
    keeps: frozenset[str] = NONE,
    earns: frozenset[str] = NONE,
    change: Callable[[bytes], bytes] = bytes,
    method: int = zipfile.ZIP_DEFLATED,
) -> Callable[[Pack], Pack]:
    """Make a case of a function that packs a zip; change turns the finished zip into another."""

    def register(pack: Pack) -> Pack:
        def build(folder: Path, fill: Fill) -> Path:
            path = folder / "submission.zip"
            with zipfile.ZipFile(path, "w", method, strict_timestamps=False) as archive:
                pack(archive, fill)
            if change is not bytes:
                path.write_bytes(change(path.read_bytes()))
            return path

        harm = ("canary", "neighbour", "sources", "time", "memory", "disk")
        brief = name not in LONG and " is said to be " not in name
        CASES.append(Hostile(f"zip {name}", "planting", build, keeps, earns=earns, harm=harm, brief=brief))
        return pack

    return register


# The short run leaves these out, and most that have one number wrong.
LONG = {
    *(
        "that climbs after a while",
        "that climbs with backslashes",
        "with a network path",
        "that climbs to conftest.py",
    ),
    *("whose vae.py is a device", "whose vae.py is a disk", "whose vae.py is a socket", "packed by LZMA"),
    *("with vae.py as a link to another of its files", "with names that differ in case only"),
    *("with folders 1000 deep", "whose vae.py unpacks to 128 MiB by bzip2", "with set-user-ID bits"),
}


def with_right(*entries: tuple[str, bytes], mode: int = 0) -> Pack:
    """Return a packer of the right solution and of other entries."""

    def pack(archive: zipfile.ZipFile, fill: Fill) -> None:
        archive.writestr("vae.py", RIGHT)
        for name, contents in entries:
            info = entry(fill(name.encode()).decode())
            info.external_attr = mode
            archive.writestr(info, fill(contents))

    return pack


def entry(name: str) -> zipfile.ZipInfo:
    """Make an entry whose name zipfile does not tidy."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


def handed(
    name: str, contents: Callable[[], bytes], keeps: frozenset[str] = NONE, *, called: str = ""
) -> None:
    """Make a case of a file handed in as it is, called submission.zip or otherwise."""

    def build(folder: Path, fill: Fill) -> Path:
        path = folder / (called or "submission.zip")
        path.write_bytes(fill(contents()))
        return path

    harm = ("time", "memory", "disk", "display")
    CASES.append(Hostile(name, "planting", build, keeps, harm=harm, brief="JSON" in name or "over" in name))


CASES: list[Hostile] = []

OUTSIDE = {
    "that climbs": "../slipped-@MARK@",
    "that climbs far": "../" * 30 + "tmp/slipped-@MARK@",
    "that climbs after a while": "a/b/../../../slipped-@MARK@",
    "with an absolute path": "/tmp/slipped-@MARK@",
    "that climbs with backslashes": "..\\..\\slipped-@MARK@",
    "with a drive": "C:\\slipped-@MARK@",
    "with a network path": "\\\\server\\slipped-@MARK@",
    "that names the neighbour's results": "@NEIGHBOUR@/results.json",
    "that climbs to conftest.py": "../conftest.py",
}
for how, name in OUTSIDE.items():
    zipped(how, ALL)(with_right((name, SLIPPED)))

for kind, mode in {
    "a link": LINK,
    "a FIFO": (stat.S_IFIFO | 0o666) << 16,
    "a device": (stat.S_IFCHR | 0o666) << 16,
    "a disk": (stat.S_IFBLK | 0o666) << 16,
    "a socket": (stat.S_IFSOCK | 0o666) << 16,
}.items():

    @zipped(f"whose vae.py is {kind}")
    def _special(archive: zipfile.ZipFile, fill: Fill, mode: int = mode) -> None:
        info = zipfile.ZipInfo("vae.py")
        info.external_attr = mode
        archive.writestr(info, fill(b"@ROOT@/reference/vae.py"))


zipped("with a link to the canary beside vae.py", ALL, ALL)(with_right(("data.txt", b"@CANARY@"), mode=LINK))
zipped("with set-user-ID bits", ALL, ALL)(
    with_right(("tool", b"#!/bin/sh\n"), mode=(stat.S_IFREG | 0o6777) << 16)
)


@zipped("with a link to a folder outside and a file in it", ALL)
def _through(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    info = zipfile.ZipInfo("out")
    info.external_attr = LINK
    archive.writestr(info, fill(b"@NEIGHBOUR@"))
    archive.writestr("out/slipped-@MARK@", fill(SLIPPED))
    archive.writestr("out/results.json", b"{}")


@zipped("with vae.py as a link to another of its files")
def _inner_link(archive: zipfile.ZipFile, fill: Fill) -> None:
    info = zipfile.ZipInfo("vae.py")
    info.external_attr = LINK
    archive.writestr(info, b"../../reference/vae.py")
    archive.writestr("other.py", FALSE)


@zipped("with vae.py twice, the wrong one first")
def _twice(archive: zipfile.ZipFile, fill: Fill) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for contents in (FALSE, RIGHT):
            archive.writestr("vae.py", contents)


@zipped("with vae.py as a file and as a folder", ALL)
def _both(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    archive.writestr("vae.py/__init__.py", SLIPPED)


@zipped("with names that differ in case only", ALL)
def _case(archive: zipfile.ZipFile, fill: Fill) -> None:
    for name, contents in (("VAE.py", FALSE), ("vae.py", RIGHT), ("Vae.PY", FALSE)):
        archive.writestr(name, contents)


@zipped("with odd names", ALL)
def _odd(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    for name in (
        "\x1b[2J\nx",
        "\u202eyp.eav",
        "",
        ".",
        "/",
        "a//b",
        " ",
        "x" * 60_000,
        "<b>",
        "[/red]",
        "\x00x",
        "-rf",
    ):
        archive.writestr(entry(name), b"x")


@zipped("with folders 1000 deep", ALL)
def _deep(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    archive.writestr("d/" * 1000 + "x", b"x")


@zipped("with 50000 entries", ALL, method=zipfile.ZIP_STORED)
def _many(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    for number in range(50_000):
        archive.writestr(f"{number}", b"")


@zipped("whose vae.py unpacks to 512 MiB")
def _bomb(archive: zipfile.ZipFile, fill: Fill) -> None:
    with archive.open("vae.py", "w") as file:
        for _ in range(512):
            file.write(b"#" * (1 << 20))


@zipped("whose data unpack to 512 MiB", ALL)
def _data_bomb(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)
    for number in range(16):
        archive.writestr(f"data-{number}", bytes(32 << 20))


@zipped("whose vae.py unpacks to 128 MiB by bzip2", method=zipfile.ZIP_BZIP2)
def _bzip2(archive: zipfile.ZipFile, fill: Fill) -> None:
    with archive.open("vae.py", "w") as file:
        for _ in range(128):
            file.write(b"#" * (1 << 20))


@zipped("packed by LZMA", ALL, method=zipfile.ZIP_LZMA)
def _lzma(archive: zipfile.ZipFile, fill: Fill) -> None:
    archive.writestr("vae.py", RIGHT)


@zipped("in a zip in a zip, eight deep", ALL)
def _nested(archive: zipfile.ZipFile, fill: Fill) -> None:
    data = RIGHT
    name = "vae.py"
    for _ in range(8):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as nested:
            nested.writestr(name, data)
        data, name = inner.getvalue(), "submission.zip"
    archive.writestr(name, data)


def patched(field: str, value: int) -> Callable[[bytes], bytes]:
    """Return a change of one field in every entry of the table of contents, and in the first header."""
    # name: offset and format in the central entry, offset in the local header
    at, form, local = {
        "flags": (8, "<H", 6),
        "method": (10, "<H", 8),
        "date": (14, "<H", 12),
        "crc": (16, "<I", 14),
        "packed": (20, "<I", 18),
        "size": (24, "<I", 22),
        "offset": (42, "<I", -1),
    }[field]

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        found = data.find(b"PK\x01\x02")
        while found >= 0:
            struct.pack_into(form, changed, found + at, value)
            found = data.find(b"PK\x01\x02", found + 46)
        if local >= 0:
            struct.pack_into(form, changed, local, value)
        return bytes(changed)

    return change


for field, value, keeps in (
    ("flags", 1, NONE),  # encrypted
    ("method", 97, NONE),
    ("method", 0, NONE),
    ("date", 0, ALL),  # month 0
    ("date", 0xFFFF, ALL),
    ("crc", 0, NONE),
    ("packed", 0xFFFFFFFE, ALL),  # which only newer Pythons mind: what it holds is right
    ("size", 0xFFFFFFFE, NONE),
    ("size", 10, NONE),
    ("offset", 0xFFFFFFFE, NONE),
    ("offset", 1, NONE),
):
    zipped(f"whose {field} is said to be {value}", keeps, change=patched(field, value))(with_right())


def overlapping() -> bytes:
    """Pack 2000 entries that share one piece of 4 MiB: 8 GiB in all, were it unpacked."""
    data = bytes(4 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    fixed = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, zlib.crc32(data), len(packed), len(data), 4, 0)
    local = b"PK\x03\x04" + fixed + b"data" + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + fixed + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"data"
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2000, 2000, len(central) * 2000, len(local), 0)
    return local + central * 2000 + end


def small() -> bytes:
    """Pack the right solution."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("vae.py", RIGHT)
    return packed.getvalue()


def remote() -> bytes:
    """Pack a zip whose only file is said to begin where no file can be sought, in a zip."""
    far, packed = struct.pack("<HHQ", 1, 8, (1 << 64) - 1), io.BytesIO()
    name = b"vae.py" + far
    fixed = (20, 20, 0, 0, 0, 33, 0, 0, 0, 6, len(far), 0, 0, 0, 0, 0xFFFF_FFFF)
    central = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fixed) + name
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), 0, 0)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("submission.zip", central + end)
    return packed.getvalue()


def tarred() -> bytes:
    """Pack the right solution and a way out as a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, contents in (("vae.py", RIGHT), ("../slipped-@MARK@", SLIPPED)):
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
    return packed.getvalue()


def notebook(*cells: Any, **more: Any) -> bytes:
    """Make a notebook, well-formed or not."""
    made = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": c}
        for c in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


handed("zip of 2000 entries over one another", overlapping)
handed("zip in a zip whose file begins over 2**63 bytes away", remote)
handed("zip of nothing", lambda: b"")
handed("zip with an end and no beginning", lambda: b"PK\x05\x06" + bytes(18))
handed("zip cut in the middle", lambda: small()[: len(small()) // 2])
handed("zip without its table", lambda: small()[: small().find(b"PK\x01\x02")])
handed("zip behind 1 MB of something else", lambda: b"#!/bin/sh\n" * 100_000 + small(), ALL)
handed("zip before a second table", lambda: small() + small(), ALL)
handed(
    "zip with a table said to hold 65535", lambda: small()[:-14] + b"\xff\xff\xff\xff" + small()[-10:], ALL
)
handed("zip that is a tar", tarred)
handed("zip that is text", lambda: b"vae.py\n" * 1000)
handed("zip that is random", lambda: bytes((i * 7919 >> 3) & 255 for i in range(50_000)))
handed("a file of another kind", lambda: b"%PDF-1.7\n", called="submission.pdf")
handed("a notebook whose JSON is 100000 deep", lambda: b'{"cells": ' + b"[" * 100_000, called="vae.ipynb")
handed(
    "a notebook whose JSON is 100000 deep and has a class VAE",
    lambda: b'{"x": "class VAE", "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    called="vae.ipynb",
)
handed(
    "a notebook of no JSON with a class VAE",
    lambda: b"class VAE: pass\nclass CVAE: pass\n",
    called="vae.ipynb",
)
handed(
    "a notebook that is an int of 100000 digits", lambda: b"9" * 100_000 + b"class VAE", called="vae.ipynb"
)
handed("a notebook whose cells are numbers", lambda: notebook(1, None, {"class VAE": []}), called="vae.ipynb")
handed(
    "a notebook of format 10**30", lambda: notebook("class VAE: pass", nbformat=10**30), called="vae.ipynb"
)
handed(
    "a notebook whose source folds into gigabytes",
    lambda: notebook("class VAE: pass\nx = " + "+".join(["'a' * 4096"] * 1000)),
    called="vae.ipynb",
)
handed(
    "a notebook whose source is 100000 brackets",
    lambda: notebook("class VAE: pass\nx = " + "(" * 100_000),
    called="vae.ipynb",
)
handed(
    "a notebook with shell lines and magics in it",
    lambda: notebook(
        "!touch /tmp/planted-@MARK@\n%run evil.py\nget_ipython().system('touch /tmp/planted-@MARK@')",
        "%%bash\ntouch /tmp/planted-@MARK@",
        "%%writefile /tmp/planted-@MARK@\nx",
        "open('/tmp/planted-@MARK@', 'w')",
        REFERENCE,
    ),
    ALL,
    called="vae.ipynb",
)
handed(
    "a notebook with a template and an exporter of its own",
    lambda: notebook(
        "class VAE: pass",
        metadata={
            "nbconvert": {"template_file": "/etc/passwd"},
            "kernelspec": {"name": "../../x", "language": "sh"},
        },
    ),
    called="vae.ipynb",
)
