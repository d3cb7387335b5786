"""The template that students start from: made from the reference, current, and usable part by part."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import nbformat
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from autograder import digits, execution, handin
from autograder.__main__ import main
from autograder.release import release
from autograder.template import stale, student_notebook, student_version, write_template

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
REFERENCE, TEMPLATE = ROOT / "reference", ROOT / "student_template"
SOURCE = (REFERENCE / "vae.py").read_text("utf-8")
BLOCK = re.compile(r" *# solution begins.*\n((?:.*\n)*?) *# solution ends\n")  # a solution and its marks

# In the order of the file.
PARTS = (
    "VAE.encoder",
    "VAE.decoder",
    "VAE.forward",
    "CVAE.encoder",
    "CVAE.decoder",
    "CVAE.forward",
    "reparametrize",
    "loss_function",
)
SECTIONS = {
    "encoder": ("VAE.encoder",),
    "decoder": ("VAE.decoder",),
    "reparametrize": ("reparametrize",),
    "forward": ("VAE.forward",),
    "loss": ("loss_function",),
    "cvae": ("CVAE.encoder", "CVAE.decoder", "CVAE.forward"),
}


def template(*finished: str) -> ModuleType:
    """Import the student's vae.py in which these parts are written as in the reference."""
    parts = iter(PARTS)
    source = BLOCK.sub(lambda block: block[1] if next(parts) in finished else block[0], SOURCE)
    assert next(parts, None) is None, "the reference has lost a part"
    return load(student_version(source))


def load(source: str) -> ModuleType:
    """Import a vae.py that is no file."""
    module = ModuleType("vae")
    run(source, vars(module))
    return module


def run(source: str, names: dict[str, Any]) -> None:
    """Run code in the namespace names."""
    exec(compile(source, "<test>", "exec"), names)  # noqa: S102  (the reference's own code, changed by a test)


# the marks -----------------------------------------------------------------------------------------------


def test_solution_becomes_a_todo() -> None:
    """A solution gives way to a TODO, and to the line after the colon, with the indentation kept."""
    source = """
class A:
    # solution begins
    x = 1
    # solution ends
    def f(self):
        # solution begins: raise NotImplementedError('A: f')
        if self.x:
            return 2
        # solution ends
y = 3
"""
    assert (
        student_version(source)
        == """
class A:
    # TODO: write this part here
    def f(self):
        # TODO: write this part, in place of the next line
        raise NotImplementedError('A: f')
y = 3
"""
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "x\n# solution begins\ny", "line 2: the solution that begins here does not end", id="no end"
        ),
        pytest.param("x\n# solution ends\n", "line 2: a solution ends that has not begun", id="no begin"),
        pytest.param(
            "# solution begins\nx\n# solution begins\n# solution ends\n# solution ends\n",
            "line 3: the solution begun on line 1 has not ended",
            id="one in another",
        ),
        pytest.param(
            "# solution begin\nx\n", "line 1: not quite a solution mark: # solution begin", id="typo"
        ),
        pytest.param(
            "#solution begins\n", "line 1: not quite a solution mark: #solution begins", id="no space"
        ),
        pytest.param(
            "# Solution begins\n", "line 1: not quite a solution mark: # Solution begins", id="capital"
        ),
        pytest.param(
            "# solution begins: \n", "line 1: not quite a solution mark", id="no line after the colon"
        ),
        pytest.param(
            "# solution begins\n# solution end\n", "line 2: not quite a solution mark", id="no end, typo"
        ),
        pytest.param("\t# solution begins\n", "line 1: not quite a solution mark", id="indented by a tab"),
    ],
)
def test_unbalanced_marks(source: str, message: str) -> None:
    """A mark without its partner, or almost a mark, is named with file and line."""
    with pytest.raises(ValueError, match=re.escape(f"here.py, {message}")):
        student_version(source, "here.py")


# the student's vae.py ------------------------------------------------------------------------------------


def test_template_is_current() -> None:
    """What is committed is, byte for byte, what the reference gives (else: python -m autograder template)."""
    assert stale(REFERENCE, TEMPLATE) == []


