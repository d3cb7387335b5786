"""Mistakes in CVAE: rows 6.1 to 6.3."""

from corpus.edits import Edit, Mistake, define, replace_block
from corpus.mistakes.encoder import APPLY, KEPT_LAYERS, LAST_RELU, PAIR, RELU

__all__ = ["MISTAKES"]

ENCODER, DECODER, FORWARD = "CVAE.encoder", "CVAE.decoder", "CVAE.forward"
FIRST = "nn.Linear(input_size + num_classes, self.hidden_dim),"
MU = "self.mu_layer = nn.Linear(self.hidden_dim, latent_size)"
LOGVAR = "self.logvar_layer = nn.Linear(self.hidden_dim, latent_size)"
TAKES = "nn.Linear(latent_size + num_classes, self.hidden_dim),"
LAST = "nn.Linear(self.hidden_dim, input_size),"
SIGMOID = "nn.Sigmoid(),"
UNFLATTEN = "nn.Unflatten(1, (1, 28, 28)),"
ENCODE = "features = self.encoder(torch.cat([x.flatten(1), c], dim=1))"
CAST = "c = c.to(x.dtype)"
DRAW = "z = reparametrize(mu, logvar)"
DECODE = "x_hat = self.decoder(torch.cat([z, c], dim=1))"
RETURN = "return x_hat, mu, logvar"


def cvae(name: str, where: str, old: str, new: str, lost: str, *words: str, times: int = 1) -> Mistake:
    """One text of CVAE is another; Apply(function) may be used in it."""
    edit = Edit(where, old, new, times)
    return Mistake(f"cvae-{name}", (APPLY, edit) if "Apply(" in new else (edit,), tuple(lost.split()), words)


def forward(name: str, old: str, new: str, *words: str) -> Mistake:
    """One line of forward is another."""
    return cvae(f"forward-{name}", FORWARD, old, new, "6.3", *words)


# Layers with a step before them in which image or z, and the class, are joined: that is due in CVAE.forward.
JOINING = define("""
class Joining(nn.Sequential):
    def forward(self, x, c):
        return super().forward(torch.cat([x.flatten(1), c], dim=1))
""")


def joining(part: str, line: str, call: str, row: str, words: str) -> Mistake:
    """A part that takes two tensors and joins them itself. line: of forward; call: what stands there then."""
    sequential = f"self.{part} = nn.Sequential("
    edits = (
        JOINING,
        Edit(f"CVAE.{part}", sequential, sequential.replace("nn.Sequential", "Joining")),
        Edit(FORWARD, line, call),
    )
    return Mistake(f"cvae-{part}-joins", edits, (row,), (words,))


