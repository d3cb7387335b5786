"""The training run: it trains as the notebook does, believes its own loss alone, and can cost nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from apart import REFERENCE, ROWS
from PIL import Image
from torch.nn import functional as F

from autograder import (
    account,
    device,
    digits,
    drawing,
    fit,
    pictures,
    sandbox,
    trainer,
    training,
    verify,
    watch,
)
from autograder.results import Row
from autograder.schedule import Schedule, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apart import Apart

ROOT = Path(__file__).parents[1]
TRAIN, TEST = 1_280, 200  # drawn digits
PARTS = ("encoder", "mu_layer", "logvar_layer", "decoder")
REAL_ROOT = os.environ.get(digits.VARIABLE)
GOAL = fit.Goal("VAE", threshold=193, steps=60, every=10, epoch=10, usual=60)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A few drawn digits in a file as the worker gets it, those for training first."""
    with tempfile.TemporaryDirectory(prefix="few-digits-") as name:
        path = Path(name) / "few.raw"
        few(path)
        yield path


def few(path: Path) -> digits.Digits:
    """Draw a few digits, or read those that were drawn before; the thresholds are for them alone."""
    if not path.exists():
        path.parent.chmod(0o755)  # the worker is another user
        found, labels = drawing.draw(TRAIN + TEST, 1)
        path.write_bytes(found.numpy().tobytes() + labels.numpy().tobytes())
    found, labels = digits.map_raw(path)
    thresholds = {"VAE": GOAL.threshold, "CVAE": GOAL.threshold}
    some = found[:TRAIN], labels[:TRAIN], found[TRAIN:], labels[TRAIN:]
    return digits.Digits("a few digits", "a few digits", *some, thresholds, GOAL.steps)


# --- One model: how a training can end ---


@dataclass(frozen=True)
class Ran:
    """How one model's training ended, as far as it can be sent from process to process."""

    ending: str
    told: str  # all that the student is told
    losses: list[float]
    checks: list[tuple[int, float]]
    asked: list[str]


