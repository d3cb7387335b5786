"""Grade one submission."""

from __future__ import annotations

import contextlib
import gc
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograder.commands import common
from autograder.startup import printing

if TYPE_CHECKING:
    from autograder.results import Results

__all__ = ["grade"]

GRADESCOPE = Path("/autograder")
MAX_SEED = (1 << 63) - 1  # torch's


@click.command(short_help="Grade one submission.")
@click.argument("submission", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Where to write results.json."
)
@click.option(
    "--train",
    type=common.TRAIN,
    default="auto",
    show_default=True,
    help="The training run, which carries no points: never, where there is time for it, or always.",
)
@click.option(
    "--start-method", type=click.Choice(["fork", "spawn"]), help="How the student's process is started."
)
@click.option("--train-seconds", type=click.FloatRange(min=1), help="How long training may take.")
@common.data_option
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    help="Repeat a grading with the seed that its results.json records.",
)
@common.weak_option
def grade(  # noqa: PLR0913 - one for each option
    submission: Path | None,
    results: Path | None,
    train: str,
    start_method: str | None,
    train_seconds: float | None,
    data: Path | None,
    seed: int | None,
    *,
    accept_weak: bool,
) -> None:
    """Grade SUBMISSION: a folder, a zip, a vae.py or a notebook.

    Without SUBMISSION, inside Gradescope's container, its paths are used. The exit status is 0 when results.json was
    written and holds a verdict, whatever the score; 2 for unusable arguments; 3 when the grader itself failed, which
    results.json then says.
    """
    from autograder.roster import KINDS

    if submission and not (
        submission.is_dir() or (submission.is_file() and submission.suffix.lower() in KINDS)
    ):
        raise click.UsageError(f"{submission} is not a folder, a zip, a .py file or a notebook")
    common.load_torch()  # only when the arguments are usable
    from autograder import grade as grading
    from autograder import results as records
    from autograder import visibility
    from autograder.schedule import Schedule, Settings

    gc.freeze()
    on_gradescope = submission is None
    if submission is None:
        submission = (GRADESCOPE / "submission").resolve()  # it may be a link, of the platform's
        results = results or GRADESCOPE / "results" / "results.json"
        if not submission.is_dir():
            if GRADESCOPE.is_dir():
                raise common.GraderError(
                    f"there is no folder {submission}: the platform has not put one there"
                )
            raise click.UsageError("give a SUBMISSION: a folder, a zip, a vae.py or a notebook")
    results = results or Path("results.json")
    if not on_gradescope:  # there, grading goes on, for what is printed
        expect_writable(results)
    schedule = Schedule(budget=train_seconds) if train_seconds else Schedule()
    training = Settings(
        data=data,
        schedule=schedule,
        folder=results.with_name(f"{results.stem}-training"),
        embed=on_gradescope,
        progress=show_line if sys.stderr.isatty() else None,
        end=time.monotonic() + schedule.run if on_gradescope else math.inf,
    )
    shown = visibility.read(common.PROJECT) if on_gradescope else visibility.Visibility()

    def put(record: records.Results) -> None:
        shown.apply(record)
        records.write(results, record)

    def put_beforehand(record: records.Results) -> None:
        with contextlib.suppress(OSError):  # as the end of the grading will say
            put(record)

    options = grading.Options(
        train=train,
        method=start_method or "",
        seed=seed,
        training=training,
        accept_weak=accept_weak or not on_gradescope,
        # Gradescope may end the container in the middle of the training run: the verdict does not rest on that.
        beforehand=put_beforehand if on_gradescope else None,
    )
    record = grading.grade(submission, options)
    try:
        put(record)
    except OSError as error:
        raise click.ClickException(f"{results} could not be written: {error.strerror or error}") from None

    from autograder import table

    with printing():
        table.show(record, results)
        warn(record, accepted=accept_weak)
    common.leave(3 if record.fault else 0)


def expect_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work is done for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise common.InputError(f"{path} could not be written: {error.strerror or error}") from None


def warn(record: Results, *, accepted: bool) -> None:
    """Warn whoever graded a file by hand where too few layers held; say plainly why there is no grade."""
    from autograder.confine import is_safe
    from autograder.summary import fault_of

    weak = next(
        (row.extra_data["fault"] for row in record.tests if "WeakError" in row.extra_data.get("fault", "")),
        "",
    )
    if weak or record.fault:
        click.echo(weak or f"The grader itself failed: {fault_of(record)}", err=True)
    elif "layers" in record.extra_data and not is_safe(record.extra_data["layers"]) and not accepted:
        click.echo(
            "Warning: here, code that is graded can read and change files of yours: grade only your own. ",
            err=True,
        )
        click.echo("`autograder doctor` says why.", err=True)


def show_line(text: str) -> None:
    """Show a line on the terminal in the place of the one before."""
    width = shutil.get_terminal_size().columns - 1
    with contextlib.suppress(OSError):
        click.echo(f"\r\x1b[2K{text[:width]}", nl=False, err=True)
