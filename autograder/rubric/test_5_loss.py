"""5. Loss (1 point): binary cross-entropy summed over pixels plus KL divergence, averaged over the batch."""

import contextlib

import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.outcome import UNANSWERED, Raised
from autograder.rubric.expect import close, expect_untouched, show
from autograder.rubric.loss_diagnosis import diagnose
from autograder.rubric.loss_slips import alike
from autograder.rubric.loss_terms import draw_batch
from autograder.rubric.mistake import Cause, Mistake, disabling
from autograder.rubric.oracle import any_number, loss

# One latent so far out shows a clamp between these; for logvar the same ends as in reparametrize's row, since people
# clamp it at 10 for safety's sake. Even there float32 is right to 1e-6. FAR_OFF is allowed: right to the student who
# guards a logarithm, of a variance of exp(-9), with 1e-6.
EXTREMES = (("mu", -20.0), ("mu", 20.0), ("logvar", -9.0), ("logvar", 9.0))
FAR_OFF = 2e-4
FEW = 20  # images, of which all pixels are added up one after the other without rounding too much
# A pixel so near to 0, and one so near to 1, show a clamp of x_hat. There guards of 1e-4 in both logarithms make 0.36,
# a clamp at 1e-3 on one side makes 0.69.
NEAR_0, OFF = 5e-4, 0.5


@number("5.1")
@weight(1)
def test_loss(student):
    """loss_function is the BCE summed over pixels plus the KL divergence, averaged over the batch

    To see it in your notebook:

        torch.manual_seed(0); x_hat, x = torch.rand(2, 8, 1, 28, 28)
        mu, logvar = 3 * torch.randn(2, 8, 15)
        given = [t.requires_grad_() for t in (x_hat, mu, logvar)]
        loss = loss_function(x_hat, x, mu, logvar)
        print(loss.item())  # expected: 1085.0146
        print(loss_function(x_hat[..., :2, :2], x[..., :2, :2], mu, logvar).item())  # expected: 298.0944
        print(*(g.abs().sum().item() for g in torch.autograd.grad(loss, given)))  # expected: 8738.99, 35.093, 232.540
    """
    notebook = (
        torch.sigmoid(torch.tensor([[[[2.0, 5.0], [6.0, 7.0]]]])),
        torch.sigmoid(torch.tensor([[[[1.0, 10.0], [9.0, 3.0]]]])),
        torch.ones(1, 15),
        torch.zeros(1, 15),
    )
    # More than one image, so that a mean differs from a sum; logvar away from 0, where slips of the KL show.
    batches = [
        draw_batch(any_number(13, 60), 15),
        draw_batch(any_number(129, 136), any_number(10, 19)),
        draw_batch(any_number(2, 12), any_number(3, 9)),
        draw_batch(1, any_number(20, 30)),
    ]
    for inputs in batches:
        expect_value(student, inputs)
    for name, extreme in EXTREMES:
        expect_unclamped(student, name, extreme)
    for spread in (3, 0.1):
        expect_value(student, draw_batch(any_number(2, 12), 15, spread=spread))
    expect_unclamped_pixels(student)
    expect_no_difference(student, draw_batch(any_number(2, 12), any_number(3, 9)))
    expect_any_size(student, notebook)
    expect_no_seed(student, batches[2])
    expect_gradients(student, draw_batch(any_number(3, 9), any_number(5, 8)))


def expect_no_seed(student, inputs):
    """Expect other noise behind a call of loss_function than behind the one before, where noise is drawn afresh."""
    few, drawn = torch.zeros(2, 9), []
    with contextlib.suppress(*UNANSWERED):
        for given in (None, None, inputs, inputs):
            if given:
                student.loss_function(*given)
            drawn.append(student.reparametrize_later(few, few))
        one, other, behind, again = (z.get() for z in drawn)
        if close(behind, again) and not close(one, other):
            raise Mistake(
                "Behind two calls of loss_function, reparametrize draws the same noise: is a seed set in it?"
            )


def expect_no_difference(student, inputs):
    """Expect the formula to hold under torch.no_grad(), too."""
    found, expected = float(student.loss_function(*inputs, learning=False).sum()), float(loss(*inputs))
    if not alike(found, expected):
        expect_value(student, inputs)  # it may change from call to call
        raise Mistake(
            "Your loss is right, but not under torch.no_grad(), as one computes it to compare models.",
            f"There it is {found:.6g}; expected {expected:.6g}.",
        )


def expect_value(student, inputs):
    """Compare with the formula."""
    found, expected = student.loss_function(*inputs), loss(*inputs)
    if found.dim() != 0:
        raise Mistake(
            f"loss_function returned a tensor of shape {show(found.shape)}; expected a scalar, of shape ().",
            *name_shape(found.shape, inputs),
        )
    # Who adds up all pixels one after the other, in float32, rounds the more the more there are: 3e-7 for each image.
    if alike(float(found), float(expected), float(expected) * max(1, len(inputs[0]) / FEW)):
        return
    raise Mistake(
        f"For a batch of {len(inputs[0])} your loss is {float(found):.6g}; expected {float(expected):.6g}.",
        *map(Cause, diagnose(student, inputs, float(found))),
    )


