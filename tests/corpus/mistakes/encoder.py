"""Mistakes in VAE.encoder, VAE.mu_layer and VAE.logvar_layer: rows 1.1 to 1.4."""

import re

from corpus.edits import Edit, Mistake, define, replace_block

__all__ = ["MISTAKES"]

ENCODER = "VAE.encoder"
RELU = "nn.ReLU()"
LAST_RELU = "nn.ReLU(),\n        )\n"
FLATTEN = "nn.Flatten(),"
FIRST = "nn.Linear(input_size, self.hidden_dim),"
FURTHER = "nn.Linear(self.hidden_dim, self.hidden_dim),"
FIRST_512 = "nn.Linear(input_size, 512),"
PAIR = """\
            nn.Linear(self.hidden_dim, self.hidden_dim),  # (N, H) -> (N, H)
            nn.ReLU(),
"""
MU = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"
LOGVAR = "self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)"

# A module that applies a function: students write such a class when a step of theirs is no layer of torch.
APPLY = define("""
class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)
""")


def activation(name: str, code: str, *words: str) -> Mistake:
    """Another function for all three ReLUs: that is row 1.2 alone, as long as it has no parameters."""
    return Mistake(f"encoder-{name}", (Edit(ENCODER, RELU, code, times=3),), ("1.2",), words)


def features(name: str, function: str, *words: str) -> Mistake:
    """Something more is done to the features behind the last ReLU."""
    edit = Edit(ENCODER, LAST_RELU, f"nn.ReLU(),\n            Apply({function}),\n        )\n")
    return Mistake(f"encoder-{name}", (APPLY, edit), ("1.2",), words)


def head(name: str, layer: str, code: str, *words: str) -> Mistake:
    """mu_layer or logvar_layer is another module; {linear} in the code is the right one."""
    row, old = {"mu": ("1.3", MU), "logvar": ("1.4", LOGVAR)}[layer]
    attribute, linear = old.split(" = ")
    edit = Edit(ENCODER, old, f"{attribute} = {code.format(linear=linear)}")
    return Mistake(f"{layer}-layer-{name}", (APPLY, edit), (row,), words)


def mixture(first: str, second: str, third: str, words: str) -> Mistake:
    """Name the activations behind the three Linears, which are not all of one kind."""
    name = re.sub("[^a-z0-9]+", "-", f"{first} {second} {third}".lower().replace("nn.", "")).strip("-")
    codes = (FIRST, first), (FURTHER, second), (FURTHER, third)
    old = f"{FIRST}  # (N, D) -> (N, H)\n            {RELU},\n{PAIR}{PAIR}"
    edit = Edit(ENCODER, old, "".join(f"            {linear} {code},\n" for linear, code in codes))
    return Mistake(f"encoder-mixture-{name}", (edit,), ("1.2",), (f"in this order: {words}",))


