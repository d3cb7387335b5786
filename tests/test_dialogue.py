"""Questions and answers: what arrives is what was said, and whatever a liar says has an ending."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from beside import Script, ScriptedSandbox, ScriptedWorker
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from autograder.dialogue import Dialogue
from autograder.endings import Died, Ended, Malformed, TooBig, TooSlow
from autograder.outcome import Missing, Raised, Unfinished, WrongKind
from autograder.watch import Limits

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.sandbox import Sandbox

LOADED = b'{"id": 0}'


def say(value: Any = None, number: int = 1, **more: Any) -> bytes:
    """An answer."""
    return json.dumps({"id": number, "value": value, **more}).encode()


def pack(*tensors: Tensor) -> bytes:
    """Tensors as they are sent."""
    return save({f"{i:06}": t for i, t in enumerate(tensors)})


def talk(*scripts: Script, limits: Limits | None = None) -> tuple[Dialogue, ScriptedSandbox]:
    """A dialogue with workers that follow these scripts."""
    sandbox = ScriptedSandbox(*scripts, limits=limits)
    return Dialogue(cast("Sandbox", sandbox)), sandbox


def answered(*script: Any) -> Any:
    """What a question gets that is answered so."""
    dialogue, _ = talk([LOADED, *script])
    return dialogue.ask("f(...)", "call")


def failure(
    kind: str = "raised",
    name: str = "ValueError",
    message: str = "my words",
    lines: Any = (),
    **places: list[str],
) -> bytes:
    """An answer that tells of an error."""
    error = {"kind": kind, "type": name, "message": message, "lines": list(lines), **places}
    return json.dumps({"id": 1, "error": error}).encode()


def test_question() -> None:
    """A question carries its verb and arguments, tensors by number; one that the worker holds goes as its slot."""
    x, y = torch.randn(3, 4), torch.arange(3)
    answer = [say({"tensor": 0, "slot": 7}, tensors=1), pack(torch.ones(2))]
    dialogue, sandbox = talk([LOADED, *answer, say(None, 2)])
    held = dialogue.ask("f(...)", "call", args=[x, [y, 3, None, "s"]])
    dialogue.ask("g(...)", "call", args=(held, torch.ones(2)))
    (first, packed), (second, again) = sandbox.workers[0].asked
    assert json.loads(first) == {
        "id": 1,
        "verb": "call",
        "with": {"args": [{"tensor": 0}, [{"tensor": 1}, 3, None, "s"]]},
        "tensors": 2,
        "more": False,
    }
    sent = load(packed)
    assert torch.equal(sent["000000"], x)
    assert torch.equal(sent["000001"], y)
    assert json.loads(second)["with"] == {"args": [{"slot": 7}, {"tensor": 0}]}
    assert len(load(again)) == 1


VALUES: dict[str, tuple[Any, Any]] = {
    "nothing": (None, None),
    "number": (3, 3),
    "float": (8.5079, 8.5079),
    "string": ("x" * 1000, "x" * 1000),
    "list": ([1, [None, "a"]], [1, [None, "a"]]),
    "infinity": ({"float": "-inf"}, float("-inf")),
    "model": ({"model": 3}, {"model": 3}),
    "slot": ({"slot": 0}, {"slot": 0}),
}


def verbs(messages: list[bytes]) -> list[tuple[str, bool]]:
    """What was asked at once, and whether each question says that there are more."""
    return [(asked["verb"], asked["more"]) for asked in map(json.loads, messages)]


def test_told() -> None:
    """Questions that are told go over with the next one; their answers are heard before its own, errors included."""
    dialogue, sandbox = talk([LOADED, say(None, 1), say(None, 2), say(5, 3)])
    dialogue.tell("train()", "mode")
    dialogue.tell("draw", "draw")
    assert sandbox.workers[0].asked == []
    assert dialogue.ask("f(...)", "call") == 5
    (messages,) = sandbox.workers[0].asked
    assert verbs(messages) == [("mode", True), ("draw", True), ("call", False)]
    broken = json.loads(failure()) | {"id": 1}
    dialogue, _ = talk([LOADED, json.dumps(broken).encode(), say(5, 2), say(6, 3)])
    dialogue.tell("train()", "mode")
    with pytest.raises(Raised, match=r"train\(\) raised ValueError"):
        dialogue.ask("f(...)", "call")
    assert dialogue.ask("f(...)", "call") == 6


def test_promises() -> None:
    """Promised answers are heard when the first of them is wanted, and a failure is that of its own question alone."""
    broken = json.dumps(json.loads(failure()) | {"id": 2}).encode()
    dialogue, sandbox = talk([LOADED, say(5, 1), broken, say(7, 3)])
    first = dialogue.promise(lambda value: 2 * value, "f(...)", "call")
    second = dialogue.promise(str, "g(...)", "call")
    third = dialogue.promise(str, "h(...)", "call", args=[first.slot(1)])
    assert third.get() == "7"
    assert first.get() == 10
    for _ in range(2):
        with pytest.raises(Raised, match=r"g\(\.\.\.\) raised ValueError"):
            second.get()
    (messages,) = sandbox.workers[0].asked
    assert json.loads(messages[2])["with"] == {"args": [{"slot": 1001}]}


def test_promises_of_a_worker_that_ends() -> None:
    """Where the worker ends before it has answered, each promise says so, and the next worker is not asked."""
    dialogue, sandbox = talk([LOADED, say(5, 1), Died("dead")], [LOADED, say("fine")])
    promises = [dialogue.promise(str, f"{name}(...)", "call") for name in "fgh"]
    with pytest.raises(Died):
        promises[0].get()
    assert promises[0].get() == "5"
    for promise in promises[1:]:
        with pytest.raises(Died):
            promise.get()
    untold = dialogue.promise(str, "f(...)", "call")
    dialogue.close()
    with pytest.raises(Ended):
        untold.get()
    assert [worker.asked for worker in sandbox.workers[1:]] == [[]]


@pytest.mark.parametrize(("said", "value"), VALUES.values(), ids=VALUES)
def test_value(said: Any, value: Any) -> None:
    """Plain values arrive as they are."""
    assert answered(say(said)) == value


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 28, 28), (1,) * 20])
def test_tensor(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Tensors arrive with their type, shape and numbers, the odd ones among them too."""
    tensor = (100 * torch.randn(shape)).to(dtype)
    if dtype.is_floating_point and tensor.numel():
        tensor.view(-1)[0] = float("nan")
    (found,) = answered(say([{"tensor": 0, "slot": 0}], tensors=1), pack(tensor))
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert torch.equal(found.nan_to_num(), tensor.nan_to_num())


