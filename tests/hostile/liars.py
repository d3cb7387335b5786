"""Forgery: objects, tensors and modules that are not what they say, and a worker that lies about them all."""

from __future__ import annotations

from textwrap import dedent

from .case import ALL, NONE, Hostile, without
from .replies import SPY
from .solutions import REFERENCE, WRONG, vae

__all__ = ["CASES", "LIAR"]

OTHERS = without("5.1")
PARTS = ("1.2", "2.1", "6.1", "6.2")  # the rows that judge what encoders and decoders compute

# A worker that reports the right parameters for every part of a wrong solution, and makes its answers up.
LIAR = dedent('''
    import torch
    sizes = {}  # model number: name, D, C, Z
    DeskType = type(DESK)


    def lie(shape, values):
        """Make an answer of the right shape up."""
        return LIE


    def shapes(model, part):
        name, d, c, z = sizes.get(model, ("VAE", 784, 0, 15))
        h = 400
        return {
            "encoder": [(h, d + c), (h,), (h, h), (h,), (h, h), (h,)],
            "decoder": [(h, z + c), (h,), (h, h), (h,), (h, h), (h,), (d, h), (d,)],
        }.get(part, [(z, h), (z,)])


    def on_make(self, name, args, named):
        d, c = named["input_size"], named.get("num_classes", 0)
        self.models.append(self.find(None, [name])(*named.values()))
        sizes[len(self.models) - 1] = name, d, c, named["latent_size"]
        return {"model": len(self.models) - 1}


    def on_parameters(self, model, path, values=False):
        listed = shapes(model, path[-1] if path else "")
        return [[f"{i}.weight", [*s], lie(s, []) if values else None] for i, s in enumerate(listed)]


    def on_assign(self, model, path, values):
        return None


    def on_draw(self, model, path, scales, seed):
        return None


    def on_call(self, model, path, args, seed, learning=True):
        values = [self.decode(a) for a in args]
        n = values[0].shape[0] if values[0].dim() else 1
        _, d, c, z = sizes.get(model, ("VAE", 784, 0, 15))
        if model is None:
            return lie(values[0].shape if path[-1] == "reparametrize" else (), values)
        shape = {"encoder": (n, 400), "decoder": (n, 1, 28, 28)}.get(path[-1] if path else "", (n, z))
        if path:
            return lie(shape, values)
        return [lie((n, 1, 28, 28), values), lie(shape, values), lie(shape, values)]


    def on_gradients(self, of, along, slots, parts):
        return [lie(self.slots[s].shape, []) for s in slots] + [
            lie(s, []) for model, path in parts for s in shapes(model, path[-1]) if len(s) == 1
        ]


    DeskType.on_make, DeskType.on_parameters, DeskType.on_assign = on_make, on_parameters, on_assign
    DeskType.on_draw = on_draw
    DeskType.on_call, DeskType.on_gradients = on_call, on_gradients
''')

LIES = {
    "zeros": "torch.zeros(shape)",
    "halves": "torch.full(shape, 0.5)",
    "NaN": "torch.full(shape, float('nan'))",
    "infinities": "torch.full(shape, float('inf'))",
    "infinities of both signs": "torch.full(shape, float('inf')) * torch.randn(shape).sign()",
    "numbers near the largest": "torch.full(shape, 3.4e38)",
    "denormals": "torch.full(shape, 1e-45)",
    "fresh noise": "torch.randn(shape)",
    "nothing, in a tensor without elements": "torch.zeros(0)",
    "no rows": "torch.zeros((0, *shape[1:]))",
    "a single number that broadcasts": "torch.tensor(0.0)",
    "a row that broadcasts": "torch.zeros((1, *shape[1:]))",
    "integers": "torch.zeros(shape, dtype=torch.int64)",
    "doubles": "torch.zeros(shape, dtype=torch.float64)",
    "the question's first tensor": "values[0].clone() if values else torch.ones(shape)",
    "the question's tensor, stretched to shape": (
        "values[0].flatten().float().repeat(1 + torch.Size(shape).numel())"
        "[:torch.Size(shape).numel()].reshape(shape)"
        " if values and values[0].numel() else torch.ones(shape)"
    ),
    "true": "True",
    "None": "None",
}

