"""One submission in, one record out, always: whatever it does, and whoever fails."""

from __future__ import annotations

import time
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest
from apart import REFERENCE, ROWS, lost
from graded import record

from autograder.grade import summary
from autograder.results import STARVED
from autograder.watch import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autograder.results import Results

    Grade = Callable[..., Results]


def with_body(function: str, body: str) -> str:
    """The reference solution, where a function does something else."""
    arguments = next(line for line in REFERENCE.splitlines() if line.startswith(f"def {function}("))
    return f"{REFERENCE}\n\n{arguments}\n{indent(dedent(body).strip(), '    ')}\n"


def brief(table: Mapping[str, object], every: int) -> list[object]:
    """Make parameters of a table of cases; the short run takes one of so many."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else [case]),
            id=name,
            marks=[pytest.mark.slow] * bool(i % every),
        )
        for i, (name, case) in enumerate(table.items())
    ]


def endings(results: Results) -> dict[str, str]:
    """How each row ended that was lost; on a busy machine who is too slow may be starved, too."""
    said = {row.number: row.extra_data["ending"] for row in results.tests if row.number in lost(results)}
    return {number: "too slow" if ending == STARVED else ending for number, ending in said.items()}


def words(results: Results) -> str:
    """All that the student reads."""
    return "\n".join([results.output, *(row.output for row in results.tests)])


def test_reference(grade: Grade) -> None:
    """The reference solution earns everything, and the record tells what the verdict rests on."""
    results = grade(REFERENCE)
    assert (results.score, results.max_score, lost(results)) == (12, 12, [])
    assert results.extra_data.keys() >= {
        "seed",
        "submission",
        "grader",
        "rubric",
        "versions",
        "layers",
        "layers_missing",
    }
    assert results.execution_time > 0


def test_seed_repeats_a_section(grade: Grade) -> None:
    """Under one seed a row says the same, numbers included, whether its section is checked alone or with all."""
    wrong = REFERENCE.replace("exp(logvar / 2)", "exp(logvar / 3)").replace("logvar.exp())", "logvar)")
    whole = {row.number: row for row in grade(wrong, seed=7).tests}
    for section in ("reparametrize", "loss"):
        rows = grade(wrong, seed=7, sections=[section]).tests
        assert rows
        assert [row.output for row in rows] == [whole[row.number].output for row in rows]


def test_seed_repeats(grade: Grade) -> None:
    """The seed in a record leads to the same record again, numbers in the messages included."""
    wrong = with_body("reparametrize", "return mu + logvar * torch.randn_like(mu)")
    first = grade(wrong)
    again = grade(wrong, seed=first.extra_data["seed"])
    other = grade(wrong)
    assert words(first) == words(again) != words(other)


# -- files that cannot be loaded --------------------------------------------------------------------

UNLOADABLE = {
    "no vae.py": (None, "unreadable", "no vae.py"),
    "empty": ("", "missing", "in your vae.py"),
    "syntax error": ("def broken(:\n    pass\n", "raised", "line 1"),
    "NUL bytes": (b"x = 1\0\n", "raised", "null bytes"),
    "unknown encoding": (b"# -*- coding: klingon -*-\n", "raised", "klingon"),
    "exception": ("x = 1\n\nraise ValueError('my words')\n", "raised", "line 3"),
    "unfinished": ("raise NotImplementedError('the encoder')\n", "unfinished", "the encoder"),
    "sys.exit": ("import sys\nsys.exit(0)\n", "raised", "SystemExit: 0"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt\n", "raised", "KeyboardInterrupt"),
    "os._exit": ("import os\nos._exit(0)\n", "died", "exit code 0"),
    "kill -9 itself": ("import os\nos.kill(os.getpid(), 9)\nos._exit(9)\n", "died", "ended its process"),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)\n", "died", "SIGSEGV"),
    "missing package": ("from no_such_package_at_all import *\n", "raised", "no_such_package_at_all"),
    "recursion": ("def f():\n    f()\nf()\n", "raised", "RecursionError"),
    "deep source": ("x = " + "(" * 5000 + ")" * 5000 + "\n", "raised", "vae.py"),
    "hang": ("while True: pass\n", "too slow", "could not be imported within"),
    "hang in a thread of its own": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(30,)).start()\ntime.sleep(30)\n",
        "too slow",
        "could not be imported within",
    ),
    "unshowable exception": (
        "class Bad(Exception):\n    def __str__(self):\n        raise ValueError\nraise Bad\n",
        "raised",
        "its message cannot be shown",
    ),
    "exception whose message is no text": (
        "class Bad(Exception):\n    def __str__(self):\n        return 3\nraise Bad\n",
        "raised",
        "its message cannot be shown",
    ),
    "syntax error with a message that is no text": (
        (
            "class Bad:\n    def __str__(self):\n        raise ValueError\n"
            "error = SyntaxError()\nerror.msg = Bad()\nerror.filename = __file__\nraise error\n"
        ),
        "raised",
        "its message cannot be shown",
    ),
    "surrogates": ("raise ValueError('\\udcff and \\ud800 \\x00 \\x1b[31m')\n", "raised", "ValueError"),
    "huge message": ("raise ValueError('x' * 50_000_000)\n", "raised", "ValueError: xxx"),
    "exception group": ("raise BaseExceptionGroup('g', [ValueError('v')])\n", "raised", "raised"),
}


@pytest.mark.parametrize(("source", "ending", "say"), brief(UNLOADABLE, 2))
def test_unloadable(grade: Grade, source: str | bytes | None, ending: str, say: str) -> None:
    """A file that cannot be loaded loses every row, each with the same words about why."""
    results = grade(source, limits=Limits(start=1.5))
    assert endings(results) == dict.fromkeys(ROWS, ending)
    assert results.score == 0
    for row in results.tests[:12]:
        assert say.lower() in row.output.lower()


def test_same_words_are_said_once(grade: Grade) -> None:
    """The text about the whole says once, with its line, what all rows say; rows with words of their own are named."""
    assert grade("import os\ndef broken(:\n    pass\n").output.splitlines()[2:] == [
        "Look first at:",
        "1.1 and 11 more rows: Your vae.py raised SyntaxError: invalid syntax (vae.py, line 2: def broken(:)",
    ]
    said = grade(with_body("reparametrize", "raise ValueError('my words')")).output.splitlines()[3:]
    assert [line.split(" ")[:2] for line in said] == [
        ["3.1,", "3.2"],
        ["4.1", "VAE.forward"],
        ["6.3", "CVAE.forward"],
    ]
    assert all("my words" in line for line in said)


LEGAL = {
    "Latin-1 bytes, declared": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + REFERENCE.encode("latin-1"),
    "byte-order mark": b"\xef\xbb\xbf" + REFERENCE.encode(),
    "CRLF": REFERENCE.replace("\n", "\r\n").encode(),
    "prints 10 MB at import": REFERENCE.encode() + b"\nfor _ in range(10): print('x' * 1_000_000)\n",
    "ends its streams": REFERENCE.encode() + b"\nimport sys\nsys.stdout.close()\nsys.stderr = None\n",
    "closes its descriptors": REFERENCE.encode() + b"\nimport os\nfor n in (0, 1, 2): os.close(n)\n",
    "catches signals": REFERENCE.encode()
    + b"\nimport signal\nsignal.signal(signal.SIGTERM, lambda *a: None)\n",
    "leaves a thread": REFERENCE.encode()
    + b"\nimport threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n",
    "float64 by default": b"import torch\ntorch.set_default_dtype(torch.float64)\n" + REFERENCE.encode(),
    "warnings are errors": b"import warnings\nwarnings.simplefilter('error')\n" + REFERENCE.encode(),
}


@pytest.mark.parametrize("source", LEGAL.values(), ids=LEGAL)
def test_legal(grade: Grade, source: bytes) -> None:
    """What is legal, or merely noisy, loses nothing."""
    assert lost(grade(source)) == []


# -- failures in one function --------------------------------------------------------------------

FAILURES = {
    "hang": ("while True: pass", "too slow", "did not answer within 2 seconds"),
    "sleep": ("import time; time.sleep(600)", "too slow", "did not answer within 2 seconds"),
    "os._exit": ("import os; os._exit(3)", "died", "exit code 3"),
    "kill -9 itself": ("import os; os.kill(os.getpid(), 9); os._exit(9)", "died", "ended its process"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "died", "SIGSEGV"),
    "SystemExit": ("raise SystemExit(0)", "raised", "SystemExit: 0"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "raised", "KeyboardInterrupt"),
    "GeneratorExit": ("raise GeneratorExit", "raised", "GeneratorExit"),
    "exception": ("return undefined_name", "raised", "undefined_name"),
    "unshowable exception": (
        "class Bad(Exception):\n    def __str__(self): raise SystemExit\nraise Bad",
        "raised",
        "its message cannot be shown",
    ),
    "surrogates": ("raise ValueError('\\udcff')", "raised", "ValueError"),
    "recursion": ("return loss_function(x_hat, x, mu, logvar)", "raised", "RecursionError"),
    "memory": ("kept = [bytearray(b'x' * (8 << 20)) for _ in range(200)]", "too big", "memory"),
    "threads": (
        "import time, threading\nfor _ in range(11): threading.Timer(9, print).start()\ntime.sleep(9)",
        "too big",
        "more than 10 threads",
    ),
    "more memory than there is": ("return torch.zeros(1 << 50)", "raised", "RuntimeError"),
    "huge tensor": ("return torch.zeros(17 << 20)", "wrong kind of answer", "(17825792,), far larger"),
    "unfinished": ("raise NotImplementedError('5. loss')", "unfinished", "5. loss"),
}


@pytest.mark.parametrize(("body", "ending", "say"), FAILURES.values(), ids=FAILURES)
def test_failure_in_a_function(grade: Grade, body: str, ending: str, say: str) -> None:
    """A function that fails costs its own row, in words that tell how; the others do not suffer."""
    limits = Limits(question=2, row=3, memory=300 << 20, threads=10)
    results = grade(with_body("loss_function", body), limits=limits, sections=["loss"])
    assert endings(results) == {"5.1": ending}
    assert say in results.tests[0].output


@pytest.mark.parametrize("body", ["while True: pass", "import os; os._exit(0)"], ids=["hang", "os._exit"])
def test_others_do_not_suffer(grade: Grade, body: str) -> None:
    """Where one function ends its process, the rows that need it are lost, and no others."""
    results = grade(with_body("loss_function", body), limits=Limits(question=2, row=3))
    assert lost(results) == ["5.1"]
    results = grade(with_body("reparametrize", body), limits=Limits(question=1, row=2))
    assert lost(results) == ["3.1", "3.2", "4.1", "6.3"]
    assert "reparametrize" in results.tests[7].output


def test_prints_in_a_call(grade: Grade) -> None:
    """Printing megabytes in a call costs nothing."""
    noisy = """