ACTIVATIONS = [
    Mistake(
        "encoder-first-relu-is-relu6",
        (
            Edit(
                ENCODER,
                f"{FIRST}  # (N, D) -> (N, H)\n            nn.ReLU(),",
                f"{FIRST}\n            nn.ReLU6(),",
            ),
        ),
        ("1.2",),
        ("relu6",),
    ),
    mixture("nn.GELU()", RELU, "nn.Identity()", "nn.gelu, relu, nothing"),
    mixture("nn.Tanh()", "nn.Identity()", RELU, "tanh, nothing, relu"),
    mixture("nn.GELU()", RELU, "nn.Tanh()", "nn.gelu, relu, tanh"),
    mixture("nn.LeakyReLU(0.2)", "nn.ELU()", RELU, "leakyrelu with slope 0.2, nn.elu, relu"),
    activation("leaky-relu-0.01", "nn.LeakyReLU()", "leaky"),
    activation("leaky-relu-0.2", "nn.LeakyReLU(0.2)", "leaky"),
    activation("leaky-relu-0.001", "nn.LeakyReLU(1e-3)", "leaky"),
    activation("gelu", "nn.GELU()", "gelu"),
    activation("elu", "nn.ELU()", "nn.elu"),
    activation("silu", "nn.SiLU()", "silu"),
    activation("mish", "nn.Mish()", "relu"),
    activation("softplus", "nn.Softplus()", "softplus"),
    activation("relu6", "nn.ReLU6()", "relu6"),
    activation("tanh", "nn.Tanh()", "tanh"),
    activation("sigmoid", "nn.Sigmoid()", "sigmoid"),
    activation("identity", "nn.Identity()", "relu"),
    activation("rrelu", "nn.RReLU()", "relu"),
    activation("threshold-0.01", "nn.Threshold(0.01, 0.0)", "relu"),
    activation("dropout-instead", "nn.Dropout(0.2)", "relu"),
    Mistake("encoder-no-last-relu", (Edit(ENCODER, LAST_RELU, ")\n"),), ("1.2",), ("last", "relu")),
    Mistake(
        "encoder-last-leaky-relu",
        (Edit(ENCODER, LAST_RELU, "nn.LeakyReLU(0.01),\n        )\n"),),
        ("1.2",),
        ("leaky",),
    ),
    Mistake(
        "encoder-no-first-relu",
        (
            Edit(
                ENCODER,
                "# (N, D) -> (N, H)\n            nn.ReLU(),\n",
                "# (N, D) -> (N, H)\n",
            ),
        ),
        ("1.2",),
        ("relu",),
    ),
    Mistake(
        "encoder-no-second-relu",
        (Edit(ENCODER, PAIR + PAIR, PAIR.replace("            nn.ReLU(),\n", "") + PAIR),),
        ("1.2",),
        ("relu",),
    ),
    Mistake(
        "encoder-last-sigmoid",
        (Edit(ENCODER, LAST_RELU, "nn.Sigmoid(),\n        )\n"),),
        ("1.2",),
        ("last",),
    ),
    Mistake(
        "encoder-prelu",  # its slope is a parameter: three more in all
        (Edit(ENCODER, RELU, "nn.PReLU()", times=3),),
        ("1.1", "1.2"),
        ("parameters", "relu"),
    ),
]


def inner(second: str, third: str) -> Edit:
    """Give the second and the third layer of the encoder other sizes."""
    pairs = [PAIR.replace("self.hidden_dim, self.hidden_dim", sizes) for sizes in (second, third)]
    return Edit(ENCODER, PAIR + PAIR, "".join(pairs))


def hidden(size: int) -> Mistake:
    """Another hidden_dim in VAE: every row that says 400."""
    edit = Edit("VAE", "self.hidden_dim = 400", f"self.hidden_dim = {size}")
    return Mistake(f"hidden-{size}", (edit,), ("1.1", "1.3", "1.4", "2.1"), (str(size), "400"))


