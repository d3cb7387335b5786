# %% [markdown]
# # Variational autoencoders
#
# In this assignment you build two models that learn to draw handwritten digits, a **variational
# autoencoder** (VAE) and a **conditional** one (CVAE), to which you can say which digit you want. You write
# both in `vae.py`, part by part; this notebook explains each part, checks it, trains the models and shows
# what they draw.
#
# | section | in `vae.py` | points |
# |---|---|---|
# | 1. Encoder | `VAE.__init__` | 4 |
# | 2. Decoder | `VAE.__init__` | 1 |
# | 3. Reparametrization | `reparametrize` | 2 |
# | 4. Forward pass | `VAE.forward` | 1 |
# | 5. Loss | `loss_function` | 1 |
# | 6. Conditional VAE | `CVAE` | 3 |
#
# Each section ends with a cell that calls `check`. It runs the tests by which your work is graded, so you
# see your points, and a hint at what went wrong where one is missing, before you hand in. The sections are
# graded one by one: a mistake in one of them does not cost you the points of another.
#
# *Sources.* [KW] D. P. Kingma and M. Welling, *Auto-Encoding Variational Bayes*, ICLR 2014,
# arXiv:1312.6114. [SLY] K. Sohn, H. Lee and X. Yan, *Learning Structured Output Representation using Deep
# Conditional Generative Models*, NeurIPS 2015.

# %% [markdown]
# ## Set-up
#
# This notebook needs `torch`, `torchvision`, `matplotlib` and, beside it in the same folder, `vae.py`,
# `check.py` and `nndl2`. With Google Colab, copy that folder to your Drive and write its place into the
# next cell.

# %%
import os
import sys

COLAB_FOLDER = ""  # in Colab, for example: "/content/drive/MyDrive/vae"; everywhere else it stays empty

if COLAB_FOLDER:
    from google.colab import drive

    drive.mount("/content/drive")
    os.chdir(COLAB_FOLDER)
    sys.path.insert(0, COLAB_FOLDER)

# %% [markdown]
# With autoreload, what you save in `vae.py` counts at once, and you need not restart the notebook. Only
# objects that exist already stay as they are: make a new model when you have changed its layers.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

if torch.cuda.is_available():
    device = "cuda"
elif torch.backends.mps.is_available():
    device = "mps"
else:
    device = "cpu"
print("The models will be trained on:", device)

# %%
from check import check
from nndl2.grad import rel_error
from nndl2.helper import hello_helper, one_hot, show_images, train_vae
from nndl2.utils import reset_seed
from vae import CVAE, VAE, hello_vae, loss_function, reparametrize

hello_vae()
hello_helper()

# %% [markdown]
# The first line above comes from `vae.py`, the second from `nndl2/helper.py`. If you see an error instead,
# this notebook does not run in the folder that holds them.
#
# The cells before each `check` use these three functions:


# %%
def report(what, right):
    """Say what was found, and whether it is right."""
    print("ok   " if right else "WRONG", what)


def compare(what, yours, right):
    """Say what was found, and what it should be."""
    hint = "" if yours == right else f"; it should be {right}"
    report(f"{what}: {yours}{hint}", yours == right)


def count(part):
    """Count a part's parameters."""
    return sum(parameter.numel() for parameter in part.parameters())


# %% [markdown]
# ## The data
#
# MNIST has 60,000 training images of handwritten digits, each of 28 x 28 pixels from 0 (black) to 1
# (white), with the digit as a label. torchvision downloads it once, into `./nndl2` (about 70 MB). If
# you have the files already, set the environment variable `VAE_AUTOGRADER_DATA` to the folder that holds
# `MNIST/raw`, with the files unpacked.

# %%
try:
    data = MNIST(os.environ.get("VAE_AUTOGRADER_DATA") or "./nndl2", train=True, transform=ToTensor())
except RuntimeError:  # not there, or not complete
    data = MNIST("./nndl2", train=True, transform=ToTensor(), download=True)
loader = DataLoader(data, batch_size=128, shuffle=True, drop_last=True)
# The same batches, and an epoch in three quarters of the time: from nndl2.helper import fast_loader
# loader = fast_loader(data, 128)

images, labels = next(iter(loader))  # (128, 1, 28, 28), (128,)
print("A batch:", tuple(images.shape), "with labels", tuple(labels.shape))
print("Pixels from", images.min().item(), "to", images.max().item())
show_images(images[:100])

