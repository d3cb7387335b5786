"""A model of the student's and its parts, as the rubric sees them: each call is a question.

features = model.encoder(images)
drawn = model.encoder.draw(scales)                  # new weights, which both sides draw alike
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor

from autograder import weights
from autograder.outcome import PARTS, WrongKind
from autograder.promise import as_it_is
from autograder.weights import is_vector
from autograder.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autograder.dialogue import Dialogue
    from autograder.promise import Promise

__all__ = ["Drawn", "Model", "Modes", "Parameter", "Part", "Path", "as_modes", "as_tensor"]

T = TypeVar("T")
Path: TypeAlias = "Sequence[str | int]"  # names of attributes; 0 and 1 are the halves of what a layer gives

MAX_PARAMETERS = 100  # tensors of a part; right ones have 8
MAX_NUMBERS = 12_000_000  # in a part's tensors that are drawn anew; right ones have 800,000
MAX_ELEMENTS = 50_000_000  # of a parameter; right ones have 400,000
MAX_DIMENSIONS = 8  # of a parameter; right ones have 2


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


class Modes(NamedTuple):
    """In which modes calls have left a model, and torch."""

    training: bool
    left_disabled: bool  # gradients, by a call since this was asked last
    disabled_by_file: bool  # gradients, when vae.py was imported


class Part:
    """A model of the student's, or a part of one such as its encoder."""

    def __init__(self, dialogue: Dialogue, name: str, model: int, path: Path) -> None:
        self.dialogue = dialogue
        self.name = name
        self.called = f"{name}(...)"  # what a call of it is named
        self.model = model
        self.path = path
        self.known: list[Parameter] = []  # as they were listed last
        self.function = ""  # the name of its type, where it is a function and no layer
        self.drawn: Drawn | None = None  # what they hold now
        self.generation = dialogue.generation  # the worker that has it

    def question(self, what: str, verb: str, **arguments: Any) -> Any:
        """Ask about the part. Where the worker that had it ended, raises that again: the next one has it not."""
        return self.promise(as_it_is, what, verb, **arguments).get()

    def promise(self, read: Callable[[Any], T], what: str, verb: str, **arguments: Any) -> Promise[T]:
        """Do the same, but for hearing the answer. read: makes of the value that comes over what it says."""
        self.dialogue.expect_alive(self.generation)
        return self.dialogue.promise(read, what, verb, model=self.model, **arguments)

    def tell(self, what: str, verb: str, **arguments: Any) -> None:
        """Do the same where the answer says nothing."""
        self.dialogue.expect_alive(self.generation)
        self.dialogue.tell(what, verb, model=self.model, **arguments)

    def __call__(self, *args: Tensor, seed: int | None = None) -> Tensor:
        """Call the part, seeded first where a seed is given, and expect a tensor."""
        return as_tensor(self.ask(*args, seed=seed), self.called)

    def ask(self, *args: Tensor, seed: int | None = None, learning: bool = True) -> Any:
        """Call the part, whatever it returns. learning: False for a call under torch.no_grad()."""
        return self.later(*args, seed=seed, learning=learning).get()

    def later(self, *args: Tensor, seed: int | None = None, learning: bool = True) -> Promise[Any]:
        """Do the same, but for hearing the answer."""
        more = {} if learning else {"learning": False}
        return self.promise(as_it_is, self.called, "call", path=self.path, args=args, seed=seed, **more)

    def parameters(self) -> list[Parameter]:
        """List the part's parameters, in their own order."""
        return self.parameters_later().get()

    def parameters_later(self) -> Promise[list[Parameter]]:
        """Do the same, but for hearing the answer."""
        return self.promise(self.as_parameters, self.name, "parameters", path=self.path, values=False)

    def as_parameters(self, answer: Any) -> list[Parameter]:
        """Read a list of them."""
        rows = self.few(answer)
        try:
            self.known = [
                Parameter(one_line(name, 200), None if shape is None else as_shape(shape))
                for name, shape, _ in rows
            ]
        except (TypeError, ValueError):
            raise self.no_layer(rows) from None
        return self.known

    def few(self, rows: Any) -> Any:
        """Expect no more parameters than can be looked through; of a function, those that it uses."""
        match rows:
            case [str(kind), list(used)]:
                self.function, rows = one_line(kind, 80), used
        if not isinstance(rows, list) or any(isinstance(row, Tensor) for row in rows):  # slow to unpack
            raise self.no_layer(None)
        if len(rows) > MAX_PARAMETERS:
            raise WrongKind(f"{self.name} has {len(rows)} parameters' tensors, far more than a right one.")
        return rows

    def no_layer(self, rows: object) -> WrongKind:
        """Word that the part is something else.

        rows: in place of its parameters, the name of its type, and of a tuple's or a list's items' types
        """
        kind, *items = (
            [one_line(row, 80) for row in rows] if isinstance(rows, list) and rows else ["something else"]
        )
        hint = ""
        if kind in ("list", "tuple") and len(items) > 1:
            hint = " Is nn.Sequential missing before its brackets?"
        elif kind == "tuple":
            hint = " Is there a comma after it?"
        elif kind == "type":
            hint = " That is a class: are brackets () missing after it?"
        elif self.function:
            hint = " It may be right, but has no parameters of its own: whatever counts, lists or saves them fails."
        return WrongKind(f"{self.name} is no layer (an nn.Module), but: {kind}.{hint}")

    def shapes_of_biases(self, number: int) -> list[tuple[int, ...]]:
        """List the shapes of the part's vectors, anew where by the last list there are not so many."""
        shapes = vectors(self.known)
        return shapes if len(shapes) == number else vectors(self.parameters())

    def values(self) -> list[tuple[Parameter, Tensor]]:
        """List the part's parameters with their values."""
        rows = self.few(self.question(self.name, "parameters", path=self.path, values=True))
        try:
            found = [
                (Parameter(one_line(name, 200), as_shape(shape)), as_tensor(value, "a parameter"))
                for name, shape, value in rows
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
        if (amount := sum(math.prod(p.shape or ()) for p in self.known)) > MAX_NUMBERS:
            raise WrongKind(f"{self.name} has {amount} parameters, far more than a right one.")
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

    def amend(self, drawn: Drawn, changes: Mapping[int, Tensor]) -> None:
        """Give a few of the part's parameters, by their places, other values than those that were just drawn."""
        places = range(len(drawn.parameters))
        self.tell(self.name, "assign", path=self.path, values=[changes.get(i) for i in places])
        values = [changes.get(i, value) for i, value in enumerate(drawn.values)]
        self.drawn = Drawn(drawn.parameters, [1.0] * len(values), given=values)


class Model(Part):
    """A model of the student's."""

    def __init__(self, dialogue: Dialogue, name: str, model: int, *, disables: bool = False) -> None:
        super().__init__(dialogue, name, model, [])
        self.disables = disables  # gradients, for all that came behind its making
        self.called = f"{name}.forward(...)"
        self.encoder, self.mu_layer, self.logvar_layer, self.decoder = (
            Part(dialogue, f"{name}.{part}", model, [part]) for part in PARTS
        )
        self.forward_is_right = False  # until it has given what the weights of all parts give, in every case
        self.late: set[str] = set()  # parts that were not there until forward was called
        self.before: dict[
            str, Callable[[], bool]
        ] = {}  # tell whether a part was right before forward was called

    def with_parts(self, places: Mapping[str, Path]) -> Model:
        """Return the same model with some of its parts from where the student has them."""
        model = Model(self.dialogue, self.name, self.model, disables=self.disables)
        for part, path in places.items():
            getattr(model, part).path = path
        return model

    def draw_rest(self) -> Promise[list[str]]:
        """Have the parameters outside of the parts drawn anew, which forward must not depend on; gives their names."""
        paths = [getattr(self, part).path for part in PARTS]
        seed = int(torch.randint(1, 2**31, ()))
        return self.promise(as_names, f"{self.name}.parameters()", "draw_rest", parts=paths, seed=seed)

    def train(self, mode: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's own signature
        """Put the model into training mode, or with False into evaluation mode."""
        self.tell(f"{self.name}.train()", "mode", train=mode)

    def modes(self) -> Modes:
        """Tell in which modes the calls so far have left the model, and torch."""
        return self.modes_later().get()

    def modes_later(self) -> Promise[Modes]:
        """Do the same, but for hearing the answer."""
        return self.promise(as_modes, f"{self.name}.training", "modes")

    def eval(self) -> None:
        """Put the model into evaluation mode."""
        self.train(mode=False)


def vectors(parameters: Sequence[Parameter]) -> list[tuple[int, ...]]:
    """List the shapes of the parameters that are vectors."""
    return [p.shape for p in parameters if p.shape is not None and is_vector(p.shape)]


def as_names(value: object) -> list[str]:
    """Read a list of names that a liar may have sent."""
    return [one_line(name, 40) for name in value[:5]] if isinstance(value, list) else []


def as_modes(value: object) -> Modes:
    """Read what a worker says of them; a liar's are those that no row expects."""
    flags = value if isinstance(value, list) and len(value) == 3 else (False, True, True)
    return Modes(*(flag is True for flag in flags))


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
        raise WrongKind(f"{what} returned {value}, where a tensor of float32 is expected.")
    if value is None:
        raise WrongKind(f"{what} returned None: is a return missing?")
    kind = (
        f"a tuple or list of {counted(len(value), 'value')}"
        if isinstance(value, list)
        else f"{type(value).__name__} {value!r}"[:80]
    )
    comma = (
        " Is there a comma at the end of its line, or of the return, or are there brackets around it?"
        if kind.endswith(" 1 value")
        else ""
    )
    if isinstance(value, (int, float)):
        comma = " Return the tensor itself, without .item() and float(...)."
    raise WrongKind(f"{what} returned {kind}, where a tensor is expected.{comma}")
