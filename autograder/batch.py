"""A class of submissions: each graded once, recorded, and shown together."""

from __future__ import annotations

import contextlib
import fnmatch
import shutil
import signal
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autograder import cluster, gradebook, intake, ledger, results
from autograder.cores import cores
from autograder.lane import Graded, Lanes, Task, open_server
from autograder.progress import Progress
from autograder.results import Results
from autograder.startup import ENDING, unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from autograder.intake import Submission

__all__ = ["ArgumentError", "Outcome", "Settings", "run"]


SHOWN = 20  # names, where a pattern fits none


class ArgumentError(Exception):
    """There is nothing to grade, or nowhere to put it."""


@dataclass(frozen=True)
class Settings:
    """How to grade a class."""

    jobs: int = 0  # submissions at a time; 0: as many as there are processors
    train: str = "never"  # or auto, or always
    only: str = ""  # a pattern for names, numbers, students' names, e-mail addresses and SIDs; none means all
    redo: bool = False  # grade again what has been graded
    quiet: bool = False
    accept_weak: bool = False  # grade where the sandbox is too weak for files by others
    data: Path | None = None  # where MNIST is; None: where VAE_AUTOGRADER_DATA says, the cache, the network
    cluster: str = ""  # the address of a dask scheduler, or local:N


@dataclass
class Outcome:
    """What has come of a run: the class in order, each with its record if there is one."""

    submissions: Sequence[Submission]
    records: dict[str, Results]  # by name; with those of the grader's own faults
    earlier: dict[str, Results]  # what this run was to grade anew, as it was graded before
    graded: int = 0  # in this run
    interrupted: bool = False
    strangers: Sequence[str] = ()  # names of records in the same place, of no submission of this class
    left_out: Sequence[str] = ()  # names of files beside the submissions that are none
    missing: list[str] = field(default_factory=list)  # names of submissions without files

    @property
    def faults(self) -> list[str]:
        """The names of submissions that the grader has failed at."""
        return [s.name for s in self.submissions if s.name in self.records and self.records[s.name].fault]


def run(path: Path, out: Path, settings: Settings) -> Outcome:
    """Grade a class: what `path` holds that has no current record in `out`.

    Raises ArgumentError where nothing fits, intake.Unreadable where the path as a whole cannot be taken, and OSError
    where `out` cannot be written, or another run is writing there.
    """
    expect_apart(path, out)
    expect_data(settings)
    new = not out.exists()
    (out / "results").mkdir(parents=True, exist_ok=True)
    try:
        return grade_into(path, out, settings)
    except ArgumentError:
        if new:
            shutil.rmtree(out, ignore_errors=True)
        raise


def grade_into(path: Path, out: Path, settings: Settings) -> Outcome:
    """Grade it into a folder that is there."""
    with ledger.claimed(out), tempfile.TemporaryDirectory(prefix=".work-", dir=out) as work:
        submissions = intake.submissions(path, Path(work))
        expect_some(path, submissions, settings.only)
        keys = {s.name: ledger.key(s) for s in submissions}
        names = {s.name for s in submissions}
        strangers = sorted({path.stem for path in (out / "results").glob("*.json")} - names)
        outcome = Outcome(
            submissions, {}, {}, strangers=strangers, left_out=intake.left_out(path, Path(work))
        )
        wanted, before = [], dict[str, Results]()
        for submission in submissions:
            name = submission.name
            there = ledger.read_if_there(ledger.record_path(out, name))
            if submission.missing:  # an export that is not whole: what it had before stays
                outcome.missing.append(name)
                outcome.records |= {name: there} if there else {}
                continue
            record = ledger.if_current(there, keys[name])
            current = record and not settings.redo and ledger.suffices(record, settings.train)
            if matches(submission, settings.only) and not current:
                wanted.append(submission)
                before |= {name: record} if record else {}
                outcome.earlier |= {name: there} if there else {}
            elif record or (
                record := ledger.if_current(ledger.read_if_there(ledger.fault_path(out, name)), keys[name])
            ):
                outcome.records[name] = record
        with (
            Progress(len(wanted), quiet=settings.quiet) as progress,
            closing(grade_all(wanted, settings)) as gradings,
        ):
            try:
                for submission, graded in gradings:
                    name = submission.name
                    graded.record.extra_data |= {"key": keys[name], "train": settings.train}
                    ledger.save(out, name, graded)
                    outcome.records[name] = graded.record
                    outcome.graded += 1
                    progress.advance(label(submission), graded.record)
            except KeyboardInterrupt:
                outcome.interrupted = True
                outcome.records = before | outcome.records  # what was not graded anew keeps its grade
        report(out, outcome)
    return outcome


def expect_apart(path: Path, out: Path) -> None:
    """Expect that what is written will not be taken for submissions, or for a part of one."""
    place, root = out.resolve(), path.resolve()
    # A folder right in that of the class is none of its submissions: the roster leaves it out.
    if place.is_relative_to(root) and (place.parent != root or (root / "vae.py").is_file()):
        raise ArgumentError(f"--out {out} lies among what is to be graded: give a folder outside of {path}")


def expect_data(settings: Settings) -> None:
    """Expect MNIST in the folder that is given for it; the nodes of a cluster have folders of their own."""
    if not settings.data or settings.cluster:
        return
    from autograder import mnist  # torch: only where it is asked for

    if not mnist.is_in(settings.data):
        raise ArgumentError(f"--data: there is no MNIST in {settings.data}")


