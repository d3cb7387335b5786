"""A part called by itself, where its model's forward is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from apart import REFERENCE
from beside import students

from autograder.rubric.alone import is_right_alone
from autograder.rubric.composition import expect_composition
from autograder.rubric.forwards import VAEForward
from autograder.rubric.oracle import Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autograder.part import Model

    Make = Callable[[str], Model]

SIZES = Sizes(latents=23, classes=13)
SHAPES = {"encoder": (1, 28, 28), "mu_layer": (400,), "logvar_layer": (400,), "decoder": (15,)}
HEAD = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"
FLAT = "features = self.encoder(x)"
DECODED = "x_hat = self.decoder(z)"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make the notebook's VAE of a vae.py, whose forward has been judged."""
    with students(tmp_path) as open_student:

        def run(source: str) -> Model:
            student = open_student(source)
            expect_composition(VAEForward(student, SIZES))
            return student.VAE(784, 15)

        yield run


def replaced(old: str, new: str) -> str:
    """The reference with a line of VAE's changed."""
    assert old in REFERENCE
    return REFERENCE.replace(old, new, 1)


def test_right_parts(make: Make) -> None:
    """Right parts of a right forward are told so, with the weights that they have from it."""
    model = make(REFERENCE)
    assert model.forward_is_right
    for name, shape in SHAPES.items():
        assert is_right_alone(model, name, shape), name


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("encoder", replaced("nn.Flatten(),", "").replace(FLAT, "features = self.encoder(x.flatten(1))", 1)),
        ("mu_layer", replaced(HEAD, f"{HEAD.replace('= ', '= nn.Sequential(nn.ReLU(), ')})")),
        ("mu_layer", replaced(HEAD, f"{HEAD.replace('= ', '= nn.Sequential(')}, nn.Hardtanh(-30, 30))")),
        (
            "decoder",
            replaced("nn.Unflatten", "nn.Identity() or nn.Unflatten").replace(
                DECODED, f"{DECODED}.view_as(x)", 1
            ),
        ),
        (
            "mu_layer",
            replaced(HEAD, f"{HEAD}; self.mu_layer.forward = None").replace(
                FLAT, f"self.mu_layer.__dict__.pop('forward', None)\n        {FLAT}", 1
            ),
        ),
    ],
    ids=["does not flatten", "a ReLU before it", "clamped", "no images", "not before forward"],
)
def test_wrong_by_itself(make: Make, name: str, wrong: str) -> None:
    """A part that is wrong only where forward does not call it so is not told right; the others are."""
    model = make(wrong)
    assert model.forward_is_right
    assert [part for part, shape in SHAPES.items() if not is_right_alone(model, part, shape)] == [name]


def test_wrong_forward(make: Make) -> None:
    """Nothing is said of right parts where forward does not give what their weights give."""
    model = make(replaced("nn.ReLU()", "nn.Tanh()"))
    assert not model.forward_is_right
    assert not any(is_right_alone(model, name, shape) for name, shape in SHAPES.items())
