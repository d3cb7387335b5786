"""2. Decoder (1 point): three times Linear and ReLU, then Linear, Sigmoid and Unflatten."""

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.expect import expect_count, expect_network
from autograder.rubric.oracle import H


@number("2.1")
@weight(1)
def test_decoder(student):
    """VAE.decoder has its four fully connected layers and turns latents into images (N, 1, 28, 28)"""
    for size, latent in ((576, 15), (784, 15), (784, 23)):
        model = student.VAE(size, latent)
        expect_count(model.decoder, [(latent, H), (H, H), (H, H), (H, size)])
    expect_network(student, model, model.decoder, torch.randn(6, latent), layers=4, image=True)
