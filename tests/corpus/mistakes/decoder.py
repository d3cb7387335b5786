"""Mistakes in VAE.decoder: row 2.1."""

from corpus.edits import Edit, Mistake, define
from corpus.mistakes.encoder import APPLY, PAIR, RELU

__all__ = ["MISTAKES"]

DECODER = "VAE.decoder"
FIRST = "nn.Linear(latent_size, self.hidden_dim),"
LAST = "nn.Linear(self.hidden_dim, input_size),"
SIGMOID = "nn.Sigmoid(),"
UNFLATTEN = "nn.Unflatten(1, (1, 28, 28)),"
FORWARD = "features = self.encoder(x)"
LAST_RELU = "nn.ReLU(),\n            nn.Linear(self.hidden_dim, input_size),"


def decoder(name: str, old: str, new: str, *words: str, times: int = 1) -> Mistake:
    """One text of the decoder is another; Apply(function) may be used in it."""
    edit = Edit(DECODER, old, new, times)
    return Mistake(f"decoder-{name}", (APPLY, edit) if "Apply(" in new else (edit,), ("2.1",), words)


ACTIVATIONS = [
    decoder("leaky-relu-0.01", RELU, "nn.LeakyReLU()", "leaky", times=3),
    decoder("leaky-relu-0.001", RELU, "nn.LeakyReLU(0.001)", "leaky", times=3),
    decoder("gelu", RELU, "nn.GELU()", "gelu", times=3),
    decoder("elu", RELU, "nn.ELU()", "nn.elu", times=3),
    decoder("relu6", RELU, "nn.ReLU6()", "relu6", times=3),
    decoder("tanh-inside", RELU, "nn.Tanh()", "tanh", times=3),
    decoder("prelu", RELU, "nn.PReLU()", "relu", times=3),
    decoder("no-relu", RELU, "nn.Identity()", "relu", times=3),
    decoder("hardtanh-100", RELU, "nn.Hardtanh(0, 100)", "large", times=3),
    decoder("no-last-relu", LAST_RELU, LAST, "relu"),
    decoder("last-leaky-relu", LAST_RELU, f"nn.LeakyReLU(0.01),\n            {LAST}", "relu"),
    decoder(
        "silu-then-tanh",
        f"{PAIR}{PAIR}",
        f"{PAIR.replace('ReLU', 'SiLU')}{PAIR.replace('ReLU', 'Tanh')}",
        "in this order: relu, nn.silu, tanh",
    ),
    decoder("dropout-0.01", RELU, "nn.ReLU(), nn.Dropout(0.01)", "dropout", times=3),
    decoder("layer-norm", RELU, "nn.LayerNorm(400), nn.ReLU()", "2400", times=3),
    decoder(
        "layer-norm-without-parameters",
        RELU,
        "nn.LayerNorm(400, elementwise_affine=False), nn.ReLU()",
        "norm",
        times=3,
    ),
]

LAYERS = [
    decoder("two-relus", PAIR + PAIR, PAIR, "layer"),
    decoder("four-relus", PAIR + PAIR, PAIR * 3, "layer"),
    decoder("one-relu", PAIR + PAIR, "", "layer"),
    decoder(
        "inner-512",
        PAIR + PAIR,
        PAIR.replace("self.hidden_dim)", "512)") + PAIR.replace("self.hidden_dim,", "512,"),
        "512",
    ),
    decoder("no-bias-at-the-end", LAST, "nn.Linear(self.hidden_dim, input_size, bias=False),", "bias"),
    decoder("no-bias", "self.hidden_dim),", "self.hidden_dim, bias=False),", "bias", times=3),
    decoder("784-written-in", LAST, "nn.Linear(self.hidden_dim, 784),", "784"),
    decoder("extra-linear-at-the-end", SIGMOID, "nn.Linear(input_size, input_size), nn.Sigmoid(),", "layer"),
    decoder(
        "tied-layers",
        PAIR + PAIR,
        """\
            *[nn.Linear(self.hidden_dim, self.hidden_dim), nn.ReLU()] * 2,
""",
        "160400",
    ),
]

