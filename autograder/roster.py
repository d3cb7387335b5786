"""All submissions of a class: Gradescope's export, or a folder of folders, zips and files, or such a zip."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from autograder import files
from autograder.archive import in_zip
from autograder.files import Listing, Parts, TooBig, Unreadable, printable, shown
from autograder.metadata import MAX_METADATA, METADATA, Entry, Submitter, read_metadata

__all__ = ["KINDS", "Submission", "left_out", "submissions"]

KINDS = (".zip", ".py", ".ipynb")
ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz")  # listed too: the result says what is wrong
EXPORT = re.compile(r"assignment_\d+_export.*")  # the list in a folder of another name may be a student's
NOT_READ = f"the {METADATA} in it was not read: if it is an export of Gradescope's, give its folder itself"
MAX_SUBMISSION = files.MAX_TOTAL + files.MIB  # bytes unpacked for each; more than that is not staged anyway
MAX_FILES = 1_000  # files unpacked for each
MAX_CLASS = 1 << 34  # bytes unpacked for all


@dataclass(frozen=True)
class Submission:
    """One submission of a class.

    `name` is unique in the class and safe as a file name; `notes` belong into the result, beside those of
    staging. Where it is listed without files, `missing` is set and `source` does not exist.
    """

    name: str
    source: Path
    submitters: tuple[Submitter, ...] = ()
    submission_id: str = ""
    created_at: str = ""
    notes: tuple[str, ...] = ()
    missing: bool = False


def submissions(path: Path, work: Path) -> list[Submission]:
    """Return the submissions of a class, sorted by name; a zip is unpacked into a new folder in `work`.

    A folder (or zip) that itself holds vae.py is one submission. Raises Unreadable where `path` as a whole
    cannot be taken: no such file, a damaged zip, metadata that is not YAML.
    """
    notes: dict[str, list[str]] = {}
    root = path
    if path.is_file() and path.suffix.lower() == ".zip":
        with files.open_regular(path.resolve()) as file:
            listing = _without_root(in_zip(file, of_a_class=True))
            if ("vae.py",) in listing.files:
                return [Submission(_name(path.stem, set()), path.resolve())]
            work.mkdir(parents=True, exist_ok=True)
            root = Path(tempfile.mkdtemp(prefix="class-", dir=work))
            notes = _unpack(listing, root)
    elif path.is_file() and path.suffix.lower() in KINDS:
        return [Submission(_name(path.stem, set()), path.resolve())]
    elif not path.is_dir():
        raise Unreadable(f"{printable(str(path))} is not a folder, a zip, a .py file or a notebook")
    elif (path / "vae.py").is_file():
        return [Submission(_name(path.resolve().name, set()), path.resolve())]

    entries = _entries(root, work)
    only = next(iter(entries)) if len(entries) == 1 else ""
    if only and EXPORT.fullmatch(only) and (root / only / METADATA).is_file():  # an unpacked export
        root /= only
        entries = _entries(root, work)
    elif only and (root / only / METADATA).is_file():
        notes.setdefault(only, []).append(NOT_READ)
    listed = None
    if METADATA in entries and not _is_submission(entries[METADATA]):
        listed = read_metadata(entries.pop(METADATA))
    return _matched(root, entries, listed, notes)


def left_out(path: Path, work: Path) -> list[str]:
    """List what lies in a class's folder and is no submission, as it is shown: lists and notes, but also a lone PDF.

    work: the folder that we work in
    """
    if not path.is_dir() or (path / "vae.py").is_file():
        return []
    entries = _entries(path, work).items()
    return sorted(
        printable(name) for name, source in entries if name != METADATA and not _is_submission(source)
    )


def _matched(
    root: Path, entries: dict[str, Path], listed: dict[str, Entry] | None, notes: dict[str, list[str]]
) -> list[Submission]:
    """Join what is there with what the metadata lists; what only one of them has is said."""
    found, taken = [], set[str]()
    for name in sorted({*entries, *(listed or {})}):
        entry, source = (listed or {}).get(name), entries.get(name)
        said = list(notes.get(name, []))
        if entry is None and (source is None or not _is_submission(source)):
            continue
        if listed is not None and entry is None:
            said.append(f"{printable(name)} is not listed in {METADATA}, so whose it is must be found out")
        stem = name if source is None or is_folder(source) else Path(name).stem
        safe = _name(stem, taken)
        if missing := source is None:
            said.append(f"{printable(name)} is listed in {METADATA}, but the export holds no files of it")
        source = source or root / f"{safe}.missing"
        number = re.fullmatch(r"submission_(\d+)", stem)
        found.append(
            Submission(
                name=safe,
                source=source,
                submitters=entry.submitters if entry else (),
                submission_id=number[1] if number else "",
                created_at=entry.created_at if entry else "",
                notes=tuple(said),
                missing=missing,
            )
        )
    return found


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, or a link to one that can be reached."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_submission(source: Path) -> bool:
    """Say whether an entry of a class's folder is handed in, not a list or a note that lies beside."""
    return source.is_symlink() or is_folder(source) or source.suffix.lower() in (*KINDS, *ARCHIVES)


