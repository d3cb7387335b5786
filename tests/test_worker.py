"""The worker: what it makes of the student's file, and how it answers, seen from the other end of the pipe."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from beside import BesideSandbox, modules_of_its_own

from autograder import surroundings
from autograder.dialogue import Dialogue
from autograder.elsewhere import NOWHERE
from autograder.outcome import Missing, Raised, Unfinished, WrongKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autograder.sandbox import Sandbox

    Open = Callable[[str | bytes], Dialogue]

ROOT = Path(__file__).parents[1]
HEAD = "import torch\nfrom torch import nn\n"


@pytest.fixture
def open_vae(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Open]:
    """Opens a dialogue about the text of a vae.py."""
    shutil.copytree(ROOT / "student_template" / "nndl2", tmp_path / "nndl2")
    opened = []

    def open_text(source: str | bytes) -> Dialogue:
        data = source if isinstance(source, bytes) else (HEAD + dedent(source)).encode()
        (tmp_path / "vae.py").write_bytes(data)
        opened.append(Dialogue(cast("Sandbox", BesideSandbox(tmp_path))))
        return opened[-1]

    with modules_of_its_own():
        yield open_text
        for dialogue in opened:
            dialogue.close()


def call(dialogue: Dialogue, name: str = "f", *args: Any, seed: int | None = None) -> Any:
    """Call a function of the student's."""
    return dialogue.ask(f"{name}(...)", "call", model=None, path=[name], args=args, seed=seed)


# -- loading --------------------------------------------------------------------

LEGAL = {
    "plain": b"def f(): return 'caf\xc3\xa9'\n",
    "Latin-1": b"# -*- coding: latin-1 -*-\ndef f(): return 'caf\xe9'\n",
    "byte-order mark": b"\xef\xbb\xbfdef f(): return 'caf\xc3\xa9'\n",
    "CRLF": b"def f():\r\n    return 'caf\xc3\xa9'\r\n",
    "CR": b"def f():\r    return 'caf\xc3\xa9'\r",
    "a form feed": b"\x0cdef f(): return 'caf\xc3\xa9'\n",
    "its own future": b"from __future__ import annotations\ndef f(x: nowhere = 1): return 'caf\xc3\xa9'\n",
}


@pytest.mark.parametrize("source", LEGAL.values(), ids=LEGAL)
def test_legal_bytes(open_vae: Open, source: bytes) -> None:
    """Bytes that are legal Python are legal here."""
    assert call(open_vae(source)) == "café"


def test_module(open_vae: Open, tmp_path: Path) -> None:
    """The file is the module vae, at its path, and annotations are what its own future imports say."""
    dialogue = open_vae(
        """
        import sys, vae
        def f(x: int = 0): return [__name__, __file__, sys.modules["vae"] is vae, f.__annotations__["x"] is int]
        """
    )
    assert call(dialogue) == ["vae", str(tmp_path / "vae.py"), True, True]


def test_nothing_else_on_the_path(open_vae: Open, tmp_path: Path) -> None:
    """Neither the submission's folder nor a module beside vae.py can be imported; the course's nndl2 can."""
    (tmp_path / "mine.py").write_text("x = 1\n")
    dialogue = open_vae(
        """
        import sys
        from nndl2.grad import rel_error
        from nndl2 import utils
        def f(): return [rel_error(torch.ones(1), torch.ones(1)), utils.__file__]
        def g(): import mine
        def h(): return __file__.rpartition("/")[0] in sys.path
        """
    )
    assert call(dialogue) == [0.0, str(tmp_path / "nndl2" / "utils.py")]
    assert call(dialogue, "h") is False
    with pytest.raises(Raised, match="No module named 'mine'"):
        call(dialogue, "g")


FAILURES = {
    "syntax error": ("x = (1,\n", "SyntaxError: '(' was never closed\n  vae.py, line 3:  x = (1,"),
    "at a line": ("x = 1\nx.y\n", "has no attribute 'y'\n  vae.py, line 4:  x.y"),
    "in a function": (
        "def g():\n    1 / 0\ng()\n",
        "\n  vae.py, line 5:  g()\n  vae.py, line 4 in g:  1 / 0",
    ),
    "in a library": ("torch.zeros('x')\n", "\n  vae.py, line 3:  torch.zeros('x')"),
}


