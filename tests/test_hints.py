"""Where to look, by what the student's code raised."""

from __future__ import annotations

import pytest

from autograder.hints import hint

VAE, CVAE = "VAE(input_size=784, latent_size=15)", "CVAE(input_size=784, num_classes=10, latent_size=15)"
TWO = "takes 2 positional arguments but 3 were given"
KNOWN = {
    "a misspelt __init__": (
        VAE,
        "VAE.__init__() got an unexpected keyword argument 'latent_size'",
        "underscores",
    ),
    "no class of torch's, and a misspelt __init__": (VAE, "VAE() takes no arguments", "underscores"),
    "self missing": (VAE, "VAE.__init__() got multiple values for argument 'latent_size'", "self missing"),
    "an argument missing": (CVAE, f"CVAE.__init__() {TWO}", "self, input_size, num_classes, latent_size"),
    "an inherited __init__": (CVAE, f"VAE.__init__() {TWO}", "CVAE's own"),
    "a forward without x": ("VAE.forward(...)", f"VAE.forward() {TWO}", "forward(self, x)."),
    "a function with self": (
        "reparametrize(...)",
        "reparametrize() missing 1 required positional argument: 'logvar'",
        "without self",
    ),
    "a function with more": (
        "loss_function(...)",
        "loss_function() missing 1 required positional argument: 'beta'",
        "without self. beta, which it wants too, has no default.",
    ),
    "a CVAE's encoder that joins": (
        "CVAE.encoder(...)",
        "Encoder.forward() missing 1 required positional argument: 'c'",
        "(N, D + C), side by side",
    ),
    "a part with another argument": (
        "VAE.decoder(...)",
        "Decoder.forward() missing 1 required positional argument: 'training'",
        "one argument: z, (N, Z). Any other",
    ),
    "a part without self": (
        "VAE.mu_layer(...)",
        "Layer.forward() takes 1 positional argument but 2 were given",
        "self missing",
    ),
    "a layer for its result": (
        "VAE.forward(...)",
        "relu(): argument 'input' must be Tensor, not ReLU",
        "nn.ReLU(...)",
    ),
    "c one-hot twice": (
        "CVAE.forward(...)",
        "Tensors must have same number of dimensions: got 2 and 3",
        "one-hot already",
    ),
}


@pytest.mark.parametrize(("what", "message", "words"), KNOWN.values(), ids=KNOWN)
def test_known(what: str, message: str, words: str) -> None:
    """A call that fails by its arguments is explained by what they should be."""
    assert words in hint(what, "TypeError", message, None)


MULTIPLIED = "mat1 and mat2 shapes cannot be multiplied"


def test_multiplied() -> None:
    """Sizes that do not fit are told as what a layer takes and what it got."""
    said = hint("VAE.forward(...)", "RuntimeError", f"{MULTIPLIED} (6x400 and 15x400)", AT)
    assert said == "That takes 15 numbers, and got 400."
    assert "not flattened" in hint(
        "VAE.forward(...)", "RuntimeError", f"{MULTIPLIED} (56x28 and 784x400)", AT
    )


