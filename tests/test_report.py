"""The pages of a class: what is on them, and that what students wrote stays text."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from corpus import entries as corpus
from graded import ROWS, entry, record
from rich.console import Console

from autograder import report, summary, web
from autograder.intake import Submitter
from autograder.preview import Preview
from autograder.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autograder.report import Entry

PNG = b"\x89PNG\r\n\x1a\n and more"
NAME_ERROR = "VAE.forward(...) raised NameError: name 'zz' is not defined\n  vae.py, line 2 in forward:  zz"


class Page(HTMLParser):
    """A page's text, elements and links, read by the standard library."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text = html, ""
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Note text, but for styles and scripts."""
        if self.elements and self.elements[-1][0] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def preview() -> Iterator[Preview]:
    """One process for all pages."""
    with Preview() as made:
        yield made


@pytest.fixture
def page(preview: Preview) -> Callable[[Entry], Page]:
    """Makes the page of a submission."""
    return lambda one: Page(report.page(one, None, None, preview))


def test_files(tmp_path: Path) -> None:
    """A class is a CSV file, a page of its own, and a page for each submission, with no part left behind."""
    report.write(tmp_path, [entry("b"), entry("a ü"), entry("c")])
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"grades.csv", "index.html", *(f"submissions/{name}.html" for name in ("a ü", "b", "c"))}
    index = Page((tmp_path / "index.html").read_text("utf-8"))
    assert [a["href"] for a in index.all("a") if "/" in a["href"]] == [
        "submissions/a%20%C3%BC.html",
        "submissions/b.html",
        "submissions/c.html",
    ]
    middle = Page((tmp_path / "submissions" / "b.html").read_text("utf-8"))
    around = {a["rel"]: a["href"] for a in middle.all("a") if "rel" in a}
    assert around == {"prev": "a%20%C3%BC.html", "next": "c.html"}


def test_nobody(tmp_path: Path) -> None:
    """A class of nobody is a page, too."""
    report.write(tmp_path, [])
    assert "0 submissions graded." in (tmp_path / "index.html").read_text("utf-8")


def test_again(tmp_path: Path) -> None:
    """A page made from the same is left alone; one whose record, code or neighbour is another is made anew."""

    def written(*entries: Entry) -> set[str]:
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "submissions").glob("*")}
        report.write(tmp_path, entries)
        after = {path: path.stat().st_mtime_ns for path in (tmp_path / "submissions").glob("*")}
        return {path.stem for path in after if after[path] != before.get(path)}

    a, b, c = entry("a"), entry("b"), entry("c")
    assert written(a, b, c) == {"a", "b", "c"}
    assert written(a, b, c) == set()
    assert written(a, b, entry("c", record({"1.1": "No."}))) == {"c"}
    assert written(entry("a", source=b"y = 1\n"), b, c) == {"a", "c"}
    assert written(entry("a", source=b"y = 1\n"), b) == {"b"}


def test_class() -> None:
    """The page of the class has the scores, the rows by pass rate, the mistakes, and a line for each submission."""
    loss = "For 9 images your loss is {}; expected 730.1."
    html = report.index(
        [
            entry("a"),
            entry("b", record({"5.1": loss.format(1.5)})),
            entry("c", record({"5.1": loss.format(2.5), "6.1": "No."}), notes=("Not listed",)),
        ]
    )
    index = Page(html)
    text = " ".join(index.text.split())
    assert "3 submissions graded: mean 11, median 11 of 12 points." in text
    assert "For 9 images your loss is …; expected 730.1. row 5.1" in text
    assert [tr["data-row"] for tr in index.all("tr") if "data-row" in tr] == ["", "5.1", "5.1 6.1"]
    assert [tr["data-mistake"] for tr in index.all("tr") if "data-row" in tr] == ["", "0", "0 1"]
    assert "not listed" in index.all("tr")[-1]["data-text"]
    assert [b["data-row"] for b in index.all("button") if "data-row" in b][:2] == ["5.1", "6.1"]


def test_unreadable() -> None:
    """Where some could not be read, the shares of the rows say of how many they are."""
    cut = record(dict.fromkeys(ROWS, "Not graded: cut off"), unreadable="cut off")
    assert "(of 1 read)" in report.index([entry("a"), entry("b", cut)])
    assert "(of 1 read)" not in report.index([entry("a")])
    file = io.StringIO()
    summary.show({"a": record(), "b": cut}, Console(file=file, width=80))
    assert "Rows, of 1 whose vae.py could be read" in file.getvalue()


def test_not_all() -> None:
    """The page of a class that is not all graded says so."""
    assert "not graded yet" not in report.index([entry("a")])
    html = report.index([entry("a")], [entry("b").submission, entry("c").submission])
    assert "This is not all: 2 not graded yet." in html


def test_long_mistakes() -> None:
    """In the filter, long mistakes that differ in their ends only can be told apart."""
    words = "It looks as if " + "the loss were summed, and " * 8
    records = {name: record({"5.1": "No."}, causes={"5.1": [f"{words}{name}."]}) for name in "ab"}
    html = report.index([entry(name, each) for name, each in records.items()])
    options = re.findall(r"<option value=\"\d\">(.*)", html)
    assert [option[-12:] for option in options] == ["a. (row 5.1)", "b. (row 5.1)"]
    assert max(map(len, options)) < 200


@pytest.mark.parametrize(
    "results",
    [
        record(faults=("4.1",)),
        Results(
            score=0, output="", output_format="text", tests=[], extra_data={"grader_fault": "a\nKeyError: 17"}
        ),
    ],
    ids=["at a row", "altogether"],
)
def test_fault(results: Results, page: Callable[[Entry], Page]) -> None:
    """Where the grader failed, the submission is listed apart, with the reason and no grade."""
    index = Page(report.index([entry("ana", results), entry("ben")]))
    assert "KeyError: 17" in index.text
    assert "1 submission graded" in index.text
    assert len([tr for tr in index.all("tr") if "data-row" in tr]) == 1
    own = page(entry("ana", results))
    assert "No grade" in own.text
    assert " of 12" not in own.text
    assert "KeyError: 17" in own.text


def test_submission(page: Callable[[Entry], Page]) -> None:
    """The page of a submission has its people, notes, rows with their words, layers and versions."""
    results = record(
        {"5.1": "Wrong."}, layers_missing={"seccomp": "no such system call"}, seed=17, notes=["Cut"]
    )
    people = (Submitter("Ana", "001", "ana@example.edu"), Submitter("Ben", "", ""))
    text = " ".join(page(entry("one", results, *people, notes=("Not listed",))).text.split())
    for part in (
        *("Ana, Ben", "11 of 12 points", "Ana, 001, ana@example.edu", "Not listed Cut", "process, limits"),
        *("seccomp: no such system call", "Seed17", "What row 5.1 asks for Wrong.", "Training run Not run."),
    ):
        assert part in text
    for number in ROWS:
        assert f"What row {number} asks for" in text


def test_same_words(page: Callable[[Entry], Page]) -> None:
    """What rows fail by in the same words is shown once, with a link from the others; passed rows are left alone."""
    shown = page(entry("a", record({"1.1": "Long words.", "1.2": "Others.", "4.1": "Long words."})))
    assert shown.text.count("Long words.") == 1
    assert shown.text.count("The same as in row") == 1
    assert [a["href"] for a in shown.all("a") if a["href"].startswith("#row-")] == ["#row-1.1"]


def test_named_lines(page: Callable[[Entry], Page]) -> None:
    """The lines that a traceback names are marked, with the rows that name them, and linked to and fro."""
    lost = {
        "4.1": NAME_ERROR,
        "6.3": f"{NAME_ERROR}\n  vae.py, line 999 in f:  not there",
        "1.1": "On line 1.",
    }
    own = page(entry("one", record(lost), source=b"def forward():\n    return zz\n"))
    assert [(li["id"], li.get("class")) for li in own.all("li")] == [("L1", None), ("L2", "named")]
    links = [a["href"] for a in own.all("a")]
    assert links.count("#L2") == 3  # one of them in the line above the code
    assert "#row-4.1" in links
    assert "#L999" not in links
    assert re.search(r'<code>.*return.*<span class="n">zz</span></code>', own.html)


def test_corpus(page: Callable[[Entry], Page], grade: Callable[..., Results]) -> None:
    """A real submission's page marks the line that its real traceback names."""
    (mistake,) = [one for one in corpus() if one.name == "forward-typo-in-a-name"]
    own = page(entry("one", grade(mistake.source), source=mistake.source))
    (named,) = [li["id"] for li in own.all("li") if li.get("class") == "named"]
    assert b"zz" in mistake.source.splitlines()[int(named[1:]) - 1]
    assert "11 of 12 points" in own.text