@pytest.mark.parametrize(("source", "words"), FAILURES.values(), ids=FAILURES)
def test_own_lines(open_vae: Open, source: str, words: str) -> None:
    """What fails is told with the student's own lines, and no others."""
    with pytest.raises(Raised) as caught:
        call(open_vae(source))
    assert str(caught.value).startswith("Your vae.py raised ")
    assert str(caught.value).endswith(words)


def test_syntax_error_elsewhere(open_vae: Open) -> None:
    """A SyntaxError in another text than vae.py is told at the line of vae.py that led to it."""
    with pytest.raises(Raised, match=r"line 3:  eval\('1 \+'\)"):
        call(open_vae("eval('1 +')\n"))


# -- values --------------------------------------------------------------------

VALUES: dict[str, tuple[str, Any]] = {
    "None": ("None", None),
    "bool": ("True", True),
    "int": ("-3", -3),
    "float": ("0.5", 0.5),
    "infinity": ("float('-inf')", float("-inf")),
    "string": ("'π\\n'", "π\n"),
    "long string": ("'x' * 10_000", "x" * 4000),
    "half a surrogate pair": ("'\\udcff'", "?"),
    "tuple": ("(1, [2, ()])", [1, [2, []]]),
}


@pytest.mark.parametrize(("code", "value"), VALUES.values(), ids=VALUES)
def test_value(open_vae: Open, code: str, value: Any) -> None:
    """Plain values come back as they are, strings cut short, tuples as lists."""
    assert call(open_vae(f"def f(): return {code}")) == value


OTHERS = {
    "an object": ("object()", "an object of type object"),
    "a dict": ("{1: 2}", "an object of type dict"),
    "a set": ("{1}", "an object of type set"),
    "a function": ("f", "an object of type function"),
    "a module": ("nn.Linear(2, 2)", "an object of type torch.nn.modules.linear.Linear"),
    "a huge int": ("10 ** 5000", "an object of type int"),
    "float16": ("torch.zeros(2, 3).half()", "a tensor of torch.float16, torch.strided, shape (2, 3)"),
    "bools": ("torch.zeros(2) > 0", "a tensor of torch.bool, torch.strided, shape (2,)"),
    "meta": ("torch.zeros(2, device='meta')", "a tensor without contents, shape (2,)"),
    "sparse": ("torch.eye(2).to_sparse()", "a tensor of torch.float32, torch.sparse_coo, shape (2, 2)"),
    "huge": (
        "torch.zeros(1).expand(1 << 40)",
        "a tensor of shape (1099511627776,), far larger than any right one",
    ),
}


@pytest.mark.parametrize(("code", "kind"), OTHERS.values(), ids=OTHERS)
def test_other_kind(open_vae: Open, code: str, kind: str) -> None:
    """Anything else comes back as the name of its kind, for the message."""
    found = call(open_vae(f"def f(): return {code}"))
    assert isinstance(found, WrongKind)
    assert str(found) == kind


TENSORS = {
    "plain": "torch.arange(6.0).view(2, 3)",
    "transposed": "torch.arange(6.0).view(3, 2).T.contiguous().T.reshape(2, 3)",
    "a view": "torch.arange(12.0).view(2, 6)[:, :3] - torch.tensor([[0], [3]])",
    "wants gradients": "torch.arange(6.0).view(2, 3).requires_grad_()",
    "a parameter": "nn.Parameter(torch.arange(6.0).view(2, 3))",
    "stretched": "torch.arange(6.0).view(1, 2, 3).expand(1, 2, 3)[0]",
    "in inference mode": "torch.inference_mode()(lambda: torch.arange(6.0).view(2, 3))()",
    "conjugated and real": "torch.arange(6.0).view(2, 3).conj()",
    "negated lazily": "torch._neg_view(-torch.arange(6.0).view(2, 3))",
    "of a class of its own": "torch.arange(6.0).view(2, 3).as_subclass(type('T', (torch.Tensor,), {}))",
}