def name_shape(shape, inputs):
    """Say what a loss of this shape has a number for, in place of one for the whole batch."""
    if shape.numel() == 1:
        yield "It is one number, as it must be, but in brackets: look for keepdim, unsqueeze, reshape, view or [...]."
        return
    _, x, mu, _ = inputs
    known = {
        "image of the batch": x.shape[:1],
        "latent": mu.shape[1:],
        "latent of each image": mu.shape,
        "pixel of each image": x.shape,
    }
    yield from (f"That is one number for each {text}." for text, size in known.items() if shape == size)
    yield "Sum over pixels and latents, and average over the batch."


def expect_any_size(student, inputs):
    """Expect the formula to hold for images of another size, where it holds for those of MNIST."""
    sides = " x ".join(map(str, inputs[1].shape[2:]))
    wrong = f"Your loss is right for images of 28 x 28 pixels, and wrong for the notebook's, of {sides}"
    try:
        found, expected = student.loss_function(*inputs), float(loss(*inputs))
    except Raised as error:
        raise Mistake(f"{wrong}: is 784 or 28 written into it?", str(error)) from error
    if found.dim() != 0 or not alike(float(found), expected):
        shown = f"of shape {show(found.shape)}" if found.dim() else f"{float(found):.6g}"
        raise Mistake(
            name_small(student, inputs)
            or f"{wrong}: is 784 or 28 written into it, where a number of pixels belongs?",
            f"There your loss is {shown}; expected {expected:.6g}.",
        )


def name_small(student, inputs):
    """Name what shows in small numbers only, where the loss of MNIST's images is right: rounding, or a constant."""
    _, x, mu, logvar = inputs
    found, off = [], []
    with contextlib.suppress(*UNANSWERED):
        for gray in (0.2, 0.5, 0.9):
            given = torch.full_like(x, gray), x, gray * mu, logvar
            found.append(float(student.loss_function(*given).sum()))
            off.append(found[-1] - float(loss(*given)))
    if not found:
        return ""
    if all(abs(value - round(value, 2)) < 1e-5 for value in found):
        return "Your loss is rounded: what is learned from needs all its digits."
    if max(off) - min(off) < 1e-4 < abs(off[0]):
        return f"Your loss is off by {off[0]:.4g}, for whatever images: is a constant added?"
    return ""


def expect_unclamped(student, name, extreme):
    """Expect the formula to hold where one latent's mu or logvar is extreme; it does where they are not."""
    x_hat, x, mu, logvar = draw_batch(1, any_number(3, 9))
    {"mu": mu, "logvar": logvar}[name][0, 0] = extreme
    found = float(student.loss_function(x_hat, x, mu, logvar).sum())
    expected = float(loss(x_hat, x, mu, logvar))
    if not abs(found - expected) <= FAR_OFF * expected:
        raise Mistake(
            f"Your loss is right for small mu and logvar, and wrong where {name} is {extreme:g} for one latent: is "
            "something clamped in the KL divergence, or added in a logarithm?",
            f"There your loss of one image is {found:.6g}; expected {expected:.6g}.",
        )


def expect_unclamped_pixels(student):
    """Expect the formula to hold where a white pixel is nearly black in x_hat, and a black one nearly white."""
    x_hat, x, mu, logvar = draw_batch(1, any_number(3, 9))
    x[..., 0, :2] = torch.tensor([1.0, 0.0])
    x_hat[..., 0, :2] = torch.tensor([NEAR_0, 1 - NEAR_0])
    found = float(student.loss_function(x_hat, x, mu, logvar).sum())
    expected = float(loss(x_hat, x, mu, logvar))
    if not abs(found - expected) <= OFF:
        raise Mistake(
            f"Your loss is right for usual x_hat, and wrong where x_hat is {NEAR_0:g} for a white pixel and "
            f"{1 - NEAR_0:g} for a black one: is x_hat clamped, or something added in a logarithm?",
            f"There your loss of one image is {found:.6g}; expected {expected:.6g}.",
        )


def expect_gradients(student, inputs):
    """Expect the loss's gradients with respect to x_hat, mu and logvar, and x left as it was.

    What it does to the others in place harms nobody as long as the gradients are right: nobody needs them behind it.
    """
    names = ("x_hat", "mu", "logvar")
    leaves = [tensor.double().requires_grad_() for tensor in inputs]
    loss(*leaves).backward()
    # The sigmoid that x_hat comes from needs it unchanged for its gradient.
    held = [student.put(inputs[0], like="sigmoid"), student.put(inputs[1], like="data")]
    held += map(student.put, inputs[2:])
    student.left_disabled()
    value = student.loss_function(*held)
    if student.left_disabled():
        raise disabling("loss_function")
    expect_untouched(student, "loss_function", {"x": held[1]})
    found = student.gradients([(value, torch.tensor(1.0))], [held[0], held[2], held[3]])
    for name, (gradient,), leaf in zip(names, found, (leaves[0], leaves[2], leaves[3]), strict=True):
        if gradient is None:
            raise Mistake(
                f"The loss has no gradient with respect to {name}, so the model cannot learn from it.",
                "Look for detach(), .data, .item(), float(...), torch.no_grad() and torch.tensor(...).",
            )
        if leaf.grad is not None and not close(gradient, leaf.grad, 1e-3):
            raise Mistake(f"The gradient of the loss with respect to {name} is not the right one.")
