"""One submission in, one record out, always: graded, or with the reason why not."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import traceback
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autograder import handin, identity, intake
from autograder.results import CONSEQUENCE, ROWS, Results, Row, clean, gist
from autograder.sandbox import Sandbox, open_starter
from autograder.schedule import Settings
from autograder.student import Student
from autograder.watch import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.nursery import Starter
    from autograder.plugin import Session

__all__ = ["Options", "Warm", "grade", "list_rows"]

FEW = 4  # rows with the same words that are named one by one
PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """How to grade."""

    train: str = "auto"  # never, auto or always
    method: str = ""  # how workers start: fork, spawn, or what this host does best
    sections: Sequence[str] = ()  # none means all
    seed: int | None = None  # of the grader's random inputs; None for a fresh one
    limits: Limits = field(default_factory=Limits)
    nndl2: Path = PROJECT / "student_template" / "nndl2"
    beforehand: Callable[[Results], None] | None = None  # called with the record before the training run
    notes: Sequence[str] = ()  # for the record, beside those of staging
    training: Settings = field(default_factory=Settings)  # how, while train says whether
    accept_weak: bool = False  # whether to run code by others where too few layers of the sandbox hold


@dataclass(frozen=True)
class Warm:
    """What one grading can leave to the next: a nursery that was made before the session, and that session."""

    starter: Starter
    session: Session


def grade(source: Path, options: Options | None = None, warm: Warm | None = None) -> Results:
    """Grade a submission: a folder, a zip, a vae.py or a notebook.

    warm: what there is already; else it is made, and closed at the end
    Never raises for anything that a submission can do; a failure of the grader itself is in the record too.
    """
    options = options or Options()
    begin = time.monotonic()
    session = warm.session if warm else None
    extra: dict[str, Any] = {}
    with ExitStack() as stack:
        try:
            # The nursery comes first: nothing that is imported or drawn after it is in a worker's memory.
            starter = warm.starter if warm else stack.enter_context(closing(open_starter(options.method)))
            starters = [starter]
            if (
                not warm and options.train != "never" and not options.sections
            ):  # VAE and CVAE train side by side
                starters.append(stack.enter_context(closing(open_starter(options.method))))
            folder = tempfile.mkdtemp(prefix="vae-staged-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            rows = judge(source, Path(folder), starters, session, options, extra, begin)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and it must be in the record
            rows = blame_ourselves(options, session)
            extra["grader_fault"] = clean("".join(traceback.format_exception(error))[-6000:])
    return compose(rows, extra, begin)


def compose(rows: list[Row], extra: dict[str, Any], begin: float) -> Results:
    """Make the record of rows."""
    results = Results(
        score=sum(row.score or 0 for row in rows),
        output="",
        output_format="text",
        tests=rows,
        extra_data=extra,
    )
    extra["versions"] = identity.versions()
    extra["grader"] = identity.hash_of_grader()
    extra["rubric"] = identity.hash_of_rubric()
    results.output = summary(results)
    results.execution_time = round(time.monotonic() - begin, 3)
    return results


def judge(
    source: Path,
    folder: Path,
    starters: Sequence[Starter],
    session: Session | None,
    options: Options,
    extra: dict[str, Any],
    begin: float,
) -> list[Row]:
    """Stage the submission and judge its rows."""
    notes = [clean(note, 300) for note in options.notes]
    if notes:
        extra["notes"] = notes
    try:
        staged = intake.stage(source, folder)
    except intake.Unreadable as reason:
        extra["unreadable"] = clean(str(reason), 1000)
        rows = list_rows(options, session)
        for row in rows:
            row.status, row.output = "failed", f"Not graded: {clean(str(reason), 1000)}"
            row.extra_data["ending"] = "unreadable" if row.max_score else "not run"
        return rows
    extra["submission"] = staged.sha256
    extra["fingerprint"] = handin.fingerprint(folder / "vae.py")
    if notes or staged.notes:
        extra["notes"] = [*notes, *(clean(note, 300) for note in staged.notes)]
    extra["seed"] = options.seed if options.seed is not None else int.from_bytes(os.urandom(6), "big")
    strict = not options.accept_weak
    places = [Sandbox(starter, folder, options.nndl2, options.limits, strict=strict) for starter in starters]
    sandbox = places[0]
    student = Student(sandbox)

    from autograder import plugin  # pytest and the rubric: after the nursery, so that no worker has them

    torch.set_num_threads(1)
    torch.default_generator.manual_seed(extra["seed"])  # as in worker.reseed()
    try:
        rows = (session or plugin).run(student, options.sections)
    finally:
        student.dialogue.close()
    if sandbox.state:
        extra["layers"] = sandbox.state.layers
        extra["layers_missing"] = sandbox.state.missing
    extra["method"] = options.method or "default"
    if not options.sections:
        if options.beforehand and options.train != "never":
            unfinished = training_row(options, "the grading was ended in the middle of it.")
            options.beforehand(compose([*rows, unfinished], extra, begin))
        rows.append(train(rows, places, extra["seed"], options))
    return rows


def train(rows: Sequence[Row], places: Sequence[Sandbox], seed: int, options: Options) -> Row:
    """Train where that is wanted."""
    from autograder import training

    if options.train == "never":
        return training_row(options)
    return training.run(rows, places, seed, replace(options.training, mode=options.train))


def list_rows(options: Options, session: Session | None = None) -> list[Row]:
    """List all rows, none of them passed."""
    from autograder import plugin

    rows = (session or plugin).run(None, options.sections)
    return rows if options.sections else [*rows, training_row(options)]


def blame_ourselves(options: Options, session: Session | None) -> list[Row]:
    """List all rows where the grader failed; where it is the rubric that fails, without their names and sections."""
    try:
        rows = list_rows(options, session)
    except Exception:  # noqa: BLE001 - the failure that led here is told already, and it is most likely the same
        blank = [Row(number=n, name=f"Row {n}", status="failed", score=0.0, max_score=1.0) for n in ROWS]
        rows = [*blank, training_row(options)]
    for row in rows:
        row.status, row.output = "failed", "Not graded: the autograder itself failed."
        row.extra_data["ending"] = "grader fault"
    return rows


def training_row(options: Options, why: str = "nothing was graded.") -> Row:
    """Make the row of the training run, which carries no points."""
    if options.train == "never":
        why = "it was switched off (--train never)."
    return Row(
        number="T",
        name="Training run: both models reach a low verified loss (no points)",
        status="passed",
        output=f"Not run: {why}",
        tags=["training"],
        extra_data={"ending": "not run"},
    )


def summary(results: Results) -> str:
    """Say in a few lines how it went."""
    graded = f" for vae.py {results.fingerprint}" if results.fingerprint else ""
    lines = [f"{results.score:g} of {results.max_score:g} points{graded}."]
    if results.fault:
        lines.append(
            "The autograder itself failed, at least in part: that is no fault of yours, and the points are not final. "
            "Course staff must look at it and have it graded again."
        )
    if "unreadable" in results.extra_data:
        lines.append(f"Nothing could be graded: {results.extra_data['unreadable']}")
    lines += [f"Note: {note}" for note in results.extra_data.get("notes", [])]
    if not results.fault and "unreadable" not in results.extra_data:
        lost: dict[str, tuple[str, list[str]]] = {}
        for row in results.tests:
            if row.max_score and not row.score:
                words = gist(row.output, row.causes)  # with sizes that are drawn, as of VAE(784, 27)
                lost.setdefault(re.sub(r"\d+", "0", words), (words, []))[1].append(row.number)
        # What another row names comes last.
        ordered = sorted(lost.values(), key=lambda found: CONSEQUENCE in found[0])
        first = [f"{listed(numbers)} {words}" for words, numbers in ordered]
        lines += ["", "Look first at:", *first[:3]] if first else ["Everything is right."]
        if not first and any(row.status == "failed" for row in results.tests):  # what no row could see
            lines.append("But the training run, which has no points, did not get where it should: see row T.")
    return "\n".join(lines)


def listed(numbers: Sequence[str]) -> str:
    """List rows in a few words."""
    return ", ".join(numbers) if len(numbers) <= FEW else f"{numbers[0]} and {len(numbers) - 1} more rows:"
