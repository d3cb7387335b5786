"""Parts that keep their weights and biases in another form than nn.Linear: right ones, and ones with a slip in them."""

from corpus.edits import Edit, Mistake, Variant, define, replace_block

__all__ = ["MISTAKES", "VARIANTS"]

JOINED_ENCODER = "nn.Linear(input_size + num_classes, self.hidden_dim)"
JOINED_DECODER = "nn.Linear(latent_size + num_classes, self.hidden_dim)"

# A weight for the image or the latents, and one for the class, as many textbooks write a conditional layer.
APART = """
class Conditional(nn.Module):
    def __init__(self, size, classes, hidden):
        super().__init__()
        self.size = size
        self.own = nn.Linear(size, hidden)
        self.of_class = nn.Linear(classes, hidden, bias=False)

    def forward(self, joined):
        return self.own(joined[:, : self.size]) + self.of_class(joined[:, self.size :])
"""
BARE = """
class Conditional(nn.Module):
    def __init__(self, size, classes, hidden):
        super().__init__()
        self.W_c = nn.Parameter(torch.randn(classes, hidden) / classes**0.5)
        self.W_x = nn.Parameter(torch.randn(size, hidden) / size**0.5)
        self.b = nn.Parameter(torch.zeros(hidden))

    def forward(self, joined):
        x, c = joined.tensor_split([len(self.W_x)], dim=1)
        return x @ self.W_x + c @ self.W_c + self.b
"""
# The bias is a column of the weight: the input has a 1 more.
AUGMENTED = """
class Augmented(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(size_out, size_in + 1) / size_in**0.5)

    def forward(self, x):
        return torch.cat([x, torch.ones(len(x), 1)], dim=1) @ self.theta.T
"""
FIRST_ROW = """
class Augmented(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(size_in + 1, size_out) / size_in**0.5)

    def forward(self, x):
        return x @ self.theta[1:] + self.theta[0]
"""
BIASES = """
class Encoder(nn.Module):
    def __init__(self, pixels, hidden):
        super().__init__()
        sizes = (pixels, hidden, hidden)
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(hidden, n) / n**0.5) for n in sizes)
        self.biases = nn.Parameter(torch.zeros(3, hidden))

    def forward(self, x):
        x = x.flatten(1)
        for weight, bias in zip(self.weights, self.biases):
            x = F.relu(x @ weight.T + bias)
        return x
"""
STACKED = """
class Encoder(nn.Module):
    def __init__(self, pixels, hidden):
        super().__init__()
        self.first = nn.Linear(pixels, hidden)
        self.W = nn.Parameter(torch.randn(2, hidden, hidden) / hidden**0.5)
        self.b = nn.Parameter(torch.zeros(2, hidden))

    def forward(self, x):
        x = F.relu(self.first(x.flatten(1)))
        for weight, bias in zip(self.W, self.b):
            x = F.relu(F.linear(x, weight, bias))
        return x
"""


# Heads that are no matrix and bias, (400 + 1) * Z numbers all the same.
NEURONS = """
class Head(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.neurons = nn.ModuleList(nn.Linear(size_in, 1) for _ in range(size_out))

    def forward(self, x):
        return torch.cat([neuron(x) for neuron in self.neurons], dim=1)
"""
SCALARS = """
class Neuron(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.w = nn.Parameter(torch.randn(size) / size**0.5)
        self.b = nn.Parameter(torch.tensor(0.0))

    def forward(self, x):
        return (self.w * x).sum(-1) + self.b


class Head(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.neurons = nn.ModuleList(Neuron(size_in) for _ in range(size_out))

    def forward(self, x):
        return torch.stack([neuron(x) for neuron in self.neurons], dim=1)
"""
VECTOR = """
class Head(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.shape = size_out, size_in
        self.theta = nn.Parameter(torch.randn(size_out * (size_in + 1)) / size_in**0.5)

    def forward(self, x):
        rows, columns = self.shape
        return x @ self.theta[rows:].view(self.shape).T + self.theta[:rows]
"""
THREE_DIMENSIONS = """
class Head(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, size_in // 8, size_out) / size_in**0.5)
        self.bias = nn.Parameter(torch.zeros(size_out))

    def forward(self, x):
        return torch.einsum("nij,ijk->nk", x.view(len(x), 8, -1), self.weight) + self.bias
"""


