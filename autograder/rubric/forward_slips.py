"""What forward might do in place of the right thing to mu, logvar, z and the decoder's image, with the words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric.expect import close
from autograder.rubric.slips import ACTIVATIONS, AFTER, INPUTS, clamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function = Callable[[Tensor], Tensor]

__all__ = [
    "IMAGE_SLIPS",
    "NOT_RANDOM",
    "followers",
    "input_slips",
    "latent_slips",
    "posterior_slips",
    "scaled",
]

NOT_RANDOM = "the decoder gets mu: z is not random"
CLEARLY = 1e-3  # by which a slip must differ to be known, ten times what may be rounding
IMAGE_SLIPS: dict[str, Function] = {
    "x_hat went through a sigmoid again": torch.sigmoid,
    "x_hat were inverted: 1 - x_hat": lambda x: 1 - x,
    "x_hat were rounded": torch.round,
    "x_hat were (x_hat + 1) / 2": lambda x: (x + 1) / 2,
    "x_hat were scaled to -1 ... 1": lambda x: 2 * x - 1,
    "x_hat were scaled to 0 ... 255": lambda x: 255 * x,
    "x_hat were the logits: what the sigmoid gets": torch.logit,
    "the images of the batch were in another order": lambda x: x.roll(1, 0),
    "the images of the batch were in another order (shifted back)": lambda x: x.roll(-1, 0),
    "the images of the batch were in reverse order": lambda x: x.flip(0),
}


def input_slips(x: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Give what known slips make of the images x (N, 1, 28, 28) before the encoder gets them."""
    for text, change in INPUTS.items():
        yield text.replace("the input", "x").removesuffix(" first"), change(x.flatten(1)).view_as(x)


def latent_slips(mu: Tensor, logvar: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """Compute the latents (N, Z) that known slips would give in the place of mu + exp(logvar / 2) * eps."""
    deviation = torch.exp(logvar / 2)
    return {
        NOT_RANDOM: mu,
        "z is mu + logvar, without any noise": mu + logvar,
        "z is mu + sigma, without any noise": mu + deviation,
        "z is mu * logvar, without any noise": mu * logvar,
        "sigma is exp(logvar), the variance": mu + torch.exp(logvar) * eps,
        "sigma is logvar itself": mu + logvar * eps,
        "sigma is logvar / 2": mu + logvar / 2 * eps,
        "reparametrize gets the variance, not logvar": mu + torch.exp(logvar.exp() / 2) * eps,
        "reparametrize gets the standard deviation, not logvar": mu + torch.exp(deviation / 2) * eps,
        "reparametrize gets half of logvar": mu + torch.exp(logvar / 4) * eps,
        "reparametrize gets mu in place of logvar": mu + torch.exp(mu / 2) * eps,
        "mu and logvar are swapped in the call of reparametrize": logvar + torch.exp(mu / 2) * eps,
        "the decoder gets the noise alone": eps,
        "sigma is 1: logvar is not used": mu + eps,
        "mu is added to z once more": 2 * mu + deviation * eps,
        "z goes through a ReLU": torch.relu(mu + deviation * eps),
        "z goes through a tanh": torch.tanh(mu + deviation * eps),
        "z goes through a sigmoid": torch.sigmoid(mu + deviation * eps),
        "z is scaled to length 1": torch.nn.functional.normalize(mu + deviation * eps),
        "z is averaged over the batch": (mu + deviation * eps).mean(0).expand_as(mu),
    }


def posterior_slips(found: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], same: float) -> list[str]:
    """Name the slips that make of the right mu and logvar, (N, Z) each, those that forward returns.

    same: the tolerance
    """
    (mu, logvar), (right_mu, right_logvar) = found, right
    if close(mu, right_logvar, same) and close(logvar, right_mu, same):
        return ["mu and logvar are returned in the wrong order, or mu_layer and logvar_layer are swapped."]
    if close(mu, right_logvar, same):
        return ["Your mu comes from logvar_layer."]
    if not close(mu, right_mu, same):
        return followed("mu", mu, right_mu, same)
    slips = {
        "it comes from mu_layer, not from logvar_layer": right_mu,
        "it is the variance: exp(logvar)": right_logvar.exp(),
        "it is the standard deviation: exp(logvar / 2)": (right_logvar / 2).exp(),
        "it is halved": right_logvar / 2,
    }
    named = [
        f"Your logvar looks wrong in this way: {text}."
        for text, slip in slips.items()
        if close(logvar, slip, same)
    ]
    return named or followed("logvar", logvar, right_logvar, same)


def followed(name: str, found: Tensor, right: Tensor, same: float) -> list[str]:
    """Name what makes of the numbers that a layer gives, (N, Z), those that forward returns."""
    slips = followers(right) if found.shape == right.shape and right.dim() == 2 else {}
    if names := [text for text, slip in slips.items() if alike(found, slip, same)]:
        if "ReLU" in names:  # ReLU6 and other clamps may give the same
            names = ["ReLU or another clamp at 0"]
        return [f"It looks as if {' or '.join(names[:3])} followed {name}_layer."]
    return clamps(name, found, right, same) or scaled("It", f"{name}_layer", found, right, same)


def followers(right: Tensor) -> dict[str, Tensor]:
    """Compute what known functions make of right numbers (N, *), as far as that is clearly something else."""
    functions = {"ReLU": torch.relu, **ACTIVATIONS, "a logarithm": torch.log, **AFTER}
    slips = {text: function(right) for text, function in functions.items() if text}
    return {text: slip for text, slip in slips.items() if not close(slip, right, CLEARLY)}


def alike(found: Tensor, slip: Tensor, same: float) -> bool:
    """Compare numbers of which some may be NaN, as the logarithms of negative ones are."""
    known = ~slip.isnan()
    return bool(known.any()) and torch.equal(known, ~found.isnan()) and close(found[known], slip[known], same)


def scaled(what: str, part: str, found: Tensor, right: Tensor, same: float) -> list[str]:
    """Tell where the numbers found are those of a part but for a factor."""
    if found.shape != right.shape or not right.any():
        return []
    factor = float((found * right).sum() / (right * right).sum())
    if factor and close(found, factor * right, same):
        return [f"{what} is {factor:.4g} times what {part} gives."]
    return []
