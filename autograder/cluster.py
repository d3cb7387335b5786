"""A class graded on a dask cluster: each of its workers has lanes like those of a batch on one machine.

    batch  --files, as bytes-->  scheduler  -->  dask worker  --task-->  lane (lane.py)
           <-- records, as bytes                              <-record-

The submission's files travel with the task, so no folder need be shared; they are staged here first, so that nothing
but what is graded travels. Scheduling, retries after a worker's death and encryption are dask's. No student's code
runs in a process of dask's, and what comes back is decoded as a record and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import multiprocessing
import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import identity, intake
from autograder.lane import Lanes, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ClusterError", "crew"]

AHEAD = 256  # tasks at hand, so that a cluster that grows sees what there is to do
PATIENCE = 30  # seconds to find the scheduler


class ClusterError(Exception):
    """There is no such cluster, or it cannot be used."""


@dataclass(frozen=True)
class Parcel:
    """A task with its files, by their path, and the grader that is to perform it."""

    task: Task
    files: Mapping[str, bytes]
    grader: str


@contextmanager
def crew(address: str) -> Iterator[tuple[Callable[[Task], Future[bytes]], int]]:
    """Connect to a cluster; gives how to have a task performed, and how many tasks to keep at hand.

    address: a scheduler's, or local:N for N processes on this machine
    Raises ClusterError.
    """
    lanes = Lanes()  # for what cannot be staged: a lane of our own gives the reason
    with connect(address) as client, ThreadPoolExecutor(1) as here:
        executor = client.get_executor(pure=False)

        def submit(task: Task) -> Future[bytes]:
            try:
                parcel = pack(task)
            except (intake.Unreadable, OSError, RuntimeError):
                return here.submit(lanes.perform, task)
            future: Future[bytes] = executor.submit(perform, parcel)
            return future

        try:
            yield submit, AHEAD
        finally:
            executor.shutdown(wait=False)
            here.shutdown(wait=False, cancel_futures=True)
            lanes.close()


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Open dask's client; encrypted always, by the certificates that dask's configuration names."""
    try:
        from distributed import Client, LocalCluster, Security
    except ImportError:
        raise ClusterError("--cluster needs more: pip install 'vae-autograder[cluster]'") from None
    for name in ("distributed", "distributed.client", "distributed.gc"):  # each with a level of its own
        logging.getLogger(name).setLevel(logging.ERROR)
    kind, _, rest = address.partition(":")
    with contextlib.ExitStack() as stack:
        if kind == "local":
            if not (rest.isdecimal() and int(rest)):
                raise ClusterError("--cluster local:N needs a number of processes, such as local:4")
            security = Security.temporary()
            # The lanes are processes of their own: dask would count none of their memory.
            cluster = LocalCluster(
                n_workers=int(rest),
                threads_per_worker=1,
                memory_limit=0,
                security=security,
                dashboard_address=None,
            )
            yield stack.enter_context(Client(stack.enter_context(cluster), security=security))
            return
        if "://" in address and kind != "tls":
            raise ClusterError(f"{address} is not encrypted: give the scheduler's tls:// address")
        try:
            security = Security(require_encryption=True)
            client = Client(f"tls://{address.removeprefix('tls://')}", security=security, timeout=PATIENCE)
        except TypeError as error:  # what dask says of TLS without certificates
            raise ClusterError(
                f"dask knows of no certificate to reach {address} with; docs/cluster.md says, below Certificates, "
                f"how to make one and where to name it ({error})"
            ) from error
        except (OSError, ValueError) as error:
            raise ClusterError(f"the scheduler {address} cannot be reached: {error}") from error
        yield stack.enter_context(client)


def pack(task: Task) -> Parcel:
    """Stage a task's submission and take its files. Raises intake.Unreadable and OSError."""
    with tempfile.TemporaryDirectory(prefix="vae-parcel-") as folder:
        staged = intake.stage(task.source, Path(folder))
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return Parcel(replace(task, notes=(*task.notes, *staged.notes)), files, identity.hash_of_grader())


def perform(parcel: Parcel) -> bytes:
    """Grade a submission on a worker of the cluster; returns what comes of it as MessagePack."""
    gc.enable()  # the command line disables it, for itself
    if parcel.grader != identity.hash_of_grader():
        raise ClusterError("a worker of the cluster has another version of the autograder")
    with tempfile.TemporaryDirectory(prefix="vae-parcel-") as folder:
        for name, content in parcel.files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return lanes_here().perform(replace(parcel.task, source=Path(folder)))


@functools.cache
def lanes_here() -> Lanes:
    """Return the lanes of this worker of the cluster, one for each of its threads as they are needed."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    # A process that dask's nanny started may have no children, lest they outlive it; lanes do not (lane.py).
    multiprocessing.current_process().daemon = False
    return Lanes()
