"""Right encoders, decoders and mu and logvar layers, written otherwise than in the reference solution."""

from corpus.edits import Edit, Variant, define, replace_block

__all__ = ["VARIANTS"]

ENCODER, DECODER = "VAE.encoder", "VAE.decoder"
MU = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"
LOGVAR = "self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)"


def encoder(name: str, code: str, above: str = "") -> Variant:
    """VAE's encoder is this code; the two layers behind it stay."""
    edit = replace_block(ENCODER, f"{code.strip()}\n{MU}\n{LOGVAR}\n")
    return Variant(f"encoder-{name}", (define(above), edit) if above else (edit,))


def decoder(name: str, code: str, above: str = "") -> Variant:
    """VAE's decoder is this code."""
    edit = replace_block(DECODER, code.strip() + "\n")
    return Variant(f"decoder-{name}", (define(above), edit) if above else (edit,))


def everywhere(name: str, old: str, new: str, times: int, above: str = "") -> Variant:
    """One text of the file is another, in VAE and in CVAE."""
    edit = Edit("file", old, new, times)
    return Variant(name, (define(above), edit) if above else (edit,))


FUNCTIONAL = """
class Encoder(nn.Module):
    def __init__(self, pixels, hidden):
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)

    def forward(self, x):
        h = x.flatten(1)
        h = F.relu(self.fc1(h))
        h = F.relu(self.fc2(h))
        return F.relu(self.fc3(h))
"""
CUSTOM = "self.encoder = Encoder(input_size, self.hidden_dim)"


def functional(name: str, old: str, new: str) -> Variant:
    """A class of the student's own, with one text replaced."""
    if FUNCTIONAL.count(old) != 1:
        raise LookupError(old)
    return encoder(name, CUSTOM, FUNCTIONAL.replace(old, new))


# nn.Linear as people write it who think of x @ W.
DENSE = """
class Dense(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(outputs))
        self.W = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)

    def forward(self, x):
        return x @ self.W + self.b
"""

