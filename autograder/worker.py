"""The worker: sits beside the student's vae.py, in a process of its own, and answers questions about it.

It runs with the student's rights and in the student's process, so nothing here is secret and nothing here is
believed: the grader checks each answer for itself. Of ours it imports only what it needs for that: loading.py
with absent.py, differentiation.py, elsewhere.py, failure.py, functions.py, models.py with weights.py, trainer.py,
values.py, and wire.py, which tells the form of questions and answers.
"""

from __future__ import annotations

import contextlib
import gc
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.random  # imported once, before workers are forked
import torch
from torch import Tensor, nn

from autograder import trainer, weights
from autograder.differentiation import derive
from autograder.elsewhere import in_file, in_model
from autograder.failure import MissingError, describe
from autograder.functions import layer_of
from autograder.loading import load
from autograder.models import Half, Models
from autograder.values import Values
from autograder.wire import MAX_ITEMS, Inbox, messages, send

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import ModuleType

__all__ = ["serve"]

MAX_LAYERS = 10  # of a tuple where a layer was asked for
WEIGHTS = ("parameters", "assign", "draw")  # questions in which no model changes but for its weights
BRIEF = 0.05  # seconds for which an answer may wait for the next
SMALL = 1 << 15  # bytes that are written without being read meanwhile


def serve(connection: Connection, folder: Path) -> None:
    """Load folder/vae.py, with folder/nndl2 importable, and answer questions until the other side hangs up."""
    gc.freeze()  # torch's hundred thousand objects, which looking through would copy
    gc.enable()
    desk = Desk(connection, folder / "vae.py")
    desk.answer({"id": 0}, desk.load)
    inbox = Inbox(connection)
    while True:
        try:
            question, tensors = inbox.receive()
        except (EOFError, OSError):
            return
        desk.values.tensors = tensors
        desk.answer(question, lambda: getattr(desk, "on_" + question["verb"])(**question["with"]))  # noqa: B023


