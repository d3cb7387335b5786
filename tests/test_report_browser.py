"""The pages of a class in a real browser: sorted, searched, opened from disk, and hostile to what is hostile."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from graded import ROWS, entry, record
from playwright.sync_api import expect, sync_playwright

from autograder import report
from autograder.intake import Submitter
from autograder.preview import Preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page

    from autograder.report import Entry

pytestmark = pytest.mark.slow

QUIET = [
    *(
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
    ),
    *("--disable-sync", "--no-first-run", "--no-default-browser-check"),
]
RUN = "document.title = 'pwned'; (parent || top).pwned = true; alert(1)"
EVIL = (
    f'<script>{RUN}</script><img src="//example.invalid/a.png" onerror="{RUN}"><svg onload="{RUN}"></svg>'
    f'<iframe src="javascript:{RUN}"></iframe><a id="link" href="javascript:{RUN}" target="_top">click</a>'
    f'<form id="form" action="//example.invalid"><input autofocus onfocus="{RUN}"></form>'
    '<link rel="stylesheet" href="//example.invalid/a.css"><style>@import "//example.invalid/b.css";</style>'
    '<meta http-equiv="refresh" content="0; url=//example.invalid/"><base href="//example.invalid/">'
)
TYPO = "VAE.forward(...) raised NameError: name 'zz' is not defined\n  vae.py, line 150 in forward:  zz"
LOSS = "For 9 images your loss is {}; expected 730.4."
LINES = b"".join(b"x%d = 1\n" % number for number in range(1, 201))


def notebook(html: str) -> bytes:
    """Return a notebook that shows some HTML in a text, in an output, and as plain text."""
    output: dict[str, Any] = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
    stream = {"output_type": "stream", "name": "stdout", "text": html + "\nline" * 200}
    code = {
        "cell_type": "code",
        "metadata": {},
        "execution_count": 1,
        "source": "1",
        "outputs": [output, stream],
    }
    cells = [{"cell_type": "markdown", "metadata": {}, "source": html}, code]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def people() -> list[Entry]:
    """Return a small class: one in order, others with a mistake, one unjudged, one hostile."""
    evil = record(dict.fromkeys(ROWS, f"{EVIL}\n  vae.py, line 1:  {EVIL}"), notes=[EVIL])
    return [
        entry(
            "b-moller",
            record({"5.1": LOSS.format(1.5)}),
            Submitter("Björn Møller", "00300", "bm@example.edu"),
        ),
        entry(
            "a-garcia",
            None,
            Submitter("Ana García", "00100", "ag@example.edu"),
            notebook=notebook("<b>mine</b>"),
        ),
        entry(
            "c-chen",
            record({"4.1": TYPO, "5.1": LOSS.format(2.5)}),
            Submitter("Chen Wu", "00200", ""),
            source=LINES,
        ),
        entry("fault", record(faults=("4.1",)), Submitter("Dora Fault", "00400", "")),
        entry("evil", evil, Submitter(EVIL, EVIL, EVIL), source=EVIL.encode(), notebook=notebook(EVIL)),
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no Chromium: apt-get install chromium")
    expect.set_options(timeout=20_000)  # on a machine that has much else to do
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=QUIET, chromium_sandbox=False)
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the small class."""
    out = tmp_path_factory.mktemp("a class #1")
    report.write(out, people())
    return out


