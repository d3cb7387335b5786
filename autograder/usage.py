"""What a worker uses: memory, disk, files."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Times", "fits", "killed_for_memory", "memory_and_threads", "removed_files", "times_of"]

NOT_ITS_OWN = ("/dev/zero", "/memfd:", "/lib", "/usr", sys.prefix, sys.base_prefix)
LARGEST = 32 << 20  # bytes of one file, by confine.Plan
LONGEST = 2000  # characters of a folder's path
COUNTS = 20  # of what lies in a folder, at most


def memory_and_threads(pid: int) -> tuple[int, int]:
    """Measure a process's own memory in bytes, without the files that it shares, and count its threads (Linux)."""
    memory, threads = 0, 0
    with (
        contextlib.suppress(OSError),
        Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status,
    ):
        for line in status:
            if line.startswith(("RssAnon:", "RssShmem:")):
                memory += int(line.split()[1]) << 10
            elif line.startswith("Threads:"):
                threads = int(line.split()[1])
    return memory, threads


def removed_files(pid: int) -> int | None:
    """Measure the files that a process has removed and holds open or mapped, in bytes (Linux); None for no right to."""
    try:
        total = mapped_files(pid)
    except PermissionError:
        return None
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat()
                if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                    total += found.st_blocks * 512
    return total


@dataclass(frozen=True)
class Times:
    """How a process has spent its time: seconds of the clock, computing, and kept from it; pages read from disk."""

    clock: float
    computing: float = 0.0  # all threads
    waiting: float = 0.0  # the first thread, for a processor
    pages: int = 0
    pressed: float = 0.0  # seconds in which the machine had too little memory for somebody on it

    def starved_since(self, before: Times) -> bool:
        """Tell whether the machine, and not the process, is to blame for what has not been done since."""
        seconds = self.clock - before.clock
        # A process can have its own file read from disk again and again: pages alone show nothing.
        paging = self.pages - before.pages > 100 * seconds and self.pressed - before.pressed > seconds / 4
        kept = paging or self.waiting - before.waiting > seconds / 4
        return kept and self.computing - before.computing < 3 * seconds / 4


def times_of(pid: int) -> Times:
    """Read how a process has spent its time (Linux; elsewhere only the clock)."""
    clock = time.monotonic()
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name in brackets may hold anything; behind it, the fields are numbers.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        waiting = waiting_of(pid)
        computing = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return Times(clock, computing, waiting, int(fields[9]), pressed())
    return Times(clock)


def waiting_of(pid: int) -> float:
    """Read for how many seconds the first thread of a process has waited for a processor (Linux).

    Raises OSError, ValueError and IndexError where that is not told.
    """
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def pressed() -> float:
    """Read for how many seconds the machine has had too little memory (Linux, where the kernel counts them)."""
    with contextlib.suppress(OSError, ValueError):
        some = Path("/proc/pressure/memory").read_text(encoding="ascii").partition("\n")[0]
        return int(some.rpartition("total=")[2]) / 1e6
    return 0.0


def killed_for_memory() -> int:
    """Count the processes that the machine has ended so far for want of memory, its own or a container's (Linux)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/vmstat").read_text(encoding="ascii").partition("\noom_kill ")[2].split()[0])
    return 0


def mapped_files(pid: int) -> int:
    """Measure the removed files that a process has mapped, in bytes on disk. Raises PermissionError."""
    found: dict[str, str] = {}
    with (
        contextlib.suppress(FileNotFoundError, ProcessLookupError),
        Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as maps,
    ):
        for line in maps:
            # Shared memory without a file looks the same; it is counted as memory. And a library may have been updated.
            if line.endswith(" (deleted)\n"):
                addresses, _, _, device, inode, path = line.split(maxsplit=5)
                if not path.startswith(NOT_ITS_OWN):
                    found[f"{device} {inode}"] = addresses
    return sum(mapped_file(pid, addresses) for addresses in found.values())


def mapped_file(pid: int, addresses: str) -> int:
    """Measure a file that is mapped at these addresses, or where we may not look, expect the largest that may be."""
    with contextlib.suppress(OSError):
        begin, _, end = addresses.partition("-")
        return Path(f"/proc/{pid}/map_files/{int(begin, 16):x}-{int(end, 16):x}").stat().st_blocks * 512
    return LARGEST


def fits(folder: Path, disk: int, files: int) -> bool:
    """Tell whether a folder stays within so many bytes on disk and so many entries, none very deep or closed to us.

    What is moved about while it is counted is counted again; one where that never ends does not fit.
    """
    for _ in range(COUNTS):
        try:
            return fits_now(folder, disk, files)
        except (FileNotFoundError, NotADirectoryError):  # since it was listed
            continue
        except OSError:  # a folder that may not be listed or entered
            return False
    return not folder.is_dir()


def fits_now(folder: Path, disk: int, files: int) -> bool:
    """Tell the same. Raises OSError where something may not be looked at, or is not where it was listed."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                files -= 1
                if entry.is_dir(follow_symlinks=False):
                    if len(entry.path) > LONGEST:  # looking so deep takes ever longer
                        return False
                    folders.append(entry.path)
                elif hasattr(os.stat_result, "st_blocks"):
                    disk -= entry.stat(follow_symlinks=False).st_blocks * 512
                if files < 0 or disk < 0:
                    return False
    return True
