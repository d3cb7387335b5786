"""Reading: files, other processes, memory and environment that are none of a submission's business."""

from __future__ import annotations

from textwrap import dedent

from .case import NONE, NOTHING, Hostile
from .solutions import TELL, vae

__all__ = ["CASES", "SYSTEM_CALLS"]

# Numbers of system calls on x86-64 and aarch64; the rest is the same on both.
SYSTEM_CALLS = dedent("""
    column = {"x86_64": 0, "aarch64": 1}.get(os.uname().machine, 2)


    def number(*of):
        return of[min(column, len(of) - 1)] if column < 2 else 99999


    def watched(path):
        with open(path, "rb") as file:
            return secrets(file.read(1 << 20))
""")

# An expression that is true when it got through; behind it the layers that stop it alone.
OPENINGS = {
    "the canary": ("watched('@CANARY@')", "landlock"),
    "the canary through a link": ("(os.symlink('@CANARY@', 'link'), watched('link'))[1]", "landlock"),
    "the canary through a hard link": ("(os.link('@CANARY@', 'hard'), watched('hard'))[1]", "landlock"),
    "the canary through the root": ("watched('/proc/self/root@CANARY@')", "landlock"),
    "the canary through its parent's root": (
        "watched(f'/proc/{os.getppid()}/root@CANARY@')",
        "user",
        "landlock",
    ),
    "the canary by climbing": ("watched('../' * 40 + '@CANARY@'.lstrip('/'))", "landlock"),
    "the canary through a descriptor of its folder": (
        "secrets(os.read(beside(*os.path.split('@CANARY@')), 999))",
        "landlock",
    ),
    "the canary through a path-only descriptor": (
        "watched(f\"/proc/self/fd/{os.open('@CANARY@', os.O_PATH)}\")",
        "landlock",
    ),
    "the canary by renaming it": ("(os.rename('@CANARY@', 'mine'), watched('mine'))[1]", "user", "landlock"),
    "the canary by mapping it": (
        "secrets(mmap.mmap(os.open('@CANARY@', os.O_RDONLY), 0, prot=1))",
        "landlock",
    ),
    "the canary through torch": (
        "__import__('torch').from_file('@CANARY@', size=8, dtype=__import__('torch').uint8)",
        "landlock",
    ),
    "the canary through numpy": (
        "__import__('numpy').fromfile('@CANARY@', dtype='u1', count=8).tolist()",
        "landlock",
    ),
    "the canary by sending it to itself": (
        (
            "(lambda fd, to: os.sendfile(to, fd, 0, 99))(os.open('@CANARY@', os.O_RDONLY),"
            " os.open('copy', os.O_RDWR | os.O_CREAT))"
        ),
        "landlock",
    ),
    "the canary through a traceback": (
        "secrets(__import__('linecache').getline('@CANARY@', 1))",
        "landlock",
    ),
    "the canary by importing it": (
        (
            "secrets(str(__import__('importlib.machinery', fromlist=['x']).SourceFileLoader('c',"
            " '@CANARY@').get_data('@CANARY@')))"
        ),
        "landlock",
    ),
    "the canary by a program": (
        "secrets(__import__('subprocess').run(['cat', '@CANARY@'], capture_output=True).stdout)",
        "landlock",
        "seccomp",
    ),
    "the canary with openat2": (
        "system(437, -100, b'@CANARY@', struct.pack('3Q', 0, 0, 0), 24)",
        "landlock",
        "seccomp",
    ),
    "the canary by its handle": (
        "handle(b'@CANARY@')",
        "seccomp",
    ),
    "the canary through a bind mount": (
        "libc.unshare(0x10020000) == 0 and libc.mount(b'/', os.getcwd().encode(), None, 4096, None) == 0",
        "seccomp",
    ),
    "the canary in another root": ("os.chroot('/') is None", "user", "seccomp"),
    "the neighbour's submission": ("watched('@NEIGHBOUR@/vae.py')", "landlock"),
    "the neighbour's results": ("len(open('@NEIGHBOUR@/results.json').read())", "landlock"),
    "the neighbour's folder": ("os.listdir('@NEIGHBOUR@')", "landlock"),
    "earlier results": ("len(open('@RESULTS@').read())", "landlock"),
    "what stands beside the results": ("os.listdir(os.path.dirname('@RESULTS@'))", "landlock"),
    "the reference": ("len(open('@ROOT@/reference/vae.py').read())", "landlock"),
    "the repository": ("os.listdir('@ROOT@')", "landlock"),
    "Gradescope's metadata": ("len(open('/autograder/submission_metadata.json').read())", "landlock"),
    "Gradescope's folders": (
        "os.listdir('/autograder/results') + os.listdir('/autograder/submission')",
        "landlock",
    ),
    "/etc/shadow": ("open('/etc/shadow').read(9)", "user", "landlock"),
    "the host's ssh keys": (
        "[open('/etc/ssh/' + n).read(9) for n in os.listdir('/etc/ssh') if n.endswith('_key')]",
        "user",
        "landlock",
    ),
    "machine-id": ("open('/etc/machine-id').read(9)", "landlock"),
    "the kernel's log": ("libc.klogctl(3, ctypes.create_string_buffer(99), 99) > 0", "user", "seccomp"),
    "the kernel's memory": (
        "os.open('/proc/kcore', os.O_RDONLY) or os.open('/dev/mem', os.O_RDONLY)",
        "user",
        "landlock",
    ),
    "the disk": (
        (
            "[os.open('/dev/' + n, os.O_RDONLY) for n in ('vda', 'sda', 'nvme0n1', 'loop0') if"
            " os.path.exists('/dev/' + n)]"
        ),
        "user",
        "landlock",
    ),
    "the temporary folder of everybody": ("len([n for n in os.listdir('/tmp') if n != 'x'])", "landlock"),
    "the shared memory of others": ("os.listdir('/dev/shm') or True", "landlock"),
    "the terminals": ("os.open('/dev/tty', os.O_RDWR) or os.listdir('/dev/pts')", "landlock"),
    "the mail and spool folders": (
        "os.listdir('/var/mail') + os.listdir('/var/spool') + os.listdir('/var/log')",
        "landlock",
    ),
    "the list of mounts": ("open('/proc/self/mounts').read(99)", "landlock"),
    "the list of unix sockets": ("open('/proc/net/unix').read(99)", "landlock"),
    "its control group": ("open('/proc/self/cgroup').read(99)", "landlock"),
    "the container's secrets": ("os.listdir('/run/secrets') or os.listdir('/var/run/secrets')", "landlock"),
}

