"""Machine: taking more than a share of it, or more rights than were given."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, NOTHING, Hostile
from .reading import SYSTEM_CALLS
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

GREEDY = {
    "spins in 60 threads": (
        """
        def spin():
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pass
        for _ in range(60):
            try:
                threading.Thread(target=spin, daemon=True).start()
            except RuntimeError:
                break
        """,
        ("pids", "time"),
    ),
    "spins in threads of C that need no lock": (
        """
        import hashlib, zlib
        def spin():
            end = time.monotonic() + 30
            while time.monotonic() < end:
                hashlib.pbkdf2_hmac("sha512", b"x", b"y", 200_000)
        for _ in range(32):
            try:
                threading.Thread(target=spin, daemon=True).start()
            except RuntimeError:
                break
        """,
        ("pids", "time"),
    ),
    "computes on every processor": (
        """
        import torch
        try:
            torch.set_num_threads(256)
        except RuntimeError:
            pass
        end = time.monotonic() + 20
        while time.monotonic() < end:
            torch.randn(1500, 1500) @ torch.randn(1500, 1500)
        """,
        ("pids", "time"),
    ),
    "hides memory from whoever measures it": (  # given back to the shared object, not to the machine
        """
        kept = []
        for _ in range(12):
            kept.append(mmap.mmap(-1, 256 << 20))
            for at in range(0, 256 << 20, 4096):
                kept[-1][at] = 1
            kept[-1].madvise(mmap.MADV_DONTNEED)
        time.sleep(3)
        """,
        ("memory",),
    ),
    "hides memory in files that it has removed": (
        """
        import tempfile
        kept = []
        for _ in range(32):
            kept.append(tempfile.TemporaryFile())
            kept[-1].write(os.urandom(1 << 20) * 60)
            kept[-1].flush()
        time.sleep(2)
        """,
        ("memory", "disk"),
    ),
    "hides files that it has removed behind a page of each": (
        """
        kept = []
        for i in range(40):
            fd = os.open(f"page-{i}", os.O_RDWR | os.O_CREAT)
            os.posix_fallocate(fd, 0, 31 << 20)
            kept.append(mmap.mmap(fd, 4096))
            os.unlink(f"page-{i}")
            os.close(fd)
        time.sleep(3)
        """,
        ("disk", "memory"),
    ),
    "hides files that it has removed behind a folder's name": (  # as the system's libraries are, after an update
        """
        os.makedirs("a /usr")
        libc.mmap.restype = ctypes.c_void_p
        for i in range(20):
            fd = os.open(f"a /usr/page-{i}", os.O_RDWR | os.O_CREAT)
            os.write(fd, bytes(31 << 20))
            libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
            os.unlink(f"a /usr/page-{i}")
            os.close(fd)
        time.sleep(2.2)
        say("BREACHED", "620 MB in files that nobody counts")
        """,
        ("disk", "memory"),
    ),
    "hides memory in pages that nothing maps": (
        """
        reader, kept = None, []
        for _ in range(120):
            try:
                pair = os.pipe()
                import fcntl
                fcntl.fcntl(pair[1], 1031, 1 << 20)
            except OSError:
                break
            kept.append(pair)
            os.set_blocking(pair[1], False)
            page = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE)
            page[:] = b"x" * (1 << 20)
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            libc.vmsplice(pair[1], struct.pack("PN", address, 1 << 20), ctypes.c_size_t(1), 1)
        time.sleep(2)
        """,
        ("memory",),
    ),
    "takes memory faster than it is measured": (
        """
        libc.mmap.restype = ctypes.c_void_p
        for _ in range(12):
            libc.mmap(None, ctypes.c_size_t(256 << 20), 3, 0x22 | 0x8000, -1, ctypes.c_long(0))
        """,
        ("memory",),
    ),
    "takes and gives back memory again and again": (
        """
        for _ in range(12):
            kept = mmap.mmap(-1, 1200 << 20, mmap.MAP_PRIVATE)
            for at in range(0, 1200 << 20, 4096):
                kept[at] = 1
            kept.close()
        """,
        ("memory", "time"),
    ),
    "opens everything it can": (
        """
        kept = []
        for _ in range(100_000):
            try:
                kept.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        if len(kept) > 20_000:
            say("BREACHED", f"{len(kept)} descriptors")
        for fd in kept:
            os.close(fd)
        """,
        (),
    ),
    "writes the same file a million times": (
        """
        end = time.monotonic() + 15
        fd = os.open("again", os.O_CREAT | os.O_RDWR | os.O_SYNC)
        while time.monotonic() < end:
            os.pwrite(fd, b"x" * 65536, 0)
        """,
        ("disk",),
    ),
    "asks for the disk to be synchronised for ever": (
        """
        end = time.monotonic() + 5
        while time.monotonic() < end:
            os.sync()
        """,
        (),
    ),
    "makes and removes files for ever": (
        """
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for name in range(100):
                open(f"name-{name}", "w").close()
                os.unlink(f"name-{name}")
        """,
        ("disk",),
    ),
    "locks what others may want to lock": (
        """
        import fcntl, glob
        kept = []
        library = os.path.dirname(os.__file__)
        for path in [*sys.path, library, sys.executable, *glob.glob(library + "/*.py")]:
            try:
                kept.append(os.open(path, os.O_RDONLY))
                fcntl.flock(kept[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass
        """,
        (),
    ),
}

LONG = (
    "computes on every processor",
    "writes the same file a million times",
    "makes and removes files for ever",
)

HELPERS = dedent("""
    import resource


    def raised(limit):
        try:
            resource.setrlimit(limit, (-1, -1))
        except (OSError, ValueError):
            return False
        return limits[limit] != -1


    def give(number, *arguments):
        try:
            return system(number, *arguments) > 0
        except OSError:
            return False


    limits = {n: resource.getrlimit(n)[1] for n in range(10)}
    PIPES, LETTER = os.pipe() + os.pipe(), ctypes.create_string_buffer(b"x")
    os.write(PIPES[1], b"x")
    OWN = os.open(__file__, os.O_RDONLY)
    IN_PIPES = [
        (number(278, 75), (PIPES[1], struct.pack("PN", ctypes.addressof(LETTER), 1), 1, 0)),
        (number(276, 77), (PIPES[0], PIPES[3], 1, 0)),
        (number(275, 76), (OWN, None, PIPES[1], None, 1, 0)),
        (number(40, 71), (PIPES[1], OWN, None, 1)),
    ]
""")

# An expression that is true when it got through, and the layers that stop it alone.
RIGHTS = {
    "raises its limits": ("[n for n in (0, 1, 4, 6, 7, 9) if raised(n)]", "user"),
    "finds itself without limits": (
        "[n for n in (0, 1, 4, 7, 9) if resource.getrlimit(n)[0] == -1]",
        "limits",
    ),
    "raises its parent's limits": (
        "system(number(302, 261), (os.getppid() or 2**22), 7, struct.pack('2Q', 3, 3), 0) == 0",
        "user",
        "seccomp",
    ),
    "lowers the outside process's limits": (
        "system(number(302, 261), int('@PID@'), 9, struct.pack('2Q', 1 << 20, 1 << 20), 0) == 0",
        "user",
        "seccomp",
    ),
    "takes precedence": ("os.nice(-5) < 0", "user", "seccomp"),
    "takes precedence over its parent": (
        "(pid := os.getppid() or 2**22, os.setpriority(0, pid, 19), os.getpriority(0, pid) == 19)[2]",
        "user",
        "seccomp",
    ),
    "takes precedence over its user's others": (
        "(os.setpriority(os.PRIO_USER, 0, 19), os.getpriority(os.PRIO_USER, 0) == 19)[1]",
        "user",
        "seccomp",
    ),
    "becomes a real-time process": (
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) is None",
        "user",
    ),
    "makes its parent idle": (
        "os.sched_setscheduler((os.getppid() or 2**22), os.SCHED_IDLE, os.sched_param(0)) is None",
        "user",
        "seccomp",
    ),
    "moves its parent to one processor": (
        "os.sched_setaffinity((os.getppid() or 2**22), {0}) is None",
        "user",
        "seccomp",
    ),
    "takes the disk first": ("system(number(251, 30), 1, 0, (1 << 13) | 0) == 0", "user", "seccomp"),
    "locks 1 GB in memory": (
        "libc.mlock(ctypes.addressof(ctypes.create_string_buffer(1 << 30)), ctypes.c_size_t(1 << 30)) == 0",
        "user",
    ),
    "is never to be killed for memory": (
        "open('/proc/self/oom_score_adj', 'w').write('-1000')",
        "user",
        "landlock",
    ),
    "has others killed for memory": ("open('/proc/@PID@/oom_score_adj', 'w').write('0')", "user", "landlock"),
    "changes its personality": ("libc.personality(0x0040000) >= 0", "seccomp"),
    "becomes another user": ("os.setuid(12345) is None", "user"),
    "becomes root by capabilities": (
        "libc.prctl(47, 2, 7, 0, 0) == 0",  # PR_CAP_AMBIENT_RAISE of CAP_SETUID
        "user",
    ),
    "finds that it may gain privileges": ("libc.prctl(39, 0, 0, 0, 0) == 0",),  # PR_GET_NO_NEW_PRIVS
    "finds no filter on its calls": ("libc.prctl(21, 0, 0, 0, 0) == 0", "seccomp"),  # PR_GET_SECCOMP
    "sets the clock": (
        "libc.clock_settime(0, struct.pack('2l', 1, 0)) == 0 if os.getuid() else False",
        "user",
        "seccomp",
    ),
    "renames the host": ("libc.sethostname(b'@MARK@', 6) == 0 if os.getuid() else False", "user", "seccomp"),
    "enters a namespace of the kernel's": (
        "[n for n in (0x20000, 0x10000000, 0x8000000) if libc.unshare(n) == 0]",
        "seccomp",
    ),
    "loads a module": ("system(number(175, 105), b'', 0, b'') == 0", "user", "seccomp"),
    "adds swap": (
        "libc.swapon(b'/nonexistent', 0) == 0 or ctypes.get_errno() == errno.ENOENT",
        "user",
        "seccomp",
    ),
    "reads the processor's ports": ("libc.iopl(3) == 0 or libc.ioperm(0x70, 1, 1) == 0", "user", "seccomp"),
    "keeps memory that is not seen by one page of it": (  # of as much as there is
        "ctypes.c_long(libc.mmap(None, 4096, 3, 0x21, -1, 0)).value != -1",
        "seccomp",
    ),
    "keeps memory that is not seen in a pipe": (  # each page keeps the 2 MB that it is a part of
        "[n for n, arguments in IN_PIPES if give(n, *arguments)]",
        "seccomp",
    ),
    "has descriptors that are not seen, in a thread": (
        "system(number(436, 436), 3000, 3001, 2) == 0",  # CLOSE_RANGE_UNSHARE
        "seccomp",
    ),
    "is forgotten when its parent dies": ("libc.prctl(1, 0, 0, 0, 0) == 0", "seccomp"),
}

ATTEMPTS = {what: f"attempt({what!r}, lambda: {expression})\n" for what, (expression, *_) in RIGHTS.items()}


def entitled(name: str, attempts: str, *layers: str, brief: bool = False) -> Hostile:
    """Make a case that tries to take a right at import and says whether it could."""
    files = vae(SYSTEM_CALLS + HELPERS + attempts, after=TELL)
    return Hostile(name, "machine", files, NONE, layers=layers, shows=NOTHING, brief=brief)


# Looks as if the machine kept it waiting for its memory: a file of its own, read from disk again and again.
STALLS = """
PAGES = os.open("pages", os.O_RDWR | os.O_CREAT)
os.write(PAGES, bytes(8 << 20))
os.fsync(PAGES)
mapped = mmap.mmap(PAGES, 8 << 20, mmap.MAP_SHARED, mmap.PROT_READ)
mapped.madvise(mmap.MADV_RANDOM)
end, at = time.monotonic() + 30, 0
while time.monotonic() < end:
    if not at:
        mapped.madvise(mmap.MADV_DONTNEED)
        os.posix_fadvise(PAGES, 0, 0, os.POSIX_FADV_DONTNEED)
    mapped[at]
    at = (at + 4096) % (8 << 20)
    time.sleep(0.004)
"""

CASES = [
    Hostile(
        "pretends to wait for its memory",
        "machine",
        vae(solution=REFERENCE, after=STALLS),
        NONE,
        shows="could not be imported within 8 seconds",
        slow=True,
    ),
    *(
        Hostile(what, "machine", vae(source, after=TELL), NONE, harm=harm, slow=what in LONG)
        for what, (source, harm) in GREEDY.items()
    ),
    *(entitled(what, ATTEMPTS[what], *layers) for what, (_, *layers) in RIGHTS.items()),
    entitled("takes every right that it can", "".join(ATTEMPTS.values()), brief=True),
    Hostile(
        "renames itself like a kernel thread and goes on",
        "machine",
        vae(
            solution=REFERENCE,
            after=dedent("""
                libc.prctl(15, b"kworker/0:0", 0, 0, 0)
                try:
                    name = ctypes.c_void_p.in_dll(libc, "program_invocation_name").value
                    ctypes.memset(name, ord("x"), 1)
                except ValueError:
                    pass
            """),
        ),
        ALL,
        earns=ALL,
    ),
]
