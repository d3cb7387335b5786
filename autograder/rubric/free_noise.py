"""Judging forward's noise where it does not follow the seed: recovered from x_hat, by its distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric import oracle
from autograder.rubric.expect import as_three, close, fail, show
from autograder.rubric.noise import expect_everywhere, expect_fresh, expect_moments, expect_no_trace

if TYPE_CHECKING:
    from autograder.rubric.expect import Mistake
    from autograder.rubric.forwards import VAEForward
    from autograder.student import Model

__all__ = ["FreeNoise"]


class FreeNoise:
    """Forward's noise where it does not follow the seed: recovered from x_hat, and judged by its distribution."""

    def __init__(self, forward: VAEForward, when: str, number: int, *, training: bool) -> None:
        """Judge nothing yet.

        when, number, training: the case in which x_hat was not the composition's: its words, images and mode
        """
        self.forward, self.when, self.number, self.training = forward, when, number, training
        self.classes = forward.sizes.classes
        self.latents, self.images = oracle.any_number(120, 150), oracle.any_number(2000, 2400)
        self.inputs = self.latents + (self.classes if forward.name == "CVAE" else 0)  # of the decoder

    def check(self) -> None:
        """Expect noise that is standard normal and fresh for every element and call."""
        model = self.forward.furnish(self.forward.make(self.latents, self.classes), self.classes)
        model.train(self.training)
        if not self.hand_on(model):
            raise self.unlike(
                "it cannot be compared: its noise follows no seed (row 3.1), and its decoder is not of the right make "
                f"(row {self.forward.rows['decoder']})."
            )
        eps, mu = self.recover(model, self.number)
        expect_no_trace(eps, mu)
        if self.training in self.forward.noise_judged:  # it takes long where forward goes image by image
            return
        eps, mu = self.recover(model, self.images)
        expect_fresh(eps)
        expect_moments(eps, "(z - mu) / sigma should be standard normal noise")
        expect_no_trace(eps, mu)
        expect_everywhere(eps)
        self.forward.noise_judged.add(self.training)

    def recover(self, model: Model, number: int) -> tuple[Tensor, Tensor]:
        """Recover the noise for so many images; returns it and their mu, both (N, Z), in float64."""
        x, c = oracle.images(number), oracle.one_hot(number, self.classes)
        arguments = self.forward.arguments(x, c)
        answers = [as_three(model.ask(*arguments), f"{self.forward.name}.forward") for _ in range(2)]
        due = ((number, 1, 28, 28), (number, self.latents), (number, self.latents))
        for (
            answer
        ) in answers:  # before anything is computed from them: shapes that do not fit can fill the memory
            if [t.numel() for t in answer] != [math.prod(shape) for shape in due]:
                shapes = ", ".join(show(t.shape) for t in answer)
                raise self.unlike(
                    f"for {self.latents} latents it returns tensors of the shapes {shapes};"
                    f" expected {', '.join(map(show, due))}."
                )
        (x_hat, mu, logvar), (again, _, _) = answers
        mu, logvar = mu.view(due[1]), logvar.view(due[2])
        if close(x_hat, again):
            raise self.unlike("two calls give the same x_hat. Is a seed set, or z kept from an earlier call?")
        given = torch.logit(x_hat.double().flatten(1))
        if self.forward.name == "CVAE" and not close(given[:, self.latents : self.inputs], c.double(), 1e-3):
            raise self.unlike("the decoder does not get the class c behind z, as it is.")
        eps = (given[:, : self.latents] - mu.double()) * torch.exp(-logvar.double() / 2)
        if not torch.isfinite(eps).all():
            raise self.unlike("the decoder does not get a z drawn from mu and logvar.")
        return eps, mu.double()

    def unlike(self, text: str) -> Mistake:
        """Word that x_hat is not the composition's."""
        return fail(
            f"{self.forward.name}.forward{self.when}: {text}",
            "x_hat should be decoder(reparametrize(mu, logvar)).",
        )

    def hand_on(self, model: Model) -> bool:
        """Give the decoder weights with which pixel i is the sigmoid of its i-th input.

        Returns False where it is not of the right make.
        """
        parameters = model.decoder.parameters()
        layers = oracle.layers_of(parameters)
        inputs = self.inputs
        chain = next(oracle.chains(layers, inputs, 4), None)
        if chain is None or [layer.size_out for layer in chain] != [oracle.H] * 3 + [784]:
            return False
        if len(parameters) != 2 * len(chain):
            return False
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
            values[layer.weight] = weight.T.contiguous() if layer.transposed else weight
        model.decoder.assign(values)
        return True
