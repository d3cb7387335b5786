"""A notebook that defines the models becomes a vae.py; a hostile one costs little and runs nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from handed_in import MIB, VAE, below, make_folder

from autograder import notebook
from autograder.intake import Unreadable, stage
from autograder.notebook import convert, defines_a_model, to_python

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.notebook import Exporter

Cell = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore:IPython is needed")  # nbconvert says so where it is not there


def of_cells(*cells: str | Cell) -> bytes:
    """The bytes of a notebook with these cells, code where nothing else is said."""
    code: Cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    content = [code | ({"source": cell} if isinstance(cell, str) else cell) for cell in cells]
    return json.dumps({"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.fixture(params=["with IPython", "without IPython"])
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Exporter:
    """Read notebooks in this process, with IPython and without: nbconvert does not always bring it along."""
    from nbconvert import PythonExporter

    if request.param == "without IPython":
        monkeypatch.setitem(sys.modules, "IPython.core.inputtransformer2", None)
    made: Exporter = PythonExporter()
    return made


KEPT: dict[str, tuple[list[str], list[str]]] = {
    # code cells, and what vae.py then holds
    "comments and blank lines within": (
        ["# before\nclass VAE:\n    # within\n\n    x = 1  # after\n# behind"],
        ["class VAE:\n    # within\n\n    x = 1  # after"],
    ),
    "decorators": (["@a.b\n@c(\n  1\n)\nclass VAE: pass"], ["@a.b\n@c(\n  1\n)\nclass VAE: pass"]),
    "functions": (
        ["def f(): pass", "class VAE: pass", "async def g(): pass"],
        ["def f(): pass", "class VAE: pass", "async def g(): pass"],
    ),
    "both definitions of a name": (["class VAE: a", "class VAE: b"], ["class VAE: a", "class VAE: b"]),
    "the imports that are used": (
        ["import torch, sea\nfrom torch import nn as N, o\nfrom x import *\nclass VAE(N.M, torch.T): pass"],
        ["import torch", "from torch import nn as N", "from x import *", "class VAE(N.M, torch.T): pass"],
    ),
    "an import of a part": (
        ["import a.b, c.d\nclass VAE(a.b.C): pass"],
        ["import a.b", "class VAE(a.b.C): pass"],
    ),
    "the constants that are used": (
        ["W: int = 28\nD = 2 * W\nunused = 1", "a = b = [1, 2]\nclass VAE: D, b"],
        ["W: int = 28", "D = 2 * W", "a = b = [1, 2]", "class VAE: D, b"],
    ),
    "the device": (
        ["import torch\nd = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nclass VAE: d"],
        ["import torch", "d = torch.device('cuda' if torch.cuda.is_available() else 'cpu')", "class VAE: d"],
    ),
    "the future at the top": (
        ["import a", "from __future__ import annotations\nclass VAE(a.B): pass"],
        ["from __future__ import annotations", "import a", "class VAE(a.B): pass"],
    ),
    "no import of itself or of Colab": (
        ["from vae import f\nfrom google.colab import drive\nclass VAE: f, drive"],
        ["class VAE: f, drive"],
    ),
    "no other statements": (
        [
            "print(1)\nfor i in x: pass\nVAE()\nclass VAE: pass\nmodel = VAE()\nmodel.y = 1\nVAE.y",
            "assert VAE().y",
        ],
        ["class VAE: pass"],
    ),
    "two statements on a line": (
        ["import a; a.run()\nclass VAE(a.B): pass"],
        ["import a", "class VAE(a.B): pass"],
    ),
    "line magics": (
        ["%matplotlib inline\n!pip install x\nfiles = !ls\n?torch\nclass VAE: pass\n%time f()"],
        ["class VAE: pass"],
    ),
    "cell magics": (
        [
            "%%time\n%%capture\nclass VAE: pass",
            "%%writefile vae.py\nclass CVAE: pass",
            "%%bash\nclass Shell: pass",
        ],
        ["class VAE: pass", "class CVAE: pass"],
    ),
    "a file by the short name": (["%%file vae.py\nclass VAE: pass"], ["class VAE: pass"]),
    "what is imported from a file that a cell writes": (
        [
            "%%writefile parts/blocks.py\ndef block(): pass\ndef other(): pass",
            "from blocks import block, other as o\nfrom elsewhere import e\nclass VAE: block, o, e",
        ],
        [
            "def block(): pass",
            "def other(): pass",
            "o = other",
            "from elsewhere import e",
            "class VAE: block, o, e",
        ],
    ),
    "loops that make what is needed": (
        [
            "sizes = []\nfor i in range(3):\n    sizes.append(i)",
            "n = 1\nwhile n < 400:\n    n *= 2\nclass VAE: sizes, n",
        ],
        [
            "sizes = []",
            "for i in range(3):\n    sizes.append(i)",
            "n = 1",
            "while n < 400:\n    n *= 2",
            "class VAE: sizes, n",
        ],
    ),
    "models under other names": (
        ["class A: pass\nclass B: pass\nVAE, CVAE = A, B"],
        ["class A: pass", "class B: pass", ast.unparse(ast.parse("VAE, CVAE = A, B"))],
    ),
    "carriage returns": (["x\r\ny\rclass VAE:\r\n    z = 1\r\n"], ["class VAE:\n    z = 1"]),
    "a line that begins with %": (["class VAE:\n    x = (a\n% b)"], ["class VAE:\n    x = (a\n% b)"]),
    "no import for a function that grading does not call": (
        ["import sea\ndef draw(x): sea.draw(x)\nclass VAE: pass"],
        ["def draw(x): sea.draw(x)", "class VAE: pass"],
    ),
    "no library for the sake of what grading does not use": (
        [
            "import widgets as w, pl, a\nfrom b import C",
            "@w.interact(x=1)\ndef draw(x): pass\nclass Lit(pl.M): pass\ndef show(c: C): pass\nclass VAE(a.B): pass",
        ],
        ["import a", "class VAE(a.B): pass"],
    ),
    "no function that would fail when it is defined": (
        ["batches = load()\ndef train(b=batches): pass\nclass VAE: pass"],
        ["class VAE: pass"],
    ),
    "no value that only has a name of a local variable": (
        ["mu = 1\nx = [mu]\nclass VAE:\n    def f(self, x): mu = x; return mu"],
        ["class VAE:\n    def f(self, x): mu = x; return mu"],
    ),
    "imports that are tried": (
        ["try:\n    import a\nexcept ImportError:\n    !pip install a\n    import a\nclass VAE(a.B): pass"],
        ["try:\n    import a\nexcept ImportError:\n    import a", "class VAE(a.B): pass"],
    ),
    "an import that tells where it is": (
        ["try:\n    import google.colab\n    W = 1\nexcept ImportError:\n    W = 2\nclass VAE: W"],
        ["try:\n    import google.colab\n    W = 1\nexcept ImportError:\n    W = 2", "class VAE: W"],
    ),
    "the device, chosen in a block": (
        [
            "import torch as t",
            "if t.cuda.is_available():\n    d = 'cuda'\n    print(d)\nelse:\n    d = 'cpu'\nclass VAE: d",
        ],
        [
            "import torch as t",
            "if t.cuda.is_available():\n    d = 'cuda'\nelse:\n    d = 'cpu'",
            "class VAE: d",
        ],
    ),
    "a block with a context": (
        ["import torch\nwith torch.no_grad():\n    w = torch.ones(3)\nclass VAE: w"],
        ["import torch", "with torch.no_grad():\n    w = torch.ones(3)", "class VAE: w"],
    ),
    "a definition in a block": (
        ["if 1:\n    class VAE:\n        pass\n    VAE()"],
        ["if 1:\n\n    class VAE:\n        pass"],
    ),
    "a graded name for a function of another": (
        ["def f(): pass\nloss_function = f\nreparametrize = lambda m, v: m + W\nclass VAE: pass", "W = 1"],
        [
            "def f(): pass",
            "loss_function = f",
            "reparametrize = lambda m, v: m + W",
            "class VAE: pass",
            "W = 1",
        ],
    ),
    "methods that come later": (
        [
            "class VAE: pass",
            "def f(self): W",
            "W = 1\nVAE.forward = f\nVAE.a['b'] = W",
            "setattr(VAE, 'g', f)",
        ],
        [
            "class VAE: pass",
            "def f(self): W",
            "W = 1",
            "VAE.forward = f",
            "VAE.a['b'] = W",
            "setattr(VAE, 'g', f)",
        ],
    ),
    "methods that a decorator adds": (
        ["def to(c): pass\nclass VAE: pass", "W = [1]\n@to(VAE)\ndef forward(self): W"],
        ["def to(c): pass", "class VAE: pass", "W = [1]", "@to(VAE)\ndef forward(self): W"],
    ),
    "an alias of a type": (
        ["from typing import Tuple\nT = Tuple[int, ...]\nclass VAE:\n    def f() -> T: pass"],
        ["from typing import Tuple", "T = Tuple[int, ...]", "class VAE:\n    def f() -> T: pass"],
    ),
    "settings": (
        [
            "class Config: pass\nc = Config()\nc.h = 4\nd = dict(h=4)\nd['w'] = 1\nd.update(v=2)\nclass VAE: c, d"
        ],
        [
            *(
                "class Config: pass",
                "c = Config()",
                "c.h = 4",
                "d = dict(h=4)",
                "d['w'] = 1",
                "d.update(v=2)",
            ),
            "class VAE: c, d",
        ],
    ),
    "values that are computed": (
        [
            "import math, torch.nn as nn\nfrom functools import partial",
            "a = math.prod((1, 28))\nb = nn.BCELoss(reduction='sum')\nc = float('1e-10')\nc += 1",
            "def f(x): return x\nd = f(2)\ne = [f(i) for i in range(d)]\nloss_function = partial(f, 1)",
            "class VAE: a, b, c, e",
        ],
        [
            *("import math, torch.nn as nn", "from functools import partial"),
            *("a = math.prod((1, 28))", "b = nn.BCELoss(reduction='sum')", "c = float('1e-10')", "c += 1"),
            *(
                "def f(x): return x",
                "d = f(2)",
                "e = [f(i) for i in range(d)]",
                "loss_function = partial(f, 1)",
            ),
            "class VAE: a, b, c, e",
        ],
    ),
    "a future of a later cell, and within a block": (
        [
            "class VAE: pass",
            "from __future__ import annotations\nif 1:\n    from __future__ import division\n    hello_vae = 1",
        ],
        ["from __future__ import annotations", "class VAE: pass", "if 1:\n    hello_vae = 1"],
    ),
    "other letters": (["class VAE:\n    'é 漢字 🎲'"], ["class VAE:\n    'é 漢字 🎲'"]),
}


@pytest.mark.parametrize(("cells", "kept"), KEPT.values(), ids=KEPT)
def test_kept(cells: list[str], kept: list[str], exporter: Exporter) -> None:
    """Kept are the definitions at the outer level as they were written, and what they use."""
    source, notes = convert(of_cells(*cells), exporter)
    assert re.sub("# code cell .*\n", "", source) == "\n\n".join(kept) + "\n"
    assert notes == []
    ast.parse(source)


NOTED: dict[str, tuple[list[str], list[str]]] = {
    "a cell that is not Python": (["class ("], ["code cell 2 was left out: it is not Python"]),
    "a NUL": (["x = 1\0"], ["code cell 2 was left out: it is not Python"]),
    "half a character": (["x = '\ud800'"], ["code cell 2 was left out: it is not Python"]),
    "too many brackets": (["(" * 999 + ")" * 999], ["code cell 2 was left out: it is not Python"]),
    "a function that is not there": (
        ["used = f(1)"],
        ["code cell 2: used = f(1) was left out: there is no f before it"],
    ),
    "a value that comes later": (
        ["used = [w]", "w = 1"],
        ["code cell 2: used = [w] was left out: there is no w before it"],
    ),
    "a model": (
        ["used = VAE(784).to('cpu')"],
        ["code cell 2: used = VAE(784).to('cpu') was left out: grading does not call VAE"],
    ),
    "a check of a graded function": (
        ["def reparametrize(): pass\nused = reparametrize()"],
        ["code cell 2: used = reparametrize() was left out: grading does not call reparametrize"],
    ),
    "data": (
        ["from torchvision.datasets import MNIST\ndata = MNIST('.')\nused = data[0].shape"],
        [
            "code cell 2: data = MNIST('.') was left out: grading does not call MNIST",
            "code cell 2: used = data[0].shape was left out: there is no data before it",
        ],
    ),
    "a loader": (
        ["from torch.utils.data import DataLoader as D\nused = D([])"],
        ["code cell 2: used = D([]) was left out: grading does not call D"],
    ),
    "a function that loads": (
        ["import torch\ndef f(): return torch.load('x')\nclass C:\n    def __init__(self): f()\nused = C()"],
        ["code cell 2: used = C() was left out: grading does not call torch.load"],
    ),
    "training": (
        ["def train(n):\n    for i in range(n): VAE()(i).backward()\n    return n\nused = train(3)"],
        ["code cell 2: used = train(3) was left out: grading does not call .backward"],
    ),
    "a file": (
        ["with open('x') as file:\n    used = file.read()"],
        ["code cell 2: with open('x') as file: used = file.read() was left out: grading does not call open"],
    ),
    "a question": (
        ["if input():\n    used = 1"],
        ["code cell 2: if input(): used = 1 was left out: grading does not call input"],
    ),
    "a loop": (
        ["for used in x: 1"],
        ["code cell 2: for used in x: 1 was left out: there is no x before it"],
    ),
    "a loop that trains": (
        ["used = 1\nfor x in [1]:\n    used += x\n    loss.backward()"],
        [
            "code cell 2: for x in [1]: used += x loss.backward() was left out: grading does not call loss.backward"
        ],
    ),
    "a value within a block": (
        ["if 1:\n    used = input()\nelse:\n    used = 2"],
        ["code cell 2: used = input() was left out: grading does not call input"],
    ),
    "what a function needs that is not graded": (["data = f(1)\ndef train(): data"], []),
    "a value that would be huge": (["used = 9 ** 9 ** 9"], []),
    "a value that is not used": (["other = f(1)"], []),
}


@pytest.mark.parametrize(("cells", "notes"), NOTED.values(), ids=NOTED)
def test_noted(cells: list[str], notes: list[str], exporter: Exporter) -> None:
    """What the definitions need and cannot have is said, and the rest is graded."""
    source, said = convert(of_cells("class VAE: used", *cells), exporter)
    assert "class VAE: used" in source
    assert said == notes


def test_staged(tmp_path: Path) -> None:
    """A notebook is graded where there is no vae.py, and the result says so; any vae.py goes first."""
    made = of_cells("%matplotlib inline\nimport torch\nclass VAE(torch.nn.Module): pass")
    source = make_folder({"p/model.ipynb": made, "p/data.txt": b"x"}, tmp_path / "s")
    staged = stage(source, tmp_path / "1")
    assert below(tmp_path / "1") == {"vae.py", "model.ipynb", "data.txt"}
    assert "class VAE(torch.nn.Module): pass" in (tmp_path / "1/vae.py").read_text()
    assert staged.notes == ("vae.py was made from p/model.ipynb: its definitions, and what they use",)
    assert stage(source, tmp_path / "2") == staged

    stage(source / "p/model.ipynb", tmp_path / "3")
    assert (tmp_path / "3/vae.py").read_bytes() == (tmp_path / "1/vae.py").read_bytes()

    (source / "p/deeper").mkdir()
    (source / "p/deeper/vae.py").write_bytes(VAE)
    assert stage(source, tmp_path / "4").notes == ()
    assert (tmp_path / "4/vae.py").read_bytes() == VAE


def test_old_format(exporter: Exporter) -> None:
    """A notebook of format 3 keeps its cells in worksheets, and their text as input."""
    cells = [{"cell_type": "code", "input": ["class VAE:\n", "    pass"]}]
    source, _ = convert(json.dumps({"worksheets": [{"cells": cells}]}).encode(), exporter)
    assert source == "# code cell 1\nclass VAE:\n    pass\n"


def test_only_code_counts(exporter: Exporter) -> None:
    """Text cells and outputs are not code."""
    text: Cell = {"cell_type": "markdown", "source": "class VAE: pass"}
    output: Cell = {"source": "1", "outputs": [{"text": "class VAE: pass"}]}
    assert convert(of_cells(text, output), exporter) == ("", [])


NOT_TAKEN: dict[str, tuple[dict[str, bytes], str]] = {
    "two that define a model": (
        {"a.ipynb": of_cells("class VAE: pass"), "b.ipynb": of_cells("class CVAE: pass")},
        "which file counts: a.ipynb, b.ipynb",
    ),
    "a model within a function": (
        {"a.ipynb": of_cells("def f():\n    class VAE: pass")},
        "there is no vae.py, and a.ipynb does not define VAE or CVAE outside of functions",
    ),
    "a model in a cell that is no Python": (
        {"a.ipynb": of_cells("x = 1", "class VAE:\n    def f(self:\n        pass")},
        "does not define VAE or CVAE outside of functions (code cell 2 was left out: it is not Python)",
    ),
    "a model of another name": (
        {"a.ipynb": of_cells("class Vae: pass")},
        "there is no vae.py; found a.ipynb",
    ),
    "no notebook": ({"a.ipynb": b"class VAE"}, "a.ipynb cannot be read: damaged, too large, or no notebook"),
    "a list": ({"a.ipynb": b'["class VAE"]'}, "a.ipynb cannot be read"),
    "a source that is no text": (
        {"a.ipynb": of_cells("class VAE: pass", {"source": 3})},
        "a.ipynb cannot be read",
    ),
    "more than 1 MiB of code": (
        {"a.ipynb": of_cells("class VAE: pass", "#" * MIB)},
        "a.ipynb cannot be read",
    ),
    "more than 8 MiB when it is written out": (
        {
            "a.ipynb": of_cells(
                "class VAE: x\n"
                + "\n".join(f"{' ' * i}while x:" for i in range(60))
                + f"\n{' ' * 60}"
                + "x+=1;" * 40_000
            )
        },
        "a.ipynb cannot be read",
    ),
    "JSON without end": ({"a.ipynb": b'{"class VAE": ' + b"[" * MIB}, "a.ipynb cannot be read"),
    "sound, but 600 MiB in memory": (
        {"a.ipynb": of_cells("class VAE: pass")[:-1] + b', "x": [' + b"{}," * (7 * MIB) + b"0]}"},
        "a.ipynb cannot be read: damaged, too large, or no notebook",
    ),
    "more than 32 MiB": ({"a.ipynb": b"class VAE" + b" " * (33 * MIB)}, "a.ipynb has more than 32 MiB"),
}


def test_defines_a_model() -> None:
    """The definition is found wherever it stands among other mentions, near or far."""
    for before in ("VAE " * 1000, "VAE " + "x" * 1000, "x" * 150, ""):
        for behind in ("VAE", "x" * 1000 + " VAE", ""):
            assert defines_a_model(f"{before}\\nclass VAE(Module): {behind}".encode())
            assert defines_a_model(f"{before}\nclass CVAE(Module): {behind}".encode())
            assert not defines_a_model(f"{before} class Vae(Module): {behind}".encode())


@pytest.mark.parametrize(("tree", "reason"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_not_taken(tree: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    """A notebook that cannot stand for vae.py is refused with the reason."""
    with pytest.raises(Unreadable, match=re.escape(reason)):
        stage(make_folder(tree, tmp_path / "s"), tmp_path / "staged")


@pytest.mark.parametrize(
    "code",
    [
        "x = " + "-" * 100_000 + "1",
        "x = " + "(" * 100_000,
        "x = " + "f(" * 100_000,
        "x = " + "a." * 100_000 + "b",
        "x = " + "1+" * 100_000 + "1",
        "x = '" + "\\N{DIGIT ONE}" * 50_000 + "'",
        "x = (" * 100 + "\n%a" * 10_000,
        "%a\n" * 300,
        "\n".join(f"{' ' * i}if x:" for i in range(500)),
    ],
    ids=["minus", "brackets", "calls", "attributes", "sums", "names", "percent", "magics", "indents"],
)
def test_hostile_code(code: str) -> None:
    """Code that is hard to parse costs bounded time; the definitions beside it are kept, or it is refused."""
    try:
        source, _ = to_python(of_cells("class VAE: pass", code), "a.ipynb")
    except Unreadable as refused:
        assert "a.ipynb" in str(refused)  # noqa: PT017  both outcomes are right
    else:
        assert b"class VAE: pass" in source


def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither code in the notebook nor a template or module beside it is run."""
    canary = tmp_path / "canary"
    evil = f"open({str(canary)!r}, 'w').close()"
    template = "{{ cycler.__init__.__globals__.os.mkdir('" + str(canary) + "') }}"
    made = of_cells(f"%%python\n{evil}", f"!touch {canary}", f"%run {canary}", f"{evil}\nclass VAE: pass")
    planted = {f"{module}.py": evil.encode() for module in ("nbconvert", "nbformat", "json", "sitecustomize")}
    planted |= {f"{place}/index.py.j2": template.encode() for place in ("python", "base", "templates/python")}
    source = make_folder({"a.ipynb": made, "python/conf.json": b"{}"} | planted, tmp_path / "s")
    monkeypatch.chdir(source)
    staged = stage(source, tmp_path / "staged")
    assert (tmp_path / "staged/vae.py").read_text() == "# code cell 4\nclass VAE: pass\n"
    assert staged.notes[0].startswith("vae.py was made from a.ipynb")
    assert not canary.exists()


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that takes too long to read is refused."""
    monkeypatch.setattr(notebook, "CPU_SECONDS", 1)
    with pytest.raises(Unreadable, match=r"there is no vae.py, and a.ipynb takes too long to read"):
        to_python(of_cells("class VAE: pass", *SLOW), "a.ipynb")


def test_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing was computed in a long time is no fault of the student's."""
    monkeypatch.setattr(notebook, "SECONDS", 0.01)
    with pytest.raises(RuntimeError, match=r"a.ipynb could not be read: this machine was too busy"):
        to_python(of_cells("class VAE: pass"), "a.ipynb")


SLOW = ["a = [1, 2, 3]\n" * 500] * 100
LIMITED = """
import resource, sys
from autograder.notebook import to_python
resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
try:
    to_python(sys.stdin.buffer.read(), "a.ipynb")
except RuntimeError as error:
    print(error)
"""


def test_low_limit() -> None:
    """Where the account may compute for less time than a notebook is given, that is no fault of the student's."""
    content = of_cells("class VAE: pass", *SLOW)
    done = subprocess.run([sys.executable, "-c", LIMITED], input=content, stdout=subprocess.PIPE, check=True)
    assert b"what reads notebooks ended with status -" in done.stdout


def test_without_nbconvert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nbconvert is not installed is no fault of the student's."""
    (tmp_path / "nbconvert.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="nbconvert, which reads notebooks, is not installed"):
        to_python(of_cells("class VAE: pass"), "a.ipynb")