class Watched:
    """A page that notes whatever it does beyond showing files."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.noted: list[str] = []
        self.page.on("dialog", self.note_dialog)
        self.page.on("pageerror", lambda error: self.noted.append(f"error: {error}"))
        self.page.on("request", lambda request: self.note_request(request.url))
        context.on("page", lambda _: self.noted.append("window"))

    def note_dialog(self, dialog: Dialog) -> None:
        """Note a dialog, and close it."""
        self.noted.append("dialog")
        dialog.dismiss()

    def note_request(self, url: str) -> None:
        """Note a request for anything but the pages themselves."""
        if not url.startswith(("file:", "data:", "about:")):
            self.noted.append(url)

    def provoke(self) -> None:
        """Do what a curious teacher would: click on and send off whatever is there, in the notebook too."""
        self.page.evaluate(
            """() => {
                const inner = [...document.querySelectorAll("iframe")].map((frame) => frame.contentDocument);
                for (const page of [document, ...inner]) {
                    for (const at of page?.querySelectorAll("#link, #form input") ?? []) { at.focus(); at.click(); }
                    for (const form of page?.querySelectorAll("#form") ?? []) form.submit();
                }
            }"""
        )
        self.page.wait_for_timeout(300)

    @property
    def ran(self) -> bool:
        """Whether a script of the student's has run."""
        return bool(self.page.evaluate("Boolean(window.pwned)")) or self.page.title() == "pwned"


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a page, in a browser set as asked for; nothing that it does may go unnoticed."""
    contexts = []

    def opened(path: Path, **settings: Any) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **settings})
        context.set_default_timeout(20_000)
        contexts.append(context)
        watched = Watched(context)
        watched.page.goto(path.as_uri())
        return watched

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def index(watch: Callable[..., Watched], site: Path) -> Iterator[Page]:
    """The page of the class."""
    watched = watch(site / "index.html")
    yield watched.page
    assert watched.noted == []


def lines(page: Page) -> Locator:
    """Return the lines of the table that are shown."""
    return page.locator("#submissions tbody tr:visible")


def expect_names(page: Page, names: list[str]) -> None:
    """Wait until these names are shown in the table, in this order: the script sorts a moment after the click."""
    headings = lines(page).locator("th")
    expect(headings).to_have_count(len(names))
    if names:
        expect(headings).to_contain_text(names)


def test_sort(index: Page) -> None:
    """A heading sorts by its column, again turns it round, and says so to a screen reader."""
    heading = index.get_by_role("columnheader", name="Score")
    assert heading.get_attribute("aria-sort") is None
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect_names(index, ["<script>", "Chen Wu", "Björn Møller", "Ana García"])
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect_names(index, ["Ana García", "Björn Møller", "Chen Wu", "<script>"])
    assert index.locator("th[aria-sort]").count() == 1


def test_keyboard(index: Page) -> None:
    """Everything is reached by the tab key, in order, where the focus is seen; Enter and space work."""
    seen = []
    for _ in range(60):
        index.keyboard.press("Tab")
        seen.append(
            index.evaluate(
                """() => {
                    const at = document.activeElement, style = getComputedStyle(at);
                    return [at.name || at.textContent.slice(0, 20) || at.type, style.outlineStyle != "none"];
                }"""
            )
        )
        if seen[-1][0] == "SID":
            break
    assert [name for name, _ in seen][:3] == ["Skip to the content", "below", "Dora Fault"]
    assert {"5.1", "text", "row", "mistake", "Show all", "Name", "SID"} <= {name for name, _ in seen}
    assert [name for name, outlined in seen if not outlined] == []
    index.keyboard.press("Enter")
    expect(index.get_by_role("columnheader", name="SID")).to_have_attribute("aria-sort", "ascending")
    index.keyboard.press("Space")
    expect(index.get_by_role("columnheader", name="SID")).to_have_attribute("aria-sort", "descending")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("garcia", ["Ana García"]),
        ("GARCÍA ana", ["Ana García"]),
        ("bm@example", ["Björn Møller"]),
        ("00200", ["Chen Wu"]),
        ("c-chen", ["Chen Wu"]),
        ("</script>", ["<script>"]),
        ("nobody", []),
        ("", ["<script>", "Ana García", "Björn Møller", "Chen Wu"]),
    ],
)
def test_search(index: Page, text: str, expected: list[str]) -> None:
    """The search finds names, with accents or without, numbers and addresses, and tells how many there are."""
    index.get_by_label("Search").fill(text)
    expect_names(index, expected)
    expect(index.get_by_role("status")).to_have_text(f"{len(expected)} of 4 shown")


def test_filter(index: Page) -> None:
    """The table is filtered by a lost row, by a mistake, and by both; a button undoes it."""
    index.get_by_label("Lost row").select_option("5.1")
    expect_names(index, ["<script>", "Björn Møller", "Chen Wu"])
    mistakes = index.get_by_role("combobox", name="Mistake")
    mistakes.select_option(mistakes.locator("option", has_text="your loss is …").get_attribute("value"))
    expect_names(index, ["Björn Møller", "Chen Wu"])
    index.get_by_label("Lost row").select_option("4.1")
    expect_names(index, ["Chen Wu"])
    index.get_by_role("button", name="Show all").click()
    expect(index.get_by_role("status")).to_have_text("4 of 4 shown")


def test_filter_in_the_address(index: Page) -> None:
    """What is asked for stands in the address: who opens that sees the same; what no field knows is passed over."""
    index.get_by_label("Lost row").select_option("5.1")
    index.get_by_label("Search").fill("wu & co")
    expect_names(index, [])
    index.get_by_label("Search").fill("møller")
    expect_names(index, ["Björn Møller"])
    address = index.url
    index.get_by_role("button", name="Show all").click()
    expect(index.get_by_role("status")).to_have_text("4 of 4 shown")
    assert index.url.partition("#")[2] == ""
    index.goto("about:blank")
    index.goto(f"{address}&row=5.1&constructor=x")
    expect_names(index, ["Björn Møller"])
    expect(index.get_by_label("Search")).to_have_value("møller")


def test_filter_from_summary(index: Page) -> None:
    """A row and a mistake in the summary show who lost it and who made it."""
    index.locator("button[data-row='4.1']").click()
    expect(index.get_by_role("status")).to_have_text("2 of 4 shown")
    index.locator("li", has_text="your loss is …").get_by_role("button").click()
    expect(index.get_by_role("status")).to_have_text("2 of 4 shown")
    expect_names(index, ["Björn Møller", "Chen Wu"])
    expect(index.locator("#submissions-heading")).to_be_in_viewport()


def test_open(index: Page) -> None:
    """A name opens its page; a line in a row's words leads to that line of the code; the way back keeps the search."""
    index.get_by_label("Search").fill("chen")
    index.get_by_role("link", name="Chen Wu").click()
    expect(index.get_by_role("heading", level=1)).to_have_text("Chen Wu")
    expect(index.locator("#L150")).not_to_be_in_viewport()
    index.get_by_role("link", name="vae.py, line 150").click()
    expect(index.locator("#L150")).to_be_in_viewport()
    assert index.locator("#L150").evaluate("e => getComputedStyle(e).backgroundColor") != index.locator(
        "#L149"
    ).evaluate("e => getComputedStyle(e).backgroundColor")
    index.go_back()
    index.go_back()
    expect_names(index, ["Chen Wu"])


