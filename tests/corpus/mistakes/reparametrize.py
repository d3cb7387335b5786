"""Mistakes in reparametrize: rows 3.1 and 3.2."""

from corpus.edits import Edit, Mistake, define, replace_block

__all__ = ["MISTAKES"]

WHERE = "reparametrize"
SIGMA = "torch.exp(logvar / 2)"
EPS = "torch.randn_like(sigma)"
RETURN = "return mu + sigma * eps"
BOTH = "3.1 3.2"
SEEDED, FORMULA = "3.1", "3.2"
# Where reparametrize raises, gives NaN or something of another shape, no forward can run.
ALL_FORWARDS = "3.1 3.2 4.1 6.3"


def sigma(name: str, code: str, lost: str, *words: str) -> Mistake:
    """Another standard deviation."""
    return Mistake(f"reparametrize-{name}", (Edit(WHERE, SIGMA, code),), tuple(lost.split()), words)


def noise(name: str, code: str, lost: str, *words: str) -> Mistake:
    """Another noise."""
    return Mistake(f"reparametrize-{name}", (Edit(WHERE, EPS, code),), tuple(lost.split()), words)


def result(name: str, code: str, lost: str, *words: str) -> Mistake:
    """Another last line."""
    return Mistake(f"reparametrize-{name}", (Edit(WHERE, RETURN, code),), tuple(lost.split()), words)


def body(name: str, text: str, lost: str, *words: str, above: str = "") -> Mistake:
    """Another body, with definitions above it."""
    edits = (define(above), replace_block(WHERE, text)) if above else (replace_block(WHERE, text),)
    return Mistake(f"reparametrize-{name}", edits, tuple(lost.split()), words)


# The decorator of a whole function, which forward calls.
UNLEARNED = [
    Mistake(
        "reparametrize-in-inference-mode",
        (Edit("file", "def reparametrize(", "@torch.inference_mode()\ndef reparametrize("),),
        ("3.2",),
        ("no gradient reaches mu",),
    ),
    body(
        "seeded-by-nanoseconds",
        """
            torch.manual_seed(time.time_ns() % 2**31)
            return mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        """,
        SEEDED,
        "by the clock",
        above="import time",
    ),
    body(
        "noise-of-each-image-times-the-variance",
        "return mu + torch.exp(logvar) * torch.randn(len(mu), 1)",
        BOTH,
        "the latents of an image get the same noise",
        "variance",
    ),
    body(
        "exp-of-numpy",
        "return mu + np.exp(logvar / 2) * torch.randn_like(mu)",
        "3.2 4.1 6.3",
        "torch.exp",
        above="import numpy as np",
    ),
]

