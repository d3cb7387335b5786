"""A class of submissions: each graded once, recorded, and shown together."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import stat
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autograder import identity, intake, results
from autograder.cores import cores
from autograder.lane import Lanes, Task
from autograder.progress import Progress
from autograder.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.intake import Submission

__all__ = ["Outcome", "Settings", "run"]


@dataclass(frozen=True)
class Settings:
    """How to grade a class."""

    jobs: int = 0  # submissions at a time; 0: as many as there are processors
    train: str = "auto"  # never, auto or always
    only: str = ""  # a pattern for names, numbers, students' names, e-mail addresses and SIDs; none means all
    redo: bool = False  # grade again what has been graded
    quiet: bool = False
    cluster: str = ""  # the address of a dask scheduler, or local:N


@dataclass
class Outcome:
    """What has come of a run: the class in order, each with its record if there is one."""

    submissions: Sequence[Submission]
    records: dict[str, Results]  # by name; with those of the grader's own faults
    graded: int = 0  # in this run
    interrupted: bool = False

    @property
    def faults(self) -> list[str]:
        """The names of submissions that the grader has failed at."""
        return [s.name for s in self.submissions if s.name in self.records and self.records[s.name].fault]


def run(path: Path, out: Path, settings: Settings) -> Outcome:
    """Grade a class: what `path` holds that has no current record in `out`.

    Raises intake.Unreadable where the path as a whole cannot be taken, and OSError where `out` cannot be written.
    """
    folder = out / "results"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out) as work:
        submissions = intake.submissions(path, Path(work))
        keys = {s.name: key(s, settings.train) for s in submissions}
        outcome = Outcome(submissions, {})
        wanted = []
        for submission in submissions:
            record = recorded(folder / f"{submission.name}.json", keys[submission.name])
            chosen = matches(submission, settings.only)
            if chosen and (settings.redo or record is None):
                wanted.append(submission)
            elif record:
                outcome.records[submission.name] = record
        with Progress(len(wanted), quiet=settings.quiet) as progress:
            for submission, record in grade_all(wanted, settings, outcome):
                note(record, keys[submission.name])
                target = folder / f"{submission.name}.json"
                if record.fault:  # no grade: the next run tries again
                    target.unlink(missing_ok=True)
                    results.write(out / "faults" / target.name, record)
                else:
                    results.write(target, record)
                    (out / "faults" / target.name).unlink(missing_ok=True)
                outcome.records[submission.name] = record
                outcome.graded += 1
                progress.advance(submission.name, record)
    return outcome


def grade_all(
    submissions: Sequence[Submission], settings: Settings, outcome: Outcome
) -> Iterator[tuple[Submission, Results]]:
    """Grade submissions, several at a time, and give each with its record as it is finished."""
    if not submissions:
        return
    waiting = iter(submissions)
    running: dict[Future[bytes], Submission] = {}
    with crew(min(settings.jobs or cores(), len(submissions))) as (submit, places):
        try:
            while True:
                for submission in waiting:
                    running[submit(Task(submission.source, submission.notes, settings.train))] = submission
                    if len(running) >= places:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), record_of(future)
        except KeyboardInterrupt:
            outcome.interrupted = True


@contextmanager
def crew(jobs: int) -> Iterator[tuple[Callable[[Task], Future[bytes]], int]]:
    """Open lanes; gives how to have a task performed, and how many tasks to keep at hand."""
    lanes = Lanes()
    with ThreadPoolExecutor(jobs) as executor:
        try:
            yield (lambda task: executor.submit(lanes.perform, task)), 2 * jobs
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            lanes.close()


def record_of(future: Future[bytes]) -> Results:
    """Return the record that a future holds; where there is none, one that says why."""
    try:
        return msgspec.json.decode(future.result(), type=Results)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and the others must be graded
        return Results(
            score=0.0,
            output="Not graded: the autograder itself failed.",
            output_format="text",
            tests=[],
            extra_data={"grader_fault": results.clean(f"{type(error).__name__}: {error}")},
        )


def matches(submission: Submission, pattern: str) -> bool:
    """Tell whether a pattern fits a submission's name, number, or one of its submitters; none fits all."""
    words = [submission.name, submission.submission_id]
    for submitter in submission.submitters:
        words += [submitter.name, submitter.email, submitter.sid]
    return not pattern or any(word and fnmatch.fnmatch(word, pattern) for word in words)


def recorded(path: Path, current: str) -> Results | None:
    """Read a record if it is there and is that of this submission by this grader."""
    try:
        record = results.read(path)
    except (OSError, msgspec.MsgspecError):
        return None
    return record if record.extra_data.get("key") == current else None


def note(record: Results, current: str) -> None:
    """Note in a record what it belongs to."""
    record.extra_data["key"] = current


def key(submission: Submission, train: str) -> str:
    """Hash what a record depends on: the submission's files, the grader and whether it trains."""
    grader = [identity.hash_of_rubric(), identity.versions(), train, submission.notes]
    digest = hashlib.sha256(json.dumps(grader, sort_keys=True).encode())
    for name, content in contents(submission.source):
        digest.update(hashlib.sha256(os.fsencode(name)).digest() + content)
    return digest.hexdigest()


def contents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Give each file of a submission: its path inside, and a hash of what it is and holds."""
    paths = [source]
    if source.is_dir() and not source.is_symlink():
        paths += sorted(
            Path(top, name) for top, folders, names in os.walk(source) for name in [*folders, *names]
        )
    for path in paths:
        try:
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                content = b"file " + hashlib.sha256(path.read_bytes()).digest()
            elif stat.S_ISLNK(mode):
                content = b"link " + os.fsencode(path.readlink())
            else:
                content = b"other"
        except OSError as error:
            content = b"unreadable " + str(error.strerror).encode()
        yield path.relative_to(source).as_posix(), hashlib.sha256(content).digest()


def source_of(submission: Submission) -> bytes | None:
    """Read the code that was graded; None where there is none."""
    with tempfile.TemporaryDirectory(prefix="vae-code-") as folder:
        try:
            intake.stage(submission.source, Path(folder))
            return Path(folder, "vae.py").read_bytes()
        except (intake.Unreadable, OSError):
            return None


def report(out: Path, outcome: Outcome) -> None:
    """Write the table and the pages."""
    from autograder import report as pages

    entries: list[Any] = [
        pages.Entry(submission, outcome.records[submission.name], source_of(submission))
        for submission in outcome.submissions
        if submission.name in outcome.records
    ]
    pages.write(out, entries)
