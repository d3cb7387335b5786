"""A training in words and numbers: how far it is, how it ended, and what the likely cause is."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autograder.fit import Fit
    from autograder.verify import Loss

__all__ = ["Board", "describe", "explain", "record"]

FEW = 25  # steps, the last ones, over which the student's own loss is averaged
CLOSE = (
    0.1  # the difference between losses on training and on test images, and a batch's scatter, lie below it
)
LOSS_ROW = "5.1"


class Board:
    """The line that shows how far both models are."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self.fits: dict[str, Fit] = {}
        self.progress = progress

    def show(self, f: Fit) -> None:
        """Show the line anew; called from two threads."""
        self.fits[f.goal.kind] = f
        if self.progress:
            self.progress(" | ".join(self.describe(g) for g in list(self.fits.values())))

    def describe(self, f: Fit) -> str:
        """Describe one model's state."""
        left = max(0, f.goal.usual - f.steps) * f.training / max(1, f.steps)
        return (
            f"{f.goal.kind} epoch {f.steps / f.goal.epoch:.1f}/{f.goal.steps / f.goal.epoch:.0f}, "
            f"loss {f.losses[-1]:.1f}, verified {f.verified:.1f}, at most {left:.0f} s left"
        )


def describe(f: Fit) -> str:
    """Say how one model's training went."""
    goal, last = f.goal, f"{f.verified:,.1f}"
    done = f"{f.steps:,} steps ({f.steps / goal.epoch:.1f} epochs, {f.seconds:.0f} s)"
    text = {
        "reached": f"the verified loss is {last} after {done}: below {goal.threshold:g}.",
        "not reached": f"the verified loss is still {last} after {done}; expected below {goal.threshold:g}.",
        "stuck": f"the verified loss is {last} after {done} and has not fallen for two epochs.",
        "diverged": f"the verified loss has risen to {last} after {done}.",
        "NaN": f"your loss_function gave no number at step {f.steps}.",
        "broken": f"training broke down at step {f.steps + 1}:\n{f.error}",
        "out of time": f"the time was over after {done}, at a verified loss of {last}.",
        "too slow": f"here it would take about {f.needed:.0f} s, and that is more than there are (--train always).",
        "stopped": f"stopped after {done}, at a verified loss of {last}, because of the other model.",
    }[f.ending]
    asked = f.verifier.asked if f.verifier and f.checks else []
    if asked:
        text += (
            f"\n  Judged by what your code says for {', '.join(asked)}, not by their parameters: "
            "the rows above did not find them right."
        )
    if f.gpu:
        text += f"\n  The GPU could not be used: {f.gpu.partition(chr(10))[0]}"
    return f"{goal.kind}: {text}"


def record(f: Fit) -> dict[str, Any]:
    """Keep the numbers of one model's training."""
    said = [sum(f.losses[max(0, step - 25) : step]) / 25 for step, _ in f.checks if step >= 25]
    return {
        "ending": f.ending,
        "device": f.device,
        "steps": f.steps,
        "seconds": round(f.seconds, 1),
        "training_seconds": round(f.training, 1),
        "verified": [[step, finite(loss.total)] for step, loss in f.checks],
        "said": [finite(value) for value in said],
        "asked": f.verifier.asked if f.verifier and f.checks else [],
    }


def finite(value: float) -> float | None:
    """Round a number for JSON, which has no NaN."""
    return round(value, 2) if abs(value) < inf else None


def explain(fit: Fit, lost: Sequence[str]) -> list[str]:
    """Explain in a line each what the student should look at; nothing where all went well and as it should.

    lost: the numbers of the rows that were not passed and that the model's training rests on
    """
    lines = []
    if fit.ending == "NaN":
        lines.append(why_nan(fit))
    if fit.idle and fit.ending != "reached":
        names = ", ".join(fit.idle[:4]) + (", ..." if fit.idle[4:] else "")
        lines.append(
            f"No gradient reaches {names}: look for detach(), .data, torch.no_grad(), torch.tensor(...), and for "
            "layers that forward does not use."
        )
    lines += compare(fit, lost)
    if fit.ending in ("stuck", "not reached") and fit.checks and fit.checks[-1][1].divergence < 1:
        lines.append(
            "The KL divergence is almost 0: the images leave no trace in z, and the decoder draws the same for all."
        )
    return lines


def why_nan(fit: Fit) -> str:
    """Say where a loss that is no number came from."""
    parameters, mu, logvar, x_hat, largest, white = fit.breakdown
    step = fit.steps
    if not parameters:
        return (
            f"The gradient of step {step - 1} was no number, and then the parameters were none: sqrt(0), log(0) and "
            "0/0 have such gradients, even where their values do no harm."
        )
    if not mu or not logvar:
        return "forward gave a mu or logvar that is no number."
    if not x_hat:
        return f"forward gave an x_hat that is no number. The largest logvar was {largest:.4g}: does exp overflow?"
    return (
        f"mu, logvar and x_hat were numbers (the largest x_hat was {white:.9g}, the largest logvar {largest:.4g}): "
        "loss_function itself made it. log(0) does; F.binary_cross_entropy guards against that."
    )


def compare(fit: Fit, lost: Sequence[str]) -> list[str]:
    """Compare what the student's loss_function said with the right loss, and take the best explained difference.

    Where row 5.1 found loss_function right, the difference comes from what it was given.
    """
    found = []
    for (_, before), (step, now) in zip(fit.checks, fit.checks[1:], strict=False):
        last = fit.losses[:step][-min(FEW, fit.goal.every) :]
        said = sum(last) / len(last)
        low, high = sorted((before.total, now.total))
        if now.total < inf and not low * (1 - CLOSE) <= said <= high * (1 + CLOSE):
            if LOSS_ROW not in lost:
                text = f"Your loss_function, which row {LOSS_ROW} found right, says {said:,.4g} before step {step:,},"
                others = f": see row{'s' * (len(lost) > 1)} {', '.join(lost)}" if lost else ""
                return [f"{text} and the verified loss is {now.total:,.4g} there{others}."]
            text = f"Your loss_function says {said:,.4g} where the right loss is {now.total:,.4g}"
            errors = {cause: abs(said / value - 1) for cause, value in slips(now).items() if value}
            cause = min(errors, key=lambda cause: errors[cause])
            error = errors[cause]
            if error > CLOSE:
                cause = (
                    f"see row {LOSS_ROW}"
                    if said >= 0
                    else "no right loss is negative; a term of it is subtracted"
                )
            found.append((error, f"{text}: {cause}."))
    return [min(found)[1]] if found else []


def slips(loss: Loss) -> dict[str, float]:
    """Give known slips of loss_function and what they make of a loss, for batches of 128 images."""
    bce, kl = loss.reconstruction, loss.divergence
    return {
        "it is not averaged over the batch": 128 * (bce + kl),
        "only the KL divergence is averaged over the batch": 128 * bce + kl,
        "the KL divergence is not averaged over the batch": bce + 128 * kl,
        "the KL divergence is missing": bce,
        "the KL divergence is subtracted": bce - kl,
        "the BCE is averaged over the pixels, not summed": bce / 784 + kl,
        "it is averaged over pixels and latents, not summed": bce / 784 + kl / 15,
        "it is divided by the number of pixels": (bce + kl) / 784,
        "it is divided by the batch size twice": (bce + kl) / 128,
    }
