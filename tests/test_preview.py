"""A student's code and notebook as HTML that does nothing."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from autograder import preview
from autograder.preview import Preview, decoded, sanitized

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIXEL = "data:image/png;base64,AAAA"


@pytest.fixture(scope="module")
def maker() -> Iterator[Preview]:
    """One process for all tests that do not break it."""
    with Preview() as made:
        yield made


def notebook(*outputs: dict[str, Any], source: str = "1", kind: str = "code") -> bytes:
    """Return a notebook with one cell."""
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
    if kind == "code":
        cell |= {"execution_count": 1, "outputs": outputs}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def shown(mime: str, data: str | dict[str, str]) -> dict[str, Any]:
    """Return an output of a cell."""
    return {"output_type": "display_data", "metadata": {}, "data": {mime: data}}


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a<script>alert(1)</script>b", "ab"),
        ("<style>p {}</style><p>a</p>", "<p>a</p>"),
        ("<p onclick=alert(1) style=color:red id=a>x</p>", "<p>x</p>"),
        ("<a href=javascript:alert(1)>x</a>", "<a>x</a>"),
        ("<a href=//example.com target=_top>x</a>", "<a>x</a>"),
        (f"<img src={PIXEL} alt=a onerror=alert(1)>", f'<img src="{PIXEL}" alt="a">'),
        ("<img src=//example.com/a.png alt=a>", '<img alt="a">'),
        ("<img src='data:image/svg+xml;base64,AAAA'>", "<img>"),
        ("<img src='data:text/html;base64,AAAA'>", "<img>"),
        ("<iframe srcdoc='<script>'></iframe>x", "x"),
        ("<svg onload=alert(1)><script>1</script></svg>x", "x"),
        ("<form action=//example.com><input><button>x</button></form>", "x"),
        ("<meta http-equiv=refresh content=0><base href=//example.com><link href=//example.com>x", "x"),
        ("</div></body></html><b>x</b>", "<b>x</b>"),
        ("<td colspan=2 rowspan=x>x</td>", None),
        (
            "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=1 onerror=alert(1)>'>",
            None,
        ),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", None),
    ],
)
def test_sanitized(html: str, expected: str | None) -> None:
    """Of HTML, only elements and attributes remain that neither run nor load anything."""
    found = sanitized(html)
    assert expected is None or found == expected
    for tag, attributes in re.findall(r"<(\w+)([^>]*)>", found):
        assert tag in preview.TAGS
        assert set(re.findall(r"([\w-]+)=", attributes)) <= {"class", "src", "alt", "colspan", "rowspan"}


def test_notebook(maker: Preview) -> None:
    """A notebook keeps its text, code, tables, errors and pictures."""
    html = maker.notebook(
        notebook(
            shown("text/html", "<table><tr><td>17</td></tr></table>"),
            shown("image/png", "AAAA"),
            {"output_type": "stream", "name": "stdout", "text": "loss < 120"},
            {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["\x1b[31mE: no\x1b[0m"]},
            source="x = 'y'",
        )
    )
    assert html
    for part in ("<td>17</td>", f'src="{PIXEL}"', "loss &lt; 120", "E: no", "'y'"):
        assert part in html


@pytest.mark.parametrize(
    "content",
    [
        notebook(shown("text/html", "<script>alert(1)</script><img src=x onerror=alert(1)>")),
        notebook(shown("image/svg+xml", "<svg onload=alert(1)></svg>")),
        notebook(shown("application/javascript", "alert(1)")),
        notebook(shown("text/markdown", "<script>alert(1)</script>")),
        notebook(shown("text/latex", "<script>alert(1)</script>")),
        notebook(
            shown("application/vnd.jupyter.widget-view+json", {"model_id": "<script>alert(1)</script>"})
        ),
        notebook(source="<script>alert(1)</script>\n\n[x](javascript:alert(1))", kind="markdown"),
        notebook(source="<script>alert(1)</script>", kind="raw"),
    ],
    ids=["html", "svg", "javascript", "markdown", "latex", "widget", "a markdown cell", "a raw cell"],
)
def test_scripts(maker: Preview, content: bytes) -> None:
    """No cell and no output of any kind brings a script in."""
    html = maker.notebook(content)
    assert html is not None
    assert not re.search(r"<script|<svg|<[^>]*(onerror|onload|javascript:)", html)


def test_long_output(maker: Preview) -> None:
    """Of a progress bar the last state is shown, and a long output is cut."""
    bar = "".join(f"\r{n}/900 [=>" for n in range(901)) + "\n"
    html = maker.notebook(notebook({"output_type": "stream", "name": "stdout", "text": bar + "<" * 10**6}))
    assert html
    assert "900/900" in html
    assert "899/900" not in html
    assert len(html) < 200_000


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"[" * 10**5, b"0" * (preview.MAX_NOTEBOOK + 1), b'{"nbformat": 9}'],
    ids=["empty", "cut off", "a list", "no text", "deep", "too large", "of another time"],
)
def test_damaged(maker: Preview, content: bytes) -> None:
    """What is no notebook gives nothing, and the next one is rendered all the same."""
    assert maker.notebook(content) is None
    assert maker.notebook(notebook()) is not None


def test_too_slow(maker: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes too long gives nothing, its process ends, and the next one is rendered by another."""
    assert maker.notebook(notebook()) is not None
    first = maker.process
    assert first is not None
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(preview, "SECONDS", 0.2)
        assert maker.notebook(notebook()) is None
    assert not first.is_alive()
    assert maker.notebook(notebook()) is not None
    assert maker.process is not first