def test_pictures(page: Callable[[Entry], Page]) -> None:
    """Pictures are part of the page, with their captions for words; what is no PNG is left out."""
    pictures = {"Loss by epoch": PNG, "Evil": b"<svg onload=alert(1)>"}
    own = page(entry("one", pictures=pictures))
    assert [(img["alt"], img["src"][:22]) for img in own.all("img")] == [
        ("Loss by epoch", "data:image/png;base64,")
    ]


def test_training_as_html(page: Callable[[Entry], Page]) -> None:
    """Where the output of the training run is HTML, for Gradescope, its text is shown."""
    results = record()
    row = results.tests[-1]
    row.output, row.output_format = "<p>pictures</p>", "html"
    row.extra_data = {"ending": "reached", "text": "Loss 117.", "notes": ["drawn digits"]}
    own = page(entry("one", results))
    assert "Loss 117.\nNote: drawn digits" in own.text
    assert "pictures" not in own.text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"source": None}, "There is none."),
        ({"source": b""}, "The file is empty."),
        ({"source": b"\n" * 30_000}, "10000 more lines are not shown."),
        ({"source": b"x = '<b>'  # \xff\n" * 20_000}, "x = '<b>'"),
        ({"notebook": b"{"}, "It cannot be shown"),
    ],
    ids=["no code", "empty", "many lines", "not coloured", "a damaged notebook"],
)
def test_odd_files(page: Callable[[Entry], Page], more: dict[str, Any], expected: str) -> None:
    """A page says what it cannot show."""
    assert expected in page(entry("one", **more)).text


