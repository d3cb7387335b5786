"""Check your vae.py as it will be graded: the same questions, the same points, the same words.

In a terminal:     python check.py             everything
                   python check.py encoder     one section, or several
In the notebook:   from check import check
                   check("encoder")

Sections: encoder, decoder, reparametrize, forward, loss, cvae.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRADER = HERE.parent  # the folder in which the package `autograder` lies
SECTIONS = ("encoder", "decoder", "reparametrize", "forward", "loss", "cvae")


def check(*sections: str) -> None:
    """Check these sections of the vae.py beside this file, all of them where none is named, and show the rows."""
    unknown = [section for section in sections if section not in SECTIONS]
    if unknown:
        raise ValueError(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    # A process of its own: a notebook has imported vae.py long ago, and perhaps not the one that is on disk now.
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "results.json"
        command = [sys.executable, __file__, *sections, "--results", str(record), "--quiet"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if not record.is_file():
            raise RuntimeError(f"the check itself failed:\n{done.stdout}{done.stderr}")
        show(json.loads(record.read_text(encoding="utf-8")))


def show(record: dict) -> None:
    """Show a record in a notebook, or as text where there is none."""
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        get_ipython = None
    if get_ipython and get_ipython() and "IPKernelApp" in get_ipython().config:
        display(HTML(as_html(record)))
    else:
        print(as_text(record))


def as_text(record: dict) -> str:
    """Write a record as plain text."""
    lines = []
    for row in record["tests"]:
        mark = "ok  " if row["status"] == "passed" else "    "
        lines.append(f"{mark} {row['number']:4} {points(row):4} {row['name']}")
        if row["status"] != "passed":
            lines += [f"               {line}" for line in row.get("output", "").splitlines()]
    return "\n".join([*lines, "", record["output"]])


def as_html(record: dict) -> str:
    """Write a record as a small table. All of its text is escaped."""
    rows = []
    for row in record["tests"]:
        passed = row["status"] == "passed"
        said = (
            "" if passed else f"<pre style='white-space: pre-wrap'>{html.escape(row.get('output', ''))}</pre>"
        )
        rows.append(
            f"<tr><td>{'&#10003;' if passed else '&#10007;'}</td><td>{html.escape(row['number'])}</td>"
            f"<td>{points(row)}</td><td style='text-align: left'>{html.escape(row['name'])}{said}</td></tr>"
        )
    head = "<tr><th></th><th>row</th><th>points</th><th style='text-align: left'>what was checked</th></tr>"
    return f"<table>{head}{''.join(rows)}</table><pre>{html.escape(record['output'])}</pre>"


def points(row: dict) -> str:
    """Write a row's points."""
    return f"{row.get('score', 0):g}/{row['max_score']:g}" if "max_score" in row else ""


def main() -> int:
    """Check vae.py from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="python check.py [section ...]"
    )
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--results", type=Path, help="also write the record, as Gradescope's results.json")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    arguments = parser.parse_args()
    unknown = [section for section in arguments.sections if section not in SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    sys.path.insert(0, str(GRADER))
    from autograder.grade import Options, grade
    from autograder.results import write

    options = Options(train="never", sections=arguments.sections, nndl2=HERE / "nndl2")
    record = grade(HERE / "vae.py", options)
    if arguments.results:
        write(arguments.results, record)
    if not arguments.quiet:
        from autograder.table import show as show_table

        show_table(record)
    return 3 if record.fault else 0


if __name__ == "__main__":
    sys.exit(main())
