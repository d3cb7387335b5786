"""Judging forward's noise where it does not follow the seed: recovered from x_hat, by its distribution."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.composer import fitted
from autograder.rubric.expect import as_three, close, expect_shape, show
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.mistake import Mistake
from autograder.rubric.noise import (
    correlation,
    expect_everywhere,
    expect_fresh,
    expect_moments,
    expect_no_trace,
    expect_own_spread,
)
from autograder.rubric.oracle import is_matrix

if TYPE_CHECKING:
    from autograder.part import Model
    from autograder.rubric.forwards import VAEForward

__all__ = ["FreeNoise"]

# Two right draws are never so alike: of 30 numbers, a correlation of 0.95 comes once in 10^15 pairs; of fewer, a higher
# one does. Of a pixel, rounding is a tenth of SAME.
ALIKE, NEVER, SAME = 0.95, -15, 1e-5
QUIET = -40.0  # a logvar whose sigma of 2e-9 float32 does not see
SAME_IMAGE = 1e-4
# Of so many images, the mean square of the distance is within this share of the right one: 8 standard errors or more.
MANY, SPREAD = 512, 0.3
FAR = 8  # from where on a latent's pixel, in float32, does not tell it well


class FreeNoise:
    """Forward's noise where it does not follow the seed: recovered from x_hat, and judged by its distribution."""

    def __init__(self, forward: VAEForward, when: str, c: Tensor, model: Model) -> None:
        """Judge nothing yet.

        when, c, model: the case in which x_hat was not the composition's: its words, classes and model
        """
        self.forward, self.when, self.own = forward, when, model
        self.number, self.own_classes = c.shape
        self.classes = forward.sizes.classes
        self.is_odd = False  # whether the decoder is of another make than the right one
        self.latents, self.images = 2 * oracle.any_number(60, 75), 2 * oracle.any_number(1000, 1200)

    def check(self, own_latents: int, *, training: bool) -> None:
        """Expect noise that is standard normal and fresh for every element and call."""
        # At the case's own sizes there are too few numbers for more than a look; the case needs its weights again.
        self.hand_on(self.forward.furnish(self.own, self.own_classes), own_latents, self.own_classes)
        eps, *_ = self.recover(self.own, self.number, own_latents, self.own_classes)
        if not float(eps.abs().max()) < 8:
            raise Mistake("the decoder does not get a z drawn from mu and logvar.")
        self.forward.furnish(self.own, self.own_classes)
        model = self.forward.furnish(self.forward.make(self.latents, self.classes), self.classes)
        model.train(training)
        self.hand_on(model, self.latents, self.classes)
        eps, mu, _ = self.recover(model, self.number, self.latents, self.classes)
        expect_no_trace(eps, mu)
        if training in self.forward.noise_judged:  # it takes long where forward goes image by image
            return
        eps, mu, logvar = self.recover(model, self.images, self.latents, self.classes, calls=1)
        expect_fresh(eps)
        expect_moments(eps, "(z - mu) / sigma should be standard normal noise")
        expect_no_trace(eps, mu)
        expect_own_spread(eps, logvar)
        expect_everywhere(eps)
        self.forward.noise_judged.add(training)

    def is_right_without_decoder(self) -> bool:
        """Tell whether forward does right as far as a wrong decoder lets it be seen: z cannot be read off its images.

        Where sigma is next to nothing, x_hat must be the image of mu. Else it must be as far from that as images of z
        are, on average.
        """
        with contextlib.suppress(Mistake, UnjudgedError, *UNANSWERED):
            model = self.forward.furnish(self.own, self.own_classes)
            heads = model.logvar_layer.parameters()
            model.logvar_layer.assign(
                [torch.full(p.shape or (), 0.0 if is_matrix(p.shape or ()) else QUIET) for p in heads]
            )
            x_hat, image, z = self.decoded(model, self.number)
            quiet = close(x_hat, image, SAME_IMAGE) and close(z, image, SAME_IMAGE)
            x_hat, image, z = self.decoded(self.forward.furnish(self.own, self.own_classes), MANY)
            found, due = (float((t - image).double().square().mean()) for t in (x_hat, z))
            return quiet and due > 0 and abs(found / due - 1) < SPREAD
        return False

    def decoded(self, model: Model, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return forward's x_hat for so many images, and what its decoder makes of their mu and of a z drawn here."""
        x, c = oracle.images(number), oracle.one_hot(number, self.own_classes)
        x_hat, mu, logvar = as_three(model.ask(*self.forward.arguments(x, c)), f"{self.forward.name}.forward")
        z = mu + torch.exp(logvar / 2) * torch.randn(mu.shape)
        image, other = (fitted(model.decoder(self.forward.to_decoder(t, c)), x_hat) for t in (mu, z))
        return x_hat, image, other

    def wrong_alone(self) -> str:
        """Tell what is wrong with the noise that reparametrize itself gives, where it follows no seed."""
        mu, logvar = torch.randn(2, self.images, self.latents)
        with contextlib.suppress(*UNANSWERED):
            z, again = (self.forward.student.reparametrize(mu, logvar, seed=1) for _ in range(2))
            if close(z, again):
                return ""
            try:
                expect_shape("z", z, mu.shape)
                eps = (z.double() - mu) * torch.exp(-logvar.double() / 2)
                expect_fresh(eps)
                expect_moments(eps, "(z - mu) / sigma should be standard normal noise")
            except Mistake as mistake:
                return str(mistake)
        return ""

    def expect_other(self, due: Tensor, x: Tensor, c: Tensor, seed: int) -> None:
        """Expect other noise than reparametrize's, since x_hat is another one: not nearly the same.

        What counts is the noise from where it first is another: of a draw of more numbers, or chunk by chunk, torch
        gives the same ones but for the last.

        due: what reparametrize draws under this seed, (N, Z); x, c: the case's images and classes
        """
        self.hand_on(self.forward.furnish(self.own, self.own_classes), due.shape[1], self.own_classes)
        pixels, mu, logvar = self.pixels(x, c, seed, due.shape[1])
        if not mu.shape == logvar.shape == due.shape == pixels.shape:
            return
        due = due.double()
        mu, std = mu.double(), torch.exp(logvar.double() / 2)
        found = (torch.logit(pixels) - mu) / std
        other = (pixels - torch.sigmoid(mu + std * due)).abs().flatten() > SAME
        first = int(other.nonzero()[0]) if other.any() else 0
        found, due = found.flatten()[first:], due.flatten()[first:]
        alike = correlation(found, due)
        # The correlation of n right numbers is above r with a probability below (1 - r^2)^((n - 1) / 2).
        chance = (len(due) - 1) / 2 * math.log10(max(1 - alike**2, 1e-300))
        if alike > ALIKE and chance < NEVER:
            size = float((found * due).sum() / (due * due).sum())
            off = abs(size - 1) > 0.005  # less may be rounding's, or the share of a few numbers
            if self.forward.name == "CVAE" and close(found, due, 1e-3):
                raise Mistake(
                    "the decoder gets the z that reparametrize draws. "
                    "Does it get another c, or is x_hat changed after it?"
                )
            raise Mistake(
                "the decoder gets nearly the z that reparametrize draws, and not quite, or x_hat is changed after it. "
                + (
                    f"The standard deviation of its noise is {size:.4g} times what it should be. "
                    if off
                    else ""
                )
                + "Is mu, logvar, sigma, z or x_hat clamped, scaled, squashed or rounded on the way?"
            )

    def expect_nothing_added(self, latents: int, x: Tensor, c: Tensor, seed: int) -> None:
        """Expect z, if it is not reparametrize's under the same seed, to be another one by its noise.

        x, c: the case's images and classes
        """
        self.hand_on(self.forward.furnish(self.own, self.own_classes), latents, self.own_classes)
        more = []
        for each in (seed, seed + 1):
            pixels, mu, logvar = self.pixels(x, c, each, latents)
            if not pixels.shape == mu.shape == logvar.shape:
                return
            z = self.forward.student.reparametrize(mu, logvar, seed=each).double()
            if z.shape != mu.shape:
                return
            found = torch.logit(pixels)
            more.append(torch.where(found.abs() < FAR, found - z, 0))
        one, other = more
        if close(one, other, 1e-3) and float(one.abs().max()) > 0.01:
            raise Mistake(
                "the decoder gets the z that reparametrize draws and something more, the same in each draw. "
                "Is something added to z, or is mu changed before it is drawn?"
            )

    def pixels(self, x: Tensor, c: Tensor, seed: int, latents: int) -> tuple[Tensor, Tensor, Tensor]:
        """Call forward; returns the pixels that the decoder hands on from z, (N, Z), mu and logvar."""
        answer = self.own.ask(*self.forward.arguments(x, c), seed=seed)
        x_hat, mu, logvar = as_three(answer, f"{self.forward.name}.forward")
        whole = x_hat.numel() == len(x) * 784
        return (x_hat.double().reshape(len(x), 784)[:, :latents] if whole else x_hat), mu, logvar

    def recover(
        self, model: Model, number: int, latents: int, classes: int, calls: int = 2
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Recover the noise for so many images; returns it, their mu and their logvar, each (N, Z), in float64.

        calls: how many there are, of which no two may give the same x_hat
        """
        x, c = oracle.images(number), oracle.one_hot(number, classes)
        arguments = self.forward.arguments(x, c)
        answers = [as_three(model.ask(*arguments), f"{self.forward.name}.forward") for _ in range(calls)]
        due = ((number, 1, 28, 28), (number, latents), (number, latents))
        for x_hat, *others in answers:  # at once: numbers of shapes that do not fit could fill the memory
            if x_hat.numel() != number * 784 or [tuple(t.shape) for t in others] != [*due[1:]]:
                shapes = ", ".join(show(t.shape) for t in (x_hat, *others))
                raise Mistake(
                    f"for {latents} latents it returns tensors of the shapes {shapes};"
                    f" expected {', '.join(map(show, due))}."
                )
        x_hat, mu, logvar = answers[0]
        if any(close(x_hat, again) for again, _, _ in answers[1:]):
            raise Mistake(
                "two calls give the same x_hat: is there no noise in z, is a seed set, or is z kept from an earlier "
                "call?"
            )
        inputs = latents + (classes if self.forward.name == "CVAE" else 0)
        given = torch.logit(x_hat.double().reshape(number, 784))
        if not close(given[:, inputs:], torch.zeros(number, 784 - inputs)):
            raise Mistake("x_hat is not what the decoder gives, or the decoder does not get z.")
        if not close(given[:, latents:inputs], c.double()[:, : inputs - latents], 1e-3):
            raise Mistake("the decoder does not get the class c after z, as it is.")
        mu, logvar = mu.double(), logvar.double()
        eps = (given[:, :latents] - mu) * torch.exp(-logvar / 2)
        if not torch.isfinite(eps).all():
            raise Mistake("the decoder does not get a z drawn from mu and logvar.")
        return eps, mu, logvar

    def hand_on(self, model: Model, latents: int, classes: int) -> None:
        """Give the decoder weights with which pixel i is the sigmoid of its i-th input. Raises Mistake."""
        parameters = model.decoder.parameters()
        layers = oracle.layers_of(parameters)
        inputs = latents + (classes if self.forward.name == "CVAE" else 0)
        chain = next(oracle.chains(layers, inputs, 4), [])
        if [layer.size_out for layer in chain] != [oracle.H] * 3 + [784] or len(parameters) != 2 * len(chain):
            self.is_odd = True
            raise Mistake(
                "it is something else under the same seed, and with other noise it cannot be compared, since its "
                f"decoder is not of the right make (row {self.forward.rows['decoder']})."
            )
        values = [torch.zeros(p.shape or ()) for p in parameters]
        both = torch.arange(2 * inputs)
        for number, layer in enumerate(chain):
            weight = torch.zeros(layer.size_out, layer.size_in)
            if number == 0:  # an input and its negative: one of them passes a ReLU
                weight[both, both % inputs] = torch.where(both < inputs, 1.0, -1.0)
            elif number < len(chain) - 1:
                weight[both, both] = 1.0
            else:
                weight[both % inputs, both] = torch.where(both < inputs, 1.0, -1.0)
            stored = weight.T.contiguous() if layer.transposed else weight
            values[layer.weight] = stored.view(values[layer.weight].shape)
        model.decoder.assign(values)
