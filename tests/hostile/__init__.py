"""Hostile submissions, as data: none of this runs when it is imported, nor is to run outside the sandbox.

Each says what it hands in, the rows that it may honestly keep, and what must not come of it (case.py). A
file is text with @NAME@ in it for what the runner prepares. Every one that runs ends itself after two minutes
at the latest, and takes at most 3 GiB of memory, 2 GiB of disk, 200 processes. Nothing leaves this machine.

    for hostile in submissions():
        path = hostile.build(an_empty_folder, values)  # values: one for each of PLACEHOLDERS
        ...  # grade it; look at keeps, earns, shows, harm and ALWAYS

Start the grader in a session and with limits of its own: some kill their process group or their parent.
A submission whose attack got through says BREACHED[mark] in its messages, output or file names; one that is
itself mis-written says TOOTHLESS[mark]. Neither word stands so in a source: a quoted line is no breach.
"""

from __future__ import annotations

from . import (
    bombs,
    display,
    endings,
    insiders,
    liars,
    machine,
    network,
    planting,
    processes,
    reading,
    replies,
    shortcuts,
    words,
    writing,
    zips,
)
from .case import ALL, ALWAYS, HARMS, LAYERS, NONE, PLACEHOLDERS, Hostile
from .solutions import REFERENCE, WRONG

__all__ = ["ALL", "ALWAYS", "HARMS", "LAYERS", "NONE", "PLACEHOLDERS", "Hostile", "submissions"]

# The right solution and the wrong one by themselves: they show that the table could be told from its attacks.
CONTROLS = [
    Hostile("is the reference", "control", {"vae.py": REFERENCE.encode()}, ALL, earns=ALL),
    Hostile("is wrong in every row", "control", {"vae.py": WRONG.encode()}, NONE),
]


def submissions(*, brief: bool = False) -> list[Hostile]:
    """List all of them, family by family, two controls first; or only those of the short run."""
    modules = (
        *(endings, bombs, words),  # results
        *(replies, liars, shortcuts, insiders),  # forgery
        reading,
        *(planting, zips, writing),  # planting
        *(network, processes, display, machine),
    )
    cases = [hostile for module in modules for hostile in module.CASES]
    return CONTROLS + [hostile for hostile in cases if hostile.brief or not brief]
