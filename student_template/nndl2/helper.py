"""Pictures of digits, and the training loop."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.nn import functional as F

# matplotlib, torchvision, IPython and vae are imported where they are used: the first three take a second or
# are not everywhere, and vae.py may not be finished yet, and may import this module itself.

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn
    from torch.utils.data import DataLoader
    from torchvision.datasets import MNIST

__all__ = ["fast_loader", "hello_helper", "one_hot", "show_images", "train_vae"]

Batch = TypeVar("Batch")


def hello_helper() -> None:
    """Print a greeting: the notebook calls this to see that it can import this file."""
    print("Hello from helper.py!")


def show_images(images: Tensor) -> None:
    """Draw images row by row, in a grid as square as their number allows.

    images: N images, (N, 784) or (N, 1, 28, 28), with pixels from 0 (black) to 1 (white)
    Raises ValueError for any other shape, and for no image at all.
    """
    if images.shape[1:] not in {(784,), (1, 28, 28)} or not len(images):
        raise ValueError(f"show_images takes images (N, 784) or (N, 1, 28, 28), not {tuple(images.shape)}")
    import matplotlib.pyplot as plt
    from torchvision.utils import make_grid

    side = math.ceil(math.sqrt(len(images)))
    grid = make_grid(images.detach().reshape(-1, 1, 28, 28), nrow=side, padding=1, pad_value=0.5)
    plt.figure(figsize=(6, 6))
    plt.imshow(grid[0].cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    plt.axis("off")
    plt.show()


def one_hot(labels: Tensor, num_classes: int = 10) -> Tensor:
    """Turn labels (N,) from 0 to num_classes - 1 into rows (N, num_classes) of zeros with a single one."""
    return F.one_hot(labels.long(), num_classes).float()


class fast_loader:  # noqa: N801 - it is called like a function
    """Batches as DataLoader(dataset, batch_size, shuffle=True, drop_last=True) gives them, only sooner.

    dataset: MNIST as torchvision loads it, with ToTensor() and nothing else as its transform
    DataLoader turns each image into a tensor by itself, which takes a quarter of an epoch on a CPU; here a whole batch
    is taken out of one tensor.
    """

    def __init__(self, dataset: MNIST, batch_size: int = 128) -> None:
        """Give no batch yet."""
        self.images, self.labels = dataset.data.unsqueeze(1), dataset.targets  # (N, 1, 28, 28) bytes, (N,)
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Give an epoch's batches in random order: images (B, 1, 28, 28) from 0 to 1, and labels (B,)."""
        order = torch.randperm(len(self.images))[: len(self) * self.batch_size]
        for some in order.split(self.batch_size):
            yield self.images[some].float() / 255, self.labels[some]


def train_vae(
    epoch: int,
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, Tensor]] | fast_loader,
    cond: bool = False,
) -> None:
    """Train for one epoch, on the model's device, and print the loss of the last batch.

    epoch: the epoch's number, for the printed line alone
    model: a VAE, or a CVAE where cond is set
    loader: batches of images (N, 1, 28, 28) and their labels (N,); a DataLoader or a fast_loader
    cond: whether the model takes the labels too, one-hot
    Raises ValueError where there is nothing to train: a model without parameters, a loader without batches.
    """
    from vae import loss_function

    parameters = list(model.parameters())
    if not parameters:
        raise ValueError("the model has no parameters: its layers are still to be written")
    if not len(loader):
        raise ValueError("the loader has no batches: are there fewer images than in one batch?")
    # A new Adam for each epoch, so that nothing is remembered from call to call. Its averages start afresh,
    # which does no harm: after 3 epochs the VAE's test loss is 129.9, and 130.9 where one Adam is kept.
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    device = parameters[0].device
    model.train()
    for images, labels in _progress(loader):
        x = images.to(device)
        x_hat, mu, logvar = model(x, one_hot(labels).to(device)) if cond else model(x)
        loss = loss_function(x_hat, x, mu, logvar)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"Train Epoch: {epoch} Loss: {loss.item():.6f}")


def _progress(batches: DataLoader[Batch] | fast_loader) -> Iterator[Any]:
    """Yield the batches and show how many are done where somebody looks: in a notebook or on a terminal."""
    draw = _progress_bar(len(batches))
    percent = 0
    for done, batch in enumerate(batches, start=1):
        yield batch
        if 100 * done // len(batches) > percent:  # not for each batch: on a GPU drawing would take longer
            percent = 100 * done // len(batches)
            draw(done)


def _progress_bar(total: int) -> Callable[[int], None]:
    """Return the function that shows how many of all the batches are done."""
    ipython = sys.modules.get("IPython")  # where nobody has imported it, there is no notebook
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None):
        from IPython.display import ProgressBar

        bar = ProgressBar(total)
        bar.display()
        return partial(setattr, bar, "progress")  # which redraws it
    if sys.stderr.isatty():
        return partial(_draw_on_terminal, total)
    return lambda _done: None


def _draw_on_terminal(total: int, done: int) -> None:
    """Draw the bar, or wipe it out once all is done. The cursor goes back, so the next line replaces it."""
    bar = f"[{'#' * (40 * done // total):.<40}] {100 * done // total:3d} %"
    print(bar if done < total else " " * len(bar), end="\r", file=sys.stderr, flush=True)
