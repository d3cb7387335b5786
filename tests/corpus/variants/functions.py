"""Right forwards, reparametrizations and losses, written otherwise than in the reference solution."""

from corpus.edits import Edit, Variant, define, replace_block

__all__ = ["VARIANTS"]


def reparametrize(name: str, code: str, above: str = "") -> Variant:
    """Another body of reparametrize."""
    edit = replace_block("reparametrize", code.strip() + "\n")
    return Variant(f"reparametrize-{name}", (define(above), edit) if above else (edit,))


def loss(name: str, code: str, above: str = "") -> Variant:
    """Another body of loss_function."""
    edit = replace_block("loss_function", code.strip() + "\n")
    return Variant(f"loss-{name}", (define(above), edit) if above else (edit,))


def forward(name: str, code: str, above: str = "") -> Variant:
    """Another body of VAE.forward."""
    edit = replace_block("VAE.forward", code.strip() + "\n")
    return Variant(f"forward-{name}", (define(above), edit) if above else (edit,))


def cvae(name: str, *edits: tuple[str, str]) -> Variant:
    """Another body of CVAE.forward."""
    return Variant(f"cvae-forward-{name}", tuple(Edit("CVAE.forward", old, new) for old, new in edits))


NORMAL = "from torch.distributions import Bernoulli, Independent, Normal, kl_divergence"

REPARAMETRIZE = [
    reparametrize(
        "torch-normal",
        """
eps = torch.normal(torch.zeros_like(mu), torch.ones_like(mu))
return mu + eps * torch.exp(0.5 * logvar)
""",
    ),
    reparametrize(
        "torch-normal-of-numbers",
        """
eps = torch.normal(mean=0.0, std=1.0, size=mu.shape)
return eps.mul(logvar.exp().sqrt()).add(mu)
""",
    ),
    reparametrize("variance-guarded", "return mu + torch.sqrt(logvar.exp() + 1e-6) * torch.randn_like(mu)"),
    reparametrize("rsample", "return Normal(mu, torch.exp(0.5 * logvar)).rsample()", NORMAL),
    reparametrize(
        "rsample-independent", "return Independent(Normal(mu, logvar.exp().sqrt()), 1).rsample()", NORMAL
    ),
    reparametrize(
        "sample-of-standard-normal",
        """
standard = Normal(torch.zeros_like(mu), torch.ones_like(mu))
return mu + standard.sample() * torch.exp(logvar) ** 0.5
""",
        NORMAL,
    ),
    reparametrize("empty-normal", "return mu + torch.exp(logvar * 0.5) * torch.empty(mu.shape).normal_()"),
    reparametrize(
        "zeros-like-normal", "return mu + torch.exp(logvar * 0.5) * torch.zeros_like(mu).normal_(0, 1)"
    ),
    reparametrize(
        "in-place-on-its-own-copy",
        """
std = logvar.mul(0.5).exp_()
eps = torch.randn_like(std)
return eps.mul_(std).add_(mu)
""",
    ),
    reparametrize(
        "variable-of-old",
        """
std = logvar.mul(0.5).exp_()
eps = std.data.new(std.size()).normal_()
eps = Variable(eps)
return eps.mul(std).add_(mu)
""",
        "from torch.autograd import Variable",
    ),
    reparametrize(
        "two-dimensional",
        """
N, Z = mu.shape
epsilon = torch.randn(N, Z, device=mu.device, dtype=mu.dtype)
return torch.sqrt(torch.exp(logvar)) * epsilon + mu
""",
    ),
    reparametrize(
        "star-size",
        """
epsilon = torch.randn(*mu.size())
sigma = logvar.exp().pow(0.5)
z = mu + sigma * epsilon
assert z.shape == mu.shape
return z
""",
    ),
    reparametrize("addcmul", "return torch.addcmul(mu, torch.exp(logvar / 2), torch.randn_like(mu))"),
    reparametrize(
        "noise-without-gradient",
        """
with torch.no_grad():
    eps = torch.randn(logvar.shape)
return mu + torch.exp(logvar / 2) * eps
""",
    ),
    reparametrize(
        "noise-as-parameter",
        """
eps = torch.randn_like(mu, requires_grad=True)
return mu + torch.exp(logvar / 2) * eps.detach()
""",
    ),
    # Standard normal noise too, though it is another than randn_like's for the same seed when there is more
    # than one row. The notebook's seeded case has one row.
    reparametrize(
        "transposed-noise",
        """
eps = torch.randn(mu.shape[1], mu.shape[0]).T
return mu + torch.exp(logvar / 2) * eps
""",
    ),
    reparametrize(
        "double-noise-rounded",
        """
eps = torch.randn(mu.shape, dtype=torch.float64).to(mu.dtype)
return mu + torch.exp(logvar / 2) * eps
""",
    ),
    reparametrize(
        "row-by-row",
        """
rows = []
for i in range(mu.shape[0]):
    rows.append(mu[i] + torch.exp(logvar[i] / 2) * torch.randn(mu.shape[1]))
return torch.stack(rows)
""",
    ),
    reparametrize(
        "number-by-number",
        """
std = torch.exp(logvar / 2)
z = torch.zeros_like(mu)
for i in range(mu.shape[0]):
    for j in range(mu.shape[1]):
        z[i, j] = mu[i, j] + std[i, j] * torch.randn(())
return z
""",
    ),
]

