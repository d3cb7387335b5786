"""2. Decoder (1 point): three times Linear and ReLU, then Linear, Sigmoid and Unflatten."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.alone import are_right_alone
from autograder.rubric.counts import FIFTEEN, expect_count
from autograder.rubric.networks import expect_network, expect_saturated
from autograder.rubric.oracle import H
from autograder.rubric.sharing import expect_apart


@number("2.1")
@weight(1)
def test_decoder(student, sizes):
    """VAE.decoder has its four fully connected layers and turns latents into images (N, 1, 28, 28)

    To see it in your notebook:

        decoder = VAE(784, 20).decoder
        print(decoder)  # expected: three times Linear and ReLU, then Linear, Sigmoid and Unflatten
        for pixels, latents in ((784, 15), (345, 20)):
            print(sum(p.numel() for p in VAE(pixels, latents).decoder.parameters()))  # expected: 641584, 467545
        x_hat = decoder(1000 * torch.randn(5, 20))
        print(x_hat.shape, x_hat.min().item(), x_hat.max().item())  # expected: (5, 1, 28, 28), 0.0, 1.0
    """
    cases = (
        (784, 15, ""),
        (sizes.pixels, 15, "It is right for 784 pixels: is 784 written into your code? Use input_size."),
        (784, sizes.latents, FIFTEEN),
    )
    for pixels, latents, hint in cases:
        model = student.VAE(pixels, latents)
        expect_count(model.decoder, [(latents, H), (H, H), (H, H), (H, pixels)], hint)
    other = student.VAE(784, 15)
    if are_right_alone("decoder", {model: (sizes.latents,), other: (15,)}):
        expect_saturated(model.decoder, sizes.latents)
        return
    other = student.VAE(
        784, 15, by_position=True
    )  # whose forward was not called: the decoder must not need that
    expect_network(student, model, model.decoder, (sizes.latents,), layers=4)
    expect_network(student, other, other.decoder, (15,), layers=4, crowd=True)
    expect_saturated(model.decoder, sizes.latents)
    heads = {model.mu_layer: (H,), model.logvar_layer: (H,)}
    expect_apart(model.decoder, {model.encoder: (1, 28, 28), **heads, other.decoder: (15,)})
