"""Results: memory, processes, threads, descriptors and disk taken until something gives way, with a cap."""

from __future__ import annotations

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

# Those that the short run leaves out.
LONG = {
    *(
        "memory in one string that doubles",
        "memory in one bytearray",
        "memory in a memfd mapped piece by piece",
    ),
    *("memory in torch's shared memory", "memory in sockets that nobody reads", "memory in a list"),
    *("memory by being slow to give it back", "memory in the processes it starts"),
    *("fork bomb by vfork, clone and clone3", "processes through multiprocessing and subprocess"),
    *("one file of 2 GiB", "opens files until there are no descriptors left"),
}


def bomb(name: str, source: str, *harm: str, layers: tuple[str, ...] = (), slow: bool = False) -> Hostile:
    """Make a case of a bomb that goes off at import."""
    files = vae(source, after=TELL)
    return Hostile(name, "results", files, NONE, harm=harm, layers=layers, slow=slow, brief=name not in LONG)


MEMORY = {
    "in a list": "kept = []\nfor _ in range(3 * 64): kept.append(list(range(2**19)))",
    "in one string that doubles": "kept = 'x' * 2**20\nfor _ in range(11): kept += kept",
    "in one bytearray": "kept = bytearray(3 * 2**30)\nkept[::4096] = b'x' * len(kept[::4096])",
    "in a tensor that is touched": "import torch\nkept = torch.empty(3 * 2**28).fill_(1)",
    "in a tensor of a petabyte": "import torch\nkept = torch.empty(2**50)",
    "in a shared map": """
        kept = mmap.mmap(-1, 3 << 30)
        for at in range(0, 3 << 30, 4096): kept[at] = 1
    """,
    "in a map that the kernel fills at once": """
        MAP_POPULATE = 0x8000
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap(None, ctypes.c_size_t(3 << 30), 3, 0x22 | MAP_POPULATE, -1, ctypes.c_long(0))
        time.sleep(2)
    """,
    "in a memfd": """
        fd = os.memfd_create("@MARK@")
        for _ in range(3 * 16): os.write(fd, bytes(64 << 20))
        time.sleep(2)
    """,
    "in a memfd mapped piece by piece": """
        kept = []
        for number in range(96):
            fd = os.memfd_create("@MARK@")
            os.ftruncate(fd, 32 << 20)
            kept.append(mmap.mmap(fd, 32 << 20))
            for at in range(0, 32 << 20, 4096): kept[-1][at] = 1
        time.sleep(2)
    """,
    "in /dev/shm": """
        for number in range(48):
            with open(f"/dev/shm/@MARK@-{number}", "wb") as file: file.write(bytes(64 << 20))
        time.sleep(2)
    """,
    "in torch's shared memory": """
        import torch
        shared = torch.UntypedStorage._new_using_fd_cpu
        kept = [torch.tensor([]).set_(shared(2**26)).fill_(1) for _ in range(48)]
        time.sleep(2)
    """,
    "in System V segments": """
        libc.shmat.restype = ctypes.c_void_p
        for _ in range(96):
            number = libc.shmget(0, ctypes.c_size_t(32 << 20), 0o1600)
            if number < 0: break
            libc.memset(ctypes.c_void_p(libc.shmat(number, None, 0)), 1, ctypes.c_size_t(32 << 20))
            libc.shmctl(number, 0, None)  # IPC_RMID: gone with the last process, whatever happens
        time.sleep(2)
    """,
    "in thread stacks": """
        threading.stack_size(64 << 20)
        def deep(n):
            buffer = (ctypes.c_char * 4096)()
            return deep(n - 1) if n else time.sleep(5)
        sys.setrecursionlimit(10**6)
        for _ in range(48): threading.Thread(target=deep, args=(20_000,), daemon=True).start()
        time.sleep(6)
    """,
    "in pipe buffers": """
        import fcntl
        kept = []
        for _ in range(400):
            reader, writer = os.pipe()
            kept += [reader, writer]
            os.set_blocking(writer, False)
            fcntl.fcntl(writer, 1031, 1 << 20)  # F_SETPIPE_SZ
            os.write(writer, bytes(1 << 20))
    """,
    "in sockets that nobody reads": """
        kept = []
        for _ in range(400):
            one, other = socket.socketpair()
            kept += [one, other]
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            one.send(bytes(4 << 20))
    """,
    "slowly, 60 MB at a time": """
        kept = []
        for _ in range(50):
            kept.append(bytearray(os.urandom(1)) * (60 << 20))
            time.sleep(0.1)
    """,
    "in the processes it starts": """
        for _ in range(20):
            if os.fork() == 0:
                kept = bytearray(b"x") * (150 << 20)
                time.sleep(20)
                os._exit(0)
        time.sleep(5)
    """,
    "by being slow to give it back": """
        kept = [bytearray(b"x") * (64 << 20) for _ in range(40)]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    """,
}