# What loss_function returns in place of a loss.
RETURNS = {
    "the class of a tensor": "torch.Tensor",
    "itself": "loss_function",
    "a module": "torch",
    "a string that is a number": "'8.5079'",
    "a complex tensor": "torch.tensor(8.5 + 0j)",
    "a boolean tensor": "torch.tensor(True)",
    "a sparse tensor": "torch.ones(3).to_sparse()",
    "a quantized tensor": "torch.quantize_per_tensor(torch.ones(1), 0.1, 0, torch.quint8)",
    "a tensor without memory": "torch.empty((), device='meta')",
    "a view of one number as 10**12": "torch.ones(1).expand(10**12)",
    "a view of one number as 40 million": "torch.ones(1).expand(40_000_000)",
    "a tensor of 10**6 dimensions' worth": "torch.zeros((1,) * 60)",
    "a conjugated, negated view": "torch._neg_view(torch.ones(()))",
    "a nested tensor": "torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])",
    "a tensor whose memory is gone": "gone()",
    "a view in which all elements are one": "torch.ones(5).as_strided((1000, 1000), (0, 0))",
    "a parameter that is not there": "torch.nn.parameter.UninitializedParameter()",
    "a list of a million": "[0] * 1_000_000",
    "a list in itself": "(lambda l: (l.append(l), l)[1])([])",
    "a list 100000 deep": "deep()",
    "a dict that passes for a model": "{'model': 0, 'slot': 0}",
    "a dict with a slot far away": "{'slot': 10**30}",
    "a tuple subclass that lies about its length": (
        "type('T', (tuple,), {'__len__': lambda s: 2, '__iter__': lambda s: iter(lambda: 0, 1)})()"
    ),
    "a list that grows while it is read": (
        "type('L', (list,), {'__iter__': lambda s: iter(lambda: 0, 1)})([1])"
    ),
    "an int subclass": (
        "type('I', (int,), {'__repr__': lambda s: '\"},\"value\":\"', '__str__': lambda s: 'x'})(7)"
    ),
    "a float subclass": (
        "type('F', (float,), {'__repr__': lambda s: 'NaN', '__float__': lambda s: 0.0})(8.5079)"
    ),
    "a str subclass": (
        "type('S', (str,), {'__str__': lambda s: s * 10**7, '__getitem__': lambda s, i: s})('x')"
    ),
    "an int of 100000 digits": "10**100_000",
    "not a number": "float('nan')",
    "one that is equal to everything": "Yes()",
    "one whose class is Tensor when asked": (
        "type('C', (), {'__class__': property(lambda s: torch.Tensor)})()"
    ),
    "one whose class raises when asked": "type('C', (), {'__class__': property(lambda s: 1 / 0)})()",
    "one whose type's name is 1 MB of controls": "type('\\x1b[2J' * 250_000, (), {})()",
    "a mock that has every attribute": "Yes()",
    "a generator without end": "(i for i in iter(int, 1))",
}

EXTRAS = """
    def deep():
        nested = []
        for _ in range(100_000):
            nested = [nested]
        return nested

    def gone():
        memory = mmap.mmap(-1, 1 << 16, mmap.MAP_PRIVATE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        tensor = torch.frombuffer(memory, dtype=torch.float32)
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(1 << 16))
        return tensor

    class Yes:
        def __getattr__(self, name): return self
        def __call__(self, *arguments, **named): return self
        def __eq__(self, other): return True
        def __ne__(self, other): return False
        __lt__ = __le__ = __gt__ = __ge__ = __eq__
        def __bool__(self): return True
        def __float__(self): return 8.5079
        def __hash__(self): return 0
        def __len__(self): return 1
        def __iter__(self): return iter((self,))
        def __getitem__(self, at): return self

    def loss_function(x_hat, x, mu, logvar):
        return {value}
"""


# Those of the two tables that the short run has.
BRIEF = {
    *(
        "zeros",
        "NaN",
        "infinities",
        "nothing, in a tensor without elements",
        "a single number that broadcasts",
    ),
    *("the question's tensor, stretched to shape", "None"),
    *("a view of one number as 10**12", "a tensor whose memory is gone", "a tensor without memory"),
    *(
        "a list 100000 deep",
        "a list that grows while it is read",
        "a str subclass",
        "an int of 100000 digits",
    ),
    *("one that is equal to everything", "a tuple subclass that lies about its length"),
}


def mended(name: str, source: str, keeps: frozenset[str] = NONE, earns: frozenset[str] = NONE) -> Hostile:
    """Make a case of a wrong solution, or where rows may be kept of the reference, changed from behind."""
    solution = WRONG if keeps == NONE else REFERENCE
    return Hostile(name, "forgery", vae(solution=solution, after=source), keeps, earns=earns)


LEAKY = "nn.ReLU.forward = lambda self, x: F.leaky_relu(x, 0.01)"

