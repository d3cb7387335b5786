"""Whether, how and for how long models are trained; it imports next to nothing, so that it can be filled in early."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Schedule", "Settings"]


@dataclass(frozen=True)
class Schedule:
    """How long training may take, in seconds."""

    budget: float = 300  # both models, and what comes before
    run: float = 540  # the whole grading, on Gradescope, which ends it after 600
    slice: float = 2  # of training between two signs of life
    question: float = 30  # any one question; a slice ends with the step that is going on
    download: float = 60  # of MNIST, if it has to be


@dataclass(frozen=True)
class Settings:
    """How to train."""

    mode: str = "auto"  # never; auto: on a GPU, or on a CPU where the time suffices; or always
    data: Path | None = None  # where MNIST is, in torchvision's layout
    download: bool = True  # whether it may be fetched
    schedule: Schedule = field(default_factory=Schedule)
    folder: Path | None = None  # where pictures go; None for nowhere
    embed: bool = False  # whether the row shows them, as HTML
    progress: Callable[[str], None] | None = None  # called with a line about every two seconds
    end: float = inf  # time.monotonic() when it must be over, whatever the budget