OUTPUTS = [
    # Of another size: forward hands it on, and is right.
    decoder(
        "two-channels", UNFLATTEN, "Apply(lambda x: x.view(-1, 1, 28, 28).repeat(1, 2, 1, 1)),", "has shape"
    ),
    decoder("one-image-alone", UNFLATTEN, "Apply(lambda x: x[0].view(1, 28, 28)),", "has shape"),
    decoder("all-in-a-row", UNFLATTEN, "nn.Flatten(0),", "has shape"),
    decoder("no-sigmoid", SIGMOID, "", "sigmoid"),
    decoder("sigmoid-twice", SIGMOID, "nn.Sigmoid(), nn.Sigmoid(),", "sigmoid", "twice"),
    decoder("tanh", SIGMOID, "nn.Tanh(),", "tanh"),
    decoder("rescaled-tanh", SIGMOID, "Apply(lambda x: (torch.tanh(x) + 1) / 2),", "sigmoid"),
    decoder("softmax", SIGMOID, "nn.Softmax(dim=1),", "softmax"),
    decoder("relu-at-the-end", SIGMOID, "nn.ReLU(),", "relu"),
    decoder("relu-before-sigmoid", SIGMOID, "nn.ReLU(), nn.Sigmoid(),", "relu"),
    decoder("hardsigmoid", SIGMOID, "nn.Hardsigmoid(),", "sigmoid"),
    decoder("softplus-at-the-end", SIGMOID, "nn.Softplus(),", "nn.softplus at the end, not a sigmoid"),
    decoder("leaky-relu-at-the-end", SIGMOID, "nn.LeakyReLU(),", "leakyrelu with slope 0.01 at the end, not"),
    decoder("gelu-at-the-end", SIGMOID, "nn.GELU(),", "nn.gelu at the end, not a sigmoid"),
    decoder("exp-at-the-end", SIGMOID, "Apply(torch.exp),", "exp at the end, not a sigmoid"),
    decoder("log-softmax-at-the-end", SIGMOID, "nn.LogSoftmax(1),", "a logsoftmax at the end, not a sigmoid"),
    # Functions that nobody has a name for: that the Linears are right is seen all the same.
    decoder(
        "softsign-at-the-end",
        SIGMOID,
        "Apply(lambda x: (1 + F.softsign(x)) / 2),",
        "right as far as the last linear",
        "what follows it is no sigmoid",
    ),
    Mistake(
        "decoder-strange-inside-and-at-the-end",
        (
            APPLY,
            Edit(DECODER, FIRST, f"{FIRST} Apply(torch.sin),"),
            Edit(DECODER, SIGMOID, "Apply(lambda x: 3 * x.cos()),"),
        ),
        ("2.1",),
        ("lie between 0 and 1", "the sigmoid is missing"),
    ),
    decoder("log-sigmoid", SIGMOID, "nn.LogSigmoid(),", "sigmoid"),
    decoder("clamped-logits", SIGMOID, "nn.Hardtanh(-2, 2), nn.Sigmoid(),", "sigmoid"),
    decoder("clamped-0.01", SIGMOID, "nn.Sigmoid(), nn.Hardtanh(0.01, 0.99),", "sigmoid"),
    decoder("times-255", SIGMOID, "nn.Sigmoid(), Apply(lambda x: 255 * x),", "255"),
    decoder("colours-inverted", SIGMOID, "nn.Sigmoid(), Apply(lambda x: 1 - x),", "1 -"),
    decoder("rounded", SIGMOID, "nn.Sigmoid(), Apply(torch.round),", "round"),
    decoder("noise", SIGMOID, "Apply(lambda x: x + 0.01 * torch.randn_like(x)), nn.Sigmoid(),", "random"),
    decoder("batch-mean-removed", SIGMOID, "Apply(lambda x: x - x.mean(0)), nn.Sigmoid(),", "batch"),
    decoder(
        "columns-first",
        UNFLATTEN,
        "nn.Unflatten(1, (1, 28, 28)), Apply(lambda x: x.transpose(2, 3)),",
        "transpose",
    ),
    decoder(
        "turned-by-90-degrees",
        UNFLATTEN,
        "nn.Unflatten(1, (1, 28, 28)), Apply(lambda x: x.rot90(1, (2, 3))),",
        "turned by 90 degrees",
    ),
    decoder(
        "softmax-over-rows",
        f"{SIGMOID}  # each pixel is the probability of white\n            {UNFLATTEN}",
        "nn.Unflatten(1, (1, 28, 28)), nn.Softmax(dim=-1),",
        "softmax over each row",
    ),
    decoder(
        "sigmoid-before-the-last-layer",
        f"{LAST}  # (N, H) -> (N, D)\n            {SIGMOID}",
        f"{SIGMOID} {LAST}",
        "before the last linear",
    ),
    decoder(
        "logits-halved", SIGMOID, "Apply(lambda x: x / 2), nn.Sigmoid(),", "before the sigmoid", "0.5 times"
    ),
    decoder("upside-down", UNFLATTEN, "nn.Unflatten(1, (1, 28, 28)), Apply(lambda x: x.flip(2)),", "pixel"),
]

