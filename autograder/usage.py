"""What a worker uses: memory, disk, files."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

__all__ = ["fits", "memory_of", "removed_files"]

NOT_ITS_OWN = ("/dev/zero", "/lib", "/usr", sys.prefix, sys.base_prefix)
LONGEST = 2000  # characters of a folder's path


def memory_of(pid: int) -> int:
    """Measure a process's own memory in bytes, without the files that it shares with others (Linux)."""
    total = 0
    with (
        contextlib.suppress(OSError),
        Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status,
    ):
        for line in status:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) << 10
    return total


def removed_files(pid: int) -> int:
    """Measure the files that a process has removed and holds open or mapped, in bytes (Linux, where we may look)."""
    total = mapped_files(pid)
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat()
                if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                    total += found.st_blocks * 512
    return total


def mapped_files(pid: int) -> int:
    """Measure the removed files that a process has mapped, in bytes of address space."""
    total = 0
    with (
        contextlib.suppress(OSError),
        Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as maps,
    ):
        for line in maps:
            # Shared memory without a file looks the same; it is counted as memory. And a library may have been updated.
            if line.endswith(" (deleted)\n") and not any(f" {place}" in line for place in NOT_ITS_OWN):
                begin, _, end = line.partition(" ")[0].partition("-")
                total += int(end, 16) - int(begin, 16)
    return total


def fits(folder: Path, disk: int, files: int) -> bool:
    """Tell whether a folder stays within so many bytes on disk and so many entries, none of them very deep."""
    folders = [str(folder)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                files -= 1
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if len(entry.path) > LONGEST:  # looking so deep takes ever longer
                            return False
                        folders.append(entry.path)
                    elif hasattr(os.stat_result, "st_blocks"):
                        disk -= entry.stat(follow_symlinks=False).st_blocks * 512
                if files < 0 or disk < 0:
                    return False
    return True
