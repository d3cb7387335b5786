"""Mistakes in loss_function: row 5.1."""

from corpus.edits import Edit, Mistake, replace_block

__all__ = ["MISTAKES"]

WHERE = "loss_function"
BCE = 'F.binary_cross_entropy(x_hat, x, reduction="sum")'
KL = "-0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())"
RETURN = "return (reconstruction + divergence) / x.shape[0]"


def bce(name: str, code: str, *words: str) -> Mistake:
    """Another reconstruction."""
    return Mistake(f"loss-{name}", (Edit(WHERE, BCE, code),), ("5.1",), words)


def kl(name: str, code: str, *words: str) -> Mistake:
    """Another divergence."""
    return Mistake(f"loss-{name}", (Edit(WHERE, KL, code),), ("5.1",), words)


def result(name: str, code: str, *words: str) -> Mistake:
    """Another last line."""
    return Mistake(f"loss-{name}", (Edit(WHERE, RETURN, code),), ("5.1",), words)


def body(name: str, text: str, *words: str) -> Mistake:
    """Another body."""
    return Mistake(f"loss-{name}", (replace_block(WHERE, text),), ("5.1",), words)


AVERAGES = [
    result("summed-over-batch", "return reconstruction + divergence", "summed over the batch"),
    result(
        "bce-summed-over-batch", "return reconstruction + divergence / x.shape[0]", "cross-entropy", "batch"
    ),
    result("kl-summed-over-batch", "return reconstruction / x.shape[0] + divergence", "kl", "batch"),
    result("averaged-over-pixels", "return (reconstruction + divergence) / x.numel()", "pixels"),
    result(
        "bce-averaged-over-pixels",
        "return reconstruction / x.numel() + divergence / x.shape[0]",
        "cross-entropy",
        "pixels",
    ),
    result(
        "kl-averaged-over-latents",
        "return reconstruction / x.shape[0] + divergence / mu.numel()",
        "kl",
        "latent",
    ),
    result(
        "both-averaged-over-everything",
        "return reconstruction / x.numel() + divergence / mu.numel()",
        "pixels",
    ),
    result(
        "divided-by-latents",
        "return (reconstruction + divergence) / mu.shape[1]",
        "whole loss",
        "number of latents",
    ),
    result("divided-by-channels", "return (reconstruction + divergence) / x.shape[1]", "batch"),
    result(
        "divided-by-784", "return (reconstruction + divergence) / 784", "whole loss", "784, as many", "pixels"
    ),
    result("divided-by-128", "return (reconstruction + divergence) / 128", "whole loss", "divided by 128"),
    result(
        "divided-by-width", "return (reconstruction + divergence) / x.shape[-1]", "whole loss", "28, as many"
    ),
    result(
        "divided-by-latents-of-all",
        "return (reconstruction + divergence) / mu.numel()",
        "latents",
        "once more",
    ),
    result("times-10", "return 10 * (reconstruction + divergence) / x.shape[0]", "whole loss", "about 10"),
    result("times-batch", "return (reconstruction + divergence) * x.shape[0]", "multiplied by the batch"),
    result(
        "divided-by-batch-less-1",
        "return (reconstruction + divergence) / (x.shape[0] - 1)",
        "size less 1",
    ),
    result("divided-twice", "return (reconstruction + divergence) / x.shape[0] ** 2", "whole", "twice"),
    result(
        "bce-divided-twice",
        "return (reconstruction / x.shape[0] + divergence) / x.shape[0]",
        "(bce) were divided by the batch's size twice",
    ),
    result(
        "kl-divided-twice",
        "return (reconstruction + divergence / x.shape[0]) / x.shape[0]",
        "kl divergence were divided by the batch's size twice",
    ),
    result("bce-sum-only", "return reconstruction", "summed over the batch", "kl divergence were missing"),
    result(
        "both-weighted",
        "return (0.5 * reconstruction + 4 * divergence) / x.shape[0]",
        "multiplied by about 0.5",
        "kl divergence is multiplied by about 4",
    ),
    result("halved", "return (reconstruction + divergence) / x.shape[0] / 2", "half"),
    result(
        "one-for-each-image",
        "return F.binary_cross_entropy(x_hat, x, reduction='none').sum((1, 2, 3)) + divergence / x.shape[0]",
        "scalar",
        "one number for each image",
    ),
    body(
        "one-for-each-latent",
        f"reconstruction = {BCE}\n"
        "return (reconstruction - 0.5 * (1 + logvar - mu**2 - logvar.exp())) / x.shape[0]\n",
        "one number for each latent of each image",
    ),
    result(
        "of-the-first-64-images",
        "return loss_function(x_hat[:64], x[:64], mu[:64], logvar[:64]) if len(x) > 64 else "
        "(reconstruction + divergence) / x.shape[0]",
        "for a batch of 1",
    ),
    result(
        "of-the-first-image",
        "return loss_function(x_hat[:1], x[:1], mu[:1], logvar[:1]) if len(x) > 1 else "
        "reconstruction + divergence",
        "batch",
    ),
]

