"""A variational autoencoder and a conditional one, for 28 x 28 images of handwritten digits.

Shapes in the comments: N images in a batch, D = 1 * 28 * 28 = 784 pixels each, H = 400 hidden units,
Z latent dimensions, C classes.

[KW] D. P. Kingma and M. Welling, Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114
[SLY] K. Sohn, H. Lee and X. Yan, Learning Structured Output Representation using Deep Conditional
      Generative Models, NeurIPS 2015
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def hello_vae() -> None:
    """Print a greeting: the notebook calls this to see that it can import this file."""
    print("Hello from vae.py!")


class VAE(nn.Module):
    """A Gaussian encoder and a Bernoulli decoder, both with three hidden layers ([KW], appendix C)."""

    def __init__(self, input_size: int, latent_size: int = 15) -> None:
        """Make the layers.

        input_size: D, the number of pixels of an image
        latent_size: Z, the number of latent dimensions
        """
        super().__init__()
        self.input_size = input_size  # D
        self.latent_size = latent_size  # Z
        self.hidden_dim = 400  # H
        self.encoder = None
        self.mu_layer = None
        self.logvar_layer = None
        self.decoder = None

        # Section 1. The encoder turns images (N, 1, 28, 28) into features (N, H): flatten the image, then
        # three times a fully connected layer with a ReLU behind it. From these features mu_layer and
        # logvar_layer, one fully connected layer each, compute the posterior's parameters (N, Z).
        # TODO: write this part here

        # Section 2. The decoder turns latents (N, Z) into images (N, 1, 28, 28): three times a fully
        # connected layer with a ReLU behind it, a fourth fully connected layer with a sigmoid behind it,
        # and the pixels put back into the shape of an image.
        # TODO: write this part here

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode images, draw one latent vector for each and decode it.

        x: images (N, 1, 28, 28)
        Returns (x_hat, mu, logvar): reconstructions (N, 1, 28, 28), and the mean (N, Z) and the logarithm of
        the variance (N, Z) of the posterior q(z|x).
        """
        # Section 4. Use the layers from above and reparametrize from below.
        # TODO: write this part, in place of the next line
        raise NotImplementedError("Section 4: VAE.forward is still to be written")


class CVAE(nn.Module):
    """A VAE whose encoder and decoder are also told the class of the image ([SLY], section 4.1)."""

    def __init__(self, input_size: int, num_classes: int = 10, latent_size: int = 15) -> None:
        """Make the layers.

        input_size: D, the number of pixels of an image
        num_classes: C, the number of classes
        latent_size: Z, the number of latent dimensions
        """
        super().__init__()
        self.input_size = input_size  # D
        self.num_classes = num_classes  # C
        self.latent_size = latent_size  # Z
        self.hidden_dim = 400  # H
        self.encoder = None
        self.mu_layer = None
        self.logvar_layer = None
        self.decoder = None

        # Section 6. The encoder takes the flattened image and the one-hot class side by side, (N, D + C), so
        # it needs no Flatten of its own; otherwise it is the VAE's, and so are mu_layer and logvar_layer.
        # TODO: write this part here

        # The decoder takes the latents and the one-hot class side by side, (N, Z + C); otherwise it is the
        # VAE's.
        # TODO: write this part here

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode images and their classes, draw one latent vector for each and decode it with the class.

        x: images (N, 1, 28, 28)
        c: their classes, one-hot (N, C), as floating-point numbers or integers
        Returns (x_hat, mu, logvar): reconstructions (N, 1, 28, 28), and the mean (N, Z) and the logarithm of
        the variance (N, Z) of the posterior q(z|x, c).
        """
        # Join c to the flattened images, and later to the latents: z first, then c.
        # TODO: write this part, in place of the next line
        raise NotImplementedError("Section 6: CVAE.forward is still to be written")


def reparametrize(mu: Tensor, logvar: Tensor) -> Tensor:
    """Draw z from a Gaussian with a diagonal covariance, such that gradients reach mu and logvar.

    The noise eps ~ N(0, 1) is drawn apart from the parameters: z = mu + sigma * eps ([KW], section 2.4).

    mu: the Gaussian's mean (N, Z)
    logvar: the logarithm of its variance sigma^2 (N, Z)
    Returns z (N, Z).
    """
    # Section 3. Mind that logvar is the logarithm of the variance, not of the standard deviation.
    # TODO: write this part, in place of the next line
    raise NotImplementedError("Section 3: reparametrize is still to be written")


def loss_function(x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Compute the negative variational lower bound, averaged over the batch ([KW], equation 10).

    For one image it is the binary cross-entropy of the pixels, added up, plus the KL divergence of the
    posterior from N(0, 1), added up over the latent dimensions ([KW], appendix B).

    x_hat: reconstructions (N, 1, 28, 28), probabilities
    x: the images themselves (N, 1, 28, 28)
    mu, logvar: the posterior's mean and the logarithm of its variance (N, Z)
    Returns the loss, a tensor with one element and no dimensions.
    """
    # Section 5.
    # TODO: write this part, in place of the next line
    raise NotImplementedError("Section 5: loss_function is still to be written")
