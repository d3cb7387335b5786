"""6. CVAE (3 points): the same with the class joined to the image and to the latents."""

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.behaviour import expect_linear, expect_network
from autograder.rubric.composition import CVAEComposition
from autograder.rubric.counts import expect_count
from autograder.rubric.oracle import H

SIZES = (  # pixels, classes, latents, and where to look when only these are wrong
    (784, 10, 15, ""),
    (576, 10, 15, "It is right for 784 pixels: is 784 written into your code? Use input_size."),
    (784, 7, 23, "It is right for 10 classes and 15 latents: is one of these written into your code?"),
)


@number("6.1")
@weight(1)
def test_cvae_encoder(student):
    """CVAE.encoder takes the image's pixels and the class side by side; its mu_layer and logvar_layer are right"""
    for size, classes, latent, hint in SIZES:
        model = student.CVAE(size, classes, latent)
        expect_count(model.encoder, [(size + classes, H), (H, H), (H, H)], hint)
        expect_count(model.mu_layer, [(H, latent)], hint)
        expect_count(model.logvar_layer, [(H, latent)], hint)
    expect_network(student, model, model.encoder, torch.rand(6, 784 + classes), layers=3)
    expect_linear(student, model, model.mu_layer, H, latent)
    expect_linear(student, model, model.logvar_layer, H, latent)


@number("6.2")
@weight(1)
def test_cvae_decoder(student):
    """CVAE.decoder takes the latents and the class side by side and gives images (N, 1, 28, 28)"""
    for size, classes, latent, hint in SIZES:
        model = student.CVAE(size, classes, latent)
        expect_count(model.decoder, [(latent + classes, H), (H, H), (H, H), (H, size)], hint)
    expect_network(student, model, model.decoder, torch.randn(6, latent + classes), layers=4, image=True)


@number("6.3")
@weight(1)
def test_cvae_forward(student):
    """CVAE.forward(x, c) joins c to the image and to z, and returns (x_hat, mu, logvar) made by the model's parts"""
    CVAEComposition(student).check()
