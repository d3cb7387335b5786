"""Train the reference, and wrong models beside it, on the drawn digits; write autograder/thresholds.json.

A model is trained as the notebook does (Adam, 1e-3, anew for each epoch, batches of 128 in random order, the last
partial one dropped, ten epochs) and judged by its verified loss on the test images. At each time there is a gap
between the worst right model and the best that any wrong one has reached by then; T may take as many steps as make
the gaps of VAE and CVAE widest (their product), and a threshold lies two thirds of the way from right to wrong: no
right model may fail, while a wrong one that passes is seen elsewhere. On a free core this takes about ten minutes.

--mnist ROOT does the same on MNIST, for 3,200 steps and one seed each, and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
from math import prod
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "reference")]

from autograder import digits, drawing, trainer  # noqa: E402  # from this very folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    Reparametrize = Callable[[Tensor, Tensor], Tensor]
    Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    Runs = dict[str, dict[str, list[list[float]]]]  # kind of model, mistake, seed: verified losses
    Images = tuple[Tensor, Tensor]  # (N, 1, 28, 28) uint8, and one-hot classes (N, 10)

BATCH, CHECKS = 128, 13  # how often the loss is verified in one run
SEEDS = {"right": 8, "std = exp(logvar)": 4}  # 1 for each other mistake: those are far off
DRAWS = 2  # of the noise for one verified loss

vae: Any = importlib.import_module("vae")
reparametrize, loss_function = vae.reparametrize, vae.loss_function


def reconstruction(x_hat: Tensor, x: Tensor) -> Tensor:
    """BCE, added up over pixels and images."""
    return F.binary_cross_entropy(x_hat, x, reduction="sum")


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence from N(0, 1), added up over latents and images."""
    return -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())


MODELS: dict[str, tuple[Reparametrize, Loss]] = {
    "right": (reparametrize, loss_function),
    "std = exp(logvar)": (lambda mu, logvar: mu + logvar.exp() * torch.randn_like(mu), loss_function),
    "std = logvar": (lambda mu, logvar: mu + logvar * torch.randn_like(mu), loss_function),
    "std = 1": (lambda mu, _logvar: mu + torch.randn_like(mu), loss_function),
    "z = mu": (lambda mu, _logvar: mu, loss_function),
    "z = std * eps": (lambda mu, logvar: torch.exp(logvar / 2) * torch.randn_like(mu), loss_function),
    "no KL": (reparametrize, lambda x_hat, x, _mu, _logvar: reconstruction(x_hat, x) / len(x)),
    "BCE averaged over pixels": (
        reparametrize,
        lambda x_hat, x, mu, logvar: F.binary_cross_entropy(x_hat, x) + divergence(mu, logvar) / len(x),
    ),
    "all averaged": (
        reparametrize,
        lambda x_hat, x, mu, logvar: F.binary_cross_entropy(x_hat, x) + divergence(mu, logvar) / mu.numel(),
    ),
    "KL times batch": (
        reparametrize,
        lambda x_hat, x, mu, logvar: reconstruction(x_hat, x) / len(x) + divergence(mu, logvar),
    ),
}


def verified(model: nn.Module, test: Images) -> float:
    """Compute the loss of a model's parameters by the right formulas, on the test images."""
    vae.reparametrize = reparametrize
    x, c = test[0] / 255, test[1]
    losses = []
    with torch.inference_mode(), torch.random.fork_rng():
        for _ in range(DRAWS):
            x_hat, mu, logvar = model(x, c) if isinstance(model, vae.CVAE) else model(x)
            losses.append(float(loss_function(x_hat, x, mu, logvar)))
    return mean(losses)


