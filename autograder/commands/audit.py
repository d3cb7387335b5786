"""Measure the rubric."""

from __future__ import annotations

import sys

import click

from autograder.commands import common

__all__ = ["audit"]


@click.command(short_help="Grade known mistakes, and tell what comes out otherwise.")
@click.option("--only", metavar="WORD", default="", help="Only entries whose name or family holds this word.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Entries at a time; default: one for each processor."
)
@click.option(
    "--matrix", is_flag=True, help="Print the whole matrix of rows and entries, not only what is wrong."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def audit(only: str, jobs: int | None, *, matrix: bool, as_json: bool) -> None:
    """Measure the rubric: grade the corpus of tests/, whose verdicts are known, and tell what came out otherwise.

    The exit status is 0 when every entry lost its rows and no others, in words that name its mistake; else 1.
    """
    from autograder import audit as auditor

    corpus = common.PROJECT / "tests" / "corpus"
    if not corpus.is_dir():
        raise click.UsageError("the corpus is a part of the repository, and not of what is handed out")
    sys.path.append(str(corpus.parent))
    import corpus as known

    chosen = [entry for entry in known.entries() if only in f"{entry.family} {entry.name}"]
    if not chosen:
        raise click.UsageError(f"no entry has {only!r} in its name")
    findings = auditor.run(chosen, jobs or 0, quiet=as_json)
    wrong = [finding for finding in findings if not finding.right]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(findings).decode())
    else:
        shown = findings if matrix else wrong
        click.echo("\n\n".join([*([auditor.table(shown)] if shown else []), *(f.said for f in wrong)]))
        click.echo(f"\n{auditor.totals(findings)}")
    common.leave(1 if wrong else 0)