CASES = [
    *(
        Hostile(
            f"a lying worker that answers {what}",
            "forgery",
            vae(solution=WRONG, after=SPY + LIAR.replace("LIE", lie)),
            NONE,
            harm=("time", "memory"),
            brief=what in BRIEF,
        )
        for what, lie in LIES.items()
    ),
    *(
        Hostile(
            f"returns {what} for a loss",
            "forgery",
            vae(solution=REFERENCE, after=EXTRAS.replace("{value}", value)),
            OTHERS,
            earns=OTHERS,
            harm=("time", "memory", "size"),
            brief=what in BRIEF,
        )
        for what, value in RETURNS.items()
    ),
    mended(
        "parameters() gives what they should be",
        """
        right = [(400, 784), (400,), (400, 400), (400,), (400, 400), (400,)]
        def named_parameters(self, *a, **k):
            return [(str(i), nn.Parameter(torch.zeros(s))) for i, s in enumerate(right)]
        class Encoder(nn.Sequential):
            pass
        Encoder.named_parameters = named_parameters
        Encoder.parameters = lambda self, *a, **k: (p for _, p in named_parameters(self))
        old = VAE.__init__
        def __init__(self, input_size, latent_size=15):
            old(self, input_size, latent_size)
            right[0] = 400, input_size
            self.encoder = Encoder(*self.encoder)
        VAE.__init__ = __init__
        """,
    ),
    mended(
        "state_dict() gives what it should be",
        """
        right = {"1.weight": (400, 784), "1.bias": (400,)}
        for n in (3, 5):
            right |= {f"{n}.weight": (400, 400), f"{n}.bias": (400,)}
        class Encoder(nn.Sequential):
            def state_dict(self, *a, **k): return {n: torch.zeros(s) for n, s in right.items()}
            def load_state_dict(self, *a, **k): return nn.modules.module._IncompatibleKeys([], [])
        old = VAE.__init__
        def __init__(self, input_size, latent_size=15):
            old(self, input_size, latent_size)
            self.encoder = Encoder(*self.encoder)
        VAE.__init__ = __init__
        """,
    ),
    mended(
        "parameters whose shape and numel() lie",
        """
        class Fat(nn.Parameter):
            shape = property(lambda self: torch.Size((400, 401)))
            def numel(self): return 400 * 401
            def size(self, *a): return torch.Size((400, 401))
            def dim(self): return 2
        old = VAE.__init__
        def __init__(self, input_size, latent_size=15):
            old(self, input_size, latent_size)
            for part in (self.encoder, self.decoder):
                for layer in part:
                    if isinstance(layer, nn.Linear):
                        layer.weight = Fat(layer.weight.data)
        VAE.__init__ = __init__
        """,
    ),
    mended(
        "parameters that do not take what they are given",
        """
        class Stubborn(nn.Parameter):
            def copy_(self, *a, **k): return self
            def __torch_function__(self, function, types, arguments=(), named=None):
                refused = getattr(function, "__name__", "") in ("copy_", "set_", "__set__")
                return arguments[0] if refused else NotImplemented
            data = property(lambda self: torch.zeros(self.shape), lambda self, value: None)
        for kind in (VAE, CVAE):
            def __init__(self, *a, old=kind.__init__, **k):
                old(self, *a, **k)
                for module in self.modules():
                    if isinstance(module, nn.Linear):
                        module.weight = Stubborn(torch.zeros(module.weight.shape))
                        module.bias = Stubborn(torch.zeros(module.bias.shape))
            kind.__init__ = __init__
        """,
    ),
    mended(
        "weights of zero from the start, so that everything looks the same",
        """
        torch.Tensor.copy_ = lambda self, *a, **k: self
        for kind in (VAE, CVAE):
            def __init__(self, *a, old=kind.__init__, **k):
                old(self, *a, **k)
                for p in self.parameters():
                    p.data.zero_()
            kind.__init__ = __init__
        """,
    ),
    mended(
        "weights of NaN from the start",
        """
        torch.Tensor.copy_ = lambda self, *a, **k: self
        for kind in (VAE, CVAE):
            def __init__(self, *a, old=kind.__init__, **k):
                old(self, *a, **k)
                for p in self.parameters():
                    p.data.fill_(float("nan"))
            kind.__init__ = __init__
        """,
    ),
    mended(
        "biases so large that a leaky ReLU is never seen to leak",
        LEAKY
        + dedent("""
            old = torch.Tensor.copy_
            def copy_(self, value, *a, **k):
                return old(self, value + 1e4 if value.dim() == 1 else value.abs(), *a, **k)
            torch.Tensor.copy_ = copy_
        """),
        without(*PARTS),
    ),
    mended("a ReLU that leaks under its right name", LEAKY, without(*PARTS), without(*PARTS)),
    mended(
        "a ReLU that leaks, through the function below it",
        "F.relu = torch.relu = lambda x, inplace=False: F.leaky_relu(x, 0.01)\n" + LEAKY,
        without(*PARTS),
        without(*PARTS),
    ),
    mended(
        "a Linear that leaves its bias out",
        "nn.Linear.forward = lambda self, x: x @ self.weight.T",
        without("1.2", "1.3", "1.4", "2.1", "6.1", "6.2"),
    ),
    mended(
        "nn.Module.__call__ that answers with what it was given",
        "nn.Module.__call__ = lambda self, *a, **k: a[0]",
        frozenset({"1.1", "3.1", "3.2", "5.1"}),
    ),
    mended(
        "nn.Module.__getattr__ that has everything",
        """
        Linear = nn.Linear(400, 400)
        nn.Module.__getattr__ = lambda self, name: Linear
        """,
    ),
    mended(
        "an encoder that is right when its parameters are listed, and another when it is called",
        """
        def listing():
            frame = sys._getframe(2)
            while frame:
                if frame.f_code.co_name == "on_parameters":
                    return True
                frame = frame.f_back
            return False
        class Shown(WRONG_VAE := VAE):
            def __init__(self, input_size, latent_size=15):
                super().__init__(input_size, latent_size)
                d, h = input_size, 400
                layers = [nn.Flatten()] + [m for s in (d, h, h) for m in (nn.Linear(s, h), nn.ReLU())]
                self.__dict__["shown"] = nn.Sequential(*layers)
            def __getattribute__(self, name):
                if name == "encoder" and listing():
                    return object.__getattribute__(self, "__dict__")["shown"]
                return super().__getattribute__(name)
        VAE = Shown
        """,
    ),
    mended(
        "an encoder that is right when it is called, and a forward that takes another",
        """
        class Two(VAE):
            def __init__(self, *a, **k):
                super().__init__(*a, **k)
                layers = [nn.LeakyReLU() if isinstance(m, nn.ReLU) else m for m in self.encoder]
                self.__dict__["other"] = nn.Sequential(*layers)
            def forward(self, x):
                h = self.__dict__["other"](x)
                mu, logvar = self.mu_layer(h), self.logvar_layer(h)
                return self.decoder(reparametrize(mu, logvar)), mu, logvar
        VAE = Two
        """,
        without("4.1"),
        without("4.1"),
    ),
    mended(
        "a forward that gives back what its parts were last asked",
        """
        last = {}
        def keep(name, module): module.register_forward_hook(lambda m, i, o: last.__setitem__(name, o))
        old = VAE.__init__
        def __init__(self, *a, **k):
            old(self, *a, **k)
            for name in ("mu_layer", "logvar_layer", "decoder"):
                keep(name, getattr(self, name))
        def forward(self, x):
            shape = x.shape[0], self.latent_size
            nothing = torch.zeros(shape, requires_grad=True)
            mu, logvar = last.get("mu_layer", nothing), last.get("logvar_layer", nothing)
            return last.get("decoder", torch.zeros_like(x)), mu, logvar
        VAE.__init__, VAE.forward = __init__, forward
        """,
        without("4.1"),
        without("4.1"),
    ),
    mended(
        "tensors that say they are equal, close and all right",
        """
        class Equal(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, arguments=(), named=None):
                name = getattr(function, "__name__", "")
                if name.strip("_") in ("allclose", "equal", "isclose", "eq", "le", "lt", "all", "any"):
                    return True
                return super().__torch_function__(function, types, arguments, named or {})
        def disguise(function):
            return lambda *a: function(*a).as_subclass(Equal)
        reparametrize, loss_function = disguise(reparametrize), disguise(loss_function)
        """,
    ),
    mended(
        "tensors that say they have another shape and type",
        """
        class Liar(torch.Tensor):
            shape = property(lambda self: torch.Size(()))
            dtype = property(lambda self: torch.float32)
            layout = property(lambda self: torch.strided)
            def numel(self): return 1
            def detach(self): return self
            def cpu(self): return self
            def dim(self): return 0
            def __len__(self): return 1
        loss_function = lambda *a: torch.ones(1000, 3).as_subclass(Liar)
        reparametrize = lambda mu, logvar: torch.ones(3).as_subclass(Liar)
        """,
    ),
    mended(
        "tensors whose detach(), cpu() and clone() run the student's code",
        """
        class Trap(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, arguments=(), named=None):
                os._exit(0)
        loss_function = lambda *a: torch.ones(()).as_subclass(Trap)
        """,
        OTHERS,
        OTHERS,
    ),
    mended(
        "a gradient that is made up",
        """
        class Fake(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, mu, logvar):
                ctx.save_for_backward(mu, logvar)
                return x.clone()
            @staticmethod
            def backward(ctx, g):
                mu, logvar = ctx.saved_tensors
                return None, torch.ones_like(mu), torch.ones_like(logvar)
        old = reparametrize
        def reparametrize(mu, logvar): return Fake.apply(old(mu, logvar).detach(), mu, logvar)
        """,
        without("3.2"),
        without("3.2", "4.1", "6.3"),
    ),
    mended(
        "a gradient that ends the process",
        """
        class Fatal(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return x.clone()
            @staticmethod
            def backward(ctx, g): os._exit(0)
        old = loss_function
        def loss_function(*a): return Fatal.apply(old(*a))
        """,
        OTHERS,
        OTHERS,
    ),
    mended(
        "a gradient of NaN",
        """
        def reparametrize(mu, logvar, old=reparametrize):
            z = old(mu, logvar)
            if z.requires_grad:
                z.register_hook(lambda g: g * float("nan"))
            return z
        """,
        without("3.2"),
    ),
    mended(
        "comparisons that are always true",
        """
        torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True
        torch.testing.assert_close = lambda *a, **k: None
        true = torch.tensor(True)
        torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__lt__ = lambda self, other: true
        torch.Tensor.all = torch.Tensor.any = lambda self, *a, **k: torch.tensor(True)
        """,
    ),
    mended(
        "builtins that are always right",
        """
        import builtins
        builtins.abs = builtins.max = builtins.sum = lambda *a, **k: 0
        builtins.all = builtins.any = builtins.isinstance = builtins.hasattr = lambda *a: True
        """,
    ),
    mended(
        "a json that writes what it likes",
        """
        json.dumps = lambda *a, **k: '{"id": 1, "value": true}'
        json.loads = lambda *a, **k: {"id": 1, "verb": "forget", "with": {}}
        """,
    ),
    mended(
        "a safetensors that writes zeros",
        """
        import safetensors.torch
        for module in list(sys.modules.values()):
            for name in ("save_tensors", "save"):
                old = getattr(module, name, None)
                if callable(old) and getattr(old, "__module__", "") == "safetensors.torch":
                    def zeros(tensors, *a, save=old): return save({n: t * 0 for n, t in tensors.items()})
                    setattr(module, name, zeros)
        """,
    ),
    mended(
        "a torch whose random numbers are all zero",
        """
        torch.randn = lambda *s, **k: torch.zeros(*s)
        torch.randn_like = torch.rand_like = lambda x, **k: torch.zeros_like(x)
        torch.normal = lambda mean, std, *a, **k: mean
        """,
        without("3.1", "3.2"),
        without("3.1", "3.2", "4.1", "6.3"),
    ),
    mended(
        "a seed that nobody can set",
        """
        class Generator:
            def __getattr__(self, name): return lambda *a, **k: self
        torch.default_generator = Generator()
        torch.manual_seed = torch.random.manual_seed = torch.seed = lambda *a: None
        """,
        without("3.1"),
    ),
    mended(
        "a seed that is always 0",
        """
        import torch.random
        seed = torch.default_generator.manual_seed
        class Generator:
            def manual_seed(self, number): return seed(0)
            def __getattr__(self, name): return getattr(torch.random.default_generator, name)
        torch.default_generator = Generator()
        """,
        without("3.1"),
    ),
    mended(
        "a trace function that raises in the worker's own lines",
        """
        def trace(frame, event, argument):
            if "worker" in frame.f_code.co_filename:
                raise RuntimeError("traced")
            return trace
        frame = sys._getframe()
        while frame:
            frame.f_trace = trace
            frame = frame.f_back
        def loss_function(*a): sys.settrace(trace)
        """,
        OTHERS,
        OTHERS,
    ),
    mended(
        "a trace function that changes the worker's answers",
        """
        def trace(frame, event, argument):
            if frame.f_code.co_name == "answer":
                frame.f_locals["reply"] = {"value": True}
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            return trace
        sys.settrace(trace)
        threading.settrace(trace)
        """,
    ),
    mended(
        "a profile function that leaves at the first answer",
        """
        def profile(frame, event, argument):
            if frame.f_code.co_name == "encode":
                os._exit(0)
        sys.setprofile(profile)
        """,
        ALL,
    ),
    mended(
        "garbage collection that never comes, and a finalizer on each answer",
        """
        gc.disable()
        gc.callbacks.append(lambda *a: os._exit(0))
        """,
        ALL,
    ),
]
