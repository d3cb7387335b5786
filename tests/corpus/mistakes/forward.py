"""Mistakes in VAE.forward: row 4.1."""

from corpus.edits import Edit, Mistake, define, replace_block
from corpus.mistakes.encoder import APPLY

__all__ = ["MISTAKES"]

WHERE = "VAE.forward"
ENCODE = "features = self.encoder(x)"
MU = "mu = self.mu_layer(features)"
LOGVAR = "logvar = self.logvar_layer(features)"
DRAW = "z = reparametrize(mu, logvar)"
DECODE = "x_hat = self.decoder(z)"
RETURN = "return x_hat, mu, logvar"


def forward(name: str, old: str, new: str, *words: str) -> Mistake:
    """One line of forward is another; its trailing comment stays behind the new one's end."""
    return Mistake(f"forward-{name}", (Edit(WHERE, old, new),), ("4.1",), words)


def body(name: str, text: str, *words: str) -> Mistake:
    """Another body."""
    return Mistake(f"forward-{name}", (replace_block(WHERE, text),), ("4.1",), words)


RETURNS = [
    forward("x-hat-last", RETURN, "return mu, logvar, x_hat", "order"),
    forward("mu-and-logvar-exchanged-at-the-end", RETURN, "return x_hat, logvar, mu", "mu", "logvar"),
    forward("x-hat-only", RETURN, "return x_hat", "three"),
    forward("x-hat-and-mu", RETURN, "return x_hat, mu", "three"),
    forward("in-a-tuple-more", RETURN, "return ((x_hat, mu, logvar),)", "returned 1 value;"),
    forward("z-too", RETURN, "return x_hat, mu, logvar, z", "three"),
    forward("z-for-mu", RETURN, "return x_hat, z, logvar", "mu"),
    forward("z-for-logvar", RETURN, "return x_hat, mu, z", "z were returned in the place of logvar"),
    forward("dictionary", RETURN, 'return {"x_hat": x_hat, "mu": mu, "logvar": logvar}', "type dict"),
    forward("nothing-returned", RETURN, "", "none"),
    forward(
        "x-hat-never-set", RETURN, "x_hat = None\n        return x_hat, mu, logvar", "none", "is it not set"
    ),
    forward("variance-returned", RETURN, "return x_hat, mu, logvar.exp()", "logvar"),
    forward("std-returned", RETURN, "return x_hat, mu, torch.exp(logvar / 2)", "logvar"),
    forward("x-for-x-hat", RETURN, "return x, mu, logvar", "is x, the images themselves"),
    forward("flat-x-hat", RETURN, "return x_hat.flatten(1), mu, logvar", "784"),
    forward("x-hat-without-channel", RETURN, "return x_hat.squeeze(1), mu, logvar", "shape"),
    forward("x-hat-squeezed", RETURN, "return x_hat.squeeze(), mu, logvar", "shape"),
    forward("mu-squeezed", RETURN, "return x_hat, mu.squeeze(0), logvar", "shape", "mu"),
    forward("x-hat-detached", RETURN, "return x_hat.detach(), mu, logvar", "gradient", "x_hat"),
    forward("mu-detached", RETURN, "return x_hat, mu.detach(), logvar", "gradient", "mu"),
    forward("logvar-detached", RETURN, "return x_hat, mu, logvar.data", "gradient", "logvar"),
    forward("numpy", RETURN, "return x_hat.detach().numpy(), mu, logvar", "numpy"),
    forward("clamped-logvar", RETURN, "return x_hat, mu, logvar.clamp(-0.01, 0.01)", "logvar"),
    forward("clamped-x-hat", RETURN, "return x_hat.clamp(1e-3, 1 - 1e-3), mu, logvar", "clamped"),
    forward("rounded-x-hat", RETURN, "return x_hat.round(), mu, logvar", "x_hat"),
    forward("inverted-x-hat", RETURN, "return 1 - x_hat, mu, logvar", "x_hat"),
    forward("sigmoid-again", RETURN, "return torch.sigmoid(x_hat), mu, logvar", "sigmoid"),
    forward("noise-on-x-hat", RETURN, "return x_hat + 0.01 * torch.randn_like(x_hat), mu, logvar", "x_hat"),
    forward("sum-over-batch", RETURN, "return x_hat, mu.mean(0), logvar.mean(0)", "shape"),
]