def test_stale_files_are_named_and_written(tmp_path: Path) -> None:
    """A missing and a changed file are named, writing mends just these, and then nothing is left to do."""
    out = tmp_path / "new" / "folder"
    both = [out / "vae.py", out / "vae.ipynb"]
    assert stale(REFERENCE, out) == both
    assert write_template(REFERENCE, out) == both
    assert stale(REFERENCE, out) == []
    both[0].write_bytes(both[0].read_bytes().replace(b"\n", b"\r\n"))
    assert stale(REFERENCE, out) == both[:1]
    assert write_template(REFERENCE, out) == both[:1]
    assert write_template(REFERENCE, out) == []
    assert sorted(path.name for path in out.iterdir()) == ["vae.ipynb", "vae.py"]


def test_no_solution_in_the_template() -> None:
    """No line of a solution stands in what students get."""
    code = [line.partition("  #")[0].strip() for block in BLOCK.findall(SOURCE) for line in block.split("\n")]
    solution = set(code) - {"", ")"}
    assert len(solution) > 20
    notebook = json.loads((TEMPLATE / "vae.ipynb").read_text("utf-8"))
    given = ["".join(cell["source"]) for cell in notebook["cells"]]
    given.append((TEMPLATE / "vae.py").read_text("utf-8"))
    assert [line for line in solution if any(line in text for text in given)] == []


def test_unfinished_template() -> None:
    """Untouched, the template imports, has its attributes as None, and each part names its section."""
    vae = template()
    assert vars(vae).keys() >= {"VAE", "CVAE", "hello_vae", "loss_function", "reparametrize"}
    for model in (vae.VAE(784), vae.CVAE(784)):
        assert [model.encoder, model.mu_layer, model.logvar_layer, model.decoder] == [None] * 4
        assert (model.input_size, model.latent_size, model.hidden_dim) == (784, 15, 400)
    x = torch.rand(2, 1, 28, 28)
    unwritten: dict[str, Callable[[], object]] = {
        "Section 3: reparametrize": lambda: vae.reparametrize(torch.zeros(2, 3), torch.zeros(2, 3)),
        "Section 4: VAE.forward": lambda: vae.VAE(784)(x),
        "Section 5: loss_function": lambda: vae.loss_function(x, x, torch.zeros(2, 3), torch.zeros(2, 3)),
        "Section 6: CVAE.forward": lambda: vae.CVAE(784)(x, torch.eye(10)[:2]),
    }
    for name, call in unwritten.items():
        with pytest.raises(NotImplementedError, match=f"^{name} is still to be written$"):
            call()


def encoder_works(vae: ModuleType) -> None:
    """Section 1, alone."""
    model = vae.VAE(784, 7)
    features = model.encoder(torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 400)
    assert model.mu_layer(features).shape == model.logvar_layer(features).shape == (2, 7)


def decoder_works(vae: ModuleType) -> None:
    """Section 2, alone."""
    assert vae.VAE(784, 7).decoder(torch.randn(2, 7)).shape == (2, 1, 28, 28)


def reparametrize_works(vae: ModuleType) -> None:
    """Section 3, alone."""
    mu = torch.randn(2, 7)
    assert torch.allclose(vae.reparametrize(mu, torch.full((2, 7), -100.0)), mu)


def forward_works(vae: ModuleType) -> None:
    """Section 4, with other people's parts."""
    model = vae.VAE(784, 7)
    model.encoder, model.mu_layer, model.logvar_layer = nn.Flatten(), nn.Linear(784, 7), nn.Linear(784, 7)
    model.decoder = nn.Sequential(nn.Linear(7, 784), nn.Unflatten(1, (1, 28, 28)))
    vars(vae)["reparametrize"] = lambda mu, logvar: mu + logvar
    x = torch.rand(2, 1, 28, 28)
    x_hat, mu, logvar = model(x)
    assert torch.equal(mu, model.mu_layer(x.flatten(1)))
    assert torch.equal(x_hat, model.decoder(mu + logvar))


