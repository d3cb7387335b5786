"""The student's models in the worker: made, and given weights, quickly."""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from autograder import weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Half", "Models"]

REST = 0.5  # standard deviation of what is learned besides the parts


class Models:
    """All models that were made, by their numbers."""

    def __init__(self) -> None:
        """Hold none yet."""
        self.made: list[Any] = []
        self.plain: dict[str, bool] = {}  # whether the models of a class do not depend on their first weights
        self.bare: dict[int | None, list[nn.Linear]] = {}  # layers that have no weights yet, by model
        self.filled: set[int] = set()  # ids of parameters that were given some
        # Ids of parameters, by model, until other code could change them.
        self.registered: dict[int, set[int]] = {}

    def __getitem__(self, number: int) -> Any:
        """Return a model."""
        return self.made[number]

    def make(self, make: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> int:
        """Make a model; returns its number.

        Named arguments go by name where the student kept the name, else by position.
        """
        known: Mapping[str, inspect.Parameter] = {}
        with contextlib.suppress(TypeError, ValueError):
            known = inspect.signature(make).parameters
        kinds = [p.kind for p in known.values()]
        places = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
        # Where there is a place for each, **kwargs would only swallow what has another name there.
        open_ended = inspect.Parameter.VAR_KEYWORD in kinds and places < len(args) + len(named)
        by_name = open_ended or all(key in known for key in named)
        self.made.append(make(*args, **named) if by_name else make(*args, *named.values()))
        return len(self.made) - 1

    def make_quickly(
        self, name: str, make: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> int:
        """Make a model that gets other weights before anything is asked of it. name: of its class."""
        late = self.plain.get(name, False)
        try:
            with weights.quick_start(late=late) as layers:
                number = self.make(make, args, named)
        except Exception:  # noqa: BLE001 - some check their first weights, and raise what they like
            return self.make(make, args, named)
        if late:
            self.bare[number] = layers
        self.plain[name] = weights.is_plain(self.made[number], layers)
        return number

    def start(self, number: int | None) -> None:
        """Give those of a model's layers that still have none their first weights."""
        for layer in self.bare.pop(number, ()):
            weights.start(layer, self.filled)

    def change(self) -> None:
        """Take note that other code runs, which may change what parameters there are."""
        self.registered = {}

    def parameters(self, number: int, part: nn.Module) -> list[tuple[str, Tensor]]:
        """List a part's parameters that its model has too: no optimizer would know of others."""
        whole, listed = self.made[number], weights.listed(part)
        if not isinstance(whole, nn.Module):
            return listed
        # A part that is a property may make what it returns.
        if not {id(parameter) for _, parameter in listed} <= self.registered.get(number, set()):
            self.registered[number] = {id(parameter) for _, parameter in weights.registered(whole)}
        return [(name, parameter) for name, parameter in listed if id(parameter) in self.registered[number]]

    def assign(self, number: int, part: nn.Module, values: Sequence[Tensor | None]) -> None:
        """Give a part's parameters new values, but for those where there is none."""
        parameters = [parameter for _, parameter in self.parameters(number, part)]
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=True):
                if value is not None:
                    parameter.copy_(value)
        self.filled.update(map(id, parameters))

    def draw_rest(self, number: int, parts: Sequence[nn.Module], seed: int) -> list[str]:
        """Draw the parameters anew that a model would learn and that are in none of its parts; returns their names.

        What is as good as not there, a skip that begins with a factor of 0, is not when it has learned.
        """
        whole = self.made[number]
        if not isinstance(whole, nn.Module):
            return []
        own = {id(parameter) for part in parts for _, parameter in weights.registered(part)}
        rest = [
            (name, parameter)
            for name, parameter in weights.listed(whole)
            if parameter.requires_grad and id(parameter) not in own and not weights.is_lazy(parameter)
        ]
        weights.fill([parameter for _, parameter in rest], [REST] * len(rest), seed)
        self.filled.update(id(parameter) for _, parameter in rest)
        return [name[:100] for name, _ in rest]

    def draw(self, number: int, part: nn.Module, scales: Sequence[float], seed: int) -> None:
        """Draw a part's parameters anew, normal with these standard deviations."""
        parameters = [parameter for _, parameter in self.parameters(number, part)]
        weights.fill(parameters, scales, seed)
        self.filled.update(map(id, parameters))


class Half(nn.Module):
    """The first (0) or the second half (1) of what a layer gives: some let one layer give mu and logvar."""

    def __init__(self, layer: Any, which: int) -> None:
        """Hold the layer, whose parameters are those of both halves."""
        super().__init__()
        self.layer = layer
        self.which = which

    def forward(self, x: Tensor) -> Tensor:
        """Return half of it, (N, Z), for x (N, *)."""
        both: Tensor = self.layer(x)
        return both.chunk(2, dim=1)[self.which]
