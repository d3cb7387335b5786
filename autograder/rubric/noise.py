"""Whether noise is standard normal and fresh: statistics of large draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autograder.rubric.expect import close, expect_shape, show
from autograder.rubric.mistake import Mistake
from autograder.rubric.oracle import any_number
from autograder.wording import counted

if TYPE_CHECKING:
    from autograder.student import Student

__all__ = [
    "correlation",
    "expect_fresh",
    "expect_moments",
    "expect_no_trace",
    "expect_own_spread",
    "expect_standard_normal",
    "expect_unbound",
]

# Each statistic below is within 7 standard errors for right noise but for one draw in 10^11.
ERRORS = 7.0
FEW = (1, 20)  # whose noise brings torch's generator to where it is known
SAME = 0.9  # a correlation that noise which comes back, or is mirrored, has where it does
REPEATED = 0.3  # a correlation that noise which repeats, or is mirrored, has at least


def expect_standard_normal(student: Student) -> None:
    """Expect eps = (z - mu) / sigma to be standard normal, and independent over rows, columns and calls.

    What is torch's own noise, number by number, is right in all respects: there few numbers will do.
    """
    rows, columns = (
        2 * any_number(525, 550),
        2 * any_number(60, 65),
    )  # even: some halve the batch where they can
    if all(is_torchs(student, shape) for shape in ((rows, any_number(3, 5)), (any_number(3, 5), columns))):
        return
    draws = draw_twice(student, (rows, columns))
    eps = torch.cat(draws)
    expect_fresh(eps)
    expect_moments(eps, "The noise, (z - mu) / sigma, should be standard normal")
    expect_shares(eps)
    expect_unrelated(*draws)
    for draw in draws:
        expect_everywhere(draw)


def is_torchs(student: Student, shape: tuple[int, int]) -> bool:
    """Tell whether the noise of two calls in a row is what torch.randn gives."""
    seed, few = any_number(1, 2**31 - 1), torch.zeros(FEW)
    student.reparametrize_later(few, few, seed=seed)  # so it is known what torch gives from here on
    found = draw_twice(student, shape)
    generator = torch.Generator().manual_seed(seed)
    _, *noise = (torch.randn(size, generator=generator) for size in (FEW, shape, shape))
    return all(bool((eps - due).abs().max() <= 1e-3) for eps, due in zip(found, noise, strict=True))


def draw_twice(student: Student, shape: tuple[int, int]) -> list[Tensor]:
    """Return eps (N, Z) of two calls for the same mu and logvar, which are no small ones."""
    mu, logvar = 5 * torch.randn(shape), 12 * torch.rand(shape) - 6
    held = [student.put(tensor, like="data") for tensor in (mu, logvar)]  # they may be large
    z, again = (answer.get() for answer in [student.reparametrize_later(*held) for _ in range(2)])
    for found in (z, again):
        expect_shape(f"z for mu and logvar of shape {show(shape)}", found, shape)
    if close(z, again):
        raise Mistake(
            "Two calls of reparametrize give the same z: the noise must be drawn afresh in every call."
        )
    # In float32, in which z came: that rounds as much as mu + sigma * eps did, 1e-4 of eps at most.
    scale = torch.exp(-logvar / 2)
    return [(found.float() - mu) * scale for found in (z, again)]


def expect_moments(eps: Tensor, what: str) -> None:
    """Expect the first four moments of N(0, 1)."""
    n, squares = eps.numel(), eps * eps
    # The variances of x, x^2, x^3 and x^4 for a standard normal x are 1, 2, 15 and 96.
    for name, powers, expected, variance in (
        ("mean", eps, 0.0, 1.0),
        ("variance", squares, 1.0, 2.0),
        ("third moment", squares * eps, 0.0, 15.0),
        ("fourth moment", squares * squares, 3.0, 96.0),
    ):
        found = float(powers.mean())
        if not abs(found - expected) <= ERRORS * math.sqrt(variance / n):
            # Fourth moment by variance squared: 3 for a normal distribution, 1.8 for a uniform one, 1 for a number.
            uniform = 1.6 < float((squares * squares).mean() / squares.mean() ** 2) < 2
            raise Mistake(
                f"{what}; the {name} of {n} draws is {found:.3f}, expected {expected:.3f}.",
                f"Their standard deviation is {float(eps.std()):.3f}, their mean {float(eps.mean()):.3f}.",
                "The noise seems to be uniform, not normal: rand in place of randn?" if uniform else "",
            )


def expect_shares(eps: Tensor) -> None:
    """Expect as many draws below each of some bounds as N(0, 1) has: moments alone can be right by design."""
    n = eps.numel()
    for bound in (-2.5, -1.7, -1.1, -0.6, -0.2, 0.2, 0.6, 1.1, 1.7, 2.5):
        due = 0.5 * (1 + math.erf(bound / math.sqrt(2)))
        found = int((eps < bound).count_nonzero()) / n
        if not abs(found - due) <= ERRORS * math.sqrt(due * (1 - due) / n):
            raise Mistake(
                f"The noise, (z - mu) / sigma, is not normal: {found:.2%} of {n} draws are below {bound}; "
                f"expected {due:.2%}.",
                "Draw eps with torch.randn, randn_like or normal.",
            )
    # Of so many draws, one in 10,000 is beyond 3.9: none at all once in 10^10. On one side, of 3.5, once in 10^25.
    low, high = float(eps.min()), float(eps.max())
    for end, found in ((3.9, max(-low, high)), (-3.5, -low), (3.5, high)):
        if n > 250_000 and not found > abs(end):
            side = f"below {end}" if end < 0 else f"beyond {end}"
            raise Mistake(f"The noise, (z - mu) / sigma, is cut off: none of {n} draws is {side}.")


def expect_unbound(eps: Tensor) -> None:
    """Expect that the noise of a batch was not brought to mean 0 or to one size, nor rounded.

    eps: (N, Z), 250 numbers at least
    """
    # Of right noise one mean of 5 to 70 numbers is below 1e-5 once in 20,000 draws; five in a row once in 10^21.
    # That five sizes differ by 1e-5 of themselves at most is as rare: once in 10^17.
    for where, means, sizes in (
        ("row", eps.mean(1), eps.norm(dim=1)),
        ("column", eps.mean(0), eps.norm(dim=0)),
    ):
        shared = ""
        if float(means.abs().max()) < 1e-5:
            shared = "mean 0"
        elif float(sizes.max() - sizes.min()) < 1e-5 * float(sizes.max()):
            shared = "the same size"
        if shared:
            raise Mistake(
                f"The noise has {shared} in each {where} of the batch: its numbers depend on each other.",
                "Use what torch.randn gives as it is.",
            )
    if abs(float(eps.mean())) < 1e-6 and abs(float(eps.std()) - 1) < 1e-6:
        raise Mistake(
            "The noise of a batch has mean 0 and standard deviation 1 exactly: its numbers depend on each other.",
            "Use what torch.randn gives as it is.",
        )
    # Of 630 right float32 numbers hardly any two are the same, and so few different ones come never.
    if (different := len(eps.unique())) < 0.9 * eps.numel():
        raise Mistake(
            f"The noise has only {different} different values among {eps.numel()}: is it rounded, or half precision?"
        )


def correlation(one: Tensor, other: Tensor) -> float:
    """Return the correlation of two draws of noise, whose means are 0."""
    one, other = one.double(), other.double()
    return float((one * other).sum() / (one.norm() * other.norm()))


def expect_unrelated(one: Tensor, other: Tensor) -> None:
    """Expect the noise of two calls to have nothing to do with each other, its sizes included.

    one, other: (N, Z)
    """
    n = one.numel()
    for this, that, deviation in ((one, other, 1.0), (one.square() - 1, other.square() - 1, 2.0)):
        # Products of independent numbers add up to 0, within 8 standard errors but for one pair in 10^14.
        if not abs(float((this * that).mean())) <= 8 * deviation / math.sqrt(n):
            raise Mistake(
                "Two calls of reparametrize give related noise: it must be drawn afresh in every call."
            )


def expect_fresh(eps: Tensor) -> None:
    """Expect no number to come back, at whatever distance: the autocorrelation of the draw, row after row.

    eps: (N, Z)
    """
    flat = (eps - eps.mean()).flatten()
    if not float(flat.abs().max()) > 0:
        raise Mistake("z is not random: it has the same noise, or none, in every element.")
    n, length = flat.numel(), smooth(flat.numel())
    # Round the end and on from the beginning: what repeats after d elements shows at d, or at the rest of the circle.
    spectrum = torch.fft.rfft(flat.float(), length)
    powers = torch.view_as_real(spectrum).square().sum(-1)
    found = torch.fft.irfft(powers, length)[1 : length // 2 + 1] / (flat @ flat)
    worst = int(found.abs().argmax())
    # Right noise stays within 8.5 / sqrt(n) at all n distances, but for one draw in 10^11.
    if not float(found.abs()[worst]) <= 8.5 / math.sqrt(n):
        if float(found.abs()[worst]) < REPEATED:  # a few numbers far out may look like it
            expect_moments(eps, "The noise, (z - mu) / sigma, should be standard normal")
        if any(float((eps.diff(dim=dim) > 0).double().mean()) > 0.95 for dim in (0, 1)):
            raise Mistake(
                "The noise is sorted: its numbers depend on each other.",
                "Use what torch.randn gives as it is.",
            )
        distance = max(
            worst + 1, length - worst - 1, key=lambda d: float((flat[d:] @ flat[: max(0, n - d)]).abs())
        )
        raise Mistake(
            f"The noise is not drawn afresh for every element: {way_back(flat.view_as(eps), distance)}.",
            "Draw eps with the shape of mu.",
        )


def relation(eps: Tensor, distance: int) -> float:
    """Return the correlation of noise with itself so many elements further, (N, Z); within a row, if it is nearer."""
    if distance < eps.shape[1]:
        return correlation(eps[:, distance:], eps[:, :-distance])
    flat = eps.flatten()
    return correlation(flat[distance:], flat[:-distance]) if distance < len(flat) else 0.0


def way_back(eps: Tensor, distance: int) -> str:
    """Say what comes back after so many elements, row after row, and to which part where that is not all.

    eps: (N, Z)
    """
    rows, rest = divmod(distance, eps.shape[1])
    if rest and not rows:
        apart = "the latents of an image" if distance == 1 else f"latents {distance} columns apart"
        where = f"the latents of an image get the same noise, or it repeats after {distance} columns"
    else:
        apart = f"numbers {distance} elements apart" if rest else f"images {rows} rows apart"
        where = f"the noise repeats after {counted(distance, 'element') if rest else counted(rows, 'row')}"
        if distance == eps.shape[1]:
            apart, where = "images next to each other", "all images of a batch (rows) get the same noise"
    # Two calls stand one below the other, and what comes back may do so within one of them only.
    related = max((relation(part, distance) for part in (eps, eps[: len(eps) // 2])), key=abs)
    if related <= -SAME:
        where += ", with the opposite sign"
    return where if abs(related) >= SAME else f"{apart} have noise with a correlation of {related:.2f}"


def expect_no_trace(eps: Tensor, mu: Tensor) -> None:
    """Expect noise of a usual size in which mu has left no trace, for however few images.

    eps, mu: (N, Z), together of 120 numbers at least
    """
    # Right noise leaves the first bounds once in 10^14 draws of 120 numbers, the second once in 10^16 of any number.
    size = float((eps * eps).mean())
    apart = mu - mu.mean()
    trace = float((eps * apart).sum() / apart.norm())
    if not 0.3 <= size <= 2.4 or not abs(trace) <= 8.5:
        what = f"For {len(eps)} images, (z - mu) / sigma is no standard normal noise"
        if 0.3 <= size <= 2.4:
            raise Mistake(f"{what}: it depends on mu, so z does not come from mu and logvar.")
        raise Mistake(
            f"{what}: its standard deviation is {math.sqrt(size):.3f}; expected about 1.",
            "Is z, or x_hat, the mean of several draws?" if size < 1 else "",
        )


def expect_own_spread(eps: Tensor, logvar: Tensor) -> None:
    """Expect the size of an image's noise to be no larger or smaller where its own logvar is.

    eps, logvar: (N, Z), with N of 2,000 at least
    """
    apart = logvar - logvar.mean(0)
    trace = float(((eps * eps - 1) * apart).sum() / (math.sqrt(2) * apart.norm()))
    # Right noise leaves this bound once in 10^14 draws; the logvar of another image, or of all, gives 17.
    if not abs(trace) <= 9:
        raise Mistake(
            "z is not drawn with the logvar of its own image: is it another's, or the batch's mean?"
        )


def expect_everywhere(eps: Tensor) -> None:
    """Expect noise of standard deviation 1 in each row and column, not only over all.

    eps: (N, Z)
    """
    squares = eps * eps
    # Of right noise, sums of squares over 120 latents or 1000 images leave these bounds once in 10^10 draws.
    for which, sums, low, high in (
        ("row (image)", squares.mean(1), 0.3, 2.4),
        ("column (latent)", squares.mean(0), 0.7, 1.35),
    ):
        odd = (~((sums >= low) & (sums <= high))).nonzero().flatten().tolist()
        if odd and len(odd) < len(sums) // 2:
            at = f"{which} {odd[0]}" + (f" and {len(odd) - 1} more" if len(odd) > 1 else "")
            spread = math.sqrt(float(sums[odd[0]]))
            raise Mistake(
                f"(z - mu) / sigma should be standard normal noise; in {at} its standard deviation is {spread:.3f}."
            )


def smooth(number: int) -> int:
    """Return the next number that has no prime factors but 2, 3 and 5: a Fourier transform of that length is fast."""
    while True:
        rest = number
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return number
        number += 1
