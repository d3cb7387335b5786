"""Values as they cross between grader and worker, on the grader's side: what it writes, and what it reads unbelieving.

A tensor that the worker holds already, since it was in an answer of its own or was put there, goes over as its slot:
so gradients can be asked for across calls. The form is told in wire.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from safetensors.torch import load as load_tensors

from autograder.endings import TooBig
from autograder.outcome import WrongKind
from autograder.wire import DTYPES, MAX_ITEMS
from autograder.wording import one_line

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Codec"]

MAX_DEPTH = 10  # of lists in an answer
MAX_DIMENSIONS, MAX_SIDE = 32, 1 << 22  # of a tensor in one


class Codec:
    """Writes and reads values, and knows which tensors the worker holds."""

    def __init__(self, limit: int) -> None:
        """Know of none. limit: bytes of tensors that are kept in all."""
        self.limit = limit
        self.encoder = msgspec.json.Encoder(enc_hook=self.write_tensor)
        self.tensors: list[Tensor] = []  # of what is being written
        self.held: dict[int, tuple[Tensor, int]] = {}  # tensors that the worker holds too, and in which slots
        self.held_bytes = 0

    def write(self, value: Any) -> tuple[bytes, list[Tensor]]:
        """Write a value as JSON; returns that, and the tensors that are to follow it."""
        self.tensors = []
        return self.encoder.encode(value), self.tensors

    def write_tensor(self, tensor: Tensor) -> dict[str, int]:
        """Write a tensor that the worker holds as its slot, and any other as its place among those that follow."""
        slot = self.slot(tensor)
        if slot is not None:
            return {"slot": slot}
        self.tensors.append(tensor.detach().contiguous().clone())
        return {"tensor": len(self.tensors) - 1}

    def read(self, value: Any, packed: bytes, number: int) -> Any:
        """Read a value of an answer, behind which so many tensors are packed.

        Raises TooBig, and ValueError or the like for anything that no worker of ours sends.
        """
        return self.convert(value, unpack(packed, number))

    def convert(self, value: Any, tensors: list[Tensor], depth: int = 0) -> Any:
        """Turn JSON into values."""
        if isinstance(value, list):
            if depth > MAX_DEPTH or len(value) > MAX_ITEMS:
                raise ValueError
            return [self.convert(item, tensors, depth + 1) for item in value]
        if isinstance(value, dict):
            if "tensor" in value:
                return self.hold(tensors[as_index(value["tensor"])], as_index(value["slot"]))
            if "float" in value:
                return float(str(value["float"])[:10])
            if "other" in value:
                return WrongKind(one_line(value["other"], 200))
            return {str(key)[:20]: as_index(item) for key, item in value.items()}
        return value

    def hold(self, tensor: Tensor, slot: int) -> Tensor:
        """Remember that the worker holds a tensor too. Raises TooBig."""
        self.held[id(tensor)] = (tensor, slot)
        self.held_bytes += tensor.nbytes
        if self.held_bytes > self.limit:
            raise TooBig("Your code's answers are larger than any right ones.")
        return tensor

    def slot(self, tensor: Tensor) -> int | None:
        """Return the slot in which the worker holds a tensor, None where it does not."""
        known = self.held.get(id(tensor))
        return known[1] if known else None

    def let_go(self) -> None:
        """Forget the tensors that the worker holds."""
        self.held.clear()
        self.held_bytes = 0


def unpack(packed: bytes, number: int) -> list[Tensor]:
    """Unpack numbered tensors. Raises ValueError, or whatever safetensors raises, for anything else."""
    if not number:
        return []
    named = load_tensors(packed)
    if sorted(named) != [f"{i:06}" for i in range(number)]:
        raise ValueError(sorted(named))
    for tensor in named.values():
        # Of a tensor without elements a side costs nothing, and whoever draws as many numbers would be at it for long.
        if (
            tensor.dtype not in DTYPES
            or tensor.dim() > MAX_DIMENSIONS
            or max(tensor.shape, default=0) > MAX_SIDE
        ):
            raise ValueError(f"{tensor.dtype}, {tuple(tensor.shape)[:MAX_DIMENSIONS]}")
    return [named[name] for name in sorted(named)]


def as_index(value: object) -> int:
    """Check that a liar's number is a small natural one."""
    if isinstance(value, int) and 0 <= value < 1 << 31:
        return value
    raise ValueError(value)
