"""The commands."""

from __future__ import annotations

import gc

# Collecting garbage while torch is imported makes up a quarter of the time that the import takes.
gc.disable()

import contextlib  # noqa: E402
import importlib  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

# More threads only get in each other's way; and where there are several, a fork or Landlock would miss some.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import click  # noqa: E402

from autograder.interpreter import safe_path  # noqa: E402
from autograder.startup import expect_current_folder, prepare, printing  # noqa: E402

if TYPE_CHECKING:
    from autograder.results import Results

GRADESCOPE = Path("/autograder")
PROJECT = Path(__file__).parents[1]


class InputError(click.ClickException):
    """What was given, or what is there, does not serve: told in a sentence."""

    exit_code = 2


class GraderError(click.ClickException):
    """The grader itself failed."""

    exit_code = 3


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
MAX_SEED = (1 << 63) - 1  # torch's
SHOWN = 20  # names, where there may be many


def expect_mnist(_context: click.Context, _option: click.Parameter, data: Path | None) -> Path | None:
    """Refuse a folder in which there is no MNIST."""
    from autograder import mnist

    if data and not mnist.is_in(data):
        raise click.BadParameter(f"there is no MNIST in {data}")
    return data


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="vae-autograder", message="%(package)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Grade VAE homework: one submission, or a class of them."""
    context.with_resource(safe_path())
    prepare()
    try:
        expect_current_folder()
    except OSError as error:
        raise InputError(str(error)) from None