DIMENSIONS = [
    result(
        "bce-summed-over-images-averaged-over-pixels",
        "return reconstruction / x[0].numel() + divergence / x.shape[0]",
        "averaged over the pixels, not the other way round",
    ),
    result(
        "kl-summed-over-images-averaged-over-latents",
        "return reconstruction / x.shape[0] + divergence / mu.shape[1]",
        "averaged over the latents, not the other way round",
    ),
    bce(
        "bce-mean-over-columns",
        'F.binary_cross_entropy(x_hat, x, reduction="none").sum(-1).mean() * len(x)',
        "rows or columns",
    ),
    body(
        "kl-unsummed-mean",
        f"reconstruction = {BCE}\n"
        "divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp())\n"
        "return (reconstruction + divergence).mean()\n",
        "added to each element",
        "mean",
    ),
    body(
        "kl-unsummed-sum",
        f"reconstruction = {BCE}\n"
        "divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp())\n"
        "return (reconstruction + divergence).sum() / x.shape[0]\n",
        "once for each latent of each image",
    ),
    body(
        "bce-unsummed-sum",
        'reconstruction = F.binary_cross_entropy(x_hat, x, reduction="none")\n'
        f"divergence = {KL}\n"
        "return (reconstruction + divergence).sum() / x.shape[0]\n",
        "once for each pixel of each image",
    ),
]

