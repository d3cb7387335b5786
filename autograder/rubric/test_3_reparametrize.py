"""3. Reparametrization (2 points): z = mu + sigma * eps, with eps ~ N(0, 1) drawn afresh each time."""

import math

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.deviation_slips import deviation_slips
from autograder.rubric.expect import TOLERANCE, close, expect_shape, expect_untouched, show
from autograder.rubric.mistake import Cause, Mistake, disabling, noting, raise_all
from autograder.rubric.noise import expect_fresh, expect_moments, expect_standard_normal, expect_unbound
from autograder.rubric.noise_slips import (
    UNSTEADY,
    clamp_slips,
    drawn,
    ends,
    matching_slips,
    multiple_of,
    seeded_slips,
)
from autograder.rubric.oracle import any_number
from autograder.rubric.steadiness import is_unsteady
from autograder.wording import sentence

# Three roundings of numbers below 16, in float32: however z is computed, its mean and deviation are within this.
ROUNDING = 3e-6
# Of the noise, where logvar is -9: who guards the root of a variance of exp(-9) with 1e-6, as in row 5.1, is 4e-3 off.
GUARDED = 5e-3
# Seeds under which 15 numbers have some beyond 3.5 and below -3.5: noise that is cut off there always shows.
FAR = (106914, 520351, 422675, 272509, 314826, 226802, 499134, 501413)


@number("3.1")
@weight(1)
def test_seeded_statistics(student):
    """With torch's generator seeded, z has the notebook's mean and standard deviation

    To see it in your notebook:

        for seed in (0, 1):  # expected: (1, 15), -0.4363, 1.6860 and (1, 15), -0.3768, 1.0913
            torch.manual_seed(seed)
            z = reparametrize(torch.zeros(1, 15), torch.ones(1, 15))
            print(z.shape, z.mean().item(), z.std().item())
    """
    mu = torch.zeros(1, 15)
    cases = [
        (0, 1.0),
        (FAR[any_number(0, len(FAR) - 1)], 0.5 + float(torch.rand(()))),
        *((any_number(1, 2**31 - 1), 0.5 + float(torch.rand(()))) for _ in range(any_number(4, 8))),
    ]
    asked = []
    for seed, value in cases:
        logvar = torch.full((1, 15), value)
        asked.append((seed, value, logvar, student.reparametrize_later(mu, logvar, seed=seed)))
    for seed, value, logvar, answer in asked:
        given = f"After torch.manual_seed({seed}), for mu = 0 and logvar = {value:.4g}, z has"
        z = answer.get()
        expect_shape("z for mu and logvar of shape (1, 15)", z, (1, 15), dtype=None)
        eps = drawn((1, 15), seed)
        z, right = z.double(), torch.exp(logvar / 2).double() * eps
        for name, statistic in (("mean", torch.mean), ("standard deviation", torch.std)):
            found, expected = float(statistic(z)), float(statistic(right))
            # The notebook's relative error; near zero, rounding alone may exceed it.
            if not abs(found - expected) <= 1e-4 * (abs(found) + abs(expected)) + ROUNDING:
                raise Mistake(
                    f"{given} the {name} {found:.4f}; expected {expected:.4f}.",
                    *map(Cause, seeded_slips(student, z, mu, logvar, seed)),
                )
        if not close(z.flatten().sort().values, right.flatten().sort().values, 1e-4):
            raise Mistake(f"{given} the right mean and deviation, but not the right numbers.")


