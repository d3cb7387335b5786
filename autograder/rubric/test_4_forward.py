"""4. Forward (1 point): encode, reparametrize, decode."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.composition import expect_composition
from autograder.rubric.forwards import VAEForward


@number("4.1")
@weight(1)
def test_forward(student, sizes):
    """VAE.forward returns (x_hat, mu, logvar), made by the model's own encoder, layers, reparametrize and decoder

    To see it in your notebook:

        model, x = VAE(784, 15), torch.rand(3, 1, 28, 28)
        x_hat, mu, logvar = model(x)
        print(x_hat.shape, mu.shape, logvar.shape)  # expected: (3, 1, 28, 28), (3, 15), (3, 15)
        print((mu - model.mu_layer(model.encoder(x))).abs().max().item())  # expected: 0
    """
    expect_composition(VAEForward(student, sizes))
