"""Comparison of numbers that were computed in different ways."""

import torch
from torch import Tensor

__all__ = ["rel_error"]


def rel_error(x: Tensor | float, y: Tensor | float, eps: float = 1e-10) -> float:
    """Return the relative error max|x - y| / max(eps, max(|x| + |y|)): 0 for equal numbers, at most 1.

    x, y: two tensors of the same shape, or two numbers
    eps: keeps the division defined where both are zero
    """
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    return (x - y).abs().max().item() / max(eps, (x.abs() + y.abs()).max().item())