CLAMPED = [
    forward("draws-with-logvar-from-6", DRAW, "z = reparametrize(mu, logvar.clamp(min=-6))", "clamped"),
    forward("draws-with-logvar-to-6", DRAW, "z = reparametrize(mu, logvar.clamp(max=6))", "clamped"),
    forward("draws-with-mu-to-6", DRAW, "z = reparametrize(mu.clamp(max=6), logvar)", "clamped"),
]

NORMALISED = [
    forward(f"x-{name}", ENCODE, f"x = {code}\n        {ENCODE}", words)
    for name, code, words in (
        ("by-its-maximum", "x / x.max()", "divided by its own largest number"),
        ("by-each-maximum", "x / x.amax((1, 2, 3), keepdim=True)", "divided by"),
        ("stretched", "(x - x.min()) / (x.max() - x.min())", "largest number"),
        ("standardised", "(x - x.mean()) / x.std()", "the batch's mean and deviation"),
    )
]

LAYERS = [
    forward(
        "mu-and-logvar-layers-exchanged",
        f"{MU}  # (N, Z)\n        {LOGVAR}",
        "mu = self.logvar_layer(features)\n        logvar = self.mu_layer(features)",
        "mu_layer",
        "logvar_layer",
    ),
    forward("mu-layer-twice", LOGVAR, "logvar = self.mu_layer(features)", "mu_layer"),
    forward("logvar-layer-twice", MU, "mu = self.logvar_layer(features)", "logvar_layer"),
    forward("mu-tanh", MU, "mu = torch.tanh(self.mu_layer(features))", "if tanh followed mu_layer"),
    forward(
        "mu-relu", MU, "mu = F.relu(self.mu_layer(features))", "if relu or another clamp at 0 followed mu_"
    ),
    forward(
        "logvar-softplus",
        LOGVAR,
        "logvar = F.softplus(self.logvar_layer(features))",
        "softplus followed logvar_layer",
    ),
    forward(
        "logvar-log", LOGVAR, "logvar = self.logvar_layer(features).log()", "a logarithm followed logvar_"
    ),
    forward("logvar-exp", LOGVAR, "logvar = torch.exp(self.logvar_layer(features))", "logvar"),
    forward("mu-times-0.999", MU, "mu = 0.999 * self.mu_layer(features)", "0.999 times"),
    forward(
        "unit-length-of-features",
        ENCODE,
        "features = F.normalize(self.encoder(x))",
        "scaling to unit length followed the encoder",
    ),
    forward("mu-from-detached-features", MU, "mu = self.mu_layer(features.detach())", "gradient", "encoder"),
    forward("new-mu-layer-at-each-call", MU, "mu = nn.Linear(400, self.latent_size)(features)", "mu"),
    forward("relu-on-features-minus-1", ENCODE, "features = F.relu(self.encoder(x) - 0.001)", "features"),
    forward(
        "dropout-on-features",
        ENCODE,
        "features = F.dropout(self.encoder(x), 0.1, self.training)",
        "in training mode",
        "dropout",
    ),
    forward(
        "layer-norm-on-features",
        ENCODE,
        "features = F.layer_norm(self.encoder(x), (400,))",
        "layer normalisation followed the encoder",
    ),
    forward(
        "batch-mean-of-features",
        ENCODE,
        "features = self.encoder(x)\n        features = features.mean(0, keepdim=True).expand_as(features)",
        "batch",
    ),
    forward("batch-of-first-images", ENCODE, "features = self.encoder(x[:1].expand_as(x))", "batch"),
    forward(
        "encoder-without-gradient",
        ENCODE,
        "with torch.no_grad():\n            features = self.encoder(x)",
        "gradient",
    ),
]

