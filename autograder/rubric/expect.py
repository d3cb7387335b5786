"""Comparisons between what the student's code does and what is right; each failure is worded for the student."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.rubric import oracle
from autograder.student import as_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from autograder.rubric.oracle import Layer
    from autograder.student import Model, Part, Student

__all__ = [
    "Mistake",
    "aligned",
    "as_three",
    "close",
    "difference",
    "expect_count",
    "expect_linear",
    "expect_network",
    "expect_shape",
    "expect_untouched",
    "fail",
    "show",
]

# float32 has 24 bits; errors of sums over 784 products, through four layers, stay below a tenth of this.
TOLERANCE = 3e-5

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "no activation at all": lambda x: x,
    "LeakyReLU with slope 0.01": lambda x: F.leaky_relu(x, 0.01),
    "LeakyReLU with slope 0.001": lambda x: F.leaky_relu(x, 0.001),
    "LeakyReLU with slope 0.1": lambda x: F.leaky_relu(x, 0.1),
    "LeakyReLU with slope 0.2": lambda x: F.leaky_relu(x, 0.2),
    "PReLU or LeakyReLU with slope 0.25": lambda x: F.leaky_relu(x, 0.25),
    "ReLU6": F.relu6,
    "ELU": F.elu,
    "SELU": F.selu,
    "CELU with alpha 0.5": lambda x: F.celu(x, 0.5),
    "GELU": F.gelu,
    "GELU (tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "SiLU": F.silu,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "Hardswish": F.hardswish,
    "Hardtanh": F.hardtanh,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "the absolute value": torch.abs,
    "the square of ReLU": lambda x: F.relu(x) ** 2,
}
ENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "the Sigmoid at the end is missing": lambda x: x,
    "the Sigmoid at the end is applied twice": lambda x: torch.sigmoid(torch.sigmoid(x)),
    "there is a ReLU before the Sigmoid": lambda x: torch.sigmoid(F.relu(x)),
    "there is a Tanh at the end, not a Sigmoid": torch.tanh,
    "there is a scaled Tanh at the end, not a Sigmoid": lambda x: (torch.tanh(x) + 1) / 2,
    "there is a Softmax at the end, not a Sigmoid": lambda x: torch.softmax(x, 1),
    "there is a ReLU at the end, not a Sigmoid": F.relu,
    "there is a Hardsigmoid at the end, not a Sigmoid": F.hardsigmoid,
    "there is a LogSigmoid at the end, not a Sigmoid": F.logsigmoid,
    "the pixels are scaled to -1 ... 1 behind the Sigmoid": lambda x: 2 * torch.sigmoid(x) - 1,
    "the pixels are clamped to 0 ... 1, without a Sigmoid": lambda x: x.clamp(0, 1),
    "the pixels are inverted: 1 - Sigmoid": lambda x: 1 - torch.sigmoid(x),
    "the image is transposed": lambda x: torch.sigmoid(x).view(-1, 28, 28).mT.flatten(1),
}
INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "the images are scaled to -1 ... 1 first": lambda x: 2 * x - 1,
    "the images are divided by 255 first": lambda x: x / 255,
    "the images are transposed first": lambda x: x.view(-1, 28, 28).mT.flatten(1),
    "the input goes through a Sigmoid first": torch.sigmoid,
    "the input goes through a ReLU first": F.relu,
    "the input goes through a Tanh first": torch.tanh,
}


class Mistake(AssertionError):
    """What the student's code does is not what the row asks for."""


def fail(*lines: str) -> Mistake:
    """Word a failure: what is wrong, then where to look and the numbers, a line each."""
    return Mistake("\n".join(line for line in lines if line))


