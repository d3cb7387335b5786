"""The known slips of a loss, in its terms and in its average, and which of them, one or two, give a number."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.rubric.oracle import cross_entropies, divergences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Inputs = tuple[Tensor, Tensor, Tensor, Tensor]

__all__ = ["BCE", "KL", "alike", "explain"]

ALIKE = 2e-5  # of a loss, for rounding
BCE, KL = "the cross-entropy (BCE)", "the KL divergence"

# From the sums b of the cross-entropy and k of the divergence, for n images of p pixels and z latents.
AVERAGES: dict[str, Callable[[float, float, int, int, int], float]] = {
    "": lambda b, k, n, _p, _z: (b + k) / n,
    # By x.shape[1], too: the number of channels is 1.
    "the loss were summed over the batch, not averaged (or divided by 1)": lambda b, k, _n, _p, _z: b + k,
    "the whole were multiplied by the batch's size, not divided by it": lambda b, k, n, _p, _z: (b + k) * n,
    "the loss were divided by the batch's size less 1": lambda b, k, n, _p, _z: (
        (b + k) / (n - 1) if n > 1 else math.nan
    ),
    f"{BCE} were averaged over pixels, not summed": lambda b, k, n, p, _z: b / (n * p) + k / n,
    f"{BCE} were averaged over pixels, not summed, and divided by the batch size once more": (
        lambda b, k, n, p, _z: b / (n * p * n) + k / n
    ),
    f"{BCE} were averaged over the rows or columns of the images, not summed": (
        lambda b, k, n, p, _z: b / (n * math.sqrt(p)) + k / n
    ),
    f"{BCE} were divided by the batch's size twice": lambda b, k, n, _p, _z: b / n**2 + k / n,
    f"{KL} were divided by the batch's size twice": lambda b, k, n, _p, _z: b / n + k / n**2,
    "both terms were averaged over all elements: pixels and latents": (
        lambda b, k, n, p, z: b / (n * p) + k / (n * z)
    ),
    f"{KL} were averaged over the latents, not summed": lambda b, k, n, _p, z: b / n + k / (n * z),
    f"{KL} were a mean over batch and latents, and divided by the batch size once more": (
        lambda b, k, n, _p, z: b / n + k / (n * z * n)
    ),
    f"{KL} were summed over the batch and averaged over the latents, not the other way round": (
        # As many images as latents would make it the right one.
        lambda b, k, n, _p, z: b / n + k / z if n != z else math.nan
    ),
    f"{BCE} were summed over the batch and averaged over the pixels, not the other way round": (
        lambda b, k, n, p, _z: b / p + k / n
    ),
    f"{BCE} were summed over the batch; only {KL} is averaged": lambda b, k, n, _p, _z: b + k / n,
    f"{KL} were summed over the batch; only {BCE} is averaged": lambda b, k, n, _p, _z: b / n + k,
    f"{BCE} were averaged over pixels and {KL} summed over the batch": lambda b, k, n, p, _z: b / (n * p) + k,
    f"{BCE} were summed over the batch and {KL} a mean over batch and latents; or {BCE} were added to each "
    f"element of {KL}, before a mean": lambda b, k, n, _p, z: b + k / (n * z),
    f"{BCE} were added to each element of {KL}, before their sum: once for each latent of each image": (
        lambda b, k, n, _p, z: b * z + k / n
    ),
    f"{KL} were added to each pixel's cross-entropy, before their sum: once for each pixel of each image": (
        lambda b, k, n, p, _z: b / n + k * p
    ),
    "the whole were averaged over pixels, not summed": lambda b, k, n, p, _z: (b + k) / (n * p),
    "the whole were divided by the batch's size twice": lambda b, k, n, _p, _z: (b + k) / n**2,
}
# What the two terms are multiplied by.
WEIGHTS = {
    "": (1, 1),
    f"{KL} were missing": (1, 0),
    f"{BCE} were missing": (0, 1),
    f"{KL} were subtracted: its sign is wrong": (1, -1),
    f"the sign of {BCE} were wrong": (-1, 1),
    "the sign of the whole loss were wrong": (-1, -1),
    f"the factor 1/2 (0.5) of {KL} were missing": (1, 2),
    "half of the whole were returned": (0.5, 0.5),
}
# What nn.functional has for probabilities that add up to 1: nothing, for images of one channel.
SOFTMAX = (
    "the softmax cross-entropy (F.cross_entropy), of one class among many, took the place of the binary one"
)


def alike(found: float, expected: float, size: float | None = None) -> bool:
    """Tell whether two losses are equal but for rounding.

    size: what is rounded, where that is more than the loss: a difference is, of two terms
    """
    return abs(found - expected) <= ALIKE * (abs(expected) if size is None else size)


def explain(inputs: Inputs, found: float) -> list[tuple[str, ...]]:
    """List the slips, one or two, that give this loss."""
    x_hat, x, mu, logvar = inputs
    n = len(x)
    sizes = n, x.numel() // n, mu.shape[1]
    tables = AVERAGES, WEIGHTS, reconstructions(x_hat, x), kl_divergences(mu, logvar)
    return [
        slips
        for slips, ((average, join), (weight, (v, w)), (bce, b), (kl, k)) in up_to_two(tables).items()
        if not (v == 0 and (bce or idle(average, BCE)))
        and not (w == 0 and (kl or idle(average, KL)))
        and alike(found, join(v * b, w * k, *sizes), join(abs(v * b), abs(w * k), *sizes))
    ]


def up_to_two(tables: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], tuple[tuple[str, Any], ...]]:
    """Choose an entry of each table, the right one, without a text, from all but one or two; by the others' texts."""
    chosen = {}
    for pair in itertools.combinations(tables, 2):
        entries = (table.items() if table in pair else [("", table[""])] for table in tables)
        for way in itertools.product(*entries):
            chosen[tuple(text for text, _ in way if text)] = way
    del chosen[()]
    return chosen