import sys
honest = loss_function
def loss_function(*args):
    print("x" * 10_000_000)
    print("y" * 1_000_000, file=sys.stderr)
    return honest(*args)
"""
    assert lost(grade(REFERENCE + noisy, sections=["loss"])) == []


def test_time_is_bounded(grade: Grade) -> None:
    """A file that loads as slowly as it may and then dies at every question cannot make a grading endless."""
    slow = "import os, time\ntime.sleep(0.8)\nclass VAE:\n    def __init__(self, *a, **k): os._exit(1)\nCVAE = VAE\n"
    slow += "def reparametrize(*a): os._exit(1)\ndef loss_function(*a): os._exit(1)\n"
    begin = time.monotonic()
    results = grade(slow, limits=Limits(start=1.5, question=1, row=2, total=3))
    assert time.monotonic() - begin < 12
    assert set(endings(results).values()) <= {"died", "too slow"}
    assert len(lost(results)) == 12


def test_hanging_everywhere(grade: Grade) -> None:
    """A submission that hangs at every question gets its rows judged within the time for the whole."""
    hanging = "class VAE:\n    def __init__(self, *a, **k):\n        while True: pass\nCVAE = VAE\n"
    hanging += "def reparametrize(*a):\n    while True: pass\nloss_function = reparametrize\n"
    results = grade(hanging, limits=Limits(question=0.5, row=1, total=3))
    assert set(endings(results).values()) == {"too slow"}
    assert results.execution_time < 10
    assert "used up the time for the whole submission" in results.tests[10].output


# -- answers of the wrong kind --------------------------------------------------------------------

STRANGE = {
    "None": "None",
    "a string": "'8.5079'",
    "an int": "1",
    "a huge int": "10 ** 5000",
    "a float": "8.5079",
    "NaN": "float('nan')",
    "infinity": "float('inf')",
    "a bool": "True",
    "a complex number": "1j",
    "an empty tuple": "()",
    "a tuple of three": "(1, 'a', None)",
    "a deep list": "__import__('functools').reduce(lambda a, _: [a], range(200), 1)",
    "a list that holds itself": "(lambda a: (a.append(a), a)[1])([])",
    "a long list": "[0.0] * 5000",
    "many tensors": "[torch.zeros(1)] * 5000",
    "a dict": "{'loss': 1}",
    "a dict like ours": "{'model': -1}",
    "a set": "{1, 2}",
    "an object": "object()",
    "a class": "int",
    "a lambda": "lambda: 1",
    "an array": "__import__('numpy').zeros(3)",
    "a module": "nn.Linear(2, 2)",
    "float16": "torch.zeros(64, 7).half()",
    "bfloat16": "torch.zeros(64, 7).bfloat16()",
    "float64": "torch.zeros(64, 7).double()",
    "int64": "torch.zeros(64, 7).long()",
    "an int64 scalar": "torch.tensor(3)",
    "int32": "torch.zeros(64, 7).int()",
    "a tensor of bools": "torch.zeros(64, 7) > 1",
    "a complex tensor": "torch.zeros(64, 7).to(torch.complex64)",
    "a sparse tensor": "torch.eye(7).to_sparse()",
    "a quantized tensor": "torch.quantize_per_tensor(torch.zeros(7), 0.1, 0, torch.qint8)",
    "a meta tensor": "torch.zeros(64, 7, device='meta')",
    "an empty tensor": "torch.zeros(0)",
    "a tensor without rows": "torch.zeros(0, 7)",
    "a scalar": "torch.tensor(1.0)",
    "a tensor of NaN": "torch.full((64, 7), float('nan'))",
    "a tensor of infinity": "torch.full((), float('inf'))",
    "a tensor of 60 dimensions": "torch.zeros([1] * 60)",
    "a stretched tensor": "torch.zeros(1).expand(64, 7)",
    "a tensor of a class of its own": "torch.zeros(64, 7).as_subclass(type('T', (Tensor,), {}))",
    "a tensor that lies about its shape": "torch.zeros(3).as_subclass(type('T', (Tensor,), {'shape': (64, 7)}))",
    "a parameter": "nn.Parameter(torch.zeros(64, 7))",
    "a lazy parameter": "nn.UninitializedParameter()",
    "a str of a class of its own": "type('S', (str,), {'__len__': lambda self: -1})('x')",
    "an int of a class of its own": "type('I', (int,), {'__repr__': lambda self: 'x'})(3)",
    "a float of a class of its own": "type('F', (float,), {'__repr__': lambda self: 'NaN'})(3)",
}
EVERYTHING = """
import torch
from torch import Tensor, nn
class Part(nn.Linear):
    def forward(self, *x): return {value}
