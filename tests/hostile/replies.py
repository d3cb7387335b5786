"""Forgery: answers written straight into the pipe, by code that knows the protocol as the worker does."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, WRONG, vae

__all__ = ["CASES", "SPY"]

OTHERS = without("5.1")

# Finds the worker's own things in the frames below, and notes each question.
SPY = dedent('''
    def found(name):
        """Find a thing of the worker's by its class's name."""
        frame = sys._getframe()
        while frame:
            for thing in [*frame.f_locals.values()]:
                if type(thing).__name__ == name:
                    return thing
            frame = frame.f_back
        gc.unfreeze()
        for thing in gc.get_objects():
            if type(thing).__name__ == name:
                return thing
        say("TOOTHLESS", f"there is no {name}")


    PIPE, DESK = found("Connection"), found("Desk")
    asked = []
    honest_answer = type(DESK).answer


    def answer(self, question, work):
        asked.append(question)
        return honest_answer(self, question, work)


    type(DESK).answer = answer


    def send(*messages):
        """Send messages, an object as JSON."""
        for message in messages:
            PIPE.send_bytes(message if isinstance(message, bytes) else json.dumps(message).encode())


    def raw(data):
        """Write bytes into the pipe without a frame."""
        os.set_blocking(PIPE.fileno(), True)
        while data:
            data = data[os.write(PIPE.fileno(), data):]


    def blob(header, data=b"", size=None):
        """Make a message in safetensors form, of whatever header and data."""
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if size is None else size) + text + data


    def one(dtype="F32", shape=(), offsets=(0, 4), **more):
        """Make the safetensors header of a single number, or one that lies."""
        return {"000000": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}}
''')

# The answer to loss_function's question number n, as an expression for a list of messages.
ANSWERS = {
    "no JSON": "[b'loss: 8.5079']",
    "nothing": "[b'']",
    "random bytes": "[os.urandom(5000)]",
    "half a JSON object": '[b\'{"id": %d, "value": [1, 2\' % n]',
    "two JSON objects": '[b\'{"id": %d, "value": 1}{"id": %d, "value": 1}\' % (n, n)]',
    "a list": "[[n, 1]]",
    "null": "[None]",
    "a pickle": "[b'\\x80\\x04\\x8c\\x02os\\x8c\\x05_exit\\x93K\\x00\\x85R.']",
    "brackets 100000 deep": "[b'{\"id\": %d, \"value\": ' % n + b'[' * 100_000 + b']' * 100_000 + b'}']",
    "objects 50000 deep": (
        "[b'{\"id\": %d, \"value\": ' % n + b'{\"a\":' * 50_000 + b'1' + b'}' * 50_000 + b'}']"
    ),
    "brackets 100000 deep that never close": "[b'[' * 100_000]",
    "an int of 100000 digits": "[b'{\"id\": %d, \"value\": ' % n + b'9' * 100_000 + b'}']",
    "an id of 100000 digits": "[b'{\"id\": ' + b'9' * 100_000 + b', \"value\": 1}']",
    "a float of 100000 digits": "[b'{\"id\": %d, \"value\": 0.' % n + b'3' * 100_000 + b'e-99999}']",
    "1e999": '[b\'{"id": %d, "value": 1e999}\' % n]',
    "NaN": '[b\'{"id": %d, "value": NaN}\' % n]',
    "a float in words": "[{'id': n, 'value': {'float': '__import__(\"os\")._exit(0)'}}]",
    "a float that is an int of 400 digits": "[{'id': n, 'value': {'float': 10**400}}]",
    "a float that is a list": "[{'id': n, 'value': {'float': [1, {}]}}]",
    "a string of 900 KB": "[{'id': n, 'value': 'x' * 900_000}]",
    "a list of 300000 numbers": "[{'id': n, 'value': [0] * 300_000}]",
    "a lone surrogate": '[b\'{"id": %d, "value": "\\\\ud800", "\\\\udfff": "\\\\u0000"}\' % n]',
    "a byte-order mark": '[b\'\\xef\\xbb\\xbf{"id": %d, "value": 1}\' % n]',
    "UTF-16": "[json.dumps({'id': n, 'value': 1}).encode('utf-16')]",
    "the same key 100000 times": "[b'{' + b'\"id\": 0, ' * 100_000 + b'\"id\": %d, \"value\": 1}' % n]",
    "another question's id": "[{'id': n + 1, 'value': 1}]",
    "an id that is true": "[{'id': True, 'value': 1}]",
    "an id that is a float": "[{'id': float(n), 'value': 1}]",
    "an id that is a string": "[{'id': str(n), 'value': 1}]",
    "no id": "[{'value': 1}]",
    "the greeting again, from another process": (
        "[{'alive': True, 'pid': int('@PID@'), 'layers': [], 'missing': {}}]"
    ),
    "the question": "[asked[-1]]",
    "an error of a kind of its own": (
        "[{'id': n, 'error': {'kind': 'fault', 'type': 'GraderFault', 'message': '', 'lines': []}}]"
    ),
    "an error without its parts": "[{'id': n, 'error': {}}]",
    "an error that is a string": "[{'id': n, 'error': 'AssertionError'}]",
    "an error and a value": (
        "[{'id': n, 'value': 1, 'error': {'kind': 'raised', 'type': 'E', 'message': 'm', 'lines': []}}]"
    ),
    "an error of 900 KB": (
        "[{'id': n, 'error': {'kind': 'raised', 'type': 'T' * 300_000, 'message': 'm' * 500_000,"
        " 'lines': []}}]"
    ),
    "an error with 50000 lines": (
        "[{'id': n, 'error': {'kind': 'raised', 'type': 'E', 'message': 'm', 'lines': [[1, 'f', 'x']]"
        " * 50_000}}]"
    ),
    "an error with odd lines": (
        "[{'id': n, 'error': {'kind': 'raised', 'type': 'E', 'message': 'm', 'lines': [[10**30, None,"
        " {}], 7]}}]"
    ),
    "an error with controls in every part": (
        "[{'id': n, 'error': {'kind': 'raised', 'type': '\\x1b[2J\\ud800',"
        " 'message': '\\x1b]0;x\\x07\\0<script>', 'lines': [[-1, '\\x9b31m', '\\u202e']]}}]"
    ),
    "an unfinished part with a script in it": (
        "[{'id': n, 'error': {'kind': 'unfinished', 'type': '',"
        " 'message': '<img src=x onerror=alert(1)>', 'lines': []}}]"
    ),
    "a missing name with a path in it": (
        "[{'id': n, 'error': {'kind': 'missing', 'type': '', 'message': '../../../@CANARY@', 'lines': []}}]"
    ),
    "-1 tensors": "[{'id': n, 'value': 1, 'tensors': -1}]",
    "1.5 tensors": "[{'id': n, 'value': 1, 'tensors': 1.5}]",
    "10**30 tensors": "[{'id': n, 'value': 1, 'tensors': 10**30}]",
    "a tensor number that is not there": (
        "[{'id': n, 'value': {'tensor': 5, 'slot': 0, 'grad': True}, 'tensors': 1}, blob(one(), bytes(4))]"
    ),
    "a negative tensor number": (
        "[{'id': n, 'value': {'tensor': -1, 'slot': -1, 'grad': True}, 'tensors': 1}, blob(one(), bytes(4))]"
    ),
    "a tensor number that is a string": (
        "[{'id': n, 'value': {'tensor': '0', 'slot': 's', 'grad': 'g'}, 'tensors': 1}, blob(one(), bytes(4))]"
    ),
    "a tensor number that is a list": (
        "[{'id': n, 'value': {'tensor': [0], 'slot': {}, 'grad': []}, 'tensors': 1}, blob(one(), bytes(4))]"
    ),
    "a tensor without a slot": "[{'id': n, 'value': {'tensor': 0}, 'tensors': 1}, blob(one(), bytes(4))]",
    "a slot of 10**30": (
        "[{'id': n, 'value': {'tensor': 0, 'slot': 10**30, 'grad': True}, 'tensors': 1}, blob(one(),"
        " bytes(4))]"
    ),
}

# The same with a well-formed header and one message of tensors that is not.
TENSORS = {
    "no safetensors": "b'tensor(8.5079)'",
    "seven bytes": "bytes(7)",
    "a header of length 2**64 - 1": "blob(one(), bytes(4), size=2**64 - 1)",
    "a header of length 2**31": "blob(one(), bytes(4), size=2**31)",
    "a header of length 0": "blob(b'', bytes(4))",
    "a header of 50 MB": "blob(b' ' * 50_000_000 + json.dumps(one()).encode(), bytes(4))",
    "a header 100000 deep": "blob(b'{\"000000\": ' + b'[' * 100_000)",
    "a header with an int of 100000 digits": (
        'blob(b\'{"000000": {"dtype": "F32", "shape": [\' + b"9" * 100_000 + b"]")'
    ),
    "a pickle of torch": "b'PK\\x03\\x04' + bytes(100)",
    "no tensors at all": "blob({})",
    "two tensors instead of one": (
        "blob({**one(), '000001': {'dtype': 'F32', 'shape': [], 'data_offsets': [4, 8]}}, bytes(8))"
    ),
    "a name twice": (
        "blob(b'{\"000000\": %s, \"000000\": %s}' % ((json.dumps(one()['000000']).encode(),) * 2), bytes(4))"
    ),
    "a name of 1 MB": "blob({'x' * 1_000_000: one()['000000']}, bytes(4))",
    "metadata that are no strings": "blob({**one(), '__metadata__': {'a': [1]}}, bytes(4))",
    "half floats": "blob(one('F16', (), (0, 2)), bytes(2))",
    "booleans": "blob(one('BOOL', (), (0, 1)), b'\\x07')",
    "bytes": "blob(one('U8', (), (0, 1)), b'\\x07')",
    "complex numbers": "blob(one('C64', (), (0, 8)), bytes(8))",
    "a type that does not exist": "blob(one('object'), bytes(4))",
    "a type that is a number": "blob(one(7), bytes(4))",
    "a negative size": "blob(one(shape=(-1,)), bytes(4))",
    "sizes whose product overflows to nothing": "blob(one(shape=(2**32, 2**32), offsets=(0, 0)))",
    "sizes whose product overflows to one": "blob(one(shape=(3, 0xAAAAAAAAAAAAAAAB)), bytes(4))",
    "no elements and huge sizes": "blob(one(shape=(0, 2**62, 2**62), offsets=(0, 0)))",
    "no elements": "blob(one(shape=(0,), offsets=(0, 0)))",
    "100000 dimensions": "blob(one(shape=(1,) * 100_000), bytes(4))",
    "one dimension too many": "blob(one(shape=(1,)), struct.pack('<f', 8.5079))",
    "a fractional size": "blob(one(shape=(1.5,)), bytes(4))",
    "offsets reversed": "blob(one(offsets=(4, 0)), bytes(4))",
    "offsets below zero": "blob(one(offsets=(-4, 0)), bytes(4))",
    "offsets beyond the end": "blob(one(offsets=(2**40, 2**40 + 4)), bytes(4))",
    "offsets of 2**64": "blob(one(offsets=(2**64 - 1, 2**64 + 3)), bytes(4))",
    "fewer data than announced": "blob(one(shape=(1000,), offsets=(0, 4000)), bytes(4))",
    "more data than announced": "blob(one(), bytes(4_000_000))",
    "60 MB of zeros": "blob(one(shape=(15_000_000,), offsets=(0, 60_000_000)), bytes(60_000_000))",
    "not a number": "blob(one(), struct.pack('<f', float('nan')))",
    "infinity": "blob(one(), struct.pack('<f', float('inf')))",
    "a denormal": "blob(one(), b'\\x01\\0\\0\\0')",
    "an integer": "blob(one('I64', (), (0, 8)), struct.pack('<q', 2**63 - 1))",
}

# What is written without a frame, or breaks the framing: expressions that write.
FRAMES = {
    "a length and no message": "raw(struct.pack('!i', 100))",
    "half a message": "raw(struct.pack('!i', 100) + b'{\"id\": %d' % n)",
    "half a length": "raw(b'\\0\\0')",
    "a negative length": "raw(struct.pack('!i', -7) + bytes(100))",
    "a length of 2**63": "raw(struct.pack('!iQ', -1, 2**63) + bytes(100))",
    "a length of 2 GiB": "raw(struct.pack('!i', 2**31 - 1) + bytes(100))",
    "one byte in a second, for ever": "[(raw(b'\\0'), time.sleep(1)) for _ in range(110)]",
    "one byte of a long message in each tenth of a second": (
        "raw(struct.pack('!i', 60_000)); [(raw(b' '), time.sleep(0.1)) for _ in range(1100)]"
    ),
    "a header that announces tensors, and none": (
        "send({'id': n, 'value': {'tensor': 0, 'slot': 0, 'grad': True}, 'tensors': 1})"
    ),
    "a greeting of random bytes without end": "[raw(os.urandom(1 << 20)) for _ in range(2000)]",
    "nothing, and closes the pipe": "os.close(PIPE.fileno())",
    "nothing, and shuts half the pipe": (
        "socket.socket(fileno=os.dup(PIPE.fileno())).shutdown(socket.SHUT_WR)"
    ),
    "its own descriptors": (
        "socket.socket(fileno=os.dup(PIPE.fileno())).sendmsg([struct.pack('!i', 2) + b'{}'],"
        " [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('3i', 0, 1, 2))] * 1)"
    ),
}
SLOW = ("half", "no message", "one byte", "announces")


# Those of the three tables that the short run has.
BRIEF = {
    *(
        "no JSON",
        "nothing",
        "null",
        "brackets 100000 deep",
        "an int of 100000 digits",
        "a float that is an int of 400 digits",
    ),
    *("a list of 300000 numbers", "another question's id", "the greeting again, from another process"),
    *("an error of a kind of its own", "an error with odd lines", "an error with controls in every part"),
    *("10**30 tensors", "a negative tensor number", "a slot of 10**30"),
    *("a tensor: a header of 50 MB", "a tensor: no elements and huge sizes", "a tensor: 100000 dimensions"),
    *("a tensor: a name of 1 MB", "a tensor: a name twice", "a tensor: not a number", "a tensor: booleans"),
    *(
        "half a message",
        "a length of 2 GiB",
        "a negative length",
        "its own descriptors",
        "nothing, and closes the pipe",
    ),
}


def forged(name: str, body: str, *, slow: bool = False) -> Hostile:
    """Make a case of the reference solution whose loss_function answers by itself, and then waits."""
    source = (
        SPY + f"\ndef loss_function(*arguments):\n    n = asked[-1]['id']\n    {body}\n    time.sleep(100)\n"
    )
    files = vae(solution=REFERENCE, after=source)
    harm = ("time", "memory", "size")
    brief = name in BRIEF
    return Hostile(f"answers with {name}", "forgery", files, OTHERS, OTHERS, harm, slow=slow, brief=brief)


def doubled(name: str, source: str, keeps: frozenset[str] = NONE, *, slow: bool = False) -> Hostile:
    """Make a case of a wrong solution whose answers are too many, too early or not its own."""
    files = vae(solution=WRONG if keeps == NONE else REFERENCE, after=SPY + dedent(source))
    return Hostile(name, "forgery", files, keeps, harm=("time", "memory"), slow=slow)


HEADER = "{'id': n, 'value': {'tensor': 0, 'slot': 0, 'grad': True}, 'tensors': 1}"

CASES = [
    *(forged(name, f"send(*{messages})") for name, messages in ANSWERS.items()),
    *(forged(f"a tensor: {name}", f"send({HEADER}, {message})") for name, message in TENSORS.items()),
    *(forged(name, body, slow=any(word in name for word in SLOW)) for name, body in FRAMES.items()),
    doubled(
        "answers everything twice",
        """
        import autograder.worker
        def messages(*said, old=autograder.worker.messages):
            return 2 * old(*said)
        autograder.worker.messages = messages
        """,
    ),
    doubled(
        "answers a hundred questions in advance and reads no more",
        """
        def loss_function(*arguments):
            n = asked[-1]["id"]
            for ahead in range(100):
                value = {"tensor": 0, "slot": 0, "grad": True}
                send({"id": n + ahead, "value": value, "tensors": 1}, blob(one(), bytes(4)))
            time.sleep(100)
        reparametrize = loss_function
        """,
        slow=True,
    ),
    doubled(
        "answers the next question before it is asked, in a thread",
        """
        def ahead():
            end, n = time.monotonic() + 60, 0
            while time.monotonic() < end:
                n = max(n + 1, asked[-1]["id"] if asked else 0)
                try:
                    send({"id": n, "value": True})
                except OSError:
                    return
                time.sleep(0.001)
        threading.Thread(target=ahead, daemon=True).start()
        """,
    ),
    doubled(
        "repeats its first tensor for ever",
        """
        import autograder.worker
        def messages(*said, old=autograder.worker.messages, first=[]):
            header, *tensors = old(*said)
            first += tensors
            return [header, *first[: len(tensors)]]
        autograder.worker.messages = messages
        """,
    ),
    doubled(
        "sends the question's tensors back as the answer's",
        """
        def encode(self, value, depth=0, old=type(DESK).encode):
            if self.tensors and depth == 0:
                self.replies.append(self.tensors[0])
                return {"tensor": 0, "slot": self.hold(self.tensors[0]), "grad": True}
            return old(self, value, depth)
        type(DESK).encode = encode
        """,
    ),
    doubled(
        "says yes to every question",
        """
        def answer(self, question, work):
            send({"id": question["id"], "value": True})
        type(DESK).answer = answer
        """,
    ),
    doubled(
        "says null to every question",
        """
        def answer(self, question, work):
            send({"id": question["id"], "value": None})
        type(DESK).answer = answer
        """,
    ),
    doubled(
        "says an empty list to every question",
        """
        def answer(self, question, work):
            send({"id": question["id"], "value": []})
        type(DESK).answer = answer
        """,
    ),
    doubled(
        "calls every question a fault of the grader's",
        """
        def answer(self, question, work):
            error = {"kind": "fault", "type": "NurseryError", "message": "passed", "lines": []}
            send({"id": question["id"], "error": error})
        type(DESK).answer = answer
        """,
    ),
    doubled(
        "never says that it is loaded",
        """
        while True:
            try:
                PIPE.recv_bytes()
            except (EOFError, OSError):
                break
        """,
        slow=True,
    ),
    doubled(
        "hands the pipe to a child and dies",
        """
        try:
            if os.fork():
                os._exit(0)
            os.setsid()
        except OSError:
            pass
        """,
        ALL,
    ),
    doubled(
        "greets again after it is loaded",
        """
        layers = ["process", "user", "limits", "landlock", "seccomp"]
        send({"alive": True, "pid": int("@PID@"), "layers": layers, "missing": {}})
        """,
    ),
    Hostile(
        "takes the pipe over at import and answers from there",
        "forgery",
        vae(
            SPY
            + dedent("""
                send({"id": 0, "value": None})
                end = time.monotonic() + 100
                while time.monotonic() < end:
                    try:
                        question = json.loads(PIPE.recv_bytes())
                        if question.get("tensors"):
                            PIPE.recv_bytes()
                        if question["verb"] in ("make", "put"):
                            send({"id": question["id"], "value": {"model": 0, "slot": 0}})
                        elif question["verb"] == "call":
                            value = {"tensor": 0, "slot": 0, "grad": True}
                            send({"id": question["id"], "value": value, "tensors": 1}, blob(one(), bytes(4)))
                        else:
                            send({"id": question["id"], "value": []})
                    except (EOFError, OSError):
                        break
            """)
            + TELL
        ),
        NONE,
    ),
]
