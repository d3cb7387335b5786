"""6. CVAE (3 points): the same with the class joined to the image and to the latents."""

from functools import partial

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.alone import are_right_alone
from autograder.rubric.composition import expect_composition
from autograder.rubric.counts import expect_count
from autograder.rubric.forwards import CVAEForward
from autograder.rubric.mistake import Mistake, noting, raise_all
from autograder.rubric.networks import expect_linear, expect_network, expect_saturated
from autograder.rubric.oracle import H
from autograder.rubric.places import HEADS
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

        model = CVAE(784, num_classes=10, latent_size=15)
        print(model)  # expected: encoder with three times Linear and ReLU; mu_layer and logvar_layer, one Linear each
        for n, k in ((784, 10), (345, 7)):  # expected: 638800, 462000
            print(sum(p.numel() for p in CVAE(n, num_classes=k, latent_size=15).encoder.parameters()))
        features = model.encoder(torch.rand(5, 794))
        print(features.shape, features.min().item())  # expected: (5, 400), 0.0
        print(model.mu_layer(features).shape, model.logvar_layer(features).shape)  # expected: (5, 15), (5, 15)
    """
    model, other = student.CVAE(784, sizes.classes, sizes.latents), student.CVAE(784, 10, 15)
    fresh = partial(
        student.CVAE, 784, 10, sizes.latents
    )  # its forward was not called: no part must need that
    mistakes: list[Mistake] = []
    with noting(mistakes):
        for pixels, classes, latents, hint in cases(sizes):
            encoder = student.CVAE(pixels, classes, latents).encoder
            expect_count(encoder, [(pixels + classes, H), (H, H), (H, H)], hint)
        shapes = {model: (784 + sizes.classes,), other: (784 + 10,)}
        if not are_right_alone("encoder", shapes):
            other = fresh()
            expect_network(student, model, model.encoder, shapes[model], layers=3)
            expect_network(student, other, other.encoder, (784 + 10,), layers=3, crowd=True)
            expect_apart(model.encoder, {other.encoder: (784 + 10,)})
    for name in HEADS:
        with noting(mistakes):
            for pixels, classes, latents, hint in cases(sizes):
                expect_count(getattr(student.CVAE(pixels, classes, latents), name), [(H, latents)], hint)
            expect_linear(student, model, name, sizes.latents, fresh)
            expect_linear(student, student.CVAE(784, 10, 15), name, 15, crowd=True)
    raise_all(mistakes)
    expect_two_layers(model)


@number("6.2")
@weight(1)
def test_cvae_decoder(student, sizes):
    """CVAE.decoder takes the latents and the class side by side and gives images (N, 1, 28, 28)

    To see it in your notebook:

        decoder = CVAE(784, num_classes=10, latent_size=15).decoder
        print(decoder)  # expected: three times Linear and ReLU, then Linear, Sigmoid and Unflatten
        for n, k in ((784, 10), (345, 7)):  # expected: 645584, 468345
            print(sum(p.numel() for p in CVAE(n, num_classes=k, latent_size=15).decoder.parameters()))
        x_hat = decoder(1000 * torch.randn(5, 25))
        print(x_hat.shape, x_hat.min().item(), x_hat.max().item())  # expected: (5, 1, 28, 28), 0.0, 1.0
    """
    for pixels, classes, latents, hint in cases(sizes):
        model = student.CVAE(pixels, classes, latents)
        expect_count(model.decoder, [(latents + classes, H), (H, H), (H, H), (H, pixels)], hint)
    other = student.CVAE(784, 10, 15)
    inputs = sizes.latents + sizes.classes
    if are_right_alone("decoder", {model: (inputs,), other: (15 + 10,)}):
        expect_saturated(model.decoder, inputs)
        return
    other = student.CVAE(
        784, 10, sizes.latents
    )  # whose forward was not called: the decoder must not need that
    expect_network(student, model, model.decoder, (inputs,), layers=4)
    expect_network(student, other, other.decoder, (sizes.latents + 10,), layers=4, crowd=True)
    expect_saturated(model.decoder, inputs)
    heads = {model.mu_layer: (H,), model.logvar_layer: (H,)}
    expect_apart(
        model.decoder, {model.encoder: (784 + sizes.classes,), **heads, other.decoder: (sizes.latents + 10,)}
    )


@number("6.3")
@weight(1)
def test_cvae_forward(student, sizes):
    """CVAE.forward(x, c) joins c to the image and to z, and returns (x_hat, mu, logvar) made by the model's parts

    To see it in your notebook:

        x, c = torch.rand(3, 1, 28, 28), torch.eye(7).long()[:3]; m = CVAE(784, num_classes=7, latent_size=20)
        torch.manual_seed(0); x_hat, mu, v = m(x, c)
        h = m.encoder(torch.cat([x.flatten(1), c], 1)); torch.manual_seed(0)  # or [c, x.flatten(1)], as in your forward
        d = x_hat - m.decoder(torch.cat([reparametrize(mu, v), c], 1)), mu - m.mu_layer(h), v - m.logvar_layer(h)
        print(*(t.norm() < 1e-4 for t in d), (m.eval()(x, c)[0] - m(x, c)[0]).any())  # expected: True, True, True, True
        for t in m(x[:1], c[:1]):  # expected: (1, 1, 28, 28), 6, (1, 20), 6, (1, 20), 6
            print(t.shape, len(torch.autograd.grad(t.sum(), m.encoder.parameters(), retain_graph=True)))
    """
    expect_composition(CVAEForward(student, sizes))