FINAL = define("""
class Final(nn.Module):
    def forward(self, x):
        return x if self.training else torch.sigmoid(x)
""")

OUTPUTS.append(
    Mistake(
        "decoder-sigmoid-in-eval-only",
        (FINAL, Edit(DECODER, SIGMOID, "Final(),")),
        ("2.1",),
        ("in training mode it looks as if the sigmoid at the end were missing",),
    )
)

# Forward puts the pixels into shape, but it is the decoder that shall give images.
SHAPES = [
    Mistake(
        "decoder-sizes-swapped",
        (
            Edit(
                DECODER,
                "self.decoder =",
                "latent_size, self.hidden_dim = self.hidden_dim, latent_size\n        self.decoder =",
            ),
        ),
        ("2.1", "4.1"),
        ("latent_size and hidden_dim swapped",),
    ),
    decoder("softmax-over-the-batch", SIGMOID, "nn.Softmax(0),", "softmax over the batch"),
    Mistake(
        "decoder-no-unflatten",
        (
            Edit(DECODER, UNFLATTEN, ""),
            Edit("VAE.forward", "self.decoder(z)", "self.decoder(z).view(x.shape)"),
        ),
        ("2.1",),
        ("784", "28"),
    ),
    Mistake(
        "decoder-without-channel",
        (
            Edit(DECODER, UNFLATTEN, "nn.Unflatten(1, (28, 28)),"),
            Edit("VAE.forward", "self.decoder(z)", "self.decoder(z).unsqueeze(1)"),
        ),
        ("2.1",),
        ("28",),
    ),
    Mistake(
        "decoder-channel-last",
        (
            Edit(DECODER, UNFLATTEN, "nn.Unflatten(1, (28, 28, 1)),"),
            Edit("VAE.forward", "self.decoder(z)", "self.decoder(z).permute(0, 3, 1, 2)"),
        ),
        ("2.1",),
        ("28",),
    ),
]

