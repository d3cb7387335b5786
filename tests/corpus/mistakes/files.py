"""Mistakes of the file as a whole: it does not import, or a class or its constructor is not there."""

from corpus.edits import Edit, Mistake

__all__ = ["MISTAKES"]

ROWS = ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3")
OF_VAE = ("1.1", "1.2", "1.3", "1.4", "2.1", "4.1")
IMPORTS = "import torch\n"
SUPER = "super().__init__()"


def file(name: str, old: str, new: str, *words: str) -> Mistake:
    """The file does not import: there is nothing to judge."""
    return Mistake(f"file-{name}", (Edit("file", old, new),), ROWS, words)


def vae(name: str, old: str, new: str, *words: str) -> Mistake:
    """No VAE can be made."""
    return Mistake(f"vae-{name}", (Edit("VAE", old, new),), OF_VAE, words)


FILES = [
    file(
        "bracket-missing",
        "nn.Unflatten(1, (1, 28, 28)),  # (N, D) -> (N, 1, 28, 28)\n        )\n        # solution ends\n\n"
        "    def forward(self, x: Tensor, c",
        "nn.Unflatten(1, (1, 28, 28)),\n        # solution ends\n\n    def forward(self, x: Tensor, c",
        "syntaxerror",
    ),
    file("colon-missing", "class CVAE(nn.Module):", "class CVAE(nn.Module)", "syntaxerror"),
    file("indentation", "    return mu + sigma * eps", "      return mu + sigma * eps", "indentationerror"),
    file("tab", "    return mu + sigma * eps", "\treturn mu + sigma * eps", "taberror"),
    file("notebook-magic", IMPORTS, "%load_ext autoreload\nimport torch\n", "syntaxerror"),
    file("shell-command", IMPORTS, "!pip install torch\nimport torch\n", "syntaxerror"),
    file("merge-conflict", "class CVAE(nn.Module):", "<<<<<<< HEAD\nclass CVAE(nn.Module):", "syntaxerror"),
    file("print-statement", 'print("Hello from vae.py!")', 'print "Hello from vae.py!"', "syntaxerror"),
    file(
        "nn-not-imported", "from torch import Tensor, nn\n", "from torch import Tensor\n", "nameerror", "nn"
    ),
    file(
        "tensor-not-imported",
        "from torch import Tensor, nn\n",
        "from torch import nn\n",
        "nameerror",
        "tensor",
    ),
    file(
        "package-that-is-not-there",
        IMPORTS,
        "import torch\nimport einnops\n\n\nclass Layer(einnops.Layer):\n    pass\n\n\nlayer = Layer()\n\n\n",
        "modulenotfounderror",
        "einnops",
    ),
    file(
        "name-that-is-not-there",
        "from torch import Tensor, nn\n",
        "from torch import Tensor, nn, funktional\n",
        "importerror",
        "funktional",
    ),
    file(
        "other-file-of-the-student",
        IMPORTS,
        "import torch\nfrom my_layers import *\n",
        "modulenotfounderror",
        "my_layers",
    ),
    file("data-file", IMPORTS, "import torch\nDATA = torch.load('mnist.pt')\n", "filenotfounderror"),
    file("division-by-zero", IMPORTS, "import torch\nRATE = 1 / 0\n", "zerodivisionerror"),
    file("exit", IMPORTS, "import sys\n\nimport torch\nsys.exit(0)\n", "systemexit"),
    file(
        "exercise-at-the-top",
        "class CVAE(nn.Module):",
        "model = VAE()\n\n\nclass CVAE(nn.Module):",
        "typeerror",
    ),
    file("asks-for-a-gpu", IMPORTS, "import torch\ntorch.zeros(1, device='cuda:99')\n", "cuda"),
    file(
        "functional-not-imported",
        "from torch.nn import functional as F\n",
        "F.relu(torch.zeros(1))\n",
        "nameerror",
        "import of f",
    ),
]

CLASSES = [
    vae("misspelt", "class VAE(nn.Module)", "class Vae(nn.Module)", "`vae`: is that it"),
    vae("super-forgotten", SUPER, "", "super().__init__()"),
    vae("super-not-called", SUPER, "super().__init__", "brackets"),
    vae("init-misspelt", "def __init__(self, input", "def _init_(self, input", "two underscores"),
    vae("init-without-self", "def __init__(self, input", "def __init__(input", "self missing"),
    vae(
        "init-without-latent-size",
        "input_size: int, latent_size: int = 15",
        "input_size: int",
        "__init__(self, input_size, latent_size)",
    ),
    Mistake(
        "vae-hidden-size-in-second-place",
        (
            Edit(
                "VAE",
                "input_size: int, latent_size: int = 15",
                "input_size: int, hidden: int = 400, latent_size: int = 15",
            ),
            Edit("VAE", "self.hidden_dim = 400", "self.hidden_dim = hidden"),
        ),
        ("1.1",),
        ("hidden_dim is 15",),
    ),
    vae("init-typo", "nn.Linear(input_size, self", "nn.Linear(input_dim, self", "nameerror", "input_dim"),
    vae("init-class-for-a-layer", "nn.Sigmoid()", "nn.Sigmoid", "brackets"),
    vae("init-function-for-a-layer", "nn.Sigmoid()", "F.sigmoid", "sigmoid is a function"),
    vae("init-wrong-module", "nn.Sigmoid()", "nn.sigmoid()", "attributeerror", "sigmoid"),
    vae(
        "init-comma-forgotten",
        "nn.ReLU(),\n        )\n        self.mu",
        "nn.ReLU()\n            (nn.Flatten())\n        )\n        self.mu",
        "typeerror",
    ),
    vae(
        "wants-a-hidden-size",
        "input_size: int, latent_size: int = 15",
        "input_size: int, latent_size: int, hidden: int",
        "hidden",
    ),
    vae(
        "on-a-gpu",
        "self.hidden_dim = 400  # H",
        "self.hidden_dim = torch.tensor(400, device='cuda:99')",
        "cuda",
        "no gpu",
    ),
    Mistake(
        "vae-layer-of-a-package-that-is-not-there",
        (
            Edit("file", IMPORTS, "import torch\nfrom my_layers import Encoder\n"),
            Edit("VAE", SUPER, f"{SUPER}\n        self.first = Encoder()"),
        ),
        OF_VAE,
        ("modulenotfounderror", "my_layers"),
    ),
    Mistake(
        "vae-half-precision",
        (
            Edit(
                "VAE",
                "        # solution ends\n\n    def forward",
                "        self.half()\n        # solution ends\n\n    def forward",
            ),
        ),
        ("1.2", "1.3", "1.4", "2.1", "4.1"),
        ("half",),
    ),
]
# What a file does to torch where it is imported.
SWITCHES = [
    Mistake(
        "file-gradients-disabled",
        (Edit("file", IMPORTS, "import torch\n\ntorch.set_grad_enabled(False)\n"),),
        ("3.2",),
        ("vae.py, where it is imported", "gradients disabled"),
    ),
]
MISTAKES = [*FILES, *CLASSES, *SWITCHES]