# %% [markdown]
# ## What a VAE is
#
# Suppose that each image $x$ comes about in two steps: first a short vector of **latents** $z$ is drawn
# from $\mathcal N(0, I)$, then a **decoder** turns it into the probabilities with which the pixels are
# white, $p(x \mid z)$. To learn the decoder, we would like to know which $z$ belongs to an image, but this
# posterior $p(z \mid x)$ cannot be computed. So an **encoder** learns to approximate it by a Gaussian,
#
# $$q(z \mid x) = \mathcal N\big(\mu(x),\ \mathrm{diag}(\sigma^2(x))\big),$$
#
# and both networks are trained together: the decoder to give the image back, the encoder to stay close to
# $\mathcal N(0, I)$, from which we want to draw later on.
#
#     x  --encoder-->  features  --mu_layer------>  mu      \
#                                --logvar_layer-->  logvar  /  --reparametrize-->  z  --decoder-->  x_hat
#
# The shapes: N images in a batch, D = 784 pixels, H = 400 hidden units (`hidden_dim`), Z latents
# (`latent_size`).

# %% [markdown]
# ## 1. Encoder (4 points)
#
# In `VAE.__init__`, build
#
# - `self.encoder`, a network that flattens the images (N, 1, 28, 28) to (N, D) and sends them through
#   **three** fully connected layers with H units each, with a ReLU behind **each** of them. It gives
#   features (N, H).
# - `self.mu_layer` and `self.logvar_layer`, one fully connected layer each, from the features (N, H) to
#   (N, Z). A mean and the logarithm of a variance may be any number, so nothing comes behind these two.
#
# The encoder learns the *logarithm* of the variance because it can have either sign, and $\sigma$ is
# positive all the same.
#
# `input_size` (D), `latent_size` (Z) and `hidden_dim` (H) are there already. Use them rather than their
# values: the tests also build your model with other sizes.

# %% [markdown]
# A fully connected layer from $a$ to $b$ units has $a \cdot b$ weights and $b$ biases, $(a + 1) \cdot b$
# parameters in all. With that you can count what your layers must have:

# %%
for input_size, latent_size in [(784, 15), (345, 7)]:
    model = VAE(input_size, latent_size)
    compare("encoder's parameters", count(model.encoder), (input_size + 1) * 400 + 2 * (400 + 1) * 400)
    compare("mu_layer's parameters", count(model.mu_layer), (400 + 1) * latent_size)
    compare("logvar_layer's parameters", count(model.logvar_layer), (400 + 1) * latent_size)

features = VAE(784).encoder(images)
compare("shape of the features", tuple(features.shape), (128, 400))
report("a ReLU comes last: no feature is negative", features.min() >= 0)

# %%
check("encoder")

# %% [markdown]
# ## 2. Decoder (1 point)
#
# In `VAE.__init__`, build `self.decoder`, the way back from latents (N, Z) to images (N, 1, 28, 28):
#
# - three fully connected layers with H units each, with a ReLU behind each of them,
# - a fourth one from H to D, with a sigmoid behind it, because each pixel is a probability,
# - and the pixels put back into the shape of an image; `nn.Unflatten` does that.

# %%
decoder = VAE(784, 15).decoder
compare("decoder's parameters", count(decoder), (15 + 1) * 400 + 2 * (400 + 1) * 400 + (400 + 1) * 784)

drawn = decoder(torch.randn(64, 15))
compare("shape of the images", tuple(drawn.shape), (64, 1, 28, 28))
report("each pixel is a probability", drawn.min() >= 0 and drawn.max() <= 1)

# %%
check("decoder")

# %% [markdown]
# ## 3. Reparametrization (2 points)
#
# The decoder needs a $z$ drawn from $\mathcal N(\mu, \sigma^2)$. Drawing is no function that could be
# differentiated, but training needs the gradient with respect to $\mu$ and $\sigma$. The way out ([KW],
# section 2.4) is to draw noise that depends on neither of them, and to compute $z$ from it:
#
# $$z = \mu + \sigma \odot \varepsilon, \qquad \varepsilon \sim \mathcal N(0, I).$$
#
# Write this in `reparametrize(mu, logvar)`, for $\mu$ and $\log \sigma^2$ of shape (N, Z). Every element of
# $z$ has noise of its own, drawn afresh in each call. Mind that `logvar` is the logarithm of the variance
# $\sigma^2$, not of $\sigma$.

# %%
reset_seed(0)
mu, logvar = torch.zeros(1, 15), torch.ones(1, 15)
drawn = reparametrize(mu, logvar)
compare("shape of z", tuple(drawn.shape), (1, 15))

