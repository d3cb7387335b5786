"""One submission in, one record out, always: graded, or with the reason why not."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autograder import intake
from autograder.results import Results, Row, clean
from autograder.sandbox import Limits, Sandbox, open_starter
from autograder.student import Student

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.nursery import Starter

__all__ = ["Options", "grade"]

PROJECT = Path(__file__).parents[1]
PACKAGES = ("torch", "numpy", "pytest", "safetensors", "vae-autograder")


@dataclass(frozen=True)
class Options:
    """How to grade."""

    train: str = "auto"  # never, auto or always
    method: str = ""  # how workers start: fork, spawn, or what this host does best
    sections: Sequence[str] = ()  # none means all
    seed: int | None = None  # of the grader's random inputs; None for a fresh one
    limits: Limits = field(default_factory=Limits)
    nndl2: Path = PROJECT / "student_template" / "nndl2"
    notify: Callable[[Row], None] | None = None  # called with each row when it is judged


def grade(source: Path, options: Options | None = None) -> Results:
    """Grade a submission: a folder, a zip, a vae.py or a notebook.

    Never raises for anything that a submission can do; a failure of the grader itself is in the record too.
    """
    options = options or Options()
    begin = time.monotonic()
    # The nursery comes first: nothing that is imported or drawn after it is in a worker's memory.
    starter = open_starter(options.method)
    folder = Path(tempfile.mkdtemp(prefix="vae-staged-"))
    extra: dict[str, Any] = {}
    try:
        rows = judge(source, folder, starter, options, extra)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and it must be in the record
        rows = list_rows(options)
        for row in rows:
            row.output = "Not graded: the autograder itself failed."
            row.extra_data["ending"] = "grader fault"
        extra["grader_fault"] = clean("".join(traceback.format_exception(error))[-6000:])
    finally:
        starter.close()
        shutil.rmtree(folder, ignore_errors=True)
    results = Results(
        score=sum(row.score or 0 for row in rows), output="", output_format="text", tests=rows, extra_data=extra
    )
    extra["versions"] = versions()
    extra["rubric"] = hash_of_rubric()
    results.output = summary(results)
    results.execution_time = round(time.monotonic() - begin, 3)
    return results


def judge(source: Path, folder: Path, starter: Starter, options: Options, extra: dict[str, Any]) -> list[Row]:
    """Stage the submission and judge its rows."""
    try:
        staged = intake.stage(source, folder)
    except intake.Unreadable as reason:
        extra["unreadable"] = clean(str(reason), 1000)
        rows = list_rows(options)
        for row in rows:
            row.output = f"Not graded: {clean(str(reason), 1000)}"
            row.extra_data["ending"] = "unreadable"
        return rows
    extra["submission"] = staged.sha256
    if staged.notes:
        extra["notes"] = [clean(note, 300) for note in staged.notes]
    extra["seed"] = options.seed if options.seed is not None else int.from_bytes(os.urandom(6), "big")
    sandbox = Sandbox(starter, folder, options.nndl2, options.limits)
    student = Student(sandbox)

    from autograder import plugin  # pytest and the rubric: after the nursery, so that no worker has them

    torch.set_num_threads(1)
    torch.manual_seed(extra["seed"])
    try:
        rows = plugin.run(student, options.sections, options.notify)
    finally:
        student.dialogue.close()
    if sandbox.state:
        extra["layers"] = sandbox.state.layers
        extra["layers_missing"] = sandbox.state.missing
    extra["method"] = options.method or "default"
    if not options.sections:
        rows.append(training_row(options))
    return rows


def list_rows(options: Options) -> list[Row]:
    """List all rows, none of them passed."""
    from autograder import plugin

    rows = plugin.run(None, options.sections)
    return rows if options.sections else [*rows, training_row(options)]


def training_row(options: Options) -> Row:
    """Make the row of the training run, which carries no points."""
    why = "it was switched off (--train never)." if options.train == "never" else "this version has no training run yet."
    return Row(
        number="T",
        name="Training run: both models reach a verified loss below 120 (no points)",
        status="passed",
        output=f"Not run: {why}",
        tags=["training"],
        extra_data={"ending": "not run"},
    )


def summary(results: Results) -> str:
    """Say in a few lines how it went."""
    lines = [f"{results.score:g} of {results.max_score:g} points."]
    if results.fault:
        lines.append(
            "The autograder itself failed, at least in part: that is no fault of yours, and the points are not final. "
            "Course staff must look at it and have it graded again."
        )
    if "unreadable" in results.extra_data:
        lines.append(f"Nothing could be graded: {results.extra_data['unreadable']}")
    lines += [f"Note: {note}" for note in results.extra_data.get("notes", [])]
    if not results.fault and "unreadable" not in results.extra_data:
        lost = [f"{row.number} {row.output.splitlines()[0]}" for row in results.tests if row.max_score and not row.score]
        lines += ["", "Look first at:", *lost[:3]] if lost else ["Everything is right."]
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """List the versions that the verdict may depend on."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def hash_of_rubric() -> str:
    """Hash all of the grader's code that a verdict depends on."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
