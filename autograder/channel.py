"""A pipe to a process that may lie, stall or flood: every wait has an end, every message a size."""

from __future__ import annotations

import os
import queue
import select
import struct
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

__all__ = ["Channel", "OversizeError", "PolledChannel", "StalledError", "ThreadedChannel"]

AT_ONCE = 1 << 16  # bytes to read at least, should there be so many
KEEP = 20_000  # bytes of the process's output that are kept, its last ones
TICK = 0.05  # seconds between two looks at the process's memory
LAPSE = 1.0  # seconds between two of its ticks that a busy machine does not make of them


class StalledError(Exception):
    """The deadline passed."""


class OversizeError(Exception):
    """A message announces more bytes than allowed."""


class _Ends:
    """What both kinds of channel have: two ends, looks at the process, and deadlines that can be put off."""

    def __init__(
        self,
        connection: Connection,
        output: int,
        watch: Callable[[], None],
        grant: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take over both ends.

        output: descriptor of what the process prints, or -1 where it has none
        watch: called every 50 ms of waiting; what it raises ends the wait
        grant: called when a deadline has passed; returns seconds by which it is put off
        """
        self.connection = connection
        self.output = output
        self.watch = watch
        self.grant = grant
        self.granted = 0.0  # seconds by which the deadline was put off
        self.stood_still = 0.0  # seconds, in all, in which this process itself did
        self.looked, self.computed = time.monotonic(), time.process_time()  # when the clock was last read
        self.printed = b""
        self.begin()

    def begin(self) -> None:
        """Make ready for the first message: each kind in its own way."""
        raise NotImplementedError

    def clock(self) -> float:
        """Return the time in seconds, in which deadlines are given; it stands still where this process does.

        All processes of a container that is paused do. It is read every TICK of a wait: a longer time in which nothing
        was computed here is none that the other side had.
        """
        now, computed = time.monotonic(), time.process_time()
        lapse = now - self.looked - (computed - self.computed) - TICK
        self.stood_still += lapse if lapse > LAPSE else 0.0
        self.looked, self.computed = now, computed
        return now - self.stood_still

    def left(self, deadline: float) -> float:
        """Return the seconds that are left. Raises StalledError when there are none, and none are granted."""
        while (left := deadline + self.granted - self.clock()) <= 0:
            if not (more := self.grant()):
                raise StalledError
            self.granted += more
        return left


class PolledChannel(_Ends):
    """One end of a multiprocessing connection, and the process's standard output.

    The standard library's own send and receive cannot be given a deadline once the first byte is there, and a
    process that fills its output while nobody reads it never comes to its answer. So both are served here, in one
    loop over non-blocking descriptors, in the wire format of multiprocessing.connection (a length of four bytes
    in network order, then the message).
    """

    def begin(self) -> None:
        """Make ready for the first message."""
        self.arrived = bytearray()  # and not taken yet
        self.socket = self.connection.fileno()
        os.set_blocking(self.socket, False)
        os.set_blocking(self.output, False)
        self.poll = select.poll()
        self.poll.register(self.output, select.POLLIN)
        self.open = True
        self.look_at = time.monotonic() + TICK

    def send(self, messages: Sequence[bytes], deadline: float) -> None:
        """Send messages. Raises StalledError, or BrokenPipeError when nobody is there."""
        data = memoryview(b"".join(struct.pack("!i", len(message)) + message for message in messages))
        while data:
            try:
                data = data[os.write(self.socket, data) :]
            except BlockingIOError:
                self.wait(select.POLLOUT, deadline)

    def receive(self, limit: int, deadline: float) -> bytes:
        """Receive a message of at most limit bytes. Raises StalledError, OversizeError or EOFError."""
        self.await_bytes(4, deadline)
        (size,) = struct.unpack_from("!i", self.arrived)
        if not 0 <= size <= limit:
            raise OversizeError(size)
        end = 4 + size
        self.await_bytes(end, deadline)
        taken = bytes(memoryview(self.arrived)[4:end])
        del self.arrived[:end]
        return taken

    def await_bytes(self, size: int, deadline: float) -> None:
        """Read until so many bytes have arrived at least."""
        while len(self.arrived) < size:
            try:
                part = os.read(self.socket, max(AT_ONCE, min(size - len(self.arrived), 1 << 20)))
            except BlockingIOError:
                self.wait(select.POLLIN, deadline)
                continue
            except ConnectionError as error:
                raise EOFError from error
            if not part:
                raise EOFError
            self.arrived += part

    def wait(self, event: int, deadline: float) -> None:
        """Wait until the socket is ready for the event, reading what the process prints meanwhile."""
        self.poll.register(self.socket, event)
        while True:
            left = self.left(deadline)
            ready = dict(self.poll.poll(1000 * min(left, TICK)))
            if self.output in ready:
                self.drain()
            if time.monotonic() > self.look_at:
                self.watch()
                self.look_at = time.monotonic() + TICK
            if self.socket in ready:
                return

    def drain(self) -> None:
        """Read what the process printed; only its end is kept."""
        try:
            part = os.read(self.output, 1 << 16)
        except BlockingIOError:
            return
        self.printed = (self.printed + part)[-KEEP:]
        if not part and self.open:  # all its writers are gone
            self.poll.unregister(self.output)
            self.open = False

    def close(self) -> None:
        """Read what is left of the output and close both ends."""
        for _ in range(4):
            if self.open:
                self.drain()
        self.connection.close()
        os.close(self.output)


class ThreadedChannel(_Ends):
    """The same where a pipe cannot be polled (Windows): threads wait in the standard library's own send and receive.

    When a wait ends too early, the process is ended next; with that its thread ends, too.
    """

    def begin(self) -> None:
        """Make ready for the first message."""
        self.drainer = threading.Thread(target=self.drain, daemon=True)
        self.drainer.start()

    def send(self, messages: Sequence[bytes], deadline: float) -> None:
        """Send messages. Raises StalledError, or BrokenPipeError when nobody is there."""
        for message in messages:
            self.wait(partial(self.connection.send_bytes, message), deadline)

    def receive(self, limit: int, deadline: float) -> bytes:
        """Receive a message of at most limit bytes. Raises StalledError, OversizeError or EOFError."""
        try:
            return bytes(self.wait(lambda: self.connection.recv_bytes(limit), deadline))
        except OSError as error:
            if "bad message length" in str(error):  # the one way in which recv_bytes says it
                raise OversizeError from error
            raise EOFError from error

    def wait(self, work: Callable[[], Any], deadline: float) -> Any:
        """Let a thread do the work, and return or raise what came of it."""
        done: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def attempt() -> None:
            try:
                done.put((work(), None))
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                done.put((None, error))

        threading.Thread(target=attempt, daemon=True).start()
        while True:
            left = self.left(deadline)
            try:
                value, error = done.get(timeout=min(left, TICK))
            except queue.Empty:
                self.watch()
            else:
                if error:
                    raise error
                return value

    def drain(self) -> None:
        """Read what the process prints, as long as it lives; only the end is kept."""
        if self.output < 0:
            return
        while part := os.read(self.output, 1 << 16):
            self.printed = (self.printed + part)[-KEEP:]

    def close(self) -> None:
        """Close both ends; the process has ended, or what is left of its output does not count."""
        self.connection.close()
        self.drainer.join(TICK)
        if self.output >= 0 and not self.drainer.is_alive():
            os.close(self.output)


if TYPE_CHECKING or hasattr(select, "poll"):  # noqa: SIM108 - as a type, mypy takes no name bound by an expression
    Channel = PolledChannel
else:
    Channel = ThreadedChannel
