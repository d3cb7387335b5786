"""Tell what this host can keep student code in with."""

from __future__ import annotations

import gc

import click

from autograder.commands import common

__all__ = ["doctor"]


@click.command(short_help="Tell what this host can keep student code in with.")
def doctor() -> None:
    """Tell what this host allows to keep student code in with; exit status 1 where only one's own file is safe."""
    common.load_torch()
    from autograder import doctor as examiner
    from autograder.nursery import NurseryError

    gc.freeze()
    try:
        text, safe = examiner.report(*examiner.examine())
    except (NurseryError, OSError) as error:
        raise click.ClickException(f"No worker can be started here: {common.reason(error)}") from None
    click.echo(text)
    common.leave(0 if safe else 1)
