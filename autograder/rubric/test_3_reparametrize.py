"""3. Reparametrization (2 points): z = mu + sigma * eps, with eps ~ N(0, 1) drawn afresh each time."""

import math

import numpy as np
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.expect import (
    TOLERANCE,
    Mistake,
    close,
    expect_shape,
    expect_untouched,
    fail,
    noting,
    raise_all,
    show,
)
from autograder.rubric.noise import (
    expect_fresh,
    expect_moments,
    expect_standard_normal,
    expect_unbound,
    formula_slips,
    multiple_of,
    same,
)
from autograder.rubric.oracle import any_number

# Three roundings of numbers below 16, in float32: however z is computed, its mean and deviation are within this.
ROUNDING = 3e-6


@number("3.1")
@weight(1)
def test_seeded_statistics(student):
    """With torch's generator seeded, z has the notebook's mean and standard deviation

    To see it in your notebook:

        torch.manual_seed(0)
        z = reparametrize(torch.zeros(1, 15), torch.ones(1, 15))
        print(z.mean().item(), z.std().item())  # expected: -0.4363, 1.6860
    """
    mu = torch.zeros(1, 15)
    for seed in (0, *torch.randint(1, 2**31, (any_number(5, 9),)).tolist()):
        value = 1.0 if seed == 0 else 0.5 + float(torch.rand(()))
        logvar = torch.full((1, 15), value)
        given = f"After torch.manual_seed({seed}), for mu = 0 and logvar = {value:.4g}, z has"
        z = student.reparametrize(mu, logvar, seed=seed)
        expect_shape("z for mu and logvar of shape (1, 15)", z, (1, 15), dtype=None)
        eps = drawn((1, 15), seed)
        z, right = z.double(), torch.exp(logvar / 2).double() * eps
        for name, statistic in (("mean", torch.mean), ("standard deviation", torch.std)):
            found, expected = float(statistic(z)), float(statistic(right))
            # The notebook's relative error; near zero, rounding alone may exceed it.
            if not abs(found - expected) <= 1e-4 * (abs(found) + abs(expected)) + ROUNDING:
                raise fail(
                    f"{given} the {name} {found:.4f}; expected {expected:.4f}.",
                    *(
                        confirmed_slips(student, z, eps, seed, logvar)
                        or kept_noise(student, z, mu, logvar)
                        or wrong_size(student, z, eps, seed, logvar)
                        or other_noise(student, z, seed, logvar)
                    ),
                )
        if not close(z.flatten().sort().values, right.flatten().sort().values, 1e-4):
            raise fail(f"{given} the right mean and deviation, but not the right numbers.")


def kept_noise(student, z, mu, logvar):
    """Tell where another seed changes nothing."""
    if close(student.reparametrize(mu, logvar, seed=any_number(1, 2**31 - 1)), z):
        return ["z is the same for every seed: it is not random, or its noise is drawn once and kept."]
    return []


def drawn(shape, seed):
    """Draw the noise that torch.randn gives under this seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def confirmed_slips(student, z, eps, seed, logvar):
    """Name known slips where torch draws the noise eps and mu is 0.

    For one logvar many formulas agree: a slip must give what comes of others, too, with the same noise.
    """
    zero, mu, others = torch.zeros_like(logvar), torch.randn(1, 15), 2 * torch.randn(1, 15)
    again = student.reparametrize(mu, others, seed=seed)
    confirming = formula_slips(mu, others, eps)
    return [
        f"{text[0].upper()}{text[1:]}."
        for text, value in formula_slips(zero, logvar, eps).items()
        if same(z, value) and same(again, confirming[text])
    ]


def wrong_size(student, z, eps, seed, logvar):
    """Tell by what number torch's noise eps was multiplied, where mu is 0, if it was."""
    if float(z.max() - z.min()) <= 1e-6:
        return ["Every element of z is the same: each needs noise of its own."]
    found = multiple_of(z, eps)
    if found is None:
        return []
    mu, others, at = torch.randn(1, 15), 2 * torch.randn(1, 15), float(logvar[0, 0])
    factor = found / math.exp(at / 2)
    again = student.reparametrize(mu, others, seed=seed)
    if not same(again, mu + factor * torch.exp(others / 2) * eps):
        right = f"expected {math.exp(at / 2):.4g} ({factor:.4g} times that)."
        return [f"For logvar = {at:.4g} your standard deviation is {found:.4g}; {right}"]
    sign = ["Its sign is minus: add sigma * eps to mu."] if factor < 0 else []
    return [f"Your noise is {factor:.4g} times what it should be.", *sign]


def other_noise(student, z, seed, logvar):
    """Tell whether it is the generator or the formula."""
    uniform = torch.rand(z.shape, generator=torch.Generator().manual_seed(seed))
    if multiple_of(z, uniform.double()):
        return ["The noise is uniform, from 0 to 1: rand in place of randn?"]
    if multiple_of(z, torch.from_numpy(np.random.RandomState(seed).standard_normal(z.shape))):
        return ["The noise is numpy's: draw it with torch, whose generator the notebook seeds."]
    if close(student.reparametrize(torch.zeros(1, 15), logvar, seed=seed), z):
        return ["z follows the seed, but is not exp(logvar / 2) times the numbers of torch.randn."]
    return ["Draw the noise with torch (randn, randn_like, normal): other generators ignore torch's seed."]


