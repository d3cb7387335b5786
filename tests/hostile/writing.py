"""Planting: what a submission writes while it runs: outside its folder, or inside to be in the way."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, NOTHING, Hostile, without
from .reading import SYSTEM_CALLS
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

HELPERS = dedent("""
    def opened(path, flags=os.O_WRONLY):
        os.close(os.open(path, flags))
        return True


    def closed(path):
        return os.stat(path).st_mode & 0o777 == 0


    def made(folder):
        path = os.path.join(folder, "written-@MARK@")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        return path


    def any_of(pattern):
        import glob
        paths = glob.glob(pattern, recursive=True)[:2000]
        return [path for path in paths if os.path.isfile(path) and may(path)]


    def may(path):
        try:
            return opened(path)
        except OSError:
            return False
""")

# An expression that is true when it got through, and the layers that stop it alone.
WRITES = {
    "writes to the victim": ("os.write(os.open('@VICTIM@', os.O_WRONLY), b'x')", "landlock"),
    "appends to the victim": ("open('@VICTIM@', 'a').write('x')", "landlock"),
    "empties the victim": ("opened('@VICTIM@', os.O_WRONLY | os.O_TRUNC)", "landlock"),
    "empties the victim while it only reads": (
        "opened('@VICTIM@', os.O_RDONLY | os.O_TRUNC)",
        "landlock",
        "seccomp",
    ),
    "empties the victim without opening it": ("os.truncate('@VICTIM@', 0) is None", "landlock", "seccomp"),
    "maps the victim and writes there": (
        "mmap.mmap(os.open('@VICTIM@', os.O_RDWR), 0).write(b'x')",
        "landlock",
    ),
    "copies into the victim in the kernel": (
        "os.copy_file_range(os.open(__file__, os.O_RDONLY), os.open('@VICTIM@', os.O_WRONLY), 9)",
        "landlock",
    ),
    "removes the victim": ("os.unlink('@VICTIM@') is None", "user", "landlock"),
    "renames the victim": ("os.rename('@VICTIM@', '@VICTIM@.old') is None", "user", "landlock"),
    "moves the victim into its own folder": ("os.rename('@VICTIM@', 'mine') is None", "user", "landlock"),
    "puts a file of its own over the victim": (
        "(open('mine', 'w').close(), os.replace('mine', '@VICTIM@') is None)[1]",
        "user",
        "landlock",
    ),
    "exchanges the victim with a file of its own": (
        "(open('mine', 'w').close(), system(number(316, 276), -100, b'mine', -100, b'@VICTIM@', 2) == 0)[1]",
        "user",
        "landlock",
    ),
    "links the victim into its folder and writes there": (
        "(os.link('@VICTIM@', 'linked'), open('linked', 'w').write('x'))[1]",
        "landlock",
    ),
    "closes the victim to its owner": (
        "(os.chmod('@VICTIM@', 0), closed('@VICTIM@'))[1]",
        "user",
        "seccomp",
    ),
    "closes the victim to its owner by fchmodat2": (
        "(system(452, -100, b'@VICTIM@', 0, 0), closed('@VICTIM@'))[1]",
        "user",
        "seccomp",
    ),
    "gives the victim away": ("os.chown('@VICTIM@', os.getuid(), -1) is None", "user", "seccomp"),
    "makes the victim look old": (
        "(os.utime('@VICTIM@', (1, 1)), os.stat('@VICTIM@').st_mtime == 1)[1]",
        "user",
        "seccomp",
    ),
    "touches the victim": (
        "(was := os.stat('@VICTIM@').st_mtime_ns, os.utime('@VICTIM@'), os.stat('@VICTIM@').st_mtime_ns != was)[2]",
        "seccomp",
    ),
    "hangs an attribute on the victim": ("os.setxattr('@VICTIM@', 'user.x', b'x') is None", "seccomp"),
    "locks the victim": (
        "__import__('fcntl').flock(os.open('@VICTIM@', os.O_RDONLY), 6) is None",
        "landlock",
    ),
    "leases the victim": (
        "__import__('fcntl').fcntl(os.open('@VICTIM@', os.O_RDONLY), 1024, 0) == 0",
        "landlock",
    ),
    "makes the victim immutable": (
        (
            "__import__('fcntl').ioctl(os.open('@VICTIM@', os.O_RDONLY), 0x40086602, struct.pack('l',"
            " 16)) is not None"
        ),
        "user",
        "landlock",
    ),
    "closes the neighbour's results to its owner": (
        "(os.chmod('@NEIGHBOUR@/results.json', 0), closed('@NEIGHBOUR@/results.json'))[1]",
        "user",
        "seccomp",
    ),
    "makes the neighbour's folder nobody's": (
        "(os.chmod('@NEIGHBOUR@', 0), closed('@NEIGHBOUR@'))[1]",
        "user",
        "seccomp",
    ),
    "writes to the neighbour's results": ("opened('@NEIGHBOUR@/results.json')", "user", "landlock"),
    "writes into the neighbour's folder": ("made('@NEIGHBOUR@')", "user", "landlock"),
    "writes into the folder of the results": ("made(os.path.dirname('@RESULTS@'))", "user", "landlock"),
    "writes into the folder above its own": (
        "made(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))",
        "landlock",
    ),
    "renames its own folder": (
        (
            "os.rename(os.path.dirname(os.path.abspath(__file__)),"
            " os.path.dirname(os.path.abspath(__file__)) + '-@MARK@') is None"
        ),
        "landlock",
    ),
    "writes into the repository": ("made('@ROOT@')", "user", "landlock"),
    "could change the grader": ("any_of('@ROOT@/autograder/**/*.py')", "user", "landlock"),
    "could change the reference": ("any_of('@ROOT@/reference/*')", "user", "landlock"),
    "could change the students' files": ("any_of('@ROOT@/student_template/**/*')", "user", "landlock"),
    "could change the tests": ("any_of('@ROOT@/tests/*')", "user", "landlock"),
    "could change the commands": (
        "any_of('@ROOT@/run_autograder') + any_of('@ROOT@/setup.sh')",
        "user",
        "landlock",
    ),
    "could change the repository's hooks": (
        "any_of('@ROOT@/.git/*') + [made('@ROOT@/.git/hooks')]",
        "user",
        "landlock",
    ),
    "could change torch": (
        "any_of(os.path.dirname(__import__('torch').__file__) + '/*.py')",
        "user",
        "landlock",
    ),
    "writes into the environment's packages": (
        "made(os.path.dirname(os.path.dirname(__import__('torch').__file__)))",
        "user",
        "landlock",
    ),
    "writes into a bytecode cache": (
        "made(os.path.dirname(__import__('importlib').util.cache_from_source(json.__file__)))",
        "user",
        "landlock",
    ),
    "could change the standard library": (
        "any_of(os.path.dirname(os.__file__) + '/*.py')",
        "user",
        "landlock",
    ),
    "could change the interpreter": (
        "opened(os.path.realpath(sys.executable), os.O_RDWR)",
        "user",
        "landlock",
    ),
    "writes to /tmp": ("made('/tmp')", "landlock"),
    "writes to /var/tmp": ("made('/var/tmp')", "landlock"),
    "writes to /dev/shm": ("made('/dev/shm')", "landlock"),
    "writes to /run/lock": ("made('/run/lock')", "landlock"),
    "writes to /dev/mqueue": ("made('/dev/mqueue')", "landlock"),
    "writes to the home folder": ("made(os.sep + 'root') or made('/home')", "user", "landlock"),
    "could change /etc": ("any_of('/etc/*') or made('/etc')", "user", "landlock"),
    "could plant a command": ("made('/usr/local/bin') or made('/usr/bin')", "user", "landlock"),
    "could plant a timed job": (
        "made('/etc/cron.d') or made('/var/spool/cron/crontabs')",
        "user",
        "landlock",
    ),
    "could choose what handles core files": ("opened('/proc/sys/kernel/core_pattern')", "user", "landlock"),
    "could trigger the machine's keys": ("opened('/proc/sysrq-trigger')", "user", "landlock"),
    "could change its control group": (
        "any_of('/sys/fs/cgroup/**') or made('/sys/fs/cgroup')",
        "user",
        "landlock",
    ),
    "makes a device": ("os.mknod('zero', 0o20666, os.makedev(1, 5)) is None", "user", "landlock", "seccomp"),
    "mounts a folder over another": ("libc.mount(b'.', b'/tmp', None, 4096, None) == 0", "user", "seccomp"),
    "becomes root again": (
        "os.setuid(0) is None and os.geteuid() == 0 and may('/etc/hostname')",
        "user",
        "landlock",
    ),
    "runs a program with root's rights": (
        (
            "b'uid=0' in __import__('subprocess').run(['su', '-c', 'id'], capture_output=True,"
            " stdin=-3, timeout=20).stdout"
        ),
        "user",
        "seccomp",
    ),
}

# Lines that leave something in the worker's own folders, where it may write, for the grader to stumble over.
LEFT = {
    "folders 3000 deep": """
        for folder in (here, tempfile.gettempdir()):
            os.chdir(folder)
            for _ in range(3000):
                os.mkdir("d")
                os.chdir("d")
        os.chdir(here)
    """,
    "folders whose path is too long": """
        for folder in (here, tempfile.gettempdir()):
            os.chdir(folder)
            for _ in range(60):
                os.mkdir("d" * 250)
                os.chdir("d" * 250)
            open("at the bottom", "w").close()
        os.chdir(here)
    """,
    "folders that nobody may list": """
        for folder in (here, tempfile.gettempdir()):
            os.umask(0)
            os.mkdir(folder + "/dark", 0o300)
            open(folder + "/dark/file", "w").close()
            os.mkdir(folder + "/dark/darker", 0o100)
            os.mkdir(folder + "/shut", 0)
    """,
    "folders that nobody may change": """
        import fcntl
        for folder in (here, tempfile.gettempdir()):
            os.mkdir(folder + "/fixed")
            open(folder + "/fixed/file", "w").close()
            flags = struct.pack("l", 48)  # append-only, immutable
            def fix(path): fcntl.ioctl(os.open(path, 0), 0x40086602, flags)
            for change in (lambda path: os.chmod(path, 0o500), fix):
                try:
                    change(folder + "/fixed")
                except OSError:
                    pass
    """,
    "links to what is outside": """
        for folder in (here, tempfile.gettempdir()):
            results = os.path.dirname("@RESULTS@")
            for number, target in enumerate(("@CANARY@", "@VICTIM@", "@NEIGHBOUR@", results, "/", ".", "..")):
                os.symlink(target, f"{folder}/link-{number}")
    """,
    "a link in the place of its temporary folder": """
        folder = tempfile.gettempdir()
        try:
            os.rmdir(folder)
            os.symlink("@NEIGHBOUR@", folder)
        except OSError:
            pass
    """,
    "a link in the place of nndl2": """
        import shutil
        try:
            shutil.rmtree(here + "/nndl2")
            os.symlink("@NEIGHBOUR@", here + "/nndl2")
        except OSError:
            pass
    """,
    "20000 files and as many links": """
        for number in range(10_000):
            open(f"{here}/file-{number}", "w").close()
            os.link(f"{here}/file-{number}", f"{here}/link-{number}")
    """,
    "names that are no text": """
        odd = (b"\\n", b"-rf", b"\\xff" * 255, b"\\x1b[2J", b" ", b"...")
        for name in (bytes(range(1, 47)), bytes(range(48, 256)), *odd):
            try:
                os.close(os.open(os.fsencode(here) + b"/" + name, os.O_CREAT | os.O_WRONLY))
            except OSError:
                pass
    """,
    "FIFOs, sockets and what else it can make": """
        def bind(path): socket.socket(socket.AF_UNIX).bind(path)
        for make in (os.mkfifo, bind, lambda path: os.mknod(path, 0o60666, 1)):
            for name in ("vae.py.new", "results.json", "data", "nndl2/data"):
                try:
                    make(f"{here}/{name}")
                except OSError:
                    pass
    """,
    "a thread that makes files as long as it lives": """
        def again():
            for number in range(100_000):
                try:
                    os.makedirs(f"{here}/again/{number % 50}/{number}", exist_ok=True)
                    open(f"{here}/again/{number % 50}/{number}/x", "w").close()
                except OSError:
                    pass
        threading.Thread(target=again, daemon=True).start()
    """,
    "a changed nndl2 for the next worker": """
        for name in ("__init__.py", "helper.py", "utils.py"):
            try:
                with open(f"{here}/nndl2/{name}", "w") as file:
                    file.write("raise SystemExit('changed')")
            except OSError:
                pass
        def loss_function(*arguments): os._exit(0)
    """,
    "a conftest.py and a results.json for whoever looks": """
        for folder in (here, tempfile.gettempdir()):
            for name in ("conftest.py", "pytest.ini", "torch.py", "results.json", "sitecustomize.py"):
                with open(f"{folder}/{name}", "w") as file:
                    file.write("{'score': 12}")
    """,
    "its temporary folder's name in everybody's hands": """
        os.environ["TMPDIR"] = os.environ["TEMP"] = tempfile.tempdir = "@NEIGHBOUR@"
        for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "HOME", "TORCH_HOME"):
            os.environ[name] = "@NEIGHBOUR@"
        try:
            tempfile.mkdtemp(prefix="@MARK@")
        except OSError:
            pass
    """,
}

START = "import tempfile\nhere = os.path.dirname(os.path.abspath(__file__))\n"

ATTEMPTS = {what: f"attempt({what!r}, lambda: {expression})\n" for what, (expression, *_) in WRITES.items()}


def attempting(name: str, attempts: str, *layers: str, brief: bool = False) -> Hostile:
    """Make a case that tries to write at import and says whether it could."""
    files = vae(SYSTEM_CALLS + HELPERS + attempts, after=TELL)
    harm = ("canary", "neighbour", "sources", "results")
    return Hostile(name, "planting", files, NONE, harm=harm, layers=layers, shows=NOTHING, brief=brief)


CASES = [
    *(attempting(what, ATTEMPTS[what], *layers) for what, (_, *layers) in WRITES.items()),
    attempting("writes wherever it can", "".join(ATTEMPTS.values()), brief=True),
    *(
        Hostile(
            f"leaves {what}",
            "planting",
            vae(solution=REFERENCE, after=START + dedent(source)),
            ALL if "loss_function" not in source else without("5.1"),
            harm=("canary", "neighbour", "sources", "disk", "time"),
        )
        for what, source in LEFT.items()
    ),
]
