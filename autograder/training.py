"""The training run, row T: both models, trained as the notebook does, should reach a low verified loss.

It carries no points, and nothing that happens in it can cost one. The student's models are trained in workers of
their own, by the student's own loss_function (trainer.py, fit.py); what they have learned is judged here (verify.py).
Where the time will not suffice it steps aside, and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from autograder import digits, fit, pictures
from autograder.account import Board, describe, explain, record
from autograder.fit import Fit, Goal, Stage
from autograder.results import Row, clean
from autograder.student import Student

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autograder.digits import Digits
    from autograder.pictures import Picture
    from autograder.sandbox import Sandbox
    from autograder.schedule import Settings

__all__ = ["NAME", "run"]

NAME = "Training run: both models reach a verified loss below 120 (no points)"
CURVES = Path(__file__).with_name("curves.json")
TEST = 2_000  # test images for one verified loss
OFTEN = 60  # steps between two verified losses, at least; half an epoch, if that is more
# The rows that must hold for a part's parameters to say what it does.
PARTS = {
    "VAE": {"encoder": "1.2", "mu_layer": "1.3", "logvar_layer": "1.4", "decoder": "2.1"},
    "CVAE": {"encoder": "6.1", "mu_layer": "6.1", "logvar_layer": "6.1", "decoder": "6.2"},
}
# The rows without which there is nothing to train.
NEEDED = {
    "VAE": ("1.2", "1.3", "1.4", "2.1", "3.2", "4.1", "5.1"),
    "CVAE": ("3.2", "5.1", "6.1", "6.2", "6.3"),
}
UNWRITTEN = ("missing", "unfinished")
HOPELESS = ("too slow", "too big", "died", "malformed answer", "no answer", "grader fault")


class AsideError(Exception):
    """Why there is no training run."""


def run(rows: Sequence[Row], places: Sequence[Sandbox], seed: int, settings: Settings) -> Row:
    """Train both models and tell how it went. Never raises but for KeyboardInterrupt.

    rows: the twelve rows, judged
    places: one sandbox, or two, to train side by side; of each the starter must be free
    """
    begin = time.monotonic()
    deadline = min(begin + settings.schedule.budget, settings.end)
    seed %= 1 << 31  # NumPy takes no larger one
    row = Row(number="T", name=NAME, status="passed", tags=["training"], extra_data={"ending": "not run"})
    try:
        device = step_aside_or_pick(rows, settings.mode)
        with at_the_device(device, deadline):
            judge(row, rows, places, seed, settings, device, deadline)
    except AsideError as why:
        row.output = f"Not run: {why}"
    except Exception as error:  # noqa: BLE001 - whatever it is, no points depend on it
        row.status = "failed"
        row.output = "The training run itself failed. That is no fault of yours, and it carries no points."
        row.extra_data |= {
            "ending": "training fault",
            "fault": clean("".join(traceback.format_exception(error))[-6000:]),
        }
    row.extra_data["seconds"] = round(time.monotonic() - begin, 3)
    return row


def step_aside_or_pick(rows: Sequence[Row], mode: str) -> str:
    """Choose the device: "cuda", "mps" or "cpu". Raises AsideError where there is not to be a training run."""
    if mode == "never":
        raise AsideError("it was switched off (--train never).")
    if not any(row.score for row in rows):
        raise AsideError("no other row is passed yet.")
    device = "cpu"
    if torch.cuda.is_available():
        device = "cuda"
    elif torch.backends.mps.is_available():
        device = "mps"
    hopeless = next((row for row in rows if row.extra_data.get("ending") in HOPELESS), None)
    if mode == "auto" and hopeless:
        raise AsideError(f"row {hopeless.number} ended with: {hopeless.extra_data['ending']}.")
    return device


@contextlib.contextmanager
def at_the_device(device: str, deadline: float) -> Iterator[None]:
    """Wait until no other grading of this user trains on the GPU. Raises AsideError when time is up."""
    if device == "cpu" or sys.platform == "win32":
        yield
        return
    import fcntl

    path = Path(tempfile.gettempdir()) / f"vae-autograder-{device}-{os.getuid()}.lock"
    with path.open("a", encoding="ascii") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise AsideError("other gradings kept the GPU busy.") from None
                time.sleep(0.2)
        yield


def judge(
    row: Row,
    rows: Sequence[Row],
    places: Sequence[Sandbox],
    seed: int,
    settings: Settings,
    device: str,
    deadline: float,
) -> None:
    """Train what can be trained, and write down how it went."""
    absent = {kind: first_unwritten(rows, kind) for kind in PARTS}
    if all(absent.values()):
        raise AsideError(f"there is nothing to train yet: {absent['VAE']}")
    data = digits.load(settings.data, download=settings.download, seconds=settings.schedule.download)
    goals = [make_goal(kind, data) for kind in PARTS if not absent[kind]]
    right = {
        kind: {part for part, number in parts.items() if passed(rows, number)}
        for kind, parts in PARTS.items()
    }
    folder = Path(tempfile.mkdtemp(prefix="vae-digits-"))
    try:
        folder.chmod(0o755)  # the worker is another user
        data.save_raw(folder / "images.raw")
        test, labels = data.test_images, data.test_labels
        apart = max(1, len(test) // TEST)
        board = Board(settings.progress)
        stage = Stage(
            data=folder / "images.raw",
            images=test[::apart].float() / 255,
            classes=F.one_hot(labels[::apart].long(), 10).float(),
            seed=seed,
            device=device,
            deadline=deadline,
            schedule=settings.schedule,
            hurried=settings.mode == "auto",
            stop=threading.Event(),
            show=board.show,
        )
        source = data.source
        count = len(data.train_images)
        notes = list(data.notes)
        name = data.name
        del data, test, labels  # MNIST is 55 MB
        fits = train_all(goals, places, stage, right)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    row.extra_data |= {
        "seed": seed,
        "data": name,
        "device": {f.goal.kind: f.device for f in fits},
        "models": {f.goal.kind: record(f) for f in fits},
    }
    if notes:
        row.extra_data["notes"] = [clean(note, 300) for note in notes]
    used = " and ".join(sorted({f.device.upper() for f in fits}))
    lines = [f"Trained on {source}: {count:,} images, on the {used}."]
    for kind, why in absent.items():
        if why:
            lines.append(f"{kind}: not trained: {why}")
    for f in fits:
        lines += [describe(f), *(f"  {line}" for line in explain(f))]
        if f.gpu:
            lines.append(f"  The GPU could not be used: {f.gpu.splitlines()[0]}")
    endings = {f.ending for f in fits}
    unfinished = endings & {"too slow", "out of time", "stopped"}
    if endings == {"reached"} and not any(absent.values()):
        row.extra_data["ending"] = "reached"
    elif unfinished and not endings - unfinished - {"reached"}:
        lines.insert(0, "Not run to the end: that says nothing about your models.")
    else:
        row.status = "failed"
        row.extra_data["ending"] = next((f.ending for f in fits if f.ending != "reached"), "unfinished")
    row.output = clean("\n".join(lines))
    show_pictures(row, draw(fits, name), settings)


def passed(rows: Sequence[Row], number: str) -> bool:
    """Tell whether a row is passed."""
    return any(row.number == number and row.status == "passed" for row in rows)


def first_unwritten(rows: Sequence[Row], kind: str) -> str:
    """Name the first part of a model that is still to be written; nothing where all are there."""
    for row in rows:
        if row.number in NEEDED[kind] and row.extra_data.get("ending") in UNWRITTEN:
            return f"row {row.number}: {row.output.partition(chr(10))[0]}"
    return ""


def make_goal(kind: str, data: Digits) -> Goal:
    """Set a model's goal."""
    epoch = len(data.train_images) // 128
    usual = known_curves(data.name).get("usual", {}).get(kind, data.steps)
    return Goal(kind, data.thresholds[kind], data.steps, max(epoch // 2, OFTEN), epoch, usual)


def known_curves(name: str) -> dict[str, Any]:
    """Read what is known of the reference on these images (scripts/reference_curves.py)."""
    curves: dict[str, dict[str, Any]] = json.loads(CURVES.read_text(encoding="utf-8"))
    return curves.get(name, {})


def train_all(
    goals: Sequence[Goal], places: Sequence[Sandbox], stage: Stage, right: dict[str, set[str]]
) -> list[Fit]:
    """Train the models, side by side where there are two places: one thread each, which beats two together."""
    left = stage.deadline - time.monotonic()

    def one(number: int, goal: Goal) -> Fit:
        place = places[number % len(places)]
        here = stage
        if len(places) == 1 and len(goals) > 1 and number == 0:  # one after the other: half of the time each
            here = replace(stage, deadline=stage.deadline - left / 2)
        try:
            found = train_one(place, goal, here, right[goal.kind])
            if found.ending == "broken" and not found.steps and stage.device != "cpu":
                why = found.error
                found = train_one(place, goal, replace(here, device="cpu"), right[goal.kind])
                found.gpu = why
        except BaseException:
            stage.stop.set()
            raise
        if found.ending == "too slow":
            stage.stop.set()
        return found

    with ThreadPoolExecutor(len(places)) as pool:
        futures = [pool.submit(one, number, goal) for number, goal in enumerate(goals)]
        try:
            return [future.result() for future in futures]
        finally:
            stage.stop.set()


def train_one(place: Sandbox, goal: Goal, stage: Stage, right: set[str]) -> Fit:
    """Train one model in a fresh worker."""
    sandbox = copy(place)
    question = stage.schedule.question
    left = max(0, stage.deadline - time.monotonic())
    sandbox.limits = replace(place.limits, question=question, row=inf, total=left + question)
    sandbox.readable, sandbox.device = (str(stage.data),), stage.device
    return fit.train(Student(sandbox), goal, stage, right)


def draw(fits: Sequence[Fit], name: str) -> list[Picture]:
    """Gather the pictures of a training, the curve first."""
    shown = [f for f in fits if f.steps and f.checks]
    if not shown:
        return []
    bands = known_curves(name).get("bands", {})
    lines = [(f.goal.kind, f.goal.threshold, [(step, loss.total) for step, loss in f.checks]) for f in shown]
    return [pictures.curve(lines, bands), *(picture for f in shown for picture in f.drawn)]


def show_pictures(row: Row, drawn: Sequence[Picture], settings: Settings) -> None:
    """Write the pictures into their folder and, where asked for, into the row."""
    if settings.folder and drawn:
        settings.folder.mkdir(parents=True, exist_ok=True)
        for picture in drawn:
            (settings.folder / f"{picture.name}.png").write_bytes(picture.png)
        row.extra_data["pictures"] = [
            {"file": f"{settings.folder.name}/{picture.name}.png", "alt": picture.alt} for picture in drawn
        ]
    if settings.embed and drawn:
        row.extra_data["text"] = row.output
        row.output, row.output_format = pictures.embed(row.output, drawn), "html"