@number("3.2")
@weight(1)
def test_formula_and_noise(student):
    """z = mu + exp(logvar / 2) * eps for any batch, with fresh noise for every element and call, and gradients

    To see it in your notebook:

        mu, logvar = torch.full((20000, 3), 5.0), torch.tensor([-2.0, 0.0, 2.0]).repeat(20000, 1)
        drawn = reparametrize(mu, logvar)
        print(drawn.mean(0), drawn.std(0))  # expected: about 5, 5, 5 and 0.37, 1, 2.72
    """
    shape = (any_number(50, 70), any_number(5, 9))
    mu, logvar, zero = torch.randn(shape), torch.randn(shape), torch.zeros(shape)
    seed = any_number(1, 2**31 - 1)
    eps = student.reparametrize(zero, zero, seed=seed)  # mu = 0 and sigma = 1: z is the noise itself
    expect_shape(f"z for mu and logvar of shape {show(shape)}", eps, shape)
    held = {"mu": student.put(mu), "logvar": student.put(logvar)}
    z = student.reparametrize(held["mu"], held["logvar"], seed=seed)
    expect_untouched(student, "reparametrize", held)
    mistakes: list[Mistake] = []
    follows = close(student.reparametrize(zero, zero, seed=seed), eps)
    if follows:
        with noting(mistakes):
            expect_formula(student, z, mu, logvar, eps, seed)
            expect_no_difference(student, z, mu, logvar, seed)
        if not mistakes:
            with noting(mistakes):
                expect_unclamped(student, eps, seed)
        if mistakes:  # is the noise itself right?
            zeros = torch.zeros(any_number(1000, 1200), any_number(100, 120))
            with noting(mistakes):
                expect_noise(student.reparametrize(zeros, zeros))
            raise_all(mistakes)
    else:  # noise that torch's seed does not reach is charged in 3.1; here its distribution counts
        expect_shape(f"z for mu and logvar of shape {show(shape)}", z, shape)
        eps = (z - mu) * torch.exp(-logvar / 2)
    with noting(mistakes):
        expect_gradients(student, z, held, logvar, eps)
    expect_shape(
        f"z for one image, mu of shape {show(mu[:1].shape)},",
        student.reparametrize(mu[:1], logvar[:1]),
        mu[:1].shape,
    )
    with noting(mistakes):
        expect_standard_normal(student)
    if not mistakes and follows:
        expect_unbound(eps)
        expect_as_drawn(eps, seed)
    raise_all(mistakes)


def expect_unclamped(student, eps, seed):
    """Expect the formula to hold for mu of -30 and 30 and for logvar from -9 to 9, too."""
    zero, extreme = torch.zeros_like(eps), 18 * torch.rand(eps.shape) - 9
    extreme[::3], extreme[1::3] = 9, -9  # a clamp between these shows in every grading
    for name, mu, logvar in (("mu", 30 * ends(eps), zero), ("logvar", zero, extreme)):
        z = student.reparametrize(mu, logvar, seed=seed)
        expect_shape(f"z for mu and logvar of shape {show(mu.shape)}", z, mu.shape)
        std = torch.exp(logvar / 2)

        # Rounding of numbers near 30 is 4e-6, 4e-5 of the smallest noise that counts; 2e-3 are allowed.
        def apart(value, z=z, std=std):
            return (z - value).abs() / std / eps.abs().clamp(min=0.1)

        off = apart(mu + std * eps)
        worst = int(off.argmax())
        if off.flatten()[worst] <= 2e-3:
            continue
        named = [text for text, value in clamps(student, mu, logvar, eps, seed) if apart(value).max() <= 2e-3]
        raise fail(
            f"z is right for small {name}, and wrong for larger or smaller ones: "
            + (
                " or ".join(named)
                or f"is {'mu' if name == 'mu' else 'logvar, sigma'} or z clamped, or something added?"
            ),
            one_element(z, mu, logvar, eps, worst),
        )


