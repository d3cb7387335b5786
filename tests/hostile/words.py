"""Results: what a submission prints and raises, in amounts and kinds that nobody should have to swallow."""

from __future__ import annotations

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

OTHERS = without("5.1")  # all rows but the one whose function raises


def raising(name: str, source: str, *harm: str, slow: bool = False) -> Hostile:
    """Make a case of a loss_function that raises something odd, in the reference solution otherwise."""
    files = vae(solution=REFERENCE, after=source)
    brief = name not in LONG
    return Hostile(
        f"raises {name}", "results", files, OTHERS, OTHERS, ("size", *harm), slow=slow, brief=brief
    )


def printing(name: str, source: str, *, earns: frozenset[str] = ALL, slow: bool = False) -> Hostile:
    """Make a case of the reference solution with something odd in its output."""
    files = vae(source, solution=REFERENCE)
    return Hostile(name, "results", files, ALL, earns=earns, harm=("size", "memory", "time"), slow=slow)


# Each body of a class derived from Exception, raised by loss_function.
EXCEPTIONS = {
    "what raises in __str__": "def __str__(self): raise ValueError",
    "what raises itself in __str__": "def __str__(self): raise self\n    __repr__ = __str__",
    "what leaves in __str__": "def __str__(self): os._exit(0)",
    "what kills in __repr__ and __str__": (
        "def __repr__(self): os.kill(os.getpid(), 9)\n    __str__ = __repr__"
    ),
    "what hangs in __str__": "def __str__(self): time.sleep(115)",
    "what returns no string from __str__": "def __str__(self): return 7",
    "what returns 10 MB": "def __str__(self): return 'long ' * 2_000_000",
    "what returns 10 MB without a space": "def __str__(self): return '\\u3042' * 3_500_000",
    "what returns 100000 lines": "def __str__(self): return 'line\\n' * 100_000",
    "what returns lone surrogates": (
        "def __str__(self): return 'half \\ud800 and \\udfff a pair \\udcff' * 50"
    ),
    "what returns NULs and controls": (
        "def __str__(self): return ''.join(map(chr, range(32))) * 9 + '\\x7f\\x85\\u2028'"
    ),
    "what returns a lying subclass of str": """
    def __str__(self):
        class Text(str):
            def __getitem__(self, at): return self
            def __len__(self): return 5
            def __str__(self): return self * 1_000_000
        return Text("liar ")""",
    "what returns different strings": "def __str__(self): return os.urandom(8).hex() * 9",
    "what lies about its class": "__class__ = property(lambda self: KeyboardInterrupt)",
    "what has no class when asked": "__class__ = property(lambda self: os._exit(0))",
    "what refuses every attribute": "def __getattribute__(self, name): raise SystemExit(name)",
    "what has arguments of its own": (
        "args = property(lambda self: os._exit(0))\n    def __str__(self): return 'args'"
    ),
    "what has a traceback of its own": "__traceback__ = property(lambda self: os._exit(0))",
    "what cannot be made again": (
        "def __init__(self, a=0, b=0, *, c=0): self.c = lambda: 0\n    __reduce__ = None"
    ),
}

# Those that the short run leaves out.
LONG = {
    *("what leaves in __str__", "what returns no string from __str__", "what returns 10 MB without a space"),
    *("what returns 100000 lines", "what returns different strings", "what has no class when asked"),
    *("what has arguments of its own", "what has a traceback of its own", "what cannot be made again"),
    *(
        "a bare BaseException",
        "a class that is no exception when made",
        "unittest's skip",
        "pytest's own xfail",
    ),
    *("a UnicodeError about nothing", "a SyntaxError with a line number that is none"),
}