def idle(average: str, missing: str) -> bool:
    """Tell whether an average says nothing, or nothing that another does not, where a term is missing."""
    return missing in average or "both" in average or "whole" in average


def reconstructions(x_hat: Tensor, x: Tensor) -> dict[str, float]:
    """Compute the summed cross-entropy, and what known slips would give in its place."""
    p, t = x_hat.double(), x.double()
    squares, size = ((p - t) ** 2).sum(), x.numel()
    others = {
        "x and x_hat were swapped, in the cross-entropy or in the order of the parameters": cross_entropies(
            x, x_hat
        ),
        "the squared error took the place of the cross-entropy": squares,
        "half the squared error, which is a Gaussian's likelihood, took the place of the cross-entropy": squares
        / 2,
        "a Gaussian's likelihood took the place of the cross-entropy": squares / 2
        + size * math.log(2 * math.pi) / 2,
        "the root of the squared error took the place of the cross-entropy": squares.sqrt(),
        "the absolute error took the place of the cross-entropy": (p - t).abs(),
        SOFTMAX: F.cross_entropy(p.flatten(1), t.flatten(1), reduction="sum"),
        "a sigmoid were applied to x_hat first (x_hat is no logits)": cross_entropies(
            torch.sigmoid(x_hat), x
        ),
        "a softmax were applied to x_hat first": cross_entropies(p.flatten(1).softmax(1), x.flatten(1)),
        "the cross-entropy's term for dark pixels, (1 - x) log(1 - x_hat), were missing": -t * p.log(),
        "the cross-entropy's term for white pixels, x log(x_hat), were missing": -(1 - t) * (1 - p).log(),
        "the sign between the cross-entropy's two terms were wrong": -(t * p.log() - (1 - t) * (1 - p).log()),
        "the factor x were missing before log(x_hat) in the cross-entropy": -(
            p.log() + (1 - t) * (1 - p).log()
        ),
        "the factor 1 - x were missing before log(1 - x_hat) in the cross-entropy": -(
            t * p.log() + (1 - p).log()
        ),
        "both factors, x and 1 - x, were missing in the cross-entropy": -(p.log() + (1 - p).log()),
        "the logarithms were missing in the cross-entropy": -(t * p + (1 - t) * (1 - p)),
        "log(x_hat) stood where log(1 - x_hat) belongs in the cross-entropy": -p.log(),
        "1 - log(x_hat) stood where log(1 - x_hat) belongs in the cross-entropy": -(
            t * p.log() + (1 - t) * (1 - p.log())
        ),
        "log(1 - x_hat) * 1 - x stood where log(1 - x_hat) * (1 - x) belongs in the cross-entropy": -(
            t * p.log() + (1 - p).log() - t
        ),
        "the images x were divided by their largest number in the cross-entropy": cross_entropies(
            x_hat, x / x.max()
        ),
        "the images x were stretched to 0 ... 1 in the cross-entropy": cross_entropies(
            x_hat, (x - x.min()) / (x.max() - x.min())
        ),
        "1 - x * log(1 - x_hat) stood where (1 - x) * log(1 - x_hat) belongs in the cross-entropy": -(
            t * p.log() + 1 - t * (1 - p).log()
        ),
        "log(1 + x_hat) stood where log(1 - x_hat) belongs in the cross-entropy": -(
            t * p.log() + (1 - t) * (1 + p).log()
        ),
        "log(1 - x) stood where log(1 - x_hat) belongs in the cross-entropy": -(
            t * p.log() + torch.xlogy(1 - t, 1 - t)
        ),
        "log(x) stood where log(x_hat) belongs in the cross-entropy": -(
            torch.xlogy(t, t) + (1 - t) * (1 - p).log()
        ),
        "log(x_hat) and log(1 - x_hat) were exchanged in the cross-entropy": -(
            t * (1 - p).log() + (1 - t) * p.log()
        ),
        "1 - x_hat stood where 1 - x belongs in the cross-entropy": -(t * p.log() + (1 - p) * (1 - p).log()),
        "x_hat stood where x belongs in the cross-entropy": -(p * p.log() + (1 - t) * (1 - p).log()),
        "x stood where 1 - x belongs in the cross-entropy": -(t * p.log() + t * (1 - p).log()),
        "1 + x stood where 1 - x belongs in the cross-entropy": -(t * p.log() + (1 + t) * (1 - p).log()),
        "the cross-entropy were that of x_hat and x_hat": cross_entropies(x_hat, x_hat),
        "the cross-entropy were that of x and x": cross_entropies(x, x),
        "the images x were transposed in the cross-entropy": cross_entropies(x_hat, x.mT),
        "the logarithm were taken to base 2 in the cross-entropy": cross_entropies(x_hat, x) / math.log(2),
        "the logarithm were taken to base 10 in the cross-entropy": cross_entropies(x_hat, x) / math.log(10),
        "the images x were rounded in the cross-entropy": cross_entropies(x_hat, x.round()),
        "the images x were made whole numbers (long, int), which takes every gray for black": cross_entropies(
            x_hat, x.trunc()
        ),
        "the images x were made 1 wherever they are not black": cross_entropies(x_hat, (x > 0).double()),
        "the images x were divided by 255": cross_entropies(x_hat, x / 255),
        "x_hat were divided by 255": cross_entropies(x_hat / 255, x),
    }
    return {"": float(cross_entropies(x_hat, x).sum())} | {
        text: float(term.sum()) for text, term in others.items()
    }