SIZES = [
    hidden(512),
    hidden(401),
    hidden(40),
    Mistake("encoder-two-layers", (Edit(ENCODER, PAIR + PAIR, PAIR),), ("1.1", "1.2"), ("layer",)),
    Mistake(
        "encoder-one-layer-twice",  # that computes three times Linear and ReLU
        (Edit(ENCODER, PAIR + PAIR, "*2 * [nn.Linear(self.hidden_dim, self.hidden_dim), nn.ReLU()],\n"),),
        ("1.1",),
        ("used twice counts once",),
    ),
    Mistake(
        "encoder-one-layer",
        (Edit(ENCODER, PAIR + PAIR, ""),),
        ("1.1", "1.2"),
        ("you have one fully connected layer;",),
    ),
    Mistake("encoder-four-layers", (Edit(ENCODER, PAIR + PAIR, PAIR * 3),), ("1.1", "1.2"), ("layer",)),
    Mistake(
        "encoder-flatten-only",
        (
            replace_block(
                ENCODER,
                """
                self.encoder = nn.Flatten()
                self.mu_layer = nn.Linear(input_size, latent_size)
                self.logvar_layer = nn.Linear(input_size, latent_size)
                """,
            ),
        ),
        ("1.1", "1.2", "1.3", "1.4"),
        ("784",),
    ),
    Mistake(
        "encoder-convolutions",
        (
            replace_block(
                ENCODER,
                """
                self.encoder = nn.Sequential(
                    nn.Conv2d(1, 8, 4, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(8, 8, 4, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Flatten(),
                    nn.Linear(8 * 7 * 7, 400),
                    nn.ReLU(),
                )
                self.mu_layer = nn.Linear(400, latent_size)
                self.logvar_layer = nn.Linear(400, latent_size)
                """,
            ),
        ),
        ("1.1", "1.2"),
        ("linear",),
    ),
    # Wider or narrower inside, but 400 features at the end: three times Linear and ReLU all the same.
    Mistake(
        "encoder-512-400-400",
        (Edit(ENCODER, FIRST, FIRST_512), inner("512, 400", "400, 400")),
        ("1.1",),
        ("512",),
    ),
    Mistake("encoder-400-200-400", (inner("400, 200", "200, 400"),), ("1.1",), ("200",)),
    Mistake(
        "encoder-ends-in-512",  # and both layers behind it fit
        (
            inner("400, 400", "400, 512"),
            Edit(ENCODER, "nn.Linear(self.hidden_dim, latent", "nn.Linear(512, latent", 2),
        ),
        ("1.1", "1.3", "1.4"),
        ("512",),
    ),
    # The layers behind it do not fit, so forward cannot run.
    Mistake("encoder-ends-in-200", (inner("400, 400", "400, 200"),), ("1.1", "4.1"), ("200",)),
    Mistake(
        "encoder-784-written-in",
        (Edit(ENCODER, FIRST, "nn.Linear(784, self.hidden_dim),"),),
        ("1.1",),
        ("784",),
    ),
    Mistake(
        "encoder-takes-783",
        (Edit(ENCODER, FIRST, "nn.Linear(input_size - 1, self.hidden_dim),"),),
        ("1.1", "1.2", "4.1"),
        ("783",),
    ),
]

ORDER = [
    Mistake("encoder-no-flatten", (Edit(ENCODER, FLATTEN, ""),), ("1.2", "4.1"), ("flatten",)),
    Mistake(
        "encoder-flattens-the-batch",
        (Edit(ENCODER, FLATTEN, "nn.Flatten(0),"),),
        ("1.2", "4.1"),
        ("flatten",),
    ),
    Mistake(
        "encoder-flattens-rows-only",
        (Edit(ENCODER, FLATTEN, "nn.Flatten(2),"),),
        ("1.2", "4.1"),
        ("flatten",),
    ),
    Mistake(
        "encoder-columns-first",
        (APPLY, Edit(ENCODER, FLATTEN, "Apply(lambda x: x.transpose(2, 3)), nn.Flatten(),")),
        ("1.2",),
        ("pixel",),
    ),
    Mistake(
        "encoder-normalizes-input",
        (APPLY, Edit(ENCODER, FLATTEN, "nn.Flatten(), Apply(lambda x: (x - 0.1307) / 0.3081),")),
        ("1.2",),
        ("first",),
    ),
    Mistake(
        "encoder-divides-by-255",
        (APPLY, Edit(ENCODER, FLATTEN, "nn.Flatten(), Apply(lambda x: x / 255),")),
        ("1.2",),
        ("first",),
    ),
    Mistake(
        "encoder-double",
        (Edit(ENCODER, "self.mu_layer =", "self.encoder.double()\n        self.mu_layer ="),),
        ("1.2", "4.1"),
        ("double",),
    ),
]

