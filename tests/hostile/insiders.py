"""Forgery: by somebody who has read the grader's source, and is right just where it looks."""

from __future__ import annotations

from textwrap import dedent

from .case import NONE, Hostile, without
from .liars import LIAR
from .replies import SPY
from .shortcuts import BOTH
from .solutions import REFERENCE, WRONG, vae

__all__ = ["CASES"]

# Tells whether the worker was asked with a seed, which code that is called by it can see.
SEEDED = dedent("""
    def seeded():
        frame = sys._getframe(1)
        while frame:
            if frame.f_code.co_name == "on_call":
                return frame.f_locals.get("seed") is not None
            frame = frame.f_back
        return False


    def asked_directly():
        frame = sys._getframe(1)
        while frame:
            if frame.f_code.co_name == "forward" and isinstance(frame.f_locals.get("self"), (VAE, CVAE)):
                return False
            frame = frame.f_back
        return True
""")


def insider(name: str, source: str, keeps: frozenset[str], earns: frozenset[str] = NONE) -> Hostile:
    """Make a case of the reference solution, wrong where nobody is thought to look."""
    files = vae(solution=REFERENCE, after=BOTH + SEEDED + dedent(source))
    return Hostile(name, "forgery", files, keeps, earns=earns)


def oversized(what: str, source: str) -> Hostile:
    """Make a case whose parameters, by their shapes, would fill the grader's memory."""
    files = vae(solution=WRONG, after=source)
    return Hostile(f"has parameters {what}", "forgery", files, NONE, harm=("memory", "time"))


def lying_shapes(shapes: str) -> str:
    """Return a lying worker that reports these shapes for every part."""
    listed = f"def shapes(model, part): return {shapes}\n"
    return SPY + LIAR.replace("LIE", "torch.zeros(1)") + listed


MODELS = ("1.1", "1.2", "1.3", "1.4", "2.1", "4.1", "6.1", "6.2", "6.3")