RECONSTRUCTIONS = [
    bce("logarithms-exchanged", "-(x * (1 - x_hat).log() + (1 - x) * x_hat.log()).sum()", "were exchanged"),
    bce("1-x-hat-for-1-x", "-(x * x_hat.log() + (1 - x_hat) * (1 - x_hat).log()).sum()", "1 - x belongs"),
    bce("x-hat-twice", 'F.binary_cross_entropy(x_hat, x_hat.detach(), reduction="sum")', "x_hat and x_hat"),
    bce("x-transposed", 'F.binary_cross_entropy(x_hat, x.mT, reduction="sum")', "transposed"),
    bce("mean-squared-error", 'F.mse_loss(x_hat, x, reduction="sum")', "squared"),
    bce("absolute-error", 'F.l1_loss(x_hat, x, reduction="sum")', "absolute"),
    bce("logits", 'F.binary_cross_entropy_with_logits(x_hat, x, reduction="sum")', "logits"),
    bce("default-reduction", "F.binary_cross_entropy(x_hat, x)", "cross-entropy", "pixels"),
    bce("mean-times-batch", "F.binary_cross_entropy(x_hat, x) * x.shape[0]", "pixels"),
    bce("arguments-exchanged", 'F.binary_cross_entropy(x, x_hat, reduction="sum")', "x_hat"),
    bce("sign", '-F.binary_cross_entropy(x_hat, x, reduction="sum")', "sign"),
    bce("missing", "torch.zeros(())", "cross-entropy"),
    bce("white-pixels-only", "-(x * x_hat.log()).sum()", "cross-entropy"),
    bce("black-pixels-only", "-((1 - x) * (1 - x_hat).log()).sum()", "cross-entropy"),
    bce("minus-between", "-(x * x_hat.log() - (1 - x) * (1 - x_hat).log()).sum()", "sign between"),
    bce("log-of-x-hat-twice", "-(x * x_hat.log() + (1 - x) * x_hat.log()).sum()", "log(x_hat) stood"),
    bce("x-twice", "-(x * x_hat.log() + x * (1 - x_hat).log()).sum()", "x stood where 1 - x belongs"),
    bce(
        "logs-plus-0.001",
        "-(x * (x_hat.log() + 1e-3) + (1 - x) * ((1 - x_hat).log() + 1e-3)).sum()",
        "off by -0.78",
        "for other x_hat too",
    ),
    bce(
        "less-that-of-x",
        "(F.binary_cross_entropy(x_hat, x) - F.binary_cross_entropy(x, x)) * x.numel()",
        "for other x_hat too",
    ),
    bce("base-2", "-(x * x_hat.log2() + (1 - x) * (1 - x_hat).log2()).sum()", "log"),
    bce("base-10", "-(x * x_hat.log10() + (1 - x) * (1 - x_hat).log10()).sum()", "log"),
    bce(
        "log-plus-0.01",
        "-(x * (x_hat + 0.01).log() + (1 - x) * (1 - x_hat + 0.01).log()).sum()",
        "0.01 to x_hat and 0.01 to 1 - x_hat",
    ),
    bce(
        "0.001-added-before-the-logarithms",
        "-(x * torch.log(x_hat + 1e-3) + (1 - x) * torch.log(1 - x_hat - 1e-3)).sum()",
        "added in the logarithms: 0.001 to x_hat and -0.001 to 1 - x_hat",
    ),
    bce(
        "clamped",
        'F.binary_cross_entropy(x_hat.clamp(0.1, 0.9), x, reduction="sum")',
        "x_hat were clamped at 0.1 and 0.9",
    ),
    bce("binarized-target", 'F.binary_cross_entropy(x_hat, x.round(), reduction="sum")', "x were rounded"),
    bce("off-by-1-percent", '1.01 * F.binary_cross_entropy(x_hat, x, reduction="sum")', "cross-entropy"),
    bce("of-means", 'F.binary_cross_entropy(x_hat.mean(0), x.mean(0), reduction="sum") * len(x)', "batch"),
    bce("sigmoid-again", 'F.binary_cross_entropy(torch.sigmoid(x_hat), x, reduction="sum")', "sigmoid"),
    bce("half", f"0.5 * {BCE}", "bce) is wrong", "multiplied by about 0.5, whatever"),
    bce("half-squared-error", '0.5 * F.mse_loss(x_hat, x, reduction="sum")', "half the squared error"),
    bce(
        "gaussian",
        "-torch.distributions.Normal(x_hat, 1.0).log_prob(x).sum()",
        "a gaussian's likelihood took the place",
    ),
    bce("root-of-squares", 'F.mse_loss(x_hat, x, reduction="sum").sqrt()', "root of the squared error"),
    bce(
        "softmax-first",
        'F.binary_cross_entropy(x_hat.flatten(1).softmax(1), x.flatten(1), reduction="sum")',
        "softmax were applied",
    ),
    bce("no-x", "-(x_hat.log() + (1 - x) * (1 - x_hat).log()).sum()", "factor x were missing"),
    bce("no-1-x", "-(x * x_hat.log() + (1 - x_hat).log()).sum()", "factor 1 - x were missing"),
    bce("neither-x-nor-1-x", "-(x_hat.log() + (1 - x_hat).log()).sum()", "both factors"),
    bce("no-logarithms", "-(x * x_hat + (1 - x) * (1 - x_hat)).sum()", "logarithms were missing"),
    bce("log-of-1-x", "-(x * x_hat.log() + (1 - x) * (1 - x).log()).sum()", "log(1 - x) stood"),
    bce("log-of-x", "-(x * x.log() + (1 - x) * (1 - x_hat).log()).sum()", "log(x) stood"),
    bce("log-of-1-plus", "-(x * x_hat.log() + (1 - x) * (1 + x_hat).log()).sum()", "log(1 + x_hat) stood"),
    bce("1-plus-x", "-(x * x_hat.log() + (1 + x) * (1 - x_hat).log()).sum()", "1 + x stood"),
    bce("x-hat-for-x", "-(x_hat * x_hat.log() + (1 - x) * (1 - x_hat).log()).sum()", "x_hat stood where x"),
    bce("x-long", 'F.binary_cross_entropy(x_hat, x.long().float(), reduction="sum")', "whole numbers"),
    bce("x-above-0", 'F.binary_cross_entropy(x_hat, (x > 0).float(), reduction="sum")', "not black"),
    bce("x-over-255", 'F.binary_cross_entropy(x_hat, x / 255, reduction="sum")', "x were divided by 255"),
    # The notebook's own case has images of 2 x 2 pixels.
    bce(
        "784-times-mean",
        "784 * F.binary_cross_entropy(x_hat, x) * len(x)",
        "right for images of 28 x 28",
        "784",
    ),
    bce(
        "784-pixels-written-in",
        'F.binary_cross_entropy(x_hat.view(-1, 784), x.view(-1, 784), reduction="sum")',
        "right for images of 28 x 28",
        "784",
    ),
    bce(
        "categorical",
        'F.cross_entropy(x_hat.flatten(1), x.flatten(1), reduction="sum")',
        "softmax cross-entropy",
    ),
    bce("categorical-of-channels", 'F.cross_entropy(x_hat, x, reduction="sum")', "softmax cross-entropy"),
]