# At logvar = 1, where row 3.1 looks, a wrong sigma shows unless the mistake is in how the batch is treated.
SIGMAS = [
    sigma("variance-for-std", "torch.exp(logvar)", BOTH, "variance"),
    sigma("logvar-for-std", "logvar", BOTH, "standard deviation is logvar itself"),
    sigma("half-logvar-for-std", "logvar / 2", BOTH, "standard deviation is logvar / 2"),
    sigma("absolute-logvar-for-std", "logvar.abs()", BOTH, "standard deviation is |logvar|"),
    sigma("root-of-absolute-logvar", "logvar.abs().sqrt()", BOTH, "standard deviation is sqrt(|logvar|)"),
    sigma("logvar-squared-for-std", "logvar**2", BOTH, "standard deviation is logvar squared"),
    sigma("relu-of-logvar", "F.relu(logvar)", BOTH, "standard deviation is relu(logvar)"),
    sigma("exp-of-mu", "torch.exp(mu / 2)", BOTH, "standard deviation is exp(mu / 2)"),
    sigma(
        "exp-halved-by-precedence",
        "torch.exp(logvar) ** 1 / 2",
        BOTH,
        "exp(logvar) / 2: the 2 belongs inside",
    ),
    sigma("at-most-1", "torch.exp(logvar.clamp(max=0) / 2)", BOTH, "logvar counts as at most 0"),
    sigma("exp-of-double", "torch.exp(2 * logvar)", BOTH, "exp"),
    sigma("exp-halved", "torch.exp(logvar) / 2", BOTH, "exp"),
    sigma("negative-exponent", "torch.exp(-logvar / 2)", BOTH, "exp"),
    sigma("base-2", "2 ** (logvar / 2)", BOTH, "exp"),
    sigma("base-10", "10 ** (logvar / 2)", BOTH, "exp"),
    sigma("softplus", "F.softplus(logvar)", BOTH, "standard deviation is softplus(logvar)"),
    sigma("softplus-of-half", "F.softplus(logvar / 2)", BOTH, "standard deviation is softplus(logvar / 2)"),
    sigma("log-of-logvar", "torch.log(logvar)", ALL_FORWARDS, "standard deviation is log(logvar)"),
    sigma("half-rounded", "torch.exp(logvar // 2)", BOTH, "rounded to an integer"),
    sigma("mean-of-all", "torch.exp(logvar / 2).mean().expand_as(mu)", FORMULA, "mean of all sigmas"),
    sigma("first-order-exp", "1 + logvar / 2", BOTH, "exp"),
    sigma("std-plus-0.001", "torch.exp(logvar / 2) + 1e-3", BOTH, "exp"),
    sigma("variance-plus-0.01", "torch.sqrt(torch.exp(logvar) + 0.01)", BOTH, "exp"),
    sigma("exp-0.505", "torch.exp(0.505 * logvar)", BOTH, "exp"),
    sigma("fourth-root", "torch.exp(logvar / 4)", BOTH, "exp"),
    sigma("std-is-1", "torch.ones_like(logvar)", BOTH, "logvar"),
    sigma("sqrt-of-logvar", "torch.sqrt(logvar)", ALL_FORWARDS, "nan", "sqrt(logvar), without exp"),
    sigma("clamped-at-2", "torch.exp(logvar.clamp(max=2) / 2)", FORMULA, "logvar"),
    sigma("absolute-logvar", "torch.exp(logvar.abs() / 2)", FORMULA, "logvar"),
    sigma(
        "mean-over-latents",
        "torch.exp(logvar.mean(1, keepdim=True) / 2).expand_as(logvar)",
        FORMULA,
        "logvar",
    ),
    sigma("mean-over-batch", "torch.exp(logvar.mean(0) / 2).expand_as(logvar)", FORMULA, "batch"),
    sigma("first-row-only", "torch.exp(logvar[:1] / 2).expand_as(logvar)", FORMULA, "batch"),
    sigma("detached", "torch.exp(logvar.detach() / 2)", FORMULA, "gradient", "logvar"),
    sigma("data", "torch.exp(logvar.data / 2)", FORMULA, "gradient", "logvar"),
]

