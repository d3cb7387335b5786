"""Poorer places than this one: root with few capabilities or none, an ordinary user, or one who plays root.

    python tests/places.py container|unkilling|unreading|powerless|user|player COMMAND ...

runs a command there. As root only; Python stays readable there even where it lies in a closed home.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

__all__ = ["USER", "allowed"]

USER = 54_321  # an ordinary user id that nobody has
# What Docker leaves to root.
CAPABILITIES = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
    *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
)
ROOTS = {
    "container": CAPABILITIES,
    "unkilling": tuple(name for name in CAPABILITIES if name != "kill"),
    "unreading": tuple(name for name in CAPABILITIES if name != "dac_override"),
    "powerless": (),
}
PROBES = {
    "landlock": "kernel.landlock_abi()",
    "seccomp": "from autograder import seccomp; seccomp.install(os.getpid())",
    "namespaces": "from autograder import namespaces; namespaces.enter()",
    "user": "os.setresuid(54321, 54321, 54321)",
}


@functools.cache
def allowed() -> set[str]:
    """List the layers that this host allows, each tried in a process of its own."""
    found = {"process", "limits"}
    for layer, probe in PROBES.items():
        code = f"import os; from autograder import kernel; {probe}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        if done.returncode == 0:
            found.add(layer)
    return found


def main(kind: str, *command: str) -> None:
    """Become what the kind says, and the command."""
    from autograder import kernel, namespaces
    from autograder.confine import needed

    kernel.call("mounts of its own", "unshare", namespaces.NEWNS)
    namespaces.mount("none", "/", "", namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.open_way(needed())
    if kind in ROOTS:
        kept = ",".join(["-all", *(f"+{name}" for name in ROOTS[kind])])
        os.execvp("setpriv", ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", *command])  # noqa: S606
    words = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    root = ["unshare", "--user", "--map-root-user"] if kind == "player" else []
    os.execvp("setpriv", ["setpriv", *words, *root, *command])  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
