"""Each hostile submission of the short run is graded, with all layers and with each alone; see hostile/__init__.py.

The whole table is graded by scripts/hostile.py.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hostile import LAYERS, Hostile, runner, submissions
from places import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from apart import Apart

    Gradings = Callable[[Hostile, runner.Place], runner.Grading]

CASES = submissions(brief=True)
# Holes that are known and open (CHANGELOG, docs/security.md): each keeps a row that it should not, and does no harm.
KNOWN = {
    "an encoder that is right when its parameters are listed, and another when it is called": "1.1 counts",
    "is right for the notebook's sizes only": "1.2 and others ask few sizes",
    "is right for the sizes that the rubric has, and no other": "1.2 and others ask few sizes",
    "knows the notebook's seeded case, and no other": "3.1 asks no other shape",
    "is right for the first 4 calls of each function": "a row asks few questions",
    "is right for the first model of each kind": "models are shared by the rows",
    "repeats the noise of large batches from call to call": "3.2 asks for batches of a certain size",
    "a forward that gives back what its parts were last asked": "4.1 and 6.3 ask the parts before forward",
    "has an encoder that fails wherever its forward would be seen to be wrong": "4.1 judges what can be judged",
}
ALONE = [(layer, hostile) for layer in LAYERS for hostile in CASES if layer in hostile.layers]
JOBS = min(4, os.cpu_count() or 1)


@pytest.fixture(scope="module")
def gradings(apart: Apart, request: pytest.FixtureRequest) -> Iterator[Gradings]:
    """Several gradings at a time, ahead of the tests that ask for them."""
    with ThreadPoolExecutor(JOBS) as pool:
        ahead: dict[tuple[str, runner.Place], Future[runner.Grading]] = {}
        for item in request.session.items:
            values: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
            if "hostile" in values:
                hostile, place = values["hostile"], values.get("place", runner.EVERYTHING)
                ahead[hostile.name, place] = pool.submit(runner.judge, hostile, apart, place)
        yield lambda hostile, place: ahead[hostile.name, place].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(
            case,
            id=f"{case.family}: {case.name}",
            marks=[pytest.mark.xfail(reason=KNOWN[case.name], strict=False)] if case.name in KNOWN else [],
        )
        for case in CASES
    ],
)
def test_nothing_gets_through(hostile: Hostile, gradings: Gradings) -> None:
    """A hostile submission keeps what it earned and does no harm, and every layer that the host has is in force."""
    grading = gradings(hostile, runner.EVERYTHING)
    assert grading.wrong == []
    if grading.layers:  # else it was refused before anything was run
        assert grading.layers == allowed()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("place", "hostile"),
    [(runner.alone(layer), hostile) for layer, hostile in ALONE],
    ids=[f"{layer}: {hostile.name}" for layer, hostile in ALONE],
)
def test_each_layer_is_no_decoration(place: runner.Place, hostile: Hostile, gradings: Gradings) -> None:
    """What a layer is to stop, it stops alone; one that the host does not have is not in force, and nothing else is."""
    grading = gradings(hostile, place)
    assert grading.layers == place.names & allowed()
    if place.names <= allowed():
        assert grading.wrong == []
