"""Show a notebook as a page."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import click

from autograder.commands import common

__all__ = ["notebook"]


@click.command(short_help="Show a student's notebook as a page that does nothing.")
@click.argument("submission", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--execute", is_flag=True, help="Run all cells first, in the sandbox, with its vae.py beside it."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="notebook.html",
    show_default=True,
    help="Where the page goes.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="How long all cells may take.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=100),
    default=2000,
    show_default=True,
    help="How many MB they may use.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="How long the assignment's notebook trains.",
)
@common.data_option
@click.option(
    "--accept-weak-sandbox", is_flag=True, help="Run it where `autograder doctor` advises against it."
)
def notebook(
    submission: Path, out: Path, *, execute: bool, accept_weak_sandbox: bool, **settings: Any
) -> None:
    """Show SUBMISSION's notebook as a page that does nothing, as it was handed in or run again from top to bottom.

    SUBMISSION is a folder, a zip or a notebook. A check() in it is not run; what it would say, `grade` says. The exit
    status is 0 when the page was written, whatever the cells did.
    """
    from autograder import execution
    from autograder.files import Unreadable
    from autograder.nursery import NurseryError
    from autograder.results import put

    gc.freeze()
    try:
        if execute:
            done = execution.execute(
                submission, execution.Settings(strict=not accept_weak_sandbox, **settings)
            )
        else:
            lines = ("As it was handed in: nothing of it was run here.",)
            done = execution.Executed(execution.saved(submission), lines)
        out.parent.mkdir(parents=True, exist_ok=True)
        put(out, execution.page(done.notebook, done.lines).encode("utf-8", "replace"))
    except (Unreadable, OSError) as error:
        raise common.InputError(common.reason(error)) from None
    except NurseryError as error:
        raise click.ClickException(str(error)) from None
    for line in (*done.lines, f"Written to {out}."):
        click.echo(line)
