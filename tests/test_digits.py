"""The images: MNIST from files and mirrors that are as they should be or not, and the drawn digits."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import json
import multiprocessing
import os
import socket
import tempfile
import threading
import time
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from autograder import digits, drawing, mnist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = mnist.FILES
REAL_ROOT, REAL_FILES = os.environ.get(digits.VARIABLE), dict(mnist.FILES)
NOBODY = 65534
FEW = {IMAGES: 40, LABELS: 40, TEST_IMAGES: 10, TEST_LABELS: 10}
"""Images and labels in the small stand-ins for the four files."""


def content(name: str) -> bytes:
    """Make a stand-in for one of the four files, in the published format."""
    count = FEW[name]
    if name in (IMAGES, TEST_IMAGES):
        head = b"".join(number.to_bytes(4, "big") for number in (2051, count, 28, 28))
        return head + bytes(place % 251 for place in range(count * 784))
    return b"".join(number.to_bytes(4, "big") for number in (2049, count)) + bytes(
        n % 10 for n in range(count)
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Publish the stand-ins as MNIST, make drawing cheap, and return an empty cache folder."""
    for name in FEW:
        whole = content(name)
        packed = len(gzip.compress(whole, mtime=0))
        known = mnist.File(packed, len(whole), hashlib.sha256(whole).hexdigest())
        monkeypatch.setitem(mnist.FILES, name, known)
    monkeypatch.setattr(digits, "TRAIN", 30)
    monkeypatch.setattr(digits, "TEST", 10)
    monkeypatch.delenv(digits.VARIABLE, raising=False)
    cache = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_args, **_options: cache)
    return cache


def place(root: Path, *, packed: bool = True, only: tuple[str, ...] = tuple(FEW)) -> Path:
    """Lay the stand-ins out below a root as torchvision does. Returns their folder."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for name in only:
        whole = content(name)
        path = folder / f"{name}.gz" if packed else folder / name
        path.write_bytes(gzip.compress(whole, mtime=0) if packed else whole)
    return folder


class Mirror:
    """A web server on this machine: gives the files in its table, else answers 404."""

    def __init__(self) -> None:
        """Start it, with the four stand-ins."""
        self.files = {f"/{name}.gz": gzip.compress(content(name), mtime=0) for name in FEW}
        self.asked: list[str] = []
        self.pause = 0.0  # seconds before each byte
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # its name is the base class's
                mirror.asked.append(self.path)
                body = mirror.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                for start in range(0, len(body or b""), 1 if mirror.pause else 1 << 20):
                    time.sleep(mirror.pause)
                    try:
                        self.wfile.write((body or b"")[start : start + (1 if mirror.pause else 1 << 20)])
                    except OSError:  # the other side has given up
                        return

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.mirrors = (f"http://{self.host}/",)

    def stop(self) -> None:
        """Stop it."""
        self.pause = 0.0
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextlib.contextmanager
def serving() -> Iterator[Mirror]:
    """Run a web server with the four stand-ins."""
    running = Mirror()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """Run a web server with the four stand-ins."""
    with serving() as running:
        yield running


def assert_mnist(data: digits.Digits, source: Path) -> None:
    """Hold the data against the stand-ins."""
    assert (data.name, data.source) == ("MNIST", f"MNIST from {source}")
    for tensor, name in (
        (data.train_images, IMAGES),
        (data.train_labels, LABELS),
        (data.test_images, TEST_IMAGES),
        (data.test_labels, TEST_LABELS),
    ):
        assert tensor.dtype == torch.uint8
        assert tensor.is_contiguous()
        assert bytes(tensor.flatten().tolist()) == content(name)[16 if tensor.dim() == 4 else 8 :]
    assert data.train_images.shape == (40, 1, 28, 28)
    assert data.test_images.shape == (10, 1, 28, 28)


# --- MNIST from files ---

LAYOUTS: dict[str, Callable[[Path], object]] = {
    "packed": place,
    "unpacked": partial(place, packed=False),
    "both": lambda root: (place(root), place(root, packed=False)),
    "some packed": lambda root: (place(root, only=(IMAGES, LABELS)), place(root, packed=False)),
    "the folder MNIST": lambda root: place(root.parent / "x").parent.rename(root),
    "the folder raw": lambda root: place(root.parent / "x").rename(root),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path: Path, layout: Callable[[Path], object]) -> None:
    """The files may be packed or not, in the root's MNIST/raw or nearer."""
    layout(tmp_path / "root")
    data = digits.load(tmp_path / "root", download=False)
    assert_mnist(data, tmp_path / "root")
    assert data.notes == ()
    assert data.thresholds == {"VAE": 120, "CVAE": 120}