LOSS = [
    loss(  # float32 rounds a sum the more, the more numbers were added one after the other
        "pixels-added-one-by-one",
        """
reconstruction = sum(F.binary_cross_entropy(x_hat, x, reduction="none").flatten())
divergence = 0.5 * sum((mu**2 + logvar.exp() - 1 - logvar).flatten())
return (reconstruction + divergence) / len(x)
""",
    ),
    loss(
        "bce-module",
        """
bce = nn.BCELoss(reduction="sum")(x_hat, x)
kl = 0.5 * torch.sum(mu.pow(2) + logvar.exp() - logvar - 1)
return (bce + kl) / x.size(0)
""",
    ),
    loss(
        "criterion-of-the-module",
        """
N = x.shape[0]
kld = -0.5 * (1 + logvar - mu.square() - torch.exp(logvar)).sum()
return CRITERION(x_hat.view(N, -1), x.view(N, -1)) / N + kld / N
""",
        'CRITERION = nn.BCELoss(reduction="sum")',
    ),
    loss(
        "flattened",
        """
bce = F.binary_cross_entropy(x_hat.flatten(), x.flatten(), reduction="sum")
kl = -0.5 * torch.sum(1 + logvar - mu * mu - logvar.exp())
loss = bce + kl
loss /= x.shape[0]
return loss
""",
    ),
    loss(
        "image-by-image-then-mean",
        """
bce = F.binary_cross_entropy(x_hat, x, reduction="none").sum(dim=(1, 2, 3))
kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(dim=-1)
return torch.mean(bce + kl)
""",
    ),
    loss(
        "mean-times-pixels",
        """
bce = F.binary_cross_entropy(x_hat, x) * x[0].numel()
kl = -0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp()) * mu.shape[1]
return bce + kl
""",
    ),
    loss(
        "by-hand",
        """
log_p = x * torch.log(x_hat) + (1 - x) * torch.log(1 - x_hat)
kl = 0.5 * (mu**2 + torch.exp(logvar) - 1 - logvar)
return (kl.sum() - log_p.sum()) / len(x)
""",
    ),
    loss(
        "by-hand-clamped",
        """
p = x_hat.clamp(1e-7, 1 - 1e-7)
bce = -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1)
kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
return (bce + kl).mean(0)
""",
    ),
    loss(
        "by-hand-with-log1p",
        """
bce = -(torch.xlogy(x, x_hat) + torch.xlogy(1 - x, 1 - x_hat)).sum()
kl = 0.5 * (mu**2 + torch.expm1(logvar) - logvar).sum()
return (bce + kl) / x_hat.shape[0]
""",
    ),
    loss(
        "kl-divergence",
        """
posterior = Normal(mu, torch.exp(0.5 * logvar))
prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
kl = kl_divergence(posterior, prior).sum(1).mean()
return F.binary_cross_entropy(x_hat, x, reduction="sum") / mu.size(0) + kl
""",
        NORMAL,
    ),
    loss(
        "bernoulli",
        """
log_p = Bernoulli(probs=x_hat, validate_args=False).log_prob(x).sum()
kl = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum()
return (kl - log_p) / x.shape[0]
""",
        NORMAL,
    ),
    loss(
        "logits-again",
        """
bce = F.binary_cross_entropy_with_logits(torch.logit(x_hat), x, reduction="sum")
return (bce - 0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())) / x.shape[0]
""",
    ),
    loss(
        "sigma-of-its-own",
        """
sigma = torch.exp(logvar / 2)
kl = torch.sum(sigma**2 + mu**2 - torch.log(sigma) * 2 - 1) / 2
return (F.binary_cross_entropy(x_hat, x, reduction="sum") + kl) / x.shape[0]
""",
    ),
    loss(
        "in-place-on-a-copy",
        """
var = logvar.clone().exp_()
kl = (mu.pow(2).add_(var).mul_(-1).add_(1).add_(logvar)).sum().mul_(-0.5)
return F.binary_cross_entropy(x_hat, x, reduction="sum").add_(kl).div_(x.shape[0])
""",
    ),
    loss(
        "in-place-on-logvar",
        """
kl = 1 + logvar - mu.pow(2)
kl = -0.5 * (kl - logvar.exp_()).sum()
return (F.binary_cross_entropy(x_hat, x, reduction="sum") + kl) / x.shape[0]
""",
    ),
    loss(
        "deprecated-argument",
        """
bce = F.binary_cross_entropy(x_hat, x, size_average=False)
kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
return (bce + kl) / x.shape[0]
""",
    ),
    loss(
        "loop-over-the-batch",
        """
total = 0
for i in range(len(x)):
    bce = F.binary_cross_entropy(x_hat[i], x[i], reduction="sum")
    kl = 0
    for m, v in zip(mu[i], logvar[i]):
        kl += -0.5 * (1 + v - m**2 - torch.exp(v))
    total += bce + kl
return total / len(x)
""",
    ),
    loss(
        "x-as-numpy",
        """
assert 0 <= x.numpy().min() and x.numpy().max() <= 1
bce = F.binary_cross_entropy(x_hat, torch.from_numpy(x.numpy()), reduction="sum")
return (bce - 0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())) / x.shape[0]
""",
    ),
    loss(
        "variance-guarded",
        """
bce = F.binary_cross_entropy(x_hat, x, reduction="sum")
var = torch.exp(logvar)
return (bce + 0.5 * torch.sum(mu**2 + var - 1 - torch.log(var + 1e-7))) / x.shape[0]
""",
    ),
    loss(
        "in-double",
        """
bce = F.binary_cross_entropy(x_hat.double(), x.double(), reduction="sum")
kl = -0.5 * torch.sum(1 + logvar.double() - mu.double() ** 2 - logvar.double().exp())
return ((bce + kl) / x.shape[0]).float()
""",
    ),
]