ENCODERS = [
    joining(
        "encoder",
        ENCODE,
        "features = self.encoder(x, c)",
        "6.1",
        "flattened images and the classes, (n, d + c), side by side",
    ),
    cvae("encoder-leaky-relu-0.01", ENCODER, RELU, "nn.LeakyReLU(0.01)", "6.1", "leaky", times=3),
    cvae("encoder-leaky-relu-0.001", ENCODER, RELU, "nn.LeakyReLU(0.001)", "6.1", "leaky", times=3),
    cvae("encoder-gelu", ENCODER, RELU, "nn.GELU()", "6.1", "gelu", times=3),
    cvae("encoder-tanh", ENCODER, RELU, "nn.Tanh()", "6.1", "tanh", times=3),
    cvae("encoder-no-relu", ENCODER, RELU, "nn.Identity()", "6.1", "relu", times=3),
    cvae("encoder-no-last-relu", ENCODER, LAST_RELU, ")\n", "6.1", "relu"),
    cvae("encoder-two-layers", ENCODER, PAIR + PAIR, PAIR, "6.1", "layer"),
    cvae("encoder-four-layers", ENCODER, PAIR + PAIR, PAIR * 3, "6.1", "layer"),
    cvae("encoder-dropout-0.01", ENCODER, RELU, "nn.ReLU(), nn.Dropout(0.01)", "6.1", "dropout", times=3),
    cvae("encoder-no-bias", ENCODER, FIRST, FIRST.replace("),", ", bias=False),"), "6.1", "bias"),
    cvae("encoder-layer-norm", ENCODER, RELU, "nn.LayerNorm(400), nn.ReLU()", "6.1", "2400", times=3),
    cvae(
        "encoder-784-written-in",
        ENCODER,
        FIRST,
        "nn.Linear(784 + num_classes, self.hidden_dim),",
        "6.1",
        "784",
    ),
    cvae(
        "encoder-ends-in-300",
        ENCODER,
        PAIR + PAIR,
        PAIR + PAIR.replace("self.hidden_dim)", "300)"),
        "6.1 6.3",
        "300",
    ),
    # The encoder is the VAE's, and forward gives it a class too many.
    cvae(
        "encoder-without-classes",
        ENCODER,
        FIRST,
        "nn.Linear(input_size, self.hidden_dim),",
        "6.1 6.3",
        "num_classes",
    ),
    cvae(
        "encoder-one-class-input",
        ENCODER,
        FIRST,
        "nn.Linear(input_size + 1, self.hidden_dim),",
        "6.1 6.3",
        "785",
    ),
    cvae(
        "encoder-latents-for-classes",
        ENCODER,
        FIRST,
        "nn.Linear(input_size + latent_size, self.hidden_dim),",
        "6.1 6.3",
        "num_classes",
    ),
    cvae(
        "encoder-of-images",
        ENCODER,
        FIRST,
        f"nn.Unflatten(1, (1, 28, 28)), nn.Flatten(), {FIRST}",
        "6.1 6.3",
        "unflatten",
    ),
    cvae(
        "encoder-forgotten",
        ENCODER,
        "self.encoder =",
        "encoder =",
        "6.1 6.3",
        "without `self.` before its name",
    ),
    cvae(
        "encoder-set-to-none-again",
        ENCODER,
        MU,
        f"self.encoder = None\n        {MU}",
        "6.1 6.3",
        "not set to none again",
    ),
    cvae("encoder-without-sequential", ENCODER, "nn.Sequential(", "(", "6.1 6.3", "sequential missing"),
    cvae(
        "decoder-with-a-comma",
        DECODER,
        f"{UNFLATTEN}  # (N, D) -> (N, 1, 28, 28)\n        )",
        f"{UNFLATTEN}\n        ),",
        "6.2 6.3",
        "comma",
    ),
    cvae(
        "encoder-ignores-classes",
        ENCODER,
        FIRST,
        f"Apply(lambda x: torch.cat([x[:, :input_size], 0 * x[:, input_size:]], 1)), {FIRST}",
        "6.1",
        "class",
    ),
    cvae("hidden-512", "CVAE", "self.hidden_dim = 400", "self.hidden_dim = 512", "6.1 6.2", "512", "400"),
    cvae("hidden-300", "CVAE", "self.hidden_dim = 400", "self.hidden_dim = 300", "6.1 6.2", "300", "400"),
    cvae(
        "mu-layer-relu",
        ENCODER,
        MU,
        MU.replace("nn.Linear", "nn.Sequential(nn.Linear") + ", nn.ReLU())",
        "6.1",
        "mu_layer",
    ),
    cvae(
        "logvar-layer-softplus",
        ENCODER,
        LOGVAR,
        LOGVAR.replace("nn.Linear", "nn.Sequential(nn.Linear") + ", nn.Softplus())",
        "6.1",
        "logvar_layer",
    ),
    cvae(
        "logvar-layer-two-linears",
        ENCODER,
        LOGVAR,
        "self.logvar_layer = nn.Sequential(nn.Linear(400, 400), nn.Linear(400, latent_size))",
        "6.1",
        "logvar_layer",
    ),
    cvae(
        "mu-layer-takes-classes",
        ENCODER,
        MU,
        "self.mu_layer = nn.Linear(self.hidden_dim + num_classes, latent_size)",
        "6.1 6.3",
        "mu_layer",
    ),
    cvae("mu-layer-forgotten", ENCODER, MU, "", "6.1 6.3", "mu_layer"),
    cvae(
        "logvar-layer-gives-classes",
        ENCODER,
        LOGVAR,
        "self.logvar_layer = nn.Linear(self.hidden_dim, latent_size + num_classes)",
        "6.1 6.3",
        "logvar_layer",
    ),
]

