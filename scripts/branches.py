"""Show which lines and branches of the grader no test takes.

    python scripts/branches.py [--brief] [MODULE ...]

MODULE is a file or a folder below autograder/; all where none is named. The tests that are not slow are run and, unless
--brief, the whole corpus as a class (`autograder audit`), both under coverage (pip install coverage). A worker that a
grading starts is ended without being asked, and what it did is lost; what counts of worker.py and its modules is what
tests run beside them, in a thread (tests/beside.py). So it is with a grading that a test runs in a process of its own;
of lanes all counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
SETTINGS = """\
[run]
branch = true
source = autograder
parallel = true
concurrency = thread, multiprocessing
sigterm = true
disable_warnings = no-data-collected

[report]
show_missing = true
skip_covered = true
skip_empty = true
exclude_also =
    if TYPE_CHECKING:
    class .*Protocol
    @overload
"""


def main() -> None:
    """Run the tests and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--brief", action="store_true", help="leave the corpus out")
    chosen = parser.parse_args()
    if unknown := [module for module in chosen.modules if not (HOME / "autograder" / module).exists()]:
        parser.error(f"there is no autograder/{unknown[0]}")
    with tempfile.TemporaryDirectory() as place:
        settings = Path(place) / "settings"
        settings.write_text(SETTINGS)
        environment = {**os.environ, "COVERAGE_FILE": str(Path(place) / "data")}

        def coverage(command: str, *arguments: str) -> int:
            words = [sys.executable, "-m", "coverage", command, f"--rcfile={settings}", *arguments]
            return subprocess.run(words, cwd=HOME, env=environment, check=False).returncode

        if coverage("erase"):
            sys.exit("scripts/branches.py takes coverage, which is not a part of --dev: pip install coverage")
        coverage("run", "-m", "pytest", "-q", "--durations=0", "-m", "not slow")
        if not chosen.brief:
            coverage("run", "-m", "autograder", "audit")
        coverage("combine", "--quiet")
        paths = [Path(HOME, "autograder", module) for module in chosen.modules]
        named = [str(path / "*") if path.is_dir() else str(path) for path in paths]
        coverage("report", *([f"--include={','.join(named)}"] if named else []))


if __name__ == "__main__":
    main()
