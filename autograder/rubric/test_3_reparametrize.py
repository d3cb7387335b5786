"""3. Reparametrization (2 points): z = mu + sigma * eps, with eps ~ N(0, 1) drawn afresh each time."""

import math

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.expect import (
    Mistake,
    close,
    expect_shape,
    expect_untouched,
    fail,
    noting,
    raise_all,
    show,
)
from autograder.rubric.noise import expect_fresh, expect_moments, expect_standard_normal, unseeded_slip
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
        eps = torch.randn(1, 15, generator=torch.Generator().manual_seed(seed))
        z, right = z.double(), torch.exp(logvar / 2).double() * eps
        for name, statistic in (("mean", torch.mean), ("standard deviation", torch.std)):
            found, expected = float(statistic(z)), float(statistic(right))
            # The notebook's relative error; near zero, rounding alone may exceed it.
            if not abs(found - expected) <= 1e-4 * (abs(found) + abs(expected)) + ROUNDING:
                raise fail(
                    f"{given} the {name} {found:.4f}; expected {expected:.4f}.",
                    *(
                        kept_noise(student, z, mu, logvar)
                        or unseeded_slip(z, eps, value)
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


def other_noise(student, z, seed, logvar):
    """Tell whether it is the generator or the formula."""
    if close(student.reparametrize(torch.zeros(1, 15), logvar, seed=seed), z):
        return ["z follows torch's seed, but is not exp(logvar / 2) times the numbers of torch.randn."]
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
    extreme = 18 * torch.rand(shape) - 9
    if close(student.reparametrize(zero, zero, seed=seed), eps):
        with noting(mistakes):
            expect_formula(z, mu, logvar, eps)
        if not mistakes:
            far = student.reparametrize(zero, extreme, seed=seed)
            with noting(mistakes):
                expect_unclamped(far, extreme, eps)
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
    raise_all(mistakes)


def expect_unclamped(z, logvar, eps):
    """Expect sigma to be exp(logvar / 2) for logvar from -9 to 9, too."""
    expect_shape(f"z for mu and logvar of shape {show(logvar.shape)}", z, logvar.shape)
    apart = (z * torch.exp(-logvar / 2) - eps).abs() / eps.abs().clamp(min=0.1)
    worst = int(apart.argmax())
    if not apart.flatten()[worst] <= 2e-3:
        at, noise, found = (float(t.flatten()[worst]) for t in (logvar, eps, z))
        raise fail(
            "z is right for small logvar, and wrong for larger or smaller ones: is logvar, sigma or z clamped?",
            f"For mu = 0, logvar = {at:.4f} and noise {noise:.4f}, yours is {found:.4g};"
            f" expected {math.exp(at / 2) * noise:.4g}.",
        )


def expect_noise(eps):
    """Expect z for mu = 0 and logvar = 0 to be standard normal noise, unless there is none: that is the formula's."""
    if eps.dim() == 2 and torch.isfinite(eps).all() and eps.any():
        expect_fresh(eps.double())
        expect_moments(eps.double(), "For mu = 0 and logvar = 0, z should be standard normal")


def expect_formula(z, mu, logvar, eps):
    """Compare z with the formula and with known slips."""
    expect_shape(f"z for mu and logvar of shape {show(mu.shape)}", z, mu.shape)
    slips = {
        "your standard deviation is exp(logvar); that is the variance": mu + torch.exp(logvar) * eps,
        "your standard deviation is logvar itself": mu + logvar * eps,
        "your standard deviation is logvar / 2, without exp": mu + logvar / 2 * eps,
        "your standard deviation is sqrt(logvar), without exp": mu + torch.sqrt(logvar) * eps,
        "your standard deviation is exp(logvar / 4)": mu + torch.exp(logvar / 4) * eps,
        "your standard deviation is exp(2 * logvar)": mu + torch.exp(2 * logvar) * eps,
        "your standard deviation is exp(-logvar / 2), its reciprocal": mu + torch.exp(-logvar / 2) * eps,
        "your standard deviation is 2 ** (logvar / 2): the base should be e": mu + 2 ** (logvar / 2) * eps,
        "your standard deviation is 1, whatever logvar is": mu + eps,
        "you forgot to add mu": torch.exp(logvar / 2) * eps,
        "you subtract mu; it should be added": torch.exp(logvar / 2) * eps - mu,
        "you add mu twice": 2 * mu + torch.exp(logvar / 2) * eps,
        "you forgot the noise: z is mu": mu,
        "mu and logvar are swapped": logvar + torch.exp(mu / 2) * eps,
        "mu is multiplied by the noise too": (mu + torch.exp(logvar / 2)) * eps,
        "there is no eps: z is mu + sigma": mu + torch.exp(logvar / 2),
        "z goes through a tanh": torch.tanh(mu + torch.exp(logvar / 2) * torch.atanh(eps)),
        "mu is averaged over the batch": mu.mean(0) + torch.exp(logvar / 2) * eps,
        "sigma is averaged over the batch": mu + torch.exp(logvar / 2).mean(0) * eps,
        "logvar is averaged over the batch": mu + torch.exp(logvar.mean(0) / 2) * eps,
        "mu and logvar are averaged over the batch": mu.mean(0) + torch.exp(logvar.mean(0) / 2) * eps,
        "the first image's mu and logvar serve the whole batch": mu[:1] + torch.exp(logvar[:1] / 2) * eps,
        "the first image's mu serves the whole batch": mu[:1] + torch.exp(logvar / 2) * eps,
        "the first image's logvar serves the whole batch": mu + torch.exp(logvar[:1] / 2) * eps,
    }
    if not close(z, mu + torch.exp(logvar / 2) * eps):
        named = [slip for slip, value in slips.items() if close(z, value)]
        right = mu + torch.exp(logvar / 2) * eps
        if not named and close(z[:1], right[:1]):
            named = ["it is right for the first image of the batch only"]
        raise fail(
            "z is not mu + exp(logvar / 2) * eps" + (f": {' or '.join(named)}." if named else "."),
            f"For mu = {mu[0, 0]:.4f}, logvar = {logvar[0, 0]:.4f} and noise {eps[0, 0]:.4f}, yours is {z[0, 0]:.4f};"
            f" expected {(mu + torch.exp(logvar / 2) * eps)[0, 0]:.4f}.",
        )


def expect_gradients(student, z, held, logvar, eps):
    """Expect dz/dmu = 1 and dz/dlogvar = exp(logvar / 2) * eps / 2."""
    direction = torch.randn(z.shape)
    found = student.gradients([(z, direction)], list(held.values()))
    right = {"mu": direction, "logvar": direction * torch.exp(logvar / 2) * eps / 2}
    for (name, expected), (gradient,) in zip(right.items(), found, strict=True):
        if gradient is None:
            raise fail(
                f"No gradient reaches {name}: the encoder could not learn through z.",
                "Look for detach(), .data, torch.no_grad() and sample() in place of rsample().",
            )
        if not close(gradient, expected, 1e-3):
            raise fail(f"The gradient of z with respect to {name} is not the right one.")
