"""Check your vae.py as it will be graded: the same questions, the same points, the same words.

In a terminal:     python check.py                    everything
                   python check.py encoder            one section, or several
                   python check.py encoder --watch    again whenever vae.py is saved
                   python check.py --submit           everything, and write the zip to hand in
In the notebook:   from check import check
                   check("encoder")

Sections: encoder, decoder, reparametrize, forward, loss, cvae.
"""

import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - students run this with whatever Python they have
    sys.exit(f"check.py needs Python 3.10 or later; this is {sys.version.split()[0]}.")

HERE = Path(__file__).resolve().parent
# The grader lies beside this file; in the course's own repository, one folder up.
sys.path.insert(0, str(HERE if (HERE / "autograder").is_dir() else HERE.parent))

from autograder import check as checking  # noqa: E402


def check(*sections: str) -> None:
    """Check these sections of the vae.py beside this file, all of them where none is named, and show the rows."""
    checking.check(HERE, *sections)


if __name__ == "__main__":
    sys.exit(checking.main(HERE))