class VAE(nn.Module):
    def __init__(self, input_size, latent_size=15, num_classes=0):
        super().__init__()
        D, C, Z, H = input_size, num_classes, latent_size, 400
        self.encoder = nn.Sequential(nn.Linear(D + C, H), nn.Linear(H, H), Part(H, H))
        self.mu_layer, self.logvar_layer = Part(H, Z), Part(H, Z)
        self.decoder = nn.Sequential(nn.Linear(Z + C, H), nn.Linear(H, H), nn.Linear(H, H), Part(H, D))
    def forward(self, *x): return {value}
class CVAE(VAE):
    def __init__(self, input_size, num_classes=10, latent_size=15):
        super().__init__(input_size, latent_size, num_classes)
def reparametrize(mu, logvar): return {value}
def loss_function(x_hat, x, mu, logvar): return {value}
"""
HALF_RIGHT = REFERENCE + "\nloss_function = reparametrize = lambda *a: {value}\n"


@pytest.mark.parametrize("value", brief(STRANGE, 4))
def test_strange_values(grade: Grade, value: str) -> None:
    """Whatever kind of value comes from every function and part, it is the student's mistake and costs its rows."""
    results = grade(EVERYTHING.format(value=value))
    assert set(lost(results)) >= set(ROWS) - {"1.1"}
    assert set(endings(results).values()) <= {
        "mistake",
        "wrong kind of answer",
        "raised",
        "malformed answer",
        "died",
    }