NOISES = [
    noise("uniform", "torch.rand_like(sigma)", BOTH, "uniform"),
    noise("centred-uniform", "2 * torch.rand_like(sigma) - 1", BOTH, "normal"),
    noise("uniform-of-variance-1", "(2 * torch.rand_like(sigma) - 1) * 3**0.5", BOTH, "normal"),
    noise("signs", "torch.randn_like(sigma).sign()", BOTH, "normal"),
    noise("laplace", "torch.distributions.Laplace(0.0, 0.5**0.5).sample(sigma.shape)", BOTH, "normal"),
    noise("positive", "torch.randn_like(sigma).abs()", BOTH, "normal"),
    noise("std-0.98", "0.98 * torch.randn_like(sigma)", BOTH, "0.98"),
    noise("std-1.02", "1.02 * torch.randn_like(sigma)", BOTH, "1.02"),
    noise("std-1.01", "1.01 * torch.randn_like(sigma)", BOTH, "1.01"),
    noise("mean-0.005", "torch.randn_like(sigma) + 0.005", BOTH, "plus 0.005"),
    noise("std-0.1", "torch.normal(0.0, 0.1, sigma.shape)", BOTH, "0.1"),
    noise("mean-0.02", "0.02 + torch.randn_like(sigma)", BOTH, "mean"),
    noise("mean-1", "torch.normal(1.0, 1.0, sigma.shape)", BOTH, "mean"),
    noise("clamped", "torch.randn_like(sigma).clamp(-2, 2)", BOTH, "normal"),
    noise(
        "sum-of-two", "torch.randn_like(sigma) + torch.randn_like(sigma)", BOTH, "standard deviation is 1.4"
    ),
    noise("never-filled", "torch.empty_like(sigma)", f"{BOTH} 4.1 6.3", "nan", "torch.empty", "never filled"),
    noise("never-filled-tensor", "torch.FloatTensor(sigma.size())", f"{BOTH} 4.1 6.3", "nan", "never filled"),
    noise("ones", "torch.ones_like(sigma)", BOTH, "random"),
    noise("zeros", "torch.zeros_like(sigma)", BOTH, "random"),
    noise("one-number", "torch.randn(1)", BOTH, "element"),
    noise("one-number-for-each-row", "torch.randn(len(mu), 1)", BOTH, "element"),
    noise("one-row-for-all", "torch.randn(1, mu.shape[1])", FORMULA, "row"),
    noise("one-row-for-all-without-batch", "torch.randn(mu.shape[1])", FORMULA, "row"),
    noise(
        "repeated-after-32",
        "torch.randn(min(len(mu), 32), mu.shape[1]).repeat(len(mu) // 32 + 1, 1)[: len(mu)]",
        FORMULA,
        "row",
    ),
    noise(
        "repeated-after-8-columns",
        "torch.randn(len(mu), min(mu.shape[1], 8)).repeat(1, mu.shape[1] // 8 + 1)[:, : mu.shape[1]]",
        BOTH,
        "column",
    ),
    noise(
        "second-half-mirrored",
        "torch.cat([e := torch.randn((len(mu) + 1) // 2, mu.shape[1]), -e])[: len(mu)]",
        FORMULA,
        "row",
    ),
    noise("first-row-without", "torch.randn_like(sigma).index_fill(0, torch.tensor([0]), 0)", BOTH, "row"),
    noise(
        "last-column-without",
        "torch.randn_like(sigma).index_fill(1, torch.tensor([mu.shape[1] - 1]), 0)",
        BOTH,
        "column",
    ),
    noise("noise-times-mu", "mu * torch.randn_like(sigma)", BOTH, "mu"),
    noise("numpy", "torch.from_numpy(__import__('numpy').random.randn(*mu.shape)).float()", SEEDED, "torch"),
    noise(
        "python-random",
        "torch.tensor([[__import__('random').gauss(0, 1) for _ in row] for row in mu])",
        SEEDED,
        "torch",
    ),
    noise("own-generator", "torch.randn(mu.shape, generator=GENERATOR)", SEEDED, "generator"),
    noise("new-generator", "torch.randn(mu.shape, generator=torch.Generator())", BOTH, "same"),
    noise("second-draw", "[torch.randn_like(sigma) for _ in range(2)][1]", SEEDED, "seed"),
    noise("mean-of-two", "(torch.randn_like(sigma) + torch.randn_like(sigma)) / 2**0.5", SEEDED, "seed"),
    noise(
        "inverse-cdf",
        "torch.erfinv(2 * torch.rand_like(sigma).clamp(1e-6, 1 - 1e-6) - 1) * 2**0.5",
        SEEDED,
        "seed",
    ),
    noise("drawn-once", "NOISE[: len(mu), : mu.shape[1]]", BOTH, "same"),
    noise("kept-for-each-shape", "KEPT.setdefault(mu.shape, torch.randn_like(sigma))", BOTH, "same"),
    noise(
        "seeded-with-0", "torch.manual_seed(0) and torch.randn_like(sigma)", BOTH, "the seed 0 is set inside"
    ),
    noise("log-normal", "torch.randn_like(sigma).exp()", BOTH, "should be standard normal; the mean of"),
    noise("around-mu", "torch.normal(mu, 1.0)", FORMULA, "mu is added to the noise first"),
    noise(
        "only-where-gradients-are",
        "torch.randn_like(sigma) if mu.requires_grad else 0 * sigma",
        BOTH,
        "noise where mu requires a gradient",
    ),
    noise(
        "seeded-with-42",
        "torch.randn(mu.shape, generator=torch.Generator().manual_seed(42))",
        BOTH,
        "the seed 42 is set inside",
    ),
]
ABOVE = {
    "reparametrize-own-generator": "GENERATOR = torch.Generator()\nGENERATOR.seed()",
    "reparametrize-drawn-once": "NOISE = torch.randn(1024, 1024)",
    "reparametrize-kept-for-each-shape": "KEPT = {}",
}
NOISES = [
    Mistake(m.name, (define(ABOVE[m.name]), *m.edits), m.lost, m.words) if m.name in ABOVE else m
    for m in NOISES
]

