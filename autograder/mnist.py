"""The four files of MNIST: read from a folder, checked against the published ones, fetched from a mirror.

They lie in MNIST/raw below a root, as torchvision puts them, packed or not. They are read without
torchvision, since its import takes longer than the reading, and fetched without it, since it knows no limit
of time.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import socket
import threading
import time
import zlib
from concurrent.futures import Future, wait
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["FILES", "MIRRORS", "OfflineError", "fetch", "is_in", "read", "unpack"]

MIRRORS = (  # torchvision's
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
SILENCE = 10  # seconds without a byte after which a mirror is given up


class File(NamedTuple):
    """What is known about a published file."""

    packed: int  # bytes, with gzip
    size: int  # bytes, unpacked
    sha256: str  # of the unpacked bytes


FILES = {
    "train-images-idx3-ubyte": File(
        9_912_422, 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": File(
        28_881, 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": File(
        1_648_877, 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": File(
        4_542, 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


class DamagedError(Exception):
    """A file is not the published one; the message says why."""


class OfflineError(Exception):
    """No mirror gave what was asked for; the message says why."""


def is_in(root: Path) -> bool:
    """Say whether any of the four files is where `read` looks for them, in whatever state."""
    folders = (root / "MNIST" / "raw", root / "raw", root)
    return any(
        (folder / f"{name}{end}").is_file() for folder in folders for name in FILES for end in ("", ".gz")
    )


def read(root: Path) -> tuple[Path, dict[str, bytearray], list[str]]:
    """Read what there is of the four files in MNIST/raw or raw below a root, or in the root itself.

    Returns the folder, the unpacked contents by name, and what is wrong there, one sentence each. Where there
    is nothing at all both are empty, and the folder is where the files belong.
    """
    home = root / "MNIST" / "raw"
    for folder in (home, root / "raw", root):
        files: dict[str, bytearray] = {}
        problems: list[str] = []
        for name in FILES:
            for path in (folder / name, folder / f"{name}.gz"):
                try:
                    with path.open("rb") as stream:
                        files[name] = unpack(name, stream, packed=path.suffix == ".gz")
                    break
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    problems.append(f"{path} cannot be read: {error.strerror or error}")
                except DamagedError as error:
                    problems.append(f"{path} is damaged: {error}")
        if files or problems:
            named = " ".join(problems)
            missing = [name for name in FILES if name not in files and name not in named]
            return folder, files, problems + [f"{folder / name}.gz is missing" for name in missing]
    return home, {}, []


def unpack(name: str, stream: io.BufferedIOBase, *, packed: bool) -> bytearray:
    """Read one file and check that it is the published one; never more than its published size is read.

    Raises DamagedError if it is not, OSError if it cannot be read.
    """
    known = FILES[name]
    content = bytearray(known.size)
    try:
        source = gzip.GzipFile(fileobj=stream, mode="rb") if packed else stream
        length = source.readinto(content)
        more = source.read(1)  # reads on to the end, where gzip has its own checksum
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(f"it cannot be unpacked ({error})") from error
    if length < known.size or more:
        raise DamagedError(f"it is too {'long' if more else 'short'}")
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise DamagedError("its checksum is wrong")
    return content


def fetch(
    names: Sequence[str],
    mirrors: Sequence[str] = MIRRORS,
    seconds: float = 60,
    progress: Callable[[int, int], None] = lambda _received, _total: None,
) -> dict[str, bytes]:
    """Download files, each from the first mirror that has it, and check them; all of it within some seconds.

    progress: called here, a few times a second, with the bytes received and the bytes to come in all
    Returns the contents by name, packed. Raises OfflineError.
    """
    # A thread of its own, because looking up a host's name knows no limit of time.
    received = dict.fromkeys(names, 0)
    total = sum(FILES[name].packed for name in names)
    end = time.monotonic() + seconds
    over = threading.Event()
    result: Future[dict[str, bytes]] = Future()

    def work() -> None:
        try:
            result.set_result({name: _fetch_one(name, mirrors, received, over) for name in names})
        except Exception as error:  # noqa: BLE001  # raised again where the result is asked for
            result.set_exception(error)

    threading.Thread(target=work, name="mnist.fetch", daemon=True).start()
    try:
        while not wait([result], timeout=0.1).done:
            if time.monotonic() > end:
                raise OfflineError(f"the download was not complete after {seconds:g} seconds")
            progress(sum(received.values()), total)
        return result.result()
    finally:
        over.set()


def _fetch_one(name: str, mirrors: Iterable[str], received: dict[str, int], over: threading.Event) -> bytes:
    """Download one file, counting the bytes. Raises OfflineError."""
    reasons = []
    for mirror in mirrors:
        packed = bytearray()
        try:
            with urlopen(f"{mirror}{name}.gz", timeout=SILENCE) as response:  # noqa: S310  # we name the mirrors
                while not over.is_set() and (some := response.read1(1 << 16)):
                    packed += some
                    received[name] = len(packed)
                    if len(packed) > FILES[name].packed:
                        break
            unpack(name, io.BytesIO(packed), packed=True)
        except (DamagedError, OSError, HTTPException) as error:
            reasons.append(_reason(urlsplit(mirror).netloc, error))
        else:
            return bytes(packed)
    raise OfflineError("; ".join(dict.fromkeys(reasons)))


def _reason(host: str, error: Exception) -> str:
    """Say in a few words why a mirror did not give a file."""
    if isinstance(error, DamagedError):
        return f"what {host} sends is not the published file: {error}"
    if isinstance(error, HTTPError):
        return f"{host} answers {error.code} {error.reason}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"{host} does not answer"
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH)
    if isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in unreachable):
        return "no network"
    return f"{host}: {cause}"