# Forward cannot run.
BROKEN = [
    Mistake(
        "decoder-batch-of-128",
        (APPLY, Edit(DECODER, UNFLATTEN, "Apply(lambda x: x.view(128, 1, 28, 28)),")),
        ("2.1", "4.1"),
        ("128",),
    ),
    Mistake(
        "decoder-takes-400",
        (Edit(DECODER, FIRST, "nn.Linear(self.hidden_dim, self.hidden_dim),"),),
        ("2.1", "4.1"),
        ("400",),
    ),
    Mistake(
        "decoder-takes-twice-the-latents",
        (Edit(DECODER, FIRST, "nn.Linear(2 * latent_size, self.hidden_dim),"),),
        ("2.1", "4.1"),
        ("latent",),
    ),
    Mistake("decoder-missing", (Edit(DECODER, "self.decoder =", "decoder ="),), ("2.1", "4.1"), ("none",)),
    Mistake(
        "decoder-double", (Edit(DECODER, "        )\n", "        ).double()\n"),), ("2.1", "4.1"), ("double",)
    ),
    Mistake(
        "decoder-unflattens-to-32",
        (Edit(DECODER, UNFLATTEN, "nn.Unflatten(1, (1, 32, 32)),"),),
        ("2.1", "4.1"),
        ("32",),
    ),
    Mistake(
        "decoder-nan",
        (APPLY, Edit(DECODER, SIGMOID, "Apply(lambda x: torch.sqrt(-1 - x**2)),")),
        ("2.1", "4.1"),
        ("nan",),
    ),
]

SHARED = [
    decoder(
        "shares-a-layer-with-the-encoder",
        PAIR + PAIR,
        PAIR + "self.encoder[3], nn.ReLU(),\n            ",
        "shares",
    ),
    Mistake(
        "decoder-without-sigmoid-but-in-forward",  # forward makes up for it
        (Edit(DECODER, SIGMOID, ""), Edit("VAE.forward", "self.decoder(z)", "self.decoder(z).sigmoid()")),
        ("2.1",),
        ("sigmoid",),
    ),
    Mistake(
        "decoder-shared-by-all-models",
        (
            define("HIDDEN = nn.Linear(400, 400)"),
            Edit(DECODER, PAIR + PAIR, PAIR + "HIDDEN, nn.ReLU(),\n            "),
        ),
        ("2.1",),
        ("share",),
    ),
    *(
        decoder(
            f"tied-to-{name}",  # another parameter with the same memory
            "\n        )",
            f"\n        )\n        self.decoder[0].weight = nn.Parameter(self.{name}.weight.t())",
            f"shares layers with vae.{name}",
        )
        for name in ("mu_layer", "logvar_layer")
    ),
    decoder("clamped-at-the-end", UNFLATTEN, f"{UNFLATTEN} nn.Hardtanh(0.1, 0.9),", "clamped at 0.1 and 0.9"),
    decoder(
        "squeezed-at-the-end",
        UNFLATTEN,
        f"{UNFLATTEN} Apply(lambda x: 0.98 * x + 0.01),",
        "0.98 times the right one plus 0.01",
    ),
    decoder(
        "images-mixed-by-a-transpose",
        SIGMOID,
        "nn.Sigmoid(), Apply(lambda x: x.t().reshape(x.shape)),",
        "mix the images",
    ),
    decoder("clamped-inside", FIRST, f"{FIRST} nn.Hardtanh(-20, 20),", "clamp"),
]

BY_ITSELF = [
    Mistake(
        "decoder-shape-set-by-forward",
        (
            define(
                "class Shaped(nn.Module):\n    def forward(self, y):\n        return y.view(-1, *self.shape)"
            ),
            Edit(DECODER, UNFLATTEN, "Shaped(),"),
            Edit("VAE.forward", FORWARD, f"self.decoder[-1].shape = x.shape[1:]\n        {FORWARD}"),
        ),
        ("2.1",),
        ("shape",),
    ),
]

SATURATED = [
    decoder(
        "sigmoid-that-overflows",
        SIGMOID,
        "Apply(lambda x: torch.exp(x) / (1 + torch.exp(x))),",
        "nan for large numbers",
    ),
    # It breaks backward(), too: a wrong part is its own row's.
    decoder("colours-in-place", SIGMOID, f"{SIGMOID} Apply(lambda x: x.mul_(255)),", "0 ... 255"),
]

MISTAKES = [*SATURATED, *BY_ITSELF, *ACTIVATIONS, *LAYERS, *OUTPUTS, *SHAPES, *BROKEN, *SHARED]
