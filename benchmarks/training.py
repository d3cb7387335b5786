"""How fast the training run trains, beside the notebook's own loop, on this machine.

In one run, alternating, on the same images, with the same number of steps and the same seeds:

    notebook, N workers   torchvision's MNIST with ToTensor, a DataLoader with N workers, nndl2.helper.train_vae's
                          step with torch.optim.Adam
    T                     the worker's loop, autograder/trainer.py

Both have one thread. For each: seconds an epoch, as the median over the rounds, and the share of the machine's peak
that the products of the layers make up (their FLOPs are counted from the layers' sizes; the peak is the fastest
product of two square matrices). Then, unless switched off, T as a whole: seconds and steps until both models,
side by side, have a verified loss below 120.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "reference"), str(HOME / "student_template")]

from autograder.sandbox import Sandbox, open_starter  # noqa: E402  # from this very folder
from autograder.watch import Limits  # noqa: E402  # from this very folder

# Before anything else is imported, as in a grading; two, to train side by side.
STARTERS = [open_starter(), open_starter()] if __name__ == "__main__" else []

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from autograder import digits, trainer, training  # noqa: E402
from autograder.results import Row  # noqa: E402
from autograder.schedule import Schedule, Settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

vae: Any = importlib.import_module("vae")
SEED = 1
ROWS = ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3")


def notebook(root: Path, steps: int, kind: str, device: str, workers: int) -> Callable[[], float]:
    """Prepare the notebook's loop; returns what runs it and tells its seconds."""
    from torchvision import datasets, transforms

    data = datasets.MNIST(root, train=True, transform=transforms.ToTensor())

    def run() -> float:
        torch.manual_seed(SEED)
        model = getattr(vae, kind)(784).to(device)
        loader = torch.utils.data.DataLoader(
            torch.utils.data.Subset(data, range(128 * steps)),
            batch_size=128,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
        )
        begin = time.perf_counter()
        adam = torch.optim.Adam(model.parameters(), lr=1e-3)
        for images, labels in loader:
            x = images.to(device)
            c = [F.one_hot(labels, 10).float().to(device)] if kind == "CVAE" else []
            x_hat, mu, logvar = model(x, *c)
            loss = vae.loss_function(x_hat, x, mu, logvar)
            adam.zero_grad()
            loss.backward()
            adam.step()
        loss.item()
        return time.perf_counter() - begin

    return run


def ours(data: digits.Digits, steps: int, kind: str, device: str) -> Callable[[], float]:
    """Prepare the worker's loop."""
    images, labels = data.train_images.to(device), data.train_labels.to(device)

    def run() -> float:
        torch.manual_seed(SEED)
        model = getattr(vae, kind)(784).to(device)
        begin = time.perf_counter()
        some = slice(128 * steps)
        classes = labels[some] if kind == "CVAE" else None
        run = trainer.Training(model, vae.loss_function, images[some], classes, SEED)
        run.go(steps, 1e9)
        return time.perf_counter() - begin

    def preferring() -> float:
        # What is set here would speed up the notebook's loop, too.
        backend: Any = torch.backends.mkldnn
        before = backend.matmul.fp32_precision if hasattr(backend, "matmul") else None
        trainer.prefer_onednn()
        try:
            return run()
        finally:
            if before is not None:
                backend.matmul.fp32_precision = before

    return preferring


def work(kind: str) -> int:
    """Count the FLOPs of one step: forward, and backward without the gradient of the images."""
    model = getattr(vae, kind)(784)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    products = [2 * 128 * layer.in_features * layer.out_features for layer in layers]
    return 3 * sum(products) - products[0]


def peak(device: str) -> float:
    """Measure the most FLOP a second that a product of float32 matrices reaches."""
    size = 4096 if device == "cuda" else 1024
    a, b = torch.randn(2, size, size, device=device)
    best = 0.0
    backend: Any = torch.backends.mkldnn
    for preferred in (False, True):
        before = backend.matmul.fp32_precision if hasattr(backend, "matmul") else None
        if preferred:
            trainer.prefer_onednn()
        for _ in range(20):
            begin = time.perf_counter()
            (a @ b)[0, 0].item()
            best = max(best, 2 * size**3 / (time.perf_counter() - begin))
        if before is not None:
            backend.matmul.fp32_precision = before
    return best


def compare(root: Path, data: digits.Digits, steps: int, rounds: int, device: str) -> None:
    """Time the loops, alternating, and print a table."""
    most = peak(device)
    print(
        f"{device.upper()}: peak {most / 1e9:.0f} GFLOP/s in float32, one thread; {steps} steps, {rounds} rounds"
    )
    print(f"{'':4} {'':20} {'s/epoch':>8} {'spread':>14} {'share':>7} {'of peak':>8}")
    for kind in ("VAE", "CVAE"):
        loops = {f"notebook, {n} workers": notebook(root, steps, kind, device, n) for n in (0, 2)}
        loops["T"] = ours(data, steps, kind, device)
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(rounds):
            for name, loop in loops.items():
                seconds[name].append(loop() * 468 / steps)
        base = statistics.median(seconds["notebook, 2 workers"])
        for name, found in seconds.items():
            median = statistics.median(found)
            spread = f"{min(found):.1f} ... {max(found):.1f}"
            share = work(kind) * 468 / median / most
            print(f"{kind:4} {name:20} {median:8.2f} {spread:>14} {median / base:7.2f} {share:8.0%}")


def whole(root: Path, budget: float) -> None:
    """Time the training run as a whole."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "vae.py").write_bytes((HOME / "reference" / "vae.py").read_bytes())
        nndl2 = HOME / "student_template" / "nndl2"
        places = [Sandbox(starter, Path(name), nndl2, Limits()) for starter in STARTERS]
        rows = [Row(number=n, name=n, status="passed", score=1.0, max_score=1.0) for n in ROWS]
        settings = Settings("always", root, download=False, schedule=Schedule(budget=budget))
        row = training.run(rows, places, SEED, settings)
    print(row.output)
    print(f"all of T: {row.extra_data['seconds']:.1f} s")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--mnist", type=Path, required=True, metavar="ROOT", help="a folder with MNIST, unpacked"
    )
    parser.add_argument("--steps", type=int, default=117, help="in each round; an epoch has 468")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=600, help="seconds for all of T; 0 leaves it out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits.load(arguments.mnist, download=False)
    if data.name != "MNIST":
        parser.error(f"no MNIST: {data.source}")
    compare(arguments.mnist, data, arguments.steps, arguments.rounds, "cpu")
    if torch.cuda.is_available():
        compare(arguments.mnist, data, arguments.steps, arguments.rounds, "cuda")
    else:
        print("GPU: not measured, there is none here.")
    if arguments.budget:
        whole(arguments.mnist, arguments.budget)
    for starter in reversed(STARTERS):
        starter.close()


if __name__ == "__main__":
    main()
