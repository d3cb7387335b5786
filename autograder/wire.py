"""The form of questions and answers between grader and worker.

A question is a JSON object, and so is an answer; where an object has "tensors", a message of that many numbered
tensors in safetensors form follows. A tensor inside a question or an answer is {"tensor": its number}; a tensor
that the worker still holds is {"slot": its number}, so that gradients can be asked for later and across calls.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

__all__ = ["DTYPES", "NO_FORWARD", "pack", "receive", "send"]

NO_FORWARD = 'is missing the required "forward" function'  # says torch where one calls a module that has none
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def send(connection: Connection, header: dict[str, Any], tensors: list[Tensor] | None = None) -> None:
    """Send one message, and its tensors behind it."""
    if tensors:
        header["tensors"] = len(tensors)
    # Half of a surrogate pair, as in the name of a file that is no UTF-8, is no text in JSON either.
    connection.send_bytes(json.dumps(header, ensure_ascii=False).encode("utf-8", "replace"))
    if tensors:
        connection.send_bytes(pack(tensors))


def pack(tensors: Sequence[Tensor]) -> bytes:
    """Write contiguous tensors in safetensors form, numbered.

    For a few small tensors the library takes four times as long, to find out that they share no memory.
    """
    header, end = {}, 0
    for i, tensor in enumerate(tensors):
        begin, end = end, end + tensor.nbytes
        header[f"{i:06}"] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(tensor.numpy().data for tensor in tensors)])


def receive(connection: Connection) -> tuple[dict[str, Any], list[Tensor]]:
    """Receive one message from the grader, and the tensors behind it."""
    header = json.loads(connection.recv_bytes())
    if not header.get("tensors"):
        return header, []
    named = load_tensors(connection.recv_bytes())
    return header, [named[name] for name in sorted(named)]