def test_many_tensors_keep_their_order() -> None:
    """More tensors than ten come in the order of their numbers."""
    tensors = [torch.tensor(float(i)) for i in range(25)]
    said = say([{"tensor": i, "slot": i} for i in range(25)], tensors=25)
    assert [float(t) for t in answered(said, pack(*tensors))] == list(range(25))


def test_other_kind() -> None:
    """What is no number, string or tensor arrives as the name of its kind, cut short."""
    found = answered(say({"other": "an object of type " + "x" * 1000}))
    assert isinstance(found, WrongKind)
    assert str(found).startswith("an object of type xxx")
    assert len(str(found)) <= 200


# -- what the student's code raised -----------------------------------------------------------------------------

RAISED: dict[str, tuple[bytes, type[Raised], str]] = {
    "an error": (failure(), Raised, "f(...) raised ValueError: my words"),
    "without words": (failure(message=""), Raised, "f(...) raised ValueError."),
    "with lines": (
        failure(lines=[[3, "forward", "return x + y"], [7, "<module>", "go()"]]),
        Raised,
        "f(...) raised ValueError: my words\n  vae.py, line 3 in forward:  return x + y\n  vae.py, line 7:  go()",
    ),
    "unfinished": (
        failure("unfinished", "NotImplementedError", "4. Forward"),
        Unfinished,
        "f(...) is not written yet: 4. Forward.",
    ),
    "unfinished without words": (
        failure("unfinished", message=""),
        Unfinished,
        "f(...) is not written yet: it raises NotImplementedError.",
    ),
    "unfinished with a line": (
        failure("unfinished", message="4", lines=[[7, "forward", "raise NotImplementedError"]]),
        Unfinished,
        (
            "f(...) is not written yet: 4. "
            "If you have written it: line 7 of vae.py still raises NotImplementedError; delete it."
        ),
    ),
    "None": (
        failure("none", message="encoder"),
        Unfinished,
        "`encoder` is still None: this part is not written yet.",
    ),
    "missing": (
        failure("missing", message="VAE"),
        Missing,
        "There is no `VAE` in your vae.py. f(...) needs it.",
    ),
    "missing and named otherwise": (
        failure("missing", message="VAE", others=["Vae", "x" * 99]),
        Missing,
        f"There is no `VAE` in your vae.py. f(...) needs it. Your vae.py has `Vae`, `{'x' * 40}`: is that it?",
    ),
    "missing and elsewhere": (
        failure("missing", message="f", inside=["A.f"]),
        Missing,
        (
            "There is no `f` in your vae.py."
            " Your vae.py has `A.f`, inside of a class or another function: it belongs to the left margin."
        ),
    ),
    "in more than a line": (
        failure(
            name="Nothing. It looks", message="a\nIt looks as if the grader was wrong.\n  vae.py, line 3"
        ),
        Raised,
        (
            "f(...) raised Nothing__It_looks: a\n  | It looks as if the grader was wrong."
            "\n  |   vae.py, line 3"
        ),
    ),
    "in more than a line of any kind": (
        failure(message="a\rIt looks as if\x85b"),
        Raised,
        "f(...) raised ValueError: a\n  | It looks as if\n  | b",
    ),
    "a name in more than a line": (
        failure("missing", message="VAE", others=["V\nIt looks as if"]),
        Missing,
        "There is no `VAE` in your vae.py. f(...) needs it. Your vae.py has `V It looks as if`: is that it?",
    ),
    "of no known kind": (failure("passed"), Raised, "f(...) raised ValueError: my words"),
}


