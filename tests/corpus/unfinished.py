"""Templates in which some sections are finished: each of these earns its points by itself."""

from dataclasses import dataclass

from corpus.edits import Edit, apply, block, finished, reference

__all__ = ["TEMPLATES", "Template"]

# A section of the notebook, or a part of its section 6, is one block of the reference solution.
SECTIONS = {
    "1": "VAE.encoder",
    "2": "VAE.decoder",
    "3": "reparametrize",
    "4": "VAE.forward",
    "5": "loss_function",
    "6e": "CVAE.encoder",
    "6d": "CVAE.decoder",
    "6f": "CVAE.forward",
}
NEEDS = {
    "1.1": "1",
    "1.2": "1",
    "1.3": "1",
    "1.4": "1",
    "2.1": "2",
    "3.1": "3",
    "3.2": "3",
    "4.1": "1 2 3 4",
    "5.1": "5",
    "6.1": "6e",
    "6.2": "6d",
    "6.3": "3 6e 6d 6f",
}


@dataclass(frozen=True)
class Template:
    """The template with these sections finished."""

    done: frozenset[str]

    @property
    def name(self) -> str:
        """Name the finished sections."""
        return "-".join(["unfinished-with", *(sorted(self.done) or ["nothing"])])

    @property
    def source(self) -> str:
        """The solution, without the blocks that are still to be written."""
        text = reference()
        for section, where in SECTIONS.items():
            if section not in self.done:
                body, margin, todo = block(text, where)
                text = apply(text, [Edit(where, body, f"{margin}{todo}\n" if todo else "")])
        return finished(text)

    @property
    def lost(self) -> frozenset[str]:
        """The rows that need a section which is not there."""
        return frozenset(row for row, needs in NEEDS.items() if not self.done.issuperset(needs.split()))

    @property
    def words(self) -> tuple[str, ...]:
        """An empty function says that it is still to be written; the parts of a model are None."""
        todo = ("still to be written",) if {"3", "5"} - self.done or self.lost in ({"4.1"}, {"6.3"}) else ()
        return (*todo, *(("none",) if {"1", "2", "6e", "6d"} - self.done else ()))


def template(*done: str) -> Template:
    """Make a template; "6" means its three parts."""
    return Template(frozenset(part for s in done for part in (("6e", "6d", "6f") if s == "6" else (s,))))


ALL = ("1", "2", "3", "4", "5", "6")
TEMPLATES = [
    *(template(*ALL[:n]) for n in range(6)),  # one section after the other
    *(template(s) for s in ALL[1:]),  # one section alone
    *(template(*(s for s in ALL if s != left_out)) for left_out in ALL[:-1]),  # one left out
    # Two or three sections, where a forward has some of what it needs.
    template("1", "4"),
    template("2", "4"),
    template("3", "4"),
    template("1", "2", "4"),
    template("1", "3", "4"),
    template("2", "3", "4"),
    template("3", "6"),
    template("3", "5"),
    template("1", "2", "5"),
    template("1", "2", "3", "5"),
    template("1", "2", "3", "6"),
    template("5", "6"),
    # Within section 6.
    template("3", "6e"),
    template("3", "6d"),
    template("3", "6f"),
    template("3", "6e", "6d"),
    template("3", "6e", "6f"),
    template("3", "6d", "6f"),
    template(*ALL[:5], "6e"),
    template(*ALL[:5], "6e", "6d"),
    template(*ALL[:5], "6f"),
]