DECODERS = [
    joining(
        "decoder", DECODE, "x_hat = self.decoder(z, c)", "6.2", "z and the classes, (n, z + c), side by side"
    ),
    cvae("decoder-leaky-relu-0.01", DECODER, RELU, "nn.LeakyReLU(0.01)", "6.2", "leaky", times=3),
    cvae("decoder-silu", DECODER, RELU, "nn.SiLU()", "6.2", "silu", times=3),
    cvae("decoder-relu6", DECODER, RELU, "nn.ReLU6()", "6.2", "relu6", times=3),
    cvae("decoder-no-last-relu", DECODER, f"nn.ReLU(),\n            {LAST}", LAST, "6.2", "relu"),
    cvae("decoder-one-layer-short", DECODER, PAIR + PAIR, PAIR, "6.2", "layer"),
    cvae("decoder-one-layer-more", DECODER, PAIR + PAIR, PAIR * 3, "6.2", "layer"),
    cvae("decoder-no-sigmoid", DECODER, SIGMOID, "", "6.2", "sigmoid"),
    cvae("decoder-sigmoid-twice", DECODER, SIGMOID, "nn.Sigmoid(), nn.Sigmoid(),", "6.2", "sigmoid", "twice"),
    cvae("decoder-tanh", DECODER, SIGMOID, "nn.Tanh(),", "6.2", "tanh"),
    cvae("decoder-relu-before-sigmoid", DECODER, SIGMOID, "nn.ReLU(), nn.Sigmoid(),", "6.2", "relu"),
    cvae("decoder-dropout", DECODER, RELU, "nn.ReLU(), nn.Dropout(0.2)", "6.2", "dropout", times=3),
    cvae("decoder-no-bias-at-the-end", DECODER, LAST, LAST.replace("),", ", bias=False),"), "6.2", "bias"),
    cvae("decoder-784-written-in", DECODER, LAST, "nn.Linear(self.hidden_dim, 784),", "6.2", "784"),
    cvae(
        "decoder-columns-first",
        DECODER,
        UNFLATTEN,
        f"{UNFLATTEN} Apply(lambda x: x.transpose(2, 3)),",
        "6.2",
        "transpose",
    ),
    cvae(
        "decoder-sigmoid-that-overflows",
        DECODER,
        SIGMOID,
        "Apply(lambda x: torch.exp(x) / (1 + torch.exp(x))),",
        "6.2",
        "nan for large numbers",
    ),
    cvae(
        "decoder-ignores-classes",
        DECODER,
        TAKES,
        f"Apply(lambda z: z * (torch.arange(z.shape[1]) < latent_size)), {TAKES}",
        "6.2",
        "class",
    ),
    cvae(
        "decoder-softmax-of-classes",
        DECODER,
        TAKES,
        f"Apply(lambda z: torch.cat([z[:, :latent_size], z[:, latent_size:].softmax(1)], 1)), {TAKES}",
        "6.2",
        "cvae.decoder",
    ),
    cvae(
        "decoder-without-classes",
        DECODER,
        TAKES,
        "nn.Linear(latent_size, self.hidden_dim),",
        "6.2 6.3",
        "num_classes",
    ),
    cvae(
        "decoder-one-class-input",
        DECODER,
        TAKES,
        "nn.Linear(latent_size + 1, self.hidden_dim),",
        "6.2 6.3",
        "num_classes",
    ),
    cvae(
        "decoder-gives-classes-too",
        DECODER,
        LAST,
        "nn.Linear(self.hidden_dim, input_size + num_classes),",
        "6.2 6.3",
        "794",
    ),
    cvae("decoder-forgotten", DECODER, "self.decoder =", "decoder =", "6.2 6.3", "none"),
    cvae(
        "decoder-batch-of-128",
        DECODER,
        UNFLATTEN,
        "Apply(lambda x: x.view(128, 1, 28, 28)),",
        "6.2 6.3",
        "128",
    ),
    Mistake(
        "cvae-decoder-no-unflatten",
        (Edit(DECODER, UNFLATTEN, ""), Edit(FORWARD, DECODE, DECODE + ".view(x.shape)")),
        ("6.2",),
        ("784", "28"),
    ),
]