AT = "h = self.layer(x)"
SUPER = "super().__init__(input_size, latent_size)"
BCE = 'bce = F.binary_cross_entropy(x_hat, x, "sum")'
AT_ITS_LINE = {
    "a download": (
        "RuntimeError",
        "Error downloading train-images-idx3-ubyte.gz:\n[...]\n<urlopen error [Errno -3] Temporary failure>",
        "train_set = MNIST('.', download=True)",
        "no network",
    ),
    "a power of numbers": (
        "TypeError",
        "unsupported operand type(s) for ^: 'float' and 'int'",
        AT,
        "no power",
    ),
    "a reduction in the third place": (
        "AttributeError",
        "'str' object has no attribute 'size'",
        BCE,
        "taken for weight",
    ),
    "sizes for nn.Module": (
        "TypeError",
        "CVAE.__init__() takes 1 positional argument but 3 were given",
        SUPER,
        "no sizes",
    ),
    "sizes for nn.Module, as another version says": (
        "TypeError",
        "Module.__init__() takes 1 positional argument but 3 were given",
        SUPER,
        "no sizes",
    ),
    "sizes for nn.Module, by name": (
        "TypeError",
        "CVAE.__init__() got an unexpected keyword argument 'input_size'",
        "super().__init__(input_size=input_size)",
        "no sizes",
    ),
    "too many sizes for VAE": (
        "TypeError",
        "VAE.__init__() takes from 2 to 3 positional arguments but 4 were given",
        "super(CVAE, self).__init__(input_size, num_classes, latent_size)",
        "super() is VAE",
    ),
    "a part's result unpacked": (
        "ValueError",
        "too many values to unpack (expected 2)",
        "mu, logvar = self.encoder(x)",
        "encoder gives one tensor",
    ),
    "a conflict of git's": (
        "SyntaxError",
        "invalid syntax",
        "<<<<<<< HEAD",
        "Git left both versions",
    ),
    "a fence": ("SyntaxError", "invalid syntax", "```python", "what stands around code"),
    "a sentence": ("SyntaxError", "invalid syntax", "Sure! Here is the code:", "That is a sentence"),
    "a debugger": ("BdbQuit", "", "    x_hat = self.decoder(z)", "breakpoint()"),
    "changed in place": (
        "RuntimeError",
        "one of the variables needed for gradient computation has been modified by an inplace operation",
        "",
        "make a new tensor there",
    ),
    "two tensors for a part": (
        "TypeError",
        f"Sequential.forward() {TWO}",
        "x_hat = self.decoder(mu, logvar)",
        "takes one tensor",
    ),
    "tensors joined without a list": (
        "TypeError",
        "cat() takes from 1 to 2 positional arguments but 3 were given",
        "torch.cat(z, c, 1)",
        "one list",
    ),
    "a reduction in the third place, for logits": (
        "TypeError",
        "binary_cross_entropy_with_logits(): argument 'weight' (position 3) must be Tensor, not str",
        BCE,
        "taken for weight",
    ),
    "a product of matrices, where one of numbers is due": (
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied (8x15 and 8x15)",
        "return mu + sigma @ eps",
        "the product of two matrices",
    ),
    "a product of matrices that do not fit": (
        "RuntimeError",
        "mat1 and mat2 shapes cannot be multiplied (8x784 and 400x784)",
        "return x @ weight",
        "takes 400 numbers, and got 784",
    ),
    "a function of one number": (
        "ValueError",
        "only one element tensors can be converted to Python scalars",
        "sigma = math.exp(logvar / 2)",
        "math.exp takes one number",
    ),
    "a layer that is not called": (
        "TypeError",
        "unsupported operand type(s) for +: 'Linear' and 'Tensor'",
        "return mu + sigma * eps",
        "without brackets",
    ),
    "a reduction in the first place": (
        "TypeError",
        "cannot assign 'str' object to buffer 'weight' (torch Tensor or None required)",
        'bce = nn.BCELoss("sum")',
        "taken for weight",
    ),
}


@pytest.mark.parametrize(("kind", "message", "line", "words"), AT_ITS_LINE.values(), ids=AT_ITS_LINE)
def test_at_its_line(kind: str, message: str, line: str, words: str) -> None:
    """What is known by its message, or by that and the line that raised it, is explained."""
    assert words in hint("loss_function(...)", kind, message, line)


UNKNOWN = {
    "a forgotten comma": (
        "Your vae.py",
        "SyntaxError",
        "invalid syntax. Perhaps you forgot a comma?",
        "x = [1 2]",
    ),
    "a forgotten operator": ("Your vae.py", "SyntaxError", "invalid syntax", "x = = 3"),
    "a call in their own line": (VAE, "TypeError", f"Linear.__init__() {TWO}", AT),
    "another error": ("VAE.forward(...)", "ValueError", f"VAE.forward() {TWO}", None),
    "no layer": (
        "VAE.forward(...)",
        "TypeError",
        "relu(): argument 'input' must be Tensor, not Parameter",
        AT,
    ),
    "a function of torch.nn": (
        "VAE.forward(...)",
        "TypeError",
        "argument 'input' must be Tensor, not functional",
        AT,
    ),
    "joined by the VAE": (
        "VAE.forward(...)",
        "RuntimeError",
        "Tensors must have same number of dimensions: got 2 and 3",
        AT,
    ),
    "a result of something else unpacked": (
        "VAE.forward(...)",
        "ValueError",
        "too many values to unpack (expected 2)",
        "mu, logvar = self.encode(x)",
    ),
    "another name": ("VAE.forward(...)", "NameError", "name 'features' is not defined", AT),
}


@pytest.mark.parametrize(("what", "kind", "message", "line"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(what: str, kind: str, message: str, line: str | None) -> None:
    """Of what may have many reasons none is named."""
    assert not hint(what, kind, message, line)


def test_short() -> None:
    """However long a name is that the student's process tells, little of it is shown."""
    message = f"torch.nn.modules.a.{'x{0}' * 100} is not a Module subclass"
    assert len(hint(VAE, "TypeError", message, AT)) < 200
    message = f"torch.nn.modules.a.{'x' * 1000} is not a Module subclass"
    assert len(hint(VAE, "TypeError", message, AT)) < 200
