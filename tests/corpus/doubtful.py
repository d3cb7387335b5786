"""Submissions about which two careful graders may differ, each with the verdict that we propose and why.

They are no part of the corpus: no verdict of theirs is held against the rubric until somebody decides.
"""

from dataclasses import dataclass

from corpus.edits import Edit, define
from corpus.mistakes.encoder import CLASS, LAST_RELU, LOGVAR, MU, RELU, USE_CLASS

__all__ = ["DOUBTFUL", "Doubt"]


@dataclass(frozen=True)
class Doubt:
    """A submission, the rows that we would let it lose (none: it is right), and the reason."""

    name: str
    edits: tuple[Edit, ...]
    proposed: tuple[str, ...]
    why: str


ENCODER, DECODER, FORWARD = "VAE.encoder", "VAE.decoder", "VAE.forward"
LATENT_15 = "nn.Linear(self.hidden_dim, 15)"

PARTS = [
    Doubt(
        "encoder-flatten-in-forward",
        (Edit(ENCODER, "nn.Flatten(),", ""), Edit(FORWARD, "self.encoder(x)", "self.encoder(x.flatten(1))")),
        ("1.2",),
        "The encoder cannot take images, as 1.2 wants. Forward runs and composes the student's own parts, so it "
        "keeps 4.1: one mistake, charged once.",
    ),
    Doubt(
        "encoder-no-bias",
        (Edit(ENCODER, "self.hidden_dim),  # (N, H)", "self.hidden_dim, bias=False),  # (N, H)", 2),),
        ("1.1",),
        "The count is wrong. A Linear without a bias is a Linear, and the behaviour is right for these parameters: "
        "1.2 would be a second charge for the same slip.",
    ),
    Doubt(
        "encoder-tied-layers",
        (
            define(
                CLASS.replace("F.relu(self.fc3(x))", "F.relu(self.fc2(x))").replace(
                    "        self.fc3 = nn.Linear(hidden_dim, hidden_dim)\n", ""
                )
            ),
            USE_CLASS,
        ),
        ("1.1",),
        "One layer is used twice, so 160400 parameters are missing; it is still three times Linear and ReLU from its "
        "own parameters.",
    ),
    Doubt(
        "encoder-batch-norm",
        (Edit(ENCODER, RELU, "nn.BatchNorm1d(400), nn.ReLU()", 3),),
        ("1.1", "1.2"),
        "BatchNorm cannot run on one image in training mode, and it remembers: both make forward wrong, but through "
        "the encoder alone, and forward can be judged for other batches.",
    ),
    Doubt(
        "encoder-batch-norm-without-parameters",
        (Edit(ENCODER, RELU, "nn.BatchNorm1d(400, affine=False), nn.ReLU()", 3),),
        ("1.2",),
        "As above; the count is right.",
    ),
    Doubt(
        "encoder-convolution-as-large-as-the-image",
        (
            Edit(
                ENCODER,
                "nn.Linear(input_size, self.hidden_dim),",
                "nn.Unflatten(1, (1, 28, input_size // 28)), nn.Conv2d(1, 400, (28, input_size // 28)), nn.Flatten(),",
            ),
        ),
        (),
        "The same function with as many parameters, though its weight has four dimensions. No student is known to "
        "have done it, and at 345 pixels it has another count.",
    ),
    Doubt(
        "encoder-lazy-linear",
        (Edit(ENCODER, "nn.Linear(input_size, self.hidden_dim),", "nn.LazyLinear(self.hidden_dim),"),),
        ("1.1",),
        "It computes the right thing once it has seen an image, but before that the first layer has no size, and "
        "1.1 asks for a count at any number of pixels.",
    ),
    Doubt(
        "encoder-frozen",
        (Edit(ENCODER, LAST_RELU, "nn.ReLU(),\n        ).requires_grad_(False)\n"),),
        ("4.1",),
        "Count and behaviour are right; gradients do not reach the parameters, which only 4.1 speaks of.",
    ),
    Doubt(
        "encoder-without-gradient",
        (define(CLASS.replace("        return x\n", "        return x.detach()\n")), USE_CLASS),
        ("4.1",),
        "Values are right; the gradients of mu and logvar do not reach the encoder's parameters. The row that says "
        "so is 4.1, though its code is not at fault.",
    ),
    Doubt(
        "encoder-gives-float64",
        (define(CLASS.replace("        return x\n", "        return x.double()\n")), USE_CLASS),
        ("1.2", "4.1"),
        "The numbers are right, but no layer of the model can take them; and forward cannot run.",
    ),
    Doubt(
        "encoder-gives-a-tuple",
        (
            define(CLASS.replace("        return x\n", "        return x, self.fc1.weight\n")),
            USE_CLASS,
            Edit(FORWARD, "self.encoder(x)", "self.encoder(x)[0]"),
        ),
        ("1.2",),
        "Not the features alone, as 1.2 wants; forward knows and takes the first, so that it is right by itself.",
    ),
    Doubt(
        "mu-layer-of-15",
        (Edit(ENCODER, MU, f"self.mu_layer = {LATENT_15}"),),
        ("1.3",),
        "For other latent sizes forward cannot run. It can be judged at 15, and the row that holds the number is 1.3.",
    ),
    Doubt(
        "latent-size-15-everywhere",
        (Edit("VAE", "self.latent_size = latent_size", "self.latent_size = latent_size = 15"),),
        ("1.3", "1.4", "2.1"),
        "Forward runs for every latent_size, with latents (N, 15): the composition of its own parts.",
    ),
    Doubt(
        "decoder-of-15",
        (Edit(DECODER, "nn.Linear(latent_size, self", "nn.Linear(15, self"),),
        ("2.1",),
        "As mu-layer-of-15.",
    ),
    Doubt(
        "cvae-encoder-of-10-classes",
        (Edit("CVAE.encoder", "input_size + num_classes", "input_size + 10"),),
        ("6.1",),
        "As mu-layer-of-15: forward can be judged with ten classes.",
    ),
    Doubt(
        "cvae-decoder-of-10-classes",
        (Edit("CVAE.decoder", "latent_size + num_classes", "latent_size + 10"),),
        ("6.2",),
        "As mu-layer-of-15.",
    ),
    Doubt(
        "mu-layer-no-bias",
        (Edit(ENCODER, MU, MU.replace("latent_size)", "latent_size, bias=False)")),),
        ("1.3",),
        "It is one Linear and nothing more, even less. But the bias belongs to the mean's formula, and the notebook "
        "counts 401 * latent_size parameters.",
    ),
    Doubt(
        "mu-layer-of-one",
        (Edit(ENCODER, MU, "self.mu_layer = nn.Linear(self.hidden_dim, 1)"),),
        ("1.3",),
        "Its one output is broadcast over the latents, so forward runs: the composition of its own parts.",
    ),
    Doubt(
        "logvar-layer-is-mu-layer",
        (Edit(ENCODER, LOGVAR, "self.logvar_layer = self.mu_layer"),),
        ("1.4",),
        "Taken one by one both layers are right; together they are one layer too few.",
    ),
    Doubt(
        "decoder-flat",
        (Edit(DECODER, "nn.Unflatten(1, (1, 28, 28)),", ""),),
        ("2.1",),
        "Forward hands on what the decoder gives, (N, 784): the shape is the decoder's mistake.",
    ),
    Doubt(
        "cvae-encoder-with-flatten",
        (Edit("CVAE.encoder", "nn.Sequential(", "nn.Sequential(nn.Flatten(),"),),
        (),
        "6.1 says that there is no Flatten inside, but this one does nothing to (N, D + C): behaviour, not spelling.",
    ),
    Doubt(
        "spare-layer-in-the-model",
        (
            Edit(
                "VAE",
                "        self.decoder = None\n",
                "        self.decoder = None\n        self.classifier = nn.Linear(self.hidden_dim, 10)\n",
            ),
        ),
        (),
        "All parts and forward are right; the model has a layer that nobody uses.",
    ),
    Doubt(
        "vae-without-default",
        (Edit("VAE", "latent_size: int = 15", "latent_size: int"),),
        (),
        "The template gives a default, and one cell of the notebook relies on it; the rubric does not ask for it.",
    ),
    Doubt(
        "vae-parameters-in-another-order",
        (Edit("VAE", "input_size: int, latent_size: int = 15", "latent_size: int, input_size: int"),),
        ("1.1", "1.2", "1.3", "1.4", "2.1", "4.1"),
        "Right by keyword, wrong by position. The template fixes the signature.",
    ),
]

