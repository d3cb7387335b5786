"""Random numbers that are the same in every run."""

import random

import numpy as np
import torch

__all__ = ["reset_seed"]


def reset_seed(number: int) -> None:
    """Seed the generators of Python, NumPy and torch (on every device).

    number: the seed, from 0 to 2**32 - 1 (NumPy takes no other)
    """
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  (the old generator, because that is the one which others may use)
    torch.manual_seed(number)
