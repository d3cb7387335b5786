"""Pages that hold all they show, and let a browser load, send and run nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fingerprint", "render"]

TEMPLATES = Path(__file__).parent / "templates"
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLES = (("palette.css", "style.css"), ("palette.css", "notebook.css"))  # of a page, of a notebook in it


def render(template: str, scripts: Sequence[str] = (), **values: Any) -> str:
    """Return a page with the styles and scripts of ours in it.

    The page's security policy admits them by their hashes, and nothing else: no address, no attribute that runs.
    """
    style, notebook_style = (read(*names) for names in STYLES)
    texts = [read(name) for name in scripts]
    assets = {
        "style": style,
        "notebook_style": notebook_style,
        "scripts": texts,
        "style_hashes": policy(style, notebook_style),
        "script_hashes": policy(*texts),
    }
    return ENVIRONMENT.get_template(template).render(assets=assets, **values)


@functools.cache
def read(*names: str) -> Markup:
    """Return styles or scripts of ours; a browser hashes them with plain line ends."""
    return Markup("\n".join((TEMPLATES / name).read_text("utf-8") for name in names))  # noqa: S704 - our own


def policy(*texts: str) -> Markup:
    """Return the hashes by which a content security policy admits texts."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return Markup(" ".join(f"'sha256-{one}'" for one in hashes) or "'none'")  # noqa: S704 - letters and digits


@functools.cache
def fingerprint() -> bytes:
    """Return a hash of all of ours that a page is made from."""
    digest = hashlib.sha256()
    for path in sorted(
        path for path in [*TEMPLATES.rglob("*"), *TEMPLATES.parent.glob("*.py")] if path.is_file()
    ):
        digest.update(path.read_bytes())
    return digest.digest()