DIVERGENCES = [
    kl("exp-of-minus-logvar", "-0.5 * torch.sum(1 + logvar - mu**2 - (-logvar).exp())", "exp(-logvar) stood"),
    kl(
        "exp-of-twice-logvar",
        "-0.5 * torch.sum(1 + logvar - mu**2 - (2 * logvar).exp())",
        "exp(2 * logvar) stood",
    ),
    kl("logvar-doubled", "-0.5 * torch.sum(1 + 2 * logvar - mu**2 - logvar.exp())", "2 * logvar stood"),
    kl("logvar-halved", "-0.5 * torch.sum(1 + logvar / 2 - mu**2 - logvar.exp())", "logvar / 2 stood"),
    kl("kl-of-std-twice", "-0.5 * torch.sum(1 + logvar / 2 - mu**2 - (logvar / 2).exp())", "sigma stood"),
    kl("kl-mu-times-2", "-0.5 * torch.sum(1 + logvar - mu * 2 - logvar.exp())", "2 * mu stood"),
    kl("kl-minus-1", "-0.5 * torch.sum(-1 + logvar - mu**2 - logvar.exp())", "sign of the 1"),
    kl("kl-half-of-1", "torch.sum(-0.5 * 1 + logvar - mu**2 - logvar.exp())", "reached only the 1 in"),
    kl("kl-half-outside", "-0.5 * 1 + torch.sum(logvar - mu**2 - logvar.exp())", "outside of the sum"),
    kl(
        "kl-half-of-1-and-logvar",
        "torch.sum(-0.5 * (1 + logvar) - mu**2 - logvar.exp())",
        "reached only 1 + logvar",
    ),
    kl(
        "kl-half-not-of-exp",
        "torch.sum(-0.5 * (1 + logvar - mu**2) - logvar.exp())",
        "reached all but exp(logvar)",
    ),
    kl("kl-exp-of-mu", "-0.5 * torch.sum(1 + logvar - mu.exp() - logvar**2)", "exp and the square"),
    kl("kl-squared", "0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp()) ** 2", "sum of the kl", "squared"),
    kl(
        "kl-square-of-sum-of-mu",
        "-0.5 * (torch.sum(1 + logvar - logvar.exp()) - torch.sum(mu) ** 2)",
        "sum of mu were squared",
    ),
    kl("kl-div", 'F.kl_div(logvar, mu, reduction="sum")', "every mu is positive", "f.kl_div"),
    kl("kl-over-60000", f"{KL} * len(x) / 60000", "divided by 60000, whatever"),
    kl("kl-missing", "0.0", "kl"),
    kl("kl-sign", "0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())", "sign"),
    kl("kl-logvar-minus", "-0.5 * torch.sum(1 - logvar - mu**2 - logvar.exp())", "sign of logvar"),
    kl("kl-without-half", "-torch.sum(1 + logvar - mu**2 - logvar.exp())", "0.5"),
    *(
        kl(
            name,
            f"-{factor} * torch.sum(1 + logvar - mu**2 - logvar.exp())",
            "kl divergence is multiplied",
            f"multiplied by about {2 * factor:g}",
        )
        for name, factor in (
            ("kl-halved-twice", 0.25),
            ("kl-off-by-1-percent", 0.505),
            ("kl-less-1-percent", 0.495),
            ("beta-4", 2),
            ("beta-0.1", 0.05),
            ("beta-0.001", 0.0005),
            ("beta-0.00025", 0.000125),
        )
    ),
    kl(
        "kl-mean-times-15",
        "-0.5 * 15 * len(x) * torch.mean(1 + logvar - mu**2 - logvar.exp())",
        "multiplied by 15 and divided by the number of latents",
        "right for 15 latents only",
    ),
    kl("kl-over-784", f"{KL} / 784", "multiplied by about 0.001276, 1/784"),
    kl("kl-over-pixels-of-all", f"{KL} / x.numel() * len(x)", "multiplied by about 0.001276, 1/784"),
    kl("kl-at-least-2", f"({KL} / len(x)).clamp(min=2) * len(x)", "bounded from below"),
    kl(
        "kl-mu-clamped-at-8",
        "-0.5 * torch.sum(1 + logvar - mu.clamp(-8, 8)**2 - logvar.exp())",
        "wrong where mu is",
        "clamped",
    ),
    kl(
        "kl-mu-at-least-minus-15",
        "-0.5 * torch.sum(1 + logvar - mu.clamp(min=-15)**2 - logvar.exp())",
        "wrong where mu is -20",
        "clamped",
    ),
    kl(
        "kl-logvar-at-most-8",
        "-0.5 * torch.sum(1 + logvar.clamp(max=8) - mu**2 - logvar.clamp(max=8).exp())",
        "wrong where logvar is 9",
        "clamped",
    ),
    kl(
        "kl-logvar-clamped-at-8",
        "-0.5 * torch.sum(1 + logvar.clamp(-8, 8) - mu**2 - logvar.clamp(-8, 8).exp())",
        "wrong where logvar is -9",
        "clamped",
    ),
    kl(
        "kl-variance-plus-0.0001",
        "-0.5 * torch.sum(1 + (logvar.exp() + 1e-4).log() - mu**2 - logvar.exp())",
        "kl divergence",
    ),
    kl("kl-mean", "-0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp())", "kl", "mean"),
    kl(
        "kl-mean-over-latents",
        "-0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp(), dim=1).sum()",
        "kl",
        "latent",
    ),
    kl("kl-without-mu", "-0.5 * torch.sum(1 + logvar - logvar.exp())", "mu"),
    kl("kl-without-logvar", "-0.5 * torch.sum(1 - mu**2 - logvar.exp())", "logvar"),
    kl("kl-without-exp", "-0.5 * torch.sum(1 + logvar - mu**2)", "kl"),
    kl("kl-without-1", "-0.5 * torch.sum(logvar - mu**2 - logvar.exp())", "1"),
    kl("kl-mu-not-squared", "-0.5 * torch.sum(1 + logvar - mu - logvar.exp())", "mu"),
    kl("kl-mu-absolute", "-0.5 * torch.sum(1 + logvar - mu.abs() - logvar.exp())", "mu"),
    kl("kl-mu-sign", "-0.5 * torch.sum(1 + logvar + mu**2 - logvar.exp())", "mu"),
    kl("kl-mu-doubled", "-0.5 * torch.sum(1 + logvar - (2 * mu) ** 2 - logvar.exp())", "mu"),
    kl("kl-of-std", "-0.5 * torch.sum(1 + logvar - mu**2 - torch.exp(logvar / 2))", "standard deviation"),
    kl(
        "kl-of-log-std",
        "-0.5 * torch.sum(1 + 2 * logvar - mu**2 - torch.exp(2 * logvar))",
        "standard deviation",
    ),
    kl("kl-of-variance", "-0.5 * torch.sum(1 + torch.log(logvar**2 + 1e-8) - mu**2 - logvar**2)", "logvar"),
    kl("kl-right-at-logvar-0", "0.5 * torch.sum(mu**2)", "logvar"),
    kl("kl-second-order", "0.5 * torch.sum(mu**2 + logvar**2 / 2)", "kl"),
    kl("kl-logvar-sign", "-0.5 * torch.sum(1 - logvar - mu**2 - torch.exp(-logvar))", "logvar"),
    kl("kl-reversed", "0.5 * torch.sum(logvar + (1 + mu**2) / logvar.exp() - 1)", "kl"),
    kl("kl-arguments-exchanged", "-0.5 * torch.sum(1 + mu - logvar**2 - mu.exp())", "mu", "logvar"),
    kl("kl-bounded-below", "-0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp()).clamp(max=-1000)", "kl"),
    kl(
        "kl-logvar-clamped",
        "-0.5 * torch.sum(1 + logvar.clamp(-1, 1) - mu**2 - logvar.clamp(-1, 1).exp())",
        "logvar",
    ),
    kl(
        "kl-of-detached-mu",
        "-0.5 * torch.sum(1 + logvar - mu.detach() ** 2 - logvar.exp())",
        "gradient",
        "mu",
    ),
    kl(
        "kl-of-detached-logvar",
        "-0.5 * torch.sum(1 + logvar - mu**2 - logvar.data.exp())",
        "gradient",
        "logvar",
    ),
    kl(
        "kl-sampled",
        "torch.sum((mu + torch.randn_like(mu) * torch.exp(logvar / 2)) ** 2 - torch.randn_like(mu) ** 2"
        " - logvar) / 2",
        "another value",
    ),
]

