"""Grade a class."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from autograder.commands import common
from autograder.startup import printing

__all__ = ["batch"]

SHOWN = 20  # names, where there may be many


@click.command(short_help="Grade a class: Gradescope's export, or a folder.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the records, the table and the pages go.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Submissions at a time; default: one for each processor."
)
@click.option(
    "--train",
    type=common.TRAIN,
    default="never",
    show_default=True,
    help="The training run, without points, minutes for each submission: never, where there is time, or always.",
)
@click.option(
    "--only",
    metavar="PATTERN",
    help="Only submissions whose name, number, student's name, SID or e-mail address fits, such as 'submission_1*'.",
)
@common.weak_option
@click.option(
    "--data",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="A folder with MNIST; default: where VAE_AUTOGRADER_DATA says, then the cache, then the network.",
)
@click.option("--redo", is_flag=True, help="Grade again what has been graded.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--cluster", metavar="ADDRESS", help="Grade on a dask cluster: its scheduler's address, or local:N."
)
def batch(path: Path, out: Path, **settings: Any) -> None:
    """Grade a class: PATH is Gradescope's export, or a folder of folders, zips and files, or such a zip.

    What OUT has a record of is not graded again, unless the submission or the grader has changed; so a run that was
    stopped goes on where it was. The exit status is 0 when everything is graded, whatever the scores; 2 where there is
    nothing to grade; 3 when the grader failed at some of it, or its files are missing; 130 after Ctrl-C, SIGTERM
    or a closed terminal.
    """
    from rich.console import Console

    from autograder import batch as batches
    from autograder import summary
    from autograder.cluster import ClusterError
    from autograder.files import Unreadable
    from autograder.wording import counted

    try:
        outcome = batches.run(
            path, out, batches.Settings(**{name: value for name, value in settings.items() if value})
        )
    except batches.ArgumentError as error:
        raise click.UsageError(str(error)) from None
    except (Unreadable, ClusterError, OSError) as error:
        raise common.InputError(common.reason(error)) from None
    except KeyboardInterrupt:  # before the first grading, or after the last
        with printing():
            click.echo("\nStopped. The same command goes on.")
        sys.exit(130)
    done, total = len(outcome.records) - len(outcome.faults), len(outcome.submissions)
    if outcome.interrupted:
        go_on = f"{done} of {total} are graded; the same command goes on from there."
        if settings["redo"]:
            go_on = f"{outcome.graded} were graded anew; the others keep the grade that they had, if any."
        with printing():
            click.echo(f"\nStopped: {go_on}")
        sys.exit(130)
    if not settings["quiet"]:
        with printing():
            summary.show(outcome.records)
            summary.show_changes(outcome.earlier, outcome.records)
            summary.show_copies(outcome.records)
            have = f"{done} of {counted(total, 'submission')} {'has' if total == 1 else 'have'} a grade"
            click.echo(f"\n{have}, {outcome.graded} of them from this run. Written to {out}.")
            for names, what in (
                (outcome.missing, "Listed without files, and not graded (is the export whole?)"),
                (outcome.left_out, "Not submissions, and left out"),
                (outcome.strangers, f"In {out}, but of this class no longer, and in no table"),
            ):
                if names:
                    click.echo(f"{what}: {', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)}.")
    elif outcome.faults:
        with printing():
            summary.show_faults(
                {name: outcome.records[name] for name in outcome.faults}, Console(stderr=True)
            )
    sys.exit(3 if outcome.faults or outcome.missing else 0)