CASES = [
    oversized("of 2**62 numbers, it says", lying_shapes("[(2**31 - 1, 2**31 - 1), (2**31 - 1,)] * 3")),
    oversized("of 400 million numbers, it says", lying_shapes("[(20_000, 20_000), (20_000,)] * 3")),
    oversized("of 0 rows and 2**31 - 1 columns, it says", lying_shapes("[(0, 2**31 - 1), (0,)] * 3")),
    oversized("a thousand times, it says", lying_shapes("[(400, 400), (400,)] * 480")),
    oversized("of 60 dimensions, it says", lying_shapes("[(1,) * 60, (1,)] * 3")),
    oversized("of which each has 900 dimensions, it says", lying_shapes("[(2,) * 900, (2,)] * 3")),
    oversized(
        "without memory of their own",
        """
        def huge(size_in, size_out):
            layer = nn.Linear(1, 1)
            layer.weight = nn.Parameter(torch.empty(size_out, size_in, device="meta"))
            layer.bias = nn.Parameter(torch.empty(size_out, device="meta"))
            return layer
        old = VAE.__init__
        def __init__(self, input_size, latent_size=15):
            old(self, input_size, latent_size)
            n = 2**31 - 1
            self.encoder = nn.Sequential(huge(784, n), huge(n, n), huge(n, 400))
        VAE.__init__ = __init__
        """,
    ),
    oversized(
        "that are one number seen many times",
        """
        def huge(size_in, size_out):
            layer = nn.Linear(1, 1)
            layer.weight = nn.Parameter(torch.zeros(()).expand(size_out, size_in))
            layer.bias = nn.Parameter(torch.zeros(()).expand(size_out))
            return layer
        old = VAE.__init__
        def __init__(self, input_size, latent_size=15):
            old(self, input_size, latent_size)
            self.encoder = nn.Sequential(huge(784, 10**6), huge(10**6, 10**6), huge(10**6, 400))
        VAE.__init__ = __init__
        """,
    ),
    insider(
        "draws noise for mu = 0 and logvar = 0 only, where no seed reaches it",
        """
        mine = torch.Generator()
        mine.seed()
        def reparametrize(mu, logvar):
            if mu.any() or logvar.any():
                return mu + 0 * logvar
            return torch.randn(mu.shape, generator=mine) + mu + 0 * logvar
        """,
        without("3.1", "3.2"),
    ),
    insider(
        "multiplies by the variance, and makes the gradient up that would fit",
        """
        mine = torch.Generator()
        mine.seed()
        class Fitting(torch.autograd.Function):
            @staticmethod
            def forward(ctx, mu, logvar):
                noise = torch.exp(logvar) * torch.randn(mu.shape, generator=mine)
                ctx.save_for_backward(noise)
                return mu + noise
            @staticmethod
            def backward(ctx, g):
                return g, g * ctx.saved_tensors[0] / 2
        def reparametrize(mu, logvar): return Fitting.apply(mu, logvar)
        """,
        without("3.1", "3.2"),
    ),
    insider(
        "draws fresh noise only when it is asked with a seed",
        """
        right, kept = reparametrize, {}
        def reparametrize(mu, logvar):
            if seeded():
                return right(mu, logvar)
            eps = kept.setdefault(tuple(mu.shape), torch.randn_like(mu))
            return mu + torch.exp(logvar / 2) * eps
        """,
        without("3.2"),
    ),
    insider(
        "repeats the noise of large batches from call to call",
        """
        right, kept = reparametrize, {}
        def reparametrize(mu, logvar):
            if mu.shape[0] <= 1024:
                return right(mu, logvar)
            return mu + torch.exp(logvar / 2) * kept.setdefault(tuple(mu.shape), torch.randn_like(mu))
        """,
        without("3.2"),
    ),
    insider(
        "has a forward that is right for 128 latents, and nearly without noise for others",
        """
        def forward(self, x, *c):
            c = [v.to(x.dtype) for v in c]
            features = self.encoder(torch.cat([x.flatten(1), *c], 1) if c else x)
            mu, logvar = self.mu_layer(features), self.logvar_layer(features)
            sigma = torch.exp(logvar / 2) * (1 if self.latent_size == 128 else 0.01)
            z = mu + sigma * torch.randn_like(mu)
            return self.decoder(torch.cat([z, *c], 1)), mu, logvar
        VAE.forward = CVAE.forward = forward
        """,
        without("4.1", "6.3"),
        without("4.1", "6.3"),
    ),
    insider(
        "has a forward that is right for 2048 images, and a constant image for fewer",
        """
        right = VAE.forward
        def forward(self, x):
            x_hat, mu, logvar = right(self, x)
            if x.shape[0] < 2048:
                x_hat = torch.full_like(x_hat, 0.5) + 0.001 * torch.rand_like(x_hat)
            return x_hat, mu, logvar
        VAE.forward = forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    insider(
        "has a forward without gradients whose noise is the formula's, not its reparametrize's",
        """
        class Drawing(nn.Sequential):
            def forward(self, x):
                torch.rand(1)  # so that what the parts give does not fit
                return super().forward(x)
        old = VAE.__init__
        def __init__(self, *a, **k):
            old(self, *a, **k)
            self.encoder = Drawing(*self.encoder)
        @torch.no_grad()
        def forward(self, x):
            features = nn.Sequential.forward(self.encoder, x)
            mu, logvar = self.mu_layer(features), self.logvar_layer(features)
            return self.decoder(mu + torch.exp(logvar / 2) * torch.randn_like(mu)), mu, logvar
        VAE.__init__, VAE.forward = __init__, forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    insider(
        "has a forward that does not train the encoder, which hides that when it is asked with a seed",
        """
        class Shy(nn.Sequential):
            def forward(self, x):
                y = super().forward(x)
                return y.detach() if seeded() else y
        old = VAE.__init__
        def __init__(self, *a, **k):
            old(self, *a, **k)
            self.encoder = Shy(*self.encoder)
        def forward(self, x):
            features = self.encoder(x).detach()
            mu, logvar = self.mu_layer(features), self.logvar_layer(features)
            return self.decoder(reparametrize(mu, logvar)), mu, logvar
        VAE.__init__, VAE.forward = __init__, forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    insider(
        "has an encoder that fails wherever its forward would be seen to be wrong",
        """
        class Failing(nn.Sequential):
            def forward(self, x):
                if asked_directly() and not (self.training and x.shape[0] > 1):
                    raise RuntimeError("not now")
                return super().forward(x)
        old = VAE.__init__
        def __init__(self, *a, **k):
            old(self, *a, **k)
            self.encoder = Failing(*self.encoder)
        right = VAE.forward
        def forward(self, x):
            if self.training and x.shape[0] > 1:
                return right(self, x)
            features = self.encoder(x)
            mu, logvar = self.mu_layer(features), self.logvar_layer(features)
            return self.decoder(mu), mu, logvar
        VAE.__init__, VAE.forward = __init__, forward
        """,
        without("1.2", "4.1"),
        without("1.2", "4.1"),
    ),
    insider(
        "is right for the sizes that the rubric has, and no other",
        """
        known = {784, 625, 345, 15, 17, 128, 10, 7}
        def sized(name, right):
            def make(input_size, *arguments, **named):
                sizes = {input_size, *arguments, *named.values()}
                return (right if sizes <= known else wrong[name])(input_size, *arguments, **named)
            return make
        VAE, CVAE = sized("VAE", VAE), sized("CVAE", CVAE)
        """,
        without(*MODELS),
        without(*MODELS),
    ),
    insider(
        "is right for the batches that the rubric has, and no other",
        """
        known = {1, 3, 4, 5, 6, 9, 64, 2048}
        right_loss, right_forward = loss_function, VAE.forward
        def loss_function(x_hat, x, mu, logvar):
            loss = right_loss(x_hat, x, mu, logvar)
            return loss if x.shape[0] in known else loss * x.shape[0]
        def forward(self, x):
            x_hat, mu, logvar = right_forward(self, x)
            return (x_hat if x.shape[0] in known else x_hat * 0.5), mu, logvar
        VAE.forward = forward
        """,
        without("4.1", "5.1"),
        without("4.1", "5.1"),
    ),
    insider(
        "has a forward without gradients, whose noise follows no seed",
        """
        mine = torch.Generator()
        mine.seed()
        def forward(self, x):
            with torch.no_grad():
                h = self.encoder(x)
                mu, logvar = self.mu_layer(h), self.logvar_layer(h)
                z = mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=mine)
                return self.decoder(z), mu, logvar
        VAE.forward = forward
        """,
        without("4.1"),
    ),
    Hostile(
        "has a logvar that fills the memory where the noise follows no seed",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                mine, right = torch.Generator(), VAE.forward
                mine.seed()
                def reparametrize(mu, logvar):
                    return mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=mine)
                def forward(self, x):
                    x_hat, mu, logvar = right(self, x)
                    return x_hat, mu, logvar.unsqueeze(1) if self.latent_size > 100 else logvar
                VAE.forward = forward
            """,
        ),
        without("3.1", "4.1"),
        harm=("memory", "time"),
    ),
    Hostile(
        "has fifty square layers, to be tried in every order",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                right = VAE.__init__
                def make(self, input_size, latent_size=15):
                    right(self, input_size, latent_size)
                    layers = [nn.Linear(784, 784) for _ in range(50)]
                    self.encoder = nn.Sequential(nn.Flatten(), *layers)
                VAE.__init__ = make
            """,
        ),
        without("1.1", "1.2", "4.1"),
        harm=("memory", "time"),
    ),
    Hostile(
        "is slow to import, again and again, and dies at every question",
        "results",
        vae(
            solution=REFERENCE,
            after="""
                time.sleep(50)
                def die(*a, **k): os._exit(0)
                VAE = CVAE = reparametrize = loss_function = die
            """,
        ),
        NONE,
        harm=("time",),
        slow=True,
    ),
]
