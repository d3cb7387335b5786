"""The training loop beside the student's code, in the worker; it imports nothing else of ours.

It trains as the notebook does, with nndl2.helper.train_vae: Adam with a learning rate of 1e-3, made anew for
each epoch; batches of 128 in random order, the last partial one dropped; the student's own loss_function. What
differs is only how the same numbers are come by: the images are one tensor of bytes, which batches are taken
out of, Adam is a function call and no torch.optim, and another library may multiply the matrices.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["MAX_BYTES", "Adam", "Training", "map_images", "prefer_onednn"]

BATCH = 128
MAX_BYTES = 60 << 20  # of a part's weights, which the grader asks for; right ones have 3 MB
PIXELS = 28 * 28


def map_images(path: Path, device: str) -> tuple[Tensor, Tensor]:
    """Map a file of images (N, 1, 28, 28) and, behind them, their classes (N,), all of them bytes."""
    size = path.stat().st_size
    content = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    count = size // (PIXELS + 1)
    images, labels = content[: count * PIXELS].view(count, 1, 28, 28), content[count * PIXELS :]
    return images.to(device), labels.to(device)


class Training:
    """One model's training, in slices of some steps."""

    def __init__(
        self, model: Any, loss_function: Any, images: Tensor, labels: Tensor | None, seed: int
    ) -> None:
        """Begin.

        images: (N, 1, 28, 28), bytes, where the model is
        labels: (N,), bytes, where the model takes classes
        seed: of the order of the images
        """
        self.model, self.loss_function = model, loss_function
        self.images, self.labels = images, labels
        self.adam = Adam(list(model.parameters()))
        self.batches = self.shuffle(torch.Generator().manual_seed(seed))
        self.idle: list[str] = []  # parameters that got no gradient at the first step
        self.breakdown: list[Any] = []  # what was finite, and how large, when the loss was not
        self.error: BaseException | None = None  # what the student's code raised, in the middle of a slice

    def shuffle(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Give batches (128,) of the images' numbers, epoch after epoch."""
        count = len(self.images)
        while True:
            self.adam.forget()
            order = torch.randperm(count, generator=generator).to(self.images.device)
            yield from order[: max(1, count // BATCH) * BATCH].split(BATCH)

    def go(self, steps: int, seconds: float) -> list[Any]:
        """Train for so many steps, or until the seconds are over, and for one step at least.

        Returns the student's loss at each step, `idle` and `breakdown`. What the student's code raises is
        raised here; where steps went well before it, by the next call.
        """
        if self.error:
            raise self.error
        deadline = time.monotonic() + seconds
        losses: list[float] = []
        self.model.train()
        try:
            while len(losses) < steps and not self.breakdown and not (losses and time.monotonic() > deadline):
                losses.append(self.step())
        except BaseException as error:
            if not losses:
                raise
            self.error = error
        return [torch.tensor(losses, dtype=torch.float64), self.idle, self.breakdown]

    def step(self) -> float:
        """Train on one batch; returns what the student's loss function says."""
        batch = next(self.batches)
        x = self.images[batch].float() / 255
        c = [] if self.labels is None else [F.one_hot(self.labels[batch].long(), 10).float()]
        x_hat, mu, logvar = self.model(x, *c)
        try:
            loss = self.loss_function(x_hat, x, mu, logvar)
        except RuntimeError:  # binary_cross_entropy raises it where x_hat is no number
            if all(map(is_finite, (mu, logvar, x_hat))):
                raise
            loss = torch.tensor(math.nan)
        if not isinstance(loss, Tensor):
            kind = type(loss).__name__
            raise TypeError(f"loss_function returned {kind}, not a tensor: nothing can be learned from that")
        value = float(loss.detach())
        parameters = self.adam.parameters
        if not math.isfinite(value):
            finite = [all(map(is_finite, parameters)), *map(is_finite, (mu, logvar, x_hat))]
            self.breakdown = [*finite, float(logvar.detach().max()), float(x_hat.detach().max())]
            return value
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        if not self.adam.steps:
            named = self.model.named_parameters()
            self.idle = [name[:100] for name, p in named if p.grad is None or not p.grad.any()][:20]
        self.adam.step()
        return value


def is_finite(tensor: Tensor) -> bool:
    """Tell whether each element is a number."""
    return bool(torch.isfinite(tensor.detach()).all())


class Adam:
    """Adam (Kingma and Ba 2015) as torch.optim.Adam computes it, which takes one or two seconds to import."""

    def __init__(self, parameters: Sequence[Tensor], rate: float = 1e-3) -> None:
        """Start with nothing remembered."""
        self.parameters = parameters
        self.rate = rate
        self.update = fused_adam if has_fused_adam(parameters) else plain_adam
        self.forget()

    def forget(self) -> None:
        """Forget all gradients, as a new one would."""
        self.steps = 0
        self.memory = [
            (torch.zeros_like(p, requires_grad=False), torch.zeros_like(p, requires_grad=False))
            for p in self.parameters
        ]

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient."""
        self.steps += 1
        able = [
            (p, p.grad, *moments)
            for p, moments in zip(self.parameters, self.memory, strict=True)
            if p.grad is not None
        ]
        if able:
            self.update(able, self.steps, self.rate)


Able = list[tuple[Tensor, Tensor, Tensor, Tensor]]  # parameter, gradient, its mean, its mean square


def plain_adam(able: Able, steps: int, rate: float) -> None:
    """Change parameters one after the other, operation by operation."""
    for parameter, gradient, mean, square in able:
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        deviation = (square.sqrt() / (1 - 0.999**steps) ** 0.5).add_(1e-8)
        parameter.addcdiv_(mean, deviation, value=-rate / (1 - 0.9**steps))


def fused_adam(able: Able, steps: int, rate: float) -> None:
    """Change all parameters in one pass through the memory, by the same formula."""
    parameters, gradients, means, squares = (list(column) for column in zip(*able, strict=True))
    torch._fused_adam_(  # what torch.optim.Adam(fused=True) calls
        parameters,
        gradients,
        means,
        squares,
        [],
        [torch.tensor(float(steps), device=p.device) for p in parameters],
        lr=rate,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )


def has_fused_adam(parameters: Sequence[Tensor]) -> bool:
    """Try whether this version of torch has the fused one for parameters of this kind."""
    if any(p.dtype != torch.float32 or p.device != parameters[0].device for p in parameters):
        return False
    try:
        for device in {p.device for p in parameters}:
            ones = [torch.ones(1, device=device) for _ in range(4)]
            fused_adam([(ones[0], ones[1], ones[2], ones[3])], 1, 1e-3)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def prefer_onednn() -> None:
    """Have oneDNN multiply matrices where it is as exact as MKL: on AMD's processors it is much faster.

    The setting allows bfloat16, which oneDNN uses only where the processor has a unit for it (AMX). So the
    result is compared with one in double precision, and the setting is taken back where it is no float32.
    """
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(matmul, "fp32_precision", None)
    if matmul is None or before is None:
        return
    generator = torch.Generator().manual_seed(0)
    try:
        matmul.fp32_precision = "bf16"
        for rows, inner, columns in ((128, 784, 400), (784, 128, 400), (128, 400, 400)):
            a = torch.randn(rows, inner, generator=generator)
            b = torch.randn(columns, inner, generator=generator)
            right = a.double() @ b.double().T
            if (F.linear(a, b).double() - right).norm() > 1e-6 * right.norm():
                matmul.fp32_precision = before
                return
    except RuntimeError:
        matmul.fp32_precision = before
