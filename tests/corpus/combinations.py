"""Two or three mistakes at once, by their names: each costs what it costs alone."""

from corpus.edits import Edit, Mistake
from corpus.mistakes import MISTAKES

__all__ = ["COMBINATIONS"]

NAMES = (
    # The same slip in two places.
    "encoder-leaky-relu-0.01 decoder-leaky-relu-0.01",
    "encoder-leaky-relu-0.01 decoder-leaky-relu-0.01 cvae-encoder-leaky-relu-0.01",
    "encoder-no-last-relu decoder-no-last-relu",
    "encoder-no-last-relu cvae-encoder-no-last-relu",
    "encoder-two-layers decoder-two-relus",
    "encoder-gelu cvae-encoder-gelu",
    "hidden-512 cvae-hidden-512",
    "decoder-no-sigmoid cvae-decoder-no-sigmoid",
    "decoder-tanh cvae-decoder-tanh",
    "mu-layer-relu logvar-layer-relu",
    "mu-layer-tanh logvar-layer-tanh",
    "mu-layer-relu cvae-mu-layer-relu",
    "forward-z-is-mu cvae-forward-z-is-mu",
    "forward-mu-and-logvar-layers-exchanged cvae-forward-mu-and-logvar-layers-exchanged",
    "forward-flat-x-hat cvae-forward-flat-x-hat",
    "forward-x-hat-squeezed cvae-forward-x-hat-squeezed",
    "forward-z-is-mu-in-eval cvae-forward-z-is-mu-in-eval",
    "forward-variance-returned cvae-forward-variance-returned",
    "forward-seeded cvae-forward-seeded",
    # Noise that follows no seed, and a decoder through whose images it cannot be read off.
    "reparametrize-own-generator decoder-gelu",
    "reparametrize-own-generator decoder-no-sigmoid",
    "reparametrize-own-generator decoder-two-relus",
    "reparametrize-own-generator hidden-512",
    "reparametrize-numpy decoder-sigmoid-twice cvae-decoder-sigmoid-twice",
    "reparametrize-own-generator forward-frozen-weights",
    # A seed that is set inside, or noise that is kept, hides nothing that forward does.
    "reparametrize-seeded-with-0 forward-arguments-exchanged",
    "reparametrize-seeded-with-0 forward-z-clamped",
    "reparametrize-seeded-with-0 cvae-forward-class-before-z",
    "reparametrize-drawn-once forward-arguments-exchanged",
    # Two mistakes in one row.
    "encoder-leaky-relu-0.01 encoder-normalizes-input",
    "decoder-no-last-relu decoder-sigmoid-twice",
    "decoder-gelu decoder-no-sigmoid",
    "decoder-two-relus decoder-tanh",
    "cvae-encoder-gelu cvae-logvar-layer-softplus",
    "cvae-encoder-two-layers cvae-mu-layer-relu",
    "cvae-forward-class-before-z cvae-forward-z-is-mu",
    "cvae-forward-class-ignored-by-encoder cvae-forward-class-ignored-by-decoder",
    "forward-x-hat-last forward-z-is-mu",
    "reparametrize-variance-for-std reparametrize-uniform",
    "reparametrize-std-0.98 reparametrize-mu-forgotten",
    "reparametrize-one-row-for-all reparametrize-z-detached",
    "loss-summed-over-batch loss-kl-missing",
    "loss-summed-over-batch loss-kl-without-half",
    "loss-mean-squared-error loss-kl-mean",
    "loss-default-reduction loss-kl-sign",
    "loss-kl-of-std loss-halved",
    "loss-averaged-over-pixels loss-logits",
    # Mistakes of different sections, which must not hide each other.
    "encoder-leaky-relu-0.01 reparametrize-variance-for-std",
    "encoder-no-last-relu loss-summed-over-batch",
    "encoder-two-layers forward-z-is-mu",
    "encoder-784-written-in decoder-784-written-in",
    "encoder-dropout-0.01 decoder-dropout-0.01",
    "encoder-wrong-in-eval forward-z-is-mu-in-eval",
    "encoder-no-flatten loss-kl-missing",
    "mu-layer-relu reparametrize-logvar-for-std",
    "mu-layer-forgotten cvae-forward-class-before-z",
    "logvar-layer-softplus loss-kl-of-std",
    "logvar-layer-exp forward-x-hat-last",
    "decoder-no-sigmoid loss-logits",
    "decoder-relu-before-sigmoid reparametrize-mu-forgotten",
    "decoder-no-unflatten reparametrize-std-0.98",
    "decoder-batch-of-128 loss-divided-by-128",
    "reparametrize-uniform loss-kl-off-by-1-percent",
    "reparametrize-uniform forward-arguments-exchanged",
    "reparametrize-uniform cvae-forward-half-logvar",
    "reparametrize-one-number forward-z-normalized",
    "reparametrize-positive forward-unit-variance",
    "reparametrize-mean-1 cvae-forward-decodes-noise",
    "reparametrize-exp-of-mu forward-z-without-noise",
    "reparametrize-mu-forgotten forward-mu-and-logvar-layers-exchanged",
    "reparametrize-one-row-for-all cvae-forward-class-ignored",
    "reparametrize-numpy cvae-decoder-no-sigmoid",
    "reparametrize-repeated-after-32 loss-kl-mean",
    "reparametrize-no-grad loss-detached",
    "reparametrize-nothing-returned loss-nothing-returned",
    "reparametrize-typo cvae-encoder-gelu",
    "reparametrize-spelt-otherwise forward-x-hat-last",
    "forward-misspelt cvae-forward-misspelt",
    "forward-keeps-the-first-z cvae-forward-keeps-the-first-z",
    "vae-super-forgotten cvae-super-forgotten",
    "vae-misspelt loss-misspelt",
    # Three.
    "encoder-leaky-relu-0.01 reparametrize-variance-for-std loss-summed-over-batch",
    "encoder-no-last-relu decoder-sigmoid-twice cvae-forward-class-before-z",
    "mu-layer-tanh reparametrize-mu-forgotten loss-kl-without-mu",
    "hidden-512 reparametrize-uniform loss-kl-missing",
    "encoder-two-layers decoder-no-unflatten loss-mean-squared-error",
    "decoder-tanh forward-z-detached loss-logits",
    "forward-z-is-mu loss-kl-missing cvae-decoder-one-layer-short",
    "reparametrize-logvar-for-std loss-kl-of-log-std cvae-hidden-300",
)


# The second mistake shows only when the first is mended.
HIDDEN = ("decoder-two-relus decoder-tanh", "forward-x-hat-last forward-z-is-mu")


def combination(names: str) -> Mistake:
    """Make all the edits; lose all the rows and say all the words."""
    single = {mistake.name: mistake for mistake in MISTAKES}
    mistakes = [single[name] for name in names.split()]
    edits: dict[Edit, None] = dict.fromkeys(edit for m in mistakes for edit in m.edits)
    lost = sorted({row for m in mistakes for row in m.lost})
    seen = mistakes[:1] if names in HIDDEN else mistakes
    words = dict.fromkeys(word for m in seen for word in m.words)
    return Mistake("+".join(names.split()), tuple(edits), tuple(lost), tuple(words))


COMBINATIONS = [combination(names) for names in NAMES]
