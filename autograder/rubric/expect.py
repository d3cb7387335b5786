"""Comparisons with words: each failure says what is wrong, then where, with numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autograder.outcome import WrongKind
from autograder.part import as_tensor
from autograder.rubric.mistake import Mistake
from autograder.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autograder.student import Student

__all__ = [
    "TOLERANCE",
    "aligned",
    "as_three",
    "changed",
    "close",
    "difference",
    "expect_shape",
    "expect_untouched",
    "rectified",
    "show",
    "unchanged",
]

# float32 has 24 bits; the error of sums over 784 products, through four layers, stays below a tenth of this.
TOLERANCE = 3e-5
NOTHING = 1e-6


def show(shape: Sequence[int]) -> str:
    """Write a shape as torch does."""
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Compare, relative to the largest expected element (1 at least); NaN and infinity are never close."""
    if found.shape != expected.shape:
        return False
    if not found.numel():
        return True
    # Small differences of float32 are exact.
    if not found.dtype == expected.dtype == torch.float32:
        found, expected = found.double(), expected.double()
    limit = tolerance * max(1.0, expected.abs().max().item())
    return (found - expected).abs().max().item() <= limit < math.inf


def rectified(found: Tensor, right: Tensor) -> bool:
    """Tell whether features are nothing where a ReLU gives nothing, but for one in 50 that are near where it begins.

    A right one gives 0 there, however it is written; of the largest feature, one in a million is let pass.
    """
    nothing = found[right == 0].abs()
    largest = float(right.abs().max()) if right.numel() else 0.0
    return int((nothing > NOTHING * max(1.0, largest)).count_nonzero()) <= 0.02 * len(nothing)


def aligned(found: Tensor | None, expected: Tensor | None, share: float) -> bool:
    """Tell whether a gradient agrees with the one expected within this share of its length.

    Where none is expected, None or zero, there may be any.
    """
    if expected is None or not expected.any():
        return True
    if found is None or found.shape != expected.shape:
        return False
    return bool((found.double() - expected.double()).norm() <= share * expected.double().norm())


def difference(found: Tensor, expected: Tensor) -> str:
    """Name the element where two tensors of the same shape differ most."""
    error = (found.double() - expected.double()).abs().nan_to_num(nan=torch.inf)
    place = torch.unravel_index(error.argmax(), error.shape)
    index = ", ".join(str(int(i)) for i in place)
    return f"Largest difference at [{index}]: yours {float(found[place]):.6g}, expected {float(expected[place]):.6g}."


def expect_shape(
    what: str, found: Tensor, shape: Sequence[int], dtype: torch.dtype | None = torch.float32
) -> None:
    """Expect a shape, a type where one is given, and numbers that are numbers."""
    if tuple(found.shape) != tuple(shape):
        raise Mistake(f"{what} has shape {show(found.shape)}; expected {show(shape)}.")
    if dtype not in (None, found.dtype):
        raise Mistake(f"{what} is of type {found.dtype}; expected {dtype}, which is what the model works in.")
    if not torch.isfinite(found).all():
        raise Mistake(f"{what} contains {'NaN' if found.isnan().any() else 'infinite values'}.")


def expect_untouched(student: Student, what: str, given: Mapping[str, Tensor]) -> None:
    """Expect that the tensors handed over hold the same numbers as before."""
    looked = {name: student.look_later(tensor) for name, tensor in given.items()}
    for name, after in looked.items():
        if not unchanged(given[name], after.get()):
            raise Mistake(
                f"{what} changed its input {name} in place.",
                "Look for operations whose names end in an underscore, such as exp_(), and for +=, *= and [...] =.",
            )


def unchanged(tensor: Tensor, after: Tensor) -> bool:
    """Tell whether a tensor that was handed over holds the very numbers that it held. after: those that it holds."""
    if after.dtype != tensor.dtype:
        after, tensor = after.double(), tensor.double()
    return after.shape == tensor.shape and torch.equal(after, tensor)


def changed(student: Student, tensor: Tensor | None) -> bool:
    """Tell whether a tensor that was handed over or came back, if one did, has been changed in place since."""
    return tensor is not None and not close(student.look(tensor), tensor)


def as_three(value: Any, what: str) -> tuple[Tensor, Tensor, Tensor]:
    """Expect (x_hat, mu, logvar)."""
    names = ("x_hat", "mu", "logvar")
    if not isinstance(value, list) or len(value) != len(names):
        kind = counted(len(value), "value") if isinstance(value, list) else "one value"
        kind = f"one value, {value}" if isinstance(value, WrongKind) else "None" if value is None else kind
        missing = " Is the return missing?" if value is None else ""
        raise Mistake(f"{what} returned {kind}; expected three tensors: x_hat, mu, logvar.{missing}")
    for item, name in zip(value, names, strict=True):
        if item is None:
            raise WrongKind(f"{what}, in place of {name}, returned None: is it not set?")
    x_hat, mu, logvar = (as_tensor(v, f"{what}, in place of {n},") for v, n in zip(value, names, strict=True))
    return (x_hat, mu, logvar)
