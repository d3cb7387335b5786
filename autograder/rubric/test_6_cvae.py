"""6. CVAE (3 points): the same with the class joined to the image and to the latents."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.alone import are_right_alone
from autograder.rubric.behaviour import expect_linear, expect_network
from autograder.rubric.composition import expect_composition
from autograder.rubric.counts import expect_count
from autograder.rubric.expect import Mistake, noting, raise_all
from autograder.rubric.forwards import HEADS, CVAEForward
from autograder.rubric.oracle import H
from autograder.rubric.sharing import expect_apart, expect_two_layers


def cases(sizes):
    """List pixels, classes and latents, and where to look when only these are wrong."""
    return (
        (784, 10, 15, ""),
        (sizes.pixels, 10, 15, "It is right for 784 pixels: is 784 written into your code? Use input_size."),
        (
            784,
            sizes.classes,
            sizes.latents,
            "It is right for 10 classes and 15 latents: is 10 or 15 written into it?",
        ),
    )


@number("6.1")
@weight(1)
def test_cvae_encoder(student, sizes):
    """CVAE.encoder takes the image's pixels and the class side by side; its mu_layer and logvar_layer are right

    To see it in your notebook:

        encoder = CVAE(784, 10, 15).encoder
        print(sum(p.numel() for p in encoder.parameters()))  # expected: 638800
        features = encoder(torch.rand(5, 794))
        print(features.shape, features.min().item())  # expected: (5, 400), 0.0
    """
    model, other = student.CVAE(784, sizes.classes, sizes.latents), student.CVAE(784, 10, 15)
    mistakes: list[Mistake] = []
    with noting(mistakes):
        for pixels, classes, latents, hint in cases(sizes):
            encoder = student.CVAE(pixels, classes, latents).encoder
            expect_count(encoder, [(pixels + classes, H), (H, H), (H, H)], hint)
        shapes = {model: (784 + sizes.classes,), other: (784 + 10,)}
        if not are_right_alone("encoder", shapes):
            expect_network(student, model, model.encoder, shapes[model], layers=3)
            expect_network(student, other, other.encoder, shapes[other], layers=3, crowd=True)
            expect_apart(model.encoder, {other.encoder: shapes[other]})
    for name in HEADS:
        with noting(mistakes):
            for pixels, classes, latents, hint in cases(sizes):
                expect_count(getattr(student.CVAE(pixels, classes, latents), name), [(H, latents)], hint)
            expect_linear(student, model, getattr(model, name), H, sizes.latents)
            expect_linear(student, other, getattr(other, name), H, 15, crowd=True)
    raise_all(mistakes)
    expect_two_layers(model)


@number("6.2")
@weight(1)
def test_cvae_decoder(student, sizes):
    """CVAE.decoder takes the latents and the class side by side and gives images (N, 1, 28, 28)

    To see it in your notebook:

        decoder = CVAE(784, 10, 15).decoder
        print(sum(p.numel() for p in decoder.parameters()))  # expected: 645584
        print(decoder(torch.randn(5, 25)).shape)  # expected: (5, 1, 28, 28)
    """
    for pixels, classes, latents, hint in cases(sizes):
        model = student.CVAE(pixels, classes, latents)
        expect_count(model.decoder, [(latents + classes, H), (H, H), (H, H), (H, pixels)], hint)
    other = student.CVAE(784, 10, 15)
    if are_right_alone("decoder", {model: (sizes.latents + sizes.classes,), other: (15 + 10,)}):
        return
    expect_network(student, model, model.decoder, (sizes.latents + sizes.classes,), layers=4)
    expect_network(student, other, other.decoder, (15 + 10,), layers=4, crowd=True)
    heads = {model.mu_layer: (H,), model.logvar_layer: (H,)}
    expect_apart(model.decoder, {model.encoder: (784 + sizes.classes,), **heads, other.decoder: (15 + 10,)})


@number("6.3")
@weight(1)
def test_cvae_forward(student, sizes):
    """CVAE.forward(x, c) joins c to the image and to z, and returns (x_hat, mu, logvar) made by the model's parts

    To see it in your notebook:

        model, x, c = CVAE(784, 10, 15), torch.rand(3, 1, 28, 28), torch.eye(10)
        torch.manual_seed(0); one = model(x, c[:3])
        torch.manual_seed(0); other = model(x, c[3:6])
        print([t.shape for t in one])  # expected: (3, 1, 28, 28), (3, 15), (3, 15)
        print([(a - b).abs().max() > 0 for a, b in zip(one, other)])  # expected: True, True, True
    """
    expect_composition(CVAEForward(student, sizes))
