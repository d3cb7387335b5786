"""What is written, and not where the assignment asks for it: without =, without self, inside of something else."""

from corpus.edits import Edit, Mistake, define

__all__ = ["MISTAKES"]

ENCODER = "self.encoder = nn.Sequential("
MU = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"
HEADS = f"""\
        {MU}  # (N, H) -> (N, Z)
        self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)  # (N, H) -> (N, Z)
"""
FEATURES = "features = self.encoder(x)"
# Without self.encoder no forward can run.
WITHOUT = ("1.1", "1.2", "4.1")


def encoder(name: str, code: str, *words: str) -> Mistake:
    """Something else stands where the encoder is assigned."""
    return Mistake(f"encoder-{name}", (Edit("VAE.encoder", ENCODER, code),), WITHOUT, words)


# What forward does with it can be seen all the same.
OTHER_NAME = Edit("VAE.encoder", ENCODER, "self.fc = nn.Sequential(")

TO_FC2 = ("self.decoder(z)", "self.fc2(z)")

# An own layer that keeps its weight the other way round than nn.Linear, and has no bias.
DENSE = define("""
class Dense(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.W = nn.Parameter(torch.randn(size_in, size_out) / size_in**0.5)

    def forward(self, x):
        return x @ self.W
""")

# One with the same bias for all its units: a large one would silence them together.
ONE_BIAS = define("""
class OneBias(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size_out, size_in) / size_in**0.5)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return F.linear(x, self.weight) + self.bias
""")

