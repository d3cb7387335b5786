"""The training run, row T: both models, trained as the notebook does, should reach a low verified loss.

It carries no points, and nothing that happens in it can cost one. The student's models are trained in workers of
their own, by the student's own loss_function (trainer.py, fit.py); what they have learned is judged here (verify.py).
Where the time will not suffice it steps aside, and says so.
"""

from __future__ import annotations

import json
import shutil
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

from torch.nn import functional as F

from autograder import device, digits, fit, pictures, trainer
from autograder.account import Board, describe, explain, record
from autograder.files import reason
from autograder.fit import Fit, Goal, Stage
from autograder.results import Row, clean, put
from autograder.student import Student

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from autograder.digits import Digits
    from autograder.pictures import Picture
    from autograder.sandbox import Sandbox
    from autograder.schedule import Settings

__all__ = ["NAME", "run"]

NAME = "Training run: both models reach a low verified loss (no points)"
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
SECTIONS = {"VAE": "12345", "CVAE": "356"}  # of the rubric: what a model's training rests on
UNWRITTEN = ("missing", "unfinished")
UNJUDGED = ("too slow", "out of time", "stopped")
HOPELESS = ("too slow", "too big", "out of memory", "died", "malformed answer", "no answer", "grader fault")


class AsideError(Exception):
    """Why there is no training run."""


class NothingError(AsideError):
    """What is missing to train anything: that is no success."""


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
        expect_wanted(rows, settings.mode)
        chosen = device.pick()
        with device.turn(chosen, deadline):
            judge(row, rows, places, seed, settings, chosen, deadline)
    except (AsideError, device.BusyError) as why:
        row.output = f"Not run: {why}"
        row.status = "failed" if isinstance(why, NothingError) else "passed"
    except Exception as error:  # noqa: BLE001 - whatever it is, no points depend on it
        row.status = "failed"
        row.output = "The training run itself failed. That is no fault of yours, and it carries no points."
        row.extra_data |= {
            "ending": "training fault",
            "fault": clean("".join(traceback.format_exception(error))[-6000:]),
        }
    row.extra_data["seconds"] = round(time.monotonic() - begin, 3)
    return row


def expect_wanted(rows: Sequence[Row], mode: str) -> None:
    """Raise AsideError where there is not to be a training run."""
    if mode == "never":
        raise AsideError("it was switched off (--train never).")
    if not any(row.score for row in rows):
        raise NothingError("no other row is passed yet.")
    hopeless = next((row for row in rows if row.extra_data.get("ending") in HOPELESS), None)
    if mode == "auto" and hopeless:
        raise AsideError(f"row {hopeless.number} ended with: {hopeless.extra_data['ending']}.")


