"""The drawn digits: what the images are like."""

from __future__ import annotations

import pytest
import torch

from autograder import drawing


@pytest.fixture(scope="module")
def sheet() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw two hundred digits of each class."""
    return drawing.draw(2_000, 1)


def test_drawn_like_mnist(sheet: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Drawn digits have MNIST's format, place and ink: there it is 102.8 white pixels an image, +- 34.2."""
    images, labels = sheet
    assert (images.dtype, labels.dtype, images.shape) == (torch.uint8, torch.uint8, (2_000, 1, 28, 28))
    assert torch.bincount(labels).tolist() == [200] * 10
    ink = images.flatten(1).float().sum(1) / 255
    assert 95 < ink.mean() < 110
    assert 25 < ink.std() < 40
    assert ink.min() > 15
    # Centred: the centre of mass is where MNIST's is, within a pixel or so.
    centres = torch.arange(28) + 0.5
    weight = images[:, 0].float() / 255 / ink[:, None, None]
    for axis in (1, 2):
        middle = weight.sum(3 - axis) @ centres
        assert abs(middle.mean() - 14) < 0.2
        assert middle.std() < 0.7
    assert images[:, :, [0, -1]].float().mean() < 0.5
    assert images[:, :, :, [0, -1]].float().mean() < 0.5


def test_anti_aliased(sheet: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Strokes are white with grey rims: a tenth of all pixels is neither black nor white, as in MNIST."""
    images, _ = sheet
    assert 0.08 < ((images > 12) & (images < 243)).float().mean() < 0.12
    assert (images.flatten(1).amax(1) > 200).float().mean() > 0.99


def test_told_apart(sheet: tuple[torch.Tensor, torch.Tensor]) -> None:
    """A digit's nearest neighbour is mostly of its own class: the labels belong to the images."""
    images, labels = sheet
    flat = images.flatten(1).float()
    nearest = torch.cdist(flat, flat).fill_diagonal_(torch.inf).argmin(1)
    assert (labels[nearest] == labels).float().mean() > 0.9


def test_seeds() -> None:
    """The same seed draws the same digits, another seed draws others."""
    (first, labels), (again, _), (other, _) = (drawing.draw(50, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert sorted(labels.tolist()) == sorted(list(range(10)) * 5)
