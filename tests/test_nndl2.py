"""The helper package that students get beside their vae.py."""

from __future__ import annotations

import importlib
import io
import math
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
OURS = re.compile(r"vae|nndl2(\..*)?")


@pytest.fixture(autouse=True)
def beside_reference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make nndl2 and the reference's vae importable, and forget them afterwards."""
    monkeypatch.syspath_prepend(ROOT / "student_template")
    monkeypatch.syspath_prepend(ROOT / "reference")  # in front, because the template has a vae.py too
    outside = {name: sys.modules.pop(name) for name in list(sys.modules) if OURS.fullmatch(name)}
    yield
    for name in filter(OURS.fullmatch, list(sys.modules)):
        del sys.modules[name]
    sys.modules.update(outside)


@pytest.fixture
def helper() -> ModuleType:
    """nndl2.helper."""
    return importlib.import_module("nndl2.helper")


@pytest.fixture
def vae() -> ModuleType:
    """The reference's vae.py."""
    return importlib.import_module("vae")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arrays that matplotlib was asked to draw; no window opens."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    arrays: list[Any] = []

    def show() -> None:
        arrays.append(plt.gca().images[0].get_array())
        plt.close()

    monkeypatch.setattr(plt, "show", show)
    return arrays


def digits(number: int) -> tuple[Tensor, Tensor]:
    """Ten random patterns, one for each class, with some noise: images (number, 1, 28, 28) and labels."""
    generator = torch.Generator().manual_seed(0)
    patterns = (torch.rand(10, 1, 28, 28, generator=generator) > 0.8).float()
    labels = torch.randint(10, (number,), generator=generator)
    noise = torch.rand(number, 1, 28, 28, generator=generator)
    return (0.9 * patterns[labels] + 0.1 * noise), labels


# importing -----------------------------------------------------------------------------------------------


def test_helper_needs_no_finished_vae(tmp_path: Path) -> None:
    """Importing nndl2.helper works beside a broken vae.py and loads nothing slow."""
    shutil.copytree(ROOT / "student_template" / "nndl2", tmp_path / "nndl2")
    (tmp_path / "vae.py").write_text("def half_a_line(")
    slow = ["IPython", "matplotlib", "torch._dynamo", "torchvision", "vae"]
    code = f"import sys, nndl2.helper; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_hello(helper: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The greeting is the one that the notebook shows."""
    helper.hello_helper()
    assert capsys.readouterr().out == "Hello from helper.py!\n"


# grad, utils ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "error"),
    [
        pytest.param(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), 0, id="equal"),
        pytest.param(torch.zeros(3), torch.zeros(3), 0, id="both zero"),
        pytest.param(torch.tensor([1.0]), torch.tensor([-1.0]), 1, id="opposite signs"),
        pytest.param(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.5]), 0.25, id="largest over largest"),
        pytest.param(torch.tensor([[3]]), torch.tensor([[1]]), 0.5, id="whole numbers"),
        pytest.param(torch.tensor(3.0), 1.0, 0.5, id="tensor and number"),
        pytest.param(torch.tensor([1e-11]), torch.tensor([0.0]), 0.1, id="eps in the denominator"),
        pytest.param(torch.tensor([math.nan]), torch.tensor([1.0]), math.nan, id="NaN"),
    ],
)
def test_rel_error(x: Tensor, y: Tensor | float, error: float) -> None:
    """The relative error is max|x - y| / max(eps, max(|x| + |y|)), a plain float."""
    result = importlib.import_module("nndl2.grad").rel_error(x, y)
    assert type(result) is float
    assert result == pytest.approx(error, nan_ok=True)


def test_reset_seed() -> None:
    """The same seed gives the same numbers from Python, NumPy and torch, another one others."""

    def draw(seed: int) -> tuple[float, float, float]:
        importlib.import_module("nndl2.utils").reset_seed(seed)
        return random.random(), float(np.random.rand()), torch.rand(()).item()  # noqa: NPY002  (what it seeds)

    first, again, other = draw(5), draw(5), draw(6)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