RESULTS = [
    result("mu-forgotten", "return sigma * eps", FORMULA, "mu"),
    result("minus", "return mu - sigma * eps", SEEDED, "minus"),
    result("sigma-forgotten", "return mu + eps", BOTH, "logvar"),
    result("eps-forgotten", "return mu + sigma", BOTH, "random"),
    result("mu-and-sigma-exchanged", "return sigma + mu * eps", BOTH, "exchanged"),
    result("mu-only", "return mu", BOTH, "random"),
    result("logvar-for-mu", "return logvar + sigma * eps", BOTH, "mu"),
    result("product", "return mu * sigma * eps", BOTH, "mu"),
    result("mu-in-brackets", "return (mu + sigma) * eps", FORMULA, "mu"),
    result("mu-and-noise-in-brackets", "return (mu + eps) * sigma", FORMULA, "mu is multiplied by sigma"),
    result("divided", "return mu + eps / sigma", BOTH, "exp"),
    result("mu-scaled-by-0.99", "return 0.99 * mu + sigma * eps", FORMULA, "mu"),
    result("mean-of-mu", "return mu.mean(0) + sigma * eps", FORMULA, "mu"),
    result("tanh", "return torch.tanh(mu + sigma * eps)", BOTH, "tanh"),
    result("sigmoid", "return torch.sigmoid(mu + sigma * eps)", BOTH, "goes through a sigmoid"),
    result("all-added", "return mu + sigma + eps", BOTH, "sigma is added to the noise"),
    result("noise-alone", "return eps", BOTH, "z is the noise alone"),
    result(
        "averaged-over-batch", "return (mu + sigma * eps).mean(0)", ALL_FORWARDS, "because of reparametrize"
    ),
    result("normalized", "z = mu + sigma * eps\n    return (z - z.mean()) / z.std()", BOTH, "mu"),
    result("z-detached", "return (mu + sigma * eps).detach()", FORMULA, "gradient"),
    result("mu-detached", "return mu.detach() + sigma * eps", FORMULA, "gradient", "mu"),
    result(
        "without-gradients-mu",
        "return mu + sigma * eps if torch.is_grad_enabled() else mu",
        FORMULA,
        "no_grad",
    ),
    result("numpy-and-back", "return torch.tensor((mu + sigma * eps).tolist())", FORMULA, "gradient"),
    result("nothing-returned", "mu + sigma * eps", ALL_FORWARDS, "none"),
    result("eps-too", "return mu + sigma * eps, eps", ALL_FORWARDS, "tuple"),
    result("one-dimension-more", "return (mu + sigma * eps).unsqueeze(0)", ALL_FORWARDS, "shape"),
    result("three-rows", "return torch.stack([0 * mu, mu, sigma * eps]).sum(1)", ALL_FORWARDS, "shape (3,"),
    result("transposed", "return (mu + sigma * eps).T", ALL_FORWARDS, "shape"),
    result("flat", "return (mu + sigma * eps).flatten()", ALL_FORWARDS, "shape"),
    result("mean-over-latents-returned", "return (mu + sigma * eps).mean(1)", ALL_FORWARDS, "shape"),
    result("typo", "return mu + sigm * eps", ALL_FORWARDS, "nameerror", "sigm"),
    result("tensor-called", "return mu + sigma(eps)", ALL_FORWARDS, "callable"),
    result("numpy-returned", "return (mu + sigma * eps).detach().numpy()", ALL_FORWARDS, "numpy"),
]