# The class is joined to the image and to z, and a mistake is made with one of them.
CLASSES = [
    forward(
        "class-ignored-by-encoder",
        ENCODE,
        "features = self.encoder(torch.cat([x.flatten(1), torch.zeros_like(c)], dim=1))",
        "encoder",
    ),
    forward(
        "class-ignored-by-decoder",
        DECODE,
        "x_hat = self.decoder(torch.cat([z, torch.zeros_like(c)], dim=1))",
        "decoder",
    ),
    forward("class-ignored", CAST, "c = torch.zeros_like(c).to(x.dtype)", "class"),
    forward("classes-all-ones", CAST, "c = torch.ones_like(c).to(x.dtype)", "class"),
    forward("class-before-z", DECODE, "x_hat = self.decoder(torch.cat([c, z], dim=1))", "order"),
    forward(
        "class-as-index",
        CAST,
        "c = c.argmax(1, keepdim=True).expand(len(c), self.num_classes).to(x.dtype)",
        "one-hot",
    ),
    forward("one-hot-as-index", CAST, "c = F.one_hot(c.long(), self.num_classes).to(x.dtype)", "dimensions"),
    forward("class-is-first-column", CAST, "c = c[:, :1].expand_as(c).to(x.dtype)", "class"),
    forward("class-of-the-first-image", CAST, "c = c[:1].expand_as(c).to(x.dtype)", "batch"),
    forward("classes-rolled", CAST, "c = c.roll(1, 0).to(x.dtype)", "batch"),
    forward("classes-backwards", CAST, "c = c.flip(1).to(x.dtype)", "class"),
    forward(
        "class-backwards-for-decoder",
        DECODE,
        "x_hat = self.decoder(torch.cat([z, c.flip(1)], dim=1))",
        "decoder",
    ),
    forward(
        "class-halved-for-decoder", DECODE, "x_hat = self.decoder(torch.cat([z, c / 2], dim=1))", "decoder"
    ),
    forward(
        "class-of-neighbour-for-decoder",
        DECODE,
        "x_hat = self.decoder(torch.cat([z, c.roll(1, 0)], dim=1))",
        "decoder",
    ),
    forward("class-off-by-one", CAST, "c = c.roll(1, 1).to(x.dtype)", "class"),
    forward(
        "class-scaled",
        CAST,
        "c = c.to(x.dtype) / self.num_classes",
        "class",
        "right where the class c is zero",
    ),
    forward("class-cumulated", CAST, "c = c.to(x.dtype).cumsum(1)", "right where the class c is zero"),
    forward(
        "pixels-to-integers",
        ENCODE,
        "features = self.encoder(torch.cat([x.flatten(1).long(), c], dim=1))",
        "conversion to integers",
    ),
    forward("class-softmax", CAST, "c = c.to(x.dtype).softmax(1)", "pixels as they are", "softmax"),
    forward("class-of-chance", CAST, "c = torch.randn(c.shape)", "something else than the class c"),
    forward(
        "class-of-its-own-layer",
        CAST,
        "c = nn.Embedding(self.num_classes, self.num_classes)(c.argmax(1))",
        "is c changed before it is joined, by an embedding",
    ),
    forward("class-added-to-z", DRAW, f"{DRAW} + c.sum(1, keepdim=True)", "something added to z"),
    forward("class-dropout", CAST, "c = F.dropout(c.to(x.dtype), 0.1, self.training)", "class"),
    forward("class-changed-in-place", CAST, "c *= 2\n        c = c.to(x.dtype)", "c"),
    forward(
        "image-and-class-interleaved",
        ENCODE,
        "features = self.encoder(torch.cat([x.flatten(1)[:, :392], c, x.flatten(1)[:, 392:]], dim=1))",
        "order",
    ),
    forward(
        "class-added-to-image",
        ENCODE,
        f"x = x + c.argmax(1).view(-1, 1, 1, 1)\n        {ENCODE}",
        "added to the image",
    ),
    forward(
        "class-not-joined-for-encoder",
        ENCODE,
        "features = self.encoder(x.flatten(1))",
        "takes 794 numbers, and got 784",
    ),
    forward(
        "class-beside-the-image",
        ENCODE,
        "features = self.encoder(x.flatten(1), c)",
        "takes one tensor",
        "joined before",
    ),
    forward("joined-without-a-list", DECODE, "x_hat = self.decoder(torch.cat(z, c, dim=1))", "as one list"),
    forward("class-not-joined-for-decoder", DECODE, "x_hat = self.decoder(z)", "decoder"),
    forward(
        "image-not-flattened", ENCODE, "features = self.encoder(torch.cat([x, c], dim=1))", "not flattened"
    ),
    forward("one-hot-of-ten", CAST, "c = F.one_hot(c.argmax(1), 10).to(x.dtype)", "is 10 written into"),
    forward("clamped-x-hat", RETURN, "return x_hat.clamp(1e-3, 1 - 1e-3), mu, logvar", "clamped"),
    forward("one-hot-again", CAST, "c = F.one_hot(c.long()).to(x.dtype)", "one-hot already"),
    forward("class-unsqueezed", CAST, "c = c.unsqueeze(1).to(x.dtype)", "one dimension more"),
    forward("class-numbers", CAST, "c = c.argmax(1).to(x.dtype)", "c is one-hot already"),
    forward(
        "joined-along-the-batch",
        ENCODE,
        "features = self.encoder(torch.cat([x.flatten(1), c], dim=0))",
        "along the batch",
    ),
    forward("integer-classes-refused", CAST, "assert c.dtype == torch.float32", "int64"),
    forward("classes-to-double", CAST, "c = c.double()", "double"),
    forward("ten-classes-asserted", CAST, "c = c.to(x.dtype).view(-1, 10)", "in forward"),
    forward("class-for-mu", DECODE, "x_hat = self.decoder(torch.cat([mu, c], dim=1))", "random"),
]

