"""Whether the lines that a student is told to try show the mistake: run with each known one, and with the reference.

    python scripts/recipes.py [WORD ...]

For each row that a mistake of tests/corpus costs, its recipe is run with that vae.py in a process of its own. One that
prints the very text that it prints with the reference shows nothing. Some mistakes cannot be shown in seven lines.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "tests")]

from corpus import entries  # noqa: E402
from corpus.edits import finished, reference  # noqa: E402
from test_recipes import RECIPES  # noqa: E402

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

IMPORTS = "import torch\nfrom torch.nn import functional as F"  # as in the notebook
SECONDS = 60  # for one recipe
NOTHING = "nothing: it takes too long, or ends the process"


def tell(pipe: Connection, source: bytes, code: str) -> None:
    """Send what the recipe prints behind this vae.py, and how it failed if it did."""
    printed = io.StringIO()
    torch.manual_seed(1)
    names: dict[str, Any] = {"__name__": "vae"}
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            exec(source, names)  # noqa: S102 - our own
            exec(f"{IMPORTS}\n{code}", names)  # noqa: S102 - our own
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is seen
            print(f"{type(error).__name__}: {error}", file=printed)
    pipe.send(printed.getvalue())


def printed_by(source: bytes, code: str) -> str:
    """Run a recipe behind a vae.py, in a process of its own; returns what it prints."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=tell, args=(theirs, source, code))
    process.start()
    theirs.close()
    said = NOTHING
    with contextlib.suppress(EOFError):
        if ours.poll(SECONDS):
            said = ours.recv()
    process.kill()
    process.join()
    return said


def main() -> None:
    """Run them all, and list those that show nothing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="only mistakes whose names hold one of them")
    words = parser.parse_args().words
    torch.set_num_threads(1)
    known = {row: textwrap.dedent(recipe.partition(":\n\n")[2]) for row, recipe in RECIPES.items()}
    right = {row: printed_by(finished(reference()).encode(), code) for row, code in known.items()}
    wrong = [
        entry for entry in entries() if entry.lost and (not words or any(w in entry.name for w in words))
    ]
    if not wrong:
        sys.exit("no mistake has such a name")
    silent, total = 0, 0
    for entry in wrong:
        for row in sorted(entry.lost):
            total += 1
            if printed_by(entry.source, known[row]) == right[row]:
                silent += 1
                print(f"{row} {entry.name}", flush=True)
    print(f"{total - silent} of {total} rows that are lost show in the notebook ({1 - silent / total:.1%})")


if __name__ == "__main__":
    main()