RESULTS = [
    result("negative", "return -(reconstruction + divergence) / x.shape[0]", "sign"),
    result("number", "return ((reconstruction + divergence) / x.shape[0]).item()", "tensor"),
    result("detached", "return ((reconstruction + divergence) / x.shape[0]).detach()", "gradient"),
    result(
        "rounded-down",
        "return (reconstruction + divergence) // x.shape[0]",
        "is a whole number",
        "rounds down",
    ),
    result("one-element", "return ((reconstruction + divergence) / x.shape[0]).reshape(1)", "in brackets"),
    result("two-values", "return reconstruction / x.shape[0], divergence / x.shape[0]", "tuple"),
    result(
        "three-values",
        "return (reconstruction + divergence) / x.shape[0], reconstruction, divergence",
        "tuple",
    ),
    result("nothing-returned", "(reconstruction + divergence) / x.shape[0]", "none"),
    result("reconstruction-only", "return reconstruction / x.shape[0]", "kl"),
    result("divergence-only", "return divergence / x.shape[0]", "cross-entropy"),
    result("exp", "return torch.exp(-(reconstruction + divergence) / x.shape[0])", "loss"),
    result("printed", "print((reconstruction + divergence) / x.shape[0])", "none"),
    result("new-tensor", "return torch.tensor(float(reconstruction + divergence) / x.shape[0])", "gradient"),
    result("typo", "return (reconstruction + divergance) / x.shape[0]", "nameerror", "divergance"),
    result(
        "anneals",
        "loss_function.calls = getattr(loss_function, 'calls', 0) + 1\n    return (reconstruction + "
        "min(1, loss_function.calls / 100) * divergence) / x.shape[0]",
        "call",
    ),
    body(
        "constant",
        "return torch.tensor(8.5079, requires_grad=True) + 0 * (mu.sum() + logvar.sum() + x_hat.sum())\n",
        "8.5079",
        "depends on none of them",
    ),
    body(
        "no-grad",
        f"with torch.no_grad():\n    reconstruction = {BCE}\n    divergence = {KL}\n    {RETURN}\n",
        "gradient",
    ),
    body(
        "undefined-function",
        "return binary_cross_entropy(x_hat, x) - 0.5 * torch.mean(1 + logvar)\n",
        "nameerror",
    ),
    body(
        "view-of-128",
        f"x = x.view(128, 784)\nreconstruction = F.binary_cross_entropy(x_hat.view(128, 784), x)\n"
        f"divergence = {KL}\n{RETURN}\n",
        "128",
    ),
    body("numpy", "import numpy as np\nreturn -0.5 * np.sum(1 + logvar.detach().numpy())\n", "numpy"),
    Mistake(
        "loss-parameters-in-another-order",
        (
            Edit(
                "file",
                "def loss_function(x_hat: Tensor, x: Tensor, mu",
                "def loss_function(x: Tensor, x_hat: Tensor, mu",
            ),
        ),
        ("5.1",),
        ("order",),
    ),
    Mistake(
        "loss-mu-and-logvar-exchanged",
        (
            Edit(
                "file",
                'mu: Tensor, logvar: Tensor) -> Tensor:\n    """Compute',
                'logvar: Tensor, mu: Tensor) -> Tensor:\n    """Compute',
            ),
        ),
        ("5.1",),
        ("mu", "logvar"),
    ),
    Mistake(
        "loss-misspelt",
        (Edit("file", "def loss_function(", "def loss_fn("),),
        ("5.1",),
        ("`loss_fn`: is that it",),
    ),
    Mistake(
        "loss-of-three-arguments",
        (
            Edit(
                "file",
                "def loss_function(x_hat: Tensor, x: Tensor, mu",
                "def loss_function(x_hat: Tensor, mu",
            ),
            Edit(WHERE, BCE, "x_hat.sum()"),
            Edit(WHERE, RETURN, "return x_hat.sum() + divergence"),
        ),
        ("5.1",),
        ("argument",),
    ),
]