PROCESSES = {
    "the environment of its parent": ("watched(f'/proc/{os.getppid()}/environ')", "user", "landlock"),
    "the environment it was started with": ("watched('/proc/self/environ')", "landlock"),
    "the arguments of all processes": (
        (
            "[p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and"
            " open(f'/proc/{p}/cmdline').read()]"
        ),
        "landlock",
    ),
    "the environments of all processes": (
        (
            "[p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and"
            " readable(f'/proc/{p}/environ')]"
        ),
        "user",
        "landlock",
    ),
    "the maps of its parent": ("readable(f'/proc/{os.getppid()}/maps')", "user", "landlock"),
    "the memory of its parent": ("os.open(f'/proc/{os.getppid()}/mem', os.O_RDONLY)", "user", "landlock"),
    "the memory of the process outside": ("os.open('/proc/@PID@/mem', os.O_RDONLY)", "user", "landlock"),
    "the open files of its parent": ("os.listdir(f'/proc/{os.getppid()}/fd')", "user", "landlock"),
    "the working folder of its parent": ("os.listdir(f'/proc/{os.getppid()}/cwd')", "user", "landlock"),
    "the stack of its parent": ("readable(f'/proc/{os.getppid()}/stack')", "user", "landlock"),
    "the memory of its parent, written": (
        "os.open(f'/proc/{os.getppid()}/mem', os.O_WRONLY)",
        "user",
        "landlock",
    ),
    "the badness of its parent": (
        "os.open(f'/proc/{os.getppid()}/oom_score_adj', os.O_WRONLY)",
        "user",
        "landlock",
    ),
    "its parent by process_vm_readv": (
        "vm(number(310, 270), os.getppid()) > 0",
        "user",
        "seccomp",
    ),
    "its parent by process_vm_writev": (
        "vm(number(311, 271), os.getppid()) > 0",
        "user",
        "seccomp",
    ),
    "the process outside by process_vm_readv": ("vm(number(310, 270), @PID@) >= 0", "user", "seccomp"),
    "its parent by ptrace": (
        "trace(0x4206, os.getppid())",
        "user",
        "seccomp",
    ),  # PTRACE_SEIZE does not stop it
    "the process outside by ptrace": ("trace(0x4206, @PID@)", "user", "seccomp"),
    "ptrace at all": ("libc.ptrace(0, 0, 0, 0) == 0", "seccomp"),
    "the descriptors of its parent": ("take(os.getppid())", "user", "seccomp"),
    "the descriptors of the process outside": ("take(@PID@)", "user", "seccomp"),
    "kcmp with its parent": (
        "system(number(312, 272), os.getpid(), os.getppid(), 0, 1, 1) >= 0",
        "user",
        "seccomp",
    ),
    "the keys of the session": (
        "system(number(250, 219), 11, -3, ctypes.create_string_buffer(99), 99) >= 0",
        "seccomp",
    ),
    "a key of its own": ("system(number(248, 217), b'user', b'@MARK@', b'x', 1, -2) > 0", "seccomp"),
    "perf events": (
        "system(number(298, 241), struct.pack('2I', 1, 112) + bytes(104), -1, 0, -1, 0) >= 0",
        "seccomp",
    ),
    "bpf": ("system(number(321, 280), 0, struct.pack('4I', 2, 4, 4, 1) + bytes(56), 72) >= 0", "seccomp"),
    "userfaultfd": ("system(number(323, 282), 0) >= 0", "seccomp"),
    "io_uring": ("system(425, 4, ctypes.create_string_buffer(120)) >= 0", "seccomp"),
    "a user namespace": ("libc.unshare(0x10000000) == 0", "seccomp"),
    "a process in a namespace of its own": (
        "(lambda pid: pid or os._exit(0))(system(number(56, 220), 0x10000000 | 17, 0, 0, 0, 0))",
        "seccomp",
    ),
    "the namespaces of the process outside": (
        "libc.setns(os.open('/proc/@PID@/ns/net', os.O_RDONLY), 0) == 0",
        "user",
        "landlock",
        "seccomp",
    ),
    "watching a folder outside": (
        "libc.inotify_add_watch(libc.inotify_init1(0), b'@NEIGHBOUR@', 0xFFF) > 0",
        "user",
        "seccomp",
    ),
    "the right to a core file": (
        "__import__('resource').setrlimit(4, (1 << 30, 1 << 30)) is None",
        "limits",
    ),
}