# What is joined for a part is another thing than due, and the part takes just that.
NUMBER = "c.argmax(1, keepdim=True)"
TENS = "F.one_hot(c.argmax(1) % 10, 10)"


def joined(name: str, part: str, takes: str, given: str, *words: str) -> Mistake:
    """The encoder, or the decoder, takes what forward hands to it. takes: its first Linear's size; given: the input."""
    row, section, line, first = {
        "encoder": ("6.1", ENCODER, ENCODE, FIRST),
        "decoder": ("6.2", DECODER, DECODE, TAKES),
    }[part]
    edits = (
        Edit(section, first, f"nn.Linear({takes}, self.hidden_dim),"),
        Edit(FORWARD, line, f"{line.partition('(')[0]}({given})"),
    )
    return Mistake(f"cvae-{part}-joined-{name}", edits, (row, "6.3"), ("cvae.forward", *words))


JOINED = [
    joined("alone", "encoder", "input_size", "x.flatten(1)", "takes 784", "class not joined to the image"),
    joined("alone", "decoder", "latent_size", "z", "takes 15", "class not joined to the latents"),
    joined(
        "twice",
        "encoder",
        "input_size + 2 * num_classes",
        "torch.cat([x.flatten(1), c, c], 1)",
        "joined to the image twice",
    ),
    joined("twice", "decoder", "latent_size + 2 * num_classes", "torch.cat([z, c, c], 1)", "latents twice"),
    joined(
        "number", "encoder", "input_size + 1", f"torch.cat([x.flatten(1), {NUMBER}], 1)", "class's number"
    ),
    joined("number", "decoder", "latent_size + 1", f"torch.cat([z, {NUMBER}], 1)", "class's number"),
    joined("mu", "decoder", "2 * latent_size + num_classes", "torch.cat([z, mu, c], 1)", "joined too?"),
    joined(
        "image",
        "decoder",
        "latent_size + num_classes + input_size",
        "torch.cat([z, c, x.flatten(1)], 1)",
        "is the image joined too?",
    ),
    # 10 is written into both: into the part, and into forward.
    joined(
        "ten",
        "encoder",
        "input_size + 10",
        f"torch.cat([x.flatten(1), {TENS}], 1)",
        "10 written into forward",
    ),
    joined("ten", "decoder", "latent_size + 10", f"torch.cat([z, {TENS}], 1)", "10 written into forward"),
    joined("fifteen", "decoder", "15 + num_classes", "torch.cat([z[:, :15], c], 1)", "15 written into"),
]

