"""How many processors this process may use, which is often fewer than the machine has."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["cores"]


def cores(root: Path = Path("/")) -> int:
    """Count the processors by affinity and by the quota of the control group, 1 at least.

    root: where proc/ and sys/ are, for the tests
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, quota(root))))


def quota(root: Path) -> float:
    """Return how many processors' time the control groups allow (Linux, versions 1 and 2)."""
    allowed = math.inf
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                base = root / "sys/fs/cgroup"
            elif "cpu" in controllers.split(","):
                base = root / "sys/fs/cgroup" / controllers
            else:
                continue
            # In a container the path may be the host's, and what is mounted the container's own group alone.
            for folder in [base / path.lstrip("/"), *(base / path.lstrip("/")).parents]:
                if folder.is_relative_to(base):
                    allowed = min(allowed, quota_of(folder))
    return allowed


def quota_of(folder: Path) -> float:
    """Read one control group's quota: microseconds of processor time per period, none or -1 without a limit."""
    with suppress(OSError, ValueError):
        limit, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if limit == "max" else int(limit) / int(period)
    with suppress(OSError, ValueError):
        limit = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
        period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        return int(limit) / int(period) if int(limit) > 0 else math.inf
    return math.inf