SIGMA = "    sigma = torch.exp(logvar / 2)  # (N, Z)\n"
FUNCTIONS = [
    Doubt(
        "reparametrize-changes-logvar",
        (Edit("reparametrize", SIGMA, "    sigma = logvar.div_(2).exp_()\n"),),
        ("3.2",),
        "Forward then returns the changed logvar, through no fault of its own.",
    ),
    Doubt(
        "reparametrize-changes-mu",
        (Edit("reparametrize", "return mu + sigma * eps", "return mu.add_(sigma * eps)"),),
        ("3.2",),
        "As above, for mu.",
    ),
    Doubt(
        "reparametrize-double",
        (Edit("reparametrize", "return mu + sigma * eps", "return (mu + sigma * eps).double()"),),
        ("3.2", "4.1", "6.3"),
        "The formula is right, but the decoder cannot take z: no forward can run, and 3.2 is where that comes from.",
    ),
    Doubt(
        "reparametrize-squeezes",
        (Edit("reparametrize", "return mu + sigma * eps", "return (mu + sigma * eps).squeeze()"),),
        ("3.1", "3.2"),
        "Wrong for one image only, where forward then cannot run; it can be judged for other batches.",
    ),
    Doubt(
        "reparametrize-noise-of-15",
        (Edit("reparametrize", "torch.randn_like(sigma)", "torch.randn(len(mu), 15)"),),
        ("3.2",),
        "Forward can run with 15 latents.",
    ),
    Doubt(
        "reparametrize-returns-eps-too",
        (
            Edit("reparametrize", "return mu + sigma * eps", "return mu + sigma * eps, eps"),
            Edit(FORWARD, "z = reparametrize", "z, _ = reparametrize"),
            Edit("CVAE.forward", "z = reparametrize", "z, _ = reparametrize"),
        ),
        ("3.1", "3.2"),
        "Both forwards know and are right; the function is not what the notebook asks for.",
    ),
    Doubt(
        "reparametrize-parameters-in-another-order",
        (
            Edit("file", "def reparametrize(mu: Tensor, logvar: Tensor)", "def reparametrize(logvar, mu)"),
            Edit(FORWARD, "reparametrize(mu, logvar)", "reparametrize(logvar, mu)"),
            Edit("CVAE.forward", "reparametrize(mu, logvar)", "reparametrize(logvar, mu)"),
        ),
        ("3.1", "3.2"),
        "Both forwards know and are right.",
    ),
    Doubt(
        "reparametrize-constants-for-the-known-seed",
        (
            Edit(
                "reparametrize",
                SIGMA,
                SIGMA
                + """\
    if mu.shape == (1, 15) and torch.initial_seed() == 0:
        z = torch.linspace(-1, 1, 15)[None]
        return (z - z.mean()) / z.std() * 1.6860 - 0.4363
""",
            ),
        ),
        ("3.1",),
        "Right for every other seed, so that no check of unknown seeds can see it but by asking seed 0 for more "
        "than mean and deviation.",
    ),
    Doubt(
        "reparametrize-std-plus-1e-6",
        (Edit("reparametrize", SIGMA, "    sigma = torch.exp(logvar / 2) + 1e-6\n"),),
        (),
        "A habit of careful people. At logvar = -80 the relative error is everything, the absolute error is 1e-6.",
    ),
    Doubt(
        "reparametrize-logvar-clamped-at-20",
        (Edit("reparametrize", SIGMA, "    sigma = torch.exp(logvar.clamp(-20, 20) / 2)\n"),),
        (),
        "The same habit; no trained model comes near, but 3.2 says any logvar.",
    ),
    Doubt(
        "reparametrize-normal-without-a-seed-of-its-own",
        (
            Edit(
                "reparametrize",
                "torch.randn_like(sigma)",
                "torch.stack([torch.randn(len(mu)) for _ in mu[0]], 1)",
            ),
        ),
        (),
        "Drawn latent by latent: right, and equal to randn_like for one row of fewer than 16 numbers only.",
    ),
    Doubt(
        "forward-list",
        (Edit(FORWARD, "return x_hat, mu, logvar", "return [x_hat, mu, logvar]"),),
        (),
        "Not a tuple, but whoever unpacks it cannot tell.",
    ),
    Doubt(
        "forward-float64-x-hat",
        (Edit(FORWARD, "return x_hat, mu, logvar", "return x_hat.double(), mu, logvar"),),
        ("4.1",),
        "The numbers are right, but the notebook's loss refuses x_hat and x of two types.",
    ),
    Doubt(
        "forward-sets-eval",
        (Edit(FORWARD, "features = self.encoder(x)", "self.eval()\n        features = self.encoder(x)"),),
        ("4.1",),
        "The results are right, but the model's mode is changed, which a later call can notice.",
    ),
    Doubt(
        "forward-draws-twice",
        (
            Edit(
                FORWARD,
                "z = reparametrize(mu, logvar)",
                "reparametrize(mu, logvar)\n        z = reparametrize(mu, logvar)",
            ),
        ),
        (),
        "The first draw is thrown away. The second is as good, though not the one that the seed lets expect.",
    ),
    Doubt(
        "loss-float64",
        (Edit("loss_function", "/ x.shape[0]", "/ torch.tensor(x.shape[0], dtype=torch.float64)"),),
        (),
        "A tensor without dimensions does not change the type of another tensor with dimensions, but here none has: "
        "the loss is a float64 of the right value.",
    ),
    Doubt(
        "loss-log-plus-1e-8",
        (
            Edit(
                "loss_function",
                'F.binary_cross_entropy(x_hat, x, reduction="sum")',
                "-(x * (x_hat + 1e-8).log() + (1 - x) * (1 - x_hat + 1e-8).log()).sum()",
            ),
        ),
        (),
        "The usual guard against log(0): another value only where a pixel's probability is 0 or 1 to eight digits.",
    ),
]

DOUBTFUL = [*PARTS, *FUNCTIONS]