@contextlib.contextmanager
def places(source: str, number: int = 1, method: str = "") -> Iterator[list[sandbox.Sandbox]]:
    """Open sandboxes for a vae.py."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="handed-in-")))
        (folder / "vae.py").write_text(source, encoding="utf-8")
        nndl2 = ROOT / "student_template" / "nndl2"
        starters = [
            stack.enter_context(contextlib.closing(sandbox.open_starter(method))) for _ in range(number)
        ]
        yield [sandbox.Sandbox(starter, folder, nndl2, watch.Limits()) for starter in starters]


def fitted(
    source: str,
    path: Path,
    goal: fit.Goal = GOAL,
    right: Sequence[str] = PARTS,
    seed: int = 3,
    **more: Any,
) -> Ran:
    """Train one model of a vae.py on a few digits."""
    data = few(path)
    schedule = Schedule(question=more.pop("question", 30))
    with places(source) as (place,):
        data.save_raw(path.with_name(f"{os.getpid()}.raw"))
        stage = fit.Stage(
            data=path.with_name(f"{os.getpid()}.raw"),
            images=data.test_images.float() / 255,
            classes=F.one_hot(data.test_labels.long(), 10).float(),
            seed=seed,
            device="cpu",
            deadline=time.monotonic() + more.pop("budget", 100),
            schedule=schedule,
            hurried=more.pop("hurried", False),
            stop=threading.Event(),
            show=lambda _: None,
        )
        found = training.train_one(place, goal, stage, set(right))
    told = "\n".join([account.describe(found), *account.explain(found, ["5.1"])])
    checks = [(step, loss.total) for step, loss in found.checks]
    return Ran(found.ending, told, found.losses, checks, found.verifier.asked if found.verifier else [])


def changed(*replacements: tuple[str, str], end: str = "") -> str:
    """Change the reference."""
    source = REFERENCE
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    return source + end


RETURN = "    return (reconstruction + divergence) / x.shape[0]\n"
# Lines that do something at one step alone.
AT_STEP = (
    "    STEPS.append(0)\n    if len(STEPS) == {step}:\n        {what}\n"
    "    return (reconstruction + divergence) / x.shape[0]\n"
)
STEPS = "\nSTEPS = []\n"


def at_step(step: int, what: str) -> str:
    """Change loss_function so that something happens at one step."""
    return changed((RETURN, AT_STEP.format(step=step, what=what)), end=STEPS)


# what is wrong: vae.py, the ending, what the student is told
WRONG: dict[str, tuple[str, str, Sequence[str]]] = {
    "the loss is not averaged over the batch": (
        changed((RETURN, "    return reconstruction + divergence\n")),
        "reached",
        ["is not averaged over the batch"],
    ),
    "the KL divergence is subtracted": (
        changed((RETURN, "    return (reconstruction - divergence) / x.shape[0]\n")),
        "diverged",
        ["no right loss is negative; a term of it is subtracted"],
    ),
    "the loss is a number": (
        changed((RETURN, "    return float(reconstruction + divergence)\n")),
        "broken",
        ["at step 1", "loss_function returned float, not a tensor"],
    ),
    "the loss has no gradient": (
        changed((RETURN, "    return (reconstruction + divergence).detach()\n")),
        "broken",
        ["at step 1", "does not require grad"],
    ),
    "the loss is averaged over the pixels": (
        changed((RETURN, "    return reconstruction / x.numel() + divergence / x.shape[0]\n")),
        "",
        ["the BCE is averaged over the pixels", "the images leave no trace in z"],
    ),
    "the loss is always 0": (
        changed((RETURN, "    return 0 * (reconstruction + divergence)\n")),
        "stuck",
        ["No gradient reaches encoder.1.weight, ", "Your loss_function says 0 where the right loss is 54"],
    ),
    "x_hat is detached": (
        changed(("        return x_hat, mu, logvar\n", "        return x_hat.detach(), mu, logvar\n")),
        "stuck",
        ["No gradient reaches decoder.0.weight, "],
    ),
    "z is not used": (
        changed(("self.decoder(z)", "self.decoder(0 * z)")),
        "",
        ["the images leave no trace in z"],
    ),
    "the loss is NaN": (
        at_step(7, "return x.sum() * float('nan')"),
        "NaN",
        ["no number at step 7", "loss_function itself made it. log(0) does"],
    ),
    "a gradient is NaN": (
        at_step(5, "divergence = divergence + torch.sqrt(0 * mu.abs()).sum()"),
        "NaN",
        ["no number at step 6", "The gradient of step 5 was no number"],
    ),
    "logvar overflows": (
        changed(("logvar = self.logvar_layer(features)", "logvar = 1e5 + self.logvar_layer(features)")),
        "NaN",
        ["no number at step 1", "does exp overflow?"],
    ),
    "mu is NaN": (
        changed(("mu = self.mu_layer(features)", "mu = 0 / (0 * self.mu_layer(features))")),
        "NaN",
        ["forward gave a mu or logvar that is no number"],
    ),
    "it raises later": (
        at_step(8, "raise ValueError('eight')"),
        "broken",
        ["at step 8", "raised ValueError: eight", "vae.py, line "],
    ),
    "it ends the process": (at_step(4, "import os; os._exit(7)"), "broken", ["exit code 7"]),
    "it hangs": (at_step(4, "import time; time.sleep(60)"), "broken", ["did not answer within 2 seconds"]),
    "it has no CVAE": (changed(("class VAE(", "class WAE(")), "broken", ["There is no `VAE` in your vae.py"]),
    "its parameters are replaced": (
        at_step(4, "import gc; [setattr(m.decoder, '0', torch.nn.Linear(16, 400)) for m in gc.get_objects() "
                   "if isinstance(m, VAE)]"),
        "broken",
        ["at step 5"],
    ),
    "its encoder gives fewer features than its layers take": (
        REFERENCE + "\nclass VAE(VAE):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n"
        "        self.encoder[5] = nn.Linear(400, 300)\n",
        "broken",
        ["at step 1", "VAE.mu_layer takes 400 numbers for each image; it is given 300."],
    ),
    "its encoder gives a single number": (
        REFERENCE + "\nclass One(nn.Sequential):\n    def forward(self, x):\n        return super().forward(x).sum()\n"
        "\nclass VAE(VAE):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n"
        "        self.encoder = One(*self.encoder)\n",
        "broken",
        ["at step 1", "VAE.encoder gives shape ()"],
    ),
    # All of them, four of hundreds, would take hours to look through.
    "its decoder has hundreds of layers, and computes something else": (
        REFERENCE + "\nclass Half(nn.Sequential):\n    def forward(self, x):\n        return super().forward(x) / 2\n"
        "\nclass VAE(VAE):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n"
        "        self.decoder = Half(*self.decoder)\n"
        "        self.decoder[0].more = nn.ModuleList(nn.Linear(3, 3) for _ in range(490))\n",
        "broken",
        ["at step 1", "VAE.decoder has 988 parameters' tensors, far more than a right one."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_trouble_is_told_with_its_step_and_likely_cause(name: str, apart: Apart, images: Path) -> None:
    """What goes wrong in training is told: how it ended, at which step, and what the cause may be."""
    source, ending, told = WRONG[name]
    more: dict[str, Any] = {"question": 2} if name == "it hangs" else {}
    goal = GOAL if ending == "reached" else replace(GOAL, threshold=150)
    ran: Ran = apart(partial(fitted, **more), source, images, goal).value
    assert [text for text in told if text not in ran.told] == [], ran
    assert ran.ending == ending if ending else ran.ending != "broken", ran


RIGHT = verify.Loss(95.0, 25.0)
SLIPS = {
    "it is not averaged over the batch": 128 * 120.0,
    "only the KL divergence is averaged over the batch": 128 * 95 + 25.0,
    "the KL divergence is not averaged over the batch": 95 + 128 * 25.0,
    "the KL divergence is missing": 95.0,
    "the KL divergence is subtracted": 70.0,
    "the BCE is averaged over the pixels, not summed": 95 / 784 + 25,
    "it is averaged over pixels and latents, not summed": 95 / 784 + 25 / 15,
    "it is divided by the number of pixels": 120 / 784,
    "it is divided by the batch size twice": 120 / 128,
    "see row 5.1": 5_000.0,
    "": 118.0,
}


@pytest.mark.parametrize("cause", SLIPS)
def test_what_loss_function_says_is_compared(cause: str) -> None:
    """A wrong loss_function is known by what it says; where it says what is right, nothing is said."""
    found = fit.Fit(GOAL, losses=[SLIPS[cause] * (1 + 0.02 * (-1) ** i) for i in range(20)])
    found.checks = [(0, verify.Loss(500, 0)), (10, RIGHT), (20, RIGHT)]
    assert [line.partition(": ")[2] for line in account.explain(found, ["5.1"])] == (
        [f"{cause}."] if cause else []
    )


@pytest.mark.parametrize(
    ("kind", "lost", "words"),
    [
        ("VAE", ["3.1", "3.2", "6.1"], ": see rows 3.1, 3.2."),
        ("CVAE", ["1.2", "6.3"], ": see row 6.3."),
        ("VAE", ["6.3"], " loss is 120 there."),
    ],
)
def test_a_right_loss_function_is_not_blamed(kind: str, lost: list[str], words: str) -> None:
    """Where 5.1 is passed, a loss that differs is charged to the model's lost rows, however it could be explained."""
    found = fit.Fit(replace(GOAL, kind=kind), ending="reached", losses=[95.0] * 20)
    found.checks = [(0, verify.Loss(500, 0)), (10, RIGHT), (20, RIGHT)]
    judged = [row(number, "mistake" if number in lost else "") for number in ROWS]
    made = row("T")
    training.sum_up(made, [found], {}, "a few digits", judged)
    line = made.output.splitlines()[-1].strip()
    assert line.startswith("Your loss_function, which row 5.1 found right, says 95 before step 10,")
    assert line.endswith(words)