# show_images ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "rows", "columns"), [(2, 1, 2), (4, 2, 2), (10, 3, 4), (144, 12, 12)])
def test_grid(helper: ModuleType, drawn: list[Any], number: int, rows: int, columns: int) -> None:
    """Both shapes draw the same grid, as square as it gets, with the images in it row by row."""
    images = torch.rand(number, 784, requires_grad=True)
    helper.show_images(images)
    helper.show_images(images.view(number, 1, 28, 28))
    flat, square = drawn
    assert flat.shape == (29 * rows + 1, 29 * columns + 1)  # a line of one pixel around each image
    assert (flat == square).all()
    for i, image in enumerate(images.detach().view(number, 28, 28)):
        top, left = 1 + 29 * (i // columns), 1 + 29 * (i % columns)
        assert (flat[top : top + 28, left : left + 28] == image.numpy()).all()


def test_single_image(helper: ModuleType, drawn: list[Any]) -> None:
    """One image is drawn as it is."""
    image = torch.rand(1, 784)
    helper.show_images(image)
    assert (drawn[0] == image.view(28, 28).numpy()).all()


@pytest.mark.parametrize(
    "shape", [(784,), (28, 28), (4, 28, 28), (4, 785), (4, 3, 28, 28), (4, 1, 14, 56), (0, 784), ()]
)
def test_not_images(helper: ModuleType, shape: tuple[int, ...]) -> None:
    """Any other shape is refused by a message that names it."""
    with pytest.raises(ValueError, match=r"takes images \(N, 784\) or \(N, 1, 28, 28\), not") as refusal:
        helper.show_images(torch.zeros(shape))
    assert str(refusal.value).endswith(str(shape))


# one_hot, train_vae --------------------------------------------------------------------------------------


class Scale(nn.Module):
    """A stand-in for a VAE: one parameter, no noise; it notes what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))
        self.calls: list[tuple[Tensor, ...]] = []

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the same grey for each pixel, and a posterior that is N(0, 1)."""
        self.calls.append(inputs)
        zeros = torch.zeros(len(inputs[0]), 2)
        return torch.sigmoid(self.logit).expand_as(inputs[0]), zeros, zeros


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_one_hot(helper: ModuleType, dtype: torch.dtype) -> None:
    """Each label becomes a row of floats with a one in its place."""
    rows = helper.one_hot(torch.tensor([2, 0], dtype=dtype), 3)
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert helper.one_hot(torch.tensor([9], dtype=dtype)).shape == (1, 10)


@pytest.mark.parametrize("cond", [False, True], ids=["VAE", "CVAE"])
def test_training_lowers_the_loss(
    helper: ModuleType, vae: ModuleType, capsys: pytest.CaptureFixture[str], *, cond: bool
) -> None:
    """One epoch on 1280 images brings the loss of the reference's models down by a fifth."""
    torch.manual_seed(0)
    images, labels = digits(1280)
    inputs = (images, helper.one_hot(labels)) if cond else (images,)
    model = vae.CVAE(784, 10, 5) if cond else vae.VAE(784, 5)

    def loss() -> float:
        with torch.no_grad():
            x_hat, mu, logvar = model(*inputs)
            return float(vae.loss_function(x_hat, images, mu, logvar))

    before = loss()
    helper.train_vae(1, model, DataLoader(TensorDataset(images, labels), batch_size=64), cond=cond)
    assert loss() < before * 0.8
    assert float(capsys.readouterr().out.removeprefix("Train Epoch: 1 Loss: ")) == pytest.approx(
        loss(), rel=0.1
    )


class Digits(Dataset[tuple[torch.Tensor, int]]):
    """What fast_loader needs of torchvision's MNIST, and what a DataLoader does."""

    def __init__(self) -> None:
        self.data, self.targets = torch.randint(256, (300, 28, 28), dtype=torch.uint8), torch.arange(300)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.data[i].unsqueeze(0) / 255, int(self.targets[i])


def test_fast_loader(helper: ModuleType) -> None:
    """The fast loader gives the images and labels that a DataLoader gives, each once, and none of a last half batch."""
    torch.manual_seed(0)
    fast = helper.fast_loader(data := Digits(), 128)
    images, labels = (torch.cat(column) for column in zip(*fast, strict=True))
    usual = {
        int(label): image for batch in DataLoader(data, 100) for image, label in zip(*batch, strict=True)
    }
    assert len(fast) == len([*fast]) == 2
    assert images.shape == (256, 1, 28, 28)
    assert len({*labels.tolist()}) == 256
    assert labels.tolist() != sorted(labels.tolist())
    for image, label in zip(images, labels.tolist(), strict=True):
        assert torch.equal(image, usual[label])
    assert next(iter(fast))[1].tolist() != labels[:128].tolist()  # another order in another epoch


def test_training_with_the_fast_loader(helper: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """train_vae takes it like any other."""
    helper.train_vae(3, Scale(), helper.fast_loader(Digits(), 64))
    assert capsys.readouterr().out.startswith("Train Epoch: 3 Loss: ")


def test_closing_line(
    helper: ModuleType, vae: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away from a terminal and a notebook an epoch prints one line: its number and the last batch's loss."""
    losses = iter([3.0, 2.0, 1.23456789])
    monkeypatch.setattr(vae, "loss_function", lambda x_hat, *_: 0 * x_hat.sum() + next(losses))
    helper.train_vae(12, Scale(), DataLoader(TensorDataset(*digits(12)), batch_size=4))
    assert tuple(capsys.readouterr()) == ("Train Epoch: 12 Loss: 1.234568\n", "")


def test_bar_on_a_terminal(
    helper: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a bar grows with the batches and is wiped out before the closing line is printed."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    helper.train_vae(1, Scale(), DataLoader(TensorDataset(*digits(16)), batch_size=4))
    *bars, wiped, rest = terminal.getvalue().split("\r")
    assert bars == [f"[{'#' * done:.<40}] {done * 5 // 2:3d} %" for done in (10, 20, 30)]
    assert (wiped, rest) == (" " * len(bars[0]), "")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_the_model_is_given(helper: ModuleType) -> None:
    """The model is in training mode and gets the images and, for cond, the one-hot classes, by position."""
    images, labels = digits(8)
    model, conditional = Scale().eval(), Scale().eval()
    helper.train_vae(1, model, [(images, labels)])
    helper.train_vae(1, conditional, [(images, labels)], cond=True)
    assert [len(call) for call in model.calls + conditional.calls] == [1, 2]
    (x,), (x_too, c) = *model.calls, *conditional.calls
    assert torch.equal(x, images)
    assert torch.equal(x_too, images)
    assert torch.equal(c, torch.eye(10)[labels])
    assert model.training


@pytest.mark.parametrize("cond", [False, True], ids=["VAE", "CVAE"])
def test_device(helper: ModuleType, *, cond: bool) -> None:
    """Images and classes come to the model on its own device."""
    model = Scale().to("meta")  # a device that every computer has, though it computes nothing
    with pytest.raises(RuntimeError, match="meta"):  # there is no loss to be printed
        helper.train_vae(1, model, [digits(4)], cond=cond)
    assert [tensor.device.type for tensor in model.calls[0]] == ["meta"] * (1 + cond)


def test_adam(helper: ModuleType) -> None:
    """Each epoch starts with a new Adam: its first step is as long as the learning rate, 1e-3."""
    model = Scale()
    way = []
    for epoch in (1, 2):
        before = model.logit.item()
        helper.train_vae(epoch, model, [digits(4 * epoch)])  # other images, so other gradients
        way.append(abs(model.logit.item() - before))
    assert way == pytest.approx([1e-3, 1e-3], rel=1e-3)


def test_latest_loss_function(helper: ModuleType, vae: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is vae.py's at the time of the call, so that an edited and reloaded one counts."""

    def edited(*_: Tensor) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(vae, "loss_function", edited)
    with pytest.raises(ZeroDivisionError):
        helper.train_vae(1, Scale(), [digits(4)])


@pytest.mark.parametrize(
    ("model", "batches", "message"),
    [
        pytest.param(nn.Flatten(), [digits(4)], "the model has no parameters", id="an unfinished model"),
        pytest.param(Scale(), [], "the loader has no batches", id="fewer images than a batch"),
    ],
)
def test_nothing_to_train(helper: ModuleType, model: nn.Module, batches: list[Any], message: str) -> None:
    """A model without parameters and a loader without batches are named."""
    with pytest.raises(ValueError, match=message):
        helper.train_vae(1, model, batches)


def test_nothing_global_changes(helper: ModuleType, drawn: list[Any]) -> None:
    """Training and drawing leave torch's and matplotlib's settings, and the random numbers, as they were."""
    import matplotlib as mpl

    def settings() -> list[Any]:
        numbers = [torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())]  # noqa: NPY002
        modes = [torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()]
        return [*numbers, *modes, dict(mpl.rcParams), list(sys.path)]

    before = settings()
    helper.train_vae(1, Scale(), [digits(4)])
    helper.show_images(torch.zeros(4, 784))
    assert settings() == before