@main.command(short_help="Grade one submission.")
@click.argument("submission", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Where to write results.json."
)
@click.option(
    "--train",
    type=click.Choice(["never", "auto", "always"]),
    default="auto",
    show_default=True,
    help="The training run, which carries no points: never, where there is time for it, or always.",
)
@click.option(
    "--start-method", type=click.Choice(["fork", "spawn"]), help="How the student's process is started."
)
@click.option("--train-seconds", type=click.FloatRange(min=1), help="How long training may take.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=expect_mnist,
    help="A folder with MNIST; default: where VAE_AUTOGRADER_DATA says, then the cache, then the network.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    help="Repeat a grading with the seed that its results.json records.",
)
@click.option(
    "--accept-weak-sandbox", is_flag=True, help="Grade where `autograder doctor` advises against it."
)
def grade(  # noqa: PLR0913 - one for each option
    submission: Path | None,
    results: Path | None,
    train: str,
    start_method: str | None,
    train_seconds: float | None,
    data: Path | None,
    seed: int | None,
    *,
    accept_weak_sandbox: bool,
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
    load_torch()  # only when the arguments are usable
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
                raise GraderError(f"there is no folder {submission}: the platform has not put one there")
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
    shown = visibility.read(PROJECT) if on_gradescope else visibility.Visibility()

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
        accept_weak=accept_weak_sandbox or not on_gradescope,
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
        warn(record, accepted=accept_weak_sandbox)
    leave(3 if record.fault else 0)


@main.command(short_help="Grade a class: Gradescope's export, or a folder.")
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
    type=click.Choice(["never", "auto", "always"]),
    default="never",
    show_default=True,
    help="The training run, without points, minutes for each submission: never, where there is time, or always.",
)
@click.option(
    "--only",
    metavar="PATTERN",
    help="Only submissions whose name, number, student's name, SID or e-mail address fits, such as 'submission_1*'.",
)
@click.option(
    "--accept-weak-sandbox",
    "accept_weak",
    is_flag=True,
    help="Grade where `autograder doctor` advises against it.",
)
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
    nothing to grade; 3 when the grader failed at some of it; 130 after Ctrl-C, SIGTERM or a closed terminal.
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
        raise InputError(reason(error)) from None
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
            have = f"{done} of {counted(total, 'submission')} {'has' if total == 1 else 'have'} a grade"
            click.echo(f"\n{have}, {outcome.graded} of them from this run. Written to {out}.")
            for names, what in (
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
    sys.exit(3 if outcome.faults else 0)


@main.command(short_help="Make the students' files from reference/.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Where to; default: student_template/."
)
def template(out: Path | None) -> None:
    """Make the students' vae.py and vae.ipynb from reference/."""
    from autograder.template import write_template

    try:
        paths = write_template(PROJECT / "reference", out or PROJECT / "student_template")
    except ModuleNotFoundError as error:
        raise InputError(
            f"to make the notebook takes {error.name}, which ./setup.sh --dev installs"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(reason(error)) from None
    for path in paths:
        click.echo(f"written: {path}")


@main.command(short_help="Make the two zips, for Gradescope and for students.")
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
        paths = releases.release(PROJECT, out, shown if shown.hide else Visibility(rows=shown.rows))
    except (ValueError, OSError) as error:
        raise InputError(reason(error)) from None
    for path in paths:
        click.echo(f"written: {path}")


@main.command(short_help="Show a student's notebook as a page that does nothing.")
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
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=expect_mnist,
    help="A folder with MNIST; default: where VAE_AUTOGRADER_DATA says, then the cache, then the network.",
)
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
        raise InputError(reason(error)) from None
    except NurseryError as error:
        raise click.ClickException(str(error)) from None
    for line in (*done.lines, f"Written to {out}."):
        click.echo(line)


@main.command(short_help="Tell what this host can keep student code in with.")
def doctor() -> None:
    """Tell what this host allows to keep student code in with; exit status 1 where only one's own file is safe."""
    load_torch()
    from autograder import doctor as examiner
    from autograder.nursery import NurseryError

    gc.freeze()
    try:
        text, safe = examiner.report(*examiner.examine())
    except (NurseryError, OSError) as error:
        raise click.ClickException(f"No worker can be started here: {reason(error)}") from None
    click.echo(text)
    leave(0 if safe else 1)


@main.command(short_help="Grade known mistakes, and tell what comes out otherwise.")
@click.option("--only", metavar="WORD", default="", help="Only entries whose name or family holds this word.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Entries at a time; default: one for each processor."
)
@click.option(
    "--matrix", is_flag=True, help="Print the whole matrix of rows and entries, not only what is wrong."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def audit(only: str, jobs: int | None, *, matrix: bool, as_json: bool) -> None:
    """Measure the rubric: grade the corpus of tests/, whose verdicts are known, and tell what came out otherwise.

    The exit status is 0 when every entry lost its rows and no others, in words that name its mistake; else 1.
    """
    from autograder import audit as auditor

    corpus = Path(__file__).parents[1] / "tests" / "corpus"
    if not corpus.is_dir():
        raise click.UsageError("the corpus is a part of the repository, and not of what is handed out")
    sys.path.append(str(corpus.parent))
    import corpus as known

    chosen = [entry for entry in known.entries() if only in f"{entry.family} {entry.name}"]
    if not chosen:
        raise click.UsageError(f"no entry has {only!r} in its name")
    findings = auditor.run(chosen, jobs or 0, quiet=as_json)
    wrong = [finding for finding in findings if not finding.right]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(findings).decode())
    else:
        shown = findings if matrix else wrong
        click.echo("\n\n".join([*([auditor.table(shown)] if shown else []), *(f.said for f in wrong)]))
        click.echo(f"\n{auditor.totals(findings)}")
    leave(1 if wrong else 0)


def load_torch() -> None:
    """Import torch, and where that fails, say so: it has nothing to do with what is graded."""
    try:
        importlib.import_module("torch")
    except (ImportError, MemoryError, OSError) as error:
        raise GraderError(
            f"PyTorch cannot be loaded here: {error}. Is memory limited (ulimit -v), or was ./setup.sh not run?"
        ) from None


def expect_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work is done for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"{path} could not be written: {error.strerror or error}") from None


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


def reason(error: Exception) -> str:
    """Say what went wrong, of a file without the error's number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if "AF_UNIX path too long" in str(error):
        return (
            f"the path of the temporary folder is too long for sockets: set TMPDIR to a shorter one ({error})"
        )
    return str(error)


def show_line(text: str) -> None:
    """Show a line on the terminal in the place of the one before."""
    width = shutil.get_terminal_size().columns - 1
    with contextlib.suppress(OSError):
        click.echo(f"\r\x1b[2K{text[:width]}", nl=False, err=True)


def leave(code: int) -> None:
    """End the process at once: taking torch apart piece by piece takes a fifth of the time that importing it took."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run_autograder() -> None:
    """Do what ./run_autograder does: `grade`, by that name."""
    prepare()
    grade(prog_name="./run_autograder", **SETTINGS)


if __name__ == "__main__":
    main()