RAISED = [
    bce("module-not-made", 'nn.BCELoss(x_hat, x, reduction="sum")', "is called, with x_hat and x"),
    bce("reduction-in-the-third-place", 'F.binary_cross_entropy(x_hat, x, "sum")', "taken for weight"),
    kl("kl-caret", "-0.5 * torch.sum(1 + logvar - mu ^ 2 - logvar.exp())", "^ is no power"),
    bce("module-not-called", 'nn.BCELoss(reduction="sum")', "is called, with x_hat and x"),
    kl(
        "kl-scale-is-logvar",
        "torch.distributions.kl_divergence(torch.distributions.Normal(mu, logvar), "
        "torch.distributions.Normal(0.0, 1.0)).sum()",
        "[...]",
        "is logvar given for it",
    ),
    body(
        "backward-inside",
        f"reconstruction = {BCE}\ndivergence = {KL}\nloss = (reconstruction + divergence) / x.shape[0]\n"
        "loss.backward()\nreturn loss\n",
        "belongs to the training",
    ),
]

UNSEEN = [
    bce(
        "x-hat-clamped-in-place",
        'F.binary_cross_entropy(x_hat.clamp_(1e-7, 1 - 1e-7), x, reduction="sum")',
        "inplace",
    ),
    bce(
        "black-pixels-skipped",
        'F.binary_cross_entropy(x_hat[x > 0], x[x > 0], reduction="sum")',
        "cross-entropy",
    ),
    bce(
        "at-least-0.01",
        'F.binary_cross_entropy(x_hat.clamp(min=0.01), x, reduction="sum")',
        "is x_hat clamped",
    ),
    kl(
        "kl-logvar-clamped-at-4",
        "-0.5 * torch.sum(1 + logvar.clamp(-4, 4) - mu**2 - logvar.clamp(-4, 4).exp())",
        "kl",
    ),
    kl(
        "kl-one-outside-the-sum",
        "-0.5 * (1 + torch.sum(logvar - mu**2 - logvar.exp()))",
        "outside of the sum",
    ),
    kl(
        "kl-log-of-logvar-squared",
        "-0.5 * torch.sum(1 + (logvar**2).log() - mu**2 - logvar.exp())",
        "logarithm taken",
    ),
    kl("kl-log-of-logvar", "-0.5 * torch.sum(1 + logvar.log() - mu**2 - logvar.exp())", "logvar is positive"),
    bce(
        "logarithm-of-x-written-out",
        "-torch.sum(x_hat * x.log() + (1 - x_hat) * (1 - x).log())",
        "x and x_hat were swapped",
    ),
    body(
        "median-of-the-batch",
        'bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)\n'
        "kl = -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1)\n"
        "return (bce + kl).median()",
        "no mean over the batch",
    ),
    body(
        "deviation-of-the-batch",
        'bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)\n'
        "kl = -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1)\n"
        "return (bce + kl).std()",
        "of a single image",
    ),
]