ENCODERS = [
    encoder(
        "loop",
        """
layers = [nn.Flatten()]
width = input_size
for _ in range(3):
    layers += [nn.Linear(width, self.hidden_dim), nn.ReLU()]
    width = self.hidden_dim
self.encoder = nn.Sequential(*layers)
""",
    ),
    encoder(
        "add-module",
        """
self.encoder = nn.Sequential()
self.encoder.add_module("flatten", nn.Flatten())
for i, (a, b) in enumerate(((input_size, 400), (400, 400), (400, 400))):
    self.encoder.add_module(f"linear{i}", nn.Linear(a, b))
    self.encoder.add_module(f"relu{i}", nn.ReLU())
""",
    ),
    encoder(
        "ordered-dict",
        """
self.encoder = nn.Sequential(OrderedDict(
    flatten=nn.Flatten(),
    fc1=nn.Linear(input_size, 400), relu1=nn.ReLU(),
    fc2=nn.Linear(400, 400), relu2=nn.ReLU(),
    fc3=nn.Linear(400, 400), relu3=nn.ReLU(),
))
""",
        "from collections import OrderedDict",
    ),
    encoder(
        "nested",
        """
def block(a, b):
    return nn.Sequential(nn.Linear(a, b), nn.ReLU())

H = self.hidden_dim
self.encoder = nn.Sequential(nn.Flatten(), nn.Sequential(block(input_size, H), block(H, H)), block(H, H))
""",
    ),
    encoder(
        "one-relu-object",
        """
relu = nn.ReLU(inplace=True)
self.encoder = nn.Sequential(
    nn.Flatten(start_dim=1, end_dim=-1),
    nn.Linear(input_size, 400), relu, nn.Linear(400, 400), relu, nn.Linear(400, 400), relu,
)
""",
    ),
    encoder(
        "no-ops-between",
        """
self.encoder = nn.Sequential(
    nn.Flatten(), nn.Identity(), nn.Linear(input_size, 400), nn.ReLU(), nn.Dropout(0.0),
    nn.Linear(400, 400), nn.ReLU(), nn.Flatten(), nn.Linear(400, 400), nn.ReLU(), nn.ReLU(),
)
""",
    ),
    encoder(
        "module-list",
        "self.encoder = Encoder([input_size, 400, 400, 400])",
        """
class Encoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def forward(self, x):
        h = x.reshape(x.shape[0], -1)
        for layer in self.layers:
            h = torch.relu(layer(h))
        return h
""",
    ),
    encoder(
        "module-list-backwards",
        "self.encoder = Encoder([400, 400, 400, input_size])",
        """
class Encoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(b, a) for a, b in zip(sizes, sizes[1:])])

    def forward(self, x):
        h = torch.flatten(x, 1)
        for layer in reversed(self.layers):
            h = F.relu(layer(h))
        return h
""",
    ),
    encoder(
        "subclass-of-sequential",
        CUSTOM,
        """
class Encoder(nn.Sequential):
    def __init__(self, pixels, hidden):
        super().__init__(
            nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU())
""",
    ),
    encoder("functional", CUSTOM, FUNCTIONAL),
    functional("view-on-images", "x.flatten(1)", "x.view(-1, 28 * 28)"),
    functional("view-by-batch", "x.flatten(1)", "x.view(x.size(0), -1)"),
    functional("squeeze-and-reshape", "x.flatten(1)", "x.squeeze(1).reshape(len(x), -1)"),
    functional("in-place-relu", "h = F.relu(self.fc2(h))", "h = self.fc2(h)\n        h.relu_()"),
    functional("clamp-for-relu", "F.relu(self.fc2(h))", "self.fc2(h).clamp(min=0)"),
    functional("maximum-for-relu", "F.relu(self.fc1(h))", "torch.maximum(self.fc1(h), torch.zeros(()))"),
    functional("mask-for-relu", "h = F.relu(self.fc2(h))", "h = self.fc2(h)\n        h = h * (h > 0)"),
    functional("functional-linear", "self.fc2(h)", "F.linear(h, self.fc2.weight, self.fc2.bias)"),
    functional("addmm", "self.fc2(h)", "torch.addmm(self.fc2.bias, h, self.fc2.weight.t())"),
    functional("einsum", "self.fc3(h)", "(torch.einsum('ni,oi->no', h, self.fc3.weight) + self.fc3.bias)"),
    functional("square-weight-used-transposed", "self.fc2(h)", "(h @ self.fc2.weight + self.fc2.bias)"),
    functional(
        "image-by-image",
        "h = x.flatten(1)",
        "if len(x) > 1:\n            return torch.cat([self(i[None]) for i in x])\n        h = x.flatten(1)",
    ),
    functional(
        "dropout-of-0", "h = F.relu(self.fc2(h))", "h = F.dropout(F.relu(self.fc2(h)), 0.0, self.training)"
    ),
    encoder(
        "registered-out-of-order",
        CUSTOM,
        """
class Encoder(nn.Module):
    def __init__(self, pixels, hidden):
        super().__init__()
        self.last = nn.Linear(hidden, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.first = nn.Linear(pixels, hidden)

    def forward(self, x):
        return self.last(self.middle(self.first(x.flatten(1)).relu()).relu()).relu()
""",
    ),
    encoder(
        "own-linear",
        """
self.encoder = nn.Sequential(
    nn.Flatten(), Dense(input_size, 400), nn.ReLU(), Dense(400, 400), nn.ReLU(), Dense(400, 400), nn.ReLU())
""",
        DENSE,
    ),
    encoder(
        "bare-parameters",
        CUSTOM,
        """
class Encoder(nn.Module):
    def __init__(self, pixels, hidden):
        super().__init__()
        sizes = [(pixels, hidden), (hidden, hidden), (hidden, hidden)]
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(b)) for _, b in sizes])
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(b, a) * a**-0.5) for a, b in sizes])

    def forward(self, x):
        x = x.flatten(1)
        for weight, bias in zip(self.weights, self.biases):
            x = torch.clamp_min(x.matmul(weight.T) + bias, 0.0)
        return x
""",
    ),
    encoder(
        "xavier-and-zero-biases",
        """
self.encoder = nn.Sequential(
    nn.Flatten(), nn.Linear(input_size, 400), nn.ReLU(),
    nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU())
for module in self.encoder:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
""",
    ),
]

# None is no module: the order in which modules are assigned is the order of the parameters.
FIRST_HEADS = (
    Edit(ENCODER, f"        {MU}  # (N, H) -> (N, Z)\n        {LOGVAR}  # (N, H) -> (N, Z)\n", ""),
    Edit(ENCODER, "        self.encoder =", f"        {LOGVAR}\n        {MU}\n        self.encoder ="),
)