def test_notebook(watch: Callable[..., Watched], site: Path) -> None:
    """A notebook's frame is as high as what is in it."""
    page = watch(site / "submissions" / "a-garcia.html").page
    frame = page.frame_locator("iframe")
    expect(frame.locator("b", has_text="mine").first).to_be_visible()
    page.wait_for_function("document.querySelector('iframe').offsetHeight > 3000")
    inner = page.evaluate("document.querySelector('iframe').contentDocument.documentElement.offsetHeight")
    outer = page.evaluate("document.querySelector('iframe').clientHeight")
    assert abs(inner - outer) <= 4


@pytest.mark.parametrize("name", ["index.html", "submissions/evil.html"])
def test_nothing_runs(watch: Callable[..., Watched], site: Path, name: str) -> None:
    """No script in a name, a note, a row's words, the code or the notebook runs, and nothing is loaded."""
    watched = watch(site / name)
    watched.provoke()
    assert (watched.noted, watched.ran) == ([], False)
    assert "<script>document.title" in watched.page.locator("body").inner_text()


class Careless(Preview):
    """A preview that cleans nothing."""

    def notebook(self, content: bytes) -> str | None:
        """Return the bytes as they are."""
        return content.decode()


@pytest.mark.parametrize(
    ("policy", "sandbox", "runs"),
    [(True, True, False), (True, False, False), (False, True, False), (False, False, True)],
    ids=["policy and sandbox", "policy alone", "sandbox alone", "neither"],
)
def test_uncleaned(
    watch: Callable[..., Watched], tmp_path: Path, *, policy: bool, sandbox: bool, runs: bool
) -> None:
    """Were a notebook not cleaned at all, the page's policy would stop it, and so would the frame's sandbox."""
    with Careless() as preview:
        html = report.page(entry("evil", notebook=EVIL.encode()), None, None, preview)
    if not sandbox:
        html = html.replace(' sandbox="allow-same-origin"', "")
    path = tmp_path / "evil.html"
    path.write_text(html, "utf-8")
    watched = watch(path, bypass_csp=not policy)
    if not runs:
        watched.provoke()
    assert watched.ran is runs
    assert ("dialog" in watched.noted) is runs
    if policy:
        assert watched.noted == []