FEATURES = [
    Mistake(
        "encoder-dropout-0.01",
        (Edit(ENCODER, RELU, "nn.ReLU(), nn.Dropout(0.01)", 3),),
        ("1.2",),
        ("dropout",),
    ),
    Mistake(
        "encoder-last-dropout",
        (Edit(ENCODER, LAST_RELU, "nn.ReLU(),\n            nn.Dropout(0.5),\n        )\n"),),
        ("1.2",),
        ("dropout",),
    ),
    Mistake(
        "encoder-layer-norm",
        (Edit(ENCODER, RELU, "nn.LayerNorm(400), nn.ReLU()", 3),),
        ("1.1", "1.2"),
        ("2400",),
    ),
    Mistake(
        "encoder-layer-norm-without-parameters",
        (Edit(ENCODER, RELU, "nn.LayerNorm(400, elementwise_affine=False), nn.ReLU()", 3),),
        ("1.2",),
        ("norm",),
    ),
    features("0.001-added", "lambda h: h + 1e-3", "where relu gives 0"),
    features("clamped-from-0.001", "lambda h: h.clamp(min=1e-3)", "where relu gives 0"),
    features("clamped-at-100", "lambda h: h.clamp(max=100)", "large", "clamp"),
    features("clamped-at-1000", "lambda h: h.clamp(max=1000)", "large", "clamp"),
    features("always-dropout", "lambda h: F.dropout(h, 0.05)", "dropout"),
    features("noise", "lambda h: h + 0.01 * torch.randn_like(h)", "random"),
    features("softmax", "lambda h: h.softmax(1)", "last"),
    features("scaled-1.001", "lambda h: 1.001 * h", "last"),
    features("scaled-by-unit-length", "lambda h: F.normalize(h)", "last"),
    features("centred-over-batch", "lambda h: h - h.mean(0)", "batch"),
    features("divided-by-the-batch-maximum", "lambda h: h / h.max()", "depends on the others", "maximum"),
    features("float16", "lambda h: h.half().float()", "precision"),
]

CLASS = """
class Encoder(nn.Module):
    def __init__(self, input_size, hidden_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.fc3 = nn.Linear(hidden_dim, hidden_dim)

    def forward(self, x):
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        return x
"""
USE_CLASS = replace_block(
    ENCODER,
    f"""
    self.encoder = Encoder(input_size, self.hidden_dim)
    {MU}
    {LOGVAR}
    """,
)


def module(name: str, old: str, new: str, lost: str, *words: str) -> Mistake:
    """The encoder is a class of the student's own, which is right but for one replaced text."""
    assert CLASS.count(old) == 1
    return Mistake(
        f"encoder-{name}", (define(CLASS.replace(old, new)), USE_CLASS), tuple(lost.split()), words
    )


MODULES = [
    module(
        "spare-layer",
        "    def forward",
        "        self.spare = nn.Linear(20, 20)\n\n    def forward",
        "1.1",
        "420",
    ),
    module(
        "spare-parameter",
        "    def forward",
        "        self.scale = nn.Parameter(torch.ones(1))\n\n    def forward",
        "1.1",
        "one more",
    ),
    module("bias-unused", "F.relu(self.fc2(x))", "F.relu(F.linear(x, self.fc2.weight))", "1.2", "bias"),
    module("last-bias-unused", "F.relu(self.fc3(x))", "F.relu(F.linear(x, self.fc3.weight))", "1.2", "bias"),
    module("bias-added-twice", "F.relu(self.fc1(x))", "F.relu(self.fc1(x) + self.fc1.bias)", "1.2", "bias"),
    module(
        "bias-behind-relu",
        "F.relu(self.fc2(x))",
        "F.relu(F.linear(x, self.fc2.weight)) + self.fc2.bias",
        "1.2",
        "bias",
    ),
    module("second-layer-skipped", "        x = F.relu(self.fc2(x))\n", "", "1.2", "second"),
    module("third-layer-unused", "F.relu(self.fc3(x))", "F.relu(self.fc2(x))", "1.2", "third"),
    module("residual", "F.relu(self.fc2(x))", "x + F.relu(self.fc2(x))", "1.2", "skip connection"),
    module("relu-before-last-layer", "F.relu(self.fc3(x))", "self.fc3(F.relu(x))", "1.2", "last relu"),
    module(
        "wrong-in-eval", "        return x\n", "        return x if self.training else x / 2\n", "1.2", "eval"
    ),
    module(
        "wrong-in-train",
        "        return x\n",
        "        return 2 * x if self.training else x\n",
        "1.2",
        "train",
    ),
    module(
        "batch-norm-in-train",
        "F.relu(self.fc3(x))",
        """self.fc3(x)
        if self.training and len(x) > 1:
            x = F.batch_norm(x, None, None, training=True)
        x = F.relu(x)""",
        "1.2",
        "train",
    ),
    module("nan", "        return x\n", "        return torch.log(x - 1e9)\n", "1.2 4.1", "nan"),
    module(
        "layer-made-for-a-result",
        "F.relu(self.fc1(x))",
        "nn.ReLU(self.fc1(x))",
        "1.2 4.1",
        "nn.relu(...) makes a layer",
    ),
    module(
        "forward-wants-more",
        "forward(self, x)",
        "forward(self, x, training)",
        "1.2 4.1",
        "one argument: the images",
    ),
    module("forward-without-self", "forward(self, x)", "forward(x)", "1.2 4.1", "self missing in its def"),
    module("forward-misspelt", "def forward(", "def foward(", "1.2 4.1", "misspelt"),
    Mistake(
        "encoder-list-of-modules",
        (
            replace_block(
                ENCODER,
                f"""
            sizes = (input_size, 400, 400, 400)
            self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
            {MU}
            {LOGVAR}
            """,
            ),
            Edit(
                "VAE.forward",
                "features = self.encoder(x)",
                "features = x.flatten(1)\n        for layer in self.encoder: features = F.relu(layer(features))",
            ),
        ),
        ("1.2",),
        ("nn.modulelist only holds",),
    ),
    Mistake(
        "encoder-plain-list",  # which registers nothing: there is nothing that could be trained
        (
            define("""
            class Encoder(nn.Module):
                def __init__(self, sizes):
                    super().__init__()
                    self.layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]

                def forward(self, x):
                    x = x.flatten(1)
                    for layer in self.layers:
                        x = F.relu(layer(x))
                    return x
            """),
            Edit("VAE.encoder", "nn.Flatten(),", "Encoder([input_size, 400, 400, 400]),"),
            Edit(
                "VAE.encoder",
                f"            {FIRST}  # (N, D) -> (N, H)\n            {RELU},\n{PAIR}{PAIR}",
                "",
            ),
        ),
        ("1.1", "1.2"),
        ("registered",),
    ),
    module("typo", "F.relu(self.fc3(x))", "F.relu(self.fc4(x))", "1.2 4.1", "fc4"),
    module("returns-nothing", "        return x\n", "", "1.2 4.1", "none"),
]

