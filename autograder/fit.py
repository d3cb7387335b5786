"""One model's training run, seen from the grader: slices of steps, and between them the verified loss.

Each question has an end: the worker trains for a number of steps or seconds, whichever is over first. The loss is
verified after fixed numbers of steps, never by the clock, so that the same seed gives the same curve. How it ends:

    reached      the verified loss is below the threshold
    not reached  it never was, in as many steps as there are
    stuck        it has not fallen for two epochs
    diverged     it has risen to twice its lowest value, or is no number
    NaN          the student's loss is no number
    broken       the student's code raised, answered nothing or something else
    out of time  the budget is spent
    too slow     the budget would not suffice, so nothing is said about the model
    stopped      by the other model's run
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autograder.endings import Ended, TooSlow
from autograder.outcome import Raised, WrongKind
from autograder.pictures import drawings
from autograder.verify import LATENTS, Verifier

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from torch import Tensor

    from autograder.pictures import Picture
    from autograder.schedule import Schedule
    from autograder.student import Student
    from autograder.verify import Loss

__all__ = ["Fit", "Goal", "Stage", "train"]

PROGRESS = 0.005  # what the verified loss must fall by in two epochs, as a share of itself
SIZES = {
    "VAE": {"input_size": 784, "latent_size": LATENTS},
    "CVAE": {"input_size": 784, "num_classes": 10, "latent_size": LATENTS},
}


@dataclass(frozen=True)
class Goal:
    """What one model is to reach."""

    kind: str  # "VAE" or "CVAE"
    threshold: float
    steps: int  # within so many
    every: int  # how many steps lie between two verified losses
    epoch: int  # steps in an epoch
    usual: int  # steps in which a right model has reached it


@dataclass(frozen=True)
class Stage:
    """Where training takes place."""

    data: Path  # the training images and labels, for the worker
    images: Tensor  # test images (N, 1, 28, 28), float32
    classes: Tensor  # their classes, one-hot (N, 10), float32
    seed: int
    device: str
    deadline: float  # time.monotonic
    schedule: Schedule
    hurried: bool  # whether to step aside, on a CPU, when the time will not suffice
    stop: threading.Event
    show: Callable[[Fit], None]


@dataclass
class Fit:
    """How one model's training went."""

    goal: Goal
    device: str = "cpu"
    gpu: str = ""  # why the GPU could not be used, if there is one
    ending: str = ""
    error: str = ""  # in the student's words, where their code raised or gave no answer
    losses: list[float] = field(default_factory=list)  # what their loss_function said, step by step
    checks: list[tuple[int, Loss]] = field(default_factory=list)  # steps, verified loss
    idle: list[str] = field(default_factory=list)  # parameters without a gradient at the first step
    breakdown: list[float] = field(default_factory=list)  # see Student.train
    needed: float = 0  # seconds that it would take, where it is too slow
    seconds: float = 0  # in all
    training: float = 0  # of them in the worker
    verifier: Verifier | None = None  # with the parameters of the last check
    drawn: list[Picture] = field(default_factory=list)  # by the model

    @property
    def steps(self) -> int:
        """The steps done."""
        return len(self.losses)

    @property
    def verified(self) -> float:
        """The last verified loss."""
        return self.checks[-1][1].total if self.checks else float("nan")


def train(student: Student, goal: Goal, stage: Stage, right: Collection[str]) -> Fit:
    """Train one model. Never raises for what a submission can do.

    right: the names of the parts that were found to be right
    """
    fit = Fit(goal, stage.device)
    begin = time.monotonic()
    try:
        sizes: Mapping[str, int] = SIZES[goal.kind]
        model = student.begin_training(goal.kind, stage.data, stage.seed, stage.device, **sizes)
        fit.verifier = Verifier(model, stage.images, stage.classes, stage.seed, right)
        while not fit.ending:
            fit.checks.append((fit.steps, fit.verifier.look()))
            student.dialogue.new_row()  # both sides let go of the tensors
            fit.seconds = time.monotonic() - begin
            fit.ending = judge(fit, stage) or advance(fit, student, stage)
        if fit.steps and not (fit.breakdown and fit.verifier.asked):
            fit.drawn = drawings(fit.verifier, stage.seed)
    except (Raised, WrongKind, Ended) as error:
        late = isinstance(error, TooSlow) and time.monotonic() > stage.deadline
        fit.ending = fit.ending or ("out of time" if late else "broken")
        fit.error = str(error)
    finally:
        student.dialogue.close()
        fit.seconds = time.monotonic() - begin
    return fit


def judge(fit: Fit, stage: Stage) -> str:
    """Tell how training ends by the verified losses so far; nothing where it goes on."""
    goal, now = fit.goal, fit.verified
    if now < goal.threshold:
        return "reached"
    best = min(loss.total for _, loss in fit.checks)
    if not now <= 2 * best:  # NaN is not
        return "diverged"
    if fit.steps >= goal.steps:
        return "not reached"
    before = [loss.total for steps, loss in fit.checks if steps <= fit.steps - 2 * goal.epoch]
    if before and best > (1 - PROGRESS) * min(before):
        return "stuck"
    if stage.hurried and stage.device == "cpu" and 0 < fit.steps <= 2 * goal.epoch:
        fit.needed = fit.seconds / fit.steps * goal.usual
        if fit.needed - fit.seconds > stage.deadline - time.monotonic():
            return "too slow"
    return ""


def advance(fit: Fit, student: Student, stage: Stage) -> str:
    """Train until the next loss is due; tells how training ends, or nothing."""
    due = min(fit.steps + fit.goal.every, fit.goal.steps)
    while fit.steps < due:
        left = stage.deadline - time.monotonic()
        if stage.stop.is_set():
            return "stopped"
        if left <= 0:
            return "out of time"
        begin = time.monotonic()
        losses, fit.idle, fit.breakdown = student.train(due - fit.steps, min(stage.schedule.slice, left))
        fit.training += time.monotonic() - begin
        fit.losses += losses
        stage.show(fit)
        if fit.breakdown:
            return "NaN"
    return ""
