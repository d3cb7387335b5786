"""What stands around a grading of a hostile submission: things that it must neither read, change, reach nor outlive."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .solutions import REFERENCE

__all__ = ["ROOT", "Watch", "World", "processes"]

ROOT = Path(__file__).parents[2]
OUTSIDE = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")
TICK = 0.1  # seconds between two looks at the grading's processes

# The process that must not be disturbed. It says when it is ready, and which signals it got when its stdin ends.
BYSTANDER = """
import signal, sys
got = []
for number in (signal.SIGURG, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGCONT):
    signal.signal(number, lambda number, frame: got.append(number))
print("ready", flush=True)
sys.stdin.read()
print(*got, flush=True)
"""


@dataclass(frozen=True)
class Process:
    """A line of the system's list of processes."""

    pid: int
    parent: int
    uid: int
    state: str
    start: str
    threads: int


def processes() -> dict[int, Process]:
    """List all processes."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                words = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
                pid = int(entry.name)
                found[pid] = Process(
                    pid, int(words[1]), entry.stat().st_uid, words[0], words[19], int(words[17])
                )
    return found


def memory(pid: int) -> int:
    """Measure what a process holds besides files, in bytes; memory that it shares counts in part."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) << 10
    return total


def describes(pid: int, mark: str) -> bool:
    """Tell whether a process carries the mark in its name or its arguments."""
    for name in ("comm", "cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
    return False


@dataclass
class Watch:
    """Follows a grading's processes, from outside, until it is told to stop."""

    pid: int
    weigh: bool  # measure their memory, too: it takes a while
    seen: dict[int, Process] = field(default_factory=dict)
    peak_memory: int = 0
    peak_threads: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Begin."""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Look at them again and again."""
        while not self.over.wait(TICK):
            tree = descendants(self.pid)
            self.seen.update({process.pid: process for process in tree})
            self.peak_threads = max(self.peak_threads, sum(process.threads for process in tree))
            if self.weigh:
                self.peak_memory = max(self.peak_memory, sum(memory(process.pid) for process in tree))

    def stop(self) -> None:
        """End the watching."""
        self.over.set()
        self.thread.join()

    def left(self) -> list[Process]:
        """List those of them that are still there; the grading itself must have ended."""
        now = processes()
        return [
            now[pid] for pid, process in self.seen.items() if pid in now and now[pid].start == process.start
        ]


def descendants(pid: int) -> list[Process]:
    """List a process and all that came from it."""
    everybody = processes()
    children: dict[int, list[Process]] = {}
    for process in everybody.values():
        children.setdefault(process.parent, []).append(process)
    tree = [everybody[pid]] if pid in everybody else []
    for process in tree:  # it grows meanwhile
        tree += children.get(process.pid, [])
    return tree


class World:
    """One grading's surroundings, made afresh; a context manager."""

    def __init__(self) -> None:
        self.mark = "m" + secrets.token_hex(6)
        self.hint = "h" + secrets.token_hex(4) + "-"
        self.secret = self.hint + secrets.token_hex(16)

    def __enter__(self) -> World:  # noqa: PYI034 - Self came with Python 3.11
        """Prepare everything that PLACEHOLDERS lists."""
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.folder.chmod(0o755)
        self.before = {place: set(listing(place)) for place in OUTSIDE}
        self.ipc = ipc()
        self.handed_in = self.make("handed in")
        self.temporary = self.make("tmp")
        self.temporary.chmod(0o1777)
        self.canary = self.folder / "canary.txt"
        self.canary.write_text(self.secret)
        self.victim = self.folder / "victim.txt"
        self.victim.write_text("the victim's own words")
        self.victim.chmod(0o666)
        self.neighbour = self.make("neighbour")
        (self.neighbour / "vae.py").write_text(f"# {self.secret}\n{REFERENCE}")
        (self.neighbour / "results.json").write_text(f'{{"score": 12, "output": "{self.secret}"}}')
        self.results = self.make("results") / "results.json"
        self.calls: dict[str, int] = {"tcp": 0, "udp": 0, "unix": 0}
        self.sockets = dict(self.listen())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.free = free.getsockname()[1]
        self.answered = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.bystander = self.start_bystander()
        self.state = self.look()
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything away."""
        self.over.set()
        self.thread.join()
        for server in self.sockets:
            server.close()
        self.bystander.kill()
        self.bystander.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_bystander(self, attempts: int = 5) -> subprocess.Popen[str]:
        """Start the process that must not be disturbed, again where the machine could not: others fill its memory."""
        try:
            bystander = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", BYSTANDER, self.secret],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError:
            if attempts == 1:
                raise
            time.sleep(1)
            return self.start_bystander(attempts - 1)
        assert bystander.stdout
        bystander.stdout.readline()
        return bystander

    def make(self, name: str) -> Path:
        """Make a folder."""
        path = self.folder / name
        path.mkdir(mode=0o755)
        return path

    def values(self) -> dict[str, str]:
        """Return a value for each placeholder."""
        return {
            "MARK": self.mark,
            "HINT": self.hint,
            "CANARY": str(self.canary),
            "VICTIM": str(self.victim),
            "NEIGHBOUR": str(self.neighbour),
            "RESULTS": str(self.results),
            "ROOT": str(ROOT),
            "PID": str(self.bystander.pid),
            "PORT": str(self.port),
            "UDP": str(self.udp),
            "FREE": str(self.free),
            "UNIX": str(self.folder / "socket"),
            "ABSTRACT": self.mark[::-1],
        }

    def listen(self) -> list[tuple[socket.socket, str]]:
        """Open the ports and sockets that must see nobody."""
        tcp = socket.create_server(("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self.udp = udp.getsockname()[1]
        servers = [(tcp, "tcp"), (udp, "udp")]
        with contextlib.suppress(OSError):  # a host without IPv6
            servers.append((socket.create_server(("::1", self.port), family=socket.AF_INET6), "tcp"))
        for name in (str(self.folder / "socket"), "\0" + self.mark[::-1]):
            server = socket.socket(socket.AF_UNIX)
            server.bind(name)
            server.listen()
            servers.append((server, "unix"))
        (self.folder / "socket").chmod(0o777)
        return servers

    def serve(self) -> None:
        """Count who comes, and try the port that must not answer."""
        while not self.over.is_set():
            for server in select.select(list(self.sockets), [], [], 0.2)[0]:
                kind = self.sockets[server]
                self.calls[kind] += 1
                if kind == "udp":
                    server.recv(1 << 16)
                else:
                    server.accept()[0].close()
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.free), timeout=0.1),
            ):
                self.answered += 1

    def look(self) -> dict[str, dict[str, object]]:
        """Note the state of all that must stay as it is."""
        return {
            "canary": {path.name: facts(path) for path in (self.canary, self.victim)},
            "neighbour": {path.name: facts(path) for path in sorted(self.neighbour.rglob("*"))},
            "sources": {
                str(path): facts(path)
                for name in ("autograder", "reference", "student_template")
                for path in sorted((ROOT / name).rglob("*"))
                if "__pycache__" not in path.parts
            },
        }

    def ask_bystander(self) -> str:
        """Let the undisturbed process end, and return what disturbed it: nothing, it is hoped."""
        state = next((p.state for p in processes().values() if p.pid == self.bystander.pid), "gone")
        if state not in "SR":
            self.bystander.send_signal(signal.SIGCONT)
            return f"the bystander is in state {state}"
        try:
            said = self.bystander.communicate("", timeout=10)[0].strip()
        except subprocess.TimeoutExpired:
            return "the bystander hangs"
        return said and f"the bystander got signals {said}"

    def news(self, uids: set[int]) -> list[str]:
        """List what is new outside and comes from this grading: by its name, its contents or its owner."""
        found = [f"left in TMPDIR: {path.name}" for path in self.temporary.iterdir()]
        expected = {
            "handed in",
            "tmp",
            "canary.txt",
            "victim.txt",
            "neighbour",
            "results",
            "socket",
            "output",
        }
        found += [f"new: {path.name}" for path in self.folder.iterdir() if path.name not in expected]
        for place, before in self.before.items():
            for path in listing(place):
                if path not in before and path != str(self.folder):
                    with contextlib.suppress(OSError):
                        entry = Path(path)
                        inside = entry.is_file() and self.mark.encode() in entry.read_bytes()[: 1 << 20]
                        if self.mark in path or entry.lstat().st_uid in uids or inside:
                            found.append(f"left: {path}")
        return found


def listing(place: str) -> list[str]:
    """List a folder, if there is one."""
    with contextlib.suppress(OSError):
        return [entry.path for entry in os.scandir(place)]
    return []


def ipc() -> dict[str, list[str]]:
    """List System V's segments, semaphores and queues by their keys, numbers and owners."""
    found = {}
    for kind in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            found[kind] = [" ".join(line.split()[:3]) for line in lines]
    return found


def facts(path: Path) -> tuple[object, ...]:
    """Note what must stay the same of a file or folder: contents, mode, owner, time."""
    stat = path.lstat()
    contents = (
        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and stat.st_size < 1 << 20 else ""
    )
    return stat.st_mode, stat.st_uid, stat.st_gid, stat.st_size, stat.st_mtime_ns, contents


def wait_until(condition: object, seconds: float) -> bool:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(condition) and condition():
            return True
        time.sleep(0.02)
    return False