# One layer gives mu and logvar side by side: forward is right, and judged with the halves of what it gives.
FUSED = [
    Mistake(
        f"{model.lower()}-heads-fused-{name}",
        (
            Edit(
                f"{model}.encoder", f"{MU}  # (N, H) -> (N, Z)\n        {LOGVAR}  # (N, H) -> (N, Z)", layer
            ),
            Edit(
                f"{model}.forward",
                "mu = self.mu_layer(features)  # (N, Z)\n        logvar = self.logvar_layer(features)  # (N, Z)",
                f"mu, logvar = self.{name}(features).chunk(2, dim=1)",
            ),
        ),
        rows,
        words,
    )
    for model, rows in (("VAE", ("1.3", "1.4")), ("CVAE", ("6.1",)))
    for name, words in (
        ("head", ("has `head`: is that it",)),
        ("mu_layer", ("logvar_layer", "is still none")),
    )
    for layer in [f"self.{name} = nn.Linear(self.hidden_dim, 2 * latent_size)"]
]

HEADS = [
    head("glu", "mu", "nn.Sequential(nn.Linear(400, 2 * latent_size), nn.GLU())", "it should give"),
    head("squeezed", "mu", "nn.Sequential({linear}, Apply(lambda mu: mu.squeeze(0)))", "has shape"),
    head(
        "clamped-at-100", "logvar", "nn.Sequential({linear}, Apply(lambda v: v.clamp(-100, 100)))", "clamped"
    ),
    head("one-image-alone", "logvar", "nn.Sequential({linear}, Apply(lambda mu: mu[0]))", "has shape"),
    head("sum-of-images", "logvar", "nn.Sequential({linear}, Apply(lambda mu: mu.sum(0)))", "has shape"),
    head("relu", "mu", "nn.Sequential({linear}, nn.ReLU())", "if relu followed the linear"),
    head("leaky-relu", "mu", "nn.Sequential({linear}, nn.LeakyReLU(0.01))", "linear"),
    head("relu-before", "mu", "nn.Sequential(nn.Linear(400, 400), nn.ReLU(), {linear})", "160400"),
    # In place: what comes of the encoder's last ReLU has no gradient any more, in forward neither.
    head("in-place-relu-before", "mu", "nn.Sequential(nn.ReLU(inplace=True), {linear})", "relu"),
    head(
        "in-place-dropout-before",
        "logvar",
        "nn.Sequential(nn.Dropout(0.2, inplace=True), {linear})",
        "dropout",
    ),
    head("tanh", "mu", "nn.Sequential({linear}, nn.Tanh())", "tanh"),
    head("sigmoid", "mu", "nn.Sequential({linear}, nn.Sigmoid())", "sigmoid"),
    head("two-linears", "mu", "nn.Sequential(nn.Linear(400, 400), {linear})", "160400"),
    head("dropout", "mu", "nn.Sequential({linear}, nn.Dropout(0.1))", "dropout"),
    head("dropout-before", "mu", "nn.Sequential(nn.Dropout(0.01), {linear})", "dropout"),
    head(
        "layer-norm",
        "mu",
        "nn.Sequential({linear}, nn.LayerNorm(latent_size, elementwise_affine=False))",
        "linear",
    ),
    head("scaled-0.99", "mu", "nn.Sequential({linear}, Apply(lambda mu: 0.99 * mu))", "linear"),
    head("clamped", "mu", "nn.Sequential({linear}, nn.Hardtanh(-3, 3))", "linear"),
    head("bounded-by-batch", "mu", "nn.Sequential({linear}, Apply(lambda mu: mu - mu.mean(0)))", "batch"),
    head("relu", "logvar", "nn.Sequential({linear}, nn.ReLU())", "if relu followed the linear"),
    head("relu6", "mu", "nn.Sequential({linear}, nn.ReLU6())", "if nn.relu6 followed the linear"),
    head("gelu", "mu", "nn.Sequential({linear}, nn.GELU())", "if nn.gelu followed the linear"),
    head("log-softmax", "logvar", "nn.Sequential({linear}, nn.LogSoftmax(-1))", "a logsoftmax followed"),
    head("squared", "logvar", "nn.Sequential({linear}, Apply(torch.square))", "a square followed the linear"),
    head(
        "log-of-softplus",
        "logvar",
        "nn.Sequential({linear}, Apply(lambda h: F.softplus(h).log()))",
        "the logarithm of softplus followed the linear",
    ),
    head(
        "log-of-absolute-value",
        "logvar",
        "nn.Sequential({linear}, Apply(lambda h: (h.abs() + 1e-8).log()))",
        "the logarithm of the absolute value followed the linear",
    ),
    head("cosine", "logvar", "nn.Sequential({linear}, Apply(torch.cos))", "right as far as the last linear"),
    head("softplus", "logvar", "nn.Sequential({linear}, nn.Softplus())", "softplus"),
    head("exp", "logvar", "nn.Sequential({linear}, Apply(torch.exp))", "exp"),
    head("halved", "logvar", "nn.Sequential({linear}, Apply(lambda logvar: logvar / 2))", "linear"),
    head("tanh", "logvar", "nn.Sequential({linear}, nn.Tanh())", "tanh"),
    head("log-sigmoid", "logvar", "nn.Sequential({linear}, nn.LogSigmoid())", "linear"),
    head("clamped", "logvar", "nn.Sequential({linear}, nn.Hardtanh(-10, 10))", "linear"),
    head("hidden-layer", "logvar", "nn.Sequential(nn.Linear(400, 400), nn.ReLU(), {linear})", "160400"),
    head("constant", "logvar", "nn.Sequential({linear}, Apply(torch.zeros_like))", "gives 0 everywhere"),
    head("noise", "logvar", "nn.Sequential({linear}, nn.Dropout(0.01))", "dropout"),
    Mistake(
        "both-heads-relu",
        (
            Edit(
                ENCODER,
                "nn.Linear(self.hidden_dim, latent_size)",
                "nn.Sequential(nn.Linear(self.hidden_dim, latent_size), nn.ReLU())",
                2,
            ),
        ),
        ("1.3", "1.4"),
        ("relu",),
    ),
    Mistake(
        "heads-from-hidden-200",
        (
            Edit(
                ENCODER,
                "nn.Linear(self.hidden_dim, latent_size)",
                "nn.Sequential(nn.Linear(self.hidden_dim, 200), nn.ReLU(), nn.Linear(200, latent_size))",
                2,
            ),
        ),
        ("1.3", "1.4"),
        ("200",),
    ),
    # Where a part is missing or cannot run, forward cannot run either.
    Mistake("mu-layer-forgotten", (Edit(ENCODER, MU, ""),), ("1.3", "4.1"), ("none",)),
    Mistake("logvar-layer-forgotten", (Edit(ENCODER, LOGVAR, ""),), ("1.4", "4.1"), ("none",)),
    Mistake(
        "mu-layer-takes-784",
        (Edit(ENCODER, MU, "self.mu_layer = nn.Linear(input_size, latent_size)"),),
        ("1.3", "4.1"),
        ("784",),
    ),
    Mistake(
        "logvar-layer-too-wide",
        (Edit(ENCODER, LOGVAR, "self.logvar_layer = nn.Linear(self.hidden_dim, latent_size + 1)"),),
        ("1.4", "4.1"),
        ("latent",),
    ),
    Mistake(
        "logvar-layer-gives-one",
        (Edit(ENCODER, LOGVAR, "self.logvar_layer = nn.Linear(self.hidden_dim, 1)"),),
        ("1.4",),
        ("gives 1 number;",),
    ),
    Mistake(
        "mu-layer-gives-hidden",
        (Edit(ENCODER, MU, "self.mu_layer = nn.Linear(self.hidden_dim, self.hidden_dim)"),),
        ("1.3", "4.1"),
        ("400",),
    ),
]

