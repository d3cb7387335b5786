"""5. Loss (1 point): binary cross-entropy summed over pixels plus KL divergence, averaged over the batch."""

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.rubric.expect import close, expect_untouched, fail, show
from autograder.rubric.oracle import any_number, cross_entropies, divergences, images, loss


@number("5.1")
@weight(1)
def test_loss(student):
    """loss_function is the BCE summed over pixels plus the KL divergence, averaged over the batch"""
    notebook = (
        torch.sigmoid(torch.tensor([[[[2.0, 5.0], [6.0, 7.0]]]])),
        torch.sigmoid(torch.tensor([[[[1.0, 10.0], [9.0, 3.0]]]])),
        torch.ones(1, 15),
        torch.zeros(1, 15),
    )
    # More than one image, so that a mean differs from a sum; logvar away from 0, where slips of the KL show.
    batches = [
        batch(any_number(6, 12), 15),
        batch(any_number(2, 5), any_number(3, 9)),
        batch(1, any_number(20, 30)),
    ]
    for inputs in (*batches, notebook):
        expect_value(student, inputs)
    expect_gradients(student, batch(any_number(3, 6), any_number(5, 8)))


def batch(number_of_images, latent):
    """Draw x_hat, x, mu and logvar; no pixel is so near to 0 or 1 that a guard against log(0) would matter."""
    x_hat = 0.02 + 0.96 * images(number_of_images)
    return (
        x_hat,
        images(number_of_images),
        torch.randn(number_of_images, latent),
        torch.randn(number_of_images, latent),
    )


def expect_value(student, inputs):
    """Compare with the formula and with known slips."""
    found, expected = student.loss_function(*inputs), loss(*inputs)
    if found.dim() != 0:
        raise fail(
            f"loss_function returned a tensor of shape {show(found.shape)}; expected a scalar, of shape ().",
            "Sum over pixels and latents, and average over the batch.",
        )
    if close(found, expected, 0) or abs(float(found) - float(expected)) <= 2e-5 * abs(float(expected)):
        return
    named = [
        text for text, value in slips(*inputs) if abs(float(found) - float(value)) <= 2e-5 * abs(float(value))
    ]
    raise fail(
        f"For a batch of {len(inputs[0])} your loss is {float(found):.6g}; expected {float(expected):.6g}.",
        *(f"It looks as if {text}." for text in named[:3]),
    )


def slips(x_hat, x, mu, logvar):
    """Give known slips with their values."""
    n = x.shape[0]
    bce, kl = cross_entropies(x_hat, x), divergences(mu, logvar)
    yield "the loss were summed over the batch, not averaged", bce.sum() + kl.sum()
    yield "the BCE were averaged over pixels, not summed", bce.mean() + kl.sum() / n
    yield "both terms were averaged over all elements", bce.mean() + kl.mean()
    yield "the KL divergence were averaged over the latents, not summed", bce.sum() / n + kl.mean()
    yield "only the KL divergence were divided by the batch size", bce.sum() + kl.sum() / n
    yield "only the BCE were divided by the batch size", bce.sum() / n + kl.sum()
    yield (
        "the BCE were averaged over pixels and the KL divergence summed over the batch",
        bce.mean() + kl.sum(),
    )
    yield "the whole were divided by the number of pixels", (bce.sum() + kl.sum()) / x.numel()
    yield "the loss were divided by the batch size twice", (bce.sum() + kl.sum()) / n**2
    yield "the KL divergence were missing", bce.sum() / n
    yield "the BCE were missing", kl.sum() / n
    yield "the KL divergence were subtracted", (bce.sum() - kl.sum()) / n
    yield "the sign of the whole loss were wrong", -(bce.sum() + kl.sum()) / n
    yield "the factor 1/2 of the KL divergence were missing", (bce.sum() + 2 * kl.sum()) / n
    yield "x and x_hat were swapped in the BCE", (cross_entropies(x, x_hat).sum() + kl.sum()) / n
    yield "the squared error took the place of the BCE", (((x_hat - x) ** 2).double().sum() + kl.sum()) / n
    yield "the absolute error took the place of the BCE", ((x_hat - x).abs().double().sum() + kl.sum()) / n
    yield (
        "a sigmoid were applied to x_hat first",
        (cross_entropies(torch.sigmoid(x_hat), x).sum() + kl.sum()) / n,
    )
    one_sided = -(x.double() * x_hat.double().log())
    yield (
        "the BCE's term for dark pixels, (1 - x) log(1 - x_hat), were missing",
        (one_sided.sum() + kl.sum()) / n,
    )
    m, v = mu.double(), logvar.double()
    terms = {
        "logvar were taken for the logarithm of the standard deviation": 1 + 2 * v - m**2 - (2 * v).exp(),
        "exp(logvar / 2) stood where exp(logvar) belongs": 1 + v - m**2 - (v / 2).exp(),
        "the 1 were missing in the KL divergence": v - m**2 - v.exp(),
        "logvar were missing in the KL divergence": 1 - m**2 - v.exp(),
        "mu were missing in the KL divergence": 1 + v - v.exp(),
        "mu were not squared in the KL divergence": 1 + v - m - v.exp(),
        "the sign of mu's square were wrong in the KL divergence": 1 + v + m**2 - v.exp(),
        "exp(logvar) were missing in the KL divergence": 1 + v - m**2,
        "the sign of exp(logvar) were wrong in the KL divergence": 1 + v - m**2 + v.exp(),
        "logvar squared stood where exp(logvar) belongs": 1 + v - m**2 - v**2,
        "logvar stood where exp(logvar) belongs": 1 + v - m**2 - v,
        "mu and logvar were swapped": 1 + m - v**2 - m.exp(),
        "the KL divergence were taken in the other direction": 1 - v - (1 + m**2) * (-v).exp(),
    }
    for text, term in terms.items():
        yield text, (bce.sum() - 0.5 * term.sum()) / n
    yield (
        "the logarithm were taken to base 2 in the BCE",
        (bce.sum() / torch.log(torch.tensor(2.0)) + kl.sum()) / n,
    )


def expect_gradients(student, inputs):
    """Expect the loss's gradients with respect to x_hat, mu and logvar, and inputs left as they were."""
    names = ("x_hat", "mu", "logvar")
    leaves = [tensor.double().requires_grad_() for tensor in inputs]
    loss(*leaves).backward()
    held = [student.put(tensor) for tensor in inputs]
    value = student.loss_function(*held)
    expect_untouched(student, "loss_function", {"x": held[1]})
    found = student.gradients([(value, torch.tensor(1.0))], [held[0], held[2], held[3]])
    for name, (gradient,), leaf in zip(names, found, (leaves[0], leaves[2], leaves[3]), strict=True):
        if gradient is None:
            raise fail(
                f"The loss has no gradient with respect to {name}, so the model cannot learn from it.",
                "Look for detach(), .data, .item(), float(...), torch.no_grad() and torch.tensor(...).",
            )
        if leaf.grad is not None and not close(gradient, leaf.grad, 1e-3):
            raise fail(f"The gradient of the loss with respect to {name} is not the right one.")