def judge(
    row: Row,
    rows: Sequence[Row],
    places: Sequence[Sandbox],
    seed: int,
    settings: Settings,
    chosen: str,
    deadline: float,
) -> None:
    """Train what can be trained, and write down how it went."""
    absent = {kind: why for kind in PARTS if (why := first_unwritten(rows, kind))}
    if len(absent) == len(PARTS):
        raise NothingError(f"there is nothing to train yet: {absent['VAE']}")
    data = digits.load(settings.data, download=settings.download, seconds=settings.schedule.download)
    goals = [make_goal(kind, data) for kind in PARTS if kind not in absent]
    row.name = NAME.replace("a low verified loss", f"a verified loss below {below(data.thresholds)}")
    row.extra_data |= {"seed": seed, "data": data.name}
    if data.notes:
        row.extra_data["notes"] = [clean(note, 300) for note in data.notes]
    told = f"{len(data.train_images):,} images ({data.source})"
    bands = known_curves(data.name).get("bands", {})
    folder = Path(tempfile.mkdtemp(prefix="vae-digits-"))
    try:
        stage = Stage(
            data=folder / "images.raw",
            **make_test(data),
            seed=seed,
            device=chosen,
            deadline=deadline,
            schedule=settings.schedule,
            hurried=settings.mode == "auto",
            stop=threading.Event(),
            show=Board(settings.progress).show,
        )
        folder.chmod(0o755)  # the worker is another user
        data.save_raw(stage.data)
        del data  # MNIST is 55 MB
        fits = train_all(goals, places, stage, rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    row.extra_data["models"] = {f.goal.kind: record(f) for f in fits}
    sum_up(row, fits, absent, told, rows)
    try:
        show_pictures(row, draw(fits, bands), settings)
    except Exception as error:  # noqa: BLE001 - the verdict stands without them
        row.extra_data["picture_fault"] = clean(f"{type(error).__name__}: {error}", 300)
        row.output += f"\nThere are no pictures: {reason(error)}."


def sum_up(row: Row, fits: Sequence[Fit], absent: Mapping[str, str], data: str, rows: Sequence[Row]) -> None:
    """Word how it went, and say what that means for the row."""
    lost = [r.number for r in rows if r.status != "passed"]
    used = " and ".join(sorted({f.device.upper() for f in fits}))
    lines = [
        f"Trained on {data}, on the {used}.",
        *(f"{kind}: not trained: {absent[kind]}" for kind in absent),
    ]
    for f in fits:
        relevant = [number for number in lost if number[0] in SECTIONS[f.goal.kind]]
        lines += [describe(f), *(f"  {line}" for line in explain(f, relevant))]
    unjudged = [f for f in fits if f.ending in UNJUDGED]
    missed = [f for f in fits if f.ending not in (*UNJUDGED, "reached")]
    if missed or (absent and not unjudged):
        row.status = "failed"
        row.extra_data["ending"] = missed[0].ending if missed else "unfinished"
    elif unjudged:
        lines.insert(0, "Not run to the end: that says nothing about your models.")
    else:
        row.extra_data["ending"] = "reached"
    row.output = clean("\n".join(lines))


def below(thresholds: Mapping[str, float]) -> str:
    """Write the thresholds: of both models, or of each."""
    if len({*thresholds.values()}) == 1:
        return f"{next(iter(thresholds.values())):g}"
    return " and ".join(f"{threshold:g} ({kind})" for kind, threshold in thresholds.items())


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


def make_test(data: Digits) -> dict[str, Tensor]:
    """Choose the test images, float32, and their classes, one-hot."""
    apart = max(1, len(data.test_images) // TEST)
    return {
        "images": data.test_images[::apart].float() / 255,
        "classes": F.one_hot(data.test_labels[::apart].long(), 10).float(),
    }


def train_all(
    goals: Sequence[Goal], places: Sequence[Sandbox], stage: Stage, rows: Sequence[Row]
) -> list[Fit]:
    """Train the models, side by side where there are two places: one thread each, which beats two together."""
    left = stage.deadline - time.monotonic()

    def one(number: int, goal: Goal) -> Fit:
        place, here = places[number % len(places)], stage
        if len(places) == 1 and len(goals) > 1 and number == 0:  # one after the other: half of the time each
            here = replace(stage, deadline=stage.deadline - left / 2)
        right = {part for part, number in PARTS[goal.kind].items() if passed(rows, number)}
        try:
            found = train_one(place, goal, here, right)
            if found.ending == "broken" and not found.steps and stage.device != "cpu":
                why = found.error
                found = train_one(place, goal, replace(here, device="cpu"), right)
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
    most = trainer.MAX_BYTES + (4 << 20)  # of an answer, with what is around the tensors
    sandbox.limits = replace(
        place.limits, question=question, row=inf, total=left + question, answer=most, held=8 * most
    )
    sandbox.readable, sandbox.device = (str(stage.data),), stage.device
    return fit.train(Student(sandbox), goal, stage, right)


def draw(fits: Sequence[Fit], bands: Mapping[str, Any]) -> list[Picture]:
    """Gather the pictures of a training, the curve first."""
    shown = [f for f in fits if f.steps and f.checks]
    if not shown:
        return []
    lines = [(f.goal.kind, f.goal.threshold, [(step, loss.total) for step, loss in f.checks]) for f in shown]
    return [pictures.curve(lines, bands), *(picture for f in shown for picture in f.drawn)]


def show_pictures(row: Row, drawn: Sequence[Picture], settings: Settings) -> None:
    """Write the pictures into their folder, in the place of older ones, and where asked for into the row."""
    if settings.folder and drawn:
        if settings.folder.is_symlink():  # the folder that it leads to is somebody else's choice
            raise FileExistsError(f"{settings.folder.name} is a link, and nothing is written through it")
        settings.folder.mkdir(parents=True, exist_ok=True)
        for name in pictures.NAMES:
            (settings.folder / f"{name}.png").unlink(missing_ok=True)
        for picture in drawn:
            put(settings.folder / f"{picture.name}.png", picture.png)
        row.extra_data["pictures"] = [
            {"file": f"{settings.folder.name}/{picture.name}.png", "alt": picture.alt} for picture in drawn
        ]
    if settings.embed and drawn:
        row.extra_data["text"] = row.output
        row.output, row.output_format = pictures.embed(row.output, drawn), "html"