MISTAKES = [
    Mistake(
        "encoder-called-fc",
        (OTHER_NAME, Edit("VAE.forward", FEATURES, "features = self.fc(x)")),
        ("1.1", "1.2"),
        ("`fc`", "is that it?"),
    ),
    Mistake(
        "cvae-encoder-called-fc",
        (
            Edit("CVAE.encoder", ENCODER, "self.fc = nn.Sequential("),
            Edit("CVAE.forward", "features = self.encoder(", "features = self.fc("),
        ),
        ("6.1",),
        ("`fc`", "is that it?"),
    ),
    *(
        Mistake(
            f"encoder-called-fc-and-{name}",
            (
                OTHER_NAME,
                Edit("VAE.forward", FEATURES, "features = self.fc(x)"),
                Edit("VAE.forward", old, new),
            ),
            ("1.1", "1.2", "4.1"),
            ("`fc`", words),
        )
        for name, old, new, words in (
            ("no-noise", "z = reparametrize(mu, logvar)", "z = mu", "decoder gives"),
            ("exchanged", "return x_hat, mu, logvar", "return x_hat, logvar, mu", "decoder gives"),
            ("a-skip", "self.decoder(z)", "self.decoder(z + 0.01 * features.mean())", "by another way"),
            ("a-tanh", "self.decoder(z)", "self.decoder(torch.tanh(z))", "decoder gives"),
            (
                "detached",
                "self.decoder(z)",
                "self.decoder(z.detach())",
                "no gradient leads from x_hat back to the mu",
            ),
            (
                "mean-in-evaluation",
                "self.decoder(z)",
                "self.decoder(z if self.training else mu)",
                "evaluation mode",
            ),
        )
    ),
    *(
        Mistake(
            f"{name}-without-the-named-parts",
            (
                OTHER_NAME,
                Edit("VAE.decoder", "self.decoder = nn.Sequential(", "self.fc2 = nn.Sequential("),
                Edit("VAE.forward", FEATURES, "features = self.fc(x)"),
                *(Edit("VAE.forward", old, new) for old, new in changes),
            ),
            ("1.1", "1.2", "2.1", "4.1"),
            ("looked at as a whole", words),
        )
        for name, words, changes in (
            ("no-noise", "does not come from the logvar", (("reparametrize(mu, logvar)", "mu"), TO_FC2)),
            ("exchanged", "in the wrong order", (("x_hat, mu, logvar\n", "x_hat, logvar, mu\n"), TO_FC2)),
            ("flat-images", "has shape", (("self.decoder(z)", "self.fc2(z).flatten(1)"),)),
            (
                "the-variance",
                "another sigma",
                (("reparametrize(mu, logvar)", "reparametrize(mu, 2 * logvar)"), TO_FC2),
            ),
            ("a-skip", "by another way", (("self.decoder(z)", "self.fc2(z + 0.01 * features.mean())"),)),
            (
                "mixed-images",
                "are the images of a batch mixed",
                (("self.decoder(z)", "self.fc2(z + z.mean(0))"),),
            ),
        )
    ),
    encoder("compared", "self.encoder == nn.Sequential(", "with == it is compared"),
    encoder("without-self", "encoder = nn.Sequential(", "without `self.` before its name"),
    Mistake(
        "mu-layer-only-annotated",
        (Edit("VAE.encoder", MU, MU.replace(" =", ":")),),
        ("1.3", "4.1"),
        ("there is a colon after its name",),
    ),
    # A mistake of __init__'s, where no optimizer would find them; forward is right.
    Mistake(
        "heads-made-in-forward",
        (
            Edit("VAE.encoder", HEADS, ""),
            Edit(
                "VAE.forward",
                FEATURES,
                "if self.mu_layer is None:\n"
                "            self.mu_layer = nn.Linear(400, self.latent_size)\n"
                "            self.logvar_layer = nn.Linear(400, self.latent_size)\n"
                f"        {FEATURES}",
            ),
        ),
        ("1.3", "1.4"),
        ("is it assigned to `self.mu_layer`, in __init__",),
    ),
    Mistake(
        "loss-inside-of-reparametrize",
        (
            Edit(
                "reparametrize", "    return mu + sigma * eps\n", "    return mu + sigma * eps\n\n    LOSS\n"
            ),
            Edit("file", "def loss_function(", "def unused("),
            Edit(
                "file", "    LOSS\n", "    def loss_function(x_hat, x, mu, logvar):\n        return x.sum()\n"
            ),
        ),
        ("5.1",),
        ("`reparametrize.loss_function`, inside of a class or another function",),
    ),
    Mistake(
        "encoder-of-the-class",
        (
            Edit("VAE.encoder", ENCODER, "VAE.encoder = nn.Sequential("),
            Edit("VAE", "        self.encoder = None\n", ""),
        ),
        ("1.1", "1.2"),
        ("none are registered",),
    ),
    Mistake(
        "encoder-biases-of-one-number",
        (
            ONE_BIAS,
            Edit(
                "VAE.encoder",
                "nn.Linear(input_size, self.hidden_dim)",
                "OneBias(input_size, self.hidden_dim)",
            ),
            Edit(
                "VAE.encoder",
                "nn.Linear(self.hidden_dim, self.hidden_dim)",
                "OneBias(self.hidden_dim, self.hidden_dim)",
                2,
            ),
        ),
        ("1.1",),
        ("1.bias is one number, the bias of all units",),
    ),
    Mistake(
        "encoder-dense-without-bias",
        (
            DENSE,
            Edit(
                "VAE.encoder", "nn.Linear(input_size, self.hidden_dim)", "Dense(input_size, self.hidden_dim)"
            ),
            Edit(
                "VAE.encoder",
                "nn.Linear(self.hidden_dim, self.hidden_dim)",
                "Dense(self.hidden_dim, self.hidden_dim)",
                2,
            ),
        ),
        ("1.1",),
        ("no bias",),
    ),
    # What it keeps of the batch before is its own row's; the decoder shares nothing with it.
    Mistake(
        "encoder-remembers-the-batch-before",
        (
            define("""
class Remembering(nn.Module):
    last = None

    def forward(self, x):
        last, self.last = self.last, x.detach().mean(0)
        return x if last is None else F.relu(x - 0.1 * last)
"""),
            Edit(
                "VAE.encoder",
                "nn.ReLU(),\n        )\n",
                "nn.ReLU(),\n            Remembering(),\n        )\n",
            ),
        ),
        ("1.2",),
        ("other values when it is asked again",),
    ),
]
