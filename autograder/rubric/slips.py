"""What a part might compute in place of the right thing, with the words for it."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.rubric.counts import ORDINALS
from autograder.rubric.expect import close

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Function = Callable[[Tensor], Tensor]

__all__ = ["ACTIVATIONS", "AFTER", "COMMON", "ENDS", "INPUTS", "activation_text", "clamps"]

# In the place of ReLU; no name stands for nothing at all.
ACTIVATIONS: dict[str, Function] = {
    "": lambda x: x,
    "LeakyReLU with slope 0.01": lambda x: F.leaky_relu(x, 0.01),
    "LeakyReLU with slope 0.001": lambda x: F.leaky_relu(x, 0.001),
    "LeakyReLU with slope 0.1": lambda x: F.leaky_relu(x, 0.1),
    "LeakyReLU with slope 0.05": lambda x: F.leaky_relu(x, 0.05),
    "LeakyReLU with slope 0.3": lambda x: F.leaky_relu(x, 0.3),
    "LeakyReLU with slope 0.5": lambda x: F.leaky_relu(x, 0.5),
    "LeakyReLU with slope 0.2": lambda x: F.leaky_relu(x, 0.2),
    "LeakyReLU or PReLU with slope 0.25": lambda x: F.leaky_relu(x, 0.25),
    "nn.ReLU6": F.relu6,
    "a clamp to 0 ... 1": lambda x: x.clamp(0, 1),
    "nn.ELU": F.elu,
    "nn.SELU": F.selu,
    "nn.CELU with alpha 0.5": lambda x: F.celu(x, 0.5),
    "nn.GELU": F.gelu,
    "nn.GELU (tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "nn.SiLU": F.silu,
    "nn.Mish (it is no ReLU)": F.mish,
    "nn.Softplus": F.softplus,
    "nn.Hardswish": F.hardswish,
    "nn.Hardtanh": F.hardtanh,
    "nn.Hardsigmoid": F.hardsigmoid,
    "nn.Softsign": F.softsign,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "LogSigmoid": F.logsigmoid,
    "nn.Softshrink": F.softshrink,
    "nn.Hardshrink": F.hardshrink,
    "nn.Tanhshrink": F.tanhshrink,
    "the absolute value": torch.abs,
    "the square of ReLU": lambda x: F.relu(x) ** 2,
    "ReLU with the sign turned round": lambda x: F.relu(-x),
    "-ReLU": lambda x: -F.relu(x),
    "layer normalisation and ReLU": lambda x: F.relu(F.layer_norm(x, x.shape[1:])),
    "ReLU and layer normalisation": lambda x: F.layer_norm(F.relu(x), x.shape[1:]),
    "sin": torch.sin,
    "exp": torch.exp,
}
# The usual ones, of which all mixtures are tried.
COMMON: dict[str, Function] = {
    "ReLU": F.relu,
    "nothing": ACTIVATIONS[""],
    **{
        name: ACTIVATIONS[name]
        for name in (
            "LeakyReLU with slope 0.01",
            "LeakyReLU with slope 0.1",
            "LeakyReLU with slope 0.2",
            "nn.ELU",
            "nn.SELU",
            "nn.GELU",
            "nn.SiLU",
            "nn.Softplus",
            "Tanh",
            "Sigmoid",
        )
    },
}
# At the end of a decoder, in the place of the sigmoid, where one of these activations may be as well.
ENDS: dict[str, Function] = {
    "the Sigmoid at the end were missing": lambda x: x,
    "the Sigmoid at the end were applied twice": lambda x: torch.sigmoid(torch.sigmoid(x)),
    "there were a ReLU before the Sigmoid": lambda x: torch.sigmoid(F.relu(x)),
    "there were a scaled Tanh at the end, not a Sigmoid": lambda x: (torch.tanh(x) + 1) / 2,
    "there were a Softmax at the end, not a Sigmoid": lambda x: torch.softmax(x, 1),
    "there were a Softmax over each row of the image at the end, not a Sigmoid": (
        lambda x: torch.softmax(x.unflatten(1, (-1, 28)), 2).flatten(1)
    ),
    "there were a ReLU at the end, not a Sigmoid": F.relu,
    "there were a LogSoftmax at the end, not a Sigmoid": lambda x: F.log_softmax(x, 1),
    "the pixels were scaled to -1 ... 1 after the Sigmoid": lambda x: 2 * torch.sigmoid(x) - 1,
    "the pixels were scaled to 0 ... 255 after the Sigmoid": lambda x: 255 * torch.sigmoid(x),
    "the image were inverted: 1 - Sigmoid": lambda x: 1 - torch.sigmoid(x),
    "the pixels were rounded after the Sigmoid": lambda x: torch.sigmoid(x).round(),
    "the pixels of the image were in another order: transposed": lambda x: turned(torch.sigmoid(x), 1),
    "the pixels of the image were in another order: upside down": lambda x: turned(torch.sigmoid(x), 2),
    "the pixels of the image were in another order: mirrored": lambda x: turned(torch.sigmoid(x), 3),
    "the image were turned by 90 degrees": lambda x: turned(torch.sigmoid(x), 4),
    "the image were turned by 90 degrees clockwise": lambda x: turned(torch.sigmoid(x), 5),
}
# Done to the input first.
INPUTS: dict[str, Function] = {
    "the input were scaled to -1 ... 1 first": lambda x: 2 * x - 1,
    "the input were normalised with MNIST's mean and deviation first": lambda x: (x - 0.1307) / 0.3081,
    "the input were normalised first, each image for itself": lambda x: F.layer_norm(x, x.shape[1:]),
    "the input were divided by its own largest number first": lambda x: x / x.max(),
    "the input were divided by each image's largest number first": lambda x: x / x.amax(1, keepdim=True),
    "the input were stretched to 0 ... 1 first": lambda x: (x - x.min()) / (x.max() - x.min()),
    "the input were normalised with the batch's mean and deviation first": lambda x: (x - x.mean()) / x.std(),
    "each image's mean were subtracted first": lambda x: x - x.mean(1, keepdim=True),
    "the input were divided by 255 first": lambda x: x / 255,
    "the input were multiplied by 255 first": lambda x: x * 255,
    "the input were inverted (1 - x) first": lambda x: 1 - x,
    "the input were rounded first": torch.round,
    "the input went through a Sigmoid first": torch.sigmoid,
    "the input went through a ReLU first": F.relu,
    "the input went through a Tanh first": torch.tanh,
    "the input were scaled to unit length first": lambda x: F.normalize(x, dim=1),
    "the pixels of the image were in another order: transposed": lambda x: turned(x, 1),
}
# What might follow the last step of a part, as far as it is no activation.
AFTER: dict[str, Function] = {
    "a Softmax": lambda x: torch.softmax(x, 1),
    "a LogSoftmax": lambda x: F.log_softmax(x, 1),
    "a square": torch.square,
    "the logarithm of Softplus": lambda x: F.softplus(x).log(),
    "the logarithm of the absolute value": lambda x: x.abs().log(),
    "a layer normalisation": lambda x: F.layer_norm(x, x.shape[1:]),
    "a scaling to unit length": lambda x: F.normalize(x, dim=1),
    "a clamp to 0 ... 1": lambda x: x.clamp(0, 1),
    **{
        f"a clamp to -{end} ... {end}": partial(torch.clamp, min=-end, max=end)
        for end in (1, 5, 10, 20, 50, 100)
    },
}


def turned(x: Tensor, way: int) -> Tensor:
    """Turn flat images (N, 784): 1 transposed, 2 upside down, 3 mirrored, 4 and 5 by 90 degrees."""
    if x.shape[1] < 784:
        return x
    image = x[:, :784].reshape(-1, 28, 28)
    ways = (image.mT, image.flip(1), image.flip(2), image.rot90(1, (1, 2)), image.rot90(-1, (1, 2)))
    image = ways[way - 1]
    return torch.cat([image.flatten(1), x[:, 784:]], 1)


def activation_text(name: str, where: Sequence[int], places: int, *, last: bool) -> str:
    """Word that another activation, or none, stands in some of the places."""
    behind = (
        "" if len(where) == places else " after the " + " and ".join(ORDINALS[i] for i in where) + " Linear"
    )
    if behind and last and where[-1] == places - 1:
        behind += " (the last)"
    if name:
        return f"{name} took the place of ReLU{behind}"
    if not behind:
        return "all ReLUs were missing"
    if last and tuple(where) == (places - 1,):
        return f"the last ReLU,{behind}, were missing"
    return f"the ReLU{behind} were missing"


def clamps(name: str, found: Tensor, right: Tensor, same: float) -> list[str]:
    """Name the clamp that makes of the right numbers those that were found."""
    if not found.numel() or found.shape != right.shape:
        return []
    ends = float(found.min()), float(found.max())
    for low, high in itertools.product((None, ends[0]), (None, ends[1])):
        # To one number alone, that is no clamp.
        if (
            (low, high) != (None, None)
            and ends[0] < ends[1]
            and close(found, right.double().clamp(low, high), same)
        ):
            which = " and ".join(f"{end:.4g}" for end in (low, high) if end is not None)
            return [f"It looks as if {name} were clamped at {which}."]
    return []
