"""4. Forward (1 point): encode, reparametrize, decode."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.composition import expect_composition
from autograder.rubric.forwards import VAEForward


@number("4.1")
@weight(1)
def test_forward(student, sizes):
    """VAE.forward returns (x_hat, mu, logvar), made by the model's own encoder, layers, reparametrize and decoder

    To see it in your notebook:

        m, x = VAE(784, 20), torch.rand(3, 1, 28, 28)
        torch.manual_seed(0); x_hat, mu, logvar = m(x)
        torch.manual_seed(0); z, h = reparametrize(mu, logvar), m.encoder(x)
        off = x_hat - m.decoder(z), mu - m.mu_layer(h), logvar - m.logvar_layer(h)
        print(*(t.norm() < 1e-4 for t in off), not m.eval()(x)[0].equal(m(x)[0]))  # expected: True, True, True, True
        for t in m(x[:1]):  # expected: (1, 1, 28, 28), 6, (1, 20), 6, (1, 20), 6
            print(t.shape, len(torch.autograd.grad(t.sum(), m.encoder.parameters(), retain_graph=True)))
    """
    expect_composition(VAEForward(student, sizes))
