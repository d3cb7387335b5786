"""The student's check: the rows, points and words of Gradescope, and what to look at next.

Each check runs in a process of its own, started from the students' check.py: a notebook has imported vae.py long ago,
and perhaps not the one that is on disk now. So this module imports nothing heavy before it is asked to grade.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import handin
from autograder.startup import prepare, printing
from autograder.verdict import SECTIONS, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check", "main"]

NEEDED = (
    "gradescope_utils",
    "msgspec",
    "platformdirs",
    "psutil",
    "pytest",
    "pytest_timeout",
    "safetensors",
    "torch",
    "yaml",
)
MAX_SEED = (1 << 63) - 1  # torch's
LOOK = 0.3  # seconds between two looks at vae.py


def unknown(sections: Sequence[str]) -> str:
    """Say which of these is no section of the notebook; "" where all are."""
    wrong = [section for section in sections if section not in SECTIONS]
    return f"there is no section {wrong[0]!r}; there are {', '.join(SECTIONS)}" if wrong else ""


def check(here: Path, *sections: str) -> None:
    """Check these sections of here/vae.py, all of them where none is named, and show the rows."""
    sections = tuple(section.lower() for section in sections)
    if why := unknown(sections):
        raise ValueError(why)
    if not handin.names_of(here):
        raise FileNotFoundError(f"there is no vae.py in {here}")
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "results.json"
        command = [
            sys.executable,
            "-X",
            "utf8",
            str(here / "check.py"),
            *sections,
            "--quiet",
            "--results",
            str(record),
        ]
        done = subprocess.run(
            command, cwd=here, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if not record.is_file():
            raise RuntimeError(f"the check itself failed:\n{done.stdout}{done.stderr}")
        verdict = Verdict(json.loads(record.read_text(encoding="utf-8")))
    ipython = sys.modules.get("IPython")  # where nobody has imported it, there is no notebook
    if ipython and ipython.get_ipython():
        from IPython.display import display

        display(verdict)  # type: ignore[no-untyped-call]
    else:
        print(verdict)


def main(here: Path) -> int:
    """Check here/vae.py as the command line says; returns the exit status.

    0: it was checked, whatever the points; 1: a package is missing; 2: nothing to check, unusable arguments, or a file
    that cannot be written; 3: the check itself failed; 130: Ctrl-C
    """
    parser = argparse.ArgumentParser(
        prog="python check.py",
        allow_abbrev=False,
        description="Check vae.py as Gradescope will: the same rows, points and words.",
    )
    parser.add_argument(
        "sections",
        nargs="*",
        type=str.lower,
        metavar="section",
        help=f"{', '.join(SECTIONS)}; none means all",
    )
    parser.add_argument(
        "--watch", action="store_true", help="check again whenever vae.py is saved, until Ctrl-C"
    )
    parser.add_argument(
        "--submit", action="store_true", help="check everything, and write the zip to hand in"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="also write the record, as results.json")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument("--seed", type=int, help="repeat a check with the seed that its record holds")
    parser.add_argument(
        "--start-method", choices=["fork", "spawn"], default="", help="how your code is started"
    )
    chosen = parser.parse_args()
    if why := unknown(chosen.sections):
        parser.error(why)
    if chosen.submit and (chosen.sections or chosen.watch):
        parser.error("--submit checks everything, once: give no section, and no --watch")
    if chosen.seed is not None and not 0 <= chosen.seed <= MAX_SEED:
        parser.error(f"--seed: {chosen.seed} is not between 0 and {MAX_SEED}")
    if chosen.results and chosen.results.is_dir():
        parser.error(f"--results: {chosen.results} is a folder; give a file")
    if not chosen.watch and not handin.names_of(here):
        found = [f" Move {path.relative_to(here)} there." for path in sorted(here.glob("[!.]*/vae.py"))]
        parser.exit(2, f"There is no vae.py in {here}.{''.join(found[:1])}\n")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        listed = "requirements.txt" if Path.cwd() == here else f'"{here / "requirements.txt"}"'
        parser.exit(
            1, f"Missing: {', '.join(missing)}. Install: {sys.executable} -m pip install -r {listed}\n"
        )
    prepare()
    if chosen.watch:
        return watch(here / "vae.py", [sys.executable, *(word for word in sys.argv if word != "--watch")])
    return check_once(here, chosen)


def check_once(here: Path, chosen: argparse.Namespace) -> int:
    """Check, and write the zip where that is wanted; returns the exit status, and after Ctrl-C says so."""
    try:
        if chosen.submit:
            return submit(here, chosen)
        if (here / "vae.py").is_file():
            return run(here, here / "vae.py", chosen)
        with tempfile.TemporaryDirectory() as folder:  # what would be handed in, as Gradescope takes it
            handin.pack(here, made := Path(folder, handin.NAME))
            return run(here, made, chosen)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def run(here: Path, source: Path, chosen: argparse.Namespace) -> int:
    """Grade the source, show the record and write it where that is wanted; returns the exit status."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    import msgspec

    from autograder.grade import Options, grade
    from autograder.results import write
    from autograder.schedule import Settings

    data = here / "nndl2" if (here / "nndl2" / "MNIST").is_dir() else None  # where the notebook puts it
    progress = partial(show_line, sys.stderr) if sys.stderr.isatty() and not chosen.quiet else None
    options = Options(
        train="auto" if chosen.submit else "never",
        method=chosen.start_method,
        sections=chosen.sections,
        seed=chosen.seed,
        nndl2=next(path for path in (here / "autograder" / "nndl2", here / "nndl2") if path.is_dir()),
        training=Settings(data=data, progress=progress),
        accept_weak=True,  # it is their own code, on their own machine
    )
    results = grade(source, options)
    if chosen.results:
        try:
            write(chosen.results, results)
        except OSError as error:
            print(f"{chosen.results} could not be written: {error.strerror}", file=sys.stderr)
            return 2
    if not chosen.quiet:
        verdict = Verdict(msgspec.to_builtins(results))
        width = shutil.get_terminal_size((100, 24)).columns
        colours = sys.stdout.isatty() and os.name == "posix" and "NO_COLOR" not in os.environ
        with printing():
            print(verdict.as_text(width, colours=colours))
    return 3 if results.fault else 2 if "unreadable" in results.extra_data else 0