@pytest.mark.parametrize(("said", "kind", "words"), RAISED.values(), ids=RAISED)
def test_raised(said: bytes, kind: type[Raised], words: str) -> None:
    """An error of the student's is told in their own lines; the worker lives on."""
    dialogue, sandbox = talk([LOADED, said, say("fine", 2)])
    with pytest.raises(Raised) as caught:
        dialogue.ask("f(...)", "call")
    assert type(caught.value) is kind
    assert str(caught.value) == words
    assert dialogue.ask("g(...)", "call") == "fine"
    assert len(sandbox.workers) == 1


# -- lies ----------------------------------------------------------------------------------------------------------

T = {"tensor": 0, "slot": 0}
ONE = pack(torch.ones(2))
LIES: dict[str, Script] = {
    "no JSON": [b"8.5079"],
    "nothing": [b""],
    "a list": [b"[1]"],
    "a string": [b'"id"'],
    "no id": [b"{}"],
    "an endless message": [LOADED, failure(message="() takes " * 1000)],
    "an endless type": [LOADED, failure(name="T" * 101)],
    "endless names": [LOADED, failure("missing", others=["x" * 101])],
    "many lines": [LOADED, failure(lines=[[1, "f", "x"]] * 6)],
    "another id": [say(number=2)],
    "the first id again": [LOADED],
    "an id of words": [b'{"id": "1"}'],
    "an id that is true": [b'{"id": true}'],
    "NaN": [b'{"id": 1, "value": NaN}'],
    "1e999": [b'{"id": 1, "value": 1e999}'],
    "cut off": [say([1, 2, 3])[:-3]],
    "two answers in one": [say(1) + say(2)],
    "not UTF-8": [b'{"id": 1, "value": "\xff"}'],
    "half a surrogate pair": [b'{"id": 1, "value": "\\ud800"}'],
    "deep": [b'{"id": 1, "value": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"],
    "deep, but less so": [say(eval("[" * 12 + "]" * 12))],  # noqa: S307 - a literal that is tedious to write
    "a long list": [say([0] * 1001)],
    "a float of words": [say({"float": "eight"})],
    "a float of nothing": [say({"float": None})],
    "a slot below zero": [say({"slot": -1})],
    "a slot of words": [say({"slot": "0"})],
    "a huge slot": [say({"slot": 1 << 31})],
    "a model in a model": [say({"model": {"model": 1}})],
    "a tensor that is not there": [say(T)],
    "a tensor without a slot": [say({"tensor": 0}, tensors=1), ONE],
    "the second of one": [say({"tensor": 1, "slot": 0}, tensors=1), ONE],
    "a tensor below zero": [say({"tensor": -1, "slot": 0}, tensors=1), ONE],
    "a tensor of words": [say({"tensor": "0", "slot": 0}, tensors=1), ONE],
    "fewer than no tensors": [say(tensors=-1), ONE],
    "tensors without end": [say(T, tensors=10**12), ONE],
    "tensors by halves": [say(T, tensors=0.5), ONE],
    "more than announced": [say(T, tensors=1), pack(torch.ones(2), torch.ones(2))],
    "fewer than announced": [say(T, tensors=2), ONE],
    "of another name": [say(T, tensors=1), save({"loss": torch.ones(2)})],
    "half precision": [say(T, tensors=1), pack(torch.ones(2).half())],
    "rows without a column": [say(T, tensors=1), pack(torch.zeros(1 << 28, 0))],
    "more dimensions than torch can do with": [say(T, tensors=1), pack(torch.zeros([1] * 64))],
    "bools": [say(T, tensors=1), pack(torch.ones(2) > 0)],
    "no tensors but bytes": [say(T, tensors=1), b"\x80\x04."],
    "none of it": [say(T, tensors=1), b""],
    "cut off tensors": [say(T, tensors=1), ONE[:-1]],
    "an endless header": [say(T, tensors=1), (1 << 60).to_bytes(8, "little") + ONE[8:]],
    "an unknown type": [say(T, tensors=1), ONE.replace(b"F32", b"F99")],
    "a shape beyond the bytes": [say(T, tensors=1), ONE.replace(b"[2]", b"[9]")],
    "bytes that overlap": [say(T, tensors=1), ONE.replace(b"[0,8]", b"[1,9]")],
    "an error of no form": [b'{"id": 1, "error": "ValueError"}'],
    "an error of half a form": [b'{"id": 1, "error": {"kind": "raised"}}'],
    "lines of no form": [failure(lines=["line 3"])],
}


@pytest.mark.parametrize("script", LIES.values(), ids=LIES)
def test_lies(script: Script) -> None:
    """Bytes that no worker of ours sends end it; the next question starts another."""
    dialogue, sandbox = talk([LOADED, *script], [LOADED, say("fine")])
    with pytest.raises(Malformed, match="not an answer"):
        dialogue.ask("f(...)", "call")
    assert sandbox.workers[0].stopped
    assert dialogue.ask("g(...)", "call") == "fine"


def test_endless() -> None:
    """What has taken all of a question's time is named, and gets little of it from then on: others keep theirs."""
    limits = Limits(question=7, again=3)
    dialogue, _ = talk([LOADED, TooSlow("No answer.")], [LOADED, say("fine")], limits=limits)
    with pytest.raises(
        TooSlow, match=r"^No answer. It was asked for f\(...\): is there a loop without an end\?$"
    ):
        dialogue.ask("f(...)", "call")
    assert dialogue.time_left("f(...)") == 3
    assert dialogue.time_left("g(...)") == 7
    assert dialogue.ask("f(...)", "call") == "fine"


@pytest.mark.parametrize("verb", ["parameters", "put", "make", "modes", "reach"])
def test_tensors_that_are_no_answer(verb: str) -> None:
    """Where no tensor is due, none is taken: not one byte of it is waited for."""
    dialogue, sandbox = talk([LOADED, say(T, tensors=1), ONE], [LOADED, say("fine")])
    with pytest.raises(Malformed, match="not an answer"):
        dialogue.ask("f(...)", verb)
    assert sandbox.workers[0].stopped


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tensor", "slot", "float", "x"]), inner)
    ),
    max_leaves=6,
)