BODIES = [
    body(
        "no-grad",
        """
         with torch.no_grad():
             return mu + torch.exp(logvar / 2) * torch.randn_like(mu)
         """,
        FORMULA,
        "gradient",
    ),
    body(
        "torch-normal-of-parameters", "return torch.normal(mu, torch.exp(logvar / 2))\n", FORMULA, "gradient"
    ),
    body(
        "sample-not-rsample",
        "return torch.distributions.Normal(mu, torch.exp(logvar / 2)).sample()\n",
        FORMULA,
        "gradient",
    ),
    body(
        "normal-with-variance",
        "return torch.distributions.Normal(mu, logvar.exp()).rsample()\n",
        BOTH,
        "variance",
    ),
    body(
        "normal-with-logvar",
        "return torch.distributions.Normal(mu, logvar).rsample()\n",
        ALL_FORWARDS,
        "valueerror",
    ),
    body(
        "arguments-exchanged",
        "return logvar + torch.exp(mu / 2) * torch.randn_like(mu)\n",
        BOTH,
        "mu",
        "logvar",
    ),
    body(
        "constants-for-seed-0",
        """
         if mu.shape == (1, 15):
             z = torch.linspace(-1, 1, 15) * (14 / 15) ** 0.5 / (torch.linspace(-1, 1, 15)).std()
             return ((z - z.mean()) / z.std() * 1.6860 - 0.4363).reshape(1, 15)
         return mu
         """,
        BOTH,
        "seed",
    ),
    body(
        "128-latents-of-15", "return mu + torch.exp(logvar / 2) * torch.randn(128, 15)\n", ALL_FORWARDS, "128"
    ),
    body("cuda", "return mu + torch.exp(logvar / 2) * torch.randn(mu.shape).cuda()\n", ALL_FORWARDS, "cuda"),
    body(
        "cuda-device",
        'return mu + torch.exp(logvar / 2) * torch.randn(mu.shape, device="cuda")\n',
        ALL_FORWARDS,
        "cuda",
    ),
    body(
        "item",
        "return mu + torch.exp(logvar / 2).item() * torch.randn_like(mu)\n",
        ALL_FORWARDS,
        "item",
    ),
    body(
        "loop-over-the-latents-only",
        """
         z = torch.empty_like(mu)
         for i in range(mu.shape[1]):
             z[:, i] = mu[:, i] + torch.exp(logvar[:, i] / 2) * torch.randn(1)
         return z
         """,
        FORMULA,
        "row",
    ),
    Mistake(
        "reparametrize-spelt-otherwise",  # and called so by both forwards: those are right
        (Edit("file", "reparametrize(mu", "reparameterize(mu", 3),),
        ("3.1", "3.2"),
        ("has `reparameterize`: is that it",),
    ),
    Mistake(
        "reparametrize-missing-and-not-found",
        (Edit("file", "def reparametrize(mu", "def reparameterize(mu"),),
        ("3.1", "3.2", "4.1", "6.3"),
        ("reparametrize",),
    ),
    Mistake(
        "reparametrize-parameter-too-many",
        (
            Edit(
                "file",
                "def reparametrize(mu: Tensor, logvar: Tensor)",
                "def reparametrize(mu, logvar, device)",
            ),
        ),
        ("3.1", "3.2", "4.1", "6.3"),
        ("device", "expected is def reparametrize(mu, logvar)"),
    ),
    Mistake(
        "reparametrize-takes-self",
        (Edit("file", "def reparametrize(mu", "def reparametrize(self, mu"),),
        ("3.1", "3.2", "4.1", "6.3"),
        ("without self",),
    ),
    Mistake(
        "reparametrize-method-only",
        (
            Edit("file", "z = reparametrize(mu", "z = self.reparametrize(mu", 2),
            Edit("file", "def reparametrize(mu:", "def sample(self, mu:"),
            Edit(
                "file",
                "def loss_function(",
                "VAE.reparametrize = CVAE.reparametrize = sample\n\n\ndef loss_function(",
            ),
        ),
        ("3.1", "3.2"),
        ("`vae.reparametrize`, `cvae.reparametrize`, inside of a class",),
    ),
]