@pytest.mark.slow
@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_strange_values_of_functions(grade: Grade, value: str) -> None:
    """Beside models that are right, strange values of the two functions cost their rows, and forward at most."""
    results = grade(HALF_RIGHT.format(value=value))
    assert {"3.1", "3.2", "5.1"} <= {*lost(results)} <= {"3.1", "3.2", "4.1", "5.1", "6.3"}
    for row in results.tests:
        if row.number in ("4.1", "6.3") and row.number in lost(results):
            assert "reparametrize" in row.output


# -- forged answers --------------------------------------------------------------------

# What a student can write who has read worker.py: it finds the pipe and speaks its language.
FORGER = """
import gc, json, os, struct, sys
from autograder import worker
from safetensors.torch import save

desk = next(thing for thing in gc.get_objects() if type(thing) is worker.Desk)
pipe = desk.connection.fileno()
honest = worker.Desk.answer

def write(data):
    while data:
        data = data[os.write(pipe, data):]

def frame(data):
    return struct.pack("!i", len(data)) + data

def forge(number):
    {body}

def answer(self, question, work):
    if question.get("with", {{}}).get("path") == ["loss_function"]:
        forge(question["id"])
    else:
        honest(self, question, work)

worker.Desk.answer = answer
"""
NUMBER = "json.dumps({'id': number, 'value': {'tensor': 0, 'slot': 0}, 'tensors': 1}).encode()"
BLOB = "save({'000000': torch.tensor(8.5079)})"
FORGED = {
    "half a length": ("write(b'\\0\\0'); os._exit(0)", "died"),
    "half an answer": ("write(struct.pack('!i', 100) + b'{'); os._exit(0)", "died"),
    "half an answer, then silence": (
        "write(struct.pack('!i', 100) + b'{'); import time; time.sleep(60)",
        "too slow",
    ),
    "a length below zero": ("write(struct.pack('!i', -5))", "too big"),
    "a length of 2 GB": ("write(struct.pack('!i', 0x7fffffff))", "too big"),
    "8 GB in the long form": ("write(struct.pack('!iQ', -1, 8 << 30))", "too big"),
    "an endless answer": ("[write(frame(b'x' * 60000)) for _ in range(100000)]", "malformed answer"),
    "no JSON": ("write(frame(b'8.5079 is my loss'))", "malformed answer"),
    "an empty answer": ("write(frame(b''))", "malformed answer"),
    "another id": ("write(frame(json.dumps({'id': number + 1, 'value': 1}).encode()))", "malformed answer"),
    "an id of words": ('write(frame(b\'{"id": "7", "value": 1}\'))', "malformed answer"),
    "NaN": ('write(frame(b\'{"id": %d, "value": NaN}\' % number))', "malformed answer"),
    "Infinity": ('write(frame(b\'{"id": %d, "value": -Infinity}\' % number))', "malformed answer"),
    "1e999": ('write(frame(b\'{"id": %d, "value": 1e999}\' % number))', "malformed answer"),
    "a float of words": (
        'write(frame(b\'{"id": %d, "value": {"float": "8.5 or so"}}\' % number))',
        "malformed answer",
    ),
    "a float too large for one": (
        'write(frame(b\'{"id": %d, "value": {"float": 1%s}}\' % (number, b\'0\' * 400)))',
        "wrong kind of answer",
    ),
    "100000 brackets": (
        "write(frame(b'{\"id\": %d, \"value\": %s1%s}' % (number, b'[' * 100000, b']' * 100000)))",
        "malformed answer",
    ),
    "a pickle": ("import pickle; write(frame(pickle.dumps(os.system)))", "malformed answer"),
    "invalid UTF-8": ('write(frame(b\'{"id": %d, "value": "\\xff"}\' % number))', "malformed answer"),
    "a lone surrogate": (
        "write(frame(b'{\"id\": %d, \"value\": \"' % number + b'\\\\ud800' + b'\"}'))",
        "malformed answer",
    ),
    "a digit string of 100000": (
        "write(frame(b'{\"id\": %d, \"value\": 1%s}' % (number, b'0' * 100000)))",
        "malformed answer",
    ),
    "a tensor that was not sent": (
        "write(frame(json.dumps({'id': number, 'value': {'tensor': 0, 'slot': 0}}).encode()))",
        "malformed answer",
    ),
    "a tensor of number -1": (
        f"write(frame({NUMBER.replace('0, ', '-1, ', 1)}) + frame({BLOB}))",
        "malformed answer",
    ),
    "more tensors than announced": (
        f"write(frame({NUMBER}) + frame(save({{'000000': torch.zeros(1), '000001': torch.zeros(1)}})))",
        "malformed answer",
    ),
    "fewer tensors than announced": (
        f"write(frame({NUMBER.replace('1}', '2}')}) + frame({BLOB}))",
        "malformed answer",
    ),
    "ten billion tensors announced": (
        f"write(frame({NUMBER.replace('1}', '10**10}')}) + frame({BLOB}))",
        "malformed answer",
    ),
    "fewer than no tensors": (
        f"write(frame({NUMBER.replace('1}', '-1}')}) + frame({BLOB}))",
        "malformed answer",
    ),
    "tensors of another name": (
        f"write(frame({NUMBER}) + frame(save({{'loss': torch.zeros(1)}})))",
        "malformed answer",
    ),
    "tensors of half precision": (
        f"write(frame({NUMBER}) + frame(save({{'000000': torch.zeros(1).half()}})))",
        "malformed answer",
    ),
    "no tensors but bytes": (f"write(frame({NUMBER}) + frame(os.urandom(1000)))", "malformed answer"),
    "half of a tensor": (f"write(frame({NUMBER}) + frame({BLOB}[:-2]))", "malformed answer"),
    "a header beyond its tensors": (
        f"write(frame({NUMBER}) + frame(struct.pack('<Q', 1 << 60) + {BLOB}[8:]))",
        "malformed answer",
    ),
    "a tensor larger than its bytes": (
        f"write(frame({NUMBER}) + frame({BLOB}.replace(b'[]', b'[9,9]')))",
        "malformed answer",
    ),
    "an error of another kind": (
        (
            "write(frame(json.dumps({'id': number, 'error': {'kind': 'passed', 'type': 'Fine', 'message': 'ok',"
            " 'lines': []}}).encode()))"
        ),
        "raised",
    ),
    "an error of a megabyte": (
        (
            "write(frame(json.dumps({'id': number, 'error': {'kind': 'missing', 'type': '', 'message': 'x' * 900000,"
            " 'lines': []}}).encode()))"
        ),
        "malformed answer",
    ),
    "an error of half a form": (
        "write(frame(json.dumps({'id': number, 'error': {'kind': 'raised'}}).encode()))",
        "malformed answer",
    ),
}


