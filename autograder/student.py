"""The student's module, models and parts, as the rubric sees them: like local code, but each call is a question.

    model = student.VAE(784, 17)
    features = model.encoder(images)                    # tensors go over and come back
    mu = model.mu_layer(features)                       # what came back goes over as itself, gradients and all
    (biases,) = student.gradients([(mu, ones)], [model.encoder])

How a question can end is told in dialogue.py.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autograder import weights
from autograder.dialogue import Dialogue
from autograder.outcome import PARTS, WrongKind
from autograder.weights import is_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autograder.sandbox import Sandbox

MAX_PARAMETERS = 100  # tensors of a part; right ones have 8
MAX_ELEMENTS = 50_000_000  # of a parameter; right ones have 400,000
MAX_DIMENSIONS = 8  # of a parameter; right ones have 2

__all__ = ["Drawn", "Model", "Parameter", "Part", "Student", "as_tensor"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a part: its name there and its shape, None for a lazy layer before its first call."""

    name: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """The weights that were drawn for a part, or given to it."""

    parameters: list[Parameter]
    scales: list[float]
    seed: int = 0
    given: list[Tensor] | None = None  # the weights themselves, where they were not drawn from the seed
    order: int = field(default_factory=itertools.count().__next__)  # later ones have higher numbers

    @cached_property
    def numbers(self) -> list[Tensor]:
        """The numbers, in float32, before they are multiplied by the scales; not to be written to."""
        if self.given is not None:
            return self.given
        return weights.draw([p.shape or () for p in self.parameters], self.seed)

    @cached_property
    def values(self) -> list[Tensor]:
        """The weights, in float32."""
        return [numbers * scale for numbers, scale in zip(self.numbers, self.scales, strict=True)]