def loss_works(vae: ModuleType) -> None:
    """Section 5, alone."""
    half, zeros = torch.full((2, 1, 28, 28), 0.5), torch.zeros(2, 7)
    assert vae.loss_function(half, half, zeros, zeros).item() == pytest.approx(784 * 0.693147)


def cvae_works(vae: ModuleType) -> None:
    """Section 6, with another person's reparametrize."""
    vars(vae)["reparametrize"] = lambda mu, _logvar: mu
    x_hat, mu, logvar = vae.CVAE(784, 10, 7)(torch.rand(2, 1, 28, 28), torch.eye(10)[:2])
    assert (x_hat.shape, mu.shape, logvar.shape) == ((2, 1, 28, 28), (2, 7), (2, 7))


@pytest.mark.parametrize(
    ("section", "works"),
    {
        "encoder": encoder_works,
        "decoder": decoder_works,
        "reparametrize": reparametrize_works,
        "forward": forward_works,
        "loss": loss_works,
        "cvae": cvae_works,
    }.items(),
)
def test_finished_section_works_alone(section: str, works: Callable[[ModuleType], None]) -> None:
    """Each section works where nothing else is written, and does not where all the others are."""
    works(template(*SECTIONS[section]))
    others = {part for name, parts in SECTIONS.items() if name != section for part in parts}
    with pytest.raises((NotImplementedError, TypeError)):  # TypeError: a layer that is None is called
        works(template(*others))


# the notebook --------------------------------------------------------------------------------------------

NOTEBOOK = nbformat.reads((TEMPLATE / "vae.ipynb").read_text("utf-8"), as_version=4)


def cell_before(section: str) -> str:
    """Return the code of the cell that looks at a section's work, just above its check."""
    code = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    return str(code[code.index(f'check("{section}")') - 1])


def test_notebook_is_valid() -> None:
    """The notebook follows its format's schema, with an id of its own for each cell, and holds no outputs."""
    nbformat.validate(NOTEBOOK)
    ids = [cell.id for cell in NOTEBOOK.cells]
    assert len(set(ids)) == len(ids)
    assert all(not cell.outputs for cell in NOTEBOOK.cells if cell.cell_type == "code")


def test_same_script_same_notebook() -> None:
    """Cell ids and metadata are not drawn at random."""
    script = "# %% [markdown]\n# # Title\n\n# %%\n# %autoreload 2\nx = 1\n"
    first = student_notebook(script)
    assert first == student_notebook(script)
    assert [cell["source"] for cell in json.loads(first)["cells"]] == [
        ["# Title"],
        ["%autoreload 2\n", "x = 1"],
    ]