def test_markup(preview: Preview) -> None:
    """Names, notes, words and code are text on every page, whatever they look like."""
    evil = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7 * 7 }}&lt;"
    one = entry(
        "one",
        record(dict.fromkeys(ROWS, f"{evil}\n  vae.py, line 1:  {evil}"), notes=[evil], layers=[evil]),
        Submitter(evil, evil, evil),
        notes=(evil,),
        source=f"x = {evil!r}\n".encode(),
        pictures={evil: PNG},
    )
    for html in (report.index([one]), report.page(one, one, one, preview)):
        found = Page(html)
        assert len(found.all("script")) == len(re.findall("</script>", html))
        assert not [
            tag for tag, attributes in found.elements if any(name.startswith("on") for name in attributes)
        ]
        assert "49" not in found.text
        assert evil in found.text


def test_policy(preview: Preview) -> None:
    """Each page names its styles and scripts by their hashes, holds all of them, and admits nothing else."""
    one = entry("one", notebook=b"{}")
    for html in (report.index([one]), report.page(one, None, None, preview)):
        found = Page(html)
        assert not [tag for tag, _ in found.elements if tag in ("link", "base", "object", "embed")]
        assert not [script for script in found.all("script") if script]
        policy = next(meta["content"] for meta in found.all("meta") if "http-equiv" in meta)
        assert policy.startswith("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; ")
        assert "unsafe" not in policy
        for kind in ("style", "script"):
            for text in re.findall(f"<{kind}>(.*?)</{kind}>", html, re.DOTALL):
                assert web.policy(text) in policy