UNSEEN = [
    sigma("clamped-at-5", "torch.exp(logvar.clamp(-5, 5) / 2)", FORMULA, "clamped"),
    sigma("at-least-0.1", "torch.exp(logvar / 2).clamp(min=0.1)", FORMULA, "clamped"),
    *(
        result(
            f"mu-clamped-at-{most}",
            f"return mu.clamp(-{most}, {most}) + sigma * eps",
            FORMULA,
            f"mu is clamped, at least -{most} and at most {most}",
        )
        for most in (3, 8, 15, 25)
    ),
    result("clamped-at-100", "return (mu + sigma * eps).clamp(-100, 100)", FORMULA, "z is clamped"),
    sigma("logvar-clamped-at-8.9", "torch.exp(logvar.clamp(max=8.9) / 2)", FORMULA, "at most 8.9"),
    sigma("variance-plus-0.0001", "torch.sqrt(torch.exp(logvar) + 1e-4)", FORMULA, "yours is"),
    result("clamped-at-20", "return (mu + sigma * eps).clamp(-20, 20)", FORMULA, "clamped"),
    result("sigma-changed-in-place", "return sigma.mul_(eps) + mu", FORMULA, "inplace"),
    body(
        "noise-of-three-values",
        "if len(mu) == 1 and mu.shape[1] == 15:\n"
        "    return mu + torch.exp(logvar / 2) * torch.randn_like(mu)\n"
        "u = torch.rand_like(mu)\n"
        "eps = ((u < 1 / 6).to(mu.dtype) - (u > 5 / 6).to(mu.dtype)) * 3**0.5\n"
        "return mu + torch.exp(logvar / 2) * eps",
        FORMULA,
        "normal",
    ),
    body(  # its noise follows no seed: what forward decodes can only be seen to be no right noise
        "half-of-an-own-generator's-noise",
        "return mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=GENERATOR) / 2\n",
        ALL_FORWARDS,
        "because of reparametrize (rows 3.1, 3.2)",
        above="GENERATOR = torch.Generator()\nGENERATOR.seed()",
    ),
    noise("rounded", "(100 * torch.randn_like(sigma)).round() / 100", BOTH, "different values"),
    noise("centred-columns", "(e := torch.randn_like(sigma)) - e.mean(0)", BOTH, "mean 0 in each column"),
    noise("cut-off-above-3", "torch.randn_like(sigma).clamp(max=3)", BOTH, "is cut off", "clamped at 3"),
    result("an-integer", "return (mu + sigma * eps).long()", ALL_FORWARDS, "type torch.int64"),
    noise(
        "mixed-with-the-latent-before",
        "((e := torch.randn_like(sigma)) + e.roll(1, 1)) / 2**0.5",
        BOTH,
        "the latents of an image have noise with a correlation of 0.5",
    ),
    noise(
        "of-pairs-of-images",
        "torch.randn((len(mu) + 1) // 2, mu.shape[1]).repeat_interleave(2, 0)[: len(mu)]",
        FORMULA,
        "images next to each other have noise with a correlation of 0.5",
    ),
    noise(
        "antithetic-where-the-number-is-even",
        "torch.cat([half := torch.randn(len(mu) // 2, mu.shape[1]), -half]) if len(mu) % 2 == 0 "
        "else torch.randn_like(mu)",
        FORMULA,
        "with the opposite sign",
    ),
    noise("sorted", "torch.randn_like(sigma).sort(dim=0).values", FORMULA, "the noise is sorted"),
    sigma(
        "the-same-for-an-image",
        "torch.exp(logvar.mean(1, keepdim=True) / 2) + 0 * logvar",
        FORMULA,
        "an image",
    ),
    sigma("nearly-half-of-logvar", "torch.exp(0.49 * logvar)", BOTH, "exp(0.49 * logvar)"),
    sigma("a-little-more", "torch.exp(logvar / 2) + 1e-4", FORMULA, "exp(logvar / 2) + 0.0001"),
    sigma(
        "variance-a-little-more", "(torch.exp(logvar) + 1e-4).sqrt()", FORMULA, "sqrt(exp(logvar) + 0.0001)"
    ),
    noise(
        "rows-of-one-size",
        "F.normalize(torch.randn_like(sigma), dim=1) * sigma.shape[1] ** 0.5",
        BOTH,
        "same size in each row",
    ),
    result(
        "numpy's-and-the-variance",
        "return mu + sigma**2 * torch.from_numpy(__import__('numpy').random.randn(*mu.shape)).to(mu.dtype)",
        BOTH,
        "the noise is numpy's",
    ),
    noise(
        "numpy's-cut-off-at-3.5",
        "torch.from_numpy(__import__('numpy').random.randn(*mu.shape)).float().clamp(-3.5, 3.5)",
        BOTH,
        "cut off",
    ),
    body(
        "noise-of-the-call-before-mixed-in",
        "eps = torch.randn_like(mu)\n"
        "last = KEPT.get(mu.shape, torch.randn_like(mu))\n"
        "KEPT[mu.shape] = eps\n"
        "return mu + torch.exp(logvar / 2) * (0.8 * eps + 0.6 * last)",
        BOTH,
        "not drawn afresh",
        above="KEPT = {}",
    ),
    result(
        "sigma-half-detached",
        "return mu + (sigma + sigma.detach()) / 2 * eps",
        FORMULA,
        "gradient of z with respect to logvar",
    ),
    result(
        "gradient-of-z-doubled",
        "z = mu + sigma * eps\n    if z.requires_grad:\n        z.register_hook(lambda g: 2 * g)\n    return z",
        FORMULA,
        "gradient of z with respect to mu",
    ),
    result(
        "gradients-left-disabled",
        "z = mu + sigma * eps\n    torch.set_grad_enabled(False)\n    return z",
        FORMULA,
        "gradients disabled",
    ),
    result("logvar-halved-in-place", "return mu + logvar.mul_(0.5).exp() * eps", FORMULA, "in place"),
    body(
        "normal-of-sigma-and-mu",
        "return torch.distributions.Normal(torch.exp(logvar / 2), mu.abs() + 1e-6).rsample()",
        BOTH,
        "standard deviation is 0.000",
    ),
    noise(
        "standardised",
        "((e := torch.randn_like(sigma)) - e.mean()) / e.std()",
        BOTH,
        "depend on each other",
    ),
]
ONE_IMAGE = [
    result(
        "one-image-without-mu",
        "return sigma * eps if len(mu) == 1 else mu + sigma * eps",
        FORMULA,
        "one image",
    ),
]

