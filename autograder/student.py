"""The student's module, as the rubric sees it: like local code, but each call is a question.

    model = student.VAE(784, 17)
    features = model.encoder(images)                    # tensors go over and come back
    mu = model.mu_layer(features)                       # what came back goes over as itself, gradients and all
    (biases,) = student.gradients([(mu, ones)], [model.encoder])

How a question can end is told in outcome.py.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from autograder.dialogue import Dialogue
from autograder.outcome import WrongKind
from autograder.part import Model, as_modes, as_tensor
from autograder.promise import Slot
from autograder.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from autograder.part import Modes, Part
    from autograder.promise import Promise
    from autograder.sandbox import Sandbox

__all__ = ["UNASKED", "Student"]

T = TypeVar("T")

UNASKED = "The gradients that came back are not those asked for."


class Student:
    """One submission."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.dialogue = Dialogue(sandbox)
        self.names: dict[str, str] = {}  # under which functions go that are not there under their own
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
        model = Model(self.dialogue, name, made["model"], disables=bool(made.get("disables")))
        self.models[self.dialogue.generation, what] = model
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
        match answer:
            case [Tensor() as losses, list(idle), list(breakdown)]:
                if losses.dim() == 1 and 0 < len(losses) <= steps and len(breakdown) in (0, 6):
                    with contextlib.suppress(OverflowError, TypeError, ValueError):
                        values = losses.double().tolist()
                        return (
                            values,
                            [one_line(name, 200) for name in idle],
                            [float(value) for value in breakdown],
                        )
        raise WrongKind("What came back is no account of a training.")

    def reparametrize(
        self, mu: Tensor, logvar: Tensor, *, seed: int | None = None, learning: bool = True
    ) -> Tensor:
        """Call the student's reparametrize, with the generators seeded first where a seed is given.

        learning: False for a call under torch.no_grad()
        """
        return self.reparametrize_later(mu, logvar, seed=seed, learning=learning).get()

    def reparametrize_later(
        self, mu: Tensor | Slot, logvar: Tensor | Slot, *, seed: int | None = None, learning: bool = True
    ) -> Promise[Tensor]:
        """Do the same, but for hearing the answer."""
        return self.call("reparametrize", mu, logvar, seed=seed, learning=learning)

    def loss_function(
        self, x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, *, learning: bool = True
    ) -> Tensor:
        """Call the student's loss_function. learning: False for a call under torch.no_grad()."""
        return self.call("loss_function", x_hat, x, mu, logvar, learning=learning).get()

    def call(
        self, name: str, *args: Tensor | Slot, seed: int | None = None, learning: bool = True
    ) -> Promise[Tensor]:
        """Call a function of the student's that should return a tensor, by another name where it goes by one."""
        name = self.names.get(name, name)
        what, more = f"{name}(...)", {} if learning else {"learning": False}
        return self.dialogue.promise(
            partial(as_tensor, what=what), what, "call", model=None, path=[name], args=args, seed=seed, **more
        )

    def disables_gradients(self, call: Callable[[], object]) -> bool:
        """Tell whether a call of the student's code leaves gradients disabled for all that comes behind it."""
        self.left_disabled()
        call()
        return self.left_disabled()

    def left_disabled(self) -> bool:
        """Tell whether a call since this was asked last has left gradients disabled."""
        return self.modes().left_disabled

    def modes(self) -> Modes:
        """Tell what has left gradients disabled; of no model."""
        modes: Modes = self.dialogue.promise(as_modes, "gradients", "modes", model=None).get()
        return modes

    def put(self, tensor: Tensor, like: str = "linear") -> Tensor:
        """Hand a tensor over to stay: each call that gets it gets the same one.

        like: what it could have come from: a "linear" layer, or a "sigmoid", which needs it (numbers above 0) unchanged
            for its gradient; or "data", that gradients do not reach
        """
        mine = tensor.clone()
        promise = self.dialogue.tell("put", "put", value=mine, like=like)
        return self.dialogue.codec.hold(mine, promise.slot(0).number)

    def join(self, *tensors: Tensor) -> Tensor:
        """Join tensors (N, *) side by side in the worker, so that gradients pass through."""
        return as_tensor(self.dialogue.ask("torch.cat", "join", values=tensors), "torch.cat")

    def look(self, tensor: Tensor) -> Tensor:
        """Look at a tensor that the worker holds: the student's code may have changed it since."""
        return self.look_later(tensor).get()

    def look_later(self, tensor: Tensor) -> Promise[Tensor]:
        """Do the same, but for hearing the answer."""
        slot = self.dialogue.slot(tensor)
        return self.dialogue.promise(partial(as_tensor, what="a tensor"), "look", "look", slot=slot)

    def gradients(
        self, outputs: Sequence[tuple[Tensor, Tensor]], wrt: Sequence[Tensor | Part]
    ) -> list[list[Tensor | None]]:
        """Compute the gradients of the sum of <output, direction> over the pairs given.

        wrt: tensors that were put or returned, and parts, which stand for their biases (vectors)
        Returns a list for each: one gradient for a tensor, one per bias for a part; None where there is no dependence.
        """
        return self.gradients_later(outputs, wrt).get()

    def gradients_later(
        self, outputs: Sequence[tuple[Tensor | Slot, Tensor]], wrt: Sequence[Tensor | Part]
    ) -> Promise[list[list[Tensor | None]]]:
        """Do the same, but for hearing the answer."""
        slots = [self.dialogue.slot(item) for item in wrt if isinstance(item, Tensor)]
        parts = [item for item in wrt if not isinstance(item, Tensor)]
        return self.derive(partial(as_gradients, wrt=wrt), "gradients", outputs, parts, slots=slots)

    def reach(self, outputs: Sequence[tuple[Tensor, Tensor]], parts: Sequence[Part]) -> list[list[float]]:
        """Compute the lengths of the gradients of the sum of <output, direction>, for each parameter of each part."""
        return self.reach_later(outputs, parts).get()

    def reach_later(
        self, outputs: Sequence[tuple[Tensor | Slot, Tensor]], parts: Sequence[Part]
    ) -> Promise[list[list[float]]]:
        """Do the same, but for hearing the answer."""
        return self.derive(partial(as_lengths, number=len(parts)), "reach", outputs, parts)

    def derive(
        self,
        read: Callable[[Any], T],
        verb: str,
        outputs: Sequence[tuple[Tensor | Slot, Tensor]],
        parts: Sequence[Part],
        **more: Any,
    ) -> Promise[T]:
        """Ask about the gradients of the sum of <output, direction> over the pairs given."""
        for part in parts:
            self.dialogue.expect_alive(part.generation)
        return self.dialogue.promise(
            read,
            "backward()",
            verb,
            of=[
                output.number if isinstance(output, Slot) else self.dialogue.slot(output)
                for output, _ in outputs
            ],
            along=[direction for _, direction in outputs],
            parts=[[part.model, part.path] for part in parts],
            **more,
        )