# With this seed the mean and the standard deviation are known: relative errors of at most 1e-4.
error = rel_error(drawn.mean(), -0.4363)
report(f"mean: {drawn.mean().item():.4f}, for -0.4363; relative error {error:.1e}", error <= 1e-4)
error = rel_error(drawn.std(), 1.6860)
report(f"standard deviation: {drawn.std().item():.4f}, for 1.6860; relative error {error:.1e}", error <= 1e-4)

# The noise is fresh: two draws differ, and by more than rounding does.
difference = (reparametrize(mu, logvar) - reparametrize(mu, logvar)).abs().max().item()
report(f"two draws differ by up to {difference:.2f}", difference > 1e-3)

# Gradients reach mu and logvar. In z = mu + sigma * eps, z grows with mu by just as much, and with logvar by
# half of sigma * eps.
mu.requires_grad_()
logvar.requires_grad_()
drawn = reparametrize(mu, logvar)
drawn.sum().backward()
for name, found, right in [("mu", mu.grad, torch.ones(1, 15)), ("logvar", logvar.grad, (drawn - mu) / 2)]:
    report(f"the gradient for {name}", found is not None and rel_error(found, right) <= 1e-4)

# %%
check("reparametrize")

# %% [markdown]
# ## 4. Forward pass (1 point)
#
# In `VAE.forward(x)`, put the parts together as in the drawing above: encode the images, compute `mu` and
# `logvar`, draw `z`, decode it. Return `(x_hat, mu, logvar)`.

# %%
model = VAE(784, 15)
x_hat, mu, logvar = model(images)
compare("shape of x_hat", tuple(x_hat.shape), (128, 1, 28, 28))
compare("shape of mu", tuple(mu.shape), (128, 15))
compare("shape of logvar", tuple(logvar.shape), (128, 15))

# The encoder gives the same in each run, the decoder does not, because z is drawn.
x_hat_again, mu_again, _ = model(images)
report("mu is the same in another run", rel_error(mu, mu_again) <= 1e-4)
difference = (x_hat - x_hat_again).abs().max().item()
report(f"x_hat is not: it differs by up to {difference:.3f}", difference > 1e-4)

# %%
check("forward")

# %% [markdown]
# ## 5. Loss (1 point)
#
# A good model gives the images that we have a high probability $p(x)$. We cannot compute it, but a lower
# bound of its logarithm ([KW], equation 10), and the loss is the negative of that bound. For one image it
# has two terms:
#
# $$-\mathbb E_{z \sim q(z \mid x)} \big[\log p(x \mid z)\big]
# + D_{\mathrm{KL}}\big(q(z \mid x)\ \|\ \mathcal N(0, I)\big).$$
#
# - The first is the **reconstruction**: the binary cross-entropy between `x_hat` and `x`, *added up* over
#   the pixels. One $z$ for each image is enough to estimate the expectation.
# - The second is the **KL divergence**; between two Gaussians it has a closed form ([KW], appendix B),
#   *added up* over the latents:
#
# $$D_{\mathrm{KL}} = -\frac12 \sum_{j=1}^{Z} \big(1 + \log \sigma_j^2 - \mu_j^2 - \sigma_j^2\big).$$
#
# In `loss_function(x_hat, x, mu, logvar)`, add both terms and *average* over the images of the batch. The
# result is one number, a tensor without dimensions.

# %%
# One image of 2 x 2 pixels, with logvar = 0.
x_hat = torch.sigmoid(torch.tensor([[2.0, 5.0], [6.0, 7.0]])).view(1, 1, 2, 2)
x = torch.sigmoid(torch.tensor([[1.0, 10.0], [9.0, 3.0]])).view(1, 1, 2, 2)
loss = loss_function(x_hat, x, torch.ones(1, 15), torch.zeros(1, 15))
compare("shape of the loss", tuple(loss.shape), ())
error = rel_error(loss, 8.5079)
report(f"one image: {loss.item():.4f}, for 8.5079; relative error {error:.1e}", error <= 1e-5)

# Three images, with other values of logvar: one image cannot tell a sum from an average.
x_hat = torch.linspace(0.1, 0.9, 12).view(3, 1, 2, 2)
x = torch.linspace(1, 0, 12).view(3, 1, 2, 2)
mu = torch.linspace(-1, 1, 12).view(3, 4)
logvar = torch.linspace(-2, 1, 12).view(3, 4)
loss = loss_function(x_hat, x, mu, logvar)
error = rel_error(loss, 6.63685)
report(f"three images: {loss.item():.5f}, for 6.63685; relative error {error:.1e}", error <= 1e-5)

# %%
check("loss")

