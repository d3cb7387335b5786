"""The worker: sits beside the student's vae.py, in a process of its own, and answers questions about it.

It runs with the student's rights and in the student's process, so nothing here is secret and nothing here is
believed: the grader checks each answer for itself. Of ours it imports only what it needs for that: loading.py
with absent.py, differentiation.py, elsewhere.py, failure.py, trainer.py, weights.py, and wire.py, which tells the form
of questions and answers.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import itertools
import math
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.random  # for reseed(), too: imported once, before workers are forked
import torch
from torch import Tensor, nn

from autograder import trainer, weights
from autograder.differentiation import derive
from autograder.elsewhere import in_file, in_model
from autograder.failure import MAX_TEXT, MissingError, describe
from autograder.loading import load
from autograder.wire import DTYPES, MAX_ITEMS, Inbox, messages, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection
    from types import ModuleType

__all__ = ["serve"]

MAX_DEPTH = 8  # of tuples in an answer
MAX_ELEMENTS = 50_000_000  # of a tensor in an answer
MAX_INTEGER = (1 << 63) - 1  # of an answer
MAX_LAYERS = 10  # of a tuple where a layer was asked for
WEIGHTS = ("parameters", "assign", "draw")  # questions in which no model changes but for its weights
BRIEF = 0.05  # seconds for which an answer may wait for the next
SMALL = 1 << 15  # bytes that are written without being read meanwhile
NOT_UNPACKED = (list, tuple, dict, set, frozenset, bytes, bytearray, numpy.ndarray, nn.Module)


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
        desk.tensors = tensors
        desk.answer(question, lambda: getattr(desk, "on_" + question["verb"])(**question["with"]))  # noqa: B023


class Desk:
    """What the worker holds between questions: the student's module, models, and tensors in slots."""

    def __init__(self, connection: Connection, path: Path) -> None:
        """Hold nothing yet."""
        self.connection = connection
        self.path = path
        self.module: ModuleType | None = None
        self.switches = switches()  # as the module has set them
        self.left_disabled = False  # whether gradients were, by a call since this was asked last
        self.models: list[Any] = []
        self.plain: dict[str, bool] = {}  # whether the models of a class do not depend on their first weights
        self.bare: dict[int | None, list[nn.Linear]] = {}  # layers that have no weights yet, by model
        self.filled: set[int] = set()  # ids of parameters that were given some
        # Ids of parameters, by model, until other code could change them.
        self.registered: dict[int, set[int]] = {}
        self.training: trainer.Training | None = None
        self.device = "cpu"  # where the models and what they are given lie
        self.leaves: dict[int, Tensor] = {}  # what a gradient is asked for
        self.slots: dict[int, Tensor] = {}  # what calls get; the same tensor, or a copy of its leaf
        self.slot = 0  # the next one
        self.tensors: list[Tensor] = []  # of the question
        self.replies: list[Tensor] = []  # of the answer
        self.unsent: list[bytes] = []  # answers
        self.unsent_since = 0.0

    def answer(self, question: dict[str, Any], work: Any) -> None:
        """Do the work and send its outcome: a value or what the student's code raised."""
        self.replies = []
        self.slot = question["id"] * MAX_ITEMS
        if question.get("verb") not in WEIGHTS:
            self.registered = {}
        if not self.unsent:
            self.unsent_since = time.monotonic()
        if self.module:  # what one call has switched must not last until the next
            torch.set_grad_enabled(self.switches[0])
            torch.set_default_dtype(self.switches[1])
        try:
            reply = {"value": self.encode(work())}
        except BaseException as error:  # noqa: BLE001 - sys.exit() in the student's code is an error like others
            reply = {"error": describe(error, self.path)}
            self.replies = []
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the student may have closed or replaced it
                stream.flush()
        self.unsent += messages({"id": question["id"], **reply}, self.replies)
        late = time.monotonic() > self.unsent_since + BRIEF
        # Large ones wait for the last question, or both sides might be writing.
        if not question.get("more") or (late and sum(map(len, self.unsent)) < SMALL):
            send(self.connection, self.unsent)
            self.unsent = []

    def load(self) -> None:
        """Run the student's file."""
        threads = torch.get_num_threads()
        self.module = load(self.path)
        torch.set_num_threads(threads)  # more than there are cores take ten times as long
        self.switches = switches()

    # -- questions ---------------------------------------------------------------------------------------------

    def on_make(self, name: str, args: list[Any], named: dict[str, Any]) -> dict[str, int]:
        """Make a model that gets other weights before anything is asked of it."""
        late = self.plain.get(name, False)
        try:
            with weights.quick_start(late=late) as layers:
                made = self.make(name, args, named)
        except Exception:  # noqa: BLE001 - some check their first weights, and raise what they like
            return self.make(name, args, named)
        if late:
            self.bare[made["model"]] = layers
        self.plain[name] = weights.is_plain(self.models[made["model"]], layers)
        return made

    def make(self, name: str, args: list[Any], named: dict[str, Any]) -> dict[str, int]:
        """Make a model. Named arguments go by name where the student kept the name, else by position."""
        make = self.find(None, [name])
        known: Mapping[str, inspect.Parameter] = {}
        with contextlib.suppress(TypeError, ValueError):
            known = inspect.signature(make).parameters
        kinds = [p.kind for p in known.values()]
        places = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
        # Where there is a place for each, **kwargs would only swallow what has another name there.
        open_ended = inspect.Parameter.VAR_KEYWORD in kinds and places < len(args) + len(named)
        by_name = open_ended or all(key in known for key in named)
        model = make(*args, **named) if by_name else make(*args, *named.values())
        self.models.append(model)
        return {"model": len(self.models) - 1, "disables": int(self.disables())}

    def on_call(
        self,
        model: int | None,
        path: list[str],
        args: list[Any],
        seed: int | None,
        learning: bool = True,  # noqa: FBT001, FBT002 - as it comes over
    ) -> Any:
        """Call a function, a model or a part of one, under torch.no_grad() where nobody is learning."""
        self.start(model)
        function = self.find(model, path)
        values = [self.decode(arg) for arg in args]
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
        return self.switches[0] and not torch.is_grad_enabled()

    def on_mode(self, model: int, train: bool) -> None:  # noqa: FBT001
        """Put a model into train or eval mode, whatever its own train() does; one that has none stays as it is."""
        if isinstance(whole := self.models[model], nn.Module):
            nn.Module.train(whole, train)

    def on_modes(self, model: int | None) -> list[bool]:
        """Tell whether a model is in train mode, and whether gradients were left disabled since this was asked last."""
        left, self.left_disabled = self.left_disabled, False
        return [model is not None and bool(getattr(self.models[model], "training", False)), left]

    def on_parameters(self, model: int, path: list[str], values: bool) -> list[Any]:  # noqa: FBT001
        """List a part's parameters: name, shape and, where asked for, values."""
        part = self.find(model, path)
        if not isinstance(part, nn.Module):
            items = part if isinstance(part, (list, tuple)) else ()
            return [type(part).__name__, *(type(item).__name__ for item in items[:MAX_LAYERS])]
        rows: list[list[Any]] = []
        for name, parameter in self.trained_parameters(model, path)[:MAX_ITEMS]:
            lazy = weights.is_lazy(parameter)
            rows.append(
                [name, None if lazy else list(parameter.shape), parameter if values and not lazy else None]
            )
        return rows

    def on_assign(self, model: int, path: list[str], values: list[Any]) -> None:
        """Give a part's parameters new values."""
        parameters = [parameter for _, parameter in self.trained_parameters(model, path)]
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=True):
                parameter.copy_(self.decode(value))
        self.filled.update(map(id, parameters))

    def on_draw(self, model: int, path: list[str], scales: list[float], seed: int) -> None:
        """Draw a part's parameters anew, normal with these standard deviations."""
        parameters = [parameter for _, parameter in self.trained_parameters(model, path)]
        weights.fill(parameters, scales, seed)
        self.filled.update(map(id, parameters))

    def start(self, model: int | None) -> None:
        """Give those of a model's layers that still have none their first weights."""
        for layer in self.bare.pop(model, ()):
            weights.start(layer, self.filled)

    def trained_parameters(self, model: int, path: list[str]) -> list[tuple[str, Tensor]]:
        """List a part's parameters that its model has too: no optimizer would know of others."""
        whole, listed = self.models[model], weights.listed(self.find(model, path))
        if not isinstance(whole, nn.Module):
            return listed
        # A part that is a property may make what it returns.
        if not {id(parameter) for _, parameter in listed} <= self.registered.get(model, set()):
            self.registered[model] = {id(parameter) for _, parameter in weights.registered(whole)}
        return [(name, parameter) for name, parameter in listed if id(parameter) in self.registered[model]]

    def on_put(self, value: Any, like: str) -> None:
        """Hold a tensor. Where gradients will be asked for, calls get a copy of it, as a layer's output would be.

        like: "data", without gradients; "linear"; or "sigmoid", whose gradient needs it unchanged
        """
        leaf = self.decode(value)
        if like == "data":
            self.hold(leaf)
            return
        leaf.requires_grad_()
        self.hold(torch.relu(leaf) if like == "sigmoid" else leaf.clone(), leaf)

    def on_join(self, values: list[Any]) -> Tensor:
        """Join tensors of two dimensions side by side, as floating-point numbers."""
        tensors = [self.decode(value) for value in values]
        dtype = next(t.dtype for t in tensors if t.is_floating_point())
        return torch.cat([t.to(dtype) for t in tensors], dim=1)

    def on_look(self, slot: int) -> Tensor:
        """Show a held tensor as it is now."""
        return self.slots[slot]

    def on_gradients(
        self, of: list[int], along: list[Any], slots: list[int], parts: list[list[Any]]
    ) -> list[list[Tensor | None]]:
        """Show the gradients of <of, along> with respect to held tensors and parts' vectors.

        A list for each tensor, then for each part. None stands for no dependence. Biases stand for their layers: each
        layer has one, and they are small.
        """
        total = self.product(of, along)
        wanted = [[self.leaves[i]] for i in slots]
        for model, path in parts:
            wanted.append(
                [p for _, p in weights.listed(self.find(model, path)) if weights.is_vector(p.shape)]
            )
        able = [t for tensors in wanted for t in tensors if t.requires_grad]
        if total is None or not able:
            return [[None] * len(tensors) for tensors in wanted]
        gradients = {id(t): g for t, g in zip(able, derive(total, able), strict=True)}
        return [[gradients.get(id(t)) for t in tensors] for tensors in wanted]

    def on_reach(self, of: list[int], along: list[Any], parts: list[list[Any]]) -> list[list[float]]:
        """Show the lengths of the gradients of <of, along> for each parameter of each part; 0 for no dependence."""
        total = self.product(of, along)
        wanted = [[p for _, p in weights.listed(self.find(model, path))] for model, path in parts]
        able = [p for parameters in wanted for p in parameters if p.requires_grad and total is not None]
        found = derive(total, able) if total is not None and able else []
        lengths = {id(p): float(g.norm()) for p, g in zip(able, found, strict=True) if g is not None}
        return [[lengths.get(id(p), 0.0) for p in parameters] for parameters in wanted]

    def product(self, of: list[int], along: list[Any]) -> Tensor | None:
        """Compute the sum of <of, along>, None where nothing depends on anything."""
        outputs = [(self.slots[i], self.decode(v)) for i, v in zip(of, along, strict=True)]
        outputs = [(o, v.to(o.dtype)) for o, v in outputs if o.requires_grad]
        # Given directions of its own, autograd.grad imports sympy, for a second; a sum needs none.
        return torch.stack([(o * v).sum() for o, v in outputs]).sum() if outputs else None

    def on_forget(self) -> None:
        """Let go of all tensors; models stay."""
        self.leaves, self.slots = {}, {}

    def on_begin_training(
        self, name: str, named: dict[str, int], data: str, seed: int, device: str
    ) -> dict[str, int]:
        """Make a model that is to be trained on a file of images and, behind them, their classes."""
        trainer.prefer_onednn()
        reseed(seed)
        if device == "cuda":
            torch.cuda.manual_seed_all(seed)
        made = self.make(name, [], named)
        model = self.models[made["model"]].to(device)
        self.device = device
        images, labels = trainer.map_images(Path(data), device)
        loss_function = self.find(None, ["loss_function"])
        classes = labels if "num_classes" in named else None
        self.training = trainer.Training(model, loss_function, images, classes, seed)
        return made

    def on_train(self, steps: int, seconds: float) -> list[Any]:
        """Train for so many steps, or until the seconds are over, and for one step at least.

        Returns the student's loss at each step; parameters that got no gradient; how training broke down.
        """
        if self.training is None:
            raise RuntimeError("no training was begun")
        return self.training.go(steps, seconds)

    # -- values ------------------------------------------------------------------------------------------------

    def find(self, model: int | None, path: list[str]) -> Any:
        """Look up a name of the module, a model or a part of a model."""
        found = self.module if model is None else self.models[model]
        for name in path:
            owner, found = found, getattr(found, name, None)
            if found is None:
                kind = "none" if hasattr(owner, name) else "missing"
                others, inside = (
                    in_model(owner, name) if isinstance(owner, nn.Module) else in_file(owner, name)
                )
                raise MissingError(name, kind, others, inside)
        return found

    def hold(self, tensor: Tensor, leaf: Tensor | None = None) -> int:
        """Keep a tensor for later questions; returns its slot."""
        slot, self.slot = self.slot, self.slot + 1
        self.slots[slot], self.leaves[slot] = tensor, tensor if leaf is None else leaf
        return slot

    def decode(self, value: Any) -> Any:
        """Turn a part of a question into what the student's code gets."""
        if isinstance(value, dict):
            if "slot" in value:
                return self.slots[value["slot"]]
            return self.tensors[value["tensor"]].clone().to(self.device)
        return value

    def encode(self, value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind of value
        """Turn what the student's code returned into a part of an answer."""
        if isinstance(value, Tensor):
            plain = value.layout == torch.strided and value.dtype in DTYPES and not value.is_meta
            if not plain or value.numel() > MAX_ELEMENTS:
                kind = "without contents" if value.is_meta else f"of {value.dtype}, {value.layout}"
                return {"other": f"a tensor {kind}, shape {tuple(value.shape)}"[:200]}
            self.replies.append(torch.clone(value.detach().cpu(), memory_format=torch.contiguous_format))
            number = len(self.replies) - 1
            return {"tensor": number, "slot": self.hold(value), "grad": value.requires_grad}
        if value is None or (isinstance(value, int) and -MAX_INTEGER <= value <= MAX_INTEGER):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, str):
            return str(value)[:MAX_TEXT]
        if isinstance(value, (list, tuple)) and depth < MAX_DEPTH and len(value) <= MAX_ITEMS:
            return [self.encode(item, depth + 1) for item in value]
        if isinstance(value, dict) and depth == 0 and value.keys() <= {"model", "disables"}:
            return value
        if depth == 0 and isinstance(value, Iterable) and not isinstance(value, NOT_UNPACKED):
            # What forward returns is only unpacked: map() will do, and a dataclass with __iter__.
            return self.encode(list(itertools.islice(value, MAX_ITEMS + 1)), depth)
        home = "" if type(value).__module__ == "builtins" else f"{type(value).__module__}."
        return {"other": f"an object of type {home}{type(value).__qualname__}"[:200]}


def switches() -> tuple[bool, torch.dtype]:
    """Tell whether gradients are enabled, and the default dtype."""
    return torch.is_grad_enabled(), torch.get_default_dtype()


def reseed(seed: int) -> None:
    """Seed the generators that a student may draw noise from."""
    # torch.manual_seed also writes a traceback to CUDA's queue of lazy calls, each time.
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