NAMED_TUPLE = """
from typing import NamedTuple


class Output(NamedTuple):
    x_hat: Tensor
    mu: Tensor
    logvar: Tensor
"""

CLAMPED = [  # beyond what any trained model gives, for safety's sake
    reparametrize("clamped-at-10", "return mu + torch.exp(logvar.clamp(-10, 10) / 2) * torch.randn_like(mu)"),
    loss(
        "clamped-at-10",
        """
v = logvar.clamp(-10, 10)
bce = F.binary_cross_entropy(x_hat, x, reduction="sum")
return (bce + 0.5 * torch.sum(mu**2 + v.exp() - 1 - v)) / len(x)
""",
    ),
]

FORWARD = [
    # Noise for eight images at least: torch draws the same for those of the batch, but for the last numbers.
    forward(
        "padded-batch",
        """
number = len(x)
features = self.encoder(F.pad(x, (0, 0) * 3 + (0, -number % 8)))
mu, logvar = self.mu_layer(features), self.logvar_layer(features)
return self.decoder(reparametrize(mu, logvar))[:number], mu[:number], logvar[:number]
""",
    ),
    forward(
        "gradients-in-training-only",
        """
with torch.set_grad_enabled(self.training):
    features = self.encoder(x)
    mu, logvar = self.mu_layer(features), self.logvar_layer(features)
    return self.decoder(reparametrize(mu, logvar)), mu, logvar
""",
    ),
    forward(
        "asserts-an-open-interval",
        """
features = self.encoder(x)
mu, logvar = self.mu_layer(features), self.logvar_layer(features)
x_hat = self.decoder(reparametrize(mu, logvar))
assert x_hat.shape == x.shape and 0 < x_hat.min() and x_hat.max() < 1
return x_hat, mu, logvar
""",
    ),
    forward(
        "in-chunks",
        """
outputs = []
for chunk in x.split(128):
    features = self.encoder(chunk)
    mu, logvar = self.mu_layer(features), self.logvar_layer(features)
    outputs.append((self.decoder(reparametrize(mu, logvar)), mu, logvar))
return tuple(map(torch.cat, zip(*outputs)))
""",
    ),
    # Of one image with 15 latents this noise is torch.randn's own; of one with 16 or more it is not.
    forward(
        "noise-latent-by-latent",
        """
features = self.encoder(x)
mu, logvar = self.mu_layer(features), self.logvar_layer(features)
eps = torch.stack([torch.randn(len(x)) for _ in range(self.latent_size)], dim=1)
return self.decoder(mu + torch.exp(logvar / 2) * eps), mu, logvar
""",
    ),
    forward(
        "noise-in-double-precision",
        """
features = self.encoder(x)
mu, logvar = self.mu_layer(features), self.logvar_layer(features)
eps = torch.randn(mu.shape, dtype=torch.float64).float()
return self.decoder(mu + torch.exp(logvar / 2) * eps), mu, logvar
""",
    ),
    forward(
        "looks-at-numbers",
        """
assert x.numpy().min() >= 0
features = self.encoder(copy.deepcopy(x))
mu, logvar = self.mu_layer(features), self.logvar_layer(features)
return self.decoder(reparametrize(mu, logvar)), mu, logvar
""",
        "import copy",
    ),
    forward(
        "reentrant-checkpoint",
        """
from torch.utils.checkpoint import checkpoint
h = checkpoint(self.encoder, x.clone().requires_grad_(), use_reentrant=True)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return self.decoder(reparametrize(mu, logvar)), mu, logvar
""",
    ),
    forward(
        "makes-something-in-its-first-call",
        """
if not hasattr(self, "extra"):
    self.extra = torch.randn(3)
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return self.decoder(reparametrize(mu, logvar)), mu, logvar
""",
    ),
    Variant(
        "forward-beside-clipped-gradients",
        (
            Edit(
                "VAE.decoder",
                "        )\n",
                "        )\n        for parameter in self.parameters():\n"
                "            parameter.register_hook(lambda gradient: gradient.clamp(-1, 1))\n",
            ),
        ),
    ),
    Variant(
        "forward-beside-a-method-train",
        (
            Edit(
                "VAE",
                "    def forward(",
                "    def train(self, loader, epochs=10):\n        raise ValueError(loader)\n\n    def forward(",
            ),
        ),
    ),
    forward(
        "sets-gradients-by-mode",
        """
torch.set_grad_enabled(self.training)
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return self.decoder(reparametrize(mu, logvar)), mu, logvar
""",
    ),
    forward(
        "direct-calls",
        """
h = self.encoder.forward(x)
mu, logvar = self.mu_layer.forward(h), self.logvar_layer.forward(h)
return self.decoder.forward(reparametrize(mu, logvar)), mu, logvar
""",
    ),
    forward(
        "encoder-twice",
        """
mu = self.mu_layer(self.encoder(x))
logvar = self.logvar_layer(self.encoder(x))
return (self.decoder(reparametrize(mu, logvar)), mu, logvar)
""",
    ),
    forward(
        "decoder-twice",
        """
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
z = reparametrize(mu, logvar)
assert self.decoder(z).shape == x.shape
return self.decoder(z), mu, logvar
""",
    ),
    forward(
        "keywords",
        """
hidden = self.encoder(x)
mu = self.mu_layer(hidden)
logvar = self.logvar_layer(hidden)
x_hat = self.decoder(reparametrize(logvar=logvar, mu=mu))
return x_hat, mu, logvar
""",
    ),
    forward(
        "map",
        """
h = self.encoder(x)
latent = [layer(h) for layer in (self.mu_layer, self.logvar_layer)]
return map(torch.Tensor.contiguous, (self.decoder(reparametrize(*latent)), *latent))
""",
    ),
    forward(
        "object-that-unpacks",
        """
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return Output(self.decoder(reparametrize(mu, logvar)), mu, logvar)
""",
        """
from dataclasses import dataclass


@dataclass
class Output:
    x_hat: Tensor
    mu: Tensor
    logvar: Tensor

    def __iter__(self):
        yield from (self.x_hat, self.mu, self.logvar)
""",
    ),
    forward(
        "shapes-first",
        """
N, C, H, W = x.shape
z_mean = self.mu_layer(h := self.encoder(x))
z_logvar = self.logvar_layer(h)
z = reparametrize(z_mean, z_logvar)
return self.decoder(z).view(N, C, H, W), z_mean, z_logvar
""",
    ),
    forward(
        "named-tuple",
        """
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return Output(self.decoder(reparametrize(mu, logvar)), mu, logvar)
""",
        NAMED_TUPLE,
    ),
    forward(
        "keeps-z-to-look-at",
        """
self.features = self.encoder(x)
self.mu, self.logvar = self.mu_layer(self.features), self.logvar_layer(self.features)
self.z = reparametrize(self.mu, self.logvar)
self.calls = getattr(self, "calls", 0) + 1
return self.decoder(self.z), self.mu, self.logvar
""",
    ),
    forward(
        "device-of-the-model",
        """
device = next(self.parameters()).device
x = x.to(device)
h = self.encoder(x)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
return self.decoder(reparametrize(mu, logvar).to(device)), mu, logvar
""",
    ),
    forward(
        "prints",
        """
print("x", x.shape, x.mean().item())
h = self.encoder(x)
print("features", h)
mu, logvar = self.mu_layer(h), self.logvar_layer(h)
z = reparametrize(mu, logvar)
print(f"{mu=} {logvar=} {z=}")
return self.decoder(z), mu, logvar
""",
    ),
    forward(
        "logvar-layer-first",
        """
h = self.encoder(x)
logvar = self.logvar_layer(h)
mu = self.mu_layer(h)
outputs = [self.decoder(reparametrize(mu, logvar)), mu, logvar]
return tuple(outputs)
""",
    ),
    forward(
        "squeezes-and-unsqueezes",
        """
h = self.encoder(x.squeeze(1).unsqueeze(1).contiguous())
mu, logvar = (layer(h) for layer in (self.mu_layer, self.logvar_layer))
return self.decoder(reparametrize(mu, logvar)).reshape(x.size()), mu, logvar
""",
    ),
    forward(
        "anomalies-refused",
        """
with torch.enable_grad():
    h = self.encoder(x)
    mu, logvar = self.mu_layer(h), self.logvar_layer(h)
    x_hat = self.decoder(reparametrize(mu, logvar))
if torch.isnan(x_hat).any():
    raise ValueError("x_hat is not a number")
return x_hat, mu, logvar
""",
    ),
]

