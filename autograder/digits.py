"""The images that models are trained on: MNIST where it can be had, digits drawn on the fly where not.

MNIST is looked for in the folder that was asked for, or the one that VAE_AUTOGRADER_DATA names; then in the
cache folder; else it is downloaded into the cache folder. A file that is damaged or missing is named and
fetched again. Nothing on this way raises: what went wrong is in `Digits.notes`, and the drawn digits need
neither files nor network. Their thresholds come from the reference solution, by scripts/calibrate_digits.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import torch

from autograder import drawing, mnist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor
    from typing_extensions import Buffer

__all__ = ["VARIABLE", "Digits", "load", "map_raw"]

VARIABLE = "VAE_AUTOGRADER_DATA"  # names a folder, as --data does
TRAIN, TEST, SEED = 10_000, 2_000, 0  # of the drawn digits
PIXELS = 28 * 28
THRESHOLDS = Path(__file__).with_name("thresholds.json")


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 28, 28) of digits, white on black, and their classes (N,): contiguous uint8 tensors."""

    name: str  # "MNIST" or "drawn digits"
    source: str  # the same in words for people, with where from, or why not MNIST
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    thresholds: Mapping[str, float]  # for "VAE" and "CVAE": a right one's verified loss falls below it
    steps: int  # within so many training steps
    notes: tuple[str, ...] = ()  # what went wrong on the way here, one sentence each

    def save_raw(self, path: Path) -> None:
        """Write the training images and, behind them, their labels, for `map_raw` in another process.

        Every user of the machine may read the file. Raises OSError.
        """
        _write(path, self.train_images.numpy().data, self.train_labels.numpy().data)


def map_raw(path: Path) -> tuple[Tensor, Tensor]:
    """Map a file that `Digits.save_raw` wrote: images (N, 1, 28, 28) and labels (N,), uint8.

    All processes that map the file share its memory; what one of them writes there stays its own. Raises
    OSError, or RuntimeError if it cannot be mapped.
    """
    size = path.stat().st_size
    return _split(torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8))


def load(
    root: Path | None = None,
    *,
    download: bool = True,
    mirrors: Sequence[str] = mnist.MIRRORS,
    seconds: float = 60,
    progress: Callable[[int, int], None] = lambda _received, _total: None,
) -> Digits:
    """Load MNIST if it can be had, else the drawn digits.

    root: where to look first, else where VAE_AUTOGRADER_DATA says if it is set
    download, mirrors, seconds: whether the network may be asked, where, and how long in all
    progress: called while downloading, with the bytes received and the bytes to come in all
    """
    wanted = root or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    try:
        cache = platformdirs.user_cache_path("vae-autograder", appauthor=False)
    except RuntimeError:  # this account has no home
        cache = Path(tempfile.gettempdir()) / "vae-autograder"
    why = "" if download else "there is none here, and nothing was to be downloaded"
    notes: list[str] = []
    for place in (cache,) if wanted is None else (wanted, cache):
        folder, files, problems = mnist.read(place)
        notes += problems
        missing = [name for name in mnist.FILES if name not in files]
        if place is wanted and not files and not problems:
            notes.append(f"there is no MNIST in {place}")
        elif missing and not why and place is wanted and not os.access(folder, os.W_OK):
            notes.append(f"{folder} cannot be written, so nothing is fetched there")
        elif missing and not why:
            try:
                packed = mnist.fetch(missing, mirrors, seconds, progress)
            except mnist.OfflineError as error:
                why = str(error)
            else:
                files |= {name: mnist.unpack(name, io.BytesIO(packed[name]), packed=True) for name in missing}
                notes += _keep(folder, packed, files)
        if len(files) == len(mnist.FILES):
            # An images file starts with 16 bytes that are no pixels, a labels file with 8 that are no labels.
            images, labels, test_images, test_labels = (
                torch.frombuffer(files[name], dtype=torch.uint8, offset=16 if "images" in name else 8)
                for name in mnist.FILES
            )
            return Digits(
                name="MNIST",
                source=f"MNIST from {place}",
                train_images=images.view(-1, 1, 28, 28),
                train_labels=labels,
                test_images=test_images.view(-1, 1, 28, 28),
                test_labels=test_labels,
                thresholds={"VAE": 120.0, "CVAE": 120.0},  # the notebook's
                steps=10 * (len(labels) // 128),  # ten epochs
                notes=tuple(notes),
            )
    images, labels = _split(_drawn(cache))
    known = json.loads(THRESHOLDS.read_text(encoding="utf-8"))
    return Digits(
        name="drawn digits",
        source=f"drawn digits, since MNIST was not to be had: {why}",
        train_images=images[:TRAIN],
        train_labels=labels[:TRAIN],
        test_images=images[TRAIN:],
        test_labels=labels[TRAIN:],
        thresholds=known["thresholds"],
        steps=known["steps"],
        notes=tuple(notes),
    )


def _keep(folder: Path, packed: Mapping[str, bytes], files: Mapping[str, bytearray]) -> list[str]:
    """Write fetched files into the folder. Returns what there is to say about it."""
    try:
        for name, content in packed.items():
            _write(folder / f"{name}.gz", content)
            if (folder / name).exists():  # damaged: torchvision would take it as it is
                _write(folder / name, files[name])
    except OSError as error:
        return [f"what was fetched cannot be kept in {folder}: {error.strerror or error}"]
    return [f"fetched into {folder}: {', '.join(packed)}"]


def _drawn(cache: Path) -> Tensor:
    """Read the drawn digits from the cache folder, or draw them and keep them there if that can be.

    Returns images and, behind them, labels, as `_split` takes them.
    """
    recipe = hashlib.sha256(Path(drawing.__file__).read_bytes()).hexdigest()[:8]
    path = cache / f"drawn-{recipe}.raw"  # and the checksum behind all
    size = (TRAIN + TEST) * (PIXELS + 1)
    kept = bytearray()
    with contextlib.suppress(OSError):
        kept = bytearray(path.read_bytes())
    if hashlib.sha256(kept[:size]).digest() == kept[size:]:
        return torch.frombuffer(kept, dtype=torch.uint8, count=size)
    images, labels = drawing.draw(TRAIN + TEST, SEED)
    content = torch.cat([images.flatten(), labels])
    with contextlib.suppress(OSError):  # then they are drawn again the next time
        _write(path, content.numpy().data, hashlib.sha256(content.numpy().data).digest())
    return content


def _split(content: Tensor) -> tuple[Tensor, Tensor]:
    """Split images and the labels behind them: (N * 785,) -> (N, 1, 28, 28) and (N,)."""
    count = len(content) // (PIXELS + 1)
    return content[: count * PIXELS].view(count, 1, 28, 28), content[count * PIXELS :]


def _write(path: Path, *pieces: Buffer) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            for piece in pieces:
                stream.write(piece)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
