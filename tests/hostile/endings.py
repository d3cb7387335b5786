"""Results: a worker that hangs, leaves, is killed or kills, wherever the grader is with its questions."""

from __future__ import annotations

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

# Where an attack sits in the reference solution, and the rows that do not need that place.
PLACES = {
    "at import": ("{attack}()", NONE),
    "in VAE.__init__": (
        "VAE.__init__ = lambda *a, **k: {attack}()",
        without("1.1", "1.2", "1.3", "1.4", "2.1", "4.1"),
    ),
    "in VAE.forward": ("VAE.forward = lambda self, x: {attack}()", without("4.1")),
    "in CVAE.forward": ("CVAE.forward = lambda self, x, c: {attack}()", without("6.3")),
    "in reparametrize": (
        "reparametrize = lambda mu, logvar: {attack}()",
        without("3.1", "3.2", "4.1", "6.3"),
    ),
    "in loss_function": ("loss_function = lambda *a: {attack}()", without("5.1")),
    "in hello_vae": ("hello_vae = lambda: {attack}()", ALL),
}

HANG = "def attack(): time.sleep(115)"
CHAIN = """
    def attack():
        class Undead:
            def __del__(self):
                time.sleep(115)
        Undead.kept = Undead()
        raise ValueError("and a finalizer that sleeps")
"""


# Those that the short run leaves out.
LONG = {
    *(
        "hangs in VAE.__init__",
        "hangs in VAE.forward",
        "hangs in CVAE.forward",
        "computes for ever in VAE.forward",
    ),
    *("leaves by os._exit(0) in VAE.__init__", "leaves by sys.exit with an object in VAE.forward"),
    *("raises GeneratorExit in loss_function", "raises MemoryError in reparametrize"),
    *("raises StopIteration in VAE.forward", "aborts at import", "stops its parent in CVAE.forward"),
}


def at(
    place: str,
    name: str,
    source: str,
    *,
    slow: bool = False,
    harm: tuple[str, ...] = (),
    earns: frozenset[str] = ALL,
) -> Hostile:
    """Make a case of an attack at one place of the reference solution: all rows but its own are kept."""
    line, keeps = PLACES[place]
    files = vae(solution=REFERENCE, after=source) if keeps else vae(source)
    last = "\n" + line.format(attack="attack") + "\n"
    files["vae.py"] += last.encode()
    full, brief = f"{name} {place}", f"{name} {place}" not in LONG
    return Hostile(full, "results", files, keeps, earns=keeps & earns, harm=harm, slow=slow, brief=brief)


