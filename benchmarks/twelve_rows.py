"""The twelve rows as Gradescope's samples would have them: plain assertions on the student's own objects.

    python benchmarks/twelve_rows.py FOLDER RESULTS

imports FOLDER/vae.py in this very process and writes results.json. benchmarks/batch.py measures it beside the
autograder; it is no part of the autograder, and far from as thorough: one size, one seed, no isolation, few words.
"""

import argparse
import sys
import unittest
from pathlib import Path

import torch
from gradescope_utils.autograder_utils.decorators import number, weight
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner
from torch import nn
from torch.nn import functional as F

__all__ = ["ROWS"]

D, H, Z, C, N = 784, 400, 15, 10, 5


def count(module):
    """Count parameters."""
    return sum(p.numel() for p in module.parameters())


def linears(module):
    """List the linear layers of a part."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def chain(x, layers, last=torch.relu):
    """Compute linear layers with ReLU between, and something behind the last."""
    for layer in layers[:-1]:
        x = torch.relu(layer(x))
    return last(layers[-1](x))


def close(a, b, tolerance=1e-5):
    """Tell whether two tensors are equal but for rounding."""
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def row_1_1(m):
    assert count(m.VAE(D, Z).encoder) == (D + 1) * H + 2 * (H + 1) * H
    assert count(m.VAE(345, Z).encoder) == 346 * H + 2 * (H + 1) * H


def row_1_2(m):
    encoder, x = m.VAE(D, Z).encoder, torch.rand(N, 1, 28, 28)
    assert close(encoder(x), chain(x.flatten(1), linears(encoder)))


def row_1_3(m):
    layer = m.VAE(D, Z).mu_layer
    assert (layer.in_features, layer.out_features) == (H, Z)


def row_1_4(m):
    layer = m.VAE(D, Z).logvar_layer
    assert (layer.in_features, layer.out_features) == (H, Z)


def row_2_1(m):
    decoder, z = m.VAE(D, Z).decoder, torch.randn(N, Z)
    assert count(decoder) == (Z + 1) * H + 2 * (H + 1) * H + (H + 1) * D
    assert close(decoder(z), chain(z, linears(decoder), torch.sigmoid).view(N, 1, 28, 28))


def row_3_1(m):
    torch.manual_seed(0)
    z = m.reparametrize(torch.zeros(1, Z), torch.ones(1, Z))
    assert z.shape == (1, Z)
    assert abs(z.mean() + 0.4363) < 1e-3
    assert abs(z.std() - 1.6860) < 1e-3


def row_3_2(m):
    mu, logvar = torch.randn(64, 7, requires_grad=True), torch.randn(64, 7, requires_grad=True)
    torch.manual_seed(1)
    eps = m.reparametrize(torch.zeros(64, 7), torch.zeros(64, 7))
    torch.manual_seed(1)
    z = m.reparametrize(mu, logvar)
    assert close(z, mu + torch.exp(logvar / 2) * eps)
    z.sum().backward()
    assert mu.grad is not None
    assert logvar.grad is not None


def forward(m, model, images, latents, x, *c):
    torch.manual_seed(2)
    x_hat, mu, logvar = model(x, *c)
    features = model.encoder(images)
    torch.manual_seed(2)
    z = m.reparametrize(mu, logvar)
    assert x_hat.shape == (N, 1, 28, 28)
    assert close(mu, model.mu_layer(features))
    assert close(logvar, model.logvar_layer(features))
    assert close(x_hat, model.decoder(latents(z)))


def row_4_1(m):
    x = torch.rand(N, 1, 28, 28)
    forward(m, m.VAE(D, Z), x, lambda z: z, x)


def row_5_1(m):
    x, x_hat = torch.rand(2, N, 1, 28, 28)
    mu, logvar = torch.randn(2, N, Z)
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    right = (F.binary_cross_entropy(x_hat, x, reduction="sum") + kl) / N
    assert close(m.loss_function(x_hat, x, mu, logvar), right)


def row_6_1(m):
    model, x = m.CVAE(D, C, Z), torch.rand(N, D + C)
    assert count(model.encoder) == (D + C + 1) * H + 2 * (H + 1) * H
    assert close(model.encoder(x), chain(x, linears(model.encoder)))
    for layer in (model.mu_layer, model.logvar_layer):
        assert (layer.in_features, layer.out_features) == (H, Z)


def row_6_2(m):
    decoder, z = m.CVAE(D, C, Z).decoder, torch.randn(N, Z + C)
    assert count(decoder) == (Z + C + 1) * H + 2 * (H + 1) * H + (H + 1) * D
    assert close(decoder(z), chain(z, linears(decoder), torch.sigmoid).view(N, 1, 28, 28))


def row_6_3(m):
    x, c = torch.rand(N, 1, 28, 28), torch.eye(C)[:N]
    forward(m, m.CVAE(D, C, Z), torch.cat([x.flatten(1), c], 1), lambda z: torch.cat([z, c], 1), x, c)


ROWS = {
    name[4:].replace("_", "."): function
    for name, function in list(globals().items())
    if name.startswith("row_")
}


class TestRows(unittest.TestCase):
    """The rows for unittest."""


def method(row):
    """Make a method of a row. The import comes within: else one that fails would end the run without results."""

    def test(self):
        import vae

        row(vae)

    return test


for row_number, row_function in ROWS.items():
    name = f"test_{row_number.replace('.', '_')}"
    setattr(TestRows, name, number(row_number)(weight(1)(method(row_function))))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="where vae.py is")
    parser.add_argument("results", type=Path, help="where results.json goes")
    given = parser.parse_args()
    sys.path[:0] = [given.folder]
    torch.set_num_threads(1)
    with given.results.open("w", encoding="utf-8") as results:
        JSONTestRunner(stream=results).run(unittest.defaultTestLoader.loadTestsFromTestCase(TestRows))
