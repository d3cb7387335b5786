"""Make what is handed out: the students' files, and the two zips."""

from __future__ import annotations

from pathlib import Path

import click

from autograder.commands import common

__all__ = ["release", "template"]


@click.command(short_help="Make the students' files from reference/.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Where to; default: student_template/."
)
def template(out: Path | None) -> None:
    """Make the students' vae.py and vae.ipynb from reference/."""
    from autograder.template import write_template

    try:
        paths = write_template(common.PROJECT / "reference", out or common.PROJECT / "student_template")
    except ModuleNotFoundError as error:
        raise common.InputError(
            f"to make the notebook takes {error.name}, which ./setup.sh --dev installs"
        ) from None
    except (ValueError, OSError) as error:
        raise common.InputError(common.reason(error)) from None
    for path in paths:
        click.echo(f"written: {path}")


@click.command(short_help="Make the two zips, for Gradescope and for students.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where the two zips go."
)
@click.option(
    "--visibility",
    type=click.Choice(["visible", "after_due_date", "after_published", "hidden"]),
    default="visible",
    show_default=True,
    help="When students see the rows on Gradescope.",
)
@click.option(
    "--hide", metavar="ROW", multiple=True, help="Never show this row, such as 6.3; may be given again."
)
@click.option(
    "--due", is_flag=True, help="Show the rows of --hide after the due date; without --hide, all rows."
)
def release(out: Path, visibility: str, hide: tuple[str, ...], *, due: bool) -> None:
    """Make autograder.zip, for Gradescope, and student.zip, for students; the same project gives the same bytes."""
    from autograder import release as releases
    from autograder.visibility import Visibility

    if due and not hide and visibility != "visible":
        raise click.UsageError("--due without --hide and --visibility say different things: give one of them")
    try:
        shown = Visibility(
            rows="after_due_date" if due and not hide else visibility,
            hide=hide,
            hidden="after_due_date" if due else "hidden",
        )
        paths = releases.release(common.PROJECT, out, shown if shown.hide else Visibility(rows=shown.rows))
    except (ValueError, OSError) as error:
        raise common.InputError(common.reason(error)) from None
    for path in paths:
        click.echo(f"written: {path}")