def as_gradients(found: Any, wrt: Sequence[Tensor | Part]) -> list[list[Tensor | None]]:
    """Check that an answer is as many gradients as there must be, and put them in order. Raises WrongKind."""
    if not isinstance(found, list) or len(found) != len(wrt) or not all(isinstance(g, list) for g in found):
        raise WrongKind(UNASKED)
    number = len([item for item in wrt if isinstance(item, Tensor)])
    of_tensors, of_parts = iter(found[:number]), iter(found[number:])
    ordered = []
    for item in wrt:
        if isinstance(item, Tensor):
            gradients, shapes = next(of_tensors), [tuple(item.shape)]
        else:
            gradients = next(of_parts)
            shapes = item.shapes_of_biases(len(gradients))
        if len(gradients) != len(shapes):
            raise WrongKind(UNASKED)
        ordered.append([as_gradient(*each) for each in zip(gradients, shapes, strict=True)])
    return ordered


def as_gradient(found: Any, shape: tuple[int, ...]) -> Tensor | None:
    """Check that an answer is a gradient of this shape, or None; returns it in float32. Raises WrongKind."""
    if found is None:
        return None
    gradient = as_tensor(found, "a gradient")
    if tuple(gradient.shape) != shape:
        raise WrongKind(UNASKED)
    return gradient.float()


def as_lengths(found: Any, number: int) -> list[list[float]]:
    """Check that an answer is lists of numbers for so many parts. Raises WrongKind."""
    try:
        lengths = [[float(length) for length in each] for each in found]
    except (OverflowError, TypeError, ValueError):
        lengths = []
    if len(lengths) != number:
        raise WrongKind(UNASKED)
    return lengths
