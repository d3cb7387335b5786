"""Where a model has its parts, if not under the assignment's names: that is charged by the parts' own rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autograder.outcome import PARTS, UNANSWERED, Missing, Unfinished
from autograder.rubric import oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.part import Model, Path

__all__ = ["HEADS", "find_places"]

# What students call them.
ALIKE = {"encoder": "enc", "mu_layer": "mu|mean", "logvar_layer": "log|lv|var|sig|std", "decoder": "dec"}
HEADS = ("mu_layer", "logvar_layer")


def find_places(model: Model, latents: int) -> dict[str, Path]:
    """Find the parts that are missing elsewhere in a model; none where not all are found.

    latents: how many the model has
    """
    others = missing_from(model)
    places: dict[str, Path] = {}
    for head in set(HEADS) & others.keys():
        if fused := find_fused(model, [*HEADS, *others[head]], latents):
            places = {name: [fused, half] for half, name in enumerate(HEADS)}
    for part in others.keys() - places.keys():
        fitting = [name for name in others[part] if re.search(ALIKE[part], name.lower())]
        if len(fitting) != 1:
            return {}
        places[part] = [*fitting]
    return places


def missing_from(model: Model) -> dict[str, list[str]]:
    """List the parts that a model does not have, with the names of its layers that are none of the parts."""
    missing = {}
    for part in PARTS:
        try:
            getattr(model, part).parameters()
        except (Missing, Unfinished) as error:
            missing[part] = [name for name in error.failure.others if name not in PARTS]
        except UNANSWERED:
            continue
    return missing


def find_fused(model: Model, others: Sequence[str], latents: int) -> str:
    """Find the one layer that gives mu and logvar side by side; "" where there is none, or another number of them."""
    fused = []
    for name in others:
        try:
            parameters = model.with_parts({"mu_layer": [name]}).mu_layer.parameters()
        except UNANSWERED:
            continue
        sizes = [(layer.size_in, layer.size_out) for layer in oracle.layers_of(parameters)]
        if sizes == [(oracle.H, 2 * latents)]:
            fused.append(name)
    return fused[0] if len(fused) == 1 else ""
