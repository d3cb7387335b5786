"""The twelve simple rows, each submission in a fork of this warm process: the floor of what one can cost.

    python benchmarks/forked_rows.py FOLDER...

Nothing is kept apart, limited or written down. benchmarks/batch.py measures it beside the autograder.
"""

import argparse
import contextlib
import gc
import os
import sys

import torch
from twelve_rows import ROWS

__all__: list[str] = []


def run_rows(folder: str) -> None:
    """Import FOLDER/vae.py, and run all rows, whatever comes of them."""
    sys.path[:0] = [folder]
    with contextlib.suppress(Exception):
        import vae

        for row in ROWS.values():
            with contextlib.suppress(Exception):
                row(vae)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="where a vae.py is")
    given = parser.parse_args()
    import nndl2.helper  # noqa: F401 - some submissions do, and it is to be there before the forks

    torch.set_num_threads(1)
    gc.freeze()
    for name in given.folders:
        if not os.fork():
            try:
                run_rows(name)
            finally:
                os._exit(0)
        os.wait()