@pytest.mark.parametrize("code", TENSORS.values(), ids=TENSORS)
def test_tensor(open_vae: Open, code: str) -> None:
    """A tensor comes back by value, however it lies in memory."""
    found = call(open_vae(f"def f(): return {code}"))
    assert torch.equal(found, torch.arange(6.0).view(2, 3))


def test_same_tensor_twice(open_vae: Open) -> None:
    """Tensors that share memory arrive as tensors of their own."""
    first, second = call(open_vae("def f():\n    x = torch.arange(3.0)\n    return x, x[1:]"))
    assert (first.tolist(), second.tolist()) == ([0, 1, 2], [1, 2])


def test_arguments_are_fresh(open_vae: Open) -> None:
    """A tensor of a question is the student's to change: ours is not touched."""
    x = torch.zeros(3)
    assert call(open_vae("def f(x): return x.add_(1)"), "f", x).tolist() == [1, 1, 1]
    assert x.tolist() == [0, 0, 0]


# -- errors --------------------------------------------------------------------


def test_missing_and_none(open_vae: Open) -> None:
    """A name that is not there, and one that is still None, are told apart."""
    dialogue = open_vae(
        "f = None\nclass VAE(nn.Module):\n    encoder = None\n    def __init__(self, *a): pass"
    )
    with pytest.raises(Missing, match=r"There is no `g` in your vae\.py"):
        call(dialogue, "g")
    with pytest.raises(Unfinished, match="`f` is still None"):
        call(dialogue, "f")
    dialogue.ask("VAE(...)", "make", name="VAE", args=[784], named={})
    for path, kind in ((["encoder"], Unfinished), (["decoder"], Missing)):
        with pytest.raises(kind):
            dialogue.ask("VAE.part", "parameters", model=0, path=path, values=False)


def test_elsewhere(open_vae: Open) -> None:
    """Of a name that is not at its place it is told where it is, and what else has a name much like it."""
    dialogue = open_vae(
        """
        from torch import relu as reparameterized
        class Vae(nn.Module): pass
        class VAEs: pass
        class CVAE(nn.Module):
            def __init__(self, *a):
                super().__init__()
                self.encoder = nn.Sequential()
                self.encoder.mu_layer = nn.ReLU()
            def reparameterize(self): pass
        class Again(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = nn.Sequential()
                self.logvar_layer = None
                super().__init__()
                self.decoder = nn.Sequential()
        def reparametrise(): pass
        """
    )
    dialogue.ask("CVAE(...)", "make", name="CVAE", args=[784], named={})
    dialogue.ask("Again()", "make", name="Again", args=[], named={})
    for path, model, others, inside in (
        (["VAE"], None, ["VAEs", "Vae"], []),
        (["reparametrize"], None, ["reparametrise"], ["CVAE.reparameterize"]),
        (["loss_function"], None, [], []),
        (["mu_layer"], 0, ["encoder"], ["encoder.mu_layer"]),
        (["encoder"], 1, [], [next(iter(NOWHERE))]),
        (["mu_layer"], 1, ["decoder"], []),
        (["logvar_layer"], 1, ["decoder"], []),
    ):
        with pytest.raises((Missing, Unfinished)) as caught:
            dialogue.ask("it", "call", model=model, path=path, args=[], seed=None)
        assert (sorted(caught.value.failure.others), caught.value.failure.inside) == (others, inside)


def test_empty_file(open_vae: Open) -> None:
    """Of an empty file it is said that it is."""
    with pytest.raises(Missing, match="The file is empty"):
        call(open_vae(b""), "loss_function")


def test_raised_by_torch(open_vae: Open) -> None:
    """What torch raises as a NotImplementedError does not say that something is still to be written."""
    dialogue = open_vae(
        """
        def f(): raise NotImplementedError("f")
        def g(): torch.zeros(2).long().normal_()
        def h(): torch.distributions.Distribution(validate_args=False).rsample()
        """
    )
    for name, kind in (("f", Unfinished), ("g", Raised), ("h", Raised)):
        with pytest.raises(Raised) as caught:
            call(dialogue, name)
        assert type(caught.value) is kind