def conditional(code: str, old: str = "", new: str = "") -> tuple[Edit, ...]:
    """CVAE's first layers, with one text of their code replaced."""
    return (
        define(code.replace(old, new)),
        Edit("CVAE", JOINED_ENCODER, "Conditional(input_size, num_classes, self.hidden_dim)"),
        Edit("CVAE", JOINED_DECODER, "Conditional(latent_size, num_classes, self.hidden_dim)"),
    )


def augmented(code: str, old: str = "", new: str = "") -> tuple[Edit, ...]:
    """All of VAE's layers."""
    return (define(code.replace(old, new)), Edit("VAE", "nn.Linear(", "Augmented(", times=9))


def encoder(code: str, old: str = "", new: str = "") -> tuple[Edit, ...]:
    """VAE's encoder."""
    body = """
self.encoder = Encoder(input_size, self.hidden_dim)
self.mu_layer = nn.Linear(self.hidden_dim, latent_size)
self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)
"""
    return define(code.replace(old, new)), replace_block("VAE.encoder", body)


def heads(code: str, old: str = "", new: str = "") -> tuple[Edit, ...]:
    """The heads of both models."""
    linear = "nn.Linear(self.hidden_dim, latent_size)"
    return (
        define(code.replace(old, new)),
        *(Edit(model, linear, linear.replace("nn.Linear", "Head"), times=2) for model in ("VAE", "CVAE")),
    )


VARIANTS = [
    Variant("layouts-a-layer-for-each-latent", heads(NEURONS)),
    Variant("layouts-a-neuron-for-each-latent", heads(SCALARS)),
    Variant("layouts-one-vector", heads(VECTOR)),
    Variant("layouts-three-dimensions", heads(THREE_DIMENSIONS)),
    Variant("layouts-class-weights-apart", conditional(APART)),
    Variant("layouts-class-weights-apart-bare", conditional(BARE)),
    Variant("layouts-bias-in-the-last-column", augmented(AUGMENTED)),
    Variant("layouts-bias-in-the-first-row", augmented(FIRST_ROW)),
    Variant("layouts-biases-in-one-matrix", encoder(BIASES)),
    Variant("layouts-stacked", encoder(STACKED)),
]
MISTAKES = [
    Mistake(
        "layouts-one-vector-halved",
        heads(VECTOR, "return x @", "return 0.5 * x @"),
        ("1.3", "1.4", "6.1"),
        ("fully connected layer",),
    ),
    Mistake(
        "layouts-one-vector-whose-biases-are-weights-too",
        heads(VECTOR, "self.theta[:rows]", "self.theta[-rows:]"),
        ("1.3", "1.4", "6.1"),
        ("fully connected layer",),
    ),
    Mistake(
        "layouts-a-layer-for-each-latent-with-relu",
        heads(NEURONS, "neuron(x) for", "neuron(x).relu() for"),
        ("1.3", "1.4", "6.1"),
        ("fully connected layer",),
    ),
    Mistake(
        "layouts-class-weights-of-other-columns",
        conditional(APART, "joined[:, self.size :]", "joined[:, -self.of_class.in_features - 1 : -1]"),
        ("6.1", "6.2"),
        ("computes something else",),
    ),
    Mistake(
        "layouts-bias-in-the-last-column-not-used",
        augmented(AUGMENTED, "torch.ones", "torch.zeros"),
        ("1.2", "1.3", "1.4", "2.1"),
        ("computes something else",),
    ),
    Mistake(
        "layouts-biases-in-one-matrix-twice-the-first",
        encoder(BIASES, "self.biases):", "self.biases[[0, 1, 0]]):"),
        ("1.2",),
        ("computes something else",),
    ),
    Mistake(
        "layouts-stacked-last-relu-missing",
        encoder(STACKED, "        return x\n", "        return F.linear(x, self.W[1], self.b[1])\n"),
        ("1.2",),
        ("computes something else",),
    ),
    Mistake(
        "layouts-no-bias-anywhere",
        (
            Edit("VAE", "self.hidden_dim)", "self.hidden_dim, bias=False)", times=6),
            Edit("VAE", "latent_size)  #", "latent_size, bias=False)  #", times=2),
            Edit("VAE", "input_size)", "input_size, bias=False)"),
        ),
        ("1.1", "1.3", "1.4", "2.1"),
        ("no bias",),
    ),
]
