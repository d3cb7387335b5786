"""Values in the worker: tensors held from question to question, values out of questions and into answers.

It runs beside the student's code, so what it says is not believed; the grader's side of it is codec.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from autograder.failure import MAX_TEXT
from autograder.wire import DTYPES, MAX_ITEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Values"]

MAX_DEPTH = 8  # of tuples in an answer
MAX_BYTES = 16 << 20  # of the tensors in an answer
MAX_INTEGER = (1 << 63) - 1  # of an answer
NOT_UNPACKED = (list, tuple, dict, set, frozenset, bytes, bytearray, np.ndarray, nn.Module)


class Values:
    """The tensors in slots, and those of the question and the answer at hand."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.device = "cpu"  # where what the student's code gets lies
        self.most = MAX_BYTES
        self.leaves: dict[int, Tensor] = {}  # what a gradient is asked for
        self.slots: dict[int, Tensor] = {}  # what calls get; the same tensor, or a copy of its leaf
        self.slot = 0  # the next one
        self.tensors: list[Tensor] = []  # of the question
        self.replies: list[Tensor] = []  # of the answer

    def begin(self, question: int) -> None:
        """Begin the answer to a question of this number."""
        self.replies = []
        self.slot = question * MAX_ITEMS

    def let_go(self) -> None:
        """Hold nothing any more."""
        self.leaves, self.slots = {}, {}

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
            return self.encode_tensor(value)
        if value is None or (isinstance(value, int) and -MAX_INTEGER <= value <= MAX_INTEGER):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, str):
            return str(value)[:MAX_TEXT]
        if isinstance(value, (list, tuple)) and depth < MAX_DEPTH and len(value) <= MAX_ITEMS:
            # A subclass may say another length than it has items.
            return [self.encode(item, depth + 1) for item in itertools.islice(value, MAX_ITEMS)]
        if isinstance(value, dict) and depth == 0 and value.keys() <= {"model", "disables"}:
            return value
        if depth == 0 and isinstance(value, Iterable) and not isinstance(value, NOT_UNPACKED):
            # What forward returns is only unpacked: map() will do, and a dataclass with __iter__.
            return self.encode(list(itertools.islice(value, MAX_ITEMS + 1)), depth)
        home = "" if type(value).__module__ == "builtins" else f"{type(value).__module__}."
        return {"other": f"an object of type {home}{type(value).__qualname__}"[:200]}

    def encode_tensor(self, value: Tensor) -> dict[str, Any]:
        """Turn a tensor into a part of an answer, and hold it."""
        if value.layout != torch.strided or value.dtype not in DTYPES or value.is_meta:
            kind = "without contents" if value.is_meta else f"of {value.dtype}, {value.layout}"
            return {"other": f"a tensor {kind}, shape {tuple(value.shape)}"[:200]}
        if sum(t.nbytes for t in [*self.replies, value]) > self.most:
            return {"other": f"a tensor of shape {tuple(value.shape)}, far larger than any right one"[:200]}
        if value.is_inference():  # of which the next part could not make anything that learns
            value = value.clone()
        self.replies.append(torch.clone(value.detach().cpu(), memory_format=torch.contiguous_format))
        return {"tensor": len(self.replies) - 1, "slot": self.hold(value), "grad": value.requires_grad}

    def product(self, of: Sequence[int], along: Sequence[Any]) -> Tensor | None:
        """Compute the sum of <of, along>, None where nothing depends on anything.

        of: slots; along: a direction for each, as a part of a question
        """
        outputs = [(self.slots[i], self.decode(v)) for i, v in zip(of, along, strict=True)]
        outputs = [(o, v.to(o.dtype)) for o, v in outputs if o.requires_grad]
        # Given directions of its own, autograd.grad imports sympy, for a second; a sum needs none.
        return torch.stack([(o * v).sum() for o, v in outputs]).sum() if outputs else None
