"""4. Forward (1 point): encode, reparametrize, decode."""

from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.composition import VAEComposition


@number("4.1")
@weight(1)
def test_forward(student, sizes):
    """VAE.forward returns (x_hat, mu, logvar), made by the model's own encoder, layers, reparametrize and decoder"""
    VAEComposition(student, sizes).check()