CASES = [
    *(
        bomb(
            f"memory {how}",
            source,
            "memory",
            *(("ipc",) if "shm" in how or "System V" in how or "shared" in how else ()),
            slow="slow" in how,
        )
        for how, source in MEMORY.items()
    ),
    Hostile(
        "memory bomb in reparametrize only",
        "results",
        vae(solution=REFERENCE, after="def reparametrize(mu, logvar): return bytearray(b'x') * (3 << 30)"),
        without("3.1", "3.2", "4.1", "6.3"),
        earns=without("3.1", "3.2", "4.1", "6.3"),
        harm=("memory",),
    ),
    Hostile(
        "memory bomb in x_hat's gradient",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                class Heavy(torch.autograd.Function):
                    @staticmethod
                    def forward(ctx, x): return x.clone()
                    @staticmethod
                    def backward(ctx, g): return g * torch.ones(3 * 2**28).fill_(2)[:1]
                old = loss_function
                def loss_function(*arguments): return Heavy.apply(old(*arguments))
            """,
        ),
        without("5.1"),
        earns=without("5.1"),
        harm=("memory",),
    ),
    bomb(
        "fork bomb",
        """
        end, started = time.monotonic() + 20, 0
        while time.monotonic() < end and started < 7:  # 2**7 processes
            try:
                os.fork()
            except OSError:
                time.sleep(0.1)
            started += 1
        time.sleep(max(0, end - time.monotonic()))
        """,
        "pids",
        "time",
        layers=("seccomp",),
        slow=True,
    ),
    bomb(
        "fork bomb by vfork, clone and clone3",
        """
        def child_of(number, *arguments):
            for _ in range(40):
                if system(number, *arguments) == 0:
                    time.sleep(20)
                    os._exit(0)
        if os.uname().machine == "x86_64":
            clone3 = struct.pack("11Q", *[0] * 4, 17, *[0] * 6), 88
            for number, arguments in ((57, ()), (56, (17, 0, 0, 0, 0)), (435, clone3)):
                try:
                    child_of(number, *arguments)
                except OSError:
                    pass
        time.sleep(3)
        """,
        "pids",
        layers=("seccomp",),
    ),
    bomb(
        "chain of processes that each start the next and leave",
        """
        for step in range(150):
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.05)
        time.sleep(10)
        """,
        "pids",
        layers=("seccomp",),
    ),
    bomb(
        "thread bomb",
        """
        def wait(): time.sleep(20)
        started = 0
        try:
            while started < 3000:
                threading.Thread(target=wait, daemon=True).start()
                started += 1
        except (RuntimeError, MemoryError):
            pass
        time.sleep(1)
        """,
        "pids",
    ),
    bomb(
        "thread bomb with small stacks",
        """
        threading.stack_size(64 << 10)
        end, started = time.monotonic() + 20, 0
        def wait(): time.sleep(max(0, end - time.monotonic()))
        try:
            while started < 5000:
                threading.Thread(target=wait, daemon=True).start()
                started += 1
        except RuntimeError:
            pass
        time.sleep(5)
        """,
        "pids",
    ),
    bomb(
        "processes through multiprocessing and subprocess",
        """
        import multiprocessing, subprocess
        for _ in range(20):
            try:
                subprocess.Popen(["sleep", "20"], executable="/bin/sleep")
                fork = multiprocessing.get_context("fork")
                fork.Process(target=time.sleep, args=(20,), daemon=True).start()
            except OSError:
                pass
        """,
        "pids",
    ),
    bomb(
        "fills the disk where it stands",
        """
        for number in range(32):
            with open(f"filling-{number}", "wb") as file:
                for _ in range(16):
                    file.write(os.urandom(1 << 20) * 4)
        """,
        "disk",
    ),
    bomb(
        "fills the disk in its temporary folder, unlinked and held open",
        """
        import tempfile
        kept = []
        for number in range(32):
            kept.append(tempfile.TemporaryFile())
            for _ in range(16):
                kept[-1].write(os.urandom(1 << 20) * 4)
                kept[-1].flush()
        time.sleep(2)
        """,
        "disk",
    ),
    Hostile(
        "fills the disk in a folder that may not be listed",
        "results",
        vae(
            """
            os.mkdir("closed", 0o300)
            for number in range(16):
                with open(f"closed/filling-{number}", "wb") as file:
                    file.write(os.urandom(1 << 20) * 30)
            time.sleep(3)
            """,
            solution=REFERENCE,
        ),
        NONE,
        harm=("disk",),
        shows="wrote more than 256 MB",
    ),
    bomb(
        "one file of 2 GiB",
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with open("large", "wb") as file:
            for _ in range(32):
                file.write(bytes(64 << 20))
        """,
        "disk",
    ),
    bomb(
        "reserves 2 GiB of disk with fallocate",
        """
        fd = os.open("reserved", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(fd, 0, 2 << 30)
        """,
        "disk",
    ),
    bomb(
        "takes 20000 inodes",
        """
        for number in range(20_000):
            os.close(os.open(f"empty-{number}", os.O_CREAT | os.O_WRONLY))
        """,
        "disk",
    ),
    bomb(
        "opens files until there are no descriptors left",
        """
        kept = []
        try:
            while len(kept) < 100_000:
                kept.append(os.dup(2))
        except OSError:
            pass
        time.sleep(1)
        """,
    ),
    Hostile(
        "leaves no descriptor for the answer",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                try:
                    for _ in range(100_000):
                        os.dup(2)
                except OSError:
                    pass
            """,
        ),
        ALL,
    ),
]