class Student:
    """One submission."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.dialogue = Dialogue(sandbox)
        self.models: dict[tuple[int, str], Model] = {}  # by worker and sizes: making one takes a while

    def has_ended(self) -> bool:
        """Tell whether a worker has ended in this grading so far, for whatever reason."""
        return self.dialogue.generation > 1 or self.dialogue.ended is not None

    def VAE(  # noqa: N802 - the student's own name
        self, input_size: int, latent_size: int, *, by_position: bool = False
    ) -> Model:
        """Make a VAE, with both sizes by position where asked for."""
        return self.make("VAE", by_position=by_position, input_size=input_size, latent_size=latent_size)

    def CVAE(self, input_size: int, num_classes: int, latent_size: int) -> Model:  # noqa: N802
        """Make a CVAE."""
        return self.make("CVAE", input_size=input_size, num_classes=num_classes, latent_size=latent_size)

    def make(self, name: str, *, by_position: bool = False, **sizes: int) -> Model:
        """Make a model of the student's class, or return the one of these sizes that the worker has already.

        Rows give a model its weights and its mode anew, so they may share it.
        """
        written = (str(value) if by_position else f"{key}={value}" for key, value in sizes.items())
        what = f"{name}({', '.join(written)})"
        known = self.models.get((self.dialogue.generation, what)) if self.dialogue.worker else None
        if known:
            return known
        # As the notebook does: the number of pixels by position, the others mostly by name.
        first = len(sizes) if by_position else 1
        args, named = list(sizes.values())[:first], dict(list(sizes.items())[first:])
        made = self.dialogue.ask(what, "make", name=name, args=args, named=named)
        if not isinstance(made, dict) or "model" not in made:
            raise WrongKind(f"{what} gave no model.")
        model = self.models[self.dialogue.generation, what] = Model(self.dialogue, name, made["model"])
        return model

    def begin_training(self, name: str, data: Path, seed: int, device: str, **sizes: int) -> Model:
        """Make a model that is to be trained on a file of images, which the worker can read."""
        made = self.dialogue.ask(
            f"{name}(...)", "begin_training", name=name, named=sizes, data=str(data), seed=seed, device=device
        )
        if not isinstance(made, dict) or "model" not in made:
            raise WrongKind(f"{name}(...) gave no model.")
        return Model(self.dialogue, name, made["model"])

    def train(self, steps: int, seconds: float) -> tuple[list[float], list[str], list[float]]:
        """Train the model that was made for it, for so many steps or seconds, whichever is over first.

        Returns the student's loss at each step; the names of parameters that got no gradient at the first one;
        and where the last loss is no number: whether the parameters, mu, logvar and x_hat are, 0 or 1 each,
        and the largest logvar and x_hat.
        """
        answer = self.dialogue.ask("Training", "train", steps=steps, seconds=seconds)
        try:
            losses, idle, breakdown = answer
            values = losses.double().tolist()
            if losses.dim() == 1 and 0 < len(values) <= steps and len(breakdown) in (0, 6):
                return values, [str(name) for name in idle], [float(value) for value in breakdown]
        except (AttributeError, OverflowError, TypeError, ValueError):
            pass
        raise WrongKind("What came back is no account of a training.")

    def reparametrize(
        self, mu: Tensor, logvar: Tensor, *, seed: int | None = None, learning: bool = True
    ) -> Tensor:
        """Call the student's reparametrize, with the generators seeded first where a seed is given.

        learning: False for a call under torch.no_grad()
        """
        return self.call("reparametrize", mu, logvar, seed=seed, learning=learning)

    def loss_function(self, x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Call the student's loss_function."""
        return self.call("loss_function", x_hat, x, mu, logvar)

    def call(self, name: str, *args: Tensor, seed: int | None = None, learning: bool = True) -> Tensor:
        """Call a function of the student's that should return a tensor."""
        more = {} if learning else {"learning": False}
        answer = self.dialogue.ask(
            f"{name}(...)", "call", model=None, path=[name], args=args, seed=seed, **more
        )
        return as_tensor(answer, f"{name}(...)")

    def put(self, tensor: Tensor, like: str = "linear") -> Tensor:
        """Hand a tensor over to stay: each call that gets it gets the same one.

        like: what it could have come from: a "linear" layer, or a "sigmoid", which needs it (numbers above 0) unchanged
            for its gradient; or "data", that gradients do not reach
        """
        mine = tensor.clone()
        answer = self.dialogue.ask("put", "put", value=mine, like=like)
        if not isinstance(answer, dict) or "slot" not in answer:
            raise WrongKind("A tensor that was handed over did not arrive.")
        return self.dialogue.hold(mine, answer["slot"])

    def join(self, *tensors: Tensor) -> Tensor:
        """Join tensors (N, *) side by side in the worker, so that gradients pass through."""
        return as_tensor(self.dialogue.ask("torch.cat", "join", values=tensors), "torch.cat")

    def look(self, tensor: Tensor) -> Tensor:
        """Look at a tensor that the worker holds: the student's code may have changed it since."""
        slot = self.dialogue.slot(tensor)
        return as_tensor(self.dialogue.ask("look", "look", slot=slot), "a tensor")

    def gradients(
        self, outputs: Sequence[tuple[Tensor, Tensor]], wrt: Sequence[Tensor | Part]
    ) -> list[list[Tensor | None]]:
        """Compute the gradients of the sum of <output, direction> over the pairs given.

        wrt: tensors that were put or returned, and parts, which stand for their biases (vectors)
        Returns a list for each: one gradient for a tensor, one per bias for a part; None where there is no dependence.
        """
        slots = [self.dialogue.slot(item) for item in wrt if isinstance(item, Tensor)]
        parts = [item for item in wrt if not isinstance(item, Tensor)]
        found = self.derive("gradients", outputs, parts, slots=slots)
        if (
            not isinstance(found, list)
            or len(found) != len(wrt)
            or not all(isinstance(g, list) for g in found)
        ):
            raise WrongKind("The gradients that came back are not those asked for.")
        of_tensors, of_parts = iter(found[: len(slots)]), iter(found[len(slots) :])
        ordered = [next(of_tensors if isinstance(item, Tensor) else of_parts) for item in wrt]
        for item, gradients in zip(wrt, ordered, strict=True):
            if len(gradients) != 1 if isinstance(item, Tensor) else not item.has_biases(len(gradients)):
                raise WrongKind("The gradients that came back are not those asked for.")
        return [
            [None if g is None else as_tensor(g, "a gradient") for g in gradients] for gradients in ordered
        ]

    def derive(
        self, verb: str, outputs: Sequence[tuple[Tensor, Tensor]], parts: Sequence[Part], **more: Any
    ) -> Any:
        """Ask about the gradients of the sum of <output, direction> over the pairs given."""
        for part in parts:
            self.dialogue.expect_alive(part.generation)
        return self.dialogue.ask(
            "backward()",
            verb,
            of=[self.dialogue.slot(output) for output, _ in outputs],
            along=[direction for _, direction in outputs],
            parts=[[part.model, part.path] for part in parts],
            **more,
        )

    def reach(self, outputs: Sequence[tuple[Tensor, Tensor]], parts: Sequence[Part]) -> list[list[float]]:
        """Compute the lengths of the gradients of the sum of <output, direction>, for each parameter of each part."""
        lengths = self.derive("reach", outputs, parts)
        try:
            found = [[float(length) for length in each] for each in lengths]
        except (OverflowError, TypeError, ValueError):
            found = []
        if len(found) != len(parts):
            raise WrongKind("The gradients that came back are not those asked for.")
        return found


