"""Whether a model's forward is the composition of its own parts, right or wrong: rows 4.1 and 6.3.

A mistake inside a part is charged by the part's own row. So forward is not compared with the right result but with
what the student's own parts give, called one by one under the same seed. Where the noise does not follow the seed
(another generator, or drawn image by image), it is recovered from x_hat through a decoder that hands it on, and
judged by its distribution.

Most forwards are right, and so are their parts. So they are compared with what the weights give first (ideal.py).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from autograder.endings import Ended
from autograder.outcome import UNANSWERED
from autograder.rubric import oracle
from autograder.rubric.alone import ask_before
from autograder.rubric.case import Case, Setting
from autograder.rubric.forwards import UnjudgedError
from autograder.rubric.ideal import Ideal
from autograder.rubric.mistake import Mistake
from autograder.rubric.stretch import stretch
from autograder.rubric.whole import expect_right_as_a_whole

if TYPE_CHECKING:
    from torch import Tensor

    from autograder.part import Model
    from autograder.rubric.forwards import VAEForward
    from autograder.rubric.oracle import Sizes

    Three = tuple[Tensor, Tensor, Tensor]

__all__ = ["expect_composition"]

NEXT = 3  # the case of one image more than in the first


def expect_composition(forward: VAEForward) -> None:
    """Compare forward with the composition of its parts in every case. Raises Mistake."""
    try:
        expect_each(forward)
    finally:
        forward.student.names = {}  # in its own rows reparametrize has its own name


def expect_each(forward: VAEForward) -> None:
    """Compare them in one case after the other. Raises Mistake."""
    notebook, other = oracle.Sizes(), forward.sizes
    few = oracle.any_number(2, 7)
    several = 2 * oracle.any_number(4, 6) + 1 - few % 2  # an even number and an odd one
    settings = (
        Setting(notebook, few, training=False, dtype=torch.float32),
        Setting(notebook, oracle.any_number(129, 136), training=True, dtype=torch.int64, crowd=True),
        Setting(notebook, 1, training=False, dtype=torch.int64, again=True),
        # Gradients are for training: in evaluation mode one may do without.
        Setting(notebook, few + 1, training=True, dtype=torch.float32, learning=True),  # that is NEXT
        Setting(other, several, training=True, dtype=torch.int64, learning=True, again=True),
        Setting(other, 1, training=True, dtype=torch.float32, stretched=True),
    )
    models: dict[Sizes, Model] = {}
    unjudged: UnjudgedError | None = None
    for i, setting in enumerate(settings):
        try:
            # By turns its parts are asked first, and forward: neither may give back what the other was asked.
            judge(forward, models, setting, forward_first=i % 2 == 1)
        except UnjudgedError as error:
            # Other sizes, one image or many may be what a part cannot do, and its own row charges; the first it must.
            if i == 0:
                if can_be_helped(forward, error):
                    expect_each(forward)
                    return
                expect_right_as_a_whole(forward, error)
                return
            # One size may fit by chance, such as 3 images for a z of 3 rows: the next one must be judged, too.
            if i == NEXT and not error.changes:
                expect_judged(forward, models, replace(setting, training=False, learning=False))
            unjudged = unjudged or error
        except Ended:  # most likely the time is over, which that part has used up
            if unjudged:
                raise forward.blame(unjudged) from None
            raise
    for model in models.values():
        model.forward_is_right = forward.ideal and not unjudged


def expect_judged(forward: VAEForward, models: dict[Sizes, Model], setting: Setting) -> None:
    """Expect parts that give something to compare with in a case, whatever comes of the comparison. Raises Mistake."""
    try:
        judge(forward, models, setting, forward_first=False)
    except UnjudgedError as error:
        if not error.changes:
            raise forward.blame(error) from None
    except Mistake:
        pass


def judge(forward: VAEForward, models: dict[Sizes, Model], setting: Setting, *, forward_first: bool) -> None:
    """Compare forward with what the weights give, and where that is something else, with what its parts give.

    models: those that have weights, by their sizes
    """
    x = oracle.images(setting.number, white=setting.crowd)  # in one case: in the others x.max() is not 1
    c = oracle.one_hot(setting.number, setting.sizes.classes).to(setting.dtype)
    seed = int(torch.randint(1, 2**31, ()))  # the same for both: so is what depends on chance
    new = setting.sizes not in models
    before: Three | Exception | None = None
    if forward.ideal:
        ideal = Ideal(forward, prepare(forward, models, setting, x, c), (x, c), setting, seed)
        forward.ideal, before = ideal.judge(), ideal.answer
    if not forward.ideal:
        model = prepare(forward, models, setting, x, c)
        # A model's very first call may draw more than noise, where it makes something then.
        unlike = setting.stretched or (new and not isinstance(before, Exception))  # or other weights
        Case(forward, model, (x, c), setting, seed).check(
            None if unlike else before, forward_first=forward_first
        )


def can_be_helped(forward: VAEForward, error: UnjudgedError) -> bool:
    """Tell whether a part would give something to compare with under another name, or with smaller weights."""
    if error.excess > 0 and forward.shrunk == 1:  # that features are too large is the encoder's own
        forward.shrunk = error.excess
        return True
    with contextlib.suppress(Ended):  # the time may be over
        return not forward.places and forward.find_parts()
    return False


def prepare(forward: VAEForward, models: dict[Sizes, Model], setting: Setting, x: Tensor, c: Tensor) -> Model:
    """Return a model for a case: made or made already, with weights, in the case's mode.

    models: those that have weights, by their sizes; x, c: the case's images and their classes
    """
    sizes = setting.sizes
    model = forward.make(sizes.latents, sizes.classes)
    if models.get(sizes) is not model:  # the first time, or again behind a worker that ended
        models[sizes] = forward.furnish(model, sizes.classes)
        if forward.ideal:
            ask_before(models[sizes], forward.shapes(sizes))
        elif not forward.student.has_ended():
            with contextlib.suppress(*UNANSWERED):  # what it makes in its first call, it may draw
                model.ask(*forward.arguments(oracle.images(2), oracle.one_hot(2, sizes.classes)))
    model.train(setting.training)
    if setting.stretched:
        stretch(forward, model, x, c, sizes.latents)
    return model