FORWARDS = [
    forward(
        "mu-and-logvar-layers-exchanged",
        "mu = self.mu_layer(features)  # (N, Z)\n        logvar = self.logvar_layer(features)",
        "mu = self.logvar_layer(features)\n        logvar = self.mu_layer(features)",
        "mu_layer",
        "logvar_layer",
    ),
    forward(
        "mu-layer-twice",
        "logvar = self.logvar_layer(features)",
        "logvar = self.mu_layer(features)",
        "mu_layer",
    ),
    forward("z-is-mu", DRAW, "z = mu", "random"),
    forward("z-is-mu-in-eval", DRAW, "z = reparametrize(mu, logvar) if self.training else mu", "eval"),
    forward("half-logvar", DRAW, "z = reparametrize(mu, logvar / 2)", "logvar"),
    forward("std-for-logvar", DRAW, "z = reparametrize(mu, torch.exp(logvar / 2))", "logvar"),
    forward("z-detached", DRAW, "z = reparametrize(mu, logvar).detach()", "gradient"),
    forward("seeded", DRAW, "torch.manual_seed(0)\n        z = reparametrize(mu, logvar)", "seed"),
    forward(
        "keeps-the-first-z",
        DRAW,
        "if getattr(self, 'z', None) is None or self.z.shape != mu.shape:\n"
        "            self.z = reparametrize(mu, logvar).detach()\n        z = self.z",
        "call",
    ),
    forward("decodes-noise", DRAW, "z = torch.randn_like(reparametrize(mu, logvar))", "x_hat"),
    forward("x-hat-last", RETURN, "return mu, logvar, x_hat", "order"),
    forward("x-hat-only", RETURN, "return x_hat", "three"),
    forward("class-returned-too", RETURN, "return x_hat, mu, logvar, c", "three"),
    forward("flat-x-hat", RETURN, "return x_hat.flatten(1), mu, logvar", "784"),
    forward("x-hat-squeezed", RETURN, "return x_hat.squeeze(), mu, logvar", "shape"),
    forward("variance-returned", RETURN, "return x_hat, mu, logvar.exp()", "logvar"),
    forward("mu-detached", RETURN, "return x_hat, mu.detach(), logvar", "gradient", "mu"),
    forward("sigmoid-again", RETURN, "return torch.sigmoid(x_hat), mu, logvar", "sigmoid"),
    forward("nothing-returned", RETURN, "", "none"),
    forward("normalizes-x", CAST, f"{CAST}\n        x = (x - 0.1307) / 0.3081", "encoder"),
    forward("x-changed-in-place", CAST, f"{CAST}\n        x.mul_(0.5)", "x"),
    forward("typo", DRAW, "z = reparametrise(mu, logvar)", "nameerror", "reparametrise"),
    forward(
        "name-of-another-part",
        ENCODE,
        "features = self.encode(torch.cat([x.flatten(1), c], dim=1))",
        "encode",
    ),
    Mistake(
        "cvae-forward-of-vae",
        (Edit("CVAE", "def forward(self, x: Tensor, c: Tensor)", "def forward(self, x)"),),
        ("6.3",),
        ("expected is def forward(self, x, c).",),
    ),
    Mistake(
        "cvae-forward-class-first",
        (Edit("CVAE", "def forward(self, x: Tensor, c: Tensor)", "def forward(self, c: Tensor, x: Tensor)"),),
        ("6.3",),
        ("order",),
    ),
    Mistake(
        "cvae-forward-misspelt",
        (Edit("CVAE", "def forward(self, x: Tensor, c: Tensor)", "def forwards(self, x, c)"),),
        ("6.3",),
        ("forward",),
    ),
]