ENCODE = "self.encoder(torch.cat([x.flatten(1), c], dim=1))"
DECODE = "self.decoder(torch.cat([z, c], dim=1))"
CAST = "c = c.to(x.dtype)"
CVAE = [
    cvae("class-first-for-encoder", (ENCODE, "self.encoder(torch.cat([c, x.flatten(1)], dim=1))")),
    cvae("not-cast", (CAST, "")),
    cvae("float", (CAST, "c = c.float()")),
    cvae("type-as", (CAST, "c = c.type_as(x)")),
    cvae("tensor-of-old", (CAST, "c = c.type(torch.FloatTensor)")),
    cvae("one-hot-again", (CAST, "c = F.one_hot(c.argmax(dim=1), self.num_classes).float()")),
    cvae(
        "hstack-and-concat",
        (ENCODE, "self.encoder(torch.hstack((x.view(len(x), -1), c)))"),
        (DECODE, "self.decoder(torch.concat((z, c), -1))"),
    ),
    cvae(
        "in-two-steps",
        (ENCODE, "self.encoder(torch.cat((x.reshape(x.shape[0], -1), c.view(x.shape[0], -1)), 1))"),
    ),
    Variant(
        "cvae-forward-labels",
        (
            Edit("CVAE", "x: Tensor, c: Tensor", "x: Tensor, labels: Tensor"),
            Edit("CVAE.forward", CAST, "c = labels.to(x.dtype)"),
        ),
    ),
    Variant(
        "cvae-forward-optional",
        (
            Edit("CVAE", "x: Tensor, c: Tensor", "images, y=None, *, verbose=False"),
            Edit("CVAE.forward", CAST, "x, c = images, y.to(images.dtype)"),
        ),
    ),
    Variant(
        "cvae-forward-star",
        (
            Edit("CVAE", "x: Tensor, c: Tensor", "*inputs"),
            Edit("CVAE.forward", CAST, "x, c = inputs\n        c = c.to(x.dtype)"),
        ),
    ),
    cvae("copies", (CAST, "c = c.clone().detach().to(x.dtype)\n        x = x.clone()")),
]
VARIANTS = [*CLAMPED, *REPARAMETRIZE, *LOSS, *FORWARD, *CVAE]
