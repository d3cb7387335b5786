"""Pictures of a training: what the models draw, from verified parameters, and the curve of the loss."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autograder.verify import Verifier

__all__ = ["MAX_EMBEDDED", "NAMES", "Picture", "curve", "drawings", "embed"]

NAMES = (  # of all pictures that there can be
    *("loss", "vae-samples", "vae-interpolation", "vae-reconstructions"),
    *("cvae-classes", "cvae-reconstructions"),
)
MAX_EMBEDDED = 300_000  # characters of all embedded pictures together
HIGH = 600  # losses above it are not shown
COLOURS = {"VAE": "#1b6ca8", "CVAE": "#b8531b"}


@dataclass(frozen=True)
class Picture:
    """A picture: the stem of its file's name, what it shows in words, and a PNG."""

    name: str
    alt: str
    png: bytes


def drawings(verifier: Verifier, seed: int) -> list[Picture]:
    """Let a verified model draw.

    A VAE: 10 samples, 12 interpolations of 12 steps, reconstructions. A CVAE: one digit for each class,
    reconstructions. Raises Raised, WrongKind or Ended where the worker is asked.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, 15, generator=generator)

    name = verifier.model.name
    pictures = []
    if verifier.conditional:
        digits = verifier.decode(normal(10), torch.eye(10))
        alt = "Ten digits drawn by the CVAE, one for each class from 0 to 9."
        pictures.append(Picture("cvae-classes", alt, grid(digits, 10)))
    else:
        nothing = torch.zeros(144, 0)
        alt = "Ten digits drawn by the VAE from random latents."
        pictures.append(Picture("vae-samples", alt, grid(verifier.decode(normal(10), nothing[:10]), 10)))
        start, end = normal(2, 12, 1)
        z = torch.lerp(start, end, torch.linspace(0, 1, 12).view(1, 12, 1)).flatten(0, 1)
        alt = "Twelve rows of twelve digits drawn by the VAE: in each row the latent goes from one point to another."
        pictures.append(Picture("vae-interpolation", alt, grid(verifier.decode(z, nothing), 12)))
    x, c = verifier.images[:10], verifier.classes[:10]
    mu, logvar = verifier.encode(x, c)
    x_hat = verifier.decode(mu + torch.exp(logvar / 2) * normal(10), c)
    alt = f"Above, ten test images; below, what the {name} makes of them."
    pictures.append(Picture(f"{name.lower()}-reconstructions", alt, grid(torch.cat([x.double(), x_hat]), 10)))
    return pictures


def grid(images: Tensor, columns: int) -> bytes:
    """Put images (N, 1, 28, 28), with pixels from 0 to 1, in rows, one pixel of grey between them; returns a PNG."""
    from PIL import Image

    rows = -(-len(images) // columns)
    canvas = torch.full((rows * 29 + 1, columns * 29 + 1), 128, dtype=torch.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * 29 + 1, i % columns * 29 + 1
        canvas[top : top + 28, left : left + 28] = (255 * image[0].nan_to_num(0).clamp(0, 1)).round().byte()
    picture = Image.fromarray(canvas.numpy())
    file = io.BytesIO()
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(
        file, "PNG", optimize=True
    )
    return file.getvalue()


def curve(
    lines: Sequence[tuple[str, float, Sequence[tuple[int, float]]]],
    bands: Mapping[str, Sequence[Sequence[float]]],
) -> Picture:
    """Draw the verified losses over the steps, with the thresholds and the reference's bands.

    lines: kind of model, threshold, and the losses with the steps after which they were found
    bands: by kind of model, rows of steps, lowest and highest verified loss of the reference
    """
    from matplotlib.backends.backend_agg import (
        FigureCanvasAgg,
    )  # without pyplot, which takes three times as long
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    words = []
    highest, furthest = 0.0, 1
    for kind, threshold, points in lines:
        # An untrained model's loss, 543, would press all that follows to the ground.
        steps, losses = [s for s, _ in points if s], [loss for s, loss in points if s]
        colour = COLOURS[kind]
        if kind in bands:
            known, low, high = zip(*bands[kind], strict=True)
            axes.fill_between(
                known, low, high, color=colour, alpha=0.2, linewidth=0, label=f"reference {kind}"
            )
        axes.plot(steps, losses, color=colour, marker=".", label=f"your {kind}")
        axes.axhline(threshold, color=colour, linestyle=":", linewidth=1)
        highest = max([highest, *(loss for loss in losses if loss < HIGH)])
        furthest = max([furthest, *steps])
        if losses:
            words.append(f"your {kind} goes from {losses[0]:.0f} to {losses[-1]:.1f} in {steps[-1]} steps")
    axes.set_ylim(min(threshold for _, threshold, _ in lines) - 25, max(180, 1.05 * highest))
    axes.set_xlim(0, 1.1 * furthest)
    axes.set_xlabel("training steps of 128 images")
    axes.set_ylabel("verified loss on test images")
    axes.legend(fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    alt = f"The verified loss over the training steps: {'; '.join(words) or 'none was found'}."
    return Picture("loss", alt, shrink(file.getvalue()))


def shrink(png: bytes) -> bytes:
    """Reduce a drawing to 32 colours: a quarter of the size."""
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(32).save(file, "PNG", optimize=True)
    return file.getvalue()


def embed(text: str, pictures: Sequence[Picture]) -> str:
    """Make HTML of a text and of as many of the pictures as there is room for."""
    parts = [f"<p>{html.escape(text).replace(chr(10), '<br>')}</p>"]
    room = MAX_EMBEDDED
    for picture in pictures:
        alt = html.escape(picture.alt)
        data = base64.b64encode(picture.png).decode("ascii")
        part = f'<p>{alt}<br><img alt="{alt}" src="data:image/png;base64,{data}"></p>'
        if len(part) <= room:
            room -= len(part)
            parts.append(part)
    return "\n".join(parts)