def expect_some(path: Path, submissions: Sequence[Submission], pattern: str) -> None:
    """Expect submissions, and some that the pattern fits."""
    if not submissions:
        raise ArgumentError(f"{path} holds no submissions: no folders, zips, .py files or notebooks")
    if not any(matches(submission, pattern) for submission in submissions):
        names = [gradebook.title(submission) for submission in submissions]
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        raise ArgumentError(f"--only {pattern} fits none of {len(names)} submissions: {shown}")


def grade_all(
    submissions: Sequence[Submission], settings: Settings
) -> Generator[tuple[Submission, Graded], None, None]:
    """Grade submissions, several at a time, and give each with what came of it as it is finished.

    Those for which there was no memory, or no time, beside the others come last, one at a time.
    """
    crowded = []
    with closing(grade_each(submissions, settings)) as gradings:
        for submission, graded in gradings:
            if settings.cluster or settings.jobs == 1 or not ran_short(graded.record):
                yield submission, graded
            else:
                crowded.append(submission)
    with closing(grade_each(crowded, replace(settings, jobs=1))) as gradings:
        yield from gradings


def ran_short(record: Results) -> bool:
    """Tell whether student code ended for want of memory, or of time to compute, which others may have taken."""
    return any(
        row.extra_data.get("ending") in (results.OUT_OF_MEMORY, results.STARVED) for row in record.tests
    )


def grade_each(
    submissions: Sequence[Submission], settings: Settings
) -> Generator[tuple[Submission, Graded], None, None]:
    """Grade submissions, several at a time, and give each with what came of it as it is finished."""
    if not submissions:
        return
    waiting = iter(submissions)
    running: dict[Future[bytes], Submission] = {}
    if settings.cluster:
        opened = cluster.crew(settings.cluster)
    else:
        opened = crew(min(settings.jobs or cores(), len(submissions)))
    with opened as (submit, places):
        while True:
            for submission in waiting:
                task = Task(
                    submission.name,
                    submission.source,
                    submission.notes,
                    settings.train,
                    data=settings.data,
                    accept_weak=settings.accept_weak,
                )
                running[submit(task)] = submission
                if len(running) >= places:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), graded_of(future)


@contextmanager
def crew(jobs: int) -> Iterator[tuple[Callable[[Task], Future[bytes]], int]]:
    """Open lanes; gives how to have a task performed, and how many tasks to keep at hand."""
    with undisturbed():  # what ignores Ctrl-C when it is started does so from its first line
        open_server()
    lanes = Lanes()
    with ThreadPoolExecutor(jobs) as executor:
        try:
            yield (lambda task: executor.submit(lanes.perform, task)), 2 * jobs
        finally:
            with undisturbed():
                executor.shutdown(wait=False, cancel_futures=True)
                lanes.close()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no Ctrl-C break off what is being done."""
    before = {number: signal.signal(number, unheard) for number in (signal.SIGINT, *ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def graded_of(future: Future[bytes]) -> Graded:
    """Return what a future holds; where that is nothing, a record that says why."""
    try:
        return msgspec.msgpack.decode(future.result(), type=Graded)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and the others must be graded
        record = Results(
            score=0.0,
            output="Not graded: the autograder itself failed.",
            output_format="text",
            tests=[],
            extra_data={"grader_fault": results.clean(f"{type(error).__name__}: {error}")},
        )
        return Graded(record)


def label(submission: Submission) -> str:
    """Return what a submission is called on the terminal: with whose it is, where that is known."""
    title = gradebook.title(submission)
    return f"{submission.name} ({title})" if submission.submitters else title


def matches(submission: Submission, pattern: str) -> bool:
    """Tell whether a pattern fits a submission's name, number, or one of its submitters; none fits all.

    Capital and small letters are alike, and a first or a last name is enough.
    """
    words = [submission.name, gradebook.own_name(submission), submission.submission_id]
    for submitter in submission.submitters:
        words += [submitter.name, *submitter.name.split(), submitter.email, submitter.sid]
    return not pattern or any(
        word and fnmatch.fnmatchcase(word.casefold(), pattern.casefold()) for word in words
    )


def report(out: Path, outcome: Outcome) -> None:
    """Write the table and the pages."""
    from autograder import report as pages

    def complete(entry: pages.Entry) -> pages.Entry:
        source, notebook = files_of(entry.submission)
        shown = ledger.pictures_of(out, entry.results)
        return replace(entry, source=source, notebook=notebook, pictures=shown)

    records = outcome.records
    entries = [pages.Entry(s, records[s.name]) for s in outcome.submissions if s.name in records]
    pages.write(out, entries, complete, [s for s in outcome.submissions if s.name not in records])


def files_of(submission: Submission) -> tuple[bytes | None, bytes | None]:
    """Read the vae.py that was graded, and vae.ipynb or the notebook nearest to the top; None where there is none."""
    with tempfile.TemporaryDirectory(prefix="vae-files-") as folder:
        staged = Path(folder)
        source, notebook = None, b""
        with contextlib.suppress(intake.Unreadable, OSError):
            _, notebook = intake.notebooks(submission.source)
        with contextlib.suppress(intake.Unreadable, OSError, RuntimeError):
            intake.stage(submission.source, staged)
            source = (staged / "vae.py").read_bytes()
        return source, notebook or None
