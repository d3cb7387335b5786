"""Make the pictures of the documentation: the table in a terminal, the page of a class. Needs Chromium."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec  # noqa: E402
from corpus import entries  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from rich.console import Console  # noqa: E402

from autograder import table  # noqa: E402
from autograder.results import Results  # noqa: E402

OUT = ROOT / "docs" / "pictures"
SHOWN = "encoder-leaky-relu"  # part of the name of the submission in the terminal
# Invented people, and part of the name of each one's submission.
CLASS = {
    "Ada Example": "right-file-matrix-school",
    "Bo Sample": "logvar-layer-clamped",
    "Chen Muster": "loss-kl-off-by-1-percent",
    "Dana Prøve": "encoder-leaky-relu-0.001",
    "Emre Örnek": "unfinished-with-1-3-4",
    "Fatou Exemple": "right-reparametrize-transposed-noise",
    "Gita Namuna": "cvae-forward-class-ignored-by-decoder",
    "Hugo Ejemplo": "reparametrize-repeated-after-32",
}


def main() -> None:
    """Make both."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    OUT.mkdir(exist_ok=True)
    corpus = {entry.name: entry.source for entry in entries()}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        source = next(source for entry, source in corpus.items() if SHOWN in entry)
        (folder / "vae.py").write_bytes(source)
        run(["grade", str(folder / "vae.py"), "--results", str(folder / "results.json"), "--train", "never"])
        html = folder / "terminal.svg"
        html.write_text(
            terminal(msgspec.json.decode((folder / "results.json").read_bytes(), type=Results)), "utf-8"
        )
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.goto(html.as_uri())
        save(page.locator("svg").first.screenshot(), OUT / "terminal.png")

        class_folder = make_class(folder, corpus)
        run(["batch", str(class_folder), "--out", str(folder / "graded"), "--train", "never", "--quiet"])
        page = browser.new_page(viewport={"width": 1100, "height": 640})
        page.goto((folder / "graded" / "index.html").as_uri())
        save(page.screenshot(full_page=True), OUT / "class.png")
        browser.close()


def run(arguments: list[str]) -> None:
    """Run a command of the grader."""
    subprocess.run(
        [sys.executable, "-m", "autograder", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


def terminal(results: Results) -> str:
    """Draw the table as a terminal shows it."""
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True, highlight=False)
    table.show(results, console=console)
    return console.export_svg(title="./run_autograder vae.py")


def make_class(folder: Path, corpus: dict[str, bytes]) -> Path:
    """Make an export as Gradescope's."""
    export = folder / "assignment_1_export"
    known = {}
    for number, (person, entry) in enumerate(CLASS.items(), 101):
        place = export / f"submission_{number}"
        place.mkdir(parents=True)
        (place / "vae.py").write_bytes(corpus[entry])
        email = f"{person.split()[0].lower()}@example.edu"
        known[place.name] = {
            ":submitters": [{":name": person, ":sid": f"00{number}", ":email": email}],
            ":created_at": f"2026-03-{number - 90} 13:16:26.000000000 -07:00",
        }
    (export / "submission_metadata.yml").write_text(json.dumps(known), "utf-8")  # JSON is YAML
    return export


def save(picture: bytes, path: Path) -> None:
    """Write a picture with few colours: a small file."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = ImageOps.expand(
        image.crop(ImageOps.invert(image).getbbox()), 12, "white"
    )  # the same margin all around
    image.quantize(256).save(path, optimize=True)
    print(f"written: {path} ({path.stat().st_size >> 10} KB)")


if __name__ == "__main__":
    main()
