"""A student's code and notebook as HTML that does nothing: no script, no style, no address to load from.

Readers of notebooks and of Python can be made to take any amount of time and memory. So the work is done in a
process of its own, which ends when one file takes too long, and is started again for the next. Nothing of the
student's is run there. What a page shows of this HTML, it still locks up: see `templates/base.html.j2`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import multiprocessing
import os
import re
import sys
import tempfile
import tokenize
from typing import TYPE_CHECKING, Any

from autograder.results import clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from types import TracebackType

__all__ = ["Preview", "decoded"]

MIB = 1 << 20
MAX_CODE = MIB // 4  # bytes of code that is coloured; more is shown plain
MAX_SHOWN = MIB  # characters of code
ENCODINGS = ("utf-8", "utf-8-sig", "ascii", "iso-8859-1", "cp1252")  # decoding some others takes for ever
MAX_NOTEBOOK = 16 * MIB
MAX_OUTPUT = 20_000  # characters of one output of a cell
MAX_HTML = 32 * MIB
MEMORY = 1 << 30  # bytes of address space
SECONDS = 20  # for one file; the notebook of the assignment takes a quarter of a second
START_SECONDS = 60

TAGS = {
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "div",
        "span",
        "pre",
        "code",
        "kbd",
        "samp",
        "br",
        "hr",
        "blockquote",
    ),
    *(
        "b",
        "strong",
        "i",
        "em",
        "u",
        "s",
        "del",
        "sub",
        "sup",
        "small",
        "a",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
    ),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "img"),
}
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
UNSEEN = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>")  # else their text would be shown as text


class Preview:
    """The process that makes HTML, while the `with` block lasts."""

    def __init__(self) -> None:
        self.process: multiprocessing.process.BaseProcess | None = None
        self.pipe: Connection | None = None
        # nbconvert looks for templates, which are code, in its working directory
        self.empty = tempfile.TemporaryDirectory(prefix="vae-preview-")

    def __enter__(self) -> Preview:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.empty.cleanup()

    def code(self, source: bytes) -> list[str] | None:
        """Return a Python file as coloured HTML, line by line; None where that is too much work."""
        html = self._ask(b"code", source) if len(source) <= MAX_CODE else None
        return None if html is None else html.split("\n")

    def notebook(self, content: bytes) -> str | None:
        """Return a notebook as HTML, for the body of a page; None where it is damaged or too much work."""
        return self._ask(b"notebook", content) if len(content) <= MAX_NOTEBOOK else None

    def _ask(self, kind: bytes, content: bytes) -> str | None:
        try:
            pipe = self.pipe or self._open()
            pipe.send_bytes(kind)
            pipe.send_bytes(content)
            if pipe.poll(SECONDS):
                return pipe.recv_bytes(MAX_HTML).decode() or None
        except (EOFError, OSError):  # it died, or sent too much
            pass
        self.close()
        return None

    def _open(self) -> Connection:
        """Start the process. Raises EOFError or OSError when it does not come up."""
        context = multiprocessing.get_context("spawn")  # nothing of ours is in its memory
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.empty.name), daemon=True)
        self.process.start()
        theirs.close()
        if not self.pipe.poll(START_SECONDS) or self.pipe.recv_bytes() != b"ready":
            raise EOFError
        return self.pipe

    def close(self) -> None:
        """End the process; the next file starts another."""
        if self.pipe:
            self.pipe.close()
        if self.process:
            self.process.kill()
            self.process.join()
        self.process = self.pipe = None


def decoded(source: bytes) -> str:
    """Return the text of a Python file, its lines ended where Python ends them, with nothing in it that is unseen."""
    encoding = ""
    with contextlib.suppress(SyntaxError):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    text = source.decode(encoding if encoding in ENCODINGS else "utf-8", errors="replace")
    return clean(text, MAX_SHOWN)


def serve(pipe: Connection, folder: str) -> None:
    """Turn one file after the other into HTML, within limits, until nobody asks any more."""
    import warnings

    warnings.simplefilter("ignore")
    gc.enable()  # the command line disables it, for itself
    if sys.platform != "win32":
        import resource

        for limit, most in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, MIB),
        ):
            with contextlib.suppress(OSError, ValueError):  # this account may have a lower one
                resource.setrlimit(limit, (most, most))
    makers: dict[bytes, Callable[[bytes], str]] = {b"code": coloured, b"notebook": rendered}
    os.chdir(folder)
    with contextlib.suppress(EOFError, OSError):
        pipe.send_bytes(b"ready")
        while True:
            kind, content = pipe.recv_bytes(), pipe.recv_bytes()
            try:
                html = makers[kind](content)
            except Exception:  # noqa: BLE001 - whatever is wrong with the file, the answer is the same
                html = ""
            pipe.send_bytes(html.encode(errors="replace"))


def coloured(source: bytes) -> str:
    """Return Python code as HTML in which no element runs over the end of a line."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    lexer = PythonLexer(stripnl=False, ensurenl=False)
    html: str = highlight(decoded(source), lexer, HtmlFormatter(nowrap=True))
    return html.removesuffix("\n")


def rendered(content: bytes) -> str:
    """Return a notebook as HTML: rendered by nbconvert, then rid of all that is not plain text and pictures."""
    import nbformat

    notebook = shortened(nbformat.reads(content.decode(), as_version=4))
    html, _ = exporter().from_notebook_node(notebook)
    return sanitized(html)


def shortened(notebook: Any) -> Any:
    """Cut long outputs, such as the thousands of states of a progress bar, of which a screen shows the last."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                lines = output.text.split("\n")
                output.text = cut("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
            elif output.output_type == "error":
                output.traceback = [cut(line) for line in output.traceback[:100]]
            else:
                output.data.update(
                    {kind: cut(text) for kind, text in output.data.items() if kind.startswith("text/")}
                )
    return notebook


def cut(text: str) -> str:
    """Cut a long output."""
    return (
        text
        if len(text) <= MAX_OUTPUT
        else f"{text[:MAX_OUTPUT]}\n... ({len(text) - MAX_OUTPUT} characters more)"
    )


@functools.cache
def exporter() -> Any:
    """Return nbconvert's exporter to HTML without page, style and script around it."""
    from nbconvert import HTMLExporter

    # Its own cleaning takes half of the time, and all of its HTML is cleaned afterwards.
    return HTMLExporter(template_name="basic", exclude_anchor_links=True, filters={"clean_html": same})


def same(html: str) -> str:
    """Leave HTML as it is."""
    return html


def sanitized(html: str) -> str:
    """Keep the elements and attributes that are known to be harmless, and of the others the text."""
    import bleach

    html = UNSEEN.sub("", html)
    kept: str = bleach.clean(html, tags=TAGS, attributes=is_harmless, protocols={"data"}, strip=True)
    return kept


def is_harmless(tag: str, name: str, value: str) -> bool:
    """Say whether an attribute may stay; an address may only be a picture that it contains itself."""
    if tag == "img":
        return name == "alt" or (name == "src" and PICTURE.fullmatch(value) is not None)
    return name == "class" or (tag in ("td", "th") and name in ("colspan", "rowspan") and value.isdecimal())