def test_templates_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that lies in the working directory, where nbconvert looks first, is not used."""
    for folder in (tmp_path / "basic", tmp_path / "templates" / "basic"):
        folder.mkdir(parents=True)
        (folder / "index.html.j2").write_text("planted")
    monkeypatch.chdir(tmp_path)
    with Preview() as made:
        html = made.notebook(notebook(source="answer = 42"))
    assert html
    assert "answer" in html
    assert os.fspath(tmp_path) not in html


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (b"a = 1\nb = 2\n", 2),
        (b"a = 1\r\nb = 2\r\n", 2),
        (b"a = 1\rb = 2", 2),
        (b"s = '''\n<\n&\n'''\n", 4),
        (b"a = 1\x0c\nb = '\xe2\x80\xa8'\x0b\n", 2),
        (b"\n\n\na = (\n", 4),
    ],
    ids=["unix", "windows", "mac", "a long string", "other ends", "damaged"],
)
def test_lines(maker: Preview, source: bytes, lines: int) -> None:
    """Lines are those that Python counts, each with its elements closed, and nothing left unescaped."""
    html = maker.code(source)
    assert html is not None
    assert len(html) == lines
    for line in html:
        assert line.count("<span") == line.count("</span>")
        assert not re.search(r"<(?!/?span)|&(?!\w+;|#\d+;)", line)


def test_no_colours(maker: Preview) -> None:
    """Code that is very large is not coloured."""
    assert maker.code(b"x = 1\n" * 10**5) is None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"\xef\xbb\xbfx", "x"),
        ("# coding: latin-1\nä".encode("latin-1"), "# coding: latin-1\nä"),
        (b"\xe4", "\N{REPLACEMENT CHARACTER}"),
        (b"# coding: rot13\nk", "# coding: rot13\nk"),
        (b"# coding: no such\nk", "# coding: no such\nk"),
        (
            "a\u202eb\x1b[2Jc\0".encode(),
            "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}",
        ),
    ],
    ids=["byte order mark", "latin", "no text", "rot13", "unknown", "unseen characters"],
)
def test_decoded(source: bytes, text: str) -> None:
    """Code is shown in the encoding that it declares, where that is a usual one, and nothing in it stays unseen."""
    assert decoded(source) == text
