"""How a text is written, whatever it is about."""

from __future__ import annotations

__all__ = ["counted", "one_line", "sentence"]


def counted(number: object, noun: str) -> str:
    """Write so many of something. number: an integer, or a word for it such as "one"."""
    return f"{number} {noun}" if number in (1, "one") else f"{number} {noun}s"


def sentence(text: str) -> str:
    """Write as a sentence what might stand behind a colon."""
    return f"{text[:1].upper()}{text[1:]}."


def one_line(text: object, most: int) -> str:
    """Put a text from the student's process, of so many characters, on one line: others could pass for the grader's."""
    return " ".join(str(text)[:most].splitlines())
