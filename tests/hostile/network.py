"""Network: to anybody, in every way that the kernel knows; the targets are all on this machine."""

from __future__ import annotations

from textwrap import dedent

from .case import NONE, NOTHING, Hostile
from .reading import SYSTEM_CALLS
from .solutions import TELL, vae

__all__ = ["CASES"]

HELPERS = dedent("""
    def connected(family, address, kind=socket.SOCK_STREAM, protocol=0):
        with socket.socket(family, kind, protocol) as client:
            client.settimeout(5)
            client.connect(address)
            client.send(b"@MARK@")
        return f"connected to {address}"


    def sent(family, address, kind=socket.SOCK_DGRAM):
        with socket.socket(family, kind) as client:
            client.settimeout(5)
            return client.sendto(b"@MARK@", address)


    def created(family, kind, protocol=0):
        socket.socket(family, kind, protocol).close()
        return f"a socket of family {family}"


    def machine_code(code):
        # a page of instructions, called as a function
        libc.mmap.restype = ctypes.c_void_p
        at = libc.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
        if at in (None, ctypes.c_void_p(-1).value):
            raise OSError("no page may be both written and run")
        ctypes.memmove(at, code, len(code))
        return ctypes.CFUNCTYPE(ctypes.c_int)(at)()


    PORT, UDP, FREE = int("@PORT@"), int("@UDP@"), int("@FREE@")
    V4, V6 = ("127.0.0.1", PORT), ("::1", PORT)
""")

# An expression that is true when it got through; the check of the listener; the layers that stop it alone.
TRIES = {
    "TCP": ("connected(socket.AF_INET, V4)", "tcp", "landlock", "seccomp", "namespaces"),
    "TCP over IPv6": ("connected(socket.AF_INET6, V6)", "tcp", "landlock", "seccomp", "namespaces"),
    "TCP over IPv6 to an IPv4 address": (
        "connected(socket.AF_INET6, ('::ffff:127.0.0.1', PORT))",
        "tcp",
        "landlock",
        "seccomp",
        "namespaces",
    ),
    "TCP by name": (
        "socket.create_connection(('localhost', PORT), 5) and 1",
        "tcp",
        "landlock",
        "seccomp",
        "namespaces",
    ),
    "TCP with the first bytes in the opening": (  # MSG_FASTOPEN connects without connect(2)
        "socket.socket().sendto(b'@MARK@', 0x20000000, V4)",
        "tcp",
        "seccomp",
        "namespaces",
    ),
    "TCP of many paths": ("connected(socket.AF_INET, V4, protocol=262)", "tcp", "seccomp", "namespaces"),
    "SCTP": ("created(socket.AF_INET, socket.SOCK_STREAM, 132)", "tcp", "seccomp"),
    "TCP without waiting": (
        (
            "(lambda s: (s.setblocking(False), s.connect_ex(V4) in (0, errno.EINPROGRESS),"
            " time.sleep(1))[1])(socket.socket())"
        ),
        "tcp",
        "landlock",
        "seccomp",
        "namespaces",
    ),
    "HTTP": (
        "__import__('urllib.request').request.urlopen(f'http://127.0.0.1:{PORT}/@MARK@', timeout=5)",
        "tcp",
        "landlock",
        "seccomp",
        "namespaces",
    ),
    "a program of the system's": (
        (
            "__import__('subprocess').run(['bash', '-c', f'exec 3<>/dev/tcp/127.0.0.1/{PORT}'],"
            " stderr=-3).returncode == 0"
        ),
        "tcp",
        "landlock",
        "seccomp",
        "namespaces",
    ),
    "UDP": ("sent(socket.AF_INET, ('127.0.0.1', UDP))", "udp", "seccomp", "namespaces"),
    "UDP over IPv6": ("sent(socket.AF_INET6, ('::1', UDP))", "udp", "seccomp", "namespaces"),
    "UDP that is connected": (
        "connected(socket.AF_INET, ('127.0.0.1', UDP), socket.SOCK_DGRAM)",
        "udp",
        "seccomp",
        "namespaces",
    ),
    "UDP-Lite": ("created(socket.AF_INET, socket.SOCK_DGRAM, 136)", "udp", "seccomp"),
    "a broadcast": (
        (
            "(lambda s: (s.setsockopt(1, 6, 1), s.sendto(b'@MARK@', ('127.255.255.255',"
            " UDP)))[1])(socket.socket(2, 2))"
        ),
        "udp",
        "seccomp",
        "namespaces",
    ),
    "a question like the name service's": (
        (
            "(lambda s: s.sendto(bytes.fromhex('123401000001000000000000') + b'\\x06@MARK@'[:7] +"
            " b'\\0\\0\\1\\0\\1', ('127.0.0.1', UDP)))(socket.socket(2, 2))"
        ),
        "udp",
        "seccomp",
        "namespaces",
    ),
    "ping": ("created(socket.AF_INET, socket.SOCK_DGRAM, 1)", "udp", "seccomp"),
    "raw packets": ("created(socket.AF_INET, socket.SOCK_RAW, 255)", "udp", "user", "seccomp"),
    "raw frames": ("created(17, socket.SOCK_RAW, 0x300)", "udp", "user", "seccomp"),
    "netlink": ("created(16, socket.SOCK_RAW, 0)", "udp", "seccomp"),
    "the host of a virtual machine": ("created(40, socket.SOCK_STREAM)", "udp", "seccomp"),
    "the kernel's ciphers": ("created(38, socket.SOCK_SEQPACKET)", "udp", "seccomp"),
    "a list of odd families": (
        (
            "[n for n in (3, 4, 5, 6, 9, 15, 21, 26, 29, 30, 31, 35, 39, 41, 42, 43, 44) for k in (1,"
            " 2, 3, 5) if made(n, k)]"
        ),
        "udp",
        "seccomp",
    ),
    "a unix socket": ("connected(socket.AF_UNIX, '@UNIX@')", "unix", "seccomp"),
    "a unix socket by datagrams": ("sent(socket.AF_UNIX, '@UNIX@')", "unix", "seccomp"),
    "a unix socket through a link": (
        "(os.symlink('@UNIX@', 'link'), connected(socket.AF_UNIX, 'link'))[1]",
        "unix",
        "seccomp",
    ),
    "an abstract unix socket": (
        "connected(socket.AF_UNIX, '\\0@ABSTRACT@')",
        "unix",
        "seccomp",
        "namespaces",
    ),
    "an abstract unix socket from a datagram pair": (
        "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '\\0@ABSTRACT@')",
        "unix",
        "seccomp",
        "namespaces",
    ),
    "a unix socket from a datagram pair": (
        "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '@UNIX@')",
        "unix",
        "seccomp",
    ),
    "the system's own unix sockets": (
        "[path for path in SYSTEM_SOCKETS if reached(path)]",
        "unix",
        "seccomp",
    ),
    "sockets by the old multiplexer, in 32 bits": (  # int 0x80: there, socket is call 359
        "os.uname().machine == 'x86_64' and machine_code(INT_80) > 2",
        "udp",
        "seccomp",
    ),
    "sockets by the numbers of x32": (
        "os.uname().machine == 'x86_64' and system(0x40000000 + 41, 2, 1, 0) > 0",
        "tcp",
        "seccomp",
    ),
    "sockets by the call itself": ("system(number(41, 198), 2, 1, 0) > 0", "tcp", "seccomp"),
    "sockets by machine code": (  # the same call as the processor knows it
        "os.uname().machine == 'x86_64' and machine_code(SYSCALL) > 2",
        "tcp",
        "seccomp",
    ),
    "sockets by the bits above a number": (
        "os.uname().machine == 'x86_64' and system((1 << 32) + 41, 2, 1, 0) > 0",
        "tcp",
        "seccomp",
    ),
    "sockets with bits above the family": (
        "system(number(41, 198), (1 << 32) + 2, 1, 0) > 0",
        "tcp",
        "seccomp",
    ),
    "a ring of the kernel's": ("system(425, 4, ctypes.create_string_buffer(120)) > 0", "tcp", "seccomp"),
    "sockets of another process": (
        "[system(438, system(434, int('@PID@'), 0), fd, 0) for fd in range(3, 20)]",
        "tcp",
        "user",
        "seccomp",
    ),
    "a network of its own": (
        "libc.unshare(0x50000000) == 0 and connected(socket.AF_INET, V4)",
        "tcp",
        "seccomp",
    ),
    "a listener": (
        "(lambda s: (s.bind(('0.0.0.0', FREE)), s.listen(), time.sleep(3), True)[-1])(socket.socket())",
        "listener",
        "landlock",
        "seccomp",
    ),
    "a listener that never binds": (  # the kernel then chooses the port
        "(lambda s: (s.listen(), s.getsockname()[1])[1])(socket.socket())",
        "listener",
        "seccomp",
    ),
    "an abstract listener": (
        "(lambda s: (s.bind('\\0@MARK@'), s.listen(), True)[-1])(socket.socket(socket.AF_UNIX))",
        "unix",
        "seccomp",
    ),
    "a listener in its own folder": (
        "(lambda s: (s.bind('listener'), s.listen(), True)[-1])(socket.socket(socket.AF_UNIX))",
        "unix",
        "landlock",
        "seccomp",
    ),
}