MODES = [
    result(
        "not-averaged-without-gradients",
        "loss = reconstruction + divergence\n    return loss / x.shape[0] if torch.is_grad_enabled() else loss",
        "under torch.no_grad()",
    ),
]

SEEDED = [
    Mistake(
        "loss-sets-a-seed",
        (Edit(WHERE, "reconstruction =", "torch.manual_seed(0)\n    reconstruction ="),),
        ("5.1",),
        ("seed",),
    ),
]

GRADIENTS = [
    result(
        "leaves-gradients-disabled",
        "loss = (reconstruction + divergence) / x.shape[0]\n    torch.set_grad_enabled(False)\n    return loss",
        "gradients disabled",
    ),
]

COMPUTED = [*AVERAGES, *DIMENSIONS, *RECONSTRUCTIONS, *DIVERGENCES, *RESULTS]
LOOP = """\
total = 0
for i in range({images}):
    divergence = -0.5 * torch.sum(1 + logvar[i] - mu[i] ** 2 - logvar[i].exp())
    total = total + F.binary_cross_entropy(x_hat[i], x[i], reduction="sum") + divergence
return total / len(x)
"""
SMALL = [
    body("without-the-last-image", LOOP.format(images="len(x) - 1"), "the last image were left out"),
    body("without-the-first-image", LOOP.format(images="1, len(x)"), "the first image were left out"),
    kl(
        "without-the-last-latent",
        KL.replace("logvar", "logvar[:, :-1]").replace("mu", "mu[:, :-1]"),
        "but one",
    ),
    kl(
        "of-one-latent",
        KL.replace("logvar", "logvar[:, 0]").replace("mu", "mu[:, 0]"),
        "the cross-entropy (bce) is right; the kl divergence is",  # often, as if divided by the number of latents
    ),
    result(
        "rounded-to-cents", f"{RETURN.replace('return ', 'return torch.round(')}, decimals=2)", "is rounded"
    ),
    result("constant-added", f"{RETURN} + 0.005", "off by 0.005"),
    kl(
        "exp-and-logvar-exchanged",
        KL.replace("logvar.exp()", "L").replace("logvar", "logvar.exp()").replace("L", "logvar"),
        "logvar and exp(logvar) were exchanged",
    ),
    kl("mu-for-logvar", KL.replace("1 + logvar", "1 + mu"), "mu stood where logvar belongs"),
    kl(
        "logvar-squared-for-mu-squared",
        KL.replace("mu**2", "logvar**2"),
        "logvar squared stood where mu squared",
    ),
    kl("exp-of-mu", KL.replace("logvar.exp()", "mu.exp()"), "exp(mu) stood where exp(logvar)"),
    bce(
        "brackets-missing", "-torch.sum(x * torch.log(x_hat) + torch.log(1 - x_hat) * 1 - x)", "* 1 - x stood"
    ),
    bce(
        "x-by-its-maximum",
        'F.binary_cross_entropy(x_hat, x / x.max(), reduction="sum")',
        "their largest number",
    ),
]

MISTAKES = [*SMALL, *GRADIENTS, *MODES, *SEEDED, *COMPUTED, *RAISED, *UNSEEN]