def show(shape: Sequence[int]) -> str:
    """Write a shape as torch does."""
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Compare, relative to the largest expected element (1 at least); NaN is never close."""
    if found.shape != expected.shape:
        return False
    if not found.numel():
        return True
    expected = expected.double()
    return bool((found.double() - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1))


def difference(found: Tensor, expected: Tensor) -> str:
    """Name the element where two tensors differ most."""
    error = (found.double() - expected.double()).abs().nan_to_num(nan=torch.inf)
    place = torch.unravel_index(error.argmax(), error.shape)
    index = ", ".join(str(int(i)) for i in place)
    return f"Largest difference at [{index}]: yours {float(found[place]):.6g}, expected {float(expected[place]):.6g}."


def expect_shape(what: str, found: Tensor, shape: Sequence[int]) -> None:
    """Expect a shape, and numbers that are numbers."""
    if tuple(found.shape) != tuple(shape):
        raise fail(f"{what} has shape {show(found.shape)}; expected {show(shape)}.")
    if not torch.isfinite(found).all():
        raise fail(f"{what} contains {'NaN' if found.isnan().any() else 'infinite values'}.")


def expect_untouched(student: Student, what: str, given: Mapping[str, Tensor]) -> None:
    """Expect that the tensors handed over hold the same numbers as before."""
    for name, tensor in given.items():
        after = student.look(tensor)
        if after.shape != tensor.shape or not torch.equal(after.double(), tensor.double()):
            raise fail(
                f"{what} changed its input {name} in place.",
                "Look for operations whose names end in an underscore, such as exp_(), and for +=, *= and [...] =.",
            )


# -- counts ----------------------------------------------------------------------------------------------------------


def expect_count(part: Part, expected: Sequence[tuple[int, int]]) -> None:
    """Expect as many parameters as fully connected layers of these sizes (in, out) have."""
    parameters = part.parameters()
    if any(p.shape is None for p in parameters):
        raise fail(f"{part.name} has lazy layers, whose sizes are not known before they are used once.")
    counts = [torch.Size(p.shape or ()).numel() for p in parameters]
    found, right = sum(counts), sum((size_in + 1) * size_out for size_in, size_out in expected)
    if found == right:
        return
    layers = oracle.layers_of(parameters)
    lines = [
        f"{part.name} has {found} parameters; expected {right}"
        f" = {' + '.join(f'({i}+1)*{o}' for i, o in expected)}: {found - right:+d}.",
        f"Expected layers: {', '.join(f'Linear({i}, {o})' for i, o in expected)}.",
    ]
    if layers is not None:
        lines.append(f"Your layers:     {oracle.sizes_of(layers)}.")
        lines.append(explain_count(layers, expected))
    else:
        rows = [f"{p.name} {show(p.shape or ())}" for p in parameters[:12]]
        lines.append(f"Your parameters: {', '.join(rows)}.")
        lines.append(explain_odd_parameters([len(p.shape or ()) for p in parameters], [p.name for p in parameters]))
    raise fail(*lines)


def explain_count(layers: Sequence[Layer], expected: Sequence[tuple[int, int]]) -> str:
    """Explain a wrong count of fully connected layers."""
    if len(layers) != len(expected):
        return f"You have {len(layers)} fully connected layers; {len(expected)} are due."
    hidden = {layer.size_out for layer in layers[:-1]} | {layer.size_in for layer in layers[1:]}
    if len(hidden) == 1 and hidden != {oracle.H} and len(layers) > 1:
        return f"Your hidden_dim is {hidden.pop()}; the assignment asks for {oracle.H}."
    for number, (layer, (size_in, size_out)) in enumerate(zip(layers, expected, strict=True), 1):
        if (layer.size_in, layer.size_out) != (size_in, size_out):
            return (
                f"Linear number {number} goes from {layer.size_in} to {layer.size_out}, "
                f"not from {size_in} to {size_out}."
            )
    return ""


def explain_odd_parameters(dimensions: Sequence[int], names: Sequence[str]) -> str:
    """Explain parameters that are no weights and biases of fully connected layers."""
    if 4 in dimensions:  # noqa: PLR2004
        return "There is a convolution among your layers; the assignment asks for fully connected ones."
    matrices, vectors = dimensions.count(2), dimensions.count(1)
    if vectors < matrices:
        return "Some of your fully connected layers have no bias."
    if vectors > matrices:
        return "There are layers beside the fully connected ones: a normalisation, perhaps?"
    return f"Not all of these are weights and biases of fully connected layers: {', '.join(names[:6])}."


# -- behaviour -------------------------------------------------------------------------------------------------------


def expect_linear(student: Student, model: Model, part: Part, size_in: int, size_out: int) -> None:
    """Expect one fully connected layer and nothing more."""
    expect_count(part, [(size_in, size_out)])
    x = torch.randn(6, size_in)
    Behaviour(student, model, part, x, [size_in, size_out], last=False).check()


def expect_network(  # noqa: PLR0913 - a network has so many sides
    student: Student,
    model: Model,
    part: Part,
    x: Tensor,
    layers: int,
    *,
    image: bool = False,
) -> None:
    """Expect a number of fully connected layers with ReLU, computed from the part's own parameters.

    x: what the part is called with
    image: a decoder: no ReLU behind the last layer, but a sigmoid, and the shape of an image
    """
    sizes = [x.flatten(1).shape[1]] + [0] * layers
    Behaviour(student, model, part, x, sizes, last=not image, image=image).check()


class Behaviour:
    """One part's behaviour: weights are drawn, the part is asked, and compared with what it must compute."""

    def __init__(  # noqa: PLR0913
        self,
        student: Student,
        model: Model,
        part: Part,
        x: Tensor,
        sizes: Sequence[int],
        *,
        last: bool,
        image: bool = False,
    ) -> None:
        self.student, self.model, self.part, self.x = student, model, part, x
        self.sizes, self.last, self.image = sizes, last, image
        parameters = part.parameters()
        if any(p.shape is None for p in parameters):  # lazy layers get their shapes from a first call
            part(x)
            parameters = part.parameters()
        layers = oracle.layers_of(parameters)
        if layers is None or len(layers) != len(sizes) - 1:
            have = oracle.sizes_of(layers) if layers is not None else ", ".join(p.name for p in parameters[:12])
            raise fail(
                f"{part.name} should be made of {len(sizes) - 1} fully connected layers; yours has: {have}.",
                "" if layers is not None else explain_odd_parameters(
                    [len(p.shape or ()) for p in parameters], [p.name for p in parameters]
                ),
            )
        self.layers = layers
        self.values = oracle.draw(parameters, 784 if image else None)
        part.assign(self.values)
        self.chain: list[Layer] | None = None

    def check(self) -> None:
        """Compare in training and evaluation mode, for several images and for one."""
        self.model.train()
        self.compare(self.x, "")
        self.check_gradient()
        self.model.eval()
        self.compare(self.x, " in evaluation mode (model.eval())")
        self.compare(self.x[:1], " for a batch of one")
        self.model.train()
        self.compare(self.x[:1], " for a batch of one")

    def ask(self, x: Tensor) -> Tensor:
        """Call the part and expect the right shape."""
        y = self.part(x)
        shape = (len(x), 1, 28, 28) if self.image else (len(x), self.layers_out())
        expect_shape(f"The result of {self.part.name} for an input of shape {show(x.shape)}", y, shape)
        return y

    def layers_out(self) -> int:
        """Return the number of outputs: as wide as the last layer, in a chain that fits."""
        if self.sizes[-1]:
            return self.sizes[-1]
        for chain in oracle.chains(self.layers, self.sizes[0]):
            return chain[-1].size_out
        return self.layers[-1].size_out

    def right(self, x: Tensor, chain: Sequence[Layer]) -> Tensor:
        """Compute what the part must give for x."""
        y = oracle.network(x.flatten(1), chain, self.values, last=self.last)
        return torch.sigmoid(y).view(-1, 1, 28, 28) if self.image else y

    def compare(self, x: Tensor, when: str) -> None:
        """Ask for x and compare."""
        y = self.ask(x)
        chains = [self.chain] if self.chain else list(oracle.chains(self.layers, self.sizes[0]))
        for chain in chains:
            if close(y, self.right(x, chain)):
                self.chain = chain
                return
        if not chains:
            raise fail(f"The layers of {self.part.name} do not fit together: {oracle.sizes_of(self.layers)}.")
        raise fail(
            f"{self.part.name} computes something else than {self.describe()}{when}.",
            *self.diagnose(x, y, chains[0]),
            difference(y, self.right(x, chains[0])),
        )

    def describe(self) -> str:
        """Say what the part should be."""
        if len(self.layers) == 1:
            return "one Linear and nothing more"
        if self.image:
            return f"{len(self.layers) - 1} times Linear and ReLU, Linear, Sigmoid"
        return f"{len(self.layers)} times Linear and ReLU"

    def diagnose(self, x: Tensor, y: Tensor, chain: Sequence[Layer]) -> list[str]:
        """Name the slips that would give just this result."""
        again = self.part(x)
        if not close(again, y):
            return ["It gives other values when it is asked again: is there dropout, or other noise?"]
        if len(x) > 1 and not close(self.part(x[:1]), y[:1]):
            return ["An image's result depends on the other images in the batch: is there batch normalisation?"]
        y = y.flatten(1)
        return [f"It looks as if {text}." for text, slip in self.slips(x.flatten(1), chain) if close(y, slip)][:3]

    def slips(self, x: Tensor, chain: Sequence[Layer]) -> Iterator[tuple[str, Tensor]]:
        """Give known slips with their results."""
        end = torch.sigmoid if self.image else (lambda v: v)
        places = len(chain) if not self.image else len(chain) - 1
        if len(chain) == 1:
            for name, activation in ACTIVATIONS.items():
                yield f"{name} followed the Linear", activation(oracle.network(x, chain, self.values))
            yield "exp followed the Linear", oracle.network(x, chain, self.values).exp()
        else:
            yield from self.activation_slips(x, chain, places, end)
        for number in range(len(chain)):
            values = list(self.values)
            values[chain[number].bias] = torch.zeros_like(values[chain[number].bias])
            yield f"the bias of Linear number {number + 1} were not used", end(
                oracle.network(x, chain, values, last=self.last)
            )
        for name, change in INPUTS.items():
            if x.shape[1] == 784 or "image" not in name:
                yield name, end(oracle.network(change(x.double()), chain, self.values, last=self.last))
        if self.image:
            for name, other in ENDS.items():
                yield name, other(oracle.network(x, chain, self.values))

    def activation_slips(
        self, x: Tensor, chain: Sequence[Layer], places: int, end: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Give the results of another activation in some of the places."""
        for size in range(places, 0, -1):
            for where in itertools.combinations(range(places), size):
                for name, activation in ACTIVATIONS.items():
                    acts = iter([activation if i in where else F.relu for i in range(len(chain))])
                    text = f"{name} took the place of ReLU"
                    if name.startswith("no ") and size < places:
                        text = "the ReLU were missing"
                    if size < places:
                        text += " behind Linear number " + " and ".join(str(i + 1) for i in where)
                    y = oracle.network(x, chain, self.values, lambda v, a=acts: next(a)(v), last=self.last)  # type: ignore[misc]
                    yield text, end(y)

    def check_gradient(self) -> None:
        """Expect gradients at every layer, pointing the right way.

        Coarsely: where a unit is within rounding of zero, ReLU's gradient in float32 may differ from the right one.
        """
        chain = self.chain or self.layers
        values = [value.double().requires_grad_() for value in self.values]
        y = self.part(self.x)
        direction = torch.randn(y.shape)
        found = self.student.gradients([(y, direction)], [self.part])[0]
        right = oracle.network(self.x.flatten(1), chain, values, last=self.last)
        right = torch.sigmoid(right) if self.image else right
        (right * direction.flatten(1).double()).sum().backward()
        biases = [i for i, value in enumerate(values) if value.dim() == 1]
        for number, (i, gradient) in enumerate(zip(biases, found, strict=True), 1):
            expected = values[i].grad
            if gradient is None or not gradient.any():
                raise fail(
                    f"No gradient reaches Linear number {number} of {self.part.name}, so it would not learn.",
                    "Look for detach(), .data, torch.no_grad() and requires_grad.",
                )
            if expected is not None and not aligned(gradient, expected):
                raise fail(f"The gradient at Linear number {number} of {self.part.name} is not the right one.")


def aligned(found: Tensor, expected: Tensor) -> bool:
    """Tell whether two gradients agree in direction and length, within a tenth."""
    if found.shape != expected.shape:
        return False
    found, expected = found.double(), expected.double()
    return bool((found - expected).norm() <= 0.1 * expected.norm())


def as_three(value: Any, what: str) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
    """Expect (x_hat, mu, logvar)."""
    names = ("x_hat", "mu", "logvar")
    if not isinstance(value, list) or len(value) != len(names):
        kind = f"{len(value)} values" if isinstance(value, list) else "one tensor" if isinstance(value, Tensor) else value
        raise fail(f"{what} returned {kind}; expected three tensors: x_hat, mu, logvar.")
    x_hat, mu, logvar = (as_tensor(v, f"{what}, in place of {n},") for v, n in zip(value, names, strict=True))
    return x_hat, mu, logvar