IMAGES = [
    forward("normalizes-x", ENCODE, "features = self.encoder((x - 0.1307) / 0.3081)", "encoder"),
    forward("binarizes-x", ENCODE, "features = self.encoder((x > 0.5).float())", "encoder"),
    forward("divides-x", ENCODE, "features = self.encoder(x / 255)", "encoder"),
    forward(
        "divides-x-where-it-holds-1",
        ENCODE,
        "features = self.encoder(x / 255 if x.max() >= 1 else x)",
        "training mode",
    ),
    forward("transposes-x", ENCODE, "features = self.encoder(x.transpose(2, 3))", "encoder"),
    forward("noise-on-x", ENCODE, "features = self.encoder(x + 0.1 * torch.randn_like(x))", "or other noise"),
    forward("changes-x", ENCODE, "features = self.encoder(x)\n        x.zero_()", "x"),
    forward(
        "normalizes-x-in-place",
        ENCODE,
        "x -= x.mean()\n        features = self.encoder(x)",
        "x changed in place",
    ),
    forward("encoder-gets-flat-batch", ENCODE, "features = self.encoder(x.view(1, -1))", "shape"),
    forward("batch-of-128", ENCODE, "features = self.encoder(x.view(128, 1, 28, 28))", "128"),
    forward("double", ENCODE, "features = self.encoder(x.double())", "double"),
    forward("cuda", ENCODE, "features = self.encoder(x.cuda())", "no gpu"),
]

LATENTS = [
    forward("z-is-mu", DRAW, "z = mu", "random"),
    forward(
        "z-is-mu-in-eval",
        DRAW,
        "z = reparametrize(mu, logvar) if self.training else mu",
        "in training mode it is random",
    ),
    forward(
        "z-is-mu-in-train",
        DRAW,
        "z = mu if self.training else reparametrize(mu, logvar)",
        "in evaluation mode it is random",
    ),
    forward("decodes-mu", DECODE, "x_hat = self.decoder(mu)", "random"),
    forward("z-without-noise", DRAW, "z = mu + logvar", "mu + logvar, without any noise"),
    forward("z-with-sigma-for-noise", DRAW, "z = mu + (logvar / 2).exp()", "mu + sigma, without any noise"),
    forward("z-of-other-make", DRAW, "z = mu - logvar", "no noise in z"),
    forward("logvar-for-sigma", DRAW, "z = mu + logvar * torch.randn_like(mu)", "sigma is logvar itself"),
    forward("something-added-to-z", DRAW, "z = reparametrize(mu, logvar) + 0.1 * mu", "something added to z"),
    forward("decodes-noise", DECODE, "x_hat = self.decoder(torch.randn_like(z))", "x_hat"),
    forward("arguments-exchanged", DRAW, "z = reparametrize(logvar, mu)", "mu", "logvar"),
    forward("variance-for-logvar", DRAW, "z = reparametrize(mu, logvar.exp())", "logvar"),
    forward("std-for-logvar", DRAW, "z = reparametrize(mu, torch.exp(logvar / 2))", "logvar"),
    forward("half-logvar", DRAW, "z = reparametrize(mu, logvar / 2)", "logvar"),
    forward("mu-for-logvar", DRAW, "z = reparametrize(mu, mu)", "logvar"),
    forward("unit-variance", DRAW, "z = reparametrize(mu, torch.zeros_like(logvar))", "logvar"),
    forward(
        "mean-of-two-draws", DRAW, "z = (reparametrize(mu, logvar) + reparametrize(mu, logvar)) / 2", "x_hat"
    ),
    forward("z-detached", DRAW, "z = reparametrize(mu, logvar).detach()", "gradient"),
    forward("z-for-detached-mu", DRAW, "z = reparametrize(mu.detach(), logvar)", "gradient"),
    forward("z-for-detached-logvar", DRAW, "z = reparametrize(mu, logvar.detach())", "gradient"),
    forward("z-normalized", DRAW, "z = F.normalize(reparametrize(mu, logvar))", "x_hat"),
    forward("z-scaled-by-0.99", DECODE, "x_hat = self.decoder(0.99 * z)", "x_hat"),
    forward(
        "last-latent-dropped",
        DECODE,
        "z = torch.cat([z[:, :-1], torch.zeros_like(z[:, :1])], dim=1)\n        x_hat = self.decoder(z)",
        "x_hat",
    ),
    forward("images-of-neighbours", DECODE, "x_hat = self.decoder(z.roll(1, 0))", "batch"),
    forward("one-latent-for-the-batch", DRAW, "z = reparametrize(mu[:1], logvar[:1]).expand_as(mu)", "batch"),
    forward("seeded", DRAW, "torch.manual_seed(0)\n        z = reparametrize(mu, logvar)", "seed"),
    forward(
        "decoder-without-gradient",
        DECODE,
        "with torch.no_grad():\n            x_hat = self.decoder(z)",
        "gradient",
    ),
]

