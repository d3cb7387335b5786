"""What a model's parts give, called one by one: what its forward is compared with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import PARTS, UNANSWERED, Missing, WrongKind
from autograder.rubric import oracle
from autograder.rubric.conspiracy import Witness
from autograder.rubric.expect import close, show
from autograder.rubric.forwards import UnjudgedError

if TYPE_CHECKING:
    from autograder.part import Drawn, Model, Part
    from autograder.rubric.forwards import Join, VAEForward

__all__ = ["SAME", "Composed", "Composer", "fitted"]

# The same operations on the same numbers: only the batching of a matrix product may differ.
SAME = 1e-4


@dataclass(frozen=True, eq=False)
class Composed:
    """What the parts give, called one by one. z and x_hat are None where reparametrize fails."""

    join: Join
    mu: Tensor
    logvar: Tensor
    z: Tensor | None = None
    x_hat: Tensor | None = None
    broken: UnjudgedError | None = None  # how reparametrize failed
    negative: bool = False  # whether some of the encoder's features are


class Composer:
    """Calls a model's parts for some images."""

    def __init__(
        self, forward: VAEForward, model: Model, given: tuple[Tensor, Tensor], latents: int, seed: int
    ) -> None:
        """Call none yet.

        given: images (N, 1, 28, 28) and their classes (N, C)
        latents: how many there are
        seed: the one that forward gets
        """
        self.forward, self.model, self.latents, self.seed = forward, model, latents, seed
        self.x, self.c = given
        self.student = forward.student
        self.witness = Witness(forward, model)

    def compose_all(self) -> list[Composed]:
        """Compose in each way that the encoder can take. Raises UnjudgedError when it can take none."""
        composed: list[Composed] = []
        first: UnjudgedError | None = None
        for name, join in self.forward.joins.items():
            if name == "flat" and composed:
                continue
            try:
                composed.append(self.compose(join))
            except UnjudgedError as error:
                first = first or error
        if first and not composed:
            raise first
        return composed

    def compose(self, join: Join, *, rectify: bool = False) -> Composed:
        """Call the parts one by one, under the seed that forward gets. Raises UnjudgedError.

        rectify: put a ReLU behind the encoder
        """
        features, mu, logvar = self.encode(join(self.x, self.c), seed=self.seed, rectify=rectify)
        negative = bool((features < 0).any())
        if tuple(features.shape[:1]) != (len(self.x),):
            raise UnjudgedError("encoder", f"Of {len(self.x)} images it gives {show(features.shape)}.")
        if len(self.x) > 1 and all(t.dim() and bool((t == t[:1]).all()) for t in (mu, logvar)):
            # Whatever forward hands to such parts, it could not be told: weights that cannot be set, for one.
            why = "All images of a batch give the same mu and logvar, whatever weights are set."
            raise self.forward.blame(UnjudgedError("encoder", why))
        try:
            z = self.witness.note_noise(mu, logvar, finite(self.student.reparametrize(mu, logvar)))
        except UNANSWERED as error:
            if isinstance(error, Missing) and self.forward.finds_reparametrize(error):
                return self.compose(join, rectify=rectify)
            broken = self.odd(features, mu, logvar, error) or UnjudgedError("reparametrize", error)
            return Composed(join, mu, logvar, broken=broken)
        try:
            x_hat = self.decode(z)
        except UnjudgedError as error:
            if odd := self.odd(features, mu, logvar, error):
                raise odd from None
            if z.shape == mu.shape:
                raise
        else:
            if z.shape == mu.shape or x_hat.numel() == self.x.numel():
                return Composed(join, mu, logvar, z, x_hat, negative=negative)
        why = f"z has shape {show(z.shape)} for mu and logvar of shape {show(mu.shape)}."
        return Composed(join, mu, logvar, broken=UnjudgedError("reparametrize", why))

    def encode(
        self, given: Tensor, *, seed: int | None = None, rectify: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Call the encoder and the layers behind it; returns features, mu and logvar. Raises UnjudgedError.

        rectify: put a ReLU behind the encoder
        """
        part, note = "encoder", self.witness.note
        try:
            features = note("encoder", given, finite(self.model.encoder(given, seed=seed)))
            if rectify:
                features = torch.relu(features)
            part = "mu_layer"
            mu = note("mu_layer", features, finite(self.model.mu_layer(features)))
            part = "logvar_layer"
            logvar = note("logvar_layer", features, finite(self.model.logvar_layer(features)))
        except UNANSWERED as error:
            # Features of another size are the encoder's fault, whoever fails at them.
            fits = part == "encoder" or tuple(features.shape) == (len(given), oracle.H)
            raise UnjudgedError(part if fits else "encoder", error) from None
        return features, mu, logvar

    def rewritten(self) -> str:
        """Name a part whose weights are others behind a call of forward, and not behind one of its own; "" for none."""
        parts: list[Part] = [getattr(self.model, name) for name in PARTS]
        given = [(part, part.drawn) for part in parts if part.drawn]
        with contextlib.suppress(*UNANSWERED):
            for part, drawn in given:
                part.redraw(drawn)
            self.model.ask(*self.forward.arguments(self.x, self.c))
            for part, drawn in given:
                if not holds(part, drawn):
                    part.redraw(drawn)
                    layers = oracle.layers_of(part.known)
                    with contextlib.suppress(*UNANSWERED):
                        part.ask(torch.rand(2, layers[0].size_in) if layers else self.x)
                    if holds(part, drawn):
                        return part.name
        return ""

    def expect_rest(self) -> None:
        """Expect each part to give the same result for the same input and seed. Raises UnjudgedError."""
        given = next(iter(self.forward.joins.values()))(self.x, self.c)
        with contextlib.suppress(*UNANSWERED):
            features = self.model.encoder(given, seed=self.seed)
            z = torch.randn(len(self.x), self.latents)
            for name, taken in (
                ("encoder", given),
                ("mu_layer", features),
                ("logvar_layer", features),
                ("decoder", self.forward.to_decoder(z, self.c)),
            ):
                part = getattr(self.model, name)
                once = part(taken, seed=self.seed)
                part(taken / 2)  # some remember the call before
                if not close(once, part(taken, seed=self.seed), 1e-6):
                    why = "Called twice, with the same input and seed, it gives two results."
                    raise UnjudgedError(name, why, changes=True)
            for result in self.witness.results:
                part = getattr(self.model, result.name)
                if part.drawn is result.drawn.get(result.name):  # with the weights that it had then
                    one, other = (part(result.given, seed=self.seed + i) for i in range(2))
                    if close(one, other, 1e-6) and not close(one, result.found, SAME):
                        why = "Called again with the same input, it gives something else than at first."
                        raise UnjudgedError(result.name, why, changes=True)

    def odd(self, features: Tensor, mu: Tensor, logvar: Tensor, why: Exception) -> UnjudgedError | None:
        """Blame the first part that gives something of another shape than it should, or numbers far too large."""
        number, latents = len(self.x), self.latents
        shapes = {
            "encoder": (features, (number, oracle.H)),
            "mu_layer": (mu, (number, latents)),
            "logvar_layer": (logvar, (number, latents)),
        }
        for part, (given, due) in shapes.items():
            if tuple(given.shape) != due:
                return UnjudgedError(part, str(why))
        # A sigma of exp(50) is too much for a decoder, one of exp(89) for float32.
        for part, given, most in (("logvar_layer", logvar, 100), ("mu_layer", mu, 1e20)):
            if (largest := float(given.abs().max())) > most:
                words = f"What it gives for the encoder's features reaches {largest:.3g}: no decoder can take that z."
                return UnjudgedError(part, words, excess=largest)
        return None

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Call the decoder, with other classes where they are given. Raises UnjudgedError."""
        try:
            given = self.forward.to_decoder(z, self.c if c is None else c)
            return self.witness.note("decoder", given, finite(self.model.decoder(given)))
        except UNANSWERED as error:
            raise UnjudgedError("decoder", error) from None

    def made(self, right: Composed, seed: int | None = None) -> Tensor:
        """Make x_hat of the same mu and logvar with the student's reparametrize and decoder."""
        return self.decode(self.student.reparametrize(right.mu, right.logvar, seed=seed))


def holds(part: Part, drawn: Drawn) -> bool:
    """Tell whether a part has the weights that it was given."""
    found = [value for _, value in part.values()]
    return len(found) == len(drawn.values) and all(map(close, found, drawn.values))


def finite(tensor: Tensor) -> Tensor:
    """Check that a part gives something that forward can be compared with."""
    if not torch.isfinite(tensor).all():
        raise WrongKind("It returns NaN or infinite values.")
    if tensor.dtype != torch.float32:
        raise WrongKind(f"It returns numbers of type {tensor.dtype}, which the next part cannot take.")
    return tensor


def fitted(image: Tensor, like: Tensor) -> Tensor:
    """Give an image the shape of another where it has as many pixels: forward may shape what the decoder gives.

    That the decoder itself gives images is row 2.1's, or 6.2's.
    """
    return image.view(like.shape) if image.numel() == like.numel() else image