class Part:
    """A model of the student's, or a part of one such as its encoder."""

    def __init__(self, dialogue: Dialogue, name: str, model: int, path: list[str]) -> None:
        self.dialogue = dialogue
        self.name = name
        self.model = model
        self.path = path
        self.known: list[Parameter] = []  # as they were listed last
        self.drawn: Drawn | None = None  # what they hold now
        self.generation = dialogue.generation  # the worker that has it

    def question(self, what: str, verb: str, **arguments: Any) -> Any:
        """Ask about the part. Where the worker that had it ended, raises that again: the next one has it not."""
        self.tell(what, verb, **arguments)
        return self.dialogue.hear()

    def tell(self, what: str, verb: str, **arguments: Any) -> None:
        """Do the same where the answer says nothing, and do not wait for it."""
        self.dialogue.expect_alive(self.generation)
        self.dialogue.tell(what, verb, model=self.model, **arguments)

    def __call__(self, *args: Tensor, seed: int | None = None) -> Tensor:
        """Call the part, seeded first where a seed is given, and expect a tensor."""
        return as_tensor(self.ask(*args, seed=seed), f"{self.name}(...)")

    def ask(self, *args: Tensor, seed: int | None = None, learning: bool = True) -> Any:
        """Call the part, whatever it returns. learning: False for a call under torch.no_grad()."""
        more = {} if learning else {"learning": False}
        return self.question(f"{self.name}(...)", "call", path=self.path, args=args, seed=seed, **more)

    def parameters(self) -> list[Parameter]:
        """List the part's parameters, in their own order."""
        rows = self.listed(values=False)
        try:
            self.known = [
                Parameter(str(name), None if shape is None else as_shape(shape)) for name, shape, _ in rows
            ]
        except (TypeError, ValueError):
            raise self.no_layer(rows) from None
        return self.known

    def listed(self, *, values: bool) -> Any:
        """Ask for the part's parameters, and expect no more than can be looked through."""
        rows = self.question(self.name, "parameters", path=self.path, values=values)
        if isinstance(rows, list) and len(rows) > MAX_PARAMETERS:
            raise WrongKind(f"{self.name} has {len(rows)} parameters' tensors, far more than a right one.")
        return rows

    def no_layer(self, rows: object) -> WrongKind:
        """Word that the part is something else.

        rows: in place of its parameters, the name of its type, and of a tuple's or a list's items' types
        """
        kind, *items = (
            [str(row)[:80] for row in rows] if isinstance(rows, list) and rows else ["something else"]
        )
        hint = ""
        if kind in ("list", "tuple") and len(items) > 1:
            hint = " Is nn.Sequential missing before its brackets?"
        elif kind == "tuple":
            hint = " Is there a comma behind it?"
        elif kind == "type":
            hint = " That is a class: are brackets () missing behind it?"
        return WrongKind(f"{self.name} is no layer (an nn.Module), but: {kind}.{hint}")

    def has_biases(self, number: int) -> bool:
        """Tell whether the part has so many vectors, by the last list of them or by a new one."""
        return count_biases(self.known) == number or count_biases(self.parameters()) == number

    def values(self) -> list[tuple[Parameter, Tensor]]:
        """List the part's parameters with their values."""
        rows = self.listed(values=True)
        try:
            found = [
                (Parameter(str(name), as_shape(shape)), as_tensor(value, name)) for name, shape, value in rows
            ]
        except (TypeError, ValueError):
            raise self.no_layer(rows) from None
        if any(parameter.shape != tuple(value.shape) for parameter, value in found):
            raise WrongKind(f"The parameters of {self.name} have other shapes than they are said to have.")
        return found

    def draw(self, scales: Sequence[float]) -> Drawn:
        """Have the part's parameters, as they were listed last, drawn anew, normal with these standard deviations.

        Millions of numbers need not be sent where both sides can draw them (weights.draw).
        """
        return self.redraw(Drawn(self.known, [*scales], int(torch.randint(1, 2**31, ()))))

    def redraw(self, drawn: Drawn) -> Drawn:
        """Give the part's parameters numbers that were drawn for it, or given to it."""
        if drawn.given is None:
            self.tell(self.name, "draw", path=self.path, scales=drawn.scales, seed=drawn.seed)
        else:
            self.tell(self.name, "assign", path=self.path, values=drawn.given)
        self.drawn = drawn
        return drawn

    def assign(self, values: Sequence[Tensor]) -> None:
        """Give the part's parameters new values, in the order of parameters()."""
        self.redraw(Drawn(self.known, [1.0] * len(values), given=[*values]))


