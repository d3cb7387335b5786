"""The corpus itself: what it holds, and that its verdicts are not the grader's word alone."""

import os
import subprocess
import sys
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from corpus import ROWS, Entry, entries
from corpus.combinations import COMBINATIONS, NAMES
from corpus.doubtful import DOUBTFUL, Doubt
from corpus.edits import Edit, apply, finished, reference
from corpus.mistakes import MISTAKES

ENTRIES = {entry.name: entry for entry in entries()}
# Nearly right, right in an unusual way, or unfinished: a small sample for the second opinion.
SAMPLE = (
    "encoder-leaky-relu-0.001",
    "encoder-wrong-in-eval",
    "logvar-layer-clamped",
    "decoder-tied-layers",
    "reparametrize-repeated-after-32",
    "forward-second-call-differs",
    "loss-kl-off-by-1-percent",
    "cvae-forward-class-ignored-by-decoder",
    "right-reparametrize-transposed-noise",
    "right-file-matrix-school",
    "unfinished-with-1-3-4",
)


def of(family: str) -> list[Entry]:
    """Take the entries of one family."""
    return [entry for entry in ENTRIES.values() if entry.family == family]


def test_nothing_stands_twice() -> None:
    """No two entries share a name or a source."""
    assert len({entry.source for entry in entries()}) == len(ENTRIES) == len(entries())


@pytest.mark.parametrize(
    ("family", "number"), [("mistake", 200), ("variant", 80), ("combination", 60), ("unfinished", 30)]
)
def test_size(family: str, number: int) -> None:
    """Each family is as large as the project promises."""
    assert len(of(family)) >= number


def test_every_row_is_hit() -> None:
    """Each row is lost by twenty single mistakes or more, and by one at least that costs nothing else."""
    lost = Counter(row for entry in of("mistake") for row in entry.lost)
    alone = {row for entry in of("mistake") if len(entry.lost) == 1 for row in entry.lost}
    assert set(lost) == set(ROWS)
    assert min(lost.values()) >= 20
    assert alone == set(ROWS)


def test_right_submissions_are_legal() -> None:
    """A right submission loses nothing and is legal Python, byte for byte."""
    for entry in of("variant"):
        assert not entry.lost
        compile(entry.source, entry.name, "exec", dont_inherit=True)


def test_wrong_submissions_are_described() -> None:
    """A wrong submission loses rows that there are, and has words in lower case for them."""
    wrong = [entry for entry in ENTRIES.values() if entry.family != "variant"]
    for entry in wrong:
        assert entry.lost, entry.name
        assert entry.lost <= set(ROWS), entry.name
        assert entry.words, entry.name
        assert all(word and word == word.lower() for word in entry.words), entry.name


@pytest.mark.parametrize(
    ("name", "mistakes"), [(c.name, names.split()) for c, names in zip(COMBINATIONS, NAMES, strict=True)]
)
def test_combination_in_any_order(name: str, mistakes: list[str]) -> None:
    """Combined mistakes do not need each other: their edits can be made in any order."""
    single = {m.name: m for m in MISTAKES}
    for order in permutations(mistakes):
        edits = dict.fromkeys(edit for mistake in order for edit in single[mistake].edits)
        assert apply(reference(), [*edits]) != reference(), name


@pytest.mark.parametrize(("old", "times"), [("nn.ReLU()", 1), ("nn.ReLU()", 4), ("nn.Tanh()", 1)])
def test_edit_must_fit(old: str, times: int) -> None:
    """An edit whose text is not there, or is there another number of times, is refused."""
    with pytest.raises(LookupError, match=r"^VAE\.encoder holds"):
        apply(reference(), [Edit("VAE.encoder", old, "", times)])


def test_marks_are_not_handed_in() -> None:
    """What is graded has no solution marks, as a student's file has none."""
    assert "# solution" in reference()
    assert "# solution" not in finished(reference())


@pytest.mark.parametrize("doubt", DOUBTFUL, ids=lambda d: d.name)
def test_doubtful_case_can_be_made(doubt: Doubt) -> None:
    """Each doubtful case is a submission too, and stands nowhere else."""
    assert finished(apply(reference(), doubt.edits)).encode() not in {
        entry.source for entry in ENTRIES.values()
    }
    assert doubt.name not in ENTRIES


def test_second_opinion() -> None:
    """An independent judge, which runs the submission in its own process, comes to the corpus's verdicts."""
    assert set(SAMPLE) <= set(ENTRIES)
    judge = subprocess.run(
        [sys.executable, "-m", "corpus.judge", *SAMPLE],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (judge.returncode, judge.stdout) == (0, ""), judge.stdout + judge.stderr
