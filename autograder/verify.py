"""The verified loss: what a model's parameters are worth on test images, by the grader's own formulas.

The worker's word on its loss counts for nothing. A part that was found to be right is computed here, from its
parameters, in the grader's own network. Of any other part the worker is asked for its outputs; the noise is drawn
here all the same, and the loss is computed here.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.outcome import Raised, WrongKind
from autograder.rubric import oracle
from autograder.rubric.behaviour import CHAINS
from autograder.rubric.expect import as_three, close, show
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from autograder.part import Model, Parameter, Part

__all__ = ["LATENTS", "Loss", "Verifier"]

LATENTS = 15  # the notebook's
DRAWS = 2  # of the noise for each image
CHUNK = 500  # images at a time: what a network holds stays below 5 MB
PROBE = 8  # images by which the order of a part's layers is found


@dataclass(frozen=True)
class Loss:
    """A verified loss: its two terms, averaged over the images."""

    reconstruction: float
    divergence: float

    @property
    def total(self) -> float:
        """The negative variational lower bound."""
        return self.reconstruction + self.divergence


class Verifier:
    """Verifies one model, again and again while it is trained."""

    def __init__(
        self, model: Model, images: Tensor, classes: Tensor, seed: int, right: Collection[str]
    ) -> None:
        """Look at nothing yet.

        images, classes: test images (N, 1, 28, 28) and their classes, one-hot (N, 10), both float32
        seed: of the noise, which is the same each time: so losses differ by the parameters alone
        right: names of the parts that were found to be right
        """
        self.model, self.images, self.classes, self.seed = model, images, classes, seed
        self.right = right
        self.conditional = model.name == "CVAE"
        self.classes_first = False
        self.parts: dict[str, Part] = {
            "encoder": model.encoder,
            "mu_layer": model.mu_layer,
            "logvar_layer": model.logvar_layer,
            "decoder": model.decoder,
        }
        self.networks: dict[str, Network] = {}
        self.settled = False

    @property
    def asked(self) -> list[str]:
        """The parts that the worker is asked about."""
        return [name for name in self.parts if name not in self.networks]

    def look(self) -> Loss:
        """Take the model as it is now, and compute its loss. Raises Raised, WrongKind or Ended."""
        self.model.eval()
        if not self.settled:
            self.settle()
            self.settled = True
        for network in self.networks.values():
            network.fetch()
        generator = torch.Generator().manual_seed(self.seed)
        reconstruction, divergence = [], []
        for x, c in zip(self.images.split(CHUNK), self.classes.split(CHUNK), strict=True):
            mu, logvar = self.encode(x, c)
            divergence.append(oracle.divergences(mu, logvar).sum())
            for _ in range(DRAWS):
                noise = torch.randn(mu.shape, generator=generator)
                x_hat = self.decode(mu + torch.exp(logvar / 2) * noise, c)
                usable = bool(((x_hat >= 0) & (x_hat <= 1)).all())  # NaN is not
                reconstruction.append(
                    oracle.cross_entropies(x_hat, x).sum() if usable else torch.tensor(torch.nan)
                )
        count = len(self.images)
        return Loss(float(sum(reconstruction)) / (DRAWS * count), float(sum(divergence)) / count)

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mu and logvar (N, Z) of images (N, 1, 28, 28) and classes (N, 10)."""
        features = self.compute("encoder", self.join(x, c), (len(x), oracle.H))
        shape = (len(x), LATENTS)
        return self.compute("mu_layer", features, shape), self.compute("logvar_layer", features, shape)

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """Compute images (N, 1, 28, 28) from latents (N, Z) and classes (N, 10)."""
        inputs = torch.cat([z, c], 1) if self.conditional else z
        return self.compute("decoder", inputs, (len(z), 1, 28, 28))

    def join(self, x: Tensor, c: Tensor) -> Tensor:
        """Make the encoder's input."""
        if not self.conditional:
            return x
        return torch.cat([c, x.flatten(1)] if self.classes_first else [x.flatten(1), c], 1)

    def compute(self, name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Compute a part's output, here or there, in float32."""
        part = self.parts[name]
        if name in self.networks:
            y = self.networks[name].take(x)
            y = y.view(shape) if y.numel() == math.prod(shape) else y
        else:
            y = part(x.float())
        if y.shape[:1] != shape[:1] or (y.shape != shape and name != "encoder"):
            raise WrongKind(f"{part.name} gives shape {show(y.shape)}; expected {show(shape)}.")
        return y.float()

    def settle(self) -> None:
        """Find the order of the right parts' layers; a part in which there is none is asked about."""
        generator = torch.Generator().manual_seed(self.seed)
        x, c = self.images[:PROBE], self.classes[:PROBE]
        z = torch.randn(PROBE, LATENTS, generator=generator)
        features = torch.rand(PROBE, oracle.H, generator=generator)
        if self.conditional:
            self.classes_first = self.joins_classes_first(x, c)
        probes = {
            "encoder": (self.join(x, c), 3),
            "mu_layer": (features, 1),
            "logvar_layer": (features, 1),
            "decoder": (torch.cat([z, c], 1) if self.conditional else z, 4),
        }
        for name, (probe, length) in probes.items():
            if name in self.right:
                network = Network(self.parts[name], length, last=name == "encoder", image=name == "decoder")
                if network.agrees(probe):
                    self.networks[name] = network

    def joins_classes_first(self, x: Tensor, c: Tensor) -> bool:
        """Tell whether the CVAE puts the classes before the pixels: either is right."""
        try:
            _, mu, _ = as_three(self.model.ask(x, c), "CVAE.forward")
            found = self.model.mu_layer(self.model.encoder(torch.cat([c, x.flatten(1)], 1)))
        except (Mistake, Raised, WrongKind):
            return False
        return close(mu, found)


class Network:
    """A part in the grader's own arithmetic."""

    def __init__(self, part: Part, length: int, *, last: bool, image: bool) -> None:
        """Know nothing yet.

        length: how many layers it has
        last: whether a ReLU follows the last one
        image: whether a sigmoid does
        """
        self.part, self.length, self.last, self.image = part, length, last, image
        self.values: list[Tensor] = []
        self.chain: Sequence[oracle.Layer] = ()

    def agrees(self, x: Tensor) -> bool:
        """Find the layers' order in which they give what the part gives for x."""
        y = self.part(x)
        layers = oracle.layers_of(self.fetch())
        ways = oracle.chains(layers, x.flatten(1).shape[1], self.length)
        for chain in itertools.islice(ways, CHAINS):
            self.chain = chain
            if y.dim() and close(y.flatten(min(1, y.dim() - 1)), self(x.flatten(1))):
                return True
        return False

    def fetch(self) -> list[Parameter]:
        """Fetch the parameters as they are now."""
        rows = self.part.values()
        if self.values and [v.shape for _, v in rows] != [v.shape for v in self.values]:
            raise WrongKind(f"The parameters of {self.part.name} have other shapes than before training.")
        self.values = [value for _, value in rows]
        return [parameter for parameter, _ in rows]

    def take(self, x: Tensor) -> Tensor:
        """Compute what it gives for what another part gave, (N, *). Raises WrongKind where that does not fit."""
        flat = x.reshape(len(x), -1)
        if flat.shape[1] != (size := self.chain[0].size_in):
            raise WrongKind(
                f"{self.part.name} takes {size} numbers for each image; it is given {flat.shape[1]}."
            )
        return self(flat)

    def __call__(self, x: Tensor) -> Tensor:
        """Compute (N, size_in) -> (N, size_out), in single precision: three times as fast as in double."""
        y = oracle.network(x, self.chain, self.values, F.relu, last=self.last, dtype=torch.float32)
        return torch.sigmoid(y) if self.image else y