class Model(Part):
    """A model of the student's."""

    def __init__(self, dialogue: Dialogue, name: str, model: int) -> None:
        super().__init__(dialogue, name, model, [])
        self.encoder, self.mu_layer, self.logvar_layer, self.decoder = (
            Part(dialogue, f"{name}.{part}", model, [part]) for part in PARTS
        )
        self.forward_is_right = False  # until it has given what the weights of all parts give, in every case

    def renamed(self, names: Mapping[str, str]) -> Model:
        """Return the same model with some of its parts by the names that the student gave them."""
        model = Model(self.dialogue, self.name, self.model)
        for part, name in names.items():
            getattr(model, part).path = [name]
        return model

    def train(self, mode: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's own signature
        """Put the model into training mode, or with False into evaluation mode."""
        self.tell(f"{self.name}.train()", "mode", train=mode)

    def is_training(self) -> bool:
        """Tell whether the model is in training mode now."""
        return self.question(f"{self.name}.training", "modes") is True

    def eval(self) -> None:
        """Put the model into evaluation mode."""
        self.train(mode=False)


def count_biases(parameters: Sequence[Parameter]) -> int:
    """Count the parameters that are vectors."""
    return len([p for p in parameters if p.shape is not None and is_vector(p.shape)])


def as_shape(value: object) -> tuple[int, ...]:
    """Check that a liar's list is a shape."""
    if isinstance(value, list) and all(isinstance(n, int) and 0 <= n < 1 << 31 for n in value):
        if len(value) > MAX_DIMENSIONS:
            raise WrongKind(f"A parameter of {len(value)} dimensions has more than any right one.")
        if math.prod(value) > MAX_ELEMENTS:
            raise WrongKind(f"A parameter of shape {tuple(value)} is larger than any right one.")
        return tuple(value)
    raise ValueError(value)


def as_tensor(value: object, what: str) -> Tensor:
    """Check that an answer is a tensor. Raises WrongKind."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, WrongKind):
        raise WrongKind(f"{what} returned {value}, where a tensor of float32 is due.")
    if value is None:
        raise WrongKind(f"{what} returned None: is a return missing?")
    kind = (
        f"a tuple of {len(value)} values"
        if isinstance(value, list)
        else f"{type(value).__name__} {value!r}"[:80]
    )
    raise WrongKind(f"{what} returned {kind}, where a tensor is due.")