@pytest.mark.parametrize(("body", "ending"), brief(FORGED, 3))
def test_forged(grade: Grade, body: str, ending: str) -> None:
    """Forged answers to one question cost its row, and neither earn anything nor break the grader."""
    results = grade(REFERENCE + FORGER.format(body=body), limits=Limits(question=2, row=3), sections=["loss"])
    assert endings(results) == {"5.1": ending}


def test_forged_right_answer(grade: Grade) -> None:
    """The forger speaks the worker's language: its forged loss arrives, and is judged as wrong."""
    body = f"write(frame({NUMBER}) + frame({BLOB}))"
    results = grade(REFERENCE + FORGER.format(body=body))
    assert endings(results) == {"5.1": "mistake"}  # and the rows behind it are judged as ever
    assert "8.5079" in words(results)


# Answers of the right form to the questions behind the scenes, in place of what the worker would say.
LIES = {
    "on_make": ("None", "{'model': 10**6}", "{'model': -1}", "{'slot': 1}", "[1]", "'VAE'"),
    "on_put": ("None", "{}", "{'slot': 10**6}", "{'model': 0}", "[]", "3.5", "torch.zeros(3)"),
    "on_look": ("None", "torch.zeros(3)", "[torch.zeros(3)]", "torch.zeros(0)", "float('nan')"),
    "on_join": ("None", "torch.zeros(3)", "'x'", "torch.zeros(2, 2).long()"),
    "on_mode": ("torch.zeros(2)", "{'model': 1}"),
    "on_draw": ("torch.zeros(2)", "7"),
    "on_forget": ("torch.zeros(2)", "[[[]]]"),
    "on_gradients": (
        "None",
        "[]",
        "[None] * 500",
        "[torch.zeros(2)]",
        "[torch.full((400,), float('nan'))] * 10",
        "3",
        "{'slot': 1}",
    ),
    "on_parameters": (
        "None",
        "[]",
        "[['w', [400, 784], None]]",
        "[['w', [1 << 30, 1 << 30], None], ['b', [1 << 30], None]]",
        "[['w', [400, 1 << 30], None], ['b', [400], None]] * 3",
        "[['w', [1] * 900, None]] * 6",
        "[['w', [-1], None], ['b', [True], None]]",
        "[['w', None, None]] * 8",
        "[['w', [0, 0], None], ['b', [0], None]] * 4",
        "[['w', [], None]] * 8",
        "[[1, 2, 3, 4]]",
        "['abc', 'def']",
        "[[torch.zeros(2), [400, 784], None], [[], [400], None]] * 4",
        "[['w', [400, 400], None], ['b', [400], None]] * 450",
        "torch.zeros(3, 3)",
        "torch.zeros(4_000_000)",
        "'abc'",
        "{'slot': 3}",
        "10 ** 18",
    ),
    "on_call": ("{'model': 1}", "[torch.zeros(9)] * 900", "[None] * 3"),
}
SECTIONS = {  # where these questions are asked
    **{
        key: ["encoder", "forward"] for key in ("on_make", "on_mode", "on_parameters", "on_draw", "on_forget")
    },
    **dict.fromkeys(("on_put", "on_look", "on_gradients"), ("reparametrize", "loss", "forward")),
    "on_call": ["encoder", "reparametrize", "forward", "loss"],
    "on_join": ["cvae"],
}
LIAR = """
from autograder import worker
worker.Desk.{verb} = lambda self, **named: {value}
"""