@pytest.mark.parametrize("kind", ["VAE", "CVAE"])
def test_right_models_reach_the_threshold(kind: str, apart: Apart, images: Path) -> None:
    """A right model falls below the threshold, and training stops at once, with nothing to explain."""
    ran: Ran = apart(fitted, REFERENCE, images, replace(GOAL, kind=kind)).value
    assert (ran.ending, ran.asked) == ("reached", [])
    assert ran.told.count("\n") == 0
    assert ran.checks[0][1] == pytest.approx(544, abs=3)
    assert ran.checks[-1][1] < GOAL.threshold <= ran.checks[-2][1]


def test_same_seed_same_curve(apart: Apart, images: Path) -> None:
    """The same submission with the same seed gives the same curve; another seed gives another."""
    source = changed(
        ("eps = torch.randn_like(sigma)", "eps = torch.tensor(RNG.normal(size=sigma.shape)).float()")
    )
    source += "\nimport numpy, random\nclass RNG:\n    normal = staticmethod(lambda size: numpy.random.randn(*size))\n"
    for text in (REFERENCE, source):
        runs: list[Ran] = [apart(fitted, text, images, GOAL, PARTS, seed).value for seed in (5, 5, 6)]
        assert (runs[0].losses, runs[0].checks) == (runs[1].losses, runs[1].checks)
        assert runs[0].checks != runs[2].checks


