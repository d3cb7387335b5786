"""2. Decoder (1 point): three times Linear and ReLU, then Linear, Sigmoid and Unflatten."""

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.behaviour import expect_network
from autograder.rubric.counts import expect_count
from autograder.rubric.oracle import H

SIZES = (  # pixels, latents, and where to look when only these are wrong
    (784, 15, ""),
    (576, 15, "It is right for 784 pixels: is 784 written into your code? Use input_size."),
    (784, 23, "It is right for 15 latents: is 15 written into your code? Use latent_size."),
)


@number("2.1")
@weight(1)
def test_decoder(student):
    """VAE.decoder has its four fully connected layers and turns latents into images (N, 1, 28, 28)"""
    for size, latent, hint in SIZES:
        model = student.VAE(size, latent)
        expect_count(model.decoder, [(latent, H), (H, H), (H, H), (H, size)], hint)
    expect_network(student, model, model.decoder, torch.randn(6, latent), layers=4, image=True)