def test_jupytext_is_not_needed_for_grading() -> None:
    """Importing the module leaves jupytext alone: only those who make the template have it."""
    code = "import sys, autograder.template; print('jupytext' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_jupytext_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where jupytext is missing, one sentence says so, and what installs it."""
    monkeypatch.setitem(sys.modules, "jupytext", None)
    done = CliRunner().invoke(main, ["template", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert done.output == "Error: to make the notebook takes jupytext, which ./setup.sh --dev installs\n"


def test_sections_and_points() -> None:
    """The sections come in the rubric's order, with its points, and each ends with its check."""
    text = "\n".join(cell.source for cell in NOTEBOOK.cells)
    found = re.findall(r"^## \d\. .* \((\d) points?\)$|^check\(\"(\w+)\"\)$", text, re.MULTILINE)
    assert [points or section for points, section in found] == [
        *("4", "encoder", "1", "decoder", "2", "reparametrize"),
        *("1", "forward", "1", "loss", "3", "cvae"),
    ]
    assert re.findall(r"^\| \d\. .* \| (\d) \|$", text, re.MULTILINE) == ["4", "1", "2", "1", "1", "3"]


def look(section: str, right: str = "", wrong: str = "") -> list[str]:
    """Run the cell that looks at a section's work, on the reference with one text replaced."""
    assert right in SOURCE
    torch.manual_seed(0)
    lines: list[str] = []
    names: dict[str, Any] = {
        **vars(load(SOURCE.replace(right, wrong))),
        "images": torch.rand(128, 1, 28, 28),
        "labels": torch.arange(128) % 10,
        "print": lambda *words: lines.append(" ".join(words)),
    }
    for module, name in (("grad", "rel_error"), ("helper", "one_hot"), ("utils", "reset_seed")):
        names[name] = getattr(importlib.import_module(f"nndl2.{module}"), name)
    run(next(cell.source for cell in NOTEBOOK.cells if cell.source.startswith("def report(")), names)
    run(cell_before(section), names)
    return lines


@pytest.fixture
def nndl2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make nndl2 importable."""
    monkeypatch.syspath_prepend(TEMPLATE)


@pytest.mark.parametrize("section", SECTIONS)
def test_look_at_right_work(nndl2: None, section: str) -> None:
    """The notebook's own look at each section finds nothing wrong with the reference."""
    lines = look(section)
    assert lines
    assert [line for line in lines if not line.startswith("ok ")] == []


@pytest.mark.parametrize(
    ("section", "right", "wrong", "words"),
    [
        pytest.param(
            "encoder", "self.hidden_dim = 400", "self.hidden_dim = 500", "encoder's parameters", id="hidden"
        ),
        pytest.param(
            "encoder", "nn.Linear(input_size, self", "nn.Linear(784, self", "parameters: 634800", id="784"
        ),
        pytest.param("decoder", "nn.Unflatten(1, (1, 28, 28))", "nn.Identity()", "(64, 784); it", id="flat"),
        pytest.param("decoder", "nn.Sigmoid()", "nn.Identity()", "each pixel is a prob", id="no sigmoid"),
        pytest.param("reparametrize", "exp(logvar / 2)", "exp(logvar)", "standard deviation", id="variance"),
        pytest.param(
            "reparametrize", "randn_like(sigma)", "ones_like(sigma)", "two draws differ", id="no noise"
        ),
        pytest.param(
            "reparametrize", "return mu +", "return mu.detach() +", "the gradient for mu", id="mu detached"
        ),
        pytest.param(
            "forward", "z = reparametrize(mu, logvar)", "z = mu", "x_hat is not", id="no noise in forward"
        ),
        pytest.param("loss", ") / x.shape[0]", ")", "three images", id="summed over the batch"),
        pytest.param("loss", "- logvar.exp()", "- 1", "three images", id="KL right at logvar = 0 alone"),
        pytest.param("loss", "-0.5 *", "0.5 *", "one image", id="sign of the KL"),
        pytest.param("cvae", "x.flatten(1), c]", "x.flatten(1), 0 * c]", "another class", id="class unused"),
        pytest.param(
            "cvae", "num_classes, self.hidden_dim)", "num_classes, 400, bias=False)", "encoder's", id="bias"
        ),
    ],
)
def test_look_at_wrong_work(nndl2: None, section: str, right: str, wrong: str, words: str) -> None:
    """The notebook's own look at each section sees the mistakes that are met most often."""
    wrongs = [line for line in look(section, right, wrong) if line.startswith("WRONG ")]
    assert words in "\n".join(wrongs)
    assert wrongs


def test_numbers_of_the_loss() -> None:
    """The two losses that the notebook asks for are those of torch's own distributions."""
    x_hat = torch.sigmoid(torch.tensor([[2.0, 5.0], [6.0, 7.0]])).view(1, 1, 2, 2)
    x = torch.sigmoid(torch.tensor([[1.0, 10.0], [9.0, 3.0]])).view(1, 1, 2, 2)
    assert f"{bound(x_hat, x, torch.ones(1, 15), torch.zeros(1, 15)):.4f}" == "8.5079"
    x_hat = torch.linspace(0.1, 0.9, 12).view(3, 1, 2, 2)
    mu, logvar = torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(-2, 1, 12).view(3, 4)
    assert f"{bound(x_hat, torch.linspace(1, 0, 12).view(3, 1, 2, 2), mu, logvar):.5f}" == "6.63685"
    assert re.findall(r"rel_error\(loss, (.*)\)", cell_before("loss")) == ["8.5079", "6.63685"]


def bound(x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> float:
    """Compute the loss in another way."""
    posterior, prior = torch.distributions.Normal(mu, (logvar / 2).exp()), torch.distributions.Normal(0, 1)
    divergence = torch.distributions.kl_divergence(posterior, prior).sum(1)
    reconstruction = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).flatten(1).sum(1)
    return float((reconstruction + divergence).mean())


@pytest.mark.parametrize(
    ("variable", "there", "roots"),
    [
        pytest.param(None, ["./nndl2"], ["./nndl2"], id="downloaded before"),
        pytest.param(None, [], ["./nndl2", "./nndl2 download"], id="first time"),
        pytest.param("/data", ["/data"], ["/data"], id="the variable names it"),
        pytest.param("/data", [], ["/data", "./nndl2 download"], id="the variable names an empty folder"),
        pytest.param("", ["./nndl2"], ["./nndl2"], id="the variable is empty"),
    ],
)
def test_where_the_data_is_sought(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, there: list[str], roots: list[str]
) -> None:
    """MNIST is read where VAE_AUTOGRADER_DATA says or from ./nndl2, and is downloaded there if missing."""
    tried: list[str] = []

    def mnist(
        root: str, *, train: bool, transform: object, download: bool = False
    ) -> list[tuple[Tensor, int]]:
        tried.append(f"{root} download" if download else root)
        if root not in there and not download:
            raise RuntimeError("Dataset not found")
        return [(torch.rand(1, 28, 28), 0)] * 128

    monkeypatch.delenv("VAE_AUTOGRADER_DATA", raising=False)
    if variable is not None:
        monkeypatch.setenv("VAE_AUTOGRADER_DATA", variable)
    names = {"MNIST": mnist, "ToTensor": Mock(), "DataLoader": DataLoader, "os": os, "show_images": Mock()}
    run(
        next(cell.source for cell in NOTEBOOK.cells if "data = MNIST(" in cell.source),
        {**names, "print": Mock()},
    )
    assert tried == roots


@pytest.mark.slow
def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the unpacked student.zip all cells run with the reference's vae.py, and show points, losses and pictures."""
    from nbconvert.preprocessors import ExecutePreprocessor

    data, folder = tmp_path / "data", tmp_path / "work"
    some = digits.load(download=False)  # MNIST where it is at hand, else drawn digits
    some = replace(some, train_images=some.train_images[:5000], train_labels=some.train_labels[:5000])
    execution.write_mnist(some, data / "MNIST" / "raw")
    with zipfile.ZipFile(release(ROOT, tmp_path / "release")[1]) as archive:
        archive.extractall(folder)
    shutil.copy(REFERENCE / "vae.py", folder)
    monkeypatch.setenv("VAE_EPOCHS", "1")
    monkeypatch.setenv("VAE_AUTOGRADER_DATA", str(data))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))  # this Python's kernel, not the user's
    notebook = nbformat.read(folder / "vae.ipynb", as_version=4)
    ExecutePreprocessor(timeout=120).preprocess(notebook, {"metadata": {"path": str(folder)}})

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    shown = [output.data for output in outputs if output.output_type == "display_data"]
    assert "WRONG" not in printed
    assert printed.startswith("The models will be trained on: ")
    assert len(re.findall(r"^Train Epoch: 1 Loss: \d+\.\d{6}$", printed, re.MULTILINE)) == 2
    assert sum("image/png" in kinds for kinds in shown) == 6
    checks = [kinds["text/html"] for kinds in shown if "for vae.py" in kinds.get("text/html", "")]
    points = [re.findall(r"(\d+) of (\d+) points", html)[0] for html in checks]
    assert points == [(most, most) for most in ("4", "1", "2", "1", "1", "3", "12")]
    assert not (folder / "nndl2" / "MNIST").exists()  # nothing was downloaded

    nbformat.write(notebook, folder / "vae.ipynb")
    assert handin.warnings_of(folder) == []  # as a student should hand it in
    with (folder / "vae.py").open("a") as file:
        file.write("# changed\n")
    assert "made with another vae.py" in handin.warnings_of(folder)[0]