@given(JSON, st.integers(-1, 3), st.integers(0, 2), st.binary(max_size=20))
def test_any_value(value: Any, announced: int, sent: int, noise: bytes) -> None:
    """Whatever value and tensors an answer has, it is taken or refused: nothing else is raised."""
    tensors = pack(*(torch.ones(2) for _ in range(sent))) + noise
    dialogue, _ = talk([LOADED, say(value, tensors=announced), tensors])
    with contextlib.suppress(Raised, Malformed, WrongKind):
        dialogue.ask("f(...)", "call")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes(header: bytes, tensors: bytes) -> None:
    """The same for any bytes at all."""
    dialogue, _ = talk([LOADED, header, tensors], [LOADED, say(T, tensors=1), tensors])
    for _ in range(2):
        with pytest.raises(Malformed):
            dialogue.ask("f(...)", "call")


# -- how a worker ends --------------------------------------------------------------------------------------------

ENDS = [TooSlow("slow"), TooBig("big"), Died("dead"), Malformed("bad")]


@pytest.mark.parametrize("ending", ENDS, ids=lambda ending: type(ending).__name__)
def test_ending(ending: Ended) -> None:
    """An ending is told once; the next question is put to a new worker."""
    dialogue, sandbox = talk([LOADED, ending], [LOADED, say("fine")])
    with pytest.raises(type(ending), match=str(ending)):
        dialogue.ask("f(...)", "call")
    assert dialogue.ask("g(...)", "call") == "fine"
    assert [worker.stopped for worker in sandbox.workers] == [True, False]
    assert dialogue.generation == 2


