"""Change the grader's code a little, at random places, and see whether the tests notice: mutation testing, by sample.

    python scripts/mutants.py [--count N] [--seed N] [--all] [MODULE ...]

The changes are cosmic-ray's (pip install cosmic-ray). MODULE is a file or a folder below autograder/; rubric/ where
none is named. A change to the rubric must be seen by its tests and the short run of the corpus or, with --all, by the
whole corpus; a change to another module by that module's own tests, or by all quick ones where it has none. What
survives is printed, to be read: it changes no verdict that the corpus knows of, and may be one that cannot (a word, a
bound that is never met).
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names
except ModuleNotFoundError:
    sys.exit("scripts/mutants.py takes cosmic-ray, which is not a part of --dev: pip install cosmic-ray")

HOME = Path(__file__).resolve().parents[1]
PARTS = (
    "autograder",
    "reference",
    "student_template",
    "tests",
    "pyproject.toml",
    "scripts",
    "constraints.txt",
)
# These change what no verdict depends on, or nothing.
LEFT_OUT = ("core/AddNot", "core/Variable", "core/RemoveDecorator", "core/ZeroIterationForLoop")
RUBRIC = ("tests/test_ideal.py", "tests/test_slips.py", "tests/test_oracle.py", "tests/test_rubric.py")
NO_TESTS = 5  # pytest's exit status
SECONDS = 900  # for the tests of one change; one that hangs is noticed


def changes(path: Path) -> list[tuple[Path, str, int]]:
    """List all changes of a file: the operator, and which of the places where it applies."""
    code = path.read_text(encoding="utf-8")
    found = []
    for name in operator_names():
        if name.startswith("core/") and not name.startswith(LEFT_OUT):
            # cosmic-ray cannot change every place: it fails at "except (A, *B)".
            with contextlib.suppress(AttributeError):
                place = 0
                while place < 3 and mutate_code(code, get_operator(name)(), place) is not None:
                    found.append((path, name, place))
                    place += 1
    return found


def tests_of(path: Path, *, whole: bool) -> list[str]:
    """Choose the tests that must notice a change of a file."""
    if path.parent.name == "rubric":
        return [*RUBRIC, *([] if whole else ["-m", "not slow"])]
    own = HOME / "tests" / f"test_{path.stem}.py"
    return [f"tests/{own.name}" if own.is_file() else "tests", "-m", "not slow"]


def notice(folder: Path, tests: list[str]) -> bool:
    """Run tests in a copy of the project; tells whether any fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    # Lanes leave the current folder off their path: without this they would grade with the code that is not changed.
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode == NO_TESTS:
        sys.exit(f"no test was run: {' '.join(tests)}")
    return done.returncode != 0


def main() -> None:
    """Draw changes, try them, and print those that nobody noticed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", type=Path, default=[Path("rubric")])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="try what survives against the whole corpus")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # workers read nndl2 in it
        for part in PARTS:
            copy = shutil.copytree if (HOME / part).is_dir() else shutil.copy
            copy(HOME / part, folder / part)
        named = [folder / "autograder" / module for module in arguments.modules]
        paths = [path for module in named for path in (sorted(module.rglob("*.py")) or [module])]
        drawn = [change for path in paths for change in changes(path)]
        chosen = random.Random(arguments.seed).sample(drawn, min(arguments.count, len(drawn)))
        survived = 0
        for number, (path, operator, place) in enumerate(chosen, start=1):
            code = path.read_text(encoding="utf-8")
            changed = mutate_code(code, get_operator(operator)(), place)
            path.write_text(changed, encoding="utf-8")
            noticed = notice(folder, tests_of(path, whole=False)) or (
                arguments.all and notice(folder, tests_of(path, whole=True))
            )
            path.write_text(code, encoding="utf-8")
            survived += not noticed
            print(f"{number}/{len(chosen)} {'noticed' if noticed else 'SURVIVED'} {path.stem}: {operator}")
            if not noticed:
                lines = difflib.unified_diff(code.splitlines(), changed.splitlines(), lineterm="", n=0)
                print("    " + "\n    ".join([*lines][2:]), flush=True)
        print(f"{len(chosen)} of {len(drawn)} changes tried, {survived} survived")


if __name__ == "__main__":
    main()
