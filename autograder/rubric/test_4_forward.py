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
        torch.manual_seed(0); x_hat, mu, logvar = model(x)
        torch.manual_seed(0); z, h = reparametrize(mu, logvar), model.encoder(x)
        off = x_hat - model.decoder(z), mu - model.mu_layer(h), logvar - model.logvar_layer(h)
        print(*(t.abs().max() < 1e-5 for t in off), not x_hat.equal(model(x)[0]))  # expected: True, True, True, True
        for t in (x_hat, mu, logvar):  # expected: (3, 1, 28, 28), 6, (3, 15), 6, (3, 15), 6
            print(t.shape, len(torch.autograd.grad(t.sum(), model.encoder.parameters(), retain_graph=True)))
    """
    expect_composition(VAEForward(student, sizes))
