"""Runs lines of Python in processes of their own that first give something up, and tells what they met."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOAD_TORCH", "PYTHON", "TRAIN", "USERS", "attempt"]

ROOT = Path(__file__).parents[1]
USERS = ["root", "nobody"] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["oneself"]

# What Python and torch read when they are loaded already.
PYTHON = sorted(
    {sys.prefix, sys.base_prefix, *(path for path in sys.path if path.endswith("-packages"))}
    | {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"}
    | {"/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"}
)

# An optimizer first: making one imports half of torch, which another user may be unable to read.
LOAD_TORCH = """
os.environ["TMPDIR"] = str(folder)
import numpy, torch
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
"""
TRAIN = """
torch.set_num_threads(2)
torch.seed()
model = torch.nn.Sequential(torch.nn.Linear(784, 400), torch.nn.ReLU(), torch.nn.Linear(400, 784))
optimizer = torch.optim.Adam(model.parameters())
losses = []
for step in range(5):
    loss = (model(torch.ones(128, 784)) ** 2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses
torch.save(model.state_dict(), folder / f"model {os.getpid()}")
noise = torch.from_numpy(numpy.random.randn(300, 300))
assert torch.linalg.svd(noise).S.min() > 0
"""

# Each case gets a process, since none takes back what it gave up. Its parent stands for all other processes.
# Everything is imported first: the user may be unable to read Python's own folder.
LAUNCHER = '''
import asyncio, ctypes, encodings.idna, errno, fcntl, json, mmap, multiprocessing.connection, os, random
import resource, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time
from pathlib import Path
from autograder import kernel, landlock, seccomp

libc = ctypes.CDLL(None, use_errno=True)

def syscall(*arguments):
    """Make a raw system call, without the checks that libc and Python make before."""
    if libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "raw system call")

def become(user):
    """Leave root, for good, when the user is another."""
    if user == "nobody":
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

def outcome(task, code):
    """Give up what there is to give up, run the code, and return the errno that it met, or "done"."""
    become(task["user"])
    names = dict(globals())
    exec(task["enter"], names)
    try:
        exec(code, names)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def lose(number, error):
    """Become a process on a host where one system call always answers with this error."""
    i = seccomp._instruction
    program = i(0x20, 0) + i(0x15, number, 0, 1) + i(0x06, 0x00050000 | error) + i(0x06, 0x7FFF0000)
    buffer = ctypes.create_string_buffer(program)
    kernel.forbid_new_privileges()
    number = seccomp._MACHINES[os.uname().machine][2]
    kernel.call("", "syscall", number, 1, 0, struct.pack("@HP", 4, ctypes.addressof(buffer)))

def attempt(task, code):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            answer = outcome(task, code)
        except BaseException as error:
            answer = repr(error)
        os.write(theirs, answer.encode())
        os._exit(0)
    os.close(theirs)
    with open(ours) as answer:
        text = answer.read()
    status = os.waitpid(pid, 0)[1]
    return text or f"ended by signal {os.WTERMSIG(status)}"

task = json.load(sys.stdin)
folder = Path(tempfile.mkdtemp())
folder.chmod(0o777)
tempfile.tempdir = str(folder)
try:
    exec(task["load"])
    print(json.dumps({name: attempt(task, code) for name, code in task["cases"].items()}))
finally:
    shutil.rmtree(folder)
'''


def attempt(cases: Mapping[str, str], *, user: str, enter: str, load: str = "") -> dict[str, str]:
    """Run each case in a process that became the user and ran ``enter``; return by name what came of it.

    That is "done", the name of an errno, another exception, or the signal that ended the process.
    ``load`` runs once, before, as the present user. All are lines of Python, and know ``folder``, a temporary
    folder that is open to everybody, ``syscall``, ``lose`` and many modules.
    """
    task = {"cases": cases, "user": user, "enter": enter, "load": load}
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", LAUNCHER],
        input=json.dumps(task),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    outcomes: dict[str, str] = json.loads(result.stdout)
    return outcomes