HEADS = [
    everywhere("lazy-heads", "nn.Linear(self.hidden_dim, latent_size)", "nn.LazyLinear(latent_size)", 4),
    everywhere(
        "heads-in-sequentials",
        "nn.Linear(self.hidden_dim, latent_size)",
        "nn.Sequential(nn.Linear(self.hidden_dim, latent_size))",
        4,
    ),
    everywhere(
        "heads-with-zero-weights",
        "        # solution ends\n\n        # ",
        "        for layer in (self.mu_layer, self.logvar_layer):\n            nn.init.zeros_(layer.weight)\n"
        "            nn.init.zeros_(layer.bias)\n        # solution ends\n\n        # ",
        2,
    ),
    everywhere(
        "heads-own-linear",
        "nn.Linear(self.hidden_dim, latent_size)",
        "Dense(self.hidden_dim, latent_size)",
        4,
        DENSE,
    ),
    everywhere(
        "heads-of-a-subclass",
        "nn.Linear(self.hidden_dim, latent_size)",
        "Head(self.hidden_dim, latent_size)",
        4,
        "class Head(nn.Linear):\n    pass",
    ),
    everywhere(
        "heads-with-identity",
        "nn.Linear(self.hidden_dim, latent_size)",
        "nn.Sequential(nn.Identity(), nn.Linear(self.hidden_dim, latent_size), nn.Flatten())",
        4,
    ),
    Variant("heads-registered-first", FIRST_HEADS),
]

DECODER_CLASS = """
class Decoder(nn.Module):
    def __init__(self, latents, hidden, pixels):
        super().__init__()
        self.out = nn.Linear(hidden, pixels)
        self.fc1 = nn.Linear(latents, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)

    def forward(self, z):
        h = torch.relu(self.fc1(z))
        h = torch.relu(self.fc2(h))
        h = torch.relu(self.fc3(h))
        x = torch.sigmoid(self.out(h))
        return x.view(-1, 1, 28, 28)
"""
USE_DECODER = "self.decoder = Decoder(latent_size, self.hidden_dim, input_size)"


def decoder_class(name: str, old: str, new: str) -> Variant:
    """A class of the student's own, with one text replaced."""
    if old not in DECODER_CLASS:
        raise LookupError(old)
    return decoder(name, USE_DECODER, DECODER_CLASS.replace(old, new))


DECODERS = [
    everywhere(
        "decoder-leading-flatten",
        "nn.Sequential(\n            nn.Linear(latent_size",
        "nn.Sequential(\n            nn.Flatten(),\n            nn.Linear(latent_size",
        2,
    ),
    everywhere(
        "decoder-unflatten-by-keyword",
        "nn.Unflatten(1, (1, 28, 28))",
        "nn.Unflatten(dim=1, unflattened_size=torch.Size([1, 28, 28]))",
        2,
    ),
    everywhere(
        "decoder-unflatten-twice",
        "nn.Unflatten(1, (1, 28, 28))",
        "nn.Unflatten(-1, (28, 28)), nn.Unflatten(1, (1, 28))",
        2,
    ),
    everywhere(
        "decoder-side-from-pixels",
        "nn.Unflatten(1, (1, 28, 28))",
        "nn.Unflatten(1, (1, int(input_size**0.5), input_size // int(input_size**0.5)))",
        2,
    ),
    everywhere("decoder-in-place", "nn.ReLU()", "nn.ReLU(True)", 12),
    everywhere(
        "decoder-channel-first",
        "nn.Sigmoid(),",
        "nn.Unflatten(1, (1, input_size)), nn.Sigmoid(), nn.Flatten(),",
        2,
    ),
    decoder(
        "loop",
        """
sizes = [latent_size, 400, 400, 400, input_size]
layers = []
for i in range(len(sizes) - 1):
    layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    layers.append(nn.ReLU() if i < len(sizes) - 2 else nn.Sigmoid())
self.decoder = nn.Sequential(*layers, nn.Unflatten(1, (1, 28, 28)))
""",
    ),
    decoder(
        "own-linear",
        """
self.decoder = nn.Sequential(
    Dense(latent_size, 400), nn.ReLU(), Dense(400, 400), nn.ReLU(), Dense(400, 400), nn.ReLU(),
    Dense(400, input_size), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
""",
        DENSE,
    ),
    decoder(
        "reshape-module",
        """
self.decoder = nn.Sequential(
    nn.Linear(latent_size, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(),
    nn.Linear(400, input_size), Reshape(-1, 1, 28, 28), nn.Sigmoid())
""",
        """
class Reshape(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(self.shape)
""",
    ),
    decoder("registered-out-of-order", USE_DECODER, DECODER_CLASS),
    decoder_class("sigmoid-by-hand", "torch.sigmoid(self.out(h))", "1 / (1 + torch.exp(-self.out(h)))"),
    decoder_class("sigmoid-by-tanh", "torch.sigmoid(self.out(h))", "(torch.tanh(self.out(h) / 2) + 1) / 2"),
    decoder_class("sigmoid-of-scipy", "torch.sigmoid(self.out(h))", "torch.special.expit(self.out(h))"),
    decoder_class("sigmoid-in-place", "torch.sigmoid(self.out(h))", "self.out(h).sigmoid_()"),
    decoder_class(
        "rows-of-pixels", "x.view(-1, 1, 28, 28)", "torch.stack([i.view(28, 28) for i in x]).unsqueeze(1)"
    ),
    decoder_class("unsqueeze", "x.view(-1, 1, 28, 28)", "x.unflatten(1, (28, 28)).unsqueeze(1)"),
]

