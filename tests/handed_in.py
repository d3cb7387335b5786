"""Submissions as folders and zips, for the tests of intake."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Tree = dict[str, bytes]  # the content of each file, by its relative path
VAE = b"class VAE: pass\n"
MIB = 1 << 20


def make_folder(tree: Tree, at: Path) -> Path:
    """Write these files below a new folder."""
    at.mkdir()
    for name, content in tree.items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return at


def zipped(tree: Tree) -> bytes:
    """The bytes of a zip with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tree.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_zip(tree: Tree, at: Path) -> Path:
    """Write these files into a zip."""
    at = at.with_suffix(".zip")
    at.write_bytes(zipped(tree))
    return at


def below(folder: Path) -> set[str]:
    """The files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
