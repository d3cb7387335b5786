"""Forward compared with what the weights give, and with its own parts only where it gives something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from apart import REFERENCE
from beside import students

from autograder.rubric.composition import expect_composition
from autograder.rubric.forwards import CVAEForward, VAEForward
from autograder.rubric.mistake import Mistake
from autograder.rubric.oracle import Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autograder.promise import Promise

    Judge = Callable[[str, type[VAEForward]], set[str]]

RETURN = "return x_hat, mu, logvar"


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """Judge a forward of a vae.py; returns which of the model's parts were called for it."""
    monkeypatch.setattr(
        "autograder.rubric.composition.stretch", lambda *_: None
    )  # which asks parts for its own ends
    monkeypatch.setattr("autograder.rubric.composition.ask_before", lambda *_: None)  # that, too

    with students(tmp_path) as open_student:

        def run(source: str, forward: type[VAEForward]) -> set[str]:
            student = open_student(source)
            called: set[str] = set()
            note = student.dialogue.note

            def noted(
                what: str, verb: str, arguments: dict[str, Any], *args: Any, **more: Any
            ) -> Promise[Any]:
                if verb == "call" and arguments["model"] is not None:
                    called.update(arguments["path"])
                return note(what, verb, arguments, *args, **more)

            monkeypatch.setattr(student.dialogue, "note", noted)
            expect_composition(forward(student, Sizes(latents=23, classes=13)))
            return called

        yield run


@pytest.mark.parametrize("forward", [VAEForward, CVAEForward])
def test_right_parts_are_not_asked(judge: Judge, forward: type[VAEForward]) -> None:
    """A right forward of right parts is judged by forward and reparametrize alone."""
    assert judge(REFERENCE, forward) == set()


def test_wrong_part_is_asked(judge: Judge) -> None:
    """Where the encoder is wrong, its forward is compared with what the parts give, and is right."""
    wrong = REFERENCE.replace("nn.ReLU()", "nn.GELU()")
    assert wrong != REFERENCE
    assert judge(wrong, VAEForward) == {"encoder", "mu_layer", "logvar_layer", "decoder"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (f"{RETURN.replace('mu', 'mu.detach()')}", "no gradient of mu"),
        ("return x_hat, mu, mu", "the logvar that it returns"),
        (f"self.eval(); {RETURN}", "changes the model's mode"),
        (f"x.data.mul_(0.5); {RETURN}", "changed its input x"),
        (f"self.n = getattr(self, 'n', 0) + 1; x_hat = x_hat / max(1, self.n - 3); {RETURN}", "called again"),
        (f"torch.manual_seed(0); {RETURN}", "two calls"),
    ],
)
def test_wrong_forward(judge: Judge, wrong: str, words: str) -> None:
    """What is wrong in forward is found and said, whatever it was compared with first."""
    assert REFERENCE.count(RETURN) == 2
    with pytest.raises(Mistake, match=words):
        judge(REFERENCE.replace(RETURN, wrong), VAEForward)
