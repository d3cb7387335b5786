"""Weights with which a model's features, mu and logvar, and its pixels, go further than where people clamp them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from autograder.part import Model, Parameter
    from autograder.rubric.forwards import VAEForward

__all__ = ["FURTHER", "stretch"]

FURTHER = 1000.0  # times the features that other weights give, which are above 6 here and there


def stretch(forward: VAEForward, model: Model, x: Tensor, c: Tensor, latents: int) -> None:
    """Give weights such that features reach beyond 1,000, and mu and logvar from -7.5 to 7.5.

    People clamp mu and logvar at 5 and below, or at 10, and features at 100 and below.

    x, c: one image (1, 1, 28, 28) and its class (1, C)
    """
    mu, logvar = stretched(latents)
    small = FURTHER * forward.shrunk
    with contextlib.suppress(*UNANSWERED):  # what fails here fails again where it is judged
        heads = [
            (part, part.parameters(), due)
            for part, due in ((model.mu_layer, mu), (model.logvar_layer, logvar))
        ]
        weights = [part.draw([deviation / small for deviation in oracle.scales(p)]) for part, p, _ in heads]
        model.encoder.draw(enlarged(model.encoder.parameters()))
        features = features_of(forward, model, x, c)
        for (part, parameters, due), drawn in zip(heads, weights, strict=True):
            given, layers = part(features), oracle.layers_of(parameters)
            bias = layers[0].bias if len(layers) == 1 else None
            if bias is not None and given.numel() == drawn.values[bias].numel() == latents:
                values = drawn.values[bias]
                part.amend(drawn, {bias: values + (due - given.flatten()).view(values.shape)})
        # Such a z must not drive pixels to 1: who expects them below, as a sigmoid has them, is right. It moves
        # what the sigmoid gets by 0.6 or so. With biases of 7.6 many pixels are 0.0005 from 0 or 1: so clamps at
        # 0.001 are always seen, and guards at 0.0001 never, as in the loss.
        parameters = model.decoder.parameters()
        scales = zip(oracle.scales(parameters), parameters, strict=True)
        drawn = model.decoder.draw([2 if p.shape == (784,) else 0.2 * deviation for deviation, p in scales])
        changes = {i: extremes(v) for i, v in enumerate(drawn.values) if v.shape == (784,)}
        for layer in oracle.layers_of(parameters)[:1]:
            if layer.size_in >= latents:  # it takes each latent in units of its standard deviation
                units = torch.cat([torch.exp(-logvar / 2), torch.ones(layer.size_in - latents)])
                weight = drawn.values[layer.weight]
                scaled = weight.flatten(1) * (units.view(-1, 1) if layer.transposed else units)
                changes[layer.weight] = scaled.view(weight.shape)
        model.decoder.amend(drawn, changes)


def features_of(forward: VAEForward, model: Model, x: Tensor, c: Tensor) -> Tensor:
    """Ask the encoder for features, in the first way that it can take."""
    *joins, last = forward.joins.values()
    for join in joins:
        with contextlib.suppress(*UNANSWERED):
            return model.encoder(join(x, c))
    return model.encoder(last(x, c))


def enlarged(parameters: Sequence[Parameter]) -> list[float]:
    """Choose standard deviations for an encoder's new values, the last layer's larger: its features are, too."""
    layers = oracle.layers_of(parameters)
    last = (layers[-1].weight, layers[-1].bias) if layers else ()
    return [
        0.8 * deviation * (FURTHER if i in last else 1)
        for i, deviation in enumerate(oracle.scales(parameters))
    ]


def stretched(latents: int) -> tuple[Tensor, Tensor]:
    """Draw mu and logvar (Z,) from -7.5 to 7.5, such that mu is the nearer to 0 the further logvar is.

    Measured in standard deviations none is so large then that it would drown the others.
    """
    logvar = torch.linspace(-7.5, 7.5, latents)[torch.randperm(latents)]
    mu = torch.linspace(-7.5, 7.5, latents)
    nearest = torch.empty(latents)
    nearest[logvar.abs().argsort(descending=True)] = mu[mu.abs().argsort()]
    return nearest, logvar


def extremes(biases: Tensor) -> Tensor:
    """Make a tenth of a decoder's last biases (784,) so low, and a tenth so high, that pixels are nearly 0 and 1."""
    low, high = torch.randperm(len(biases))[: len(biases) // 5].chunk(2)
    return biases.index_fill(0, low, -7.6).index_fill(0, high, 7.6)