LOADS: dict[str, tuple[Any, type[Exception], str]] = {
    "an error": (
        b'{"id": 0, "error": {"kind": "raised", "type": "NameError", "message": "x", "lines": []}}',
        Raised,
        "Your vae.py raised NameError: x",
    ),
    "no answer": (b"{}", Malformed, "not an answer"),
    "too slow": (TooSlow("slow"), TooSlow, "could not be imported within 60 seconds"),
    "died": (Died("dead"), Died, "dead"),
}


@pytest.mark.parametrize(("said", "kind", "words"), LOADS.values(), ids=LOADS)
def test_loading_fails_once(said: Any, kind: type[Exception], words: str) -> None:
    """A file that cannot be loaded is not tried again: each question gets the same answer."""
    dialogue, sandbox = talk([said])
    for _ in range(3):
        with pytest.raises(kind, match=words.replace("(", r"\(")):
            dialogue.ask("f(...)", "call")
        dialogue.new_row()
    assert [worker.stopped for worker in sandbox.workers] == [True]


def test_what_an_ended_worker_held() -> None:
    """Tensors of a worker that has ended are sent anew, and questions about them tell again how it ended."""
    tensor = [say(T, tensors=1), ONE]
    dialogue, sandbox = talk([LOADED, *tensor, Died("dead")], [LOADED, say("fine")])
    held = dialogue.ask("f(...)", "call")
    assert dialogue.slot(held) == 0
    with pytest.raises(Died):
        dialogue.ask("g(...)", "call")
    with pytest.raises(Died, match="dead"):
        dialogue.slot(held)
    with pytest.raises(Died, match="dead"):
        dialogue.expect_alive(1)
    dialogue.ask("h(...)", "call", args=[held])
    assert json.loads(sandbox.workers[1].asked[0][0])["with"] == {"args": [{"tensor": 0}]}
    with pytest.raises(Died, match="dead"):
        dialogue.expect_alive(1)
    dialogue.expect_alive(2)


def test_new_row_forgets() -> None:
    """A new row lets the worker forget; one that cannot even do that is ended."""
    dialogue, sandbox = talk([LOADED, say(1), say(None, 2), TooSlow("slow")], [LOADED, say("fine")])
    dialogue.new_row()
    assert sandbox.workers == []
    dialogue.ask("f(...)", "call")
    dialogue.new_row()
    dialogue.new_row()
    assert [json.loads(header)["verb"] for header, *_ in sandbox.workers[0].asked] == [
        "call",
        "forget",
        "forget",
    ]
    assert sandbox.workers[0].stopped
    assert dialogue.ask("g(...)", "call") == "fine"


def test_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is counted for a question, a row and the whole; a new row starts its own account."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    limits = Limits(start=10, question=4, row=6, total=13)
    dialogue, sandbox = talk([LOADED, *[say(None, i) for i in range(1, 20)]], limits=limits)
    dialogue.ask("f(...)", "call")
    assert dialogue.time_left() == 4

    def slow(*_: object) -> None:
        clock[0] += 4

    monkeypatch.setattr(sandbox.workers[0], "ask", slow)
    dialogue.ask("f(...)", "call")
    assert dialogue.time_left() == 2
    with pytest.raises(TooSlow, match="used up the time for this row"):
        dialogue.ask("f(...)", "call")
    monkeypatch.undo()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    dialogue.new_row()
    assert dialogue.time_left() == 4
    dialogue.spent = 12
    assert dialogue.time_left() == 1
    dialogue.spent = 13
    with pytest.raises(TooSlow, match="the whole submission"):
        dialogue.ask("f(...)", "call")