ERRORS = {
    "exit": ("raise SystemExit(3)", "raised SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt."),
    "half a surrogate pair": ("raise ValueError('\\udcff')", r"raised ValueError: \?"),
    "no text": (
        "class B(Exception):\n        __str__ = None\n    raise B",
        "its message cannot be shown",
    ),
    "exit within": (
        "class B(Exception):\n        def __str__(self): raise SystemExit\n    raise B",
        "cannot be shown: SystemExit",
    ),
    "endless": ("raise ValueError('x' * 10**7)", r"raised ValueError: xxx"),
    "a long name": ("raise type('E' * 10**6, (Exception,), {})", "raised EEE"),
    "a long line": ("x = [" + "1, " * 10_000 + "].y", "has no attribute 'y'"),
    "a tensor in its message": (
        r"raise ValueError('first' + '\n[1, 2, 3]' * 5000 + '\nlast')",
        r"first(\n  \| \[1, 2, 3\]){2}\n  \| \[\.\.\.\]\n  \| last",
    ),
    "an odd syntax error": (
        "e = SyntaxError(); e.filename = __file__; e.lineno = 'x'; raise e",
        "raised SyntaxError",
    ),
    "deep": ("return f()", "raised RecursionError"),
    "in a deep part of the answer": ("x = []; x.append(x); return x", None),
    "while it is sent": (
        "return torch.zeros(2).as_subclass(type('T', (torch.Tensor,), {'detach': lambda self: 1 / 0}))",
        "raised ZeroDivisionError",
    ),
}


@pytest.mark.parametrize(("body", "words"), ERRORS.values(), ids=ERRORS)
def test_errors(open_vae: Open, body: str, words: str | None) -> None:
    """Whatever is raised is described, at most at some length, and the worker answers on."""
    dialogue = open_vae(f"def f():\n    {body}\ndef g(): return 1")
    if words:
        with pytest.raises(Raised, match=words) as caught:
            call(dialogue)
        assert len(str(caught.value)) < 6000
    else:
        call(dialogue)
    assert call(dialogue, "g") == 1


# -- models --------------------------------------------------------------------

MAKERS = {
    "the assignment's names": "def __init__(self, input_size, latent_size=15):",
    "names of their own": "def __init__(self, pixels, z_dim=15):",
    "more arguments": "def __init__(self, input_size, latent_size=15, hidden_dim=400):",
    "by keyword only": "def __init__(self, input_size, *, latent_size=15):",
    "whatever comes": "def __init__(self, input_size, **named):\n        latent_size = named['latent_size']",
}


@pytest.mark.parametrize("signature", MAKERS.values(), ids=MAKERS)
def test_make(open_vae: Open, signature: str) -> None:
    """A model is made with the assignment's arguments, whatever the student calls them."""
    size = "z_dim" if "z_dim" in signature else "latent_size"
    pixels = "pixels" if "pixels" in signature else "input_size"
    dialogue = open_vae(
        f"class VAE(nn.Module):\n    {signature}\n        super().__init__()\n"
        f"        self.encoder = nn.Linear({pixels}, {size})"
    )
    made = dialogue.ask("VAE", "make", name="VAE", args=[6], named={"latent_size": 4})
    assert made == {"model": 0, "disables": 0}
    rows = dialogue.ask("VAE.encoder", "parameters", model=0, path=["encoder"], values=True)
    assert [(name, shape) for name, shape, _ in rows] == [("weight", [4, 6]), ("bias", [4])]
    assert rows[0][2].shape == (4, 6)


PARTS = """
    class VAE(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
            self.lazy = nn.LazyLinear(2)
            self.function = lambda x: x
            self.dropout = nn.Dropout(0.5)
"""


def test_parts(open_vae: Open) -> None:
    """A model's parts are called and given parameters; lazy layers have no shapes yet, functions no parameters."""
    dialogue = open_vae(PARTS)
    dialogue.ask("VAE", "make", name="VAE", args=[], named={})

    def part(name: str, verb: str, **more: Any) -> Any:
        return dialogue.ask(name, verb, model=0, path=[name], **more)

    part("encoder", "assign", values=[torch.ones(4, 6), torch.tensor([0.0, 1, 2, 3])])
    assert part("encoder", "call", args=[torch.ones(1, 2, 3)], seed=None).tolist() == [[6, 7, 8, 9]]
    assert [shape for _, shape, _ in part("lazy", "parameters", values=True)] == [None, None]
    assert part("function", "parameters", values=False) == ["function"]
    with pytest.raises(Raised):
        part("encoder", "assign", values=[torch.ones(4, 6)])