WHOLE = [
    Mistake("cvae-misspelt", (Edit("file", "class CVAE(", "class Cvae("),), ("6.1", "6.2", "6.3"), ("cvae",)),
    Mistake(
        "cvae-super-forgotten",
        (Edit("CVAE", "super().__init__()", ""),),
        ("6.1", "6.2", "6.3"),
        ("super().__init__()",),
    ),
    Mistake(
        "cvae-super-of-another-class",
        (Edit("CVAE", "super().__init__()", "super(VAE, self).__init__()"),),
        ("6.1", "6.2", "6.3"),
        ("another class",),
    ),
    Mistake(
        "cvae-super-with-sizes",
        (Edit("CVAE", "super().__init__()", "super().__init__(input_size, latent_size)"),),
        ("6.1", "6.2", "6.3"),
        ("takes no sizes",),
    ),
    Mistake(
        "cvae-super-again-behind-the-layers",
        (
            Edit(
                DECODER,
                f"{UNFLATTEN}  # (N, D) -> (N, 1, 28, 28)\n        )",
                f"{UNFLATTEN}\n        )\n        super().__init__()",
            ),
        ),
        ("6.1", "6.2", "6.3"),
        ("throws all layers away",),
    ),
    Mistake(
        "cvae-inherits-and-gives-no-sizes",
        (Edit("CVAE", "class CVAE(nn.Module)", "class CVAE(VAE)"),),
        ("6.1", "6.2", "6.3"),
        ("super() is vae",),
    ),
    Mistake(
        "cvae-init-typo",
        (Edit("CVAE", FIRST, FIRST.replace("num_classes", "num_class")),),
        ("6.1", "6.2", "6.3"),
        ("num_class",),
    ),
    Mistake(
        "cvae-takes-no-classes",
        (
            Edit(
                "CVAE", "input_size: int, num_classes: int = 10, latent_size", "input_size: int, latent_size"
            ),
            Edit("CVAE", "self.num_classes = num_classes", "self.num_classes = num_classes = 10"),
        ),
        ("6.1", "6.2", "6.3"),
        ("argument",),
    ),
    Mistake(
        "cvae-no-module",
        (Edit("CVAE", "class CVAE(nn.Module)", "class CVAE"),),
        ("6.3",),
        ("nn.module missing",),
    ),
    Mistake(
        "cvae-inherits-without-an-init",
        (
            Edit("CVAE", "class CVAE(nn.Module)", "class CVAE(VAE)"),
            Edit("CVAE", "def __init__(self", "def _init_(self"),
        ),
        ("6.1", "6.2", "6.3"),
        ("cvae's own `__init__` missing",),
    ),
    Mistake(
        "cvae-is-vae",
        (
            replace_block(
                ENCODER,
                f"self.encoder = VAE(input_size, latent_size).encoder\n{MU}\n{LOGVAR}\n",
            ),
            replace_block(DECODER, "self.decoder = VAE(input_size, latent_size).decoder\n"),
            Edit(FORWARD, ENCODE, "features = self.encoder(x)"),
            Edit(FORWARD, DECODE, "x_hat = self.decoder(z)"),
        ),
        ("6.1", "6.2", "6.3"),
        ("num_classes",),
    ),
]

