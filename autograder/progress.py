"""How far a batch has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from autograder.startup import printing

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from autograder.results import Results

__all__ = ["Progress"]


class Progress:
    """Shows how many of a class are graded; a context manager."""

    def __init__(self, total: int, *, quiet: bool = False, console: Console | None = None) -> None:
        self.total = total
        self.done = 0
        self.faults = 0
        self.console = console or Console(highlight=False)
        self.lines = not quiet and not self.console.is_terminal
        self.bar = Bar(
            TextColumn("Grading"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[faults]} {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal or not total,
            transient=True,
        )
        self.task = self.bar.add_task("", total=total, faults="", rate="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self.bar.stop()

    def advance(self, name: str, record: Results) -> None:
        """Show that one more is graded."""
        self.done += 1
        self.faults += record.fault
        if self.lines:
            said = "grader fault" if record.fault else f"{record.score:g} of {record.max_score:g}"
            with printing():
                self.console.print(Text(f"[{self.done}/{self.total}] {name}: {said}"), soft_wrap=True)
            return
        speed = self.bar.tasks[0].finished_speed or self.bar.tasks[0].speed
        faults = f"{self.faults} grader faults," if self.faults else ""
        self.bar.update(self.task, advance=1, faults=faults, rate=f"{speed:.1f}/s" if speed else "")
