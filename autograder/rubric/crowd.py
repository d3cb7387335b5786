"""A large batch in forward, compared by few of its images: to ask the parts for all of them takes twenty times as long.

Where the few are right, so is forward for many: what could be wrong with many alone (only so many of them, noise that
comes back) shows at the last one, or at any. Where they are not, nothing is said yet: the parts themselves may depend
on how many images there are, and that is charged by their own rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from autograder.outcome import UNANSWERED
from autograder.rubric.expect import as_three, close
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.mistake import Mistake

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.rubric.composer import Composer

__all__ = ["agrees", "standing_out"]

FEW = 2  # images beside those that stand out


def agrees(composer: Composer, answer: Any, tolerance: float) -> bool:
    """Tell whether what forward answered is what the parts give, for a few of the images."""
    number = len(composer.x)
    try:
        x_hat, mu, logvar = as_three(answer, "")
        shapes = [composer.x.shape, (number, composer.latents), (number, composer.latents)]
        if any(
            t.shape != s or t.dtype != torch.float32 for t, s in zip((x_hat, mu, logvar), shapes, strict=True)
        ):
            return False
        z = composer.student.reparametrize(mu, logvar, seed=composer.seed)
        if z.shape != mu.shape:
            return False
        rows = standing_out(mu, logvar, z, composer.c)
        x, c = composer.x[rows], composer.c[rows]
        for join in composer.forward.joins.values():
            _, due_mu, due_logvar = composer.encode(join(x, c))
            if close(mu[rows], due_mu, tolerance) and close(logvar[rows], due_logvar, tolerance):
                composer.witness.note_noise(mu, logvar, z)
                image = composer.decode(z[rows], c)
                return close(x_hat[rows], image, tolerance)
    except (Mistake, UnjudgedError, *UNANSWERED):
        pass
    return False


def standing_out(mu: Tensor, logvar: Tensor, z: Tensor, c: Tensor) -> Tensor:
    """Choose the first image and the last, those with the largest numbers, where clamps would show, and any others.

    Of each class there is one: a mistake may be in one class alone.
    mu, logvar, z: (N, Z); c: (N, C), one-hot
    """
    eps = (z - mu) * torch.exp(-logvar / 2)
    largest = [int(tensor.abs().amax(1).argmax()) for tensor in (mu, logvar, z, eps)]
    any_order = torch.randperm(len(mu))
    of_each_class = any_order[c[any_order].float().argmax(0)].tolist()
    return torch.tensor(sorted({0, len(mu) - 1, *largest, *any_order[:FEW].tolist(), *of_each_class}))