CASES = [
    *(
        raising(
            name,
            f"class Odd(Exception):\n    {body}\ndef loss_function(*arguments): raise Odd('odd')",
            slow="hangs" in name,
        )
        for name, body in EXCEPTIONS.items()
    ),
    raising("a bare BaseException", "def loss_function(*arguments): raise BaseException"),
    raising(
        "a class that is no exception when made",
        """
        class Odd(Exception):
            def __new__(cls, *arguments): return 7
        def loss_function(*arguments): raise Odd
        """,
    ),
    raising(
        "with a cyclic __cause__ and __context__",
        """
        def loss_function(*arguments):
            one, other = ValueError("one"), ValueError("other")
            one.__cause__, other.__cause__ = other, one
            one.__context__, other.__context__ = other, one
            raise one
        """,
    ),
    raising(
        "from 100000 causes",
        """
        def loss_function(*arguments):
            error = None
            for number in range(100_000):
                cause, error = error, ValueError(number)
                error.__cause__ = cause
            raise error
        """,
    ),
    raising(
        "a group of 2000 groups",
        """
        def loss_function(*arguments):
            import builtins
            group = getattr(builtins, "ExceptionGroup", lambda text, errors: errors[0])  # Python 3.11
            error = ValueError("inside")
            for number in range(2000):
                error = group(f"group {number}", [error, ValueError("beside")])
            raise error
        """,
    ),
    raising(
        "with 100000 notes",
        """
        def loss_function(*arguments):
            error = ValueError("noted")
            error.__notes__ = ["note " * 100] * 100_000
            raise error
        """,
    ),
    raising(
        "from 900 frames deep with long names",
        """
        name = "f" * 3000
        source = f"def {name}(n):\\n    if n: return {name}(n - 1)\\n    raise ValueError('deep')"
        exec(compile(source, __file__, "exec"))
        def loss_function(*arguments): return globals()["f" * 3000](800)
        """,
    ),
    raising(
        "from a file that it names itself",
        """
        def loss_function(*arguments):
            exec(compile("raise ValueError('elsewhere')", "@CANARY@", "exec"))
        """,
        "canary",
    ),
    raising(
        "from lines that linecache invents",
        """
        import linecache
        def loss_function(*arguments):
            linecache.cache[__file__] = (1, None, ["invented " * 10_000 + chr(10)] * 5000, __file__)
            linecache.getline = lambda *a: "x" * 10**8
            raise ValueError("see above")
        """,
    ),
    raising(
        "an error of an invented name",
        """
        def loss_function(*arguments):
            name = "Grader\\n\\x1b[2JFault" * 1000
            raise type(name, (Exception,), {"__module__": "autograder.grade"})("all is well")
        """,
        "display",
    ),
    raising(
        "a SyntaxError that points to the canary",
        """
        def loss_function(*arguments):
            raise SyntaxError("look", (__file__, 10**30, -5, "text " * 100_000, "end", {}))
        """,
    ),
    raising(
        "a SyntaxError with a line number that is none",
        """
        def loss_function(*arguments):
            raise SyntaxError("look", (__file__, "many", None, object()))
        """,
    ),
    raising(
        "a UnicodeError about nothing",
        "def loss_function(*arguments): raise UnicodeDecodeError('x' * 10**6, b'y' * 10**6, 0, 10**6, 'z')",
    ),
    raising(
        "pytest's own skip",
        """
        def loss_function(*arguments):
            try:
                from _pytest.outcomes import Skipped
            except ImportError:
                Skipped = type("Skipped", (BaseException,), {"allow_module_level": True})
            raise Skipped("skipped: all is well")
        """,
    ),
    raising(
        "pytest's own exit",
        """
        def loss_function(*arguments):
            try:
                from _pytest.outcomes import Exit
            except ImportError:
                Exit = type("Exit", (Exception,), {"returncode": 0})
            raise Exit("the session ends here", 0)
        """,
    ),
    raising(
        "pytest's own xfail",
        """
        def loss_function(*arguments):
            try:
                from _pytest.outcomes import XFailed
            except ImportError:
                XFailed = type("XFailed", (BaseException,), {})
            raise XFailed("expected to fail")
        """,
    ),
    raising(
        "unittest's skip", "import unittest\ndef loss_function(*arguments): raise unittest.SkipTest('skip')"
    ),
    raising(
        "NotImplementedError for ever",
        "def loss_function(*a): raise NotImplementedError('Section 5: \\x1b[32mpassed')",
    ),
    raising(
        "in another thread and in __del__ and in a hook, 1000 times each",
        """
        class Last:
            def __del__(self): raise ValueError("last")
        def fail(): raise ValueError("thread")
        def loss_function(*arguments):
            for _ in range(1000):
                Last()
                threading.Thread(target=fail).start()
            sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: os._exit(0)
            raise ValueError("hook")
        """,
    ),
    Hostile(
        "raises warnings of 1 MB, each as an error",
        "results",
        vae(
            solution=REFERENCE,
            before="""
                import warnings
                warnings.simplefilter("always")
                for number in range(300):
                    warnings.warn("warning " * 100_000 + str(number), stacklevel=1)
            """,
        ),
        ALL,
        earns=ALL,
        harm=("size", "time"),
    ),
    Hostile(
        "raises 10 MB of markup at import",
        "results",
        vae("raise ValueError('<script>alert(1)</script>\\x1b[31m' * 300_000)"),
        NONE,
        harm=("size", "display"),
    ),
    Hostile(
        "raises at import what raises in __str__",
        "results",
        vae("class Odd(Exception):\n    def __str__(self): raise self\nraise Odd"),
        NONE,
    ),
    Hostile(
        "raises another error at each import",
        "results",
        vae("raise type('Error' + os.urandom(4).hex(), (Exception,), {})(os.urandom(16).hex())"),
        NONE,
    ),
    printing(
        "prints 2 GB",
        """
        line = "all work and no play makes a dull line of output " * 20 + "\\n"
        for _ in range(2000): sys.stdout.write(line * 1000)
        """,
        earns=NONE,
        slow=True,
    ),
    printing(
        "prints one line of 1 GB",
        "for _ in range(1000): sys.stdout.write('x' * 1_000_000)",
        earns=NONE,
        slow=True,
    ),
    printing(
        "prints from a thread for as long as it lives",
        """
        def chatter():
            end = time.monotonic() + 100
            while time.monotonic() < end: os.write(1, b"chatter " * 512)
        threading.Thread(target=chatter, daemon=True).start()
        """,
        earns=NONE,
    ),
    printing(
        "prints to stdout and stderr what is no text",
        "for fd in (1, 2): os.write(fd, os.urandom(1 << 16) + bytes(range(256)) * 100)",
    ),
    printing(
        "prints what clears, retitles and answers for a terminal",
        "print('\\x1bc\\x1b]0;owned\\x07\\x1b[2J\\x1b[6n\\x1b]52;c;cm0gLXJm\\x07\\x9b31m\\x1bP$q\\x1b\\\\')",
    ),
    printing("closes stdout and stderr", "sys.stdout.close(); sys.stderr.close()"),
    printing("closes descriptors 1 and 2", "os.close(1); os.close(2)"),
    printing("sets stdout and stderr to None", "sys.stdout = sys.stderr = sys.__stdout__ = None"),
    printing(
        "has a stdout that kills whoever flushes it",
        """
        class Trap:
            def write(self, text): return len(text)
            def flush(self): raise SystemExit(3)
        sys.stdout = sys.stderr = Trap()
        """,
        earns=NONE,
    ),
    printing(
        "makes its output end and the process go on",
        "os.dup2(os.open('/dev/null', os.O_WRONLY), 1); os.dup2(1, 2)",
        earns=NONE,
    ),
    printing(
        "reads stdin for ever",
        "sys.stdin and sys.stdin.read()\nwhile sys.stdin and sys.stdin.readline(): pass",
    ),
    printing(
        "fills stderr through the C library",
        "for _ in range(2000): libc.dprintf(2, b'%s', b'x' * 100_000)",
        earns=NONE,
    ),
    Hostile(
        "prints that it has passed",
        "results",
        vae(
            """
            print("12 passed in 0.01s\\n\\n====== 12 passed ======")
            print(json.dumps({"score": 12, "tests": [{"number": "1.1", "score": 12, "status": "passed"}]}))
            print('::set-output name=score::12\\n##vso[task.complete result=Succeeded;]')
            """,
            after=TELL,
        ),
        NONE,
    ),
]