def kl_divergences(mu: Tensor, logvar: Tensor) -> dict[str, float]:
    """Compute the summed divergence, and what known slips would give in its place."""
    m, v = mu.double(), logvar.double()
    inner = {
        "logvar were taken for the logarithm of the standard deviation": 1 + 2 * v - m**2 - (2 * v).exp(),
        "exp(logvar / 2), the standard deviation, stood where exp(logvar) belongs": 1
        + v
        - m**2
        - (v / 2).exp(),
        f"the 1 were missing in {KL}": v - m**2 - v.exp(),
        f"the sign of the 1 were wrong in {KL}": -1 + v - m**2 - v.exp(),
        f"the sign of logvar, not of exp(logvar), were wrong in {KL}": 1 - v - m**2 - v.exp(),
        f"sigma stood where its square belongs in {KL}, in the logarithm and outside of it": 1
        + v / 2
        - m**2
        - (v / 2).exp(),
        f"logvar were missing in {KL}": 1 - m**2 - v.exp(),
        f"mu were missing in {KL}": 1 + v - v.exp(),
        f"2 * mu stood where mu squared belongs in {KL}": 1 + v - 2 * m - v.exp(),
        f"mu were not squared in {KL}": 1 + v - m - v.exp(),
        f"the absolute value of mu stood in {KL}, not its square": 1 + v - m.abs() - v.exp(),
        f"the sign of mu's square were wrong in {KL}": 1 + v + m**2 - v.exp(),
        f"the sign of logvar were wrong in {KL}": 1 - v - m**2 - (-v).exp(),
        f"exp(logvar) were missing in {KL}": 1 + v - m**2,
        f"the sign of exp(logvar) were wrong in {KL}": 1 + v - m**2 + v.exp(),
        "exp(-logvar) stood where exp(logvar) belongs": 1 + v - m**2 - (-v).exp(),
        "exp(2 * logvar) stood where exp(logvar) belongs": 1 + v - m**2 - (2 * v).exp(),
        "2 * logvar stood where logvar belongs": 1 + 2 * v - m**2 - v.exp(),
        "logvar / 2 stood where logvar belongs": 1 + v / 2 - m**2 - v.exp(),
        "logvar squared stood where exp(logvar) belongs": 1 + v - m**2 - v**2,
        "logvar stood where exp(logvar) belongs": 1 + v - m**2 - v,
        f"logvar and exp(logvar) were exchanged in {KL}": 1 + v.exp() - m**2 - v,
        f"mu stood where logvar belongs in {KL}": 1 + m - m**2 - v.exp(),
        f"logvar squared stood where mu squared belongs in {KL}": 1 + v - v**2 - v.exp(),
        f"exp(mu) stood where exp(logvar) belongs in {KL}": 1 + v - m**2 - m.exp(),
        f"mu and logvar were swapped in {KL}, or in the order of the parameters": 1 + m - v**2 - m.exp(),
        f"{KL} were taken in the other direction": 1 - v - (1 + m**2) * (-v).exp(),
        f"{KL} did not depend on logvar": -(m**2),
        f"exp and the square were exchanged between mu and logvar in {KL}": 1 + v - m.exp() - v**2,
        f"the factor -0.5 reached only the 1 in {KL} (where are the parentheses?)": 1
        - 2 * (v - m**2 - v.exp()),
        f"the factor -0.5 reached only 1 + logvar in {KL} (where are the parentheses?)": 1
        + v
        + 2 * (m**2 + v.exp()),
        f"the factor -0.5 reached all but exp(logvar) in {KL} (where are the parentheses?)": 1
        + v
        - m**2
        + 2 * v.exp(),
        "logvar were taken for the standard deviation": 1 + (v**2 + 1e-8).log() - m**2 - v**2,
    }
    total, size = (1 + v - m**2 - v.exp()).sum(), v.numel()
    whole = {
        f"the 1 stood outside of the sum in {KL}, where it counts once for the whole batch": total - size + 1,
        f"the factor -0.5 reached only the 1 in {KL}, which stood outside of the sum": 1 - 2 * (total - size),
        f"the sum of {KL} were squared": total**2,
        f"the sum of mu were squared in {KL}, not each mu": (1 + v - v.exp()).sum() - m.sum() ** 2,
        f"F.kl_div, which is for lists of probabilities, took the place of {KL}": -2
        * F.kl_div(v, m, reduction="sum"),
        f"F.kl_div, which is for lists of probabilities, took the place of {KL} (mu comes first)": -2
        * F.kl_div(m, v, reduction="sum"),
    }
    return {"": float(divergences(mu, logvar).sum())} | {
        text: -0.5 * float(term.sum()) for text, term in (inner | whole).items()
    }