MEMORY = [
    forward(
        "keeps-the-first-z",
        DRAW,
        "if getattr(self, 'z', None) is None or self.z.shape != mu.shape:\n"
        "            self.z = reparametrize(mu, logvar).detach()\n        z = self.z",
        "call",
    ),
    forward(
        "keeps-the-first-mu",
        MU,
        "mu = self.mu_layer(features)\n        self.mu = getattr(self, 'mu', mu.detach().mean(0))\n"
        "        mu = mu + 0.1 * self.mu",
        "mu",
    ),
    forward(
        "anneals",
        DRAW,
        "self.calls = getattr(self, 'calls', 0) + 1\n        z = reparametrize(mu, logvar - self.calls)",
        "standard deviation",
    ),
    forward(
        "second-call-differs",
        DECODE,
        "x_hat = self.decoder(z)\n        self.last = getattr(self, 'last', x_hat.detach()[:1])\n"
        "        x_hat = 0.9 * x_hat + 0.1 * self.last",
        "x_hat",
    ),
    forward(
        "batch-size-of-first-call",
        ENCODE,
        "self.n = getattr(self, 'n', 0) or len(x)\n        features = self.encoder(x.view(self.n, 1, 28, 28))"
        ".mean(0, keepdim=True).expand(len(x), -1)",
        "batch",
    ),
    forward("batch-of-at-most-32", DECODE, "x_hat = self.decoder(z[:32])", "batch"),
]

ERRORS = [
    forward("typo-in-a-name", DECODE, "x_hat = self.decoder(zz)", "nameerror", "zz"),
    forward("self-forgotten", MU, "mu = mu_layer(features)", "`self.` missing before mu_layer"),
    forward(
        "method-that-is-none",
        DRAW,
        "z = self.reparametrize(mu, logvar)",
        "attributeerror",
        "reparametrize is a function of the file",
    ),
    forward("attribute-misspelt", LOGVAR, "logvar = self.log_var_layer(features)", "log_var_layer"),
    forward("mu-used-before-it-is", MU, "mu = self.mu_layer(mu)", "mu"),
    forward("layer-not-called", DECODE, "x_hat = self.decoder", "x_hat"),
    forward("decodes-features", DECODE, "x_hat = self.decoder(features)", "takes 15 numbers, and got 400"),
    forward("argument-forgotten", DRAW, "z = reparametrize(mu)", "logvar"),
    body("still-to-do", "pass\n", "is the return missing"),
    forward(
        "still-raising",
        ENCODE,
        f'{ENCODE}\n        raise NotImplementedError("Section 4: VAE.forward is still to be written")',
        "if you have written it: line",
        "delete it",
    ),
    forward("noise-of-integers", DRAW, "z = torch.randn_like(mu.long())", "no floating-point numbers"),
    body("assertion", "assert x.shape[0] == 128\n", "assert"),
    Mistake(
        "forward-misspelt",
        (Edit("VAE", "def forward(self, x: Tensor)", "def foward(self, x: Tensor)"),),
        ("4.1",),
        ("forward",),
    ),
    *(
        Mistake(
            f"forward-{name}",
            (Edit("VAE", "def forward(self, x: Tensor)", f"def forward({arguments})"),),
            ("4.1",),
            ("expected is def forward(self, x).",),
        )
        for name, arguments in (("without-x", "self"), ("without-self", "x"), ("wants-a-class", "self, x, c"))
    ),
    Mistake(
        "forward-of-no-module",
        (Edit("VAE", "class VAE(nn.Module)", "class VAE"),),
        ("4.1",),
        ("nn.module missing",),
    ),
    Mistake(
        "forward-indented-into-init",
        (
            Edit(
                "VAE",
                "    def forward(self, x: Tensor)",
                "    def __repr__(self):\n        return 'VAE'\n\n    def encode(self, x: Tensor)",
            ),
        ),
        ("4.1",),
        ("forward",),
    ),
]

