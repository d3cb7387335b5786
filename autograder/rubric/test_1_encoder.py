"""1. Encoder (4 points): Flatten, then three times Linear and ReLU; mu_layer and logvar_layer behind them."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.alone import are_right_alone
from autograder.rubric.behaviour import expect_linear, expect_network
from autograder.rubric.counts import expect_count
from autograder.rubric.oracle import H
from autograder.rubric.sharing import expect_apart, expect_two_layers


@number("1.1")
@weight(1)
def test_encoder_parameters(student, sizes):
    """VAE.encoder has the parameters of three fully connected layers, for any number of pixels

    To see it in your notebook:

        for pixels in (784, 345):
            print(sum(p.numel() for p in VAE(pixels, 15).encoder.parameters()))  # expected: 634800, 459200
    """
    wrong = "It is right for 784 pixels: is 784 written into your code? Use input_size."
    for pixels, hint in ((784, ""), (sizes.pixels, wrong)):
        expect_count(student.VAE(pixels, 15).encoder, [(pixels, H), (H, H), (H, H)], hint)
    model = student.VAE(784, 15, by_position=True)
    wrong = "VAE(784, latent_size=15) is right, and VAE(784, 15) another model: in which order does __init__ take them?"
    expect_count(model.encoder, [(784, H), (H, H), (H, H)], wrong)


@number("1.2")
@weight(1)
def test_encoder_behaviour(student, sizes):
    """VAE.encoder flattens the images and computes three times Linear and ReLU

    To see it in your notebook:

        features = VAE(784, 15).encoder(torch.rand(5, 1, 28, 28))
        print(features.shape, features.min().item())  # expected: (5, 400), 0.0
    """
    models = [student.VAE(784, latents) for latents in (15, sizes.latents)]
    if are_right_alone("encoder", dict.fromkeys(models, (1, 28, 28))):
        return
    for model, crowd in zip(models, (False, True), strict=True):
        expect_network(student, model, model.encoder, (1, 28, 28), layers=3, crowd=crowd)
    expect_apart(models[1].encoder, {models[0].encoder: (1, 28, 28)})


@number("1.3")
@weight(1)
def test_mu_layer(student, sizes):
    """VAE.mu_layer is one fully connected layer from 400 to latent_size

    To see it in your notebook:

        layer = VAE(784, 20).mu_layer
        print(layer(torch.rand(5, 400)).shape, sum(p.numel() for p in layer.parameters()))  # expected: (5, 20), 8020
    """
    for latents, crowd in ((15, True), (sizes.latents, False)):
        model = student.VAE(784, latents)
        expect_linear(student, model, model.mu_layer, H, latents, crowd=crowd)


@number("1.4")
@weight(1)
def test_logvar_layer(student, sizes):
    """VAE.logvar_layer is one fully connected layer from 400 to latent_size

    To see it in your notebook:

        layer = VAE(784, 20).logvar_layer
        print(layer(torch.rand(5, 400)).shape, sum(p.numel() for p in layer.parameters()))  # expected: (5, 20), 8020
    """
    for latents, crowd in ((15, True), (sizes.latents, False)):
        model = student.VAE(784, latents)
        expect_linear(student, model, model.logvar_layer, H, latents, crowd=crowd)
    expect_two_layers(model)
