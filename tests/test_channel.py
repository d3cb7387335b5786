"""The pipe to a worker: whatever the other end does, each wait ends and each message has its size."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import struct
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from autograder.channel import (
    KEEP,
    LAPSE,
    Channel,
    OversizeError,
    PolledChannel,
    StalledError,
    ThreadedChannel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apart import Apart

SOON = 0.3  # seconds: deadlines that are to pass
LATE = 20.0  # seconds: deadlines that are not
Kind = type[PolledChannel | ThreadedChannel]
KINDS = {"polled": PolledChannel, "threaded": ThreadedChannel}
both_kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


class Pair:
    """A channel and the worker's two ends of it, as the worker has them."""

    def __init__(self, watch: Callable[[], None] = lambda: None, kind: Kind = PolledChannel) -> None:
        ours, self.theirs = multiprocessing.Pipe()
        ready, self.output = os.pipe()
        self.channel = kind(ours, ready, watch)

    def write(self, data: bytes) -> None:
        """Write bytes without a frame."""
        os.write(self.theirs.fileno(), data)

    def hang_up(self) -> None:
        """Close the worker's ends."""
        self.theirs.close()
        self.close_output()

    def close_output(self) -> None:
        """Close the end that it prints to, once: the number may be another's by then."""
        if self.output >= 0:
            os.close(self.output)
        self.output = -1

    def receive(self, limit: int = 1000, seconds: float = LATE) -> bytes:
        """Receive a message."""
        return self.channel.receive(limit, time.monotonic() + seconds)

    def send(self, message: bytes, seconds: float = LATE) -> None:
        """Send a message."""
        self.channel.send([message], time.monotonic() + seconds)


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A channel whose other end the test holds."""
    made = Pair(kind=request.param)
    yield made
    made.hang_up()
    with contextlib.suppress(OSError):
        made.channel.close()


@contextlib.contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Let a thread do the worker's part."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize("size", [0, 1, 4, 16_383, 16_385, 3_000_000])
def test_round_trip(pair: Pair, size: int) -> None:
    """A message of any size arrives whole, in both directions, with the standard library at the other end."""
    message = os.urandom(size)

    def echo() -> None:
        pair.theirs.send_bytes(pair.theirs.recv_bytes())

    with meanwhile(echo):
        pair.send(message)
        assert pair.receive(size) == message


def test_messages_keep_apart(pair: Pair) -> None:
    """Messages written in one go are received one by one."""
    pair.write(struct.pack("!i", 2) + b"ab" + struct.pack("!i", 0) + struct.pack("!i", 1) + b"c")
    assert [pair.receive(), pair.receive(), pair.receive()] == [b"ab", b"", b"c"]


HALVES = {
    "nothing": b"",
    "half a length": b"\0\0",
    "a length and no message": struct.pack("!i", 5),
    "half a message": struct.pack("!i", 5) + b"ab",
}


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES)
def test_stall(pair: Pair, data: bytes) -> None:
    """A worker that stops anywhere in a message is too slow when the deadline passes, and no later."""
    if data:
        pair.write(data)
    begin = time.monotonic()
    with pytest.raises(StalledError):
        pair.receive(seconds=SOON)
    assert SOON <= time.monotonic() - begin < SOON + 2


@both_kinds
def test_grant(kind: Kind) -> None:
    """A deadline is put off for as long as more time is granted, and a message that comes meanwhile is whole."""
    grants = [SOON, SOON, 0.0]
    made = Pair(kind=kind)
    made.channel.grant = lambda: grants.pop(0)
    begin = time.monotonic()
    with pytest.raises(StalledError):
        made.receive(seconds=SOON)
    assert time.monotonic() - begin >= 3 * SOON
    assert made.channel.granted == 2 * SOON
    made.channel.granted, grants[:] = 0.0, [LATE]
    made.write(struct.pack("!i", 2) + b"a")

    def late() -> None:
        time.sleep(2 * SOON)
        made.write(b"b")

    with meanwhile(late):
        if kind is PolledChannel:  # the other one's thread still waits for the first message
            assert made.receive(seconds=SOON) == b"ab"
    made.hang_up()
    made.channel.close()


def stand_still(kind: Kind, *, waiting: bool) -> float:
    """Be stopped for longer than a wait may take, in it or before it; returns the seconds that pass meanwhile."""
    made, parent = Pair(kind=kind), os.getpid()
    if os.fork() == 0:
        time.sleep(0.1)
        os.kill(parent, signal.SIGSTOP)
        time.sleep(LAPSE + 0.5)
        os.kill(parent, signal.SIGCONT)
        time.sleep(0.1)
        made.write(struct.pack("!i", 2) + b"ab")
        os._exit(0)
    begin = made.channel.clock()
    if not waiting:
        while time.process_time() < 0.05 or time.monotonic() < begin + LAPSE:
            pass
    assert made.channel.receive(2, begin + LAPSE) == b"ab"
    return made.channel.clock() - begin


@both_kinds
@pytest.mark.parametrize("waiting", [True, False], ids=["in a wait", "at something else"])
def test_standstill(kind: Kind, apart: Apart, waiting: bool) -> None:  # noqa: FBT001
    """The time in which the grader itself stood still, as in a container that is paused, is not the worker's."""
    assert apart(partial(stand_still, kind, waiting=waiting)).value < LAPSE


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES)
def test_hang_up(pair: Pair, data: bytes) -> None:
    """A worker that hangs up anywhere in a message has ended."""
    if data:
        pair.write(data)
    pair.hang_up()
    with pytest.raises(EOFError):
        pair.receive()


