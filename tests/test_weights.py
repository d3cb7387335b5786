"""The weights of the student's models: drawn alike on both sides, in the spread that was asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from autograder import weights

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = [(400, 784), (400,), (1, 15), (2_000, 800)]


def test_alike() -> None:
    """A seed gives tensors made here and tensors of another process the same numbers, float64 ones rounded."""
    scales = [1.0, 2.0, 0.5, 0.1]
    drawn = [numbers * scale for numbers, scale in zip(weights.draw(SHAPES, 7), scales, strict=True)]
    there = [torch.zeros(shape, dtype=torch.float64 if i == 1 else None) for i, shape in enumerate(SHAPES)]
    weights.fill(there, scales, 7)
    assert all(torch.equal(one, other.float()) for one, other in zip(drawn, there, strict=True))
    assert not torch.equal(drawn[0], weights.draw(SHAPES[:1], 8)[0])


@pytest.mark.parametrize("shape", SHAPES[::3])
def test_normal(shape: tuple[int, int]) -> None:
    """Short tensors and those too long for the list are normal with the standard deviation asked for."""
    drawn = torch.empty(shape)
    weights.fill([drawn], [3.0], 1)
    assert abs(float(drawn.mean())) < 0.05
    assert abs(float(drawn.std()) - 3) < 0.05
    assert abs(float((drawn / 3).pow(4).mean()) - 3) < 0.1


def test_quick_start() -> None:
    """Layers start with torch's own variance, those too that were left without weights; later ones start as ever."""
    with weights.quick_start() as early:
        first = nn.Linear(784, 400)
    with weights.quick_start(late=True) as late:
        layer = nn.Linear(784, 400)
    assert early == [first]
    assert late == [layer]
    weights.start(layer)
    started = torch.stack([first.weight.detach(), layer.weight.detach()])
    assert abs(float(started.var()) * 3 * 784 - 1) < 0.02
    assert float(started.abs().max()) > 1 / 28  # which is as far as torch's own go
    assert float(nn.Linear(784, 400).weight.detach().abs().max()) <= 1 / 28


def test_start_elsewhere() -> None:
    """Layers in double precision or without a bias start, too; those without memory are as ever."""
    with weights.quick_start(late=True) as layers:
        assert nn.Linear(3, 4, device="meta").weight.is_meta
        double, bare = nn.Linear(3, 4, dtype=torch.float64), nn.Linear(3, 4, bias=False)
    assert layers == [double, bare]
    for layer in layers:
        weights.start(layer)
        assert layer.weight.any()


def test_start_of_few() -> None:
    """A parameter that was given numbers keeps them, and one without memory of its own stays as it is."""
    with weights.quick_start(late=True):
        layer = nn.Linear(3, 4)
    nn.init.constant_(layer.bias, 7)
    layer.weight = nn.Parameter(torch.ones(1).expand(4, 3))
    weights.start(layer, {id(layer.bias)})
    assert layer.bias.eq(7).all()
    assert layer.weight.eq(1).all()


@pytest.mark.parametrize(
    ("change", "plain"),
    [
        (lambda model: model, True),
        (lambda model: nn.Sequential(model, nn.ReLU()), True),
        (lambda model: nn.Sequential(model, nn.BatchNorm1d(4)), False),
        (nn.utils.parametrizations.spectral_norm, False),
        (nn.utils.parametrizations.weight_norm, False),
        (copy.deepcopy, False),
        (type, False),
    ],
)
def test_plain(change: Callable[[nn.Module], nn.Module], *, plain: bool) -> None:
    """Models of layers alone do not depend on their first weights; others, and what is no model, may."""
    with weights.quick_start() as layers:
        model = change(nn.Linear(3, 4))
    assert weights.is_plain(model, layers) == plain


def test_changed_first_weights() -> None:
    """A model that changes its first weights may depend on them; one that changes biases alone does not."""
    with weights.quick_start() as layers:
        model = nn.Linear(3, 4)
        nn.init.zeros_(model.bias)
    assert weights.is_plain(model, layers)
    model.weight.data.mul_(2)
    assert not weights.is_plain(model, layers)


def test_begun_again() -> None:
    """Where first weights are late, a layer that is begun again gets some: it may be until they fit."""
    with weights.quick_start(late=True) as layers:
        layer = nn.Linear(3, 4)
        nn.init.zeros_(layer.weight)
        layer.reset_parameters()
    assert layers == [layer]
    assert layer.weight.all()


def test_students_own_start() -> None:
    """Where the student has replaced how nn.Linear starts, theirs is called."""

    def zeros(layer: nn.Linear) -> None:
        nn.init.zeros_(layer.weight)

    before = nn.Linear.reset_parameters
    nn.Linear.reset_parameters = zeros  # type: ignore[assignment, method-assign]
    try:
        with weights.quick_start(late=True) as layers:
            layer = nn.Linear(3, 4)
    finally:
        nn.Linear.reset_parameters = before  # type: ignore[method-assign]
    assert layers == []
    assert not layer.weight.any()


class Tied(nn.Module):
    """Has a weight twice, a lazy one, and one that holds less memory than it promises."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 4)
        self.two = self.one
        self.lazy = nn.LazyLinear(2, bias=False)
        self.wide = nn.Parameter(torch.zeros(1).expand(10))

    def named_parameters(self, *_: object, **__: object) -> list[tuple[str, Tensor]]:  # type: ignore[override]
        """Tell a lie."""
        return []


def test_listed() -> None:
    """Parameters are listed once each, as they are registered, and those that could not learn are left out."""
    module = Tied()
    assert [name for name, _ in weights.listed(module)] == ["one.weight", "one.bias", "lazy.weight"]
    assert "wide" in [name for name, _ in weights.registered(module)]


VECTORS = {(5,): True, (1, 5): True, (5, 1): True, (1, 1, 5): True, (5, 2): False, (): False}


@pytest.mark.parametrize(("shape", "vector"), VECTORS.items())
def test_vectors(shape: tuple[int, ...], vector: bool) -> None:  # noqa: FBT001
    """A bias may be written as a row or a column."""
    assert weights.is_vector(shape) == vector