# %% [markdown]
# ## Training
#
# `nndl2.helper.train_vae` runs through the data once: it computes your loss for each batch and makes a step
# with Adam (learning rate 1e-3). After 10 epochs the loss should be below 120; without a GPU this takes some
# minutes. What is printed is the loss of one batch, so it jumps a little. If it is stuck near 200, the model
# draws the same blur for each image: look at the KL divergence and the noise.

# %%
epochs = int(os.environ.get("VAE_EPOCHS", "10"))
latent_size = 15

reset_seed(0)
vae_model = VAE(784, latent_size).to(device)
for epoch in range(1, epochs + 1):
    train_vae(epoch, vae_model, loader)

# %% [markdown]
# Images and, below, what the model makes of them:

# %%
vae_model.eval()
with torch.no_grad():
    x_hat, _, _ = vae_model(images[:25].to(device))
show_images(images[:25])
show_images(x_hat)

# %% [markdown]
# ## Samples
#
# New digits: draw $z$ from $\mathcal N(0, I)$ and decode it. Not all are good ones; some lie between two
# digits.

# %%
reset_seed(0)
with torch.no_grad():
    show_images(vae_model.decoder(torch.randn(100, latent_size, device=device)))

# %% [markdown]
# ## Latent interpolation
#
# In each of 12 rows, $z$ goes in 12 equal steps on a straight line from one random point to another. The
# images change gradually, because neighbouring latents mean similar images.

# %%
reset_seed(0)
start, end = torch.randn(2, 12, 1, latent_size, device=device)  # (12, 1, Z) each: one point for each row
way = torch.linspace(0, 1, 12, device=device).view(1, 12, 1)  # how far we have come, in each column
z = torch.lerp(start, end, way)  # (12, 12, Z)
with torch.no_grad():
    show_images(vae_model.decoder(z.flatten(0, 1)))

# %% [markdown]
# ## 6. Conditional VAE (3 points)
#
# The VAE draws what it likes. A conditional VAE ([SLY]) is told the class: encoder and decoder get it as a
# second input, the one-hot vector $c$ (N, C) of the label. It then need not be coded in $z$, and we may
# choose it when we draw.
#
# Write the class `CVAE`:
#
# - `self.encoder` takes the **flattened image and $c$ side by side**, (N, D + C). `forward` joins them, so
#   there is no Flatten in it; otherwise it is the encoder of section 1, and `self.mu_layer` and
#   `self.logvar_layer` are the same as there. (1 point)
# - `self.decoder` takes **$z$ and $c$ side by side**, (N, Z + C); otherwise it is the decoder of section 2.
#   (1 point)
# - `forward(x, c)` joins what has to be joined, with `torch.cat`: for the decoder $z$ first, then $c$. It
#   returns `(x_hat, mu, logvar)`. (1 point)

# %%
model = CVAE(784, num_classes=10, latent_size=15)
right = (784 + 10 + 1) * 400 + 2 * (400 + 1) * 400
compare("encoder's parameters", count(model.encoder), right)
right = (15 + 10 + 1) * 400 + 2 * (400 + 1) * 400 + (400 + 1) * 784
compare("decoder's parameters", count(model.decoder), right)

c = one_hot(labels)  # (128, 10)
x_hat, mu, logvar = model(images, c)
compare("shape of x_hat", tuple(x_hat.shape), (128, 1, 28, 28))
compare("shape of mu", tuple(mu.shape), (128, 15))
compare("shape of logvar", tuple(logvar.shape), (128, 15))

_, mu_of_another_class, _ = model(images, c.roll(1, dims=1))
difference = (mu - mu_of_another_class).abs().max().item()
report(f"another class gives another mu: it differs by up to {difference:.3f}", difference > 1e-4)

# %%
check("cvae")

# %% [markdown]
# ### Training
#
# The same loop; `cond=True` gives the model the labels too. Again the loss should come below 120.

# %%
reset_seed(0)
cvae_model = CVAE(784, num_classes=10, latent_size=latent_size).to(device)
for epoch in range(1, epochs + 1):
    train_vae(epoch, cvae_model, loader, cond=True)

# %% [markdown]
# ### One digit of each class
#
# Random latents, but chosen classes, from 0 to 9. Run the cell without the seed to see other hands.

# %%
reset_seed(0)
z = torch.randn(10, latent_size, device=device)
c = torch.eye(10, device=device)
cvae_model.eval()
with torch.no_grad():
    show_images(cvae_model.decoder(torch.cat([z, c], dim=1)))

# %% [markdown]
# ## Hand in
#
# Check everything once more, save this notebook with its outputs, and hand in `vae.py` and `vae.ipynb`.

# %%
check()