HELPERS = dedent("""
    reader, writer = os.pipe()


    def page(at):
        # write(2) from an address that is not mapped is an error, where reading it would be the end
        if libc.write(writer, ctypes.c_void_p(at), ctypes.c_size_t(4096)) == 4096:
            return os.read(reader, 4096)


    def beside(folder, name):
        return os.open(name, os.O_RDONLY, dir_fd=os.open(folder, os.O_PATH))


    def handle(path):
        buffer = ctypes.create_string_buffer(struct.pack("ii", 128, 0) + bytes(128))
        return system(number(303, 264), -100, path, buffer, ctypes.create_string_buffer(8), 0) == 0


    def readable(path):
        with open(path, "rb") as file:
            return len(file.read(99))


    def vm(call, pid):
        mine = ctypes.create_string_buffer(16)
        local = struct.pack("PN", ctypes.addressof(mine), 1)
        remote = struct.pack("PN", id(os), 1)
        return system(call, pid, local, 1, remote, 1, 0)


    def trace(request, pid):
        if libc.ptrace(request, pid, 0, 0) == 0:
            libc.ptrace(17, pid, 0, 0)  # PTRACE_DETACH
            return True
        return False


    def take(pid):
        handle = system(434, pid, 0)  # pidfd_open
        return [system(438, handle, fd, 0) for fd in (0, 1, 2, 3)]  # pidfd_getfd
""")

