"""The known slips of a loss, in its terms and in its average, and which of them, one or two, give a number."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric.oracle import cross_entropies, divergences

if TYPE_CHECKING:
    from collections.abc import Callable

    Inputs = tuple[Tensor, Tensor, Tensor, Tensor]

__all__ = ["BCE", "KL", "alike", "explain"]

ALIKE = 2e-5  # of a loss, for rounding
BCE, KL = "the cross-entropy (BCE)", "the KL divergence"

# From the sums b of the cross-entropy and k of the divergence, for n images of p pixels and z latents.
AVERAGES: dict[str, Callable[[float, float, int, int, int], float]] = {
    "": lambda b, k, n, _p, _z: (b + k) / n,
    "the loss were summed over the batch, not averaged": lambda b, k, _n, _p, _z: b + k,
    f"{BCE} were averaged over pixels, not summed": lambda b, k, n, p, _z: b / (n * p) + k / n,
    f"{BCE} were averaged over pixels, not summed, and divided by the batch size once more": (
        lambda b, k, n, p, _z: b / (n * p * n) + k / n
    ),
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
    "the whole were averaged over pixels, not summed": lambda b, k, n, p, _z: (b + k) / (n * p),
    "the loss were divided by the batch size twice": lambda b, k, n, _p, _z: (b + k) / n**2,
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
    ways = itertools.product(
        AVERAGES.items(),
        WEIGHTS.items(),
        reconstructions(x_hat, x).items(),
        kl_divergences(mu, logvar).items(),
    )
    return [
        slips
        for (average, join), (weight, (v, w)), (bce, b), (kl, k) in ways
        if 1 <= len(slips := tuple(text for text in (average, weight, bce, kl) if text)) <= 2
        and alike(found, join(v * b, w * k, *sizes), join(abs(v * b), abs(w * k), *sizes))
    ]


def reconstructions(x_hat: Tensor, x: Tensor) -> dict[str, float]:
    """Compute the summed cross-entropy, and what known slips would give in its place."""
    p, t = x_hat.double(), x.double()
    right = cross_entropies(x_hat, x)
    return {
        "": float(right.sum()),
        "x and x_hat were swapped, in the cross-entropy or in the order of the parameters": float(
            cross_entropies(x, x_hat).sum()
        ),
        "the squared error took the place of the cross-entropy": float(((p - t) ** 2).sum()),
        "the absolute error took the place of the cross-entropy": float((p - t).abs().sum()),
        "a sigmoid were applied to x_hat first (x_hat is no logits)": float(
            cross_entropies(torch.sigmoid(x_hat), x).sum()
        ),
        "the cross-entropy's term for dark pixels, (1 - x) log(1 - x_hat), were missing": float(
            -(t * p.log()).sum()
        ),
        "the cross-entropy's term for white pixels, x log(x_hat), were missing": float(
            -((1 - t) * (1 - p).log()).sum()
        ),
        "the sign between the cross-entropy's two terms were wrong": float(
            -(t * p.log() - (1 - t) * (1 - p).log()).sum()
        ),
        "log(x_hat) stood where log(1 - x_hat) belongs in the cross-entropy": float(-p.log().sum()),
        "log(x_hat) and log(1 - x_hat) were exchanged in the cross-entropy": float(
            -(t * (1 - p).log() + (1 - t) * p.log()).sum()
        ),
        "1 - x_hat stood where 1 - x belongs in the cross-entropy": float(
            -(t * p.log() + (1 - p) * (1 - p).log()).sum()
        ),
        "the cross-entropy were that of x_hat and x_hat": float(cross_entropies(x_hat, x_hat).sum()),
        "the cross-entropy were that of x and x": float(cross_entropies(x, x).sum()),
        "the images x were transposed in the cross-entropy": float(cross_entropies(x_hat, x.mT).sum()),
        "x stood where 1 - x belongs in the cross-entropy": float(-(t * p.log() + t * (1 - p).log()).sum()),
        "the logarithm were taken to base 2 in the cross-entropy": float(right.sum()) / math.log(2),
        "the logarithm were taken to base 10 in the cross-entropy": float(right.sum()) / math.log(10),
        "the images x were rounded in the cross-entropy": float(cross_entropies(x_hat, x.round()).sum()),
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
        f"the sign of logvar, not of exp(logvar), were wrong in {KL}": 1 - v - m**2 - v.exp(),
        f"logvar were missing in {KL}": 1 - m**2 - v.exp(),
        f"mu were missing in {KL}": 1 + v - v.exp(),
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
        f"mu and logvar were swapped in {KL}, or in the order of the parameters": 1 + m - v**2 - m.exp(),
        f"{KL} were taken in the other direction": 1 - v - (1 + m**2) * (-v).exp(),
        f"{KL} did not depend on logvar": -(m**2),
        "logvar were taken for the standard deviation": 1 + (v**2 + 1e-8).log() - m**2 - v**2,
    }
    return {"": float(divergences(mu, logvar).sum())} | {
        text: -0.5 * float(term.sum()) for text, term in inner.items()
    }