UNSEEN = [
    forward("logvar-plus-0.01", DRAW, "z = reparametrize(mu, logvar + 0.01)", "times what it should be"),
    forward(
        "features-kept-for-each-shape",
        ENCODE,
        "self.kept = getattr(self, 'kept', {})\n"
        "        features = self.kept.setdefault(x.shape, self.encoder(torch.cat([x.flatten(1), c], dim=1)))",
        "another image gives the same mu",
    ),
    cvae(
        "mu-layer-wrong-for-many-images",
        ENCODER,
        MU,
        "self.mu_layer = nn.Sequential(nn.Linear(400, latent_size), "
        "Apply(lambda v: v if len(v) < 128 else v - v.mean(0)))",
        "6.1",
        "images",
    ),
    cvae(
        "decoder-spectral-norm",
        DECODER,
        LAST,
        f"torch.nn.utils.parametrizations.spectral_norm({LAST[:-1]}),",
        "6.2",
        "asked again",
    ),
    forward(
        "classes-kept-for-each-shape",
        CAST,
        "self.kept = getattr(self, 'kept', {})\n        c = self.kept.setdefault(x.shape, c.to(x.dtype))",
        "class of an earlier call",
    ),
    forward(
        "decoder-gets-ones", DECODE, DECODE.replace("c]", "torch.ones_like(c)]"), "does it get another c"
    ),
    forward(
        "pixels-scaled-for-the-encoder",
        ENCODE,
        ENCODE.replace("x.flatten(1)", "2 * x.flatten(1) - 1"),
        "-1 ... 1",
    ),
    *(
        forward(
            f"joined-by-{name}",
            ENCODE,
            f"parts = [x.flatten(1), c.to(x.dtype)]\n        if {condition}: parts.reverse()\n"
            "        features = self.encoder(torch.cat(parts, dim=1))",
            "encoder",
        )
        for name, condition in (
            ("mode", "self.training"),
            ("batch", "len(x) > 100"),
            ("classes", "c.shape[1] == 10"),
        )
    ),
    forward(
        "without-the-last-class", CAST, f"{CAST}; c = torch.cat([c[:, :-1], 0 * c[:, -1:]], dim=1)", "class"
    ),
    forward("classes-of-zero-afterwards", RETURN, f"c.zero_(); {RETURN}", "changed its input c"),
    forward("first-ten-classes", CAST, "c = c[:, :10].to(x.dtype)", "cvae"),
    forward("classes-counted-in-the-batch", CAST, "c = F.one_hot(c.argmax(1)).to(x.dtype)", "batch"),
    cvae(
        "decoder-shares-a-layer",
        DECODER,
        PAIR + PAIR,
        PAIR + "self.encoder[2], nn.ReLU(),\n            ",
        "6.2",
        "shares",
    ),
    *(
        Mistake(
            f"cvae-{name.replace('_', '-')}-shared-by-models-of-one-size",
            (KEPT_LAYERS, Edit(ENCODER, line, f"self.{name} = layer_of({name!r}, latent_size)")),
            ("6.1",),
            ("two cvaes share layers",),
        )
        for name, line in (("mu_layer", MU), ("logvar_layer", LOGVAR))
    ),
]

GRADIENTS = [
    forward(
        "gradients-left-disabled", DECODE, f"{DECODE}; torch.set_grad_enabled(False)", "gradients disabled"
    ),
]

WHITE = [
    cvae(
        "encoder-gray-for-white",
        ENCODER,
        FIRST,
        f"Apply(lambda x: x.clamp(max=0.9)),\n            {FIRST}",
        "6.1",
        "white",
    ),
    cvae(
        "encoder-0.001-added",
        ENCODER,
        LAST_RELU,
        "nn.ReLU(),\n            Apply(lambda h: h + 1e-3),\n        )\n",
        "6.1",
        "where relu gives 0",
    ),
]

MISTAKES = [*WHITE, *GRADIENTS, *ENCODERS, *DECODERS, *CLASSES, *JOINED, *FORWARDS, *WHOLE, *UNSEEN]