@number("3.2")
@weight(1)
def test_formula_and_noise(student):
    """z = mu + exp(logvar / 2) * eps for any batch, with fresh noise for every element and call, and gradients

    To see it in your notebook:

        mu = torch.full((200000, 3), 30.0, requires_grad=True)
        logvar = torch.tensor([-9.0, 0.0, 9.0]).repeat(200000, 1).requires_grad_()
        z, other = reparametrize(mu, logvar), reparametrize(mu, logvar)
        eps, again = ((t - mu) / torch.exp(logvar / 2) for t in (z, other))
        print(eps.square().mean(0).data, (eps - again).square().mean(0).data)  # expected: about 1, 1, 1 and 2, 2, 2
        print(*(g.abs().mean().item() for g in torch.autograd.grad(z.sum(), [mu, logvar])))  # expected: 1.0, about 12.1
    """
    shape = (any_number(50, 70), any_number(5, 9))
    mu, logvar, zero = torch.randn(shape), torch.randn(shape), torch.zeros(shape)
    seed = any_number(1, 2**31 - 1)
    eps = student.reparametrize(zero, zero, seed=seed)  # mu = 0 and sigma = 1: z is the noise itself
    expect_shape(f"z for mu and logvar of shape {show(shape)}", eps.nan_to_num(), shape)
    if not torch.isfinite(eps).all():
        named = matching_slips(eps, zero, zero, drawn(shape, seed))
        raise Mistake(
            f"For mu = 0 and logvar = 0, z contains {'NaN' if eps.isnan().any() else 'infinite values'}.",
            Cause(f"It looks as if {' or '.join(named)}.")
            if named
            else "Is it made by torch.empty(...) or torch.Tensor(...), and never filled? That counts as NaN here.",
        )
    held = {"mu": student.put(mu), "logvar": student.put(logvar)}
    mistakes: list[Mistake] = []
    if student.modes().disabled_by_file:
        mistakes.append(disabling("vae.py, where it is imported,"))
    z = student.reparametrize(held["mu"], held["logvar"], seed=seed)
    expect_untouched(student, "reparametrize", held)
    if student.left_disabled():
        mistakes.append(disabling("reparametrize"))
    follows = close(student.reparametrize(zero, zero, seed=seed), eps)
    if follows:
        with noting(mistakes):
            expect_formula(student, z, mu, logvar, eps, seed)
            expect_no_difference(student, z, mu, logvar, seed)
            expect_nothing_kept(student, z, mu, logvar, seed)
        if not mistakes:
            with noting(mistakes):
                expect_unclamped(student, eps, seed)
        if mistakes:  # is the noise itself right?
            zeros = torch.zeros(any_number(1000, 1200), any_number(100, 120))
            with noting(mistakes):
                z = student.reparametrize(zeros, zeros)
                if z.shape == zeros.shape and not any(
                    "z goes through" in str(mistake) for mistake in mistakes
                ):
                    expect_noise(z)
            raise_all(mistakes)
    else:  # noise that torch's seed does not reach is charged in 3.1; here its distribution counts
        expect_shape(f"z for mu and logvar of shape {show(shape)}", z, shape)
        eps = (z - mu) * torch.exp(-logvar / 2)
        if is_unsteady(student):
            mistakes.append(Mistake(UNSTEADY))
    with noting(mistakes):
        expect_gradients(student, z, held, logvar, eps)
    with noting(mistakes):
        expect_one_image(student, mu[:1], logvar[:1], seed if follows else None)
    with noting(mistakes):
        expect_standard_normal(student)
    if not mistakes and follows:
        expect_unbound(eps)
        expect_as_drawn(eps, seed)
    raise_all(mistakes)


def expect_one_image(student, mu, logvar, seed):
    """Expect the shape for one image, and the formula where the noise follows the seed. mu, logvar: (1, Z)."""
    zero = torch.zeros_like(mu)
    asked = [student.reparametrize_later(*given, seed=seed) for given in ((mu, logvar), (zero, zero))]
    z, eps = (answer.get() for answer in asked)
    expect_shape(f"z for one image, mu of shape {show(mu.shape)},", z, mu.shape)
    if seed is not None and not close(z, mu + torch.exp(logvar / 2) * eps):
        raise Mistake(
            "For one image, z is not mu + exp(logvar / 2) * eps, though it is for many.",
            one_element(z, mu, logvar, eps, 0),
        )


def expect_unclamped(student, eps, seed):
    """Expect the formula to hold for mu of -30 and 30 and for logvar from -9 to 9, too."""
    zero, extreme = torch.zeros_like(eps), 18 * torch.rand(eps.shape) - 9
    extreme[::3], extreme[1::3] = 9, -9  # a clamp between these shows in every grading
    for name, mu, logvar in (("mu", 30 * ends(eps), zero), ("logvar", zero, extreme)):
        z = student.reparametrize(mu, logvar, seed=seed)
        expect_shape(f"z for mu and logvar of shape {show(mu.shape)}", z, mu.shape)
        std = torch.exp(logvar / 2)

        # Rounding of numbers near 30 is 4e-6, 4e-5 of the smallest noise that counts.
        def apart(value, z=z, std=std):
            return (z - value).abs() / std / eps.abs().clamp(min=0.1)

        off = apart(mu + std * eps)
        worst = int(off.argmax())
        if off.flatten()[worst] <= GUARDED:
            continue
        named = [
            text
            for text, value in clamp_slips(student, mu, logvar, eps, seed)
            if apart(value).max() <= GUARDED
        ]
        raise Mistake(
            f"z is right for small {name}, and wrong for larger or smaller ones: "
            + (
                " or ".join(named)
                or f"is {'mu' if name == 'mu' else 'logvar, sigma'} or z clamped, or something added?"
            ),
            one_element(z, mu, logvar, eps, worst),
        )