CASES = [
    *(at(place, "hangs", HANG, slow=place != "in hello_vae", harm=("time",)) for place in PLACES),
    at(
        "in VAE.forward",
        "computes for ever",
        "def attack():\n    while True: pass",
        slow=True,
        harm=("time",),
    ),
    at(
        "in loss_function",
        "hangs in C and holds the interpreter's lock",
        """
        def attack():
            import re
            re.match(r"(a|aa|aaa)+$", "a" * 200 + "b")
        """,
        slow=True,
        harm=("time",),
    ),
    at("at import", "leaves by os._exit(0)", "def attack(): os._exit(0)"),
    at("in VAE.__init__", "leaves by os._exit(0)", "def attack(): os._exit(0)"),
    at("in reparametrize", "leaves by os._exit(3)", "def attack(): os._exit(3)"),
    at("at import", "leaves by sys.exit(0)", "def attack(): sys.exit(0)"),
    at("in VAE.forward", "leaves by sys.exit with an object", "def attack(): sys.exit(object())"),
    at(
        "in CVAE.forward",
        "leaves by a subclass of SystemExit",
        """
        class Leave(SystemExit):
            code = property(lambda self: os._exit(0))
        def attack(): raise Leave
        """,
    ),
    at("at import", "raises KeyboardInterrupt", "def attack(): raise KeyboardInterrupt"),
    at("in loss_function", "raises GeneratorExit", "def attack(): raise GeneratorExit"),
    at("in reparametrize", "raises MemoryError", "def attack(): raise MemoryError"),
    at("in VAE.forward", "raises StopIteration", "def attack(): raise StopIteration"),
    at("in loss_function", "kills itself", "def attack(): os.kill(os.getpid(), signal.SIGKILL)"),
    at(
        "in reparametrize",
        "stops itself",
        "def attack(): os.kill(os.getpid(), signal.SIGSTOP)",
        slow=True,
        harm=("time",),
    ),
    at(
        "at import",
        "stops all its threads, which the fuse alone would end,",
        """
        def attack():
            threading.Thread(target=time.sleep, args=(115,)).start()
            os.killpg(os.getpgrp(), signal.SIGSTOP)
        """,
        slow=True,
        harm=("time",),
    ),
    at("in loss_function", "kills its process group", "def attack(): os.killpg(0, signal.SIGKILL)"),
    at(
        "at import",
        "signals whatever it may",
        """
        def attack():
            for sign in (0, signal.SIGURG):  # SIGURG is ignored by who does not listen for it
                for target in (-1, @PID@):
                    try:
                        os.kill(target, sign)
                    except OSError:
                        pass
            for pid in range(2, 70000):
                if pid not in (os.getpid(), os.getppid()):
                    try:
                        os.kill(pid, signal.SIGURG)
                    except OSError:
                        pass
        """,
    ),
    at(
        "in VAE.__init__",
        "kills its parent",
        """
        def attack():
            if os.getppid() > 1:
                os.kill(os.getppid(), signal.SIGKILL)
            raise RuntimeError("the parent should still be there")
        """,
    ),
    at(
        "in CVAE.forward",
        "stops its parent",
        """
        def attack():
            if os.getppid() > 1:
                os.kill(os.getppid(), signal.SIGSTOP)
            raise RuntimeError("the parent should still go on")
        """,
    ),
    at(
        "in reparametrize",
        "interrupts the foreground of its terminal",
        r"""
        def attack():
            for path in ("/dev/tty", "/dev/console"):
                try:
                    with open(path, "wb", buffering=0) as terminal:
                        terminal.write(b"BREA" + b"CHED[@MARK@] wrote to the terminal\r\n")
                except OSError:
                    pass
            try:
                import fcntl
                fcntl.ioctl(0, 0x5412, b"\x03")  # TIOCSTI: as if typed
            except OSError:
                pass
            raise RuntimeError("no terminal")
        """,
    ),
    at("in VAE.forward", "reads address zero", "def attack(): ctypes.string_at(0)"),
    at("at import", "aborts", "def attack(): os.abort()"),
    at(
        "in loss_function",
        "writes over its own objects",
        "def attack(): ctypes.memset(id(attack), 255, 65536)",
    ),
    at("in VAE.__init__", "calls itself for ever", "def attack(): return attack()"),
    at(
        "in reparametrize",
        "overflows the C stack",
        """
        def attack():
            sys.setrecursionlimit(2**30)
            nested = []
            for _ in range(3_000_000):
                nested = [nested]
            return repr(nested)
        """,
    ),
    at(
        "at import",
        "destroys three million nested objects",
        """
        class Link:
            def __init__(self, behind): self.behind = behind
            def __del__(self): self.behind = None
        def attack():
            chain = None
            for _ in range(3_000_000):
                chain = Link(chain)
            del chain
        """,
    ),
    # It hangs whenever the garbage is collected: any row may have to wait for that.
    at("in VAE.forward", "leaves a finalizer that hangs", CHAIN, earns=NONE, slow=True),
    at(
        "in hello_vae",
        "hangs when it ends",
        """
        import atexit
        def attack(): pass
        atexit.register(time.sleep, 115)
        """,
        harm=("time",),
    ),
    Hostile(
        "hangs when it ends, in threads that ignore everything",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                import atexit
                for number in range(1, 65):
                    try:
                        signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError):
                        pass
                atexit.register(time.sleep, 115)
                for _ in range(8):
                    threading.Thread(target=time.sleep, args=(115,)).start()
            """,
        ),
        ALL,
        earns=ALL,
        harm=("time",),
    ),
    Hostile(
        "ignores SIGTERM, SIGINT and SIGHUP while it hangs",
        "results",
        vae(
            """
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()))
            end = time.monotonic() + 115
            while time.monotonic() < end:
                try:
                    time.sleep(1)
                except BaseException:
                    pass
            """
        ),
        NONE,
        harm=("time",),
        slow=True,
    ),
    Hostile(
        "answers each question just before it is too late",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                torch.nn.Linear.forward = lambda self, x: time.sleep(1) or F.linear(x, self.weight, self.bias)
                def loss_function(x_hat, x, mu, logvar): time.sleep(4)
                def reparametrize(mu, logvar): time.sleep(4)
            """,
        ),
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
        harm=("time",),
        slow=True,
    ),
    Hostile(
        "ends at every second question",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                calls = [0]
                def mortal(function):
                    def call(*arguments):
                        calls[0] += 1
                        if calls[0] % 2 == 0:
                            os._exit(0)
                        return function(*arguments)
                    return call
                loss_function, reparametrize = mortal(loss_function), mortal(reparametrize)
            """,
        ),
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
        earns=without("3.1", "3.2", "4.1", "5.1", "6.3"),
    ),
    Hostile(
        "hangs only in the second worker",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                flag = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seen")
                if os.path.exists(flag):
                    time.sleep(115)
                open(flag, "w").close()
                def reparametrize(mu, logvar): os._exit(1)
            """,
        ),
        without("3.1", "3.2", "4.1", "6.3"),
        harm=("time",),
        slow=True,
    ),
    Hostile(
        "closes every descriptor at import",
        "results",
        vae("os.closerange(0, 4096)", REFERENCE),
        NONE,
    ),
    Hostile(
        "closes every descriptor in the middle of an answer",
        "results",
        vae(solution=REFERENCE, after="def reparametrize(mu, logvar): os.closerange(0, 4096)"),
        without("3.1", "3.2", "4.1", "6.3"),
        earns=without("3.1", "3.2", "4.1", "6.3"),
    ),
    Hostile(
        "makes every descriptor a pipe to itself",
        "results",
        vae(
            """
            reader, writer = os.pipe()
            for number in range(256):
                if number not in (reader, writer):
                    try:
                        os.dup2(writer, number)
                    except OSError:
                        pass
            """,
            after=TELL,
        ),
        NONE,
        harm=("time",),
        slow=True,
    ),
    Hostile(
        "leaves a child that holds the pipe open",
        "results",
        vae(
            """
            if os.fork() == 0:
                time.sleep(115)
                os._exit(0)
            os._exit(0)
            """
        ),
        NONE,
        harm=("time",),
        layers=("seccomp", "namespaces"),
        slow=True,
    ),
    Hostile(
        "source of 200000 minus signs",
        "results",
        {"vae.py": b"x = " + b"-" * 200_000 + b"1\n"},
        NONE,
    ),
    Hostile(
        "source of 100000 brackets",
        "results",
        {"vae.py": b"x = " + b"[" * 100_000 + b"]" * 100_000 + b"\n"},
        NONE,
    ),
    Hostile(
        "source of 100000 chained attributes",
        "results",
        {"vae.py": b"x = None" + b".a" * 100_000 + b"\n"},
        NONE,
    ),
    Hostile(
        "source that folds into 2 GiB while it is compiled",
        "results",
        {"vae.py": b"x = " + b"+".join([b"'a'*4096"] * 1000) + b"\n"},
        NONE,
        harm=("memory",),
    ),
    Hostile("source of 64 MiB", "results", {"vae.py": b"#" * (64 << 20)}, NONE, harm=("memory",)),
    Hostile("source with NUL bytes", "results", {"vae.py": b"x = 1\n\0\0\0\n"}, NONE),
    Hostile(
        "source in an encoding that runs code or does not exist",
        "results",
        {"vae.py": b"# -*- coding: zlib_codec -*-\nx\x9cK\xcb\xcf\x07\x00\n"},
        NONE,
    ),
    Hostile("source in an unknown encoding", "results", {"vae.py": b"# coding: ../../x\nx = 1\n"}, NONE),
    Hostile(
        "source with an int of 100000 digits", "results", {"vae.py": b"x = " + b"9" * 100_000 + b"\n"}, NONE
    ),
    Hostile("the reference itself, unharmed", "results", vae(solution=REFERENCE), ALL, earns=ALL),
]
