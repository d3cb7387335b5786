"""Gradients of what the student's code computed, in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["derive"]


def derive(total: Tensor, wanted: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Compute the gradients of a number; None stands for no dependence."""
    if not is_reentrant(total):
        return torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True)
    kept = [tensor.grad for tensor in wanted]
    for tensor in wanted:
        tensor.retain_grad()
        tensor.grad = None
    try:
        total.backward(retain_graph=True)
        return [tensor.grad for tensor in wanted]
    finally:
        for tensor, gradient in zip(wanted, kept, strict=True):
            tensor.grad = gradient


def is_reentrant(total: Tensor) -> bool:
    """Tell whether a number goes through a checkpoint with use_reentrant=True, which allows backward() alone.

    Asked for gradients in another way it raises, or has none for what lies within.
    """
    nodes, seen = [total.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if node.name() == "CheckpointFunctionBackward":
                return True
            nodes += [following for following, _ in node.next_functions]
    return False
