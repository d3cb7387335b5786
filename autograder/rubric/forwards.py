"""The two forwards, VAE's and CVAE's: what differs between them."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.outcome import PARTS, UNANSWERED, Missing, Unfinished
from autograder.results import CONSEQUENCE
from autograder.rubric import oracle
from autograder.rubric.mistake import Cause, Mistake
from autograder.rubric.networks import Used, parameters_in_use
from autograder.rubric.places import HEADS, find_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autograder.part import Model, Parameter, Part, Path
    from autograder.promise import Promise
    from autograder.rubric.oracle import Sizes
    from autograder.student import Student

    Join = Callable[[Tensor, Tensor], Tensor]

__all__ = ["CVAEForward", "UnjudgedError", "VAEForward"]


class UnjudgedError(Exception):
    """A part of the student's gives nothing to compare with.

    excess: how many times too large what it gives is, where nothing else is the matter; 0 otherwise
    changes: whether it gives something, but now this and now that
    """

    def __init__(self, part: str, why: Exception | str, *, excess: float = 0, changes: bool = False) -> None:
        super().__init__(str(why))
        self.part = part
        self.excess = excess
        self.changes = changes


class VAEForward:
    """VAE.forward(x)."""

    name = "VAE"
    formula = "decoder(reparametrize(mu, logvar))"  # of x_hat
    rows = {"encoder": "1.1, 1.2", "mu_layer": "1.3", "logvar_layer": "1.4", "decoder": "2.1"}  # noqa: RUF012
    # Ways to make the encoder's input, narrowed to forward's own. That an encoder does not flatten is 1.2's.
    joins: dict[str, Join] = {"x": lambda x, _: x, "flat": lambda x, _: x.flatten(1)}  # noqa: RUF012
    slips: dict[str, Join] = {}  # noqa: RUF012 - wrong ways
    # Where to look when no slip explains the encoder's input.
    hint = "The encoder should get the images as they are, and mu_layer its features: is something done in between?"

    def __init__(self, student: Student, sizes: Sizes) -> None:
        self.student = student
        self.sizes = sizes
        self.places: dict[str, Path] = {}  # of parts that are not where the assignment asks for them
        self.models: dict[Model, Model] = {}  # with the parts from there
        self.weights_judged = False  # whether gradients reached the weights, too
        self.passing_judged = False  # whether gradients passed through the decoder to z
        # Whether it gave what the weights give so far. What ended a worker once would take its time twice.
        self.ideal = not student.has_ended()
        self.unlike: set[str] = set()  # parts that do not compute what their weights give
        self.shrunk = (
            1.0  # what the heads' weights are divided by, where the encoder's features are far too large
        )
        self.rest: Promise[list[str]] | None = None  # names of parameters outside of the parts
        self.noise_judged: set[bool] = set()  # in which modes a large draw of noise without a seed was right

    def make(self, latents: int, classes: int) -> Model:  # noqa: ARG002 - the CVAE needs it
        """Make a model."""
        return self.with_places(self.student.VAE(784, latents))

    def shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """List the shapes of what the parts take, but for the number of images."""
        return {"encoder": (1, 28, 28), **dict.fromkeys(HEADS, (oracle.H,)), "decoder": (sizes.latents,)}

    def with_places(self, model: Model) -> Model:
        """Return a model with its parts from where they are."""
        return self.models.setdefault(model, model.with_parts(self.places)) if self.places else model

    def find_parts(self) -> bool:
        """Look for missing parts elsewhere in the model; tells whether all that are missing were found."""
        sizes = oracle.Sizes()
        self.places = find_places(self.make(sizes.latents, sizes.classes), sizes.latents)
        return bool(self.places)

    def arguments(self, x: Tensor, c: Tensor) -> list[Tensor]:  # noqa: ARG002
        """List forward's arguments."""
        return [x]

    def hold(self, x: Tensor, c: Tensor) -> list[Tensor]:
        """Hand forward's arguments over to stay, so that they can be looked at afterwards."""
        return [self.student.put(t, like="data") for t in self.arguments(x, c)]

    def keep_to(self, join: Join) -> None:
        """Keep to a way to make the encoder's input: here both give the same numbers."""

    def to_decoder(self, z: Tensor, c: Tensor) -> Tensor:  # noqa: ARG002
        """Make the decoder's input from z."""
        return z

    def joined(self, z: Tensor, c: Tensor) -> Tensor:  # noqa: ARG002
        """Make the decoder's input from z here, not in the worker."""
        return z

    def latent_slips(self, z: Tensor, c: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Make the decoder's input as known slips would."""
        return {}

    def furnish(self, model: Model, classes: int) -> Model:
        """Draw new weights, such that means, variances and pixels are neither all alike nor extreme."""
        parts = {name: getattr(model, name) for name in PARTS}
        listed = {name: part.parameters_later() for name, part in parts.items()}
        for name, part in parts.items():
            try:
                parameters = self.listed(model, name, listed[name], classes)
                if all(p.shape is not None for p in parameters):
                    scale = 0.15 if name == "logvar_layer" else 0.4
                    scale /= self.shrunk if name in HEADS else 1
                    part.draw([deviation * scale for deviation in oracle.scales(parameters)])
            except UNANSWERED as error:
                raise UnjudgedError(name, error) from None
        self.rest = model.draw_rest()
        return model

    def listed(
        self, model: Model, name: str, parameters: Promise[list[Parameter]], classes: int
    ) -> list[Parameter]:
        """List a part's parameters; lazy layers get shapes in a first call of forward, and some make parts in it.

        parameters: as they are before it
        """
        found: list[Parameter] = []
        try:
            found = parameters.get()
        except (Missing, Unfinished):
            model.late.add(name)
        if found and all(p.shape is not None for p in found):
            return found
        with contextlib.suppress(*UNANSWERED):  # what fails here fails again where it is judged
            model.ask(*self.arguments(oracle.images(2), oracle.one_hot(2, classes)))
        part: Part = getattr(model, name)
        return part.parameters()

    def expect_joined(self, model: Model, sizes: Sizes, runs: Callable[[], bool], when: str) -> None:
        """Expect parts that take what the assignment hands to them, where forward runs. Raises Mistake."""

    def in_use(self, name: str) -> Used:
        """Find out which of a part's parameters it uses, none where it computes something else than it should.

        It is asked in a model of its own, since it gets new weights.
        """
        sizes = self.sizes
        x = {
            "encoder": next(iter(self.joins.values()))(oracle.images(4), oracle.one_hot(4, sizes.classes)),
            "decoder": torch.randn(4, sizes.latents + 1 + (sizes.classes if self.name == "CVAE" else 0)),
        }.get(name, torch.randn(4, oracle.H))
        return parameters_in_use(self.student, self.make(sizes.latents + 1, sizes.classes), name, x)

    def mistake(self, when: str, text: str, *lines: str) -> Mistake:
        """Word a mistake of forward's own, with the case that it is about."""
        return Mistake(f"{self.name}.forward{when}: {text}", *lines, *self.explain_rest())

    def explain_rest(self) -> Iterator[str]:
        """Say what the model would learn besides its parts."""
        with contextlib.suppress(*UNANSWERED):
            if self.rest and (names := ", ".join(f"`{name}`" for name in self.rest.get())):
                yield (
                    f"Your {self.name} would learn more than its parts: {names}. When it has, does forward still give "
                    "what its parts give? (It was asked with other numbers there.)"
                )

    def finds_reparametrize(self, error: Missing) -> bool:
        """Find reparametrize under another name, the only one like it: that it has that is charged by its own rows."""
        names = [name for name in error.failure.others if re.search("param|sampl", name.lower())]
        if len(names) != 1 or self.student.names:
            return False
        self.student.names = {"reparametrize": names[0]}
        return True

    def blame(self, error: UnjudgedError, mistake: Mistake | None = None) -> Mistake:
        """Word that a part makes forward impossible to judge, or to compare with parts, where it has this mistake."""
        what = error.part if error.part == "reparametrize" else f"{self.name}.{error.part}"
        row = self.rows.get(error.part, "3.1, 3.2")
        rows = f"rows {row}" if "," in row else f"row {row}"
        if mistake and mistake.lines:
            return Mistake(
                f"{self.name}.forward was looked at as a whole, since there is no {what} ({rows}) to compare it with. "
                "It is not right:",
                *map(Cause, mistake.lines[:1]),
                *mistake.lines[1:],
            )
        return Mistake(f"{self.name}.forward{CONSEQUENCE}{what} ({rows}):", str(error))


class CVAEForward(VAEForward):
    """CVAE.forward(x, c)."""

    name = "CVAE"
    formula = "decoder(z, c), with the z that reparametrize(mu, logvar) draws"
    hint = "The encoder should get the flattened image and the class c side by side, in either order."
    rows = dict.fromkeys(("encoder", *HEADS), "6.1") | {"decoder": "6.2"}
    joins = {  # noqa: RUF012
        "x, c": lambda x, c: torch.cat([x.flatten(1), c.float()], 1),
        "c, x": lambda x, c: torch.cat([c.float(), x.flatten(1)], 1),
    }
    slips = {  # noqa: RUF012
        "the encoder does not get the class c (zeros in its place)": lambda x, c: torch.cat(
            [x.flatten(1), 0 * c.float()], 1
        ),
        "the encoder gets the class's number, not its one-hot vector": lambda x, c: torch.cat(
            [x.flatten(1), c.float().argmax(1, keepdim=True).expand(-1, c.shape[1])], 1
        ),
    }

    def make(self, latents: int, classes: int) -> Model:
        """Make a model."""
        return self.with_places(self.student.CVAE(784, classes, latents))

    def shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """List the shapes of what the parts take, but for the number of images."""
        more = {"encoder": (784 + sizes.classes,), "decoder": (sizes.latents + sizes.classes,)}
        return super().shapes(sizes) | more

    def arguments(self, x: Tensor, c: Tensor) -> list[Tensor]:
        """List forward's arguments."""
        return [x, c]

    def expect_joined(self, model: Model, sizes: Sizes, runs: Callable[[], bool], when: str) -> None:
        """Expect encoder and decoder to take what is joined for them; else forward, which runs, joins something else.

        Raises Mistake.
        """
        pixels, latents, classes = 784, sizes.latents, sizes.classes
        for name, what, size in (("encoder", "image", pixels), ("decoder", "latents", latents)):
            part, due = getattr(model, name), size + classes
            layers = oracle.layers_of(part.parameters())
            taken = layers[0].size_in if layers else due
            if taken == due:
                continue
            part(torch.rand(2, taken))  # raises where it takes something else
            if not runs():
                return
            guesses = {
                f"Is the class not joined to the {what}?": size,
                f"Is the class joined to the {what} twice?": due + classes,
                "Is it the class's number that is joined, not its one-hot vector?": size + 1,
                "Is 10 written into forward? Use num_classes.": size + 10,
                "Is 15 written into forward? Use latent_size.": 15 + classes if name == "decoder" else 0,
                "Is mu, or logvar, joined too?": due + latents,
                "Is the image joined too?": due + pixels,
            }
            raise self.mistake(
                when,
                f"it does not hand {self.name}.{name} the {what} and the class, joined: {size} + {classes} = {due} "
                f"numbers for each image. It runs, though your {name} takes {taken}.",
                *(text for text, number in guesses.items() if number == taken),
            )

    def keep_to(self, join: Join) -> None:
        """Keep to a way to make the encoder's input: a forward must not go now this way, now that."""
        self.joins = {"own": join}

    def to_decoder(self, z: Tensor, c: Tensor) -> Tensor:
        """Join z and c: z first, as the notebook does when it generates."""
        return self.student.join(z, c)

    def joined(self, z: Tensor, c: Tensor) -> Tensor:
        """Join them here."""
        return torch.cat([z, c.float()], 1)

    def latent_slips(self, z: Tensor, c: Tensor) -> dict[str, Tensor]:
        """Make the decoder's input as known slips would."""
        c = c.float()
        number = c.argmax(1, keepdim=True).float().expand(-1, c.shape[1])
        return {
            "z and c are in the wrong order in the decoder's input; z comes first": torch.cat([c, z], 1),
            "the decoder does not get the class c (zeros in its place)": torch.cat([z, 0 * c], 1),
            "the decoder gets the class's number, not its one-hot vector": torch.cat([z, number], 1),
        }
