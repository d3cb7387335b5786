"""Train the reference with ten seeds, as the notebook does, and write the band of its curves: autograder/curves.json.

The band is what a student's curve is shown against, and how long a right model needs at most is what the training
run plans by. The loop is the notebook's, with torch.optim.Adam, one for each epoch; the losses are verified ones.
Matrices are multiplied as in the training run (trainer.prefer_onednn).
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "reference")]

from autograder import digits, trainer, training  # noqa: E402  # from this very folder
from autograder.rubric import oracle  # noqa: E402

SEEDS = 10
KINDS = ("VAE", "CVAE")


def train(data: digits.Digits, most: int, kind: str, seed: int) -> list[float]:
    """Train one model; returns its verified losses, each after `every` steps."""
    torch.set_num_threads(1)
    trainer.prefer_onednn()
    vae: Any = importlib.import_module("vae")
    goal = training.make_goal(kind, data)
    torch.manual_seed(seed)
    model = getattr(vae, kind)(784)
    apart = max(1, len(data.test_images) // training.TEST)
    test = data.test_images[::apart].float() / 255, one_hot(data.test_labels[::apart])
    losses: list[float] = []
    step = 0
    while step < most:
        order = torch.randperm(len(data.train_images))
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        for some in order.split(128)[: goal.epoch]:
            x, c = data.train_images[some].float() / 255, one_hot(data.train_labels[some])
            x_hat, mu, logvar = model(x, c) if kind == "CVAE" else model(x)
            adam.zero_grad()
            vae.loss_function(x_hat, x, mu, logvar).backward()
            adam.step()
            step += 1
            if step % goal.every == 0:
                with torch.inference_mode():
                    x_hat, mu, logvar = model(*test) if kind == "CVAE" else model(test[0])
                losses.append(float(oracle.loss(x_hat, test[0], mu, logvar)))
            if step == most:
                break
    return losses


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    """Classes (N, 10) of labels (N,)."""
    return F.one_hot(labels.long(), 10).float()


def main() -> None:
    """Train all and write the bands."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--mnist", type=Path, metavar="ROOT", help="a folder with MNIST; else the digits are drawn"
    )
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    arguments = parser.parse_args()
    data = digits.load(arguments.mnist or HOME / "no MNIST here", download=False)
    print(data.source)
    begin = time.monotonic()
    bands, usual = {}, {}
    for kind in KINDS:
        goal = training.make_goal(kind, data)
        most = min(goal.steps, 7 * goal.epoch)
        with ProcessPoolExecutor(arguments.jobs) as pool:
            curves = list(pool.map(partial(train, data, most, kind), range(SEEDS)))
        steps = [goal.every * (i + 1) for i in range(len(curves[0]))]
        passed = [
            next((step for step, loss in zip(steps, curve, strict=True) if loss < goal.threshold), goal.steps)
            for curve in curves
        ]
        bands[kind] = [
            [step, round(min(losses), 1), round(max(losses), 1)]
            for step, *losses in zip(steps, *curves, strict=True)
        ]
        usual[kind] = max(passed)
        print(
            f"{kind}: below {goal.threshold} after {sorted(passed)} steps; {time.monotonic() - begin:.0f} s"
        )
    known = json.loads(training.CURVES.read_text(encoding="utf-8"))
    known[data.name] = {"usual": usual, "bands": bands}
    text = re.sub(
        r"\[[^][]*\]", lambda row: " ".join(row[0].split()), json.dumps(known, indent=1, sort_keys=True)
    )
    training.CURVES.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