DENSE = define("""
class Dense(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size_in, size_out) / size_in**0.5)
        self.bias = nn.Parameter(torch.zeros(size_out))

    def forward(self, x):
        return x @ self.weight
""")

KEPT_LAYERS = define("""
    LAYERS = {}


    def layer_of(name, size):
        return LAYERS.setdefault((name, size), nn.Linear(400, size))
    """)

SHARED = [
    module(
        "wrong-for-many-images", "return x", "return x if len(x) < 100 else x.clamp(max=1)", "1.2", "images"
    ),
    Mistake(
        "mu-layer-misspelt", (Edit("VAE", "self.mu_layer", "self.mu_Layer", 3),), ("1.3",), ("mu_layer",)
    ),
    Mistake(
        "encoder-named-net",
        (
            Edit("VAE.encoder", "self.encoder", "self.enc_net"),
            Edit("VAE.forward", "self.encoder", "self.enc_net"),
        ),
        ("1.1", "1.2"),
        ("enc_net",),
    ),
    module(
        "wrong-behind-the-128th-image", "return x", "return x[torch.arange(len(x)) % 128]", "1.2", "images"
    ),
    # It remembers a step of its own from call to call: forward cannot be compared with it in training mode.
    Mistake(
        "encoder-spectral-norm",
        (
            Edit(
                ENCODER,
                FIRST,
                f"torch.nn.utils.parametrizations.spectral_norm({FIRST[:-1]}),",
            ),
        ),
        ("1.2",),
        ("asked again",),
    ),
    Mistake(
        "encoder-weight-norm",
        (Edit(ENCODER, FIRST, f"torch.nn.utils.parametrizations.weight_norm({FIRST[:-1]}),"),),
        ("1.1", "1.2"),
        ("weight normalisation",),
    ),
    # The images that come of it are black and white, and no gradient passes there: that is no fault of forward's.
    Mistake(
        "encoder-times-100",
        (APPLY, Edit(ENCODER, FLATTEN, f"{FLATTEN} Apply(lambda x: 100 * x),")),
        ("1.2",),
        ("encoder",),
    ),
    # No decoder can take a z with a sigma that comes of such features.
    Mistake(
        "encoder-times-100-000",
        (APPLY, Edit(ENCODER, FLATTEN, f"{FLATTEN} Apply(lambda x: 100_000 * x),")),
        ("1.2",),
        ("encoder",),
    ),
    Mistake(
        "logvar-layer-with-the-bias-of-mu-layer",
        (Edit(ENCODER, LOGVAR, f"{LOGVAR}\n        self.logvar_layer.bias = self.mu_layer.bias"),),
        ("1.4",),
        ("share weights or a bias",),
    ),
    Mistake(
        "encoder-with-one-weight-for-two-layers",
        (
            define(
                CLASS.replace(
                    "    def forward", "        self.fc3.weight = self.fc2.weight\n\n    def forward"
                )
            ),
            USE_CLASS,
        ),
        ("1.1", "1.2"),
        ("has no weight beside it",),
    ),
    module(
        "layer-called-twice",
        "        x = F.relu(self.fc2(x))\n",
        "        x = F.relu(self.fc2(F.relu(self.fc2(x))))\n",
        "1.2",
        "second linear were called twice",
    ),
    # It changes the images that forward got, through no fault of forward's.
    module(
        "normalizes-its-input-in-place",
        "        x = x.flatten(1)\n",
        "        x = x.sub_(0.1307).div_(0.3081).flatten(1)\n",
        "1.2",
        "mnist's mean",
    ),
    module(
        "weight-of-one-layer-in-another",
        "        x = F.relu(self.fc3(x))\n",
        "        x = F.relu(F.linear(x, self.fc2.weight, self.fc3.bias))\n",
        "1.2",
        "the weight of the second linear took the place of the third's",
    ),
    module(
        "bias-of-one-layer-in-another",
        "        x = F.relu(self.fc3(x))\n",
        "        x = F.relu(F.linear(x, self.fc3.weight, self.fc2.bias))\n",
        "1.2",
        "the bias of the second linear took the place of the third's",
    ),
    # Square weights do not show which way round they lie; the first one does.
    Mistake(
        "encoder-own-layers-without-bias",
        (
            DENSE,
            Edit("VAE.encoder", FIRST, FIRST.replace("nn.Linear", "Dense")),
            Edit("VAE.encoder", PAIR + PAIR, (PAIR + PAIR).replace("nn.Linear", "Dense")),
        ),
        ("1.2",),
        ("all biases were not used",),
    ),
    Mistake(
        "encoder-shared-by-all-models",
        (
            define("HIDDEN = nn.Linear(400, 400)"),
            Edit("VAE.encoder", PAIR + PAIR, PAIR + "HIDDEN, nn.ReLU(),\n            "),
        ),
        ("1.2",),
        ("share",),
    ),
    *(
        Mistake(
            f"{name.replace('_', '-')}-shared-by-models-of-one-size",
            (KEPT_LAYERS, Edit(ENCODER, line, f"self.{name} = layer_of({name!r}, latent_size)")),
            (row,),
            ("two vaes share layers",),
        )
        for name, line, row in (("mu_layer", MU, "1.3"), ("logvar_layer", LOGVAR, "1.4"))
    ),
]