@pytest.mark.parametrize(
    ("verb", "value"), brief({f"{verb}: {value}": (verb, value) for verb in LIES for value in LIES[verb]}, 4)
)
def test_liar(grade: Grade, verb: str, value: str) -> None:
    """A worker that lies about itself earns nothing by it, and the lies are no fault of the grader's."""
    limits = Limits(question=5, row=10)
    # Parts that are right are not asked for what is joined.
    source = REFERENCE.replace("nn.ReLU()", "nn.GELU()") if verb == "on_join" else REFERENCE
    results = grade(source + LIAR.format(verb=verb, value=value), limits=limits, sections=SECTIONS[verb])
    if verb == "on_join":  # forward is right, as its gradients tell
        assert lost(results) == ["6.1", "6.2"]
    elif verb not in ("on_mode", "on_forget"):
        assert lost(results)


# -- faults of the grader's --------------------------------------------------------------------

FAULTS = {
    "a row of the rubric": """
from autograder.rubric import oracle
def broken(*args): raise ZeroDivisionError("ours")
oracle.loss = broken
""",
    "the nursery": """
from autograder import nursery
def start(self, plan): raise nursery.NurseryError("ours")
nursery.Nursery.start = start
""",
    "the nursery, from the start": "grade.open_starter = lambda method: 1 / 0",
    "intake": "grade.intake.stage = lambda *args: 1 / 0",
    "the disk": """
import tempfile
def full(*args, **named): raise OSError(28, "No space left on device")
tempfile.mkdtemp = full
""",
    "the rubric": """
import sys
sys.modules["autograder.rubric.oracle"] = None
""",
    "pytest": """
from autograder import plugin
plugin.pytest.main = lambda *args: plugin.pytest.ExitCode.INTERNAL_ERROR
""",
    "an exception that cannot be shown": """
class Bad(Exception):
    def __str__(self): raise ValueError
def broken(*args): raise Bad
grade.intake.stage = broken
""",
}