def expect_noise(eps):
    """Expect z for mu = 0 and logvar = 0 to be standard normal noise, unless there is none: that is the formula's."""
    if eps.dim() == 2 and torch.isfinite(eps).all() and eps.any() and (eps != 1).any():  # 1: sigma alone
        expect_fresh(eps.double())
        expect_moments(eps.double(), "For mu = 0 and logvar = 0, z should be standard normal")


def expect_no_difference(student, z, mu, logvar, seed):
    """Expect the same z under torch.no_grad()."""
    again = student.reparametrize(mu, logvar, seed=seed, learning=False)
    if not close(again, z):
        raise Mistake(
            "Under torch.no_grad(), z is another: noise belongs to it whether gradients are enabled or not.",
            "There it is mu, without noise." if close(again, mu) else "",
        )


def expect_nothing_kept(student, z, mu, logvar, seed):
    """Expect the same z behind a call for other numbers, whose means are far from these."""
    student.reparametrize_later(mu + 30, logvar + 6)
    if not close(student.reparametrize(mu, logvar, seed=seed), z):
        raise Mistake(
            "After a call for other mu and logvar, z is another under the same seed: is something of them kept?"
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
        times = f"{factor:.4g} times " if abs(abs(factor) - 1) > 1e-3 else ""
        plus = f", plus {shift:.3g}" if abs(shift) > 1e-3 else ""
        raise Mistake(f"The noise, (z - mu) / sigma, is {times}what torch.randn gives{plus}.")


def expect_formula(student, z, mu, logvar, eps, seed):
    """Compare z with the formula and with known slips."""
    # What is no number is told with the numbers that it comes from.
    expect_shape(f"z for mu and logvar of shape {show(mu.shape)}", z.nan_to_num(), mu.shape)
    right = mu + torch.exp(logvar / 2) * eps
    if close(z, right):
        if not eps.any():
            raise Mistake("z has no noise: it is mu, and logvar is not used.")
        return
    if not close(z, mu) and close(student.reparametrize(mu, logvar, seed=seed), mu):
        raise Mistake(
            "z has noise where mu requires a gradient, and none where it does not: it belongs to it always."
        )
    # A wrong sigma may be 0 where logvar is 0: then the noise is rather what torch draws.
    noise, named = drawn(mu.shape, seed), []
    for given in (eps, noise):
        if found := matching_slips(z, mu, logvar, given):
            eps, named = given, found
    if not named and multiple_of(eps, noise) is not None:
        eps = noise
    right = mu + torch.exp(logvar / 2) * eps
    if not named:  # a clamp that changes nothing here is not what is wrong here
        clamped = clamp_slips(student, mu, logvar, eps, seed)
        named = [text.rstrip(".") for text, value in clamped if close(z, value) and not close(value, right)]
    named = named or deviation_slips(z, mu, logvar, eps)
    error = (z - right).abs().nan_to_num(nan=torch.inf)
    wrong = error.amax(1) > TOLERANCE * right.abs().max().clamp(min=1)
    if not named and wrong[1:].all() and not wrong[0]:
        named = ["it is right for the first image of the batch only"]
    raise Mistake(
        "z is not mu + exp(logvar / 2) * eps.",
        Cause(sentence(" or ".join(named)) if named else ""),
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
            raise Mistake(
                f"No gradient reaches {name}: the encoder could not learn through z.",
                "Look for detach(), .data, torch.no_grad(), torch.normal() and sample() in place of rsample().",
            )
        if not close(gradient, expected, 1e-3):
            factor = multiple_of(gradient, expected.detach())
            times = f" It is {factor:.4g} times that." if factor else ""
            raise Mistake(f"The gradient of z with respect to {name} is not the right one.{times}")