IN_PLACE = [
    Mistake(
        "encoder-dropout-in-place",
        (Edit(ENCODER, LAST_RELU, "nn.ReLU(),\n            nn.Dropout(0.2, inplace=True),\n        )\n"),),
        ("1.2",),
        ("dropout",),
    ),
    # Its values are right: only that nothing is learned through it is wrong, which forward's row sees.
    Mistake(
        "encoder-clamp-in-place",
        (
            APPLY,
            Edit(
                ENCODER, LAST_RELU, "nn.ReLU(),\n            Apply(lambda x: x.clamp_(min=0)),\n        )\n"
            ),
        ),
        ("4.1",),
        ("cannot be computed, because of encoder",),
    ),
]

# What is done to the pixels that are white, of which none of the other images here has any.
WHITE = [
    Mistake(
        f"encoder-{name}",
        (APPLY, Edit(ENCODER, FLATTEN, f"{FLATTEN}\n            Apply({function}),")),
        ("1.2",),
        ("white pixels",),
    )
    for name, function in (
        ("black-for-white", "lambda x: x * (x < 0.95)"),
        ("gray-for-white", "lambda x: x.clamp(max=0.9)"),
        ("modulo-1", "lambda x: x % 1"),
    )
]

MISTAKES = [*WHITE, *IN_PLACE, *ACTIVATIONS, *SIZES, *ORDER, *FEATURES, *MODULES, *FUSED, *HEADS, *SHARED]
