"""1. Encoder (4 points): Flatten, then three times Linear and ReLU; mu_layer and logvar_layer behind them."""

from functools import partial

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.alone import are_right_alone
from autograder.rubric.counts import FIFTEEN, expect_count
from autograder.rubric.networks import expect_linear, expect_network
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

        encoder, x = VAE(784, 15).encoder, torch.rand(5, 1, 28, 28)
        print(encoder)  # expected: Flatten, then three times Linear and ReLU
        print(encoder(x).shape, encoder(x).min().item())  # expected: (5, 400), 0.0
        print((encoder.eval()(x) - encoder.train()(x)).abs().max().item())  # expected: 0.0
    """
    models = [student.VAE(784, latents) for latents in (15, sizes.latents)]
    if are_right_alone("encoder", dict.fromkeys(models, (1, 28, 28))):
        return
    models[0] = student.VAE(
        784, 15, by_position=True
    )  # whose forward was not called: the encoder must not need that
    for model, crowd in zip(models, (False, True), strict=True):
        expect_network(student, model, model.encoder, (1, 28, 28), layers=3, crowd=crowd)
    expect_apart(models[1].encoder, {models[0].encoder: (1, 28, 28)})


@number("1.3")
@weight(1)
def test_mu_layer(student, sizes):
    """VAE.mu_layer is one fully connected layer from 400 to latent_size

    To see it in your notebook:

        layer, x = VAE(784, 20).mu_layer, torch.rand(5, 400)
        print(layer)  # expected: one Linear
        print(layer(x).shape, sum(p.numel() for p in layer.parameters()))  # expected: (5, 20), 8020
        print((layer(3 * x) - 3 * layer(x) + 2 * layer(0 * x)).abs().max() < 1e-4)  # expected: True
    """
    fresh = partial(
        student.VAE, 784, 15, by_position=True
    )  # its forward was not called: no part must need that
    expect_linear(student, student.VAE(784, 15), "mu_layer", 15, fresh, crowd=True)
    expect_linear(student, student.VAE(784, sizes.latents), "mu_layer", sizes.latents, hint=FIFTEEN)


@number("1.4")
@weight(1)
def test_logvar_layer(student, sizes):
    """VAE.logvar_layer is one fully connected layer from 400 to latent_size

    To see it in your notebook:

        layer, x = VAE(784, 20).logvar_layer, torch.rand(5, 400)
        print(layer)  # expected: one Linear
        print(layer(x).shape, sum(p.numel() for p in layer.parameters()))  # expected: (5, 20), 8020
        print((layer(3 * x) - 3 * layer(x) + 2 * layer(0 * x)).abs().max() < 1e-4)  # expected: True
    """
    model, fresh = student.VAE(784, sizes.latents), partial(student.VAE, 784, 15, by_position=True)
    expect_linear(student, student.VAE(784, 15), "logvar_layer", 15, fresh, crowd=True)
    expect_linear(student, model, "logvar_layer", sizes.latents, hint=FIFTEEN)
    expect_two_layers(model)
