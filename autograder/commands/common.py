"""What several commands do: refuse what does not serve, load torch, and end."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path

import click

__all__ = [
    "PROJECT",
    "TRAIN",
    "GraderError",
    "InputError",
    "data_option",
    "leave",
    "load_torch",
    "reason",
    "weak_option",
]

PROJECT = Path(__file__).parents[2]


class InputError(click.ClickException):
    """What was given, or what is there, does not serve: told in a sentence."""

    exit_code = 2


class GraderError(click.ClickException):
    """The grader itself failed."""

    exit_code = 3


def expect_mnist(_context: click.Context, _option: click.Parameter, data: Path | None) -> Path | None:
    """Refuse a folder in which there is no MNIST."""
    from autograder import mnist

    if data and not mnist.is_in(data):
        raise click.BadParameter(f"there is no MNIST in {data}")
    return data


TRAIN = click.Choice(["never", "auto", "always"])
weak_option = click.option(
    "--accept-weak-sandbox",
    "accept_weak",
    is_flag=True,
    help="Grade where `autograder doctor` advises against it.",
)
data_option = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=expect_mnist,
    help="A folder with MNIST; default: where VAE_AUTOGRADER_DATA says, then the cache, then the network.",
)


def load_torch() -> None:
    """Import torch, and where that fails, say so: it has nothing to do with what is graded."""
    try:
        importlib.import_module("torch")
    except (ImportError, MemoryError, OSError) as error:
        raise GraderError(
            f"PyTorch cannot be loaded here: {error}. Is memory limited (ulimit -v), or was ./setup.sh not run?"
        ) from None


def reason(error: Exception) -> str:
    """Say what went wrong, of a file without the error's number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if "AF_UNIX path too long" in str(error):
        return (
            f"the path of the temporary folder is too long for sockets: set TMPDIR to a shorter one ({error})"
        )
    return str(error)


def leave(code: int) -> None:
    """End the process at once: taking torch apart piece by piece takes a fifth of the time that importing it took."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
