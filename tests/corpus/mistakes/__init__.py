"""Single mistakes: submissions that are wrong in one place, with the rows that the place costs."""

from corpus import layouts
from corpus.mistakes import (
    cvae,
    decoder,
    encoder,
    files,
    forward,
    functions,
    loss,
    reparametrize,
    unassigned,
)

__all__ = ["MISTAKES"]

MISTAKES = [
    *encoder.MISTAKES,
    *decoder.MISTAKES,
    *reparametrize.MISTAKES,
    *forward.MISTAKES,
    *loss.MISTAKES,
    *cvae.MISTAKES,
    *files.MISTAKES,
    *functions.MISTAKES,
    *unassigned.MISTAKES,
    *layouts.MISTAKES,
]