def _entries(folder: Path, work: Path) -> dict[str, Path]:
    """Return what lies in a class's folder, without junk, earlier results and the folder that we work in."""
    ours = Path(os.path.realpath(work))
    return {
        entry.name: entry
        for entry in folder.iterdir()
        if not files.is_junk(entry.name)
        and not ours.is_relative_to(os.path.realpath(entry))
        and not _is_graded(entry)
    }


def _is_graded(entry: Path) -> bool:
    """Say whether an entry holds the results of a grading, an earlier one's."""
    return is_folder(entry) and (entry / "grades.csv").is_file() and (entry / "results").is_dir()


def _without_root(listing: Listing) -> Listing:
    """Drop the one folder that all the files of a zip lie in, unless it is a submission with a list of its own."""
    tops = {parts[0] for parts in listing.files}
    if len(tops) == 1 and all(len(parts) > 1 for parts in listing.files):
        (top,) = tops
        if EXPORT.fullmatch(top) or (top, METADATA) not in listing.files:
            listing.files = {parts[1:]: opener for parts, opener in listing.files.items()}
    return listing


def _unpack(listing: Listing, root: Path) -> dict[str, list[str]]:
    """Unpack the zip of a class; return what is wrong with a submission as notes, by its entry's name."""
    groups: dict[str, list[Parts]] = {}
    for parts in listing.files:
        groups.setdefault(parts[0], []).append(parts)
    notes: dict[str, list[str]] = {}
    left_for_all = MAX_CLASS
    for name, members in groups.items():
        left = MAX_METADATA if name == METADATA else MAX_SUBMISSION
        # code first, and what is near the top
        members.sort(key=lambda parts: (not parts[-1].lower().endswith(KINDS), len(parts), parts))
        said = []
        if len(members) > MAX_FILES:
            said.append(f"of {len(members)} files the first {MAX_FILES} were unpacked")
        for parts in members[:MAX_FILES]:
            try:
                _, count = files.write(files.chunks(parts, listing.files[parts], left), root, parts)
            except TooBig:
                limit = files.size(MAX_SUBMISSION)
                said.append(f"{shown(parts)} was not unpacked: with it, there would be more than {limit}")
            except Unreadable as reason:
                said.append(str(reason))
            else:
                left -= count
                left_for_all -= count
        if left_for_all < 0:
            raise Unreadable(f"the zip of the class has more than {files.size(MAX_CLASS)} of files")
        if said:
            notes[name] = said[:20]
    return notes


def _name(text: str, taken: set[str]) -> str:
    """Return a name like `text` for files and pages on any system, and note it as taken."""
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-")
    text = text.encode()[:80].decode(errors="ignore") or "submission"
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text):  # devices on Windows
        text = f"{text}-1"
    name, number = text, 1
    while name.casefold() in taken:
        number += 1
        name = f"{text}-{number}"
    taken.add(name.casefold())
    return name