OTHERS = [
    encoder(
        "weights-before-biases",
        "self.encoder = Encoder(input_size, 400)",
        """
class Encoder(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        make = lambda *shape: nn.Parameter(torch.randn(shape) / shape[0] ** 0.5)
        self.W_h1, self.W_h2, self.W_in = make(hidden, hidden), make(hidden, hidden), make(hidden, size)
        self.b_in, self.b_h1, self.b_h2 = make(hidden), make(hidden), make(hidden)

    def forward(self, x):
        h = F.relu(F.linear(x.flatten(1), self.W_in, self.b_in))
        h = F.relu(F.linear(h, self.W_h1, self.b_h1))
        return F.relu(F.linear(h, self.W_h2, self.b_h2))
""",
    ),
    Variant(
        "decoder-first-weights-checked",
        (
            Edit(
                DECODER,
                "        )\n",
                "        )\n        assert self.decoder[0].weight.abs().max() <= latent_size**-0.5 + 1e-6\n",
            ),
        ),
    ),
    Variant(
        "decoder-first-weights-grown",
        (
            Edit(
                DECODER,
                "        )\n",
                "        )\n        with torch.no_grad():\n"
                "            while self.decoder[0].weight.std() < 0.3:\n"
                "                self.decoder[0].weight *= 1.1\n",
            ),
        ),
    ),
    Variant(
        "decoder-first-weights-drawn-until-they-fit",
        (
            Edit(
                DECODER,
                "        )\n",
                "        )\n        while not 0 < self.decoder[0].weight.std() < 1:\n"
                "            self.decoder[0].reset_parameters()\n",
            ),
        ),
    ),
    Variant(
        "decoder-first-weights-must-not-be-zero",
        (
            Edit(
                DECODER,
                "        )\n",
                "        )\n        if not self.decoder[0].weight.any():\n"
                "            raise Exception('dead')\n",
            ),
        ),
    ),
]

BESIDES = [
    Variant(
        "encoder-property-that-makes-it",
        (
            replace_block(
                ENCODER,
                "self.fc1 = nn.Linear(input_size, self.hidden_dim)\n"
                "self.fc2 = nn.Linear(self.hidden_dim, self.hidden_dim)\n"
                "self.fc3 = nn.Linear(self.hidden_dim, self.hidden_dim)\n"
                f"{MU}\n{LOGVAR}\n",
            ),
            Edit("VAE", "        self.encoder = None\n", ""),
            Edit(
                "VAE",
                "    def forward(self, x: Tensor)",
                "    @property\n"
                "    def encoder(self):\n"
                "        layers = (nn.Flatten(), self.fc1, nn.ReLU(), self.fc2, nn.ReLU(), self.fc3, nn.ReLU())\n"
                "        return nn.Sequential(*layers)\n\n"
                "    def forward(self, x: Tensor)",
            ),
        ),
    ),
    Variant(
        "parameters-besides-the-parts",
        (
            Edit(
                "VAE",
                "        self.encoder = None\n",
                "        self.one = nn.Parameter(torch.ones(()), requires_grad=False)\n"
                "        self.prior = nn.Parameter(torch.zeros(latent_size))\n"
                "        self.encoder = None\n",
            ),
            Edit(
                "VAE.forward",
                "logvar = self.logvar_layer(features)",
                "logvar = self.one * self.logvar_layer(features)",
            ),
        ),
    ),
    Variant(
        "layers-registered-twice",
        (
            Edit(
                ENCODER,
                LOGVAR,
                f"{LOGVAR}\n        self.fc1, self.fc2, self.fc3 = self.encoder[1], self.encoder[3], self.encoder[5]",
            ),
        ),
    ),
]

VARIANTS = [*BESIDES, *OTHERS, *ENCODERS, *HEADS, *DECODERS]
