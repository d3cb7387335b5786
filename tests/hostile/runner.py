"""Grades a hostile submission in a process and a session of its own, and lists what came of it that must not.

A grading is forked from a process in which torch is imported; those that read are graded by the command itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valid import problems

from autograder.confine import needed
from autograder.namespaces import closed_folder
from autograder.users import LAST_UID

from .case import ALL
from .world import Watch, World, describes, ipc, processes, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apart import Apart

    from .case import Hostile

__all__ = ["EVERYTHING", "Grading", "Place", "alone", "judge", "without"]

ORDER = [*sorted(ALL), "T"]
SHORT = {"start": 8.0, "question": 2.0, "row": 6.0, "total": 40.0}  # limits for those that wait for them
MEMORY = (1500 + 800) << 20  # bytes: the limit, and what the grader needs, and a forked copy of its torch
OVERSHOOT = 1000 << 20  # between two looks; the address space then ends it
THREADS = 64 + 40
HANGS = 300  # seconds for a grading; the longest right one takes a tenth of it
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Place:
    """Where it is graded: which layers are in force."""

    layers: tuple[str, ...] = ("process", "user", "limits", "landlock", "seccomp")
    namespaces: bool = True

    @property
    def names(self) -> set[str]:
        """All layers, by name."""
        return {*self.layers, *(["namespaces"] if self.namespaces else [])}


EVERYTHING = Place()


def alone(layer: str) -> Place:
    """Return the place with one layer beside the process that every worker is."""
    if layer == "namespaces":
        return Place(("process",), namespaces=True)
    # Where Python lies in a closed home, no other user could read it but for a mount.
    return Place(("process", layer), namespaces=layer == "user" and closed_folder(needed()) is not None)


def without(*layers: str) -> Place:
    """Return the place that lacks some layers."""
    return Place(
        tuple(layer for layer in EVERYTHING.layers if layer not in layers), "namespaces" not in layers
    )


@dataclass(frozen=True)
class Job:
    """What the process that grades is told."""

    path: str
    results: str
    temporary: str
    output: str
    secret: str
    limits: dict[str, float]
    place: Place
    weigh: bool  # whether its memory is to be measured


@dataclass
class Grading:
    """What came of it."""

    wrong: list[str] = field(default_factory=list)  # what must not be
    passed: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    seconds: float = 0.0
    record: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    peak_memory: int = 0
    peak_threads: int = 0


def work(job: Job) -> None:
    """Do what the command does, in a process that was forked for it, and end that."""
    from autograder import grade, results, sandbox, table, watch
    from autograder.nursery import Nursery

    os.setsid()
    output = os.open(job.output, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ["GRADER_TOKEN"] = job.secret
    os.environ["TMPDIR"] = job.temporary
    os.chdir(Path(job.results).parent)
    code = 1
    try:
        if job.place != EVERYTHING:
            make = partial(sandbox.Sandbox, layers=job.place.layers)
            vars(grade).update(Sandbox=make, open_starter=lambda _: Nursery(namespaces=job.place.namespaces))
        limits = watch.Limits(**job.limits)  # type: ignore[arg-type]
        record = grade.grade(
            Path(job.path), grade.Options(train="never", limits=limits, accept_weak=job.place != EVERYTHING)
        )
        results.write(Path(job.results), record)
        table.show(record, Path(job.results))
        code = 3 if record.fault else 0
    except BaseException:  # noqa: BLE001 - it is shown, and the exit status tells
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def judge(hostile: Hostile, apart: Apart, place: Place = EVERYTHING) -> Grading:
    """Grade a submission and list all that is wrong with what came of it."""
    # What searches memory for the grader's secrets needs one that starts as it always does; the others need not.
    afresh = hostile.family == "reading" and place == EVERYTHING
    with World() as world:
        path = hostile.build(world.handed_in, world.values())
        limits = SHORT if hostile.slow and not afresh else {}
        weigh = "memory" in hostile.harm
        output = str(world.folder / "output")
        job = Job(
            str(path), str(world.results), str(world.temporary), output, world.secret, limits, place, weigh
        )
        grading = Grading()
        begin = time.monotonic()
        code, watch = (command if afresh else partial(forked, apart))(job)
        grading.seconds = time.monotonic() - begin
        grading.peak_memory, grading.peak_threads = watch.peak_memory, watch.peak_threads
        with contextlib.suppress(OSError):
            grading.printed = Path(output).read_text("utf-8", "replace")
        grading.wrong = [*inspect(hostile, world, grading, watch, code)]
    return grading


def command(job: Job) -> tuple[int, Watch]:
    """Grade as a person does: by the command."""
    arguments = [sys.executable, "-I", "-X", "utf8", "-m", "autograder", "grade", job.path]
    with Path(job.output).open("wb") as output:
        process = subprocess.Popen(
            [*arguments, "--train=never", f"--results={job.results}"],
            cwd=Path(job.results).parent,
            env={**os.environ, "GRADER_TOKEN": job.secret, "TMPDIR": job.temporary},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    watch = Watch(process.pid, job.weigh)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(HANGS)
    process.kill()
    process.wait()
    watch.stop()
    return process.returncode, watch


def forked(apart: Apart, job: Job) -> tuple[int, Watch]:
    """Grade in a fork of a warm process."""
    process = apart.context.Process(target=work, args=(job,))
    with apart.lock:
        process.start()
    watch = Watch(process.pid or 0, job.weigh)
    wait([process.sentinel], HANGS)
    with apart.lock:
        process.kill()
        process.join()
    watch.stop()
    return process.exitcode or 0, watch


def inspect(hostile: Hostile, world: World, grading: Grading, watch: Watch, code: int) -> Iterator[str]:
    """List what is wrong: what must be true always, and what else after this submission."""
    yield from inspect_record(hostile, world, grading, code)
    everything = grading.printed + read(world.results)
    quoted = everything.replace(world.mark, "[mark]")
    if world.secret in everything:
        yield "silent: the secret is in what the grading wrote"
    for word, meaning in (("BREACHED", "silent"), ("TOOTHLESS", "teeth")):
        at = quoted.find(f"{word}[[mark]]")
        if at >= 0:
            yield f"{meaning}: {quoted[at : at + 300]}"
    if hostile.shows and hostile.shows not in everything:
        yield f"shown: {hostile.shows!r} is not in the results"
    if not wait_until(lambda: not watch.left(), 3):
        yield f"gone: {watch.left()}"
    # LAST_UID is no worker's: a nursery tries with it what it may, and another grading's may just do so.
    uids = {process.uid for process in watch.seen.values()} - {0, os.getuid(), LAST_UID}
    for process in processes().values():
        if process.uid in uids or describes(process.pid, world.mark):
            yield f"gone: a process of the worker's user or with the mark is left: {process}"
    yield from (f"outside: {item}" for item in world.news(uids))
    yield from inspect_harm(hostile, world, grading)
    if disturbed := world.ask_bystander():
        yield f"alive: {disturbed}"


def inspect_record(hostile: Hostile, world: World, grading: Grading, code: int) -> Iterator[str]:
    """List what is wrong with results.json and the points in it."""
    data = world.results.read_bytes() if world.results.is_file() else b""
    if wrong := problems(data):
        yield f"complete: {wrong[:3]} {grading.printed[-1500:]}"
        return
    grading.record = record = json.loads(data)
    rows = {row["number"]: row for row in record["tests"]}
    if [*rows] != ORDER:
        yield f"complete: the rows are {[*rows]}"
    faults = [row for row in record["tests"] if row.get("extra_data", {}).get("ending") == "grader fault"]
    if code or faults or "grader_fault" in record["extra_data"]:
        said = [f"{row['number']}: {row['extra_data'].get('fault')}" for row in faults]
        yield f"ordinary: exit status {code}; {said} {record['extra_data'].get('grader_fault', '')}"
    grading.passed = frozenset(number for number in ALL if rows[number]["score"] == rows[number]["max_score"])
    grading.layers = frozenset(record["extra_data"].get("layers", []))
    if grading.passed - hostile.keeps:
        yield f"earned: kept {sorted(grading.passed - hostile.keeps)}"
    if hostile.earns - grading.passed:
        lost = {number: rows[number]["output"][:300] for number in sorted(hostile.earns - grading.passed)}
        yield f"earned: lost {lost}"


def inspect_harm(hostile: Hostile, world: World, grading: Grading) -> Iterator[str]:
    """List what is wrong among the things that HARMS names, where this submission could do them."""
    state = world.look()
    found: dict[str, object] = {
        name: [path for path, was in world.state[name].items() if state[name].get(path) != was]
        + [path for path in state[name] if path not in world.state[name]]
        for name in ("canary", "neighbour", "sources")
    }
    stat = world.results.lstat() if world.results.exists() else None
    right = stat and stat.st_mode == 0o100644 and stat.st_uid == os.getuid()
    beside = [path.name for path in world.results.parent.iterdir() if path != world.results]
    found["results"] = [] if right and not beside else [stat, beside]
    found |= world.calls
    found["listener"] = world.answered
    now = ipc()
    found["ipc"] = [
        line for kind, lines in now.items() for line in lines if line not in world.ipc.get(kind, [])
    ]
    found["memory"] = max(0, grading.peak_memory - MEMORY - OVERSHOOT) >> 20
    found["pids"] = max(0, grading.peak_threads - THREADS)
    limit = SHORT["total"] + 60 if hostile.slow else 300
    found["time"] = max(0.0, grading.seconds - limit)
    found["size"] = max(0, len(read(world.results)) - 1_000_000)
    extra = grading.record.get("extra_data", {})
    outputs = " ".join(row.get("output", "") for row in grading.record.get("tests", []))
    found["seeds"] = [seed for seed in [extra.get("seed")] if seed is not None and str(seed) in outputs]
    texts = [grading.printed, *strings(grading.record)]
    found["display"] = [text[:200] for text in texts if CONTROL.search(text)]
    yield from (f"{name}: {found[name]}" for name in (*hostile.harm, "sources") if found.get(name))


def strings(value: Any) -> Iterator[str]:
    """List all strings in a record."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in [*value, *(value.values() if isinstance(value, dict) else [])]:
            yield from strings(item)


def read(path: Path) -> str:
    """Read a file, or nothing where there is none."""
    with contextlib.suppress(OSError):
        return path.read_text("utf-8", "replace")
    return ""
