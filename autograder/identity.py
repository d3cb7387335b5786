"""Which grader this is: the versions and the code that a verdict depends on."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["hash_of", "hash_of_grader", "hash_of_rubric", "versions"]

PACKAGES = ("torch", "numpy", "pytest", "safetensors", "vae-autograder")


@functools.cache
def versions() -> dict[str, str]:
    """List the versions that the verdict may depend on."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@functools.cache
def hash_of_grader() -> str:
    """Hash all of the grader's code, so that a record tells by which it was made."""
    return hash_of(Path(__file__).parent)


@functools.cache
def hash_of_rubric() -> str:
    """Hash the rubric alone, which the students' check has too: where both are equal, both ask for the same."""
    return hash_of(Path(__file__).parent / "rubric")


def hash_of(folder: Path) -> str:
    """Hash the modules below a folder and their names; returns 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