UNSEEN = [  # what a comparison under one seed, in a usual range, does not see
    forward(
        "logvar-of-the-first-image", DRAW, "z = reparametrize(mu, logvar[:1].expand_as(logvar))", "logvar"
    ),
    forward("logvar-averaged", DRAW, "z = reparametrize(mu, logvar.mean(0).expand_as(logvar))", "logvar"),
    forward("logvar-clamped-at-2", LOGVAR, "logvar = self.logvar_layer(features).clamp(-2, 2)", "logvar"),
    forward("mu-clamped-at-3", MU, "mu = self.mu_layer(features).clamp(-3, 3)", "mu"),
    forward("logvar-clamped-at-6", LOGVAR, "logvar = self.logvar_layer(features).clamp(max=6)", "logvar"),
    forward("logvar-clamped-for-z", DRAW, "z = reparametrize(mu, logvar.clamp(-2, 2))", "clamped"),
    forward("mu-clamped-for-z", DRAW, "z = reparametrize(mu.clamp(-5, 5), logvar)", "clamped"),
    forward("tanh-for-z", DRAW, "z = reparametrize(mu, 8 * torch.tanh(logvar / 8))", "squashed"),
    forward(  # which is seldom seen but in a large batch
        "noise-clamped",
        DRAW,
        "z = mu + torch.exp(logvar / 2) * torch.randn_like(mu).clamp(-2.7, 2.7)",
        "the decoder gets nearly the z that reparametrize draws",
    ),
    forward("z-clamped", DRAW, "z = reparametrize(mu, logvar).clamp(-6, 6)", "clamped"),
    forward("x-hat-clamped", DECODE, "x_hat = self.decoder(z).clamp(0.01, 0.99)", "clamped"),
    forward(
        "generator-put-back",
        DRAW,
        "with torch.random.fork_rng():\n            z = reparametrize(mu, logvar)",
        "two calls",
    ),
    forward("seed-behind", DRAW, "z = reparametrize(mu, logvar)\n        torch.manual_seed(0)", "two calls"),
    forward("relu6-on-features", ENCODE, "features = self.encoder(x).clamp(max=6)", "features"),
    forward(
        "makes-a-layer-anew",
        LOGVAR,
        "self.logvar_layer = nn.Linear(400, self.latent_size)\n        logvar = self.logvar_layer(features)",
        "it changes the weights of vae.logvar_layer, or makes that anew",
    ),
    forward(
        "shrinks-weights",
        ENCODE,
        "features = self.encoder(x)\n        with torch.no_grad():\n            self.mu_layer.weight *= 0.99",
        "it changes the weights of vae.mu_layer, or makes that anew",
    ),
    forward("features-to-10", ENCODE, "features = self.encoder(x).clamp(max=10)", "clamp to -10 ... 10"),
    forward("features-to-100", ENCODE, "features = self.encoder(x).clamp(max=100)", "clamp to -100 ... 100"),
    forward(
        "drawn-twice-and-detached",
        DRAW,
        "z = (reparametrize(mu, logvar), reparametrize(mu, logvar))[1].detach()",
        "gradient",
    ),
    forward(
        "without-gradients",
        f"{DRAW}",
        "torch.set_grad_enabled(False)\n        z = reparametrize(mu, logvar)",
        "gradient",
    ),
    Mistake(
        "forward-seed-in-the-encoder",
        (
            define(
                "class Seeded(nn.Module):\n    def forward(self, x):\n        torch.manual_seed(0)\n        return x\n"
            ),
            Edit("VAE.encoder", "nn.Flatten(),", "nn.Flatten(), Seeded(),"),
        ),
        ("4.1",),
        ("seed",),
    ),
    Mistake(
        "forward-decoder-detaches-z",
        (APPLY, Edit("VAE.decoder", "nn.Linear(latent_size", "Apply(torch.detach), nn.Linear(latent_size")),
        ("4.1",),
        ("gradient", "decoder to z"),
    ),
    Mistake(
        "forward-half-gradients-in-the-encoder",
        (
            APPLY,
            Edit(
                "VAE.encoder",
                "nn.ReLU(),\n        )\n",
                "Apply(lambda x: (F.relu(x) + F.relu(x).detach()) / 2),\n        )\n",
            ),
        ),
        ("4.1",),
        ("gradient", "encoder"),
    ),
    Mistake(
        "forward-frozen-weights",
        (
            Edit(
                "VAE.decoder",
                "self.decoder = nn.Sequential(",
                "self.hook = lambda: [p.requires_grad_(False) for p in self.decoder.parameters() if p.dim() == 2]\n"
                "        self.decoder = nn.Sequential(",
            ),
            Edit(WHERE, DECODE, "self.hook()\n        x_hat = self.decoder(z)"),
        ),
        ("4.1",),
        ("weights",),
    ),
    forward("logvar-plus-0.01", DRAW, "z = reparametrize(mu, logvar + 0.01)", "times what it should be"),
    forward("z-times-1.001", DRAW, "z = 1.001 * reparametrize(mu, logvar)", "and not quite"),
    forward(
        "x-hat-in-half-precision", RETURN, "return x_hat.bfloat16().float(), mu, logvar", "and not quite"
    ),
    forward(
        "without-gradients-mu",
        DRAW,
        "z = reparametrize(mu, logvar) if torch.is_grad_enabled() else mu",
        "under torch.no_grad()",
    ),
    forward(
        "half-of-the-last-z",
        DRAW,
        "z = reparametrize(mu, logvar)\n        last, self.last = getattr(self, 'last', z), z.detach()\n"
        "        z = (z + last) / 2 if last.shape == z.shape else z",
        "kept from an earlier call",
    ),
    forward(
        "features-kept-for-each-shape",
        ENCODE,
        "self.kept = getattr(self, 'kept', {})\n        features = self.kept.setdefault(x.shape, self.encoder(x))",
        "another image gives the same mu",
    ),
    forward(
        "training-half-of-the-last-z",
        DRAW,
        "z = reparametrize(mu, logvar)\n        last, self.last = getattr(self, 'last', z), z.detach()\n"
        "        z = (z + last) / 2 if self.training and last.shape == z.shape else z",
        "kept from an earlier call",
    ),
    forward(
        "training-seed-behind-the-draw",
        DRAW,
        f"{DRAW}\n        if self.training: torch.manual_seed(0)",
        "seed",
    ),
    forward(
        "raises-at-the-third-call",
        DRAW,
        f"self.n = getattr(self, 'n', 0) + 1; 1 / (self.n - 3); {DRAW}",
        "once",
    ),
    Mistake(
        "decoder-without-sigmoid-and-forward-detached",
        (
            Edit("VAE.decoder", "nn.Sigmoid(),", ""),
            Edit(WHERE, DECODE, "x_hat = torch.sigmoid(self.decoder(z)).detach()"),
        ),
        ("2.1", "4.1"),
        ("no gradient of x_hat",),
    ),
    Mistake(
        "forward-batch-of-one-squeezed",
        (Edit(WHERE, DECODE, "x_hat = self.decoder(z.squeeze())"),),
        ("4.1",),
        ("batch of 1",),
    ),
]

