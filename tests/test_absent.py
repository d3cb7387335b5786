"""Modules that vae.py imports, and that are not installed here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from beside import students

from autograder.absent import NEEDS
from autograder.outcome import Raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    Ask = Callable[[str], Any]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Load a vae.py and call its f, where torch's TensorBoard is not to be had."""
    monkeypatch.setitem(NEEDS, "torch.utils.tensorboard", "absent_board")
    before, finders = set(sys.modules), sys.meta_path[:]
    with students(tmp_path) as open_student:
        yield lambda source: open_student(source).dialogue.ask(
            "f(...)", "call", model=None, path=["f"], args=[], seed=None
        )
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if name.startswith("absent_") or "tensorboard" in name:
            del sys.modules[name]


RIGHT = {
    "a module": "import absent_a\ndef f(): return 1",
    "a name of it": "from absent_a import bar\ndef f(): return 1",
    "a name of its module": "from absent_a.auto import bar as b\ndef f(): return 1",
    "a module of it": "import absent_a.display as d, absent_b\ndef f(): return 1",
    "what it does meanwhile": "import absent_a as a\na.set_style('dark')(2).x[1]\ndef f(): return 1",
    "a type": "from absent_a import Float\ndef f(x: Float['n'] | None | Float = None): return 1",
    "a decorator of another function": "from absent_a import jit\n@jit\ndef g(): pass\ndef f(): return 1",
    "a class that is never made": "import absent_a\nclass A(absent_a.Module): pass\ndef f(): return 1",
    "its version": "import absent_a\nprint(f'{absent_a.__version__}')\ndef f(): return 1",
    "numbers of it": "from absent_a import pi\nx, y, z = 2 * pi, pi / 2, pi + pi\ndef f(): return 1",
    "a block with it": "import absent_a\nwith absent_a.style('dark') as s: s.go()\ndef f(): return 1",
    "a module that needs another": "import torch.utils.tensorboard\ndef f(): return 1",
    "a name of such a module": "from torch.utils.tensorboard import SummaryWriter as W\nw = W()\ndef f(): return 1",
    "such a module by name": "from torch.utils import data, tensorboard\ndef f(): return 1",
    "a loop over it": "import absent_a\nfor i in absent_a.bar(range(3)): pass\ndef f(): return 1",
    "parts of it": "import absent_a\nx, (y, z) = absent_a.bar()\ndef f(): return 1",
    "a base to ask for": (
        "import absent_a\nclass A(absent_a.M): pass\nassert issubclass(A, absent_a.M)\ndef f(): return 1"
    ),
    "both of which one needs the other": (
        "import absent_board\nfrom torch.utils.tensorboard import SummaryWriter\ndef f(): return 1"
    ),
    "try": "try:\n    import absent_a\nexcept ImportError:\n    absent_a = None\ndef f(): return int(absent_a is None)",
    "installed where it is missing": (
        "import os\ntry:\n    from absent_a import s\nexcept ImportError:\n    os.system('pip install absent-a')\n"
        "    from absent_a import s\ndef f(): return 1"
    ),
    "one of two": (
        "try:\n    import absent_a as a\nexcept ImportError:\n    import absent_b as a\na.go()\ndef f(): return 1"
    ),
    "within a block": "import warnings\nwith warnings.catch_warnings():\n    import absent_a\ndef f(): return 1",
    "on a condition": "if 1 > 0:\n    import absent_a\nelse:\n    import absent_b\ndef f(): return 1",
    "with errors suppressed": (
        "import contextlib\nx = 1\nwith contextlib.suppress(ImportError):\n    import absent_a\n    x = 2\n"
        "def f(): return x"
    ),
    "a setting": "import absent_a as a\na.c['bs'] = 3\ndel a.c['lr']\ndef f(): return 1",
    "a number made of it": "import absent_a as a\nx = [-a.x, float(a.x), int(a.x), len(a.x)]\ndef f(): return 1",
    "a test of it": "import absent_a as a\nx = 1 if a.x else 2\ny = 'k' in a.x\ndef f(): return x",
    "that it is new": "import absent_a\nassert absent_a.__version__ >= '1.4'\ndef f(): return 1",
    "in a function": (
        "import absent_b\ndef f():\n    try:\n        import absent_a\n    except ImportError:\n        return 1"
    ),
}


@pytest.mark.parametrize("source", RIGHT.values(), ids=RIGHT)
def test_unused(ask: Ask, source: str) -> None:
    """A module that is not there costs nothing where nothing of it is needed; who looks whether it is there is told."""
    assert ask(source) == 1


WRONG = {
    "a call": "from absent_a import bar\ndef f(): return bar(1)",
    "an attribute": "import absent_a\ndef f(): return absent_a.bar",
    "an element": "from absent_a import bar\ndef f(): return bar[0]",
    "what was made of it": "import absent_a\nx = absent_a.bar()\ndef f(): return x.mean()",
    "an object of a class": "import absent_a\nclass A(absent_a.Module): pass\ndef f(): return A()",
    "a number": "from absent_a import pi\nx = 2 * pi\ndef f(): return float(x.real)",
    "a comparison": "import absent_a\nif absent_a.version.VERSION > 'a': pass\ndef f(): return 1",
    "all of it": "import absent_a\nx = list(absent_a.bar)\ndef f(): return 1",
    "its names": "from absent_a import *\ndef f(): return 1",
    "imported in a function": "def f():\n    import absent_a",
}


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_used(ask: Ask, source: str) -> None:
    """Where something of it is needed, its absence is the error."""
    with pytest.raises(Raised, match="ModuleNotFoundError: No module named 'absent_a'"):
        ask(source)


def test_other_errors(ask: Ask) -> None:
    """A name that an installed module does not have is an error as ever."""
    with pytest.raises(Raised, match="ImportError: cannot import name 'absent'"):
        ask("from torch import absent\ndef f(): return 1")
    with pytest.raises(Raised, match=r"ModuleNotFoundError: No module named 'torch\.absent'"):
        ask("import torch.absent\ndef f(): return 1")


def test_used_by_an_installed_module(ask: Ask) -> None:
    """Where something of a module is needed that cannot be imported for want of another, the other's absence is it."""
    source = "from torch.utils.tensorboard import SummaryWriter\ndef f(): return SummaryWriter()"
    with pytest.raises(Raised, match="ModuleNotFoundError: No module named 'absent_board'"):
        ask(source)
