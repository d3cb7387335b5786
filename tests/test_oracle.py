"""What the grader holds for right, against the reference solution, for whatever sizes and numbers there may be."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autograder import weights
from autograder.part import Drawn, Parameter
from autograder.rubric import oracle
from autograder.rubric.expect import TOLERANCE, close
from autograder.rubric.loss_slips import explain

SPEC = importlib.util.spec_from_file_location("vae", Path(__file__).parents[1] / "reference" / "vae.py")
assert SPEC
assert SPEC.loader
vae: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(vae)

batches, latents, classes = st.integers(1, 257), st.integers(1, 64), st.integers(2, 20)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def parameters(part: Any) -> list[Parameter]:
    """List a part's parameters as a worker does."""
    return [Parameter(name, tuple(p.shape)) for name, p in part.named_parameters()]


def computed(part: Any, x: torch.Tensor, length: int, *, image: bool = False) -> bool:
    """Tell whether a part of the reference, with weights that are drawn for it, computes what the oracle says."""
    known = parameters(part)
    drawn = Drawn(known, oracle.scales(known, 784 if image else None), 1)
    weights.fill([*part.parameters()], drawn.scales, 1)
    with torch.no_grad():
        found = part(x).flatten(1)
    x, end = x.flatten(1), torch.sigmoid if image else torch.clone
    chain = next(oracle.chains(oracle.layers_of(known), x.shape[1], length))
    right = end(oracle.network(x, chain, drawn.values, last=length == 3))
    rough = end(
        oracle.network(x, chain, drawn.numbers, last=length == 3, dtype=torch.float32, scales=drawn.scales)
    )
    # So the rough one may stand for it where half the tolerance is asked for, and does (Behaviour.gives).
    return close(found, right) and close(found, rough, TOLERANCE / 2) and close(rough, right, TOLERANCE / 10)


@few
@given(batch=batches, latent=latents, seed=seeds)
def test_vae(batch: int, latent: int, seed: int) -> None:
    """The reference's VAE computes what the oracle says, for any batch and number of latents."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = vae.VAE(784, latent)
        assert computed(model.encoder, oracle.images(batch), 3)
        assert computed(model.mu_layer, torch.randn(batch, 400), 1)
        assert computed(model.decoder, torch.randn(batch, latent), 4, image=True)


@few
@given(batch=batches, latent=latents, number=classes, seed=seeds)
def test_cvae(batch: int, latent: int, number: int, seed: int) -> None:
    """The reference's CVAE does, too, for any number of classes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = vae.CVAE(784, number, latent)
        assert computed(model.encoder, torch.rand(batch, 784 + number), 3)
        assert computed(model.decoder, torch.randn(batch, latent + number), 4, image=True)
        x, c = oracle.images(batch), oracle.one_hot(batch, number)
        assert [tuple(t.shape) for t in model(x, c)] == [(batch, 1, 28, 28), (batch, latent), (batch, latent)]


@few
@given(
    batch=batches,
    latent=latents,
    seed=seeds,
    scale=st.sampled_from([0.1, 1.0, 5.0]),
    shift=st.floats(-80, 80, width=32),
)
def test_loss(batch: int, latent: int, seed: int, scale: float, shift: float) -> None:
    """The reference's loss is the oracle's, for logvar from -80 to 80 and pixels that are exactly 0 or 1."""
    assume(
        batch * latent * math.exp(shift) < 1e38
    )  # float32 ends at 3.4e38, and the sum comes before the mean
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x, mu = oracle.images(batch).round(), scale * torch.randn(batch, latent)
        x_hat = torch.sigmoid(30 * torch.randn(batch, 1, 28, 28))
        logvar = torch.full((batch, latent), shift)
        found, right = vae.loss_function(x_hat, x, mu, logvar), oracle.loss(x_hat, x, mu, logvar)
    assert float(found) == pytest.approx(float(right), rel=2e-5)


@few
@given(batch=batches, latent=latents, seed=seeds, logvar=st.floats(-80, 80, width=32))
def test_noise(batch: int, latent: int, seed: int, logvar: float) -> None:
    """The reference's z is mu + exp(logvar / 2) * eps for logvar from -80 to 80."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mu = torch.randn(batch, latent)
        z = vae.reparametrize(mu, torch.full_like(mu, logvar))
        torch.manual_seed(seed)
        torch.randn(batch, latent)
        eps = torch.randn(batch, latent)
    assert close(z, mu + torch.exp(torch.tensor(logvar) / 2) * eps)


@few
@given(batch=st.integers(2, 30), latent=st.integers(2, 30), seed=seeds)
def test_right_loss_has_no_slip(batch: int, latent: int, seed: int) -> None:
    """No slip explains the right loss of two batches: none is the right formula in disguise."""
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for spread in (1, 3):
            x_hat, x = oracle.images(2 * batch).clamp(0.02, 0.98).split(batch)
            mu, logvar = spread * torch.randn(2, batch, latent)
            inputs = (
                x_hat,
                x,
                mu,
                logvar - 1,
            )  # about 0, its sum could be 0 by chance: then it may be left out
            found.append({slips for slips in explain(inputs, float(oracle.loss(*inputs))) if len(slips) == 1})
    assert found[0] & found[1] == set()
