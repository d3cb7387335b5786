"""What most likely made the student's code raise: where to look, by what it raised."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from torch import nn

from autograder.wire import NO_FORWARD

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["hint"]

PYTHON = ".".join(map(str, sys.version_info[:2]))
LONGEST = 40  # characters of a name that the student's process told
LATER = f"It was read by Python {PYTHON} here: what only a later one knows cannot be used."
# By the exception's type and words. What the first group holds is put into the hint.
ANYWHERE = (
    (
        r"source code string cannot contain null bytes|^SyntaxError: .*(?:codec can't decode|Non-UTF-8)",
        "It is not in UTF-8, but in another encoding, such as UTF-16: save it as UTF-8 and hand that in.",
    ),
    (
        r"^PermissionError|^AccessDenied|current limit exceeds maximum|unable to open shared memory",
        (
            "The autograder lets your code start no other program, open no connection, share no memory, ask nothing "
            "about the machine's other processes, and write only into its own folder."
        ),
    ),
    (
        r"^SyntaxError: f-string|name '\w+' from '(?:typing|itertools|enum|warnings)'",
        LATER,
    ),
    (
        r"^ImportError: Cannot load backend",
        "There is no screen here: leave the choice of matplotlib's backend to the notebook.",
    ),
    (
        r"^ModuleNotFoundError: No module named '(\w+)",
        (
            "Only vae.py is graded, with PyTorch, NumPy and the assignment's nndl2. If {} is a file of yours, copy "
            "what you need of it into vae.py; else do without."
        ),
    ),
    (
        rf"ModuleList.* {re.escape(NO_FORWARD)}",
        "nn.ModuleList only holds layers: it cannot be called, as nn.Sequential can.",
    ),
    (re.escape(NO_FORWARD), "Is its forward() misspelt, or written outside of the class?"),
    (
        r"NVIDIA driver|not compiled with CUDA|No CUDA GPUs",
        (
            'Your code has no GPU here: .cuda(), .to("cuda") and device="cuda" fail. Move model and data in the '
            "notebook; in vae.py, take the device from what is given, such as x.device."
        ),
    ),
    (
        r"Error downloading|urlopen error|in name resolution|Name or service not known|Network is unreachable",
        "Your code has no network here, and no data: what loads MNIST or weights belongs in the notebook.",
    ),
    (
        r"before Module\.__init__\(\) call",
        "Is super().__init__() missing at the top of __init__, or are its last brackets?",
    ),
    (
        r"^BdbQuit",
        "A breakpoint() or pdb.set_trace() stopped it just before: take that out.",
    ),
    (
        r"in-?place operation|modified in-?place",
        (
            "The gradient is computed from a tensor that is changed in place, by +=, [...] = or a method whose name "
            "ends in _: make a new tensor there."
        ),
    ),
    (
        r"super\(type, obj\): obj must be an instance",
        "Is another class named in super(...) than the one that it stands in? Plain super() needs none.",
    ),
    (
        r"^TypeError: '(C?VAE)' object is not callable",
        "Is nn.Module missing in the brackets after class {}?",
    ),
    (
        r"has no attribute '(reparametrize|loss_function)'$",
        "If {} is a function of the file, and no method: call it without `self.`.",
    ),
    (
        r"^NameError: name '(encoder|mu_layer|logvar_layer|decoder|hidden_dim)' is not defined",
        "Is `self.` missing before {}?",
    ),
    (r"^NameError: name '(F|nn|torch|Tensor)' is not defined", "Is the import of {} missing at the top?"),
    (
        r": torch\.nn\.modules\.\w+\.(\w+) is not a Module subclass",
        "{} without brackets is a class, and no layer: are the brackets () after it missing?",
    ),
    (
        r": (?:\w+\.)*(?:<|vae\.)[\w.<>]+ is not a Module subclass",
        "nn.Sequential takes layers, and that is a function, or a class of yours that is no nn.Module.",
    ),
    (
        r": (list|tuple) is not a Module subclass",
        "nn.Sequential takes its layers one by one, and not in a {}: are there brackets too many?",
    ),
    (
        r": torch\.nn\.functional\.(\w+) is not a Module subclass",
        "{} is a function; nn.Sequential takes layers, of which torch.nn has one for each such function.",
    ),
    (
        r"cannot be multiplied \(\d+x28 and (784|794)x\d+\)$",
        "That takes {} numbers, and got rows of 28 pixels: are the images not flattened there?",
    ),
    (r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)$", "That takes {1} numbers, and got {0}."),
    (
        r"\b(cat|concat|concatenate|stack)\(\)(?:: argument 'tensors' .*, not Tensor$| takes .* positional arguments)",
        "torch.{} takes all that it is to join as one list: are the square brackets missing?",
    ),
    (
        r"^TypeError: (\w+)\.forward\(\) takes 2 positional arguments but \d were given$",
        "{} takes one tensor, and is given more (Python counts self, too).",
    ),
    (
        r"bitwise_xor|unsupported operand type\(s\) for \^:",
        "In Python ^ is no power: it is the exclusive or, of bits. A power is written with two asterisks.",
    ),
    (
        r"not implemented for '(Long|Int|Bool)'$",
        "It got numbers of type {}, which are no floating-point numbers: was something not made float() before?",
    ),
    (
        r"got (?:Float and Double|Double and Float)$",
        "Double is float64: is something made so, by .double(), by NumPy or by set_default_dtype?",
    ),
)
AT_A_LINE = (  # with the line below
    (
        r"^SyntaxError: .*\n\s*(?:<{7}|={7}|>{7})",
        "Git left both versions of a conflict there: keep one, and take out the lines of <<<<<<<, ======= and >>>>>>>.",
    ),
    (
        r"^SyntaxError: .*\n\s*```",
        "That is what stands around code in a chat or in Markdown, and no Python: take it out.",
    ),
    (
        r"^SyntaxError: .*\n[A-Z][a-z']*[,.!:]?(?: [A-Za-z']+[,.!:]?){3,}$",
        "That is a sentence, and no Python: take it out, or put a # before it.",
    ),
    (
        (
            r"^SyntaxError: (?:invalid syntax(?!\. )|expected '\(').*\n\s*"
            r"(?:type \w+|except\s*\*|(?:async )?(?:def|class) \w+\[)"
        ),
        LATER,
    ),
    (
        r"cannot be multiplied \((\d+x\d+) and \1\).*\n.*(?:\w @ \w|matmul\(|\bmm\()",
        "@, matmul and mm are the product of two matrices: numbers are multiplied, one with one, by *.",
    ),
    (
        r"(?:one element tensors|cannot be converted to Scalar|only integer tensors).*\n.*\bmath\.(\w+)\(",
        "math.{0} takes one number; for a tensor there is torch.{0}.",
    ),
    (
        r"^RuntimeError: Inference tensors",
        "torch.inference_mode() is for what is never learned from: what is made under it cuts the gradient off.",
    ),
    (
        r"(?:Can't call numpy\(\)|unexpected keyword argument 'axis').*\n.*\b(?:np|numpy)\.(\w+)\(",
        "numpy's {0} is for arrays: for tensors there is torch.{0}. (detach() would cut the gradient off.)",
    ),
    (
        r"__init__\(\) (?:takes 1 positional argument|got an unexpected keyword argument).*\n.*super\(.*__init__\(",
        "super() is the class in the brackets after `class`: if that is nn.Module, its __init__ takes no sizes.",
    ),
    (
        r"(\w+)\.__init__\(\) (?:missing|takes) .*\n.*super\(.*__init__\(",
        "super() is {}, the class in the brackets after `class`, and asks for other sizes. Should that be nn.Module?",
    ),
    (
        r"values to unpack.*\n[^=]*= *self\.(encoder|mu_layer|logvar_layer|decoder)\(",
        "By the assignment {} gives one tensor. Where it is unpacked, the batch is taken apart, image by image.",
    ),
    (
        r"'\w+Loss'|Boolean value of Tensor.*\n.*\b\w+Loss\(",
        "nn.BCELoss and its like are made with settings only; what is made is called, with x_hat and x.",
    ),
    (
        r"'str' object has no attribute 'size'\n.*cross_entropy\(|argument 'weight' .*, not str\n|buffer 'weight'",
        "By its place that is taken for weight, and not for reduction, which has to be given by its name.",
    ),
    (
        r"GreaterThan\(lower_bound=0",
        "A scale is a standard deviation, which is above 0; logvar may be below: is logvar given for it?",
    ),
    (
        r"\n.*\.backward\(",
        "backward() belongs to the training; what is asked for here is only computed and returned.",
    ),
)
JOINING = (  # in CVAE.forward
    (
        r"\.forward\(\) takes 2 positional arguments but 3 were given$",
        "A part takes one tensor (Python counts self, too): what it is to get has to be joined before, side by side.",
    ),
    (
        r"same number of dimensions: got (?:2 and 3|3 and 2)$|: one_hot is only applicable to",
        "c is one-hot already, of shape (N, num_classes): is it made one-hot once more, or given one dimension more?",
    ),
    (
        r"same number of dimensions: got (?:2 and 4|4 and 2)$",
        "The images have four dimensions, (N, 1, 28, 28): are they not flattened, or have x and c changed places?",
    ),
    (
        r"same number of dimensions: got (?:2 and 1|1 and 2)$",
        "Both must have two dimensions: c is one-hot already, (N, num_classes), and x is to be flattened but for N.",
    ),
    (
        r"Class values must be smaller than num_classes|out of bounds for dimension \d with size 10$",
        "c has num_classes columns, which may be more than 10: is 10 written into forward?",
    ),
    (
        r"cannot be multiplied \(\d+x794 and (79[5-9]|800)x",
        "That takes {} numbers, and got 784 + 10: c has num_classes columns here; is 10 written into forward?",
    ),
    (
        r"cannot be multiplied \(\d+x(78\d|79[0-3]) and 794x",
        "That takes 794 numbers, and got {}: is the class not joined to the image, made anew, or cut short?",
    ),
    (
        r"must match except in dimension 0",
        "They are joined one below the other, along the batch: side by side is along dimension 1.",
    ),
)
# Where the call itself fails, and no line of vae.py: how each is called, and what its def should be.
CALLED = {
    "VAE.forward(...)": ("model(x)", "def forward(self, x)"),
    "CVAE.forward(...)": ("model(x, c)", "def forward(self, x, c)"),
    "reparametrize(...)": ("reparametrize(mu, logvar)", "def reparametrize(mu, logvar), without self"),
    "loss_function(...)": (
        "loss_function(x_hat, x, mu, logvar)",
        "def loss_function(x_hat, x, mu, logvar), without self",
    ),
}
# What a part is called with, beside self: one tensor, whatever the student's own forward calls it with.
SIDE_BY_SIDE = "side by side; they are to be joined in CVAE.forward, and not in the part"
GIVEN = {
    "VAE.encoder(...)": "the images, (N, 1, 28, 28)",
    "VAE.decoder(...)": "z, (N, Z)",
    "CVAE.encoder(...)": f"the flattened images and the classes, (N, D + C), {SIDE_BY_SIDE}",
    "CVAE.decoder(...)": f"z and the classes, (N, Z + C), {SIDE_BY_SIDE}",
    **{
        f"{model}.{layer}(...)": "the encoder's features, (N, 400)"
        for model in ("VAE", "CVAE")
        for layer in ("mu_layer", "logvar_layer")
    },
}
ONE_MORE = r"missing 1 required (?:positional|keyword-only) argument: '(\w+)'"
WITHOUT_SELF = r"takes [01] positional arguments? but 2 were given"
MISCALLED = (
    r"\(\) (?:missing \d+ required positional argument|takes .*positional argument"
    r"|got multiple values for argument)"
)
MAKING = (
    (
        r"^C?VAE\(.*(?:__init__\(\) got an unexpected keyword argument|\(\) takes no arguments)",
        "Is `__init__` misspelt, or missing? It has two underscores on each side.",
    ),
    (
        r"^CVAE\(.* VAE\.__init__\(\) takes",
        "That is VAE's: is CVAE's own `__init__` missing, or misspelt?",
    ),
    (
        r"^(C?VAE)\(.*got multiple values for argument",
        "Is self missing as the first argument of `__init__`, or are the arguments in another order? Expected: {due}.",
    ),
    (
        rf"^(C?VAE)\(.*{MISCALLED}",
        "Expected: {due}; any other argument needs a default. Or is `__init__` misspelt?",
    ),
)
DUE = {
    "VAE": "def __init__(self, input_size, latent_size)",
    "CVAE": "def __init__(self, input_size, num_classes, latent_size)",
}


def hint(what: str, kind: str, message: str, line: str | None) -> str:
    """Say where to look, in a line; "" where nothing is known of it.

    what: the name of what was asked for
    kind, message: of the exception, as the worker told them
    line: the last line of vae.py on the way to it; None where the call itself failed
    """
    text = f"{kind}: {message}"
    words = miscalled(what, message) if kind == "TypeError" and line is None else ""
    words = words or (first_of(JOINING, text) if what == "CVAE.forward(...)" else "")
    return words or first_of(AT_A_LINE, f"{text}\n{line}") or first_of(ANYWHERE, text) or no_layer(text)


def first_of(known: Iterable[tuple[str, str]], text: str) -> str:
    """Give the first hint whose pattern is found in the text."""
    for pattern, words in known:
        if found := re.search(pattern, text):
            names = [name[:LONGEST] for name in found.groups()]
            return words.format(*names, due=DUE.get(names[0], "") if names else "")
    return ""


def miscalled(what: str, message: str) -> str:
    """Say how something is called whose def takes other arguments."""
    if what in CALLED:
        called, due = CALLED[what]
        surplus = re.search(ONE_MORE, message)
        if surplus and not re.search(rf"\b{surplus[1]}\b", due):
            name = surplus[1][:LONGEST]
            return f"It is called as {called}: expected is {due}. {name}, which it wants too, has no default."
        return f"It is called as {called}: expected is {due}." if re.search(MISCALLED, message) else ""
    if what in GIVEN and re.search(MISCALLED, message):
        lacks_self = re.search(WITHOUT_SELF, message)
        more = "Is self missing in its def, or x?" if lacks_self else "Any other argument needs a default."
        return f"It is called with one argument: {GIVEN[what]}. {more}"
    return first_of(MAKING, f"{what} raised {message}")


def no_layer(text: str) -> str:
    """Tell where a layer was made in the place of a result."""
    found = re.search(r"must be Tensor, not (\w+)$|for [^:]+: '(?:Tensor' and ')?(\w+)'", text)
    name = (found[1] or found[2])[:LONGEST] if found else ""
    layer = getattr(nn, name, None)
    if isinstance(layer, type) and issubclass(layer, nn.Module):
        return (
            f"nn.{name}(...) makes a layer, and computes nothing yet: was it given x as if it did, or does a layer "
            "stand there without brackets and what it gets?"
        )
    return ""