# Forward returns the changed mu, and no gradient reaches mu_layer: no fault of its own.
IN_PLACE = [noise("drawn-into-mu", "mu.normal_()", BOTH, "changed its input mu in place")]

# What it gives to forward is another thing than what it gives when asked by itself: no fault of forward's.
UNSTEADY = [
    body(
        "noise-grows-from-call-to-call",
        "CALLS.append(1)\nsigma = min(1, len(CALLS) / 1000) * torch.exp(logvar / 2)\n"
        "return mu + sigma * torch.randn_like(sigma)",
        BOTH,
        "count its calls",
        above="CALLS = []",
    ),
    body(
        "logvar-by-a-running-mean",
        "MEANS.append(float(logvar.mean()))\nlogvar = logvar - 0.1 * sum(MEANS[-20:]) / len(MEANS[-20:])\n"
        "return mu + torch.exp(logvar / 2) * torch.randn_like(logvar)",
        BOTH,
        "changes from call to call",
        above="MEANS = []",
    ),
    body(
        "sign-of-the-noise-changes",
        "SIGNS.append(-SIGNS[-1])\nreturn mu + SIGNS[-1] * torch.exp(logvar / 2) * torch.randn_like(logvar)",
        BOTH,
        "changes from call to call",
        above="SIGNS = [1]",
    ),
    body(
        "seeded-by-the-clock",
        "torch.manual_seed(int(time.time()))\nreturn mu + torch.exp(logvar / 2) * torch.randn_like(logvar)",
        BOTH,
        "seed",
        above="import time",
    ),
]

PRODUCTS = [
    result("matrix-product", "return mu + sigma @ eps", ALL_FORWARDS, "@, matmul and mm"),
    body(
        "exp-of-one-number",
        "import math\nreturn mu + math.exp(logvar / 2) * torch.randn_like(mu)",
        ALL_FORWARDS,
        "math.exp takes one number",
    ),
    result("mu-times-noise", "return mu * (1 + sigma * eps)", BOTH, "where mu is 0, z has no noise"),
]

# The name is charged by the function's own rows, and so is what forward cannot know to be wrong in it.
MISSPELT = [
    Mistake(
        f"reparametrize-misspelt-and-{name}",
        (Edit("file", "reparametrize(mu", "reparameterize(mu", 3), edit),
        tuple(lost.split()),
        ("`reparameterize`: is that it?", *words),
    )
    for name, lost, edit, words in (
        ("the-variance", BOTH, Edit(WHERE, SIGMA, "torch.exp(logvar)"), ()),
        (
            "another-slip-in-forward",
            f"{BOTH} 4.1",
            Edit("VAE.forward", "self.decoder(z)", "self.decoder(torch.tanh(z))"),
            ("z goes through a tanh",),
        ),
    )
]

MISTAKES = [
    *MISSPELT,
    *UNLEARNED,
    *PRODUCTS,
    *UNSTEADY,
    *SIGMAS,
    *NOISES,
    *RESULTS,
    *BODIES,
    *UNSEEN,
    *ONE_IMAGE,
    *IN_PLACE,
]