def test_trickle(pair: Pair) -> None:
    """The deadline is for the whole message: a byte now and then does not put it off."""
    stop = threading.Event()

    def trickle() -> None:
        pair.write(struct.pack("!i", 1000))
        while not stop.wait(0.02):
            pair.write(b"x")

    with meanwhile(trickle):
        begin = time.monotonic()
        with pytest.raises(StalledError):
            pair.receive(seconds=SOON)
        stop.set()
    assert time.monotonic() - begin < SOON + 2


LENGTHS = {
    "one byte more than allowed": struct.pack("!i", 1001),
    "the largest": struct.pack("!i", 0x7FFF_FFFF),
    "negative": struct.pack("!i", -7),
    "the long form of multiprocessing": struct.pack("!iQ", -1, 1 << 40),
}


@pytest.mark.parametrize("data", LENGTHS.values(), ids=LENGTHS)
def test_oversize(pair: Pair, data: bytes) -> None:
    """A length beyond the limit is refused when it is announced, before any of the message is read."""
    pair.write(data)
    if data == LENGTHS["negative"] and isinstance(pair.channel, ThreadedChannel):
        assert pair.receive(1000) == b""  # the standard library's reading of it: no answer either
        return
    with pytest.raises(OversizeError):
        pair.receive(1000)


def test_flood(pair: Pair) -> None:
    """A message up to the limit is taken even when more bytes follow it."""
    pair.write(struct.pack("!i", 1000) + bytes(1000) + b"more")
    assert pair.receive(1000) == bytes(1000)


def test_nobody_reads(pair: Pair) -> None:
    """A question that nobody reads is given up when the deadline passes."""
    begin = time.monotonic()
    with pytest.raises(StalledError):
        pair.send(bytes(5_000_000), SOON)
    assert SOON <= time.monotonic() - begin < SOON + 2


def test_nobody_there(pair: Pair) -> None:
    """A question to a worker that has ended is refused at once."""
    pair.hang_up()
    with pytest.raises(ConnectionError):
        pair.send(bytes(5_000_000))


@pytest.mark.parametrize("when", ["before the answer", "while a question is sent"])
def test_printing(pair: Pair, when: str) -> None:
    """A worker that prints more than a pipe holds comes to its answer; the end of its output is kept."""

    def print_and_answer() -> None:
        if when == "before the answer":
            pair.theirs.recv_bytes()
        for i in range(2000):
            os.write(pair.output, b"%04d" % i + b"." * 995 + b"\n")
        if when != "before the answer":
            pair.theirs.recv_bytes()
        pair.theirs.send_bytes(b"answer")

    with meanwhile(print_and_answer):
        pair.send(bytes(2_000_000))
        assert pair.receive() == b"answer"
    if isinstance(pair.channel, ThreadedChannel):
        pair.close_output()  # its last writer
        pair.channel.drainer.join(LATE)
    else:
        for _ in range(100):
            pair.channel.drain()
    assert len(pair.channel.printed) == KEEP
    assert pair.channel.printed.endswith(b"1999" + b"." * 995 + b"\n")


@pytest.mark.parametrize("pair", [PolledChannel], indirect=True)
def test_closed_output(pair: Pair) -> None:
    """A worker may close its output and answer all the same; waiting for it then takes no processor time."""
    os.write(pair.output, b"last words")
    pair.close_output()
    with pytest.raises(StalledError):
        pair.receive(seconds=0.1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(StalledError):
        pair.receive(seconds=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 0.5
    pair.theirs.send_bytes(b"answer")
    assert pair.receive() == b"answer"
    assert pair.channel.printed == b"last words"


class TooLargeError(Exception):
    """What the watch raises here."""


@both_kinds
@pytest.mark.parametrize("busy", [False, True], ids=["silent", "printing"])
def test_watch(busy: bool, kind: Kind) -> None:  # noqa: FBT001
    """The watch looks on while the channel waits, and what it raises ends the wait."""
    looks = []
    stop = threading.Event()

    def watch() -> None:
        looks.append(time.monotonic())
        if len(looks) == 5:
            raise TooLargeError

    def chatter() -> None:
        while busy and not stop.wait(0.001):
            os.write(watched.output, b"x" * 1000)

    watched = Pair(watch, kind)
    with meanwhile(chatter):
        with pytest.raises(TooLargeError):
            watched.receive()
        stop.set()
    assert looks[-1] - looks[0] > 0.15
    watched.hang_up()
    watched.channel.close()


@both_kinds
def test_close(kind: Kind) -> None:
    """Closing reads what is left of the output, and gives both descriptors back."""
    pair = Pair(kind=kind)
    os.write(pair.output, b"left over")
    descriptors = pair.channel.connection.fileno(), pair.channel.output
    pair.hang_up()  # else nobody can say what is left
    pair.channel.close()
    assert pair.channel.printed == b"left over"
    for descriptor in descriptors:
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(descriptor)


def test_kind_here() -> None:
    """Where pipes can be polled, they are."""
    assert Channel is PolledChannel