@pytest.mark.parametrize("name", ["index.html", "submissions/c-chen.html", "submissions/fault.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(watch: Callable[..., Watched], site: Path, name: str, scheme: str) -> None:
    """All text stands out from what is behind it by 4.5 to 1 at least, in both schemes."""
    page = watch(site / name, color_scheme=scheme).page
    low = page.evaluate(
        """() => {
            const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = (colour) => parts(colour).slice(0, 3).map((c) => c / 255)
                .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = (at) => {
                for (; at; at = at.parentElement) {
                    const colour = getComputedStyle(at).backgroundColor;
                    if ((parts(colour)[3] ?? 1) === 1) return colour;
                }
            };
            const found = new Set();
            for (const at of document.querySelectorAll("body *:not(script, style)")) {
                if (![...at.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
                const [a, b] = [light(getComputedStyle(at).color), light(behind(at))];
                const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (ratio < 4.5) found.add(`${ratio.toFixed(2)} ${at.outerHTML.slice(0, 80)}`);
            }
            return [...found];
        }"""
    )
    assert low == []


@pytest.mark.parametrize("name", ["index.html", "submissions/c-chen.html", "submissions/evil.html"])
def test_narrow(watch: Callable[..., Watched], site: Path, name: str) -> None:
    """On a narrow screen nothing but the big table is wider than the screen."""
    page = watch(site / name, viewport={"width": 360, "height": 640}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_print(index: Page) -> None:
    """On paper the table has no controls, and is black on white."""
    index.emulate_media(media="print", color_scheme="dark")
    expect(index.get_by_label("Search")).to_be_hidden()
    expect(lines(index)).to_have_count(4)
    assert index.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_headings_in_print(index: Page) -> None:
    """On paper each heading of the table stands apart from the next."""
    index.emulate_media(media="print")
    gaps = index.evaluate("""() => {
        const places = [...document.querySelectorAll("#submissions thead button")].map((button) => {
            const range = document.createRange();
            range.selectNodeContents(button);
            return range.getBoundingClientRect();
        });
        return places.slice(1).map((place, i) => place.left - places[i].right);
    }""")
    assert min(gaps) >= 4, gaps


def test_without_scripts(watch: Callable[..., Watched], site: Path) -> None:
    """Without scripts the whole table is there, and no control that would do nothing."""
    page = watch(site / "index.html", java_script_enabled=False).page
    expect(lines(page)).to_have_count(4)
    expect(page.get_by_label("Search")).to_be_hidden()


def test_two_thousand(watch: Callable[..., Watched], tmp_path: Path) -> None:
    """With 2,000 submissions the page of the class stays small, opens, sorts and searches without a wait."""
    mistakes = [
        record(),
        record({"5.1": LOSS.format(1.5)}),
        record({"4.1": TYPO}),
        record({"1.1": "No.", "1.2": "No."}),
    ]
    many = [
        entry(
            f"submission_{i}",
            mistakes[i % 4],
            Submitter(f"Name {i * 7919 % 2000:04}", f"{i:08}", f"s{i}@example.edu"),
        )
        for i in range(2000)
    ]
    path = tmp_path / "index.html"
    path.write_text(report.index(many), "utf-8")
    assert path.stat().st_size < 2_000_000
    begin = time.monotonic()
    page = watch(path).page
    expect(page.get_by_role("status")).to_have_text("2000 of 2000 shown")
    opened = time.monotonic()
    page.get_by_role("columnheader", name="SID").get_by_role("button").click()
    expect(page.locator("#submissions tbody tr:first-child th")).to_have_text("Name 0000")
    sorted_at = time.monotonic()
    page.get_by_label("Search").fill("s1999@")
    expect(page.get_by_role("status")).to_have_text("1 of 2000 shown")
    found = time.monotonic()
    seconds = {"opened": opened - begin, "sorted": sorted_at - opened, "found": found - sorted_at}
    assert max(seconds.values()) < 15, seconds  # about one, on a machine that does nothing else
