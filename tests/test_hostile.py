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
ALONE = [(layer, hostile) for layer in LAYERS for hostile in CASES if layer in hostile.layers]
# Many of them wait for a limit; but where another file's tests run beside these, it must not starve them.
JOBS = 2 if "PYTEST_XDIST_WORKER" in os.environ else min(4, (os.cpu_count() or 1) + 1)


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
@pytest.mark.parametrize("hostile", CASES, ids=[f"{case.family}: {case.name}" for case in CASES])
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