def test_order(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder asked for comes before the variable's, and that before the cache."""
    for root in (small, tmp_path / "variable", tmp_path / "asked"):
        place(root)
    assert_mnist(digits.load(download=False), small)
    monkeypatch.setenv(digits.VARIABLE, str(tmp_path / "variable"))
    assert_mnist(digits.load(download=False), tmp_path / "variable")
    assert_mnist(digits.load(tmp_path / "asked", download=False), tmp_path / "asked")


@pytest.mark.parametrize("kind", ["nowhere", "an empty folder", "a file"])
def test_root_without_mnist(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A root that holds no MNIST is named, and the cache is taken."""
    root = tmp_path / "root"
    {"nowhere": lambda: None, "an empty folder": root.mkdir, "a file": root.touch}[kind]()
    monkeypatch.setenv(digits.VARIABLE, str(root))
    place(small)
    data = digits.load(download=False)
    assert_mnist(data, small)
    assert data.notes == (f"there is no MNIST in {root}",)


def halve(path: Path) -> None:
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change the last pixel or label of a file, packed or not."""
    packed = path.suffix == ".gz"
    whole = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(gzip.compress(whole) if packed else whole)


def grow(path: Path) -> None:
    """Put a byte behind the contents of a file, packed or not."""
    packed = path.suffix == ".gz"
    whole = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()) + b"\0"
    path.write_bytes(gzip.compress(whole) if packed else whole)


def shorten(path: Path) -> None:
    """Take the last byte from the contents of a packed file."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


def obstruct(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, tuple[bool, Callable[[Path], object], str]] = {
    "half a file, packed": (True, halve, "is damaged: it cannot be unpacked"),
    "half a file": (False, halve, "is damaged: it is too short"),
    "empty, packed": (True, lambda path: path.write_bytes(b""), "is damaged: it is too short"),
    "a web page": (True, lambda path: path.write_bytes(b"<html>"), "is damaged: it cannot be unpacked"),
    "one pixel, packed": (True, flip, "is damaged: its checksum is wrong"),
    "one pixel": (False, flip, "is damaged: its checksum is wrong"),
    "too long, packed": (True, grow, "is damaged: it is too long"),
    "too long": (False, grow, "is damaged: it is too long"),
    "too short, packed": (True, shorten, "is damaged: it is too short"),
    "missing": (True, Path.unlink, "is missing"),
    "a folder": (True, obstruct, "cannot be read: Is a directory"),
}


@pytest.mark.parametrize(("packed", "damage", "words"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", [IMAGES, TEST_LABELS])
def test_damage(
    tmp_path: Path,
    mirror: Mirror,
    name: str,
    packed: bool,  # noqa: FBT001  # a column of the table
    damage: Callable[[Path], object],
    words: str,
) -> None:
    """A damaged or missing file is named. Without network the digits are drawn, else it is fetched again."""
    folder = place(tmp_path, packed=packed)
    path = folder / (f"{name}.gz" if packed else name)
    damage(path)
    data = digits.load(tmp_path, download=False)
    assert data.name == "drawn digits"
    assert len(data.notes) == 1
    assert data.notes[0].startswith(f"{path} {words}")
    if path.is_dir():
        path.rmdir()
    data = digits.load(tmp_path, mirrors=mirror.mirrors)
    assert_mnist(data, tmp_path)
    assert data.notes[-1] == f"fetched into {folder}: {name}"
    assert mirror.asked == [f"/{name}.gz"]
    assert (digits.load(tmp_path, download=False).notes, mirror.asked) == ((), [f"/{name}.gz"])


def test_damaged_twin(tmp_path: Path) -> None:
    """Where one of packed and unpacked is whole, it is taken and the other one named."""
    place(tmp_path)
    flip(place(tmp_path, packed=False) / IMAGES)
    data = digits.load(tmp_path, download=False)
    assert_mnist(data, tmp_path)
    assert data.notes == (f"{tmp_path / 'MNIST' / 'raw' / IMAGES} is damaged: its checksum is wrong",)


# --- MNIST from a mirror ---


def test_download(small: Path, mirror: Mirror) -> None:
    """Without MNIST at hand it is downloaded into the cache, once, with progress from nothing to all."""
    seen: list[tuple[int, int]] = []
    mirror.pause = 0.0002
    data = digits.load(mirrors=mirror.mirrors, progress=lambda *numbers: seen.append(numbers))
    assert_mnist(data, small)
    assert data.notes == (f"fetched into {small / 'MNIST' / 'raw'}: {', '.join(FEW)}",)
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {sum(known.packed for known in mnist.FILES.values())}
    assert len(mirror.asked) == 4
    assert_mnist(digits.load(mirrors=mirror.mirrors), small)
    assert len(mirror.asked) == 4


def test_second_mirror(small: Path, mirror: Mirror) -> None:
    """What one mirror does not have, or has damaged, comes from the next one."""
    with serving() as other:
        other.files = {f"/{IMAGES}.gz": b"<html>", f"/{LABELS}.gz": mirror.files[f"/{LABELS}.gz"]}
        assert_mnist(digits.load(mirrors=other.mirrors + mirror.mirrors), small)
    assert f"/{LABELS}.gz" not in mirror.asked


ANSWERS: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "404": (lambda _whole: None, "HOST answers 404 Not Found"),
    "half a file": (
        lambda whole: whole[: len(whole) // 2],
        "what HOST sends is not the published file: it cannot be unpacked",
    ),
    "nothing": (lambda _whole: b"", "what HOST sends is not the published file: it is too short"),
    "another file": (
        lambda whole: gzip.compress(bytes(len(gzip.decompress(whole)))),
        "what HOST sends is not the published file: its checksum is wrong",
    ),
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.values(), ids=ANSWERS)
def test_bad_mirror(small: Path, mirror: Mirror, answer: Callable[[bytes], bytes | None], words: str) -> None:
    """A mirror that sends something else is named, nothing of it is kept, and the digits are drawn."""
    mirror.files = {path: body for path, whole in mirror.files.items() if (body := answer(whole)) is not None}
    data = digits.load(mirrors=mirror.mirrors)
    words = words.replace("HOST", mirror.host)
    assert data.source.startswith(f"drawn digits, since MNIST was not to be had: {words}")
    assert not (small / "MNIST").exists()


def test_flood(mirror: Mirror) -> None:
    """Of a file that is far too long no more is taken than the published one has, and a piece."""
    mirror.files[f"/{LABELS}.gz"] = bytes(50_000_000)
    seen: list[int] = []
    with pytest.raises(mnist.OfflineError, match="is not the published file"):
        mnist.fetch([LABELS], mirror.mirrors, 60, lambda received, _total: seen.append(received))
    assert max(seen, default=0) < 1_000_000


def test_no_network(small: Path) -> None:
    """Where no mirror's name is known, that is told once as no network, and the digits are drawn and kept."""
    data = digits.load(mirrors=("http://mirror.invalid/", "http://other.invalid/"))
    assert data.source == "drawn digits, since MNIST was not to be had: no network"
    assert data.notes == ()
    assert [path.suffix for path in small.iterdir()] == [".raw"]


def test_refused() -> None:
    """Where nobody listens, the mirror is named."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        assert host in digits.load(mirrors=(f"http://{host}/",)).source


@pytest.mark.parametrize("kind", ["trickle", "silence", "name server"])
def test_time_limit(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Downloading ends in time, however slow the mirror, or the search for its address, is."""
    asleep = threading.Event()
    if kind == "name server":
        monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_options: asleep.wait(20))
    mirror.pause = {"trickle": 0.05, "silence": 5.0, "name server": 0}[kind]
    start = time.monotonic()
    data = digits.load(mirrors=mirror.mirrors, seconds=0.5)
    assert time.monotonic() - start < 15
    assert data.source.endswith(": the download was not complete after 0.5 seconds")
    asleep.set()