def show_line(stream: Any, text: str) -> None:
    """Show a line on the terminal in the place of the one before."""
    print(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", file=stream, flush=True)


def submit(here: Path, chosen: argparse.Namespace) -> int:
    """Write the zip, check what is in it, and warn of what a grader would frown upon; returns the exit status.

    Where there is nothing to grade, an earlier zip stays.
    """
    made = here / handin.NAME
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder, handin.NAME)
        try:
            names = handin.pack(here, packed)
            code = run(here, packed, chosen)
            if code == 2 and not (here / "vae.py").is_file():
                return code
            shutil.copyfile(packed, made)
        except OSError as error:
            print(f"{error.filename or made}: {error.strerror}", file=sys.stderr)
            return 2
    if not chosen.quiet:
        lines = ["", *(f"Warning: {warning}" for warning in handin.warnings_of(here))]
        lines.append(f"Written: {made.name}, with {' and '.join(names)}: the file to hand in on Gradescope.")
        with printing():
            print("\n".join(lines))
    return code


def state_of(path: Path) -> tuple[int, int] | None:
    """Return what changes where a file is saved, None where there is none: some editors replace it."""
    with contextlib.suppress(OSError):
        state = path.stat()
        return (state.st_mtime_ns, state.st_size) if stat.S_ISREG(state.st_mode) else None
    return None


def watch(path: Path, command: Sequence[str]) -> int:
    """Run the command now and whenever the file is saved, until Ctrl-C."""
    seen = None
    if not state_of(path):
        print(f"There is no {path} yet: waiting for it. Ctrl-C ends this.", flush=True)
    try:
        while True:
            found = state_of(path)
            if found != seen and found:
                time.sleep(0.1)  # an editor may still be writing
                if sys.stdout.isatty():
                    print("\x1b[2J\x1b[H", end="", flush=True)
                subprocess.run(command, check=False)
                print("\nWaiting for vae.py to be saved. Ctrl-C ends this.", flush=True)
            seen = found
            time.sleep(LOOK)
    except KeyboardInterrupt:
        return 0