def test_a_lie_about_the_loss_changes_nothing(apart: Apart, images: Path) -> None:
    """Only what the parameters are worth counts, not what loss_function says."""
    lie = changed(
        (
            RETURN,
            "    right = (reconstruction + divergence) / x.shape[0]\n    return right - right.detach() + 5\n",
        )
    )
    honest: Ran = apart(fitted, REFERENCE, images).value
    liar: Ran = apart(fitted, lie, images).value
    assert liar.checks == honest.checks
    assert set(liar.losses) == {5.0}
    assert "Your loss_function says 5 where the right loss is" in liar.told


OTHER_WAYS = {
    "the layers are registered backwards": (
        "VAE",
        changed(
            (
                "        self.decoder = nn.Sequential(\n            nn.Linear(latent_size, self.hidden_dim),",
                "        self.decoder = Backwards(\n            nn.Linear(latent_size, self.hidden_dim),",
            ),
            end="\nclass Backwards(nn.Module):\n    def __init__(self, *steps):\n        super().__init__()\n"
            "        self.kept = nn.ModuleList(reversed(steps))\n    def forward(self, x):\n"
            "        for step in reversed(self.kept):\n            x = step(x)\n        return x\n",
        ),
        [],
    ),
    "the class stands before the pixels": (
        "CVAE",
        changed(("torch.cat([x.flatten(1), c], dim=1)", "torch.cat([c, x.flatten(1)], dim=1)")),
        [],
    ),
    "a part is not what its parameters say": (
        "VAE",
        changed(
            ("            nn.Sigmoid(),  # each", "            Sharp(),  # each"),
            end="\nclass Sharp(nn.Module):\n    def forward(self, x):\n        return torch.sigmoid(1.3 * x)\n",
        ),
        ["decoder"],
    ),
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_parts_are_understood_or_asked(name: str, apart: Apart, images: Path) -> None:
    """Layers in any order, and classes on either side, are understood; any other part is asked for its outputs."""
    kind, source, asked = OTHER_WAYS[name]
    ran: Ran = apart(fitted, source, images, replace(GOAL, kind=kind, threshold=196)).value
    assert (ran.ending, ran.asked) == ("reached", asked)


@pytest.mark.parametrize("kind", ["VAE", "CVAE"])
def test_what_the_parts_say_agrees_with_their_parameters(kind: str, apart: Apart, images: Path) -> None:
    """Where the rows did not find parts right, the worker's outputs give the same loss, and that is said."""
    goal = replace(GOAL, kind=kind, steps=20)
    asked: Ran = apart(fitted, REFERENCE, images, goal, []).value
    known: Ran = apart(fitted, REFERENCE, images, goal).value
    assert asked.asked == list(PARTS)
    assert "Judged by what your code says for encoder, mu_layer, logvar_layer, decoder" in asked.told
    assert [loss for _, loss in asked.checks] == pytest.approx([loss for _, loss in known.checks], rel=1e-5)


BUDGETS: dict[str, tuple[dict[str, Any], str]] = {
    "no time at all": ({"budget": 0}, "out of time"),
    "too little, in a hurry": ({"budget": 15, "hurried": True}, "too slow"),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_the_budget_is_kept(name: str, apart: Apart, images: Path) -> None:
    """Training ends when its time is over; where it may step aside, as soon as it sees that this will be so."""
    more, ending = BUDGETS[name]
    goal = replace(GOAL, threshold=1, steps=100_000, usual=100_000, epoch=1_000)
    begin = time.monotonic()
    ran: Ran = apart(partial(fitted, **more), REFERENCE, images, goal).value
    assert ran.ending == ending
    assert time.monotonic() - begin < 60
    assert len(ran.losses) <= 20


# --- The mathematics ---


def load(name: str, path: Path) -> Any:
    """Import a module from its file."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def by_the_notebook(path: Path, epochs: int, kind: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Train by nndl2.helper.train_vae and by the worker's loop, on the same batches; return both's parameters."""
    torch.set_num_threads(1)
    vae = load("vae", ROOT / "reference" / "vae.py")
    helper = load("helper", ROOT / "student_template" / "nndl2" / "helper.py")
    data = few(path)

    torch.manual_seed(1)
    first = getattr(vae, kind)(784)
    labels = data.train_labels if kind == "CVAE" else None
    run = trainer.Training(first, vae.loss_function, data.train_images, labels, 7)
    run.adam.update = trainer.plain_adam  # the fused one rounds otherwise, and that grows from step to step
    run.go(10 * epochs, 1e9)

    torch.manual_seed(1)
    second = getattr(vae, kind)(784)
    generator = torch.Generator().manual_seed(7)
    for epoch in range(epochs):
        order = torch.randperm(TRAIN, generator=generator)
        loader = [(data.train_images[b].float() / 255, data.train_labels[b].long()) for b in order.split(128)]
        helper.train_vae(epoch, second, loader, cond=kind == "CVAE")
    return list(first.parameters()), list(second.parameters())


@pytest.mark.parametrize("kind", ["VAE", "CVAE"])
def test_it_trains_as_the_notebook_does(kind: str, apart: Apart, images: Path) -> None:
    """On the same batches, the worker's loop and nndl2.helper.train_vae end at the same parameters."""
    ours, theirs = apart(by_the_notebook, images, 3, kind).value
    for mine, other in zip(ours, theirs, strict=True):
        assert float((mine - other).detach().norm()) <= 1e-5 * float(other.detach().norm())


@pytest.mark.parametrize("fused", [True, False])
def test_adam_is_torchs(*, fused: bool) -> None:
    """Adam computes what torch.optim.Adam does, also for parameters that get no gradient at times."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (5,), (3,)]
    ours = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    theirs = [p.detach().clone().requires_grad_() for p in ours]
    mine, other = trainer.Adam(ours), torch.optim.Adam(theirs, lr=1e-3)
    mine.update = trainer.fused_adam if fused else trainer.plain_adam
    for _ in range(25):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator) * 10 ** random.Random(1).uniform(-4, 4)
            q.grad = p.grad.clone()
        ours[2].grad = theirs[2].grad = None
        mine.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.allclose(p, q, rtol=1e-6, atol=1e-7)


def test_adam_without_the_fused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch has no fused Adam, or parameters are of a kind that it does not take, the plain one serves."""
    assert trainer.Adam([torch.zeros(2)]).update is trainer.fused_adam
    assert trainer.Adam([torch.zeros(2, dtype=torch.float16)]).update is trainer.plain_adam
    monkeypatch.delattr(torch, "_fused_adam_")
    assert trainer.Adam([torch.zeros(2)]).update is trainer.plain_adam


def test_products_stay_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library oneDNN is preferred only where its products are as exact as float32 allows."""
    backend: Any = torch.backends.mkldnn
    matmul = backend.matmul
    before = matmul.fp32_precision
    monkeypatch.setattr(F, "linear", lambda a, b: (a.bfloat16() @ b.bfloat16().T).float())
    trainer.prefer_onednn()
    assert matmul.fp32_precision == before
    monkeypatch.undo()
    try:
        trainer.prefer_onednn()
        a, b = torch.randn(128, 784), torch.randn(400, 784)
        right = a.double() @ b.double().T
        assert (F.linear(a, b).double() - right).norm() < 1e-6 * right.norm()
    finally:
        matmul.fp32_precision = before


def test_batches_are_the_notebooks() -> None:
    """Each epoch takes each image once, in a new order, in batches of 128, and drops the rest."""
    model = torch.nn.Linear(1, 1)
    run = trainer.Training(model, None, torch.zeros(300, 1, 28, 28, dtype=torch.uint8), None, 1)
    batches = [next(run.batches).tolist() for _ in range(4)]
    assert [len(batch) for batch in batches] == [128] * 4
    first, second = {*batches[0], *batches[1]}, {*batches[2], *batches[3]}
    assert len(first) == len(second) == 256
    assert batches[0] != batches[2]


# --- The row ---


def row(number: str, ending: str = "", output: str = "Passed.") -> Row:
    """A row of the rubric, passed or not."""
    status = "failed" if ending else "passed"
    extra = {"ending": ending} if ending else {}
    return Row(
        number=number, name=number, status=status, score=float(not ending), output=output, extra_data=extra
    )


def rows(**endings: str) -> list[Row]:
    """All rows, passed but for those named, as in _4_1="raised"."""
    return [row(n, endings.get("_" + n.replace(".", "_"), ""), f"What became of {n}.") for n in ROWS]


def ran(source: str, path: Path, judged: Sequence[Row], patch: str = "", number: int = 2, **more: Any) -> Row:
    """Make the row of a vae.py on a few digits."""
    patched = SimpleNamespace(training=training, digits=digits, torch=torch, few=partial(few, path))
    digits.load = lambda *_args, **_named: few(path)
    training.OFTEN = 10
    exec(patch, vars(patched))  # noqa: S102 - the tests' own
    method = more.pop("method", "")
    settings = Settings(**{"mode": "always", **more})
    with places(source, number, method) as opened:
        return training.run(judged, opened, 1 << 40, settings)


@pytest.mark.parametrize("number", [2, 1])
def test_row(number: int, apart: Apart, images: Path, tmp_path: Path) -> None:
    """Both models are trained, side by side or one after the other; the row informs, and has pictures."""
    folder = tmp_path / "x-training"
    made: Row = apart(partial(ran, number=number, folder=folder), REFERENCE, images, rows()).value
    assert (made.status, made.extra_data["ending"], made.score, made.max_score) == (
        "passed",
        "reached",
        None,
        None,
    )
    assert made.name == "Training run: both models reach a verified loss below 193 (no points)"
    assert made.output.splitlines()[0] == "Trained on 1,280 images (a few digits), on the CPU."
    assert [line.split(":")[0] for line in made.output.splitlines()[1:]] == ["VAE", "CVAE"]
    models = made.extra_data["models"]
    for kind in ("VAE", "CVAE"):
        assert models[kind]["verified"][0][0] == 0
        assert models[kind]["verified"][-1][1] < GOAL.threshold
        assert models[kind]["steps"] == models[kind]["verified"][-1][0]
    assert 0 <= made.extra_data["seed"] < 1 << 31
    named = [picture["file"] for picture in made.extra_data["pictures"]]
    stems = ["loss", "vae-samples", "vae-interpolation", "vae-reconstructions"]
    assert named == [f"x-training/{stem}.png" for stem in [*stems, "cvae-classes", "cvae-reconstructions"]]
    assert {Path(name).stem for name in named} == {*pictures.NAMES}  # which the next run would remove
    assert all(len(picture["alt"]) > 20 for picture in made.extra_data["pictures"])
    for name in named:
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            assert max(picture.size) <= 700
    assert sum((tmp_path / name).stat().st_size for name in named) < 220_000


def test_row_on_gradescope(apart: Apart, images: Path) -> None:
    """On Gradescope the row is HTML with pictures in it, at most 300 KB, and a student's text is no HTML."""
    source = at_step(45, "raise ValueError('<script>alert(1)</script>')")
    source = source.replace("RIGHT", "").replace("def loss_function", "def loss_function")
    made: Row = apart(partial(ran, embed=True), source, images, rows(_2_1="mistake")).value
    assert made.output_format == "html"
    assert made.output.count("<img alt=") >= 2
    assert 'src="data:image/png;base64,' in made.output
    assert len(made.output) < 310_000
    assert "<script>" not in made.output


def test_pictures_that_do_not_fit_are_left_out() -> None:
    """Embedded pictures stop short of 300 KB, however large they are; the text stays."""
    large = [pictures.Picture(str(i), "a <b>", bytes(100_000)) for i in range(5)]
    made = pictures.embed("5 < 6\nand so on", large)
    assert made.startswith("<p>5 &lt; 6<br>and so on</p>")
    assert made.count("<img") == 2
    assert "<b>" not in made
    assert len(made) < 300_500


ASIDE: dict[str, tuple[dict[str, Any], list[Row], str, str]] = {
    "never": ({"mode": "never"}, rows(), "passed", "it was switched off (--train never)."),
    "nothing is right": (
        {"mode": "auto"},
        [row(n, "raised") for n in ROWS],
        "failed",
        "no other row is passed yet.",
    ),
    "a row hung": ({"mode": "auto"}, rows(_4_1="too slow"), "passed", "row 4.1 ended with: too slow."),
    "nothing is written": (
        {},
        rows(_5_1="unfinished"),
        "failed",
        "there is nothing to train yet: row 5.1: What became of 5.1.",
    ),
}


@pytest.mark.parametrize("name", ASIDE)
def test_stepping_aside(name: str, apart: Apart, images: Path) -> None:
    """The row says why it was not run: no failure where it was not wanted, no success where nothing is there yet."""
    more, judged, status, why = ASIDE[name]
    made: Row = apart(partial(ran, **more), REFERENCE, images, judged).value
    assert (made.status, made.extra_data["ending"], made.output) == (status, "not run", f"Not run: {why}")


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [({"VAE": 120.0, "CVAE": 120.0}, "120"), ({"VAE": 168.0, "CVAE": 160.5}, "168 (VAE) and 160.5 (CVAE)")],
)
def test_title_names_the_thresholds(thresholds: dict[str, float], said: str) -> None:
    """The row's title names the thresholds of the images that were taken."""
    assert training.below(thresholds) == said


def test_one_model_is_trained_where_the_other_is_not_there(apart: Apart, images: Path) -> None:
    """A VAE is trained though there is no CVAE yet; the row is not passed, and says which is missing."""
    made: Row = apart(ran, REFERENCE, images, rows(_6_3="unfinished")).value
    assert (made.status, made.extra_data["ending"]) == ("failed", "unfinished"), made
    assert "CVAE: not trained: row 6.3: What became of 6.3." in made.output
    assert made.extra_data["models"].keys() == {"VAE"}


def test_a_failure_is_the_rows_own(apart: Apart, images: Path) -> None:
    """A model that learns nothing fails this row, which has no points to lose."""
    made: Row = apart(
        ran, changed((RETURN, "    return 0 * (reconstruction + divergence)\n")), images, rows()
    ).value
    assert (made.status, made.score, made.max_score) == ("failed", None, None)
    assert made.extra_data["ending"] == "stuck"


def test_a_fault_of_ours_is_told_and_costs_nothing(apart: Apart, images: Path) -> None:
    """Whatever fails in the training run itself is named as such, and is no fault of the grading."""
    patch = "def load(*_, **__): raise OSError('no disk')\ndigits.load = load"
    made: Row = apart(ran, REFERENCE, images, rows(), patch).value
    assert (made.status, made.score, made.fault) == ("failed", None, False)
    assert made.extra_data["ending"] == "training fault"
    assert "no disk" in made.extra_data["fault"]
    assert "no fault of yours" in made.output


def test_a_gpu_that_cannot_be_used(apart: Apart, images: Path) -> None:
    """Where the student's code, or the sandbox, cannot use the GPU, training goes on on the CPU, and says so."""
    made: Row = apart(ran, REFERENCE, images, rows(), "torch.cuda.is_available = lambda: True").value
    assert made.extra_data["ending"] == "reached"
    assert "on the CPU" in made.output
    assert "The GPU could not be used: " in made.output


def test_a_verdict_without_pictures(apart: Apart, images: Path, tmp_path: Path) -> None:
    """Where pictures cannot be written, the verdict stands, and the record says why there are none."""
    (tmp_path / "file").write_text("no folder")
    made: Row = apart(partial(ran, folder=tmp_path / "file"), REFERENCE, images, rows()).value
    assert made.extra_data["ending"] == "reached"
    assert "FileExistsError" in made.extra_data["picture_fault"]


def test_no_picture_goes_through_a_link(apart: Apart, images: Path, tmp_path: Path) -> None:
    """Where the pictures' folder is a link, nothing is written or removed, the row says so, and the verdict stands."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "loss.png").write_bytes(b"mine")
    (tmp_path / "x-training").symlink_to(tmp_path / "mine")
    made: Row = apart(partial(ran, folder=tmp_path / "x-training"), REFERENCE, images, rows()).value
    assert made.extra_data["ending"] == "reached"
    assert "There are no pictures: x-training is a link, and nothing is written through it." in made.output
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["loss.png"]
    assert (tmp_path / "mine" / "loss.png").read_bytes() == b"mine"


def test_only_own_pictures_are_replaced(tmp_path: Path) -> None:
    """Older pictures of ours are removed, others stay, and links among them are replaced and not followed."""
    folder, mine = tmp_path / "x-training", tmp_path / "mine"
    folder.mkdir()
    mine.write_bytes(b"mine")
    (folder / "holiday.png").write_bytes(b"theirs")
    (folder / "vae-samples.png").write_bytes(b"old")
    (folder / "loss.png").symlink_to(mine)
    training.show_pictures(row("T"), [pictures.Picture("loss", "A curve.", b"new")], Settings(folder=folder))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "holiday.png": b"theirs",
        "loss.png": b"new",
    }
    assert mine.read_bytes() == b"mine"


def test_one_training_at_a_time_on_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever finds the GPU busy waits for it, and steps aside when the time is over."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with device.turn("cuda", time.monotonic() + 9):
        with pytest.raises(device.BusyError, match="kept the GPU busy"):
            device.turn("cuda", time.monotonic() + 0.3).__enter__()
        with device.turn("cpu", time.monotonic()):
            pass
    with device.turn("cuda", time.monotonic() + 9):
        pass


def test_a_started_worker_trains_too(apart: Apart, images: Path) -> None:
    """Where there is no fork, workers that are started afresh train just as well."""
    made: Row = apart(partial(ran, method="spawn"), REFERENCE, images, rows()).value
    assert made.extra_data["ending"] == "reached", made


def progress(path: Path) -> list[str]:
    """Collect the lines that are shown while a model is trained."""
    lines: list[str] = []
    ran(REFERENCE, path, rows(), progress=lines.append)
    return lines


def test_progress_is_shown(apart: Apart, images: Path) -> None:
    """While it trains, a line tells the epoch, both losses and the time left of each model."""
    lines = apart(progress, images).value
    assert lines
    assert all(" epoch " in line and "verified " in line and " s left" in line for line in lines)
    assert " | " in lines[-1]


# --- The real digits ---


def graded(root: Path | None, budget: float) -> Row:
    """Train the reference on the digits that there are."""
    settings = Settings("always", root, download=False, schedule=Schedule(budget=budget))
    with places(REFERENCE, 2) as opened:
        return training.run(rows(), opened, 1, settings)


@pytest.mark.slow
def test_drawn_digits(apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MNIST, both models reach the drawn digits' thresholds."""
    monkeypatch.delenv(digits.VARIABLE, raising=False)
    made: Row = apart(graded, tmp_path, 250, seconds=280).value
    assert made.extra_data["data"] == "drawn digits"
    assert made.extra_data["ending"] == "reached", made


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(REAL_ROOT is None, reason="VAE_AUTOGRADER_DATA does not say where MNIST is")
def test_mnist(apart: Apart) -> None:
    """On MNIST, both models reach a verified loss below 120 within ten epochs."""
    made: Row = apart(graded, Path(REAL_ROOT or ""), 800, seconds=850).value
    assert made.extra_data["data"] == "MNIST"
    assert made.extra_data["ending"] == "reached", made
