"""Parts that are functions and no layers: one mistake, charged where the part is counted, whatever it computes."""

from corpus.edits import Edit, Mistake, define, replace_block

__all__ = ["MISTAKES"]

FORWARD = "    def forward(self, x: Tensor)"
HEADS = """\
self.mu_layer = nn.Linear(self.hidden_dim, latent_size)
self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)
"""
LAYERS = """\
self.fc1 = nn.Linear({size_in}, self.hidden_dim)
self.fc2 = nn.Linear(self.hidden_dim, self.hidden_dim)
self.fc3 = nn.Linear(self.hidden_dim, self.hidden_dim)
"""
ENCODER = LAYERS.format(size_in="input_size") + HEADS
DECODER = LAYERS.replace("fc", "fd").format(size_in="latent_size") + (
    "self.fd4 = nn.Linear(self.hidden_dim, input_size)\n"
)


def method(name: str, block: str, layers: str, text: str, lost: str, *words: str) -> Mistake:
    """A part of VAE is a method, and its layers are the model's own."""
    part = text[len("def ") : text.index("(")]
    edits = (
        replace_block(block, layers),
        Edit("VAE", f"        self.{part} = None\n", ""),
        Edit("VAE", FORWARD, "".join(f"    {line}\n" for line in text.splitlines()) + f"\n{FORWARD}"),
    )
    return Mistake(name, edits, tuple(lost.split()), ("no layer", *words))


def inside(name: str, block: str, layers: str, lost: str, *more: Edit) -> Mistake:
    """A part is a function that is made in __init__."""
    return Mistake(name, (replace_block(block, layers), *more), (lost,), ("no layer",))


MISTAKES = [
    method(
        "encoder-is-a-method",
        "VAE.encoder",
        ENCODER,
        "def encoder(self, x):\n"
        "    x = F.relu(self.fc1(x.flatten(1)))\n"
        "    return F.relu(self.fc3(F.relu(self.fc2(x))))",
        "1.1",
        "method",
    ),
    method(
        "encoder-is-a-method-without-the-last-relu",
        "VAE.encoder",
        ENCODER,
        "def encoder(self, x):\n    x = F.relu(self.fc1(x.flatten(1)))\n    return self.fc3(F.relu(self.fc2(x)))",
        "1.1 1.2",
        "the last relu",
    ),
    method(
        "encoder-is-a-method-that-calls-another",
        "VAE.encoder",
        ENCODER,
        "def encoder(self, x):\n"
        "    return self.hidden(F.relu(self.fc1(x.flatten(1))))\n"
        "\n"
        "def hidden(self, x):\n"
        "    return F.relu(self.fc3(F.relu(self.fc2(x))))",
        "1.1",
    ),
    method(
        "decoder-is-a-method",
        "VAE.decoder",
        DECODER,
        "def decoder(self, z):\n"
        "    for layer in (self.fd1, self.fd2, self.fd3):\n"
        "        z = F.relu(layer(z))\n"
        "    return torch.sigmoid(self.fd4(z)).view(-1, 1, 28, 28)",
        "2.1",
    ),
    inside(
        "encoder-is-a-lambda",
        "VAE.encoder",
        ENCODER
        + "self.encoder = lambda x: F.relu(self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))))\n",
        "1.1",
    ),
    *(
        inside(
            f"encoder-is-partial{how}",
            "VAE.encoder",
            f"{ENCODER}self.encoder = partial(in_turn, {given})\n",
            "1.1",
            define(f"""
                from functools import partial


                def in_turn({taken}):
                    return F.relu(third(F.relu(second(F.relu(first(x.flatten(1)))))))
                """),
        )
        for how, given, taken in (
            ("", "self.fc1, self.fc2, self.fc3", "first, second, third, x"),
            ("-by-name", "first=self.fc1, second=self.fc2, third=self.fc3", "x, first, second, third"),
        )
    ),
    inside(
        "encoder-is-a-lambda-that-names-what-is-never-made",
        "VAE.encoder",
        ENCODER
        + "self.encoder = lambda x: F.relu(self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))) if self else y\n"
        "if not self.hidden_dim:\n"
        "    y = 0\n",
        "1.1",
    ),
    inside(
        "mu-layer-is-a-lambda",
        "VAE.encoder",
        """
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(input_size, self.hidden_dim),
            nn.ReLU(),
            nn.Linear(self.hidden_dim, self.hidden_dim),
            nn.ReLU(),
            nn.Linear(self.hidden_dim, self.hidden_dim),
            nn.ReLU(),
        )
        self.mean = mean = nn.Linear(self.hidden_dim, latent_size)
        self.mu_layer = lambda features: mean(features)
        self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)
        """,
        "1.3",
    ),
    inside(
        "cvae-encoder-and-logvar-layer-are-lambdas",
        "CVAE.encoder",
        LAYERS.format(size_in="input_size + num_classes")
        + "self.encoder = lambda x: F.relu(self.fc3(F.relu(self.fc2(F.relu(self.fc1(x))))))\n"
        "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)\n"
        "self.variance = nn.Linear(self.hidden_dim, latent_size)\n"
        "self.logvar_layer = lambda features: self.variance(features)\n",
        "6.1",
    ),
]