@pytest.mark.parametrize("patch", FAULTS.values(), ids=FAULTS)
def test_grader_fault(grade: Grade, patch: str) -> None:
    """A failure of the grader's own is in a complete record, named as such, without a word of blame."""
    results = grade(REFERENCE, patch=patch, faulty=True)
    assert "autograder itself failed" in results.output
    assert "no fault of yours" in results.output
    for row in results.tests[:12]:
        if row.number in lost(results):
            assert row.extra_data["ending"] == "grader fault"
            assert "autograder itself failed" in row.output or "grader itself failed" in row.output


def test_fault_in_one_row(grade: Grade) -> None:
    """Where the grader fails at one row, the others are judged as ever."""
    results = grade(REFERENCE, patch=FAULTS["a row of the rubric"], faulty=True)
    assert lost(results) == ["5.1"]
    assert results.score == 11


# -- two ways to start a worker --------------------------------------------------------------------

BOTH = {
    "right": REFERENCE,
    "one row": with_body("loss_function", "return torch.zeros(())"),
    "dies": with_body("reparametrize", "import os; os._exit(3)"),
    "raises": "raise ValueError('x')",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", BOTH.values(), ids=BOTH)
def test_spawn(grade: Grade, source: str) -> None:
    """A worker that is started afresh leads to the same rows and words as one that was forked."""
    forked, spawned = grade(source, method="fork", seed=1), grade(source, method="spawn", seed=1)
    assert words(forked) == words(spawned)
    assert lost(forked) == lost(spawned)
    assert (forked.extra_data["method"], spawned.extra_data["method"]) == ("fork", "spawn")


@pytest.mark.parametrize(("status", "words"), [("failed", "see row T"), ("passed", "")])
def test_summary_of_training(status: str, words: str) -> None:
    """Where every row is right, and training fails all the same, the summary says so."""
    results = record()
    results.tests[-1].status = status
    text = summary(results)
    assert "Everything is right." in text
    assert words in text
    assert ("training" in text) == bool(words)
