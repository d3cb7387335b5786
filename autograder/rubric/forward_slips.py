"""What forward might do in place of the right thing to z and to the decoder's image, with the words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[Tensor], Tensor]

__all__ = ["IMAGE_SLIPS", "latent_slips"]

IMAGE_SLIPS: dict[str, Function] = {
    "x_hat went through a sigmoid again": torch.sigmoid,
    "x_hat were inverted: 1 - x_hat": lambda x: 1 - x,
    "x_hat were rounded": torch.round,
    "x_hat were scaled to -1 ... 1": lambda x: 2 * x - 1,
    "x_hat were scaled to 0 ... 255": lambda x: 255 * x,
    "the images of the batch were in another order": lambda x: x.roll(1, 0),
    "the images of the batch were in another order (shifted back)": lambda x: x.roll(-1, 0),
    "the images of the batch were in reverse order": lambda x: x.flip(0),
}


def latent_slips(mu: Tensor, logvar: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """Compute the latents (N, Z) that known slips would give in the place of mu + exp(logvar / 2) * eps."""
    deviation = torch.exp(logvar / 2)
    return {
        "the decoder gets mu: z is not random": mu,
        "sigma is exp(logvar), the variance": mu + torch.exp(logvar) * eps,
        "reparametrize gets the variance, not logvar": mu + torch.exp(logvar.exp() / 2) * eps,
        "reparametrize gets the standard deviation, not logvar": mu + torch.exp(deviation / 2) * eps,
        "reparametrize gets half of logvar": mu + torch.exp(logvar / 4) * eps,
        "reparametrize gets mu in place of logvar": mu + torch.exp(mu / 2) * eps,
        "mu and logvar are swapped in the call of reparametrize": logvar + torch.exp(mu / 2) * eps,
        "the decoder gets the noise alone": eps,
        "sigma is 1: logvar is not used": mu + eps,
    }
