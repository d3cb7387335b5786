"""The student as the rubric sees it: like local code, with a right word for each thing that it is not."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable  # noqa: TC003 - QUESTIONS is annotated with it
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from beside import ScriptedSandbox
from safetensors.torch import save

from autograder.endings import Died, Malformed
from autograder.outcome import WrongKind
from autograder.part import Model, as_tensor
from autograder.student import Student

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.sandbox import Sandbox

LOADED = b'{"id": 0}'


class Play:
    """A student whose answers are written down beforehand."""

    def __init__(self, *answers: Any) -> None:
        script: list[Any] = [LOADED]
        for number, answer in enumerate(answers, start=1):
            if isinstance(answer, Exception):
                script += [answer]
                continue
            tensors: list[Tensor] = []
            value = self.encode(answer, tensors)
            script.append(json.dumps({"id": number, "value": value, "tensors": len(tensors)}).encode())
            if tensors:
                script.append(save({f"{i:06}": t for i, t in enumerate(tensors)}))
        self.sandbox = ScriptedSandbox(script, [LOADED])
        self.student = Student(cast("Sandbox", self.sandbox))

    def encode(self, value: Any, tensors: list[Tensor]) -> Any:
        """Write a value as the worker does."""
        if isinstance(value, torch.Tensor):
            tensors.append(value)
            return {"tensor": len(tensors) - 1, "slot": len(tensors) - 1}
        return [self.encode(v, tensors) for v in value] if isinstance(value, list) else value

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The questions' verbs and arguments; those that wait to be sent are sent first."""
        self.student.dialogue.hear()
        messages = itertools.chain.from_iterable(self.sandbox.workers[0].asked)
        found = [json.loads(message) for message in messages if message.startswith(b"{")]
        return [{"verb": question["verb"], **question["with"]} for question in found]


def test_reads_like_local_code() -> None:
    """A model is made once, its parts are called by name, tensors come back."""
    play = Play({"model": 0}, torch.ones(2), torch.zeros(3), torch.tensor(8.5))
    model = play.student.VAE(784, 17)
    assert play.student.VAE(784, 17) is model
    assert model.encoder(torch.zeros(1)).tolist() == [1, 1]
    assert play.student.reparametrize(torch.zeros(1), torch.zeros(1), seed=3).tolist() == [0, 0, 0]
    assert float(play.student.loss_function(*[torch.zeros(1)] * 4)) == 8.5
    assert play.asked == [
        {"verb": "make", "name": "VAE", "args": [784], "named": {"latent_size": 17}},
        {"verb": "call", "model": 0, "path": ["encoder"], "args": [{"tensor": 0}], "seed": None},
        {
            "verb": "call",
            "model": None,
            "path": ["reparametrize"],
            "args": [{"tensor": 0}, {"tensor": 1}],
            "seed": 3,
        },
        {
            "verb": "call",
            "model": None,
            "path": ["loss_function"],
            "args": [{"tensor": i} for i in range(4)],
            "seed": None,
        },
    ]


def test_tensors_go_back_as_themselves() -> None:
    """What came back, and what was put, goes over again as the thing that the worker holds."""
    play = Play({"model": 0}, None, torch.ones(2), torch.zeros(2))
    model = play.student.CVAE(784, 10, 15)
    x = play.student.put(torch.ones(2))
    model.mu_layer(model.encoder(x))
    assert [question.get("args") for question in play.asked[2:]] == [[{"slot": 2000}], [{"slot": 0}]]


def test_gradients() -> None:
    """Gradients come back in the order asked for: one for a tensor, one for each bias of a part."""
    found = [[torch.ones(1)], [None], [torch.full((4,), 4.0), torch.full((2,), 2.0)]]
    rows = [
        ["0.weight", [4, 3], None],
        ["0.bias", [4], None],
        ["2.weight", [2, 4], None],
        ["2.bias", [2], None],
    ]
    play = Play({"model": 0}, None, None, torch.ones(1), found, rows)
    model = play.student.VAE(784, 15)
    a, b = play.student.put(torch.zeros(1)), play.student.put(torch.ones(1))
    y = play.student.reparametrize(a, b)
    of_a, of_encoder, of_b = play.student.gradients([(y, torch.ones(1))], [a, model.encoder, b])
    assert [None if g is None else g.tolist() for g in (*of_a, *of_encoder, *of_b)] == [
        [1],
        [4] * 4,
        [2] * 2,
        None,
    ]


SLIPS: dict[str, tuple[Any, str]] = {
    "None": (None, "f returned None: is a return missing?"),
    "a number": (3.5, "f returned float 3.5, where a tensor is expected."),
    "a string": ("x" * 1000, "f returned str 'xxxx"),
    "three values": ([1, 2, 3], "f returned a tuple or list of 3 values, where a tensor is expected."),
    "another kind": (
        WrongKind("a tensor of torch.float16"),
        "f returned a tensor of torch.float16, where a tensor of",
    ),
}


@pytest.mark.parametrize(("value", "words"), SLIPS.values(), ids=SLIPS)
def test_as_tensor(value: object, words: str) -> None:
    """What is no tensor is told in the student's words, shortly."""
    with pytest.raises(WrongKind) as caught:
        as_tensor(value, "f")
    assert str(caught.value).startswith(words)
    assert len(str(caught.value)) < 200


STRANGE = [
    None,
    3,
    2.5,
    "text",
    [],
    [1],
    {"x": 1},
    {"slot": 1},
    [[1, 2, 3]],
    torch.zeros(2),
    {"float": "nan"},
]


QUESTIONS: dict[str, Callable[[Student, Model], object]] = {
    "make": lambda student, _: student.VAE(784, 3),
    "put": lambda student, _: student.put(torch.zeros(2)),
    "join": lambda student, _: student.join(torch.zeros(2)),
    "call": lambda student, _: student.loss_function(*[torch.zeros(1)] * 4),
    "part": lambda _, model: model.encoder(torch.zeros(2)),
    "parameters": lambda _, model: model.encoder.parameters(),
    "values": lambda _, model: model.encoder.values(),
    "train": lambda _, model: model.train(),
    "training": lambda _, model: model.modes(),
    "assign": lambda _, model: model.encoder.assign([]),
    "draw": lambda _, model: model.encoder.draw([]),
    "gradients": lambda student, model: student.gradients([], [model.encoder]),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_lies(question: Callable[[Student, Model], object], value: Any) -> None:
    """Whatever a worker says in place of an answer, it is taken, of the wrong kind or none: it raises nothing else."""
    play = Play({"model": 0}, value, value)
    model = play.student.VAE(784, 2)
    with contextlib.suppress(WrongKind, Malformed):
        question(play.student, model)
        play.student.dialogue.hear()
    assert len(play.sandbox.workers[0].asked) >= 2


def test_model_of_an_ended_worker() -> None:
    """A model whose worker has ended tells that again: another worker is not asked about it."""
    play = Play({"model": 0}, Died("it died"))
    model = play.student.VAE(784, 2)
    for ask in (model.encoder, model.encoder, model.decoder):
        with pytest.raises(Died, match="it died"):
            ask(torch.zeros(1))
    for other in (model.train, model.modes, model.encoder.parameters, lambda: model.assign([])):
        with pytest.raises(Died, match="it died"):
            other()
    with pytest.raises(Died, match="it died"):
        play.student.gradients([], [model.encoder])
    assert len(play.sandbox.workers) == 1