def test_silent_mirror(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that says nothing for some seconds is given up."""
    monkeypatch.setattr(mnist, "SILENCE", 0.2)
    mirror.pause = 2
    assert digits.load(mirrors=mirror.mirrors).source.endswith(f": {mirror.host} does not answer")


def test_interrupt(small: Path, mirror: Mirror) -> None:
    """What the progress callback raises ends the download, and nothing is kept."""

    def stop(_received: int, _total: int) -> None:
        raise KeyboardInterrupt

    mirror.pause = 0.1
    before = threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        digits.load(mirrors=mirror.mirrors, progress=stop)
    assert not small.exists()
    (thread,) = (each for each in threading.enumerate() if each.name == "mnist.fetch" and each not in before)
    thread.join(5)
    assert not thread.is_alive()


# --- Folders that cannot be written or read ---


def together(*actions: Callable[[], None]) -> None:
    """Run actions at the same time, each in a process of its own without root's rights."""
    context = multiprocessing.get_context("fork")  # what is patched here is patched there
    start = context.Barrier(len(actions))
    said = context.SimpleQueue()

    def run(action: Callable[[], None]) -> None:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            start.wait(20)
            action()
        except BaseException:  # noqa: BLE001  # said below
            said.put(traceback.format_exc())
        else:
            said.put("")

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # torch has threads; the children do not need them
        processes = [context.Process(target=run, args=(action,)) for action in actions]
        for process in processes:
            process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [said.get() for _ in actions] == [""] * len(actions)


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a folder that everybody may enter and read; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def lock(root: Path, mode: int = 0o555) -> None:
    """Take the right to write from a folder and all below, the deepest first."""
    for path in sorted((root, *root.rglob("*")), reverse=True):
        if path.is_dir():
            path.chmod(mode)


@pytest.fixture
def unlock(public: Path) -> Iterator[None]:
    """Make it possible to remove the folders again."""
    yield
    folders = [public]
    for folder in folders:
        folder.chmod(0o755)
        folders += [path for path in folder.iterdir() if path.is_dir()]


@pytest.mark.usefixtures("unlock")
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
def test_read_only_root(public: Path, packed: bool) -> None:  # noqa: FBT001  # a column of the table
    """MNIST in a folder that cannot be written is taken as it is."""
    place(public / "root", packed=packed)
    lock(public / "root")

    def check() -> None:
        assert_mnist(digits.load(public / "root", download=False), public / "root")

    together(check)


@pytest.mark.usefixtures("unlock")
def test_damaged_read_only_root(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files damaged where nothing can be written are named, and MNIST is downloaded into the cache."""
    flip(place(public / "root") / f"{IMAGES}.gz")
    lock(public / "root")
    cache = public / "open" / "cache"
    cache.parent.mkdir()
    cache.parent.chmod(0o777)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_args, **_options: cache)

    def check() -> None:
        with serving() as mirror:
            data = digits.load(public / "root", mirrors=mirror.mirrors)
        assert_mnist(data, cache)
        folder = public / "root" / "MNIST" / "raw"
        assert data.notes == (
            f"{folder / IMAGES}.gz is damaged: its checksum is wrong",
            f"{folder} cannot be written, so nothing is fetched there",
            f"fetched into {cache / 'MNIST' / 'raw'}: {', '.join(FEW)}",
        )

    together(check)


@pytest.mark.usefixtures("unlock")
def test_unreadable_root(public: Path) -> None:
    """A root that may not be entered is named."""
    place(public / "root")
    lock(public / "root", 0o000)

    def check() -> None:
        data = digits.load(public / "root", download=False)
        assert data.name == "drawn digits"
        assert {note.split(": ")[-1] for note in data.notes} == {"Permission denied"}

    together(check)


@pytest.mark.usefixtures("unlock")
def test_read_only_cache(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be written, both MNIST and the drawn digits serve without being kept."""
    cache = public / "cache"
    cache.mkdir()
    lock(cache)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_args, **_options: cache)

    def check() -> None:
        with serving() as mirror:
            data = digits.load(mirrors=mirror.mirrors)
        assert_mnist(data, cache)
        assert data.notes == (
            f"what was fetched cannot be kept in {cache / 'MNIST' / 'raw'}: Permission denied",
        )
        assert digits.load(download=False).name == "drawn digits"

    together(check)
    assert list(cache.iterdir()) == []


# --- The drawn digits ---


def test_kept(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn digits are drawn once and then read from the cache."""
    first = digits.load(download=False)
    assert first.source == (
        "drawn digits, since MNIST was not to be had: there is none here, and nothing was to be downloaded"
    )
    monkeypatch.setattr(drawing, "draw", None)
    again = digits.load(download=False)
    assert first.train_images.shape == (30, 1, 28, 28)
    assert first.test_images.shape == (10, 1, 28, 28)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert getattr(first, name).is_contiguous()
    assert len(list(small.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        halve,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"),
    ],
    ids=["half a file", "empty", "another pixel", "too long", "another checksum"],
)
def test_damaged_cache(small: Path, damage: Callable[[Path], object]) -> None:
    """A damaged cache of the drawn digits is made anew."""
    first = digits.load(download=False)
    (path,) = small.iterdir()
    whole = path.read_bytes()
    damage(path)
    assert path.read_bytes() != whole
    assert torch.equal(digits.load(download=False).train_images, first.train_images)
    assert path.read_bytes() == whole


def test_two_at_once(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that make the cache at the same time all get the digits, and leave one whole file."""
    cache = public / "cache"
    public.chmod(0o777)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_args, **_options: cache)
    images, labels = drawing.draw(40, digits.SEED)

    def check() -> None:
        data = digits.load(download=False)
        assert torch.equal(data.train_images, images[:30])
        assert torch.equal(data.test_labels, labels[30:])

    together(check, check, check)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(drawing, "draw", None)
    check()


def test_thresholds_are_current() -> None:
    """The committed thresholds were made with these drawings; scripts/calibrate_digits.py makes them anew."""
    known = json.loads(digits.THRESHOLDS.read_text(encoding="utf-8"))
    images, labels = drawing.draw(2_000, 1)
    ink = [images[labels == digit].float().mean().item() for digit in range(10)]
    assert known["ink"] == pytest.approx(ink, rel=1e-3)
    data = digits.load(download=False)
    assert (data.thresholds, data.steps) == (known["thresholds"], known["steps"])
    assert set(data.thresholds) == {"VAE", "CVAE"}


# --- For the worker ---


def test_mapped(tmp_path: Path) -> None:
    """The worker's file holds images and labels, every user may read it, and mapping never changes it."""
    place(tmp_path)
    data = digits.load(tmp_path, download=False)
    path = tmp_path / "raw"
    data.save_raw(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_size == 40 * 785
    images, labels = digits.map_raw(path)
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.uint8)
    assert torch.equal(images, data.train_images)
    assert torch.equal(labels, data.train_labels)
    images.zero_()
    assert torch.equal(digits.map_raw(path)[0], data.train_images)


def test_mapped_by_another_user(public: Path) -> None:
    """A process without root's rights can map a file that cannot be written."""
    place(public / "root")
    data = digits.load(public / "root", download=False)
    data.save_raw(public / "raw")
    (public / "raw").chmod(0o444)

    def check() -> None:
        images, _ = digits.map_raw(public / "raw")
        assert torch.equal(images, data.train_images)

    together(check)


def test_not_written_in_half(tmp_path: Path) -> None:
    """Where the file cannot be written, nothing is left behind."""
    place(tmp_path)
    (tmp_path / "raw" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="raw"):
        digits.load(tmp_path, download=False).save_raw(tmp_path / "raw")
    assert {path.name for path in tmp_path.iterdir()} == {"MNIST", "raw"}


# --- The real MNIST ---


@pytest.mark.slow
@pytest.mark.skipif(REAL_ROOT is None, reason="VAE_AUTOGRADER_DATA does not say where MNIST is")
def test_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published files are read: 60,000 and 10,000 images with their known mean and counts of classes."""
    for name, known in REAL_FILES.items():
        monkeypatch.setitem(mnist.FILES, name, known)
    data = digits.load(Path(REAL_ROOT or ""), download=False)
    assert (data.name, data.notes, data.steps) == ("MNIST", (), 4_680)
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.float().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(data.train_labels).tolist() == train
    assert torch.bincount(data.test_labels).tolist() == test