class Desk:
    """Who answers, with what the worker holds between questions: the student's module, models and values."""

    def __init__(self, connection: Connection, path: Path) -> None:
        """Hold nothing yet."""
        self.connection = connection
        self.path = path
        self.module: ModuleType | None = None
        self.enables = True  # whether the module leaves gradients enabled
        self.dtype = torch.get_default_dtype()  # as the module leaves it
        self.left_disabled = False  # whether a call has left gradients disabled since this was asked last
        self.models = Models()
        self.values = Values()
        self.training: trainer.Training | None = None
        self.unsent: list[bytes] = []  # answers
        self.unsent_since = 0.0

    def answer(self, question: dict[str, Any], work: Any) -> None:
        """Do the work and send its outcome: a value or what the student's code raised."""
        self.values.begin(question["id"])
        if question.get("verb") not in WEIGHTS:
            self.models.change()
        if not self.unsent:
            self.unsent_since = time.monotonic()
        if self.module:  # what one call has switched must not last until the next
            torch.set_grad_enabled(True)
            torch.set_default_dtype(self.dtype)
        try:
            reply = {"value": self.values.encode(work())}
        except BaseException as error:  # noqa: BLE001 - sys.exit() in the student's code is an error like others
            reply = {"error": describe(error, self.path)}
            self.values.replies = []
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the student may have closed or replaced it
                stream.flush()
        self.unsent += messages({"id": question["id"], **reply}, self.values.replies)
        late = time.monotonic() > self.unsent_since + BRIEF
        # Large ones wait for the last question, or both sides might be writing.
        if not question.get("more") or (late and sum(map(len, self.unsent)) < SMALL):
            send(self.connection, self.unsent)
            self.unsent = []

    def load(self) -> None:
        """Run the student's file."""
        threads = torch.get_num_threads()
        # What a tensor holds that nothing was written to is chance; like this it is NaN, in every grading. Where an
        # operation has no deterministic form, which hardly any is on a processor, it warns. (The other function for it,
        # use_deterministic_algorithms, imports torch's compiler first, which takes seconds.)
        torch.set_deterministic_debug_mode("warn")
        self.module = load(self.path)
        torch.set_num_threads(threads)  # more than there are cores take ten times as long
        self.enables, self.dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        # Then the notebook's images are of that type, too; but what is handed over here is not.
        if self.dtype == torch.float64:
            self.dtype = torch.float32

    # -- questions ---------------------------------------------------------------------------------------------

    def on_make(self, name: str, args: list[Any], named: dict[str, Any]) -> dict[str, int]:
        """Make a model that gets other weights before anything is asked of it."""
        number = self.models.make_quickly(name, self.find(None, [name]), args, named)
        return {"model": number, "disables": int(self.disables())}

    def on_call(
        self,
        model: int | None,
        path: list[str | int],
        args: list[Any],
        seed: int | None,
        learning: bool = True,  # noqa: FBT001, FBT002 - as it comes over
    ) -> Any:
        """Call a function, a model or a part of one, under torch.no_grad() where nobody is learning."""
        self.models.start(model)
        function = self.find(model, path)
        values = [self.values.decode(arg) for arg in args]
        if seed is not None:
            reseed(seed)
        torch.set_float32_matmul_precision("highest")  # less is another result on some processors only
        if not learning:
            torch.set_grad_enabled(False)
            return function(*values)
        found = function(*values)
        self.left_disabled |= self.disables()
        return found

    def disables(self) -> bool:
        """Tell whether the student's code has disabled gradients for all that comes behind it."""
        return not torch.is_grad_enabled()

    def on_mode(self, model: int, train: bool) -> None:  # noqa: FBT001
        """Put a model into train or eval mode, whatever its own train() does; one that has none stays as it is."""
        if isinstance(whole := self.models[model], nn.Module):
            nn.Module.train(whole, train)

    def on_modes(self, model: int | None) -> list[bool]:
        """Tell whether a model is in train mode, and what has left gradients disabled.

        That is a call, since this was asked last; and the module, when it was imported.
        """
        left, self.left_disabled = self.left_disabled, False
        training = model is not None and bool(getattr(self.models[model], "training", False))
        return [training, left, not self.enables]

    def on_parameters(self, model: int, path: list[str | int], values: bool) -> list[Any]:  # noqa: FBT001
        """List a part's parameters: name, shape and, where asked for, values.

        Of a function: the name of its type, and such a list for what it uses. Of anything else that is no layer: the
        name of its type, and of its items' types.
        """
        part = self.find(model, path)
        layer = self.as_layer(model, part)
        if layer is None:
            items = part if isinstance(part, (list, tuple)) else ()
            return [type(part).__name__, *(type(item).__name__ for item in items[:MAX_LAYERS])]
        rows: list[list[Any]] = []
        for name, parameter in self.models.parameters(model, layer)[:MAX_ITEMS]:
            lazy = weights.is_lazy(parameter)
            rows.append(
                [name, None if lazy else list(parameter.shape), parameter if values and not lazy else None]
            )
        return rows if layer is part else [type(part).__name__, rows]

    def on_assign(self, model: int, path: list[str | int], values: list[Any]) -> None:
        """Give a part's parameters new values."""
        self.models.assign(model, self.layer(model, path), [*map(self.values.decode, values)])

    def on_draw(self, model: int, path: list[str | int], scales: list[float], seed: int) -> None:
        """Draw a part's parameters anew, normal with these standard deviations."""
        self.models.draw(model, self.layer(model, path), scales, seed)

    def on_draw_rest(self, model: int, parts: list[list[str | int]], seed: int) -> list[str]:
        """Draw anew what a model would learn besides its parts; returns the names of these parameters."""
        layers = [self.layer(model, path) for path in parts]
        return self.models.draw_rest(model, layers, seed)[:MAX_LAYERS]

    def on_put(self, value: Any, like: str) -> None:
        """Hold a tensor. Where gradients will be asked for, calls get a copy of it, as a layer's output would be.

        like: "data", without gradients; "linear"; or "sigmoid", whose gradient needs it unchanged
        """
        leaf = self.values.decode(value)
        if like == "data":
            self.values.hold(leaf)
            return
        leaf.requires_grad_()
        self.values.hold(torch.relu(leaf) if like == "sigmoid" else leaf.clone(), leaf)

    def on_join(self, values: list[Any]) -> Tensor:
        """Join tensors of two dimensions side by side, as floating-point numbers."""
        tensors = [self.values.decode(value) for value in values]
        dtype = next(t.dtype for t in tensors if t.is_floating_point())
        return torch.cat([t.to(dtype) for t in tensors], dim=1)

    def on_look(self, slot: int) -> Tensor:
        """Show a held tensor as it is now."""
        return self.values.slots[slot]

    def on_gradients(
        self, of: list[int], along: list[Any], slots: list[int], parts: list[list[Any]]
    ) -> list[list[Tensor | None]]:
        """Show the gradients of <of, along> with respect to held tensors and parts' vectors.

        A list for each tensor, then for each part. None stands for no dependence. Biases stand for their layers: each
        layer has one, and they are small.
        """
        total = self.values.product(of, along)
        wanted = [[self.values.leaves[i]] for i in slots]
        for model, path in parts:
            wanted.append([p for p in self.learned(model, path) if weights.is_vector(p.shape)])
        able = [t for tensors in wanted for t in tensors if t.requires_grad]
        if total is None or not able:
            return [[None] * len(tensors) for tensors in wanted]
        gradients = {id(t): g for t, g in zip(able, derive(total, able), strict=True)}
        return [[gradients.get(id(t)) for t in tensors] for tensors in wanted]

    def on_reach(self, of: list[int], along: list[Any], parts: list[list[Any]]) -> list[list[float]]:
        """Show the lengths of the gradients of <of, along> for each parameter of each part; 0 for no dependence."""
        total = self.values.product(of, along)
        wanted = [self.learned(model, path) for model, path in parts]
        able = [p for parameters in wanted for p in parameters if p.requires_grad and total is not None]
        found = derive(total, able) if total is not None and able else []
        lengths = {id(p): float(g.norm()) for p, g in zip(able, found, strict=True) if g is not None}
        return [[lengths.get(id(p), 0.0) for p in parameters] for parameters in wanted]

    def on_forget(self) -> None:
        """Let go of all tensors; models stay."""
        self.values.let_go()

    def on_begin_training(
        self, name: str, named: dict[str, int], data: str, seed: int, device: str
    ) -> dict[str, int]:
        """Make a model that is to be trained on a file of images and, behind them, their classes."""
        trainer.prefer_onednn()
        torch.set_deterministic_debug_mode("default")  # as in the notebook
        reseed(seed)
        if device == "cuda":
            torch.cuda.manual_seed_all(seed)
        number = self.models.make(self.find(None, [name]), [], named)
        model = self.models[number].to(device)
        self.values.device, self.values.most = device, trainer.MAX_BYTES
        images, labels = trainer.map_images(Path(data), device)
        loss_function = self.find(None, ["loss_function"])
        classes = labels if "num_classes" in named else None
        self.training = trainer.Training(model, loss_function, images, classes, seed)
        return {"model": number}

    def on_train(self, steps: int, seconds: float) -> list[Any]:
        """Train for so many steps, or until the seconds are over, and for one step at least.

        Returns the student's loss at each step; parameters that got no gradient; how training broke down.
        """
        if self.training is None:
            raise RuntimeError("no training was begun")
        torch.set_grad_enabled(self.enables)  # as the notebook would have it
        return self.training.go(steps, seconds)

    def learned(self, model: int, path: list[str | int]) -> list[Tensor]:
        """List the parameters of a part that its model knows of."""
        return [p for _, p in self.models.parameters(model, self.layer(model, path))]

    def layer(self, model: int, path: list[str | int]) -> Any:
        """Look up a part of a model, or what stands for it where it is a function; None where it is no layer."""
        return self.as_layer(model, self.find(model, path))

    def as_layer(self, model: int, part: Any) -> Any:
        """Return a part, or what stands for it. A property may make another each time that it is looked up."""
        return part if isinstance(part, nn.Module) else layer_of(self.models[model], part)

    def find(self, model: int | None, path: list[str | int]) -> Any:
        """Look up a name of the module, a model or a part of a model."""
        found = self.module if model is None else self.models[model]
        for name in path:
            if isinstance(name, int):
                found = Half(found, name)
                continue
            owner, found = found, getattr(found, name, None)
            if found is None:
                kind = "none" if hasattr(owner, name) else "missing"
                others, inside = (
                    in_model(owner, name) if isinstance(owner, nn.Module) else in_file(owner, name)
                )
                raise MissingError(name, kind, others, inside)
        return found


def reseed(seed: int) -> None:
    """Seed the generators that a student may draw noise from."""
    # torch.manual_seed also writes a traceback to CUDA's queue of lazy calls, each time.
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed)  # noqa: NPY002 - a student may draw from this one
