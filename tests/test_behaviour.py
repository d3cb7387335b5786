"""Whether a part computes what its weights give, and what is said where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from apart import REFERENCE
from beside import students

from autograder.rubric.mistake import Mistake
from autograder.rubric.networks import expect_linear, expect_network

if TYPE_CHECKING:
    from pathlib import Path

KEEPER = """
class Keeper(nn.Module):
    def forward(self, x):
        if getattr(self, "kept", x[:0]).shape != x.shape:
            self.kept = x
        return self.kept


class VAE(nn.Module):
"""


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_kept_results(tmp_path: Path, part: str) -> None:
    """A part that gives again what it gave for other numbers of the same shape is told so."""
    text = REFERENCE.replace("class VAE(nn.Module):", KEEPER, 1)
    end = text.index("\n        )", text.index(f"self.{part} = nn.Sequential("))
    text = f"{text[:end]}\n            Keeper(),{text[end:]}"
    with students(tmp_path) as open_student:
        student = open_student(text)
        model = student.VAE(784, 15)
        shape, layers = ((1, 28, 28), 3) if part == "encoder" else ((15,), 4)
        with pytest.raises(Mistake, match="is that kept from an earlier call"):
            expect_network(student, model, getattr(model, part), shape, layers)


MU = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("nn.ReLU()", "ReLU"),
        ("nn.ReLU6()", "nn.ReLU6"),
        ("nn.Hardtanh()", "nn.Hardtanh"),
        ("nn.GELU()", "nn.GELU"),
        ("nn.GELU('tanh')", "nn.GELU (tanh)"),
    ],
)
def test_nearly_alike(tmp_path: Path, code: str, name: str) -> None:
    """What follows mu_layer is named, and nothing that is the same for most numbers, whatever is drawn."""
    text = REFERENCE.replace(MU, f"{MU.replace('nn.', 'nn.Sequential(nn.')}, {code})", 1)
    with students(tmp_path) as open_student, torch.random.fork_rng():
        student = open_student(text)
        for seed in range(25):
            torch.manual_seed(seed)
            with pytest.raises(Mistake) as mistake:
                expect_linear(student, student.VAE(784, 15), "mu_layer", 15)
            named = [line for line in str(mistake.value).splitlines() if "looks as if" in line]
            assert named == [f"It looks as if {name} followed the Linear."]


def test_threshold(tmp_path: Path) -> None:
    """A function that differs from ReLU for few numbers is not taken for it."""
    text = REFERENCE.replace(MU, f"{MU.replace('nn.', 'nn.Sequential(nn.')}, nn.Threshold(0.5, 0))", 1)
    with students(tmp_path) as open_student, torch.random.fork_rng():
        student = open_student(text)
        for seed in range(5):
            torch.manual_seed(seed)
            with pytest.raises(Mistake, match="It is right as far as the last Linear; something follows it"):
                expect_linear(student, student.VAE(784, 15), "mu_layer", 15)