# Longer attempts: lines that say for themselves what got through.
SEARCHES = {
    "its variables": """
        for name, value in os.environ.items():
            words = ("TOKEN", "SECRET", "PASSWORD", "KEY", "SSH", "AWS")
            if secrets(value) or any(word in name.upper() for word in words):
                say("BREACHED", name)
        try:
            import posix
            if secrets(repr(posix.environ)):
                say("BREACHED", "posix.environ")
        except ImportError:
            pass
    """,
    "its arguments": """
        for words in (sys.argv, getattr(sys, "orig_argv", [])):
            if secrets(" ".join(words)) or "@RESULTS@" in words or "@NEIGHBOUR@" in words:
                say("BREACHED", words)
    """,
    "the stack that it inherited, where arguments and variables lie": """
        try:
            at = ctypes.c_void_p.in_dll(libc, "program_invocation_name").value or 0  # the first of them
        except ValueError:
            at = 0
        data, at = b"", at >> 12 << 12
        while len(data) < 1 << 22 and (more := page(at)):
            data, at = data + more, at + 4096
        if secrets(data):
            say("BREACHED", "a variable or an argument is still in memory")
    """,
    "objects that the collector knows": """
        gc.unfreeze()
        texts = []
        for thing in gc.get_objects():
            if isinstance(thing, dict):
                texts += [v for v in [*thing.keys(), *thing.values()] if type(v) in (str, bytes)]
            elif type(thing) in (list, tuple, set):
                texts += [v for v in thing if type(v) in (str, bytes)]
        for text in texts:
            if len(text) < 10**6 and secrets(text):
                say("BREACHED", "a secret in an object")
                break
    """,
    "all of its own memory, freed parts too": """
        libc.sbrk.restype = ctypes.c_void_p
        stack = ctypes.addressof(ctypes.c_char.from_buffer(bytearray(1)))
        name = ctypes.c_void_p.in_dll(libc, "program_invocation_name").value or stack
        end = libc.sbrk(0)
        spans = {(name >> 21) << 21, end - (1 << 21)}
        gc.unfreeze()
        for thing in gc.get_objects():
            spans.add((id(thing) >> 21) << 21)
        spans |= {span + (1 << 21) for span in set(spans)} | {end - (n << 21) for n in range(1, 40)}
        started, tail = time.monotonic(), b""
        for span in sorted(spans):
            tail = b""
            for at in range((span >> 12) << 12, span + (1 << 21), 4096):
                data = page(at)
                if data and HINT.encode() in (tail := tail[-64:] + data) and secrets(tail):
                    say("BREACHED", f"a secret in its own memory at {at:#x}")
                    break
            if said or time.monotonic() - started > 15:
                break
    """,
    "files that were left open": """
        import stat
        for fd in range(256):
            try:
                status = os.fstat(fd)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                say("BREACHED", f"descriptor {fd} is a folder")
            elif fd > 2 and stat.S_ISREG(status.st_mode):
                say("BREACHED", f"descriptor {fd} is a file of {status.st_size} bytes")
    """,
    "the home folders": """
        homes = {os.path.expanduser("~")}
        try:
            import pwd
            homes |= {entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid in (0, *range(1000, 65000))}
        except (ImportError, OSError):
            pass
        homes |= {os.sep + "root", "/home", "/Users"}
        mine = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        for home in homes:
            if not os.path.abspath(home).startswith(mine) and home not in ("/", "/nonexistent"):
                attempt(home, os.listdir, home)
                for name in (".bash_history", ".ssh/id_rsa", ".netrc", ".aws/credentials"):
                    attempt(name, lambda: len(open(os.path.join(home, name)).read()))
    """,
    "what other gradings left in temporary folders": """
        import glob, tempfile
        mine = os.path.dirname(os.path.abspath(__file__))
        for folder in ("/tmp", "/var/tmp", "/dev/shm", os.path.dirname(os.path.dirname(mine))):
            for path in glob.glob(folder + "/**", recursive=True)[:5000]:
                if os.path.isfile(path) and not path.startswith((mine, tempfile.gettempdir() + "/")):
                    try:
                        with open(path, "rb") as file:
                            named = os.path.basename(path) in ("vae.py", "results.json")
                            if named or secrets(file.read(1 << 20)):
                                say("BREACHED", path)
                    except OSError:
                        pass
    """,
    "the core it leaves behind": """
        import resource
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (OSError, ValueError):
            pass
        libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
        core = "@MARK@" * 1000
        def loss_function(*arguments): os.abort()
    """,
    "the terminal's settings of who started it": """
        for fd in range(3):
            attempt(f"descriptor {fd} is a terminal", os.isatty, fd)
            try:
                if os.readlink(f"/proc/self/fd/{fd}").startswith("/dev/pts"):
                    say("BREACHED", f"descriptor {fd} is a pseudo-terminal")
            except OSError:
                pass
    """,
}


def reading(what: str, source: str, *layers: str, brief: bool = False) -> Hostile:
    """Make a case that tries to read something at import and says whether it could."""
    tells = "loss_function" not in source
    files = vae(SYSTEM_CALLS + HELPERS + dedent(source), after=TELL if tells else "")
    shows = NOTHING if tells else ""
    name, harm = f"reads {what}", ("canary",)
    return Hostile(name, "reading", files, NONE, harm=harm, layers=layers, shows=shows, brief=brief)


ATTEMPTS = {
    what: f"attempt({what!r}, lambda: {expression})\n"
    for what, (expression, *_) in (OPENINGS | PROCESSES).items()
}

CASES = [
    *(reading(what, ATTEMPTS[what], *layers) for what, (_, *layers) in (OPENINGS | PROCESSES).items()),
    reading("every file of these", "".join(ATTEMPTS[what] for what in OPENINGS), brief=True),
    reading("every process of these", "".join(ATTEMPTS[what] for what in PROCESSES), brief=True),
    *(reading(what, source, brief=True) for what, source in SEARCHES.items()),
]