def test_mode(open_vae: Open) -> None:
    """Dropout works in train mode and not in eval mode."""
    dialogue = open_vae(PARTS)
    dialogue.ask("VAE", "make", name="VAE", args=[], named={})
    for training in (True, False):
        dialogue.ask("VAE", "mode", model=0, train=training)
        assert dialogue.ask("VAE", "modes", model=0) == [training, False, False]
        dropped = dialogue.ask("VAE", "call", model=0, path=["dropout"], args=[torch.ones(1000)], seed=1)
        assert bool((dropped == 0).any()) is training


@pytest.mark.parametrize(
    "noise",
    ["torch.randn(3)", "__import__('random').random()", "torch.tensor(__import__('numpy').random.randn(3))"],
)
def test_seed(open_vae: Open, noise: str) -> None:
    """A seed reaches torch's, Python's and NumPy's generators; without one the noise goes on."""
    dialogue = open_vae(f"import numpy, random\ndef f(): return {noise}")
    draws = [call(dialogue, seed=seed) for seed in (7, None, 7, 8)]
    texts = [str(d if isinstance(d, float) else d.tolist()) for d in draws]
    assert texts[0] == texts[2]
    assert len(set(texts)) == 3


# -- gradients --------------------------------------------------------------------


def test_gradients(open_vae: Open) -> None:
    """Gradients reach what was put and the parts' biases, across calls; None where there is no dependence."""
    dialogue = open_vae(PARTS + "    def f(x, y): return x ** 2")
    dialogue.ask("VAE", "make", name="VAE", args=[], named={})
    dialogue.ask("e", "assign", model=0, path=["encoder"], values=[torch.ones(4, 6), torch.zeros(4)])
    x, y = torch.full((2, 6), 3.0), torch.ones(2)
    slots = [dialogue.tell("put", "put", value=value, like="linear").slot(0).number for value in (x, y)]
    dialogue.codec.hold(x, slots[0])
    dialogue.codec.hold(y, slots[1])
    squared = call(dialogue, "f", x, y)
    features = dialogue.ask("e", "call", model=0, path=["encoder"], args=[squared], seed=None)
    assert features.tolist() == [[54.0] * 4] * 2
    (dx,), (dy,), (db,) = dialogue.ask(
        "backward()",
        "gradients",
        of=[dialogue.slot(features)],
        along=[torch.ones(2, 4)],
        slots=slots,
        parts=[[0, ["encoder"]]],
    )
    assert dx.tolist() == [[24.0] * 6] * 2
    assert dy is None
    assert db.tolist() == [2.0] * 4


def test_sigmoid_like(open_vae: Open) -> None:
    """What is put as a sigmoid's output and changed in place breaks backward(), as in training."""
    dialogue = open_vae("def f(x): return x.mul_(2).sum()")
    slot = dialogue.tell("put", "put", value=torch.ones(3), like="sigmoid").slot(0).number
    value = dialogue.ask(
        "f", "call", model=None, path=["f"], args=[dialogue.codec.hold(torch.ones(3), slot)], seed=None
    )
    with pytest.raises(Raised, match="inplace"):
        dialogue.ask(
            "backward()",
            "gradients",
            of=[dialogue.slot(value)],
            along=[torch.tensor(1.0)],
            slots=[slot],
            parts=[],
        )


def test_switches_last_for_a_question(open_vae: Open) -> None:
    """What a call switches for good is as the file has set it when the next question comes."""
    dialogue = open_vae(
        """
        def off(): torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)
        def look(): return [torch.is_grad_enabled(), str(torch.zeros(1).dtype)]
        """
    )
    call(dialogue, "off")
    assert call(dialogue, "look") == [True, "torch.float32"]