MORE = dedent("""
    INT_80 = bytes.fromhex("53 b867010000 bb02000000 b902000000 31d2 cd80 5b c3")
    SYSCALL = bytes.fromhex("b829000000 bf02000000 be01000000 31d2 0f05 c3")
    SYSTEM_SOCKETS = ("/run/docker.sock", "/run/dbus/system_bus_socket", "/dev/log", "/run/systemd/notify",
                      "/run/containerd/containerd.sock", "/var/run/nscd/socket", "/tmp/.X11-unix/X0")


    def made(family, kind):
        try:
            return created(family, kind)
        except OSError:
            return False


    def reached(path):
        try:
            return connected(socket.AF_UNIX, path)
        except OSError:
            return False
""")

FATAL = "sockets by the old multiplexer, in 32 bits"  # such a call may also be the end of the process
ATTEMPTS = {what: f"attempt({what!r}, lambda: {expression})\n" for what, (expression, *_) in TRIES.items()}


def reaching(
    what: str, attempts: str, *harm: str, layers: tuple[str, ...] = (), brief: bool = False
) -> Hostile:
    """Make a case that tries to reach somebody at import and says whether it could."""
    files = vae(SYSTEM_CALLS + HELPERS + MORE + attempts, after=TELL)
    name, shows = f"network: {what}", "" if what == FATAL else NOTHING
    return Hostile(name, "network", files, NONE, harm=harm, layers=layers, shows=shows, brief=brief)


CASES = [
    *(
        reaching(what, ATTEMPTS[what], harm, layers=tuple(layers), brief=what == FATAL)
        for what, (_, harm, *layers) in TRIES.items()
    ),
    reaching(
        "everything that there is",
        "".join(lines for what, lines in ATTEMPTS.items() if what != FATAL),
        *("tcp", "udp", "unix", "listener"),
        brief=True,
    ),
]
