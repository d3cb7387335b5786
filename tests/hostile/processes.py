"""Processes: what a submission starts or shares so that it is still there when the grading has ended."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

HELPERS = dedent("""
    def linger(seconds=110):
        \"\"\"Be recognisable, and stay.\"\"\"
        libc.prctl(15, b"@MARK@", 0, 0, 0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                time.sleep(1)
            except BaseException:
                pass
        os._exit(0)


    def forked():
        try:
            return os.fork()
        except OSError:
            return -1
""")

LEFT = {
    "a child": "if forked() == 0: linger()",
    "a grandchild without a parent": """
        if forked() == 0:
            if forked() == 0:
                linger()
            os._exit(0)
    """,
    "a grandchild in a session of its own": """
        if forked() == 0:
            os.setsid()
            if forked() == 0:
                linger()
            os._exit(0)
    """,
    "a process in each of ten sessions": """
        for _ in range(10):
            if forked() == 0:
                os.setsid()
                if forked() == 0:
                    os.setsid()
                    linger()
                os._exit(0)
    """,
    "a process that ignores every signal": """
        if forked() == 0:
            os.setsid()
            for sign in range(1, 65):
                try:
                    signal.signal(sign, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            linger()
    """,
    "a process that is stopped": """
        if forked() == 0:
            os.setsid()
            libc.prctl(15, b"@MARK@", 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            linger()
    """,
    "a process that forgets to die with its parent": """
        libc.prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG
        libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        if forked() == 0:
            libc.prctl(1, 0, 0, 0, 0)
            libc.prctl(36, 1, 0, 0, 0)
            os.setsid()
            if forked() == 0:
                linger()
            linger()
    """,
    "a process by vfork and exec": """
        import subprocess
        try:
            subprocess.Popen(["@MARK@", "110"], executable="/bin/sleep", start_new_session=True)
        except OSError:
            pass
    """,
    "a process by posix_spawn": """
        try:
            os.posix_spawn("/bin/sleep", ["@MARK@", "110"], {}, setsid=True)
        except (OSError, NotImplementedError):
            pass
    """,
    "itself, as another program": """
        def loss_function(*arguments):
            os.execv("/bin/sleep", ["@MARK@", "110"])
    """,
    "a daemon by nohup": """
        import subprocess
        try:
            subprocess.run(["sh", "-c", "nohup setsid sh -c 'exec -a @MARK@ sleep 110' >/dev/null 2>&1 &"])
        except OSError:
            pass
    """,
    "a pool of multiprocessing": """
        import multiprocessing
        for method in ("fork", "spawn", "forkserver"):
            try:
                context = multiprocessing.get_context(method)
                context.Process(target=time.sleep, args=(110,), name="@MARK@").start()
            except BaseException:
                pass
    """,
    "torch's workers": """
        try:
            loader = torch.utils.data.DataLoader([1, 2, 3, 4], num_workers=2, persistent_workers=True)
            next(iter(loader))
        except BaseException:
            pass
    """,
    "a chain of processes that each outlive the last": """
        for _ in range(20):
            if forked() != 0:
                break
            os.setsid()
            time.sleep(0.3)
        else:
            linger()
    """,
    "a process that starts another when it is killed": """
        if forked() == 0:
            os.setsid()
            reader, writer = os.pipe()
            if forked() == 0:
                os.close(writer)
                os.setsid()
                os.read(reader, 1)  # ends when the other dies
                if forked() == 0:
                    linger()
                os._exit(0)
            linger()
    """,
    "a hundred daemon threads": """
        for _ in range(100):
            try:
                threading.Thread(target=time.sleep, args=(110,), daemon=True).start()
            except RuntimeError:
                break
    """,
    "threads that no interpreter knows": """
        kept = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: time.sleep(110))
        for _ in range(20):
            thread = ctypes.c_ulong()
            libc.pthread_create(ctypes.byref(thread), None, kept, None)
    """,
    "a thread while the first one has ended": """
        def loss_function(*arguments):
            threading.Thread(target=time.sleep, args=(110,)).start()
            libc.syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit, of one thread only
    """,
    "a lock that the system shares": """
        import multiprocessing
        try:
            kept = [multiprocessing.Semaphore(1) for _ in range(10)]
        except OSError:
            pass
    """,
    "shared memory": """
        from multiprocessing import resource_tracker, shared_memory
        resource_tracker.register = lambda *a: None
        try:
            kept = shared_memory.SharedMemory("@MARK@", create=True, size=1 << 20)
        except OSError:
            pass
    """,
    "a POSIX semaphore and a POSIX queue": """
        try:
            libc.sem_open(b"/@MARK@", os.O_CREAT, 0o666, 1)
            libc.mq_open(b"/@MARK@", os.O_CREAT | os.O_RDWR, 0o666, None)
        except (AttributeError, OSError):
            pass
    """,
    "System V memory, semaphores and queues": """
        for key in (0x4D41524B, 0):
            libc.shmget(key, ctypes.c_size_t(1 << 20), 0o1666)
            libc.semget(key, 2, 0o1666)
            libc.msgget(key, 0o1666)
    """,
    "torch's shared tensors": """
        try:
            shared = torch.UntypedStorage._new_using_filename_cpu
            kept = [torch.tensor([]).set_(shared(4000)).fill_(1) for _ in range(10)]
        except (OSError, RuntimeError):
            pass
    """,
    "an abstract socket that is bound": """
        try:
            kept = socket.socket(socket.AF_UNIX)
            kept.bind("\\0@MARK@")
            kept.listen()
        except OSError:
            pass
    """,
    "the socket names by which user ids are claimed": """
        kept = []
        for number in range(20_000, 20_200):
            try:
                kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                kept[-1].bind(f"\\0vae-autograder-uid-{number}")
            except OSError:
                break
    """,
    "a timer that signals its group": """
        signal.signal(signal.SIGALRM, lambda *a: os.killpg(0, signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
    """,
    "a signal for whoever reads its pipe": """
        import fcntl
        for fd in range(3, 64):
            for owner in (os.getppid(), -os.getppid(), int("@PID@")):
                try:
                    fcntl.fcntl(fd, fcntl.F_SETOWN, owner)
                    fcntl.fcntl(fd, 10, signal.SIGURG)  # F_SETSIG
                    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
                except OSError:
                    pass
    """,
    "a process with a name like the grader's": """
        libc.prctl(15, b"run_autograder", 0, 0, 0)
        if forked() == 0:
            libc.prctl(15, b"@MARK@", 0, 0, 0)
            linger()
    """,
    "the child of a child in the place of itself": """
        for _ in range(3):
            if forked() > 0:
                os._exit(0)
    """,
}

# Those that the short run has.
BRIEF = {
    *(
        "a grandchild in a session of its own",
        "a process that ignores every signal",
        "a process that is stopped",
    ),
    *(
        "a process that forgets to die with its parent",
        "a process by vfork and exec",
        "itself, as another program",
    ),
    *("a hundred daemon threads", "a thread while the first one has ended", "shared memory"),
    *("System V memory, semaphores and queues", "the socket names by which user ids are claimed"),
    *("a timer that signals its group", "a signal for whoever reads its pipe"),
}

CASES = [
    *(
        Hostile(
            f"leaves {what}",
            "processes",
            vae(solution=REFERENCE, after=HELPERS + dedent(source)),
            without("5.1") if "loss_function" in source else ALL,
            harm=("ipc", "pids", "time"),
            brief=what in BRIEF,
        )
        for what, source in LEFT.items()
    ),
    Hostile(
        "leaves a process from every worker that it gets",
        "processes",
        vae(
            HELPERS
            + dedent("""
                if forked() == 0:
                    os.setsid()
                    if forked() == 0:
                        linger()
                    os._exit(0)
                def end(*arguments): os._exit(0)
                VAE = CVAE = reparametrize = loss_function = end
            """)
        ),
        NONE,
        harm=("pids", "time"),
    ),
    Hostile(
        "leaves a process that prints and answers when the worker is gone",
        "processes",
        vae(
            HELPERS
            + dedent("""
                import atexit
                if forked() == 0:
                    os.setsid()
                    end = time.monotonic() + 60
                    while time.monotonic() < end:
                        for fd in range(1, 64):
                            try:
                                os.write(fd, b"\\0\\0\\0\\x10{\\"id\\":1,\\"value\\":1}")
                            except OSError:
                                pass
                        time.sleep(0.05)
                    os._exit(0)
            """)
            + TELL
        ),
        NONE,
        harm=("pids", "time"),
    ),
]
