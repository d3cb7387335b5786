"""A lane whose grader fails, at submissions that are called so."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import grade as grading
from autograder import lane, rubric

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from autograder.results import Results

__all__ = ["PNG", "live", "refusing"]

PNG = b"\x89PNG\r\n\x1a\n and more"
real_grade = grading.grade
real_live = lane.live


def live(pipe: Connection, temporary: str) -> None:
    """Be a lane."""
    grading.grade = grade  # where a lane finds it
    real_live(pipe, temporary)


def refusing(pipe: Connection, temporary: str) -> None:
    """Be a lane whose rubric is refused: its one test has no number."""
    folder = Path(temporary, "rubric")
    folder.mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\npython_files = test_*.py\n")
    (folder / "test_1_encoder.py").write_text("def test_extra(student):\n    pass\n")
    rubric.__file__ = str(folder / "__init__.py")
    real_live(pipe, temporary)


def grade(source: Path, options: grading.Options | None = None, warm: grading.Warm | None = None) -> Results:
    """Grade a submission, or fail as its name says."""
    options = options or grading.Options()
    kind = source.stem.partition("-")[0]
    tried = source / "tried.txt"
    if kind == "killed" or (kind == "once" and not tried.exists()):
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hangs":
        time.sleep(1000)
    if kind == "raises":
        raise ValueError("a mistake of ours")
    if kind == "breaks":
        options = replace(options, notes=(17,))  # type: ignore[arg-type]
    record = real_grade(source, options, warm)
    record.extra_data["data"] = str(options.training.data)
    if kind == "draws":
        folder = options.training.folder or Path()
        folder.mkdir()
        (folder / "curve.png").write_bytes(PNG)
        record.tests[-1].extra_data["pictures"] = [
            {"file": f"{folder.name}/curve.png", "alt": "The loss of each step."}
        ]
    return record
