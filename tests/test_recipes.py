"""What a student is told to try in the notebook, tried: with the reference it prints what is said to be expected."""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import re
from contextlib import redirect_stdout
from textwrap import dedent
from typing import Any

import pytest
import torch
from apart import REFERENCE, ROWS

import autograder.rubric

RUBRIC = [
    importlib.import_module(f"autograder.rubric.{module.name}")
    for module in pkgutil.iter_modules(autograder.rubric.__path__)
    if module.name.startswith("test_")
]
RECIPES: dict[str, str] = {
    vars(function)["__number__"]: inspect.cleandoc(function.__doc__ or "").partition("\n\n")[2]
    for module in RUBRIC
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if name.startswith("test_")
}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?|True|False")


def numbers(text: str) -> list[float]:
    """Read the numbers in a text; True and False are 1 and 0."""
    return [float({"True": 1, "False": 0}.get(word, word)) for word in NUMBER.findall(text)]


def numbered(line: str) -> bool:
    """Tell whether a line shows nothing, or numbers: where layers are shown, words say which."""
    return "# expected: " not in line or bool(numbers(line.partition("# expected: ")[2]))


def printed_by(code: str, change: str = "") -> str:
    """Run code behind the reference and a change of it; returns what it prints."""
    names: dict[str, Any] = {"__name__": "vae"}
    printed = io.StringIO()
    with torch.random.fork_rng(), redirect_stdout(printed):
        exec(REFERENCE + change, names)  # noqa: S102 - our own
        exec(dedent(code), names)  # noqa: S102 - our own
    return printed.getvalue()


def carry_out(row: str, change: str = "") -> tuple[list[float], list[float]]:
    """Run a recipe behind the reference and a change of it; returns the numbers printed and those expected."""
    head, _, code = RECIPES[row].partition("\n\n")
    assert head == "To see it in your notebook:"
    code = "\n".join(filter(numbered, code.splitlines()))
    due = [number for said in re.findall(r"# expected: (.*)", code) for number in numbers(said)]
    return numbers(printed_by(code, change)), due


def test_every_row() -> None:
    """Each row has a recipe, of seven lines at most."""
    assert sorted(RECIPES) == ROWS
    for recipe in RECIPES.values():
        assert len(recipe.splitlines()) <= 2 + 7


@pytest.mark.parametrize("row", ROWS)
def test_right(row: str) -> None:
    """With the reference, a recipe prints the numbers that it announces, and no others."""
    printed, due = carry_out(row)
    assert printed == pytest.approx(due, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("row", ROWS)
def test_words(row: str) -> None:
    """Layers that are shown are of the kinds which the words beside them name."""
    code = RECIPES[row].partition("\n\n")[2]
    shown = [line.partition("# expected: ")[2] for line in code.splitlines() if not numbered(line)]
    layers = re.findall(r"\): (\w+)\(|^(Linear)\(", printed_by(code), re.MULTILINE)
    kinds = {"".join(layer) for layer in layers} - {"Sequential"}
    assert bool(shown) == bool(kinds)
    for words in shown:
        assert kinds <= {*re.findall(r"[A-Z]\w+", words)} | (
            {"Sigmoid", "Unflatten"} if row == "6.1" else set()
        )


# Behind the reference, so that its names are other ones.
MODEL = "\nVAE.__init__, __init__ = lambda self, *a: (__init__(self, *a), {0}) and None, VAE.__init__\n"
WRONG = {
    "1.1": MODEL.format("self.encoder.pop(3)"),
    "1.2": MODEL.format("self.encoder.pop(6)"),
    "1.3": MODEL.format("setattr(self, 'mu_layer', nn.Linear(400, 21))"),
    "2.1": MODEL.format("self.decoder.append(nn.Flatten())"),
    "3.1": "\ndef reparametrize(mu, logvar): return mu + logvar.exp() * torch.randn_like(mu)\n",
    "3.2": "\ndef reparametrize(mu, logvar): return mu + torch.randn_like(mu) + 0 * logvar\n",
    "5.1": "\nright = loss_function\ndef loss_function(*given): return 8 * right(*given)\n",
}


@pytest.mark.parametrize("row", WRONG)
def test_wrong(row: str) -> None:
    """With a mistake of that row, it prints other numbers."""
    printed, due = carry_out(row, WRONG[row])
    assert printed != pytest.approx(due, rel=0.02, abs=1e-3)