def test_gradients_left_disabled(open_vae: Open) -> None:
    """That a call has left gradients disabled is said once; under torch.no_grad(), and with it, nothing is."""
    dialogue = open_vae(
        """
        def off(): torch.set_grad_enabled(False)
        @torch.no_grad()
        def inside(): torch.ones(2)
        """
    )

    def left() -> list[bool]:
        modes: list[bool] = dialogue.ask("gradients", "modes", model=None)
        return modes

    call(dialogue, "off")
    assert [left(), left()] == [[False, True, False], [False, False, False]]
    call(dialogue, "inside")
    dialogue.ask("off", "call", model=None, path=["off"], args=[], seed=None, learning=False)
    assert left() == [False, False, False]


def test_module_that_disables_gradients(open_vae: Open) -> None:
    """That the file itself has disabled gradients is said whenever it is asked; calls have them enabled."""
    dialogue = open_vae("torch.set_grad_enabled(False)\ndef look(): return torch.is_grad_enabled()")
    left = [dialogue.ask("gradients", "modes", model=None) for _ in range(2)]
    assert left == [[False, False, True]] * 2
    assert call(dialogue, "look") is True


def test_model_that_disables_gradients(open_vae: Open) -> None:
    """That making a model leaves gradients disabled is said with the model."""
    dialogue = open_vae(
        "class VAE(nn.Module):\n    def __init__(self): super().__init__(); torch.set_grad_enabled(False)"
    )
    assert dialogue.ask("VAE", "make", name="VAE", args=[], named={}) == {"model": 0, "disables": 1}


def test_in_place_on_what_was_put(open_vae: Open) -> None:
    """A change in place of what was put is possible, as on a layer's output, and it shows."""
    dialogue = open_vae("def f(x): return x.exp_()")
    x = torch.zeros(3)
    slot = dialogue.tell("put", "put", value=x, like="linear").slot(0).number
    dialogue.codec.hold(x, slot)
    call(dialogue, "f", x)
    assert dialogue.ask("look", "look", slot=slot).tolist() == [1, 1, 1]


def test_forget(open_vae: Open) -> None:
    """After a row's end nothing of it is held."""
    dialogue = open_vae("def f(): return torch.zeros(2)")
    slot = dialogue.slot(call(dialogue))
    dialogue.ask("look", "look", slot=slot)
    dialogue.new_row()
    with pytest.raises(Raised, match="KeyError"):
        dialogue.ask("look", "look", slot=slot)


PROGRAMS = """
    import os, subprocess
    def popen():
        with os.popen("nvidia-smi") as output:
            return output.read()
    def f():
        ways = [
            popen,
            lambda: subprocess.getstatusoutput("nvidia-smi")[0],
            lambda: subprocess.run("nvidia-smi", shell=True, capture_output=True, text=True).stderr,
            lambda: subprocess.run(["nvidia-smi"]),
        ]
        said = []
        for way in ways:
            try:
                said.append(way())
            except FileNotFoundError as error:
                said.append(error.filename)
        return said
"""


def test_no_programs(open_vae: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program may be started, a shell finds none, and a program itself is not there."""

    def denied(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(
        subprocess.Popen, "_execute_child", surroundings.START_PROGRAM
    )  # to have it back afterwards
    monkeypatch.setattr(surroundings, "START_PROGRAM", denied)
    said = call(open_vae(PROGRAMS))
    assert said == ["", 127, "The autograder lets your code start no other program\n", "nvidia-smi"]


def test_unknown_question(open_vae: Open) -> None:
    """A question that there is not is an error, not the end."""
    dialogue = open_vae("def f(): return 1")
    with pytest.raises(Raised, match="AttributeError"):
        dialogue.ask("x", "no_such_verb")
    assert call(dialogue) == 1


def test_answer_is_plain_json(open_vae: Open) -> None:
    """On the wire an answer is one line of JSON with the question's number, tensors behind it."""
    dialogue = open_vae("def f(): return torch.zeros(2), 1")
    worker = dialogue.open()
    question = {"id": 41, "verb": "call", "with": {"model": None, "path": ["f"], "args": [], "seed": None}}
    worker.ask([json.dumps(question).encode()], 1)
    assert json.loads(worker.hear(1 << 20, 60)) == {
        "id": 41,
        "value": [{"tensor": 0, "slot": 41_000, "grad": False}, 1],
        "tensors": 1,
    }
    assert len(worker.hear(1 << 20, 60)) > 8