def test_time_to_load_again() -> None:
    """A file that is loaded again when the time for all is nearly over is not said to be slow to load."""
    dialogue, _ = talk([TooSlow("slow")], limits=Limits(start=10, total=13))
    dialogue.spent = 4
    with pytest.raises(TooSlow, match="the whole submission"):
        dialogue.ask("f(...)", "call")


def test_time_that_the_machine_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in which the machine kept the worker from computing count for the whole, and not for the row."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    limits = Limits(question=4, row=6, total=30)
    dialogue, sandbox = talk([LOADED, *[say(None, i) for i in range(1, 20)]], limits=limits)
    dialogue.ask("f(...)", "call")

    def slow(*_: object) -> None:
        clock[0] += 10

    monkeypatch.setattr(sandbox.workers[0], "ask", slow)
    monkeypatch.setattr(sandbox.workers[0], "kept", 9.0)
    dialogue.ask("f(...)", "call")
    dialogue.ask("f(...)", "call")
    assert dialogue.time_left() == 4
    assert sandbox.workers[0].end == 30  # nothing is granted after it
    assert (dialogue.spent_on_row, dialogue.spent) == (2, 20)
    with pytest.raises(TooSlow, match="the whole submission"):
        dialogue.ask("f(...)", "call")


def test_time_that_brief_questions_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine many brief questions do not use up a row's time: what they waited for is taken back."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    dialogue, sandbox = talk([LOADED, *[say(None, i) for i in range(1, 200)]], limits=Limits(row=6))
    dialogue.ask("f(...)", "call")
    worker = sandbox.workers[0]

    def busy(*_: object) -> None:
        clock[0] += 0.09
        worker.waited += 0.08

    monkeypatch.setattr(worker, "ask", busy)
    for _ in range(150):
        dialogue.ask("f(...)", "call")
    assert dialogue.time_left() == pytest.approx(6 - 150 * 0.01)
    worker.waited += 100  # not more than they took
    assert dialogue.time_left() == 6
    worker.waited = 0  # it has just ended
    assert dialogue.time_left() == 6


def test_time_in_which_the_grader_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock of a worker's channel stood still, nothing counts: for the question, the row or the whole."""
    clock = [0.0]
    monkeypatch.setattr(ScriptedWorker, "clock", lambda _: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    dialogue, sandbox = talk([LOADED, say(None, 1), say(None, 2)], limits=Limits(question=4, row=6, total=9))

    def paused(*_: object) -> None:
        clock[0] += 100

    dialogue.open()
    monkeypatch.setattr(sandbox.workers[0], "ask", paused)
    dialogue.ask("f(...)", "call")
    dialogue.ask("f(...)", "call")
    assert (dialogue.spent_on_row, dialogue.spent, sandbox.workers[0].end) == (0, 0, 9)


def test_time_of_questions_that_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are heard together have no more time together than the row has left."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    limits = Limits(question=4, row=6)
    dialogue, sandbox = talk([LOADED, *[say(None, i) for i in range(1, 20)]], limits=limits)
    dialogue.ask("f(...)", "call")
    worker, allowed = sandbox.workers[0], []

    def slow(limit: int, seconds: float) -> bytes:
        allowed.append(seconds)
        clock[0] += 3
        return worker.hear_more(limit)

    monkeypatch.setattr(worker, "hear", slow)
    for _ in range(3):
        dialogue.tell("f(...)", "call")
    with pytest.raises(TooSlow, match="used up the time for this row"):
        dialogue.hear()
    assert allowed == [4, 3]
    assert worker.stopped


def test_close() -> None:
    """Closing ends the worker, and closing again does nothing."""
    dialogue, sandbox = talk([LOADED, say(1)])
    dialogue.close()
    dialogue.ask("f(...)", "call")
    dialogue.close()
    dialogue.close()
    assert sandbox.workers[0].stopped
    assert len(sandbox.workers) == 1