def ends(eps):
    """Make -1 for the first half of a batch and 1 for the second."""
    return torch.where(torch.arange(len(eps))[:, None] < len(eps) // 2, -1.0, 1.0).expand_as(eps).clone()


def clamps(student, mu, logvar, eps, seed):
    """Give what z would be with mu, logvar or z clamped, to where very large and small ones seem to be."""
    zero, std, low = torch.zeros_like(eps), torch.exp(logvar / 2), len(eps) // 2
    far = student.reparametrize(30 * ends(eps), zero, seed=seed)
    wide = student.reparametrize(zero, 9 * ends(eps), seed=seed)
    if not far.shape == wide.shape == eps.shape:
        return
    for name, most, at in (("mu", 30, far - eps), ("logvar", 9, 2 * (wide / eps).abs().log())):
        least, largest = float(at[:low].median()), float(at[low:].median())
        words = [f"at least {least:.3g}"] if least > -0.999 * most else []
        words += [f"at most {largest:.3g}"] if largest < 0.999 * most else []
        if words and name == "mu":
            yield f"mu is clamped, {' and '.join(words)}.", mu.clamp(least, largest) + std * eps
        elif words:
            clamped = torch.exp(logvar.clamp(least, largest) / 2)
            yield f"logvar or sigma is clamped: logvar counts as {' and '.join(words)}.", mu + clamped * eps
    both = torch.cat([far, wide])
    yield "z is clamped.", (mu + std * eps).clamp(float(both.min()), float(both.max()))


def expect_noise(eps):
    """Expect z for mu = 0 and logvar = 0 to be standard normal noise, unless there is none: that is the formula's."""
    if eps.dim() == 2 and torch.isfinite(eps).all() and eps.any() and (eps != 1).any():  # 1: sigma alone
        expect_fresh(eps.double())
        expect_moments(eps.double(), "For mu = 0 and logvar = 0, z should be standard normal")


def expect_no_difference(student, z, mu, logvar, seed):
    """Expect the same z under torch.no_grad()."""
    again = student.reparametrize(mu, logvar, seed=seed, learning=False)
    if not close(again, z):
        raise fail(
            "Under torch.no_grad(), z is another: noise belongs to it whether gradients are enabled or not.",
            "There it is mu, without noise." if close(again, mu) else "",
        )


def expect_as_drawn(eps, seed):
    """Expect what torch.randn gives to be taken as it is: by one percent more is too little for statistics to show.

    eps: (N, Z), for mu = 0 and logvar = 0
    """
    noise = drawn(eps.shape, seed)
    factor = multiple_of(eps - eps.mean(), noise - noise.mean())
    if factor is None:
        return
    shift = float(eps.mean() - factor * noise.mean())
    # Its sign is for 3.1: minus the noise is as good.
    if abs(abs(factor) - 1) > 1e-3 or abs(shift) > 1e-3:
        raise fail(
            f"The noise, (z - mu) / sigma, is {factor:.4g} times what torch.randn gives"
            + (f", plus {shift:.3g}." if abs(shift) > 1e-3 else ".")
        )


def expect_formula(student, z, mu, logvar, eps, seed):
    """Compare z with the formula and with known slips."""
    # What is no number is told with the numbers that it comes from.
    expect_shape(f"z for mu and logvar of shape {show(mu.shape)}", z.nan_to_num(), mu.shape)
    if close(z, mu + torch.exp(logvar / 2) * eps):
        return
    # A wrong sigma may be 0 where logvar is 0: then the noise is rather what torch draws.
    noise, named = drawn(mu.shape, seed), []
    for given in (eps, noise):
        if found := [text for text, value in formula_slips(mu, logvar, given).items() if same(z, value)]:
            eps, named = given, found
    if not named and multiple_of(eps, noise) is not None:
        eps = noise
    if not named:
        named = [
            text.rstrip(".") for text, value in clamps(student, mu, logvar, eps, seed) if close(z, value)
        ]
    right = mu + torch.exp(logvar / 2) * eps
    error = (z - right).abs().nan_to_num(nan=torch.inf)
    wrong = error.amax(1) > TOLERANCE * right.abs().max().clamp(min=1)
    if not named and wrong[1:].all() and not wrong[0]:
        named = ["it is right for the first image of the batch only"]
    raise fail(
        "z is not mu + exp(logvar / 2) * eps" + (f": {' or '.join(named)}." if named else "."),
        one_element(z, mu, logvar, eps, int(error.argmax())),
    )


def one_element(z, mu, logvar, eps, place):
    """Show one element of z beside the right one."""
    m, v, noise, found = (float(t.flatten()[place]) for t in (mu, logvar, eps, z))
    return (
        f"For mu = {m:.4f}, logvar = {v:.4f} and noise {noise:.4f}, yours is {found:.6g};"
        f" expected {m + math.exp(v / 2) * noise:.6g}."
    )


def expect_gradients(student, z, held, logvar, eps):
    """Expect dz/dmu = 1 and dz/dlogvar = exp(logvar / 2) * eps / 2."""
    direction = torch.randn(z.shape)
    found = student.gradients([(z, direction)], list(held.values()))
    right = {"mu": direction, "logvar": direction * torch.exp(logvar / 2) * eps / 2}
    for (name, expected), (gradient,) in zip(right.items(), found, strict=True):
        if gradient is None or not gradient.any():
            raise fail(
                f"No gradient reaches {name}: the encoder could not learn through z.",
                "Look for detach(), .data, torch.no_grad(), torch.normal() and sample() in place of rsample().",
            )
        if not close(gradient, expected, 1e-3):
            raise fail(f"The gradient of z with respect to {name} is not the right one.")