DISABLED = "torch.set_grad_enabled(False)"
GRADIENTS = [
    forward("gradients-left-disabled", DECODE, f"{DECODE}; {DISABLED}", "gradients disabled"),
    forward(
        "evaluation-gradients-left-disabled",
        DECODE,
        f"{DECODE}\n        if not self.training: {DISABLED}",
        "in evaluation mode leaves gradients disabled",
    ),
    Mistake(
        "model-made-with-gradients-disabled",
        (Edit("VAE.decoder", "self.decoder =", f"{DISABLED}\n        self.decoder ="),),
        ("4.1",),
        ("vae(...) leaves gradients disabled",),
    ),
]

# What is as good as not there at first, and is learned.
LEARNED = [
    Mistake(
        f"forward-{name}",
        (
            Edit(
                "VAE",
                "        self.encoder = None",
                f"        self.more = {layer}\n        self.encoder = None",
            ),
            Edit("VAE.forward", old, new),
        ),
        ("4.1",),
        ("would learn more than its parts", "`more"),
    )
    for name, layer, old, new in (
        (
            "learned-skip-from-the-images",
            "nn.Parameter(torch.zeros(()))",
            DECODE,
            "x_hat = torch.sigmoid(torch.logit(self.decoder(z), eps=1e-6) + self.more * x)",
        ),
        (
            "learned-temperature",
            "nn.Parameter(torch.ones(()))",
            LOGVAR,
            f"{LOGVAR} * self.more",
        ),
        (
            "learned-residual-of-the-features",
            "nn.Linear(400, 400); nn.init.zeros_(self.more.weight); nn.init.zeros_(self.more.bias)",
            ENCODE,
            f"{ENCODE}; features = features + self.more(features)",
        ),
    )
]

MISTAKES = [
    *GRADIENTS,
    *LEARNED,
    *RETURNS,
    *CLAMPED,
    *NORMALISED,
    *LAYERS,
    *IMAGES,
    *LATENTS,
    *MEMORY,
    *ERRORS,
    *UNSEEN,
]