def train(kind: str, mistake: str, seed: int, images: Images, test: Images, steps: int) -> list[float]:
    """Train a model. Returns CHECKS verified losses, at even distances, the last one at the end."""
    wrong, loss_of = MODELS[mistake]
    torch.manual_seed(seed)
    model = getattr(vae, kind)(784)
    count = len(images[0]) // BATCH * BATCH
    epochs = -(-steps * BATCH // count)
    order = torch.cat([torch.randperm(len(images[0]))[:count] for _ in range(epochs)])
    losses: list[float] = []
    for step, some in enumerate(order.split(BATCH)[:steps], start=1):
        vae.reparametrize = wrong
        x, c = images[0][some] / 255, images[1][some]
        x_hat, mu, logvar = model(x, c) if kind == "CVAE" else model(x)
        if step % (count // BATCH) == 1:  # train_vae makes one for each epoch
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        optimizer.zero_grad()
        loss_of(x_hat, x, mu, logvar).backward()
        optimizer.step()
        if step * CHECKS // steps > len(losses):
            losses.append(verified(model, test))
    return losses


def measure(images: Tensor, labels: Tensor, steps: int, seeds: Mapping[str, int]) -> Runs:
    """Train every kind of model with every mistake, and print a line about each."""
    classes = F.one_hot(labels.long(), 10).float()
    known, test = (
        (images[: -digits.TEST], classes[: -digits.TEST]),
        (images[-digits.TEST :], classes[-digits.TEST :]),
    )
    shown = [CHECKS * part // 100 - 1 for part in (40, 60, 80, 100)]
    print("verified loss after", *((place + 1) * steps // CHECKS for place in shown), "steps")
    runs: Runs = {"VAE": {}, "CVAE": {}}
    for kind, by_mistake in runs.items():
        for mistake in MODELS:
            start = time.monotonic()
            curves = [train(kind, mistake, seed, known, test, steps) for seed in range(seeds.get(mistake, 1))]
            by_mistake[mistake] = [[round(loss, 1) for loss in curve] for curve in curves]
            cells = []
            for place in shown:
                losses = [curve[place] for curve in curves]
                cells.append(
                    f"{mean(losses):7.1f} +- {stdev(losses):4.1f}"
                    if len(losses) > 1
                    else f"{losses[0]:7.1f}" + " " * 8
                )
            lowest, seconds = min(map(min, curves)), (time.monotonic() - start) / len(curves)
            print(
                f"{kind:4} {mistake:24}",
                *cells,
                f"lowest {lowest:6.1f}; {len(curves)} of {seconds:.0f} s",
                flush=True,
            )
    return runs


def gap(by_mistake: Mapping[str, list[list[float]]], place: int) -> tuple[float, float]:
    """Find the loss of the worst right model at one time, and the best that a wrong one has reached by then."""
    wrong = [curve for mistake, curves in by_mistake.items() if mistake != "right" for curve in curves]
    return max(curve[place] for curve in by_mistake["right"]), min(min(curve[: place + 1]) for curve in wrong)


def choose(runs: Runs, every: int) -> tuple[int, dict[str, float]]:
    """Find the number of steps and the thresholds, and print what they rest on."""

    def width(place: int) -> float:
        return prod(max(0.0, best - worst) for worst, best in (gap(runs[kind], place) for kind in runs))

    place = max(range(CHECKS), key=width)
    steps, thresholds = every * (place + 1), {}
    for kind, by_mistake in runs.items():
        worst, best = gap(by_mistake, place)
        thresholds[kind] = float(round(worst / 3 + best * 2 / 3))
        right = by_mistake["right"]
        then = [curve[place] for curve in right]
        passed = [every * next(n for n, loss in enumerate(c, 1) if loss < thresholds[kind]) for c in right]
        print(
            f"{kind}: below {thresholds[kind]:.0f} in {steps} steps. Right ones are then at {mean(then):.1f}",
            f"+- {stdev(then):.1f}, at most {worst}, and pass after {min(passed)} to {max(passed)} steps;",
            f"the best wrong one has reached {best}",
        )
    return steps, thresholds


def main() -> None:
    """Train all, print a table, and write the thresholds."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--mnist", type=Path, metavar="ROOT", help="a folder with MNIST; then nothing is written"
    )
    root = parser.parse_args().mnist
    torch.set_num_threads(1)
    trainer.prefer_onednn()
    if root:
        data = digits.load(root, download=False)
        print(data.source)
        test = slice(digits.TEST)
        images = torch.cat([data.train_images, data.test_images[test]])
        measure(images, torch.cat([data.train_labels, data.test_labels[test]]), 3_200, {})
        return
    steps = 10 * (digits.TRAIN // BATCH)
    runs = measure(*drawing.draw(digits.TRAIN + digits.TEST, digits.SEED), steps, SEEDS)
    every = steps // CHECKS
    sample, labels = drawing.draw(2_000, 1)  # a test draws them again, to see that all this is current
    enough, thresholds = choose(runs, every)
    record = {
        "steps": enough,
        "thresholds": thresholds,
        "ink": [round(sample[labels == digit].float().mean().item(), 3) for digit in range(10)],
        "every": every,
        "runs": runs,  # verified losses, one row a seed, one column every so many steps
    }
    text = re.sub(r"\[[^][]*\]", lambda row: " ".join(row[0].split()), json.dumps(record, indent=1))
    digits.THRESHOLDS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
