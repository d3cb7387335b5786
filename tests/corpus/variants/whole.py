"""Right submissions as whole files, and the reference solution in other bytes or with more around it."""

from pathlib import Path

from corpus.edits import Edit, Variant, define, finished, reference

__all__ = ["VARIANTS"]

# They end in .txt, for they are data: neither formatted nor checked.
FILES = [
    Variant(f"file-{path.stem}", source=path.read_bytes())
    for path in sorted(Path(__file__).with_name("files").glob("*.txt"))
]


def written(name: str, old: str, new: str, encoding: str = "utf-8") -> Variant:
    """The reference solution in other bytes."""
    text = finished(reference())
    if old not in text:
        raise LookupError(old)
    return Variant(f"bytes-{name}", source=text.replace(old, new).encode(encoding))


IMPORTS = "import torch\n"
COOKIE = "# -*- coding: {} -*-\n# Grüße von José\n"
BYTES = [
    Variant("bytes-reference", source=finished(reference()).encode()),
    Variant("bytes-with-the-marks", source=reference().encode()),
    written("byte-order-mark", IMPORTS, IMPORTS, "utf-8-sig"),
    written("windows-lines", "\n", "\r\n"),
    written("old-mac-lines", "\n", "\r"),
    written("form-feeds", "\n\n\nclass ", "\n\f\n\nclass "),
    written("tabs", "    ", "\t"),
    written("no-newline-at-the-end", "/ x.shape[0]\n", "/ x.shape[0]"),
    written("trailing-blanks", "\n", "   \n"),
    written("umlauts", IMPORTS, f"# Grüße — 讓我們開始 🙂\n{IMPORTS}"),
    written("greek-names", "sigma", "\N{GREEK SMALL LETTER SIGMA}"),
    # A cookie counts only in the first two lines.
    Variant("bytes-latin-1", source=(COOKIE.format("latin-1") + finished(reference())).encode("latin-1")),
    Variant("bytes-windows-1252", source=(COOKIE.format("cp1252") + finished(reference())).encode("cp1252")),
]

AROUND = [
    Variant(
        "around-no-hello",
        (Edit("file", 'def hello_vae() -> None:\n    """Print', 'def hallo() -> None:\n    """Print'),),
    ),
    Variant(
        "around-matplotlib-and-torchvision",
        (
            Edit(
                "file",
                IMPORTS,
                f"import matplotlib.pyplot as plt\n{IMPORTS}import torchvision\nfrom torchvision "
                "import datasets, transforms\n",
            ),
        ),
    ),
    Variant(
        "around-helper-package",
        (
            Edit(
                "file",
                IMPORTS,
                f"from nndl2.helper import *\nfrom nndl2.grad import rel_error\n{IMPORTS}"
                "from nndl2.utils import reset_seed\nreset_seed(0)\n",
            ),
        ),
    ),
    Variant(
        "around-future-annotations",
        (Edit("file", IMPORTS, f"from __future__ import annotations\n\n{IMPORTS}"),),
    ),
    Variant(
        "around-seeds-at-import", (Edit("file", "def hello_vae", "torch.manual_seed(42)\n\n\ndef hello_vae"),)
    ),
    Variant(
        "around-settings-at-import",
        (
            Edit(
                "file",
                "def hello_vae",
                """torch.set_printoptions(precision=3, sci_mode=False)
torch.set_default_dtype(torch.float32)
torch.autograd.set_detect_anomaly(True)
torch.set_num_threads(1)


def hello_vae""",
            ),
        ),
    ),
    *(
        Variant(f"around-{name}", (Edit("file", "def hello_vae", f"{code}\n\n\ndef hello_vae"),))
        for name, code in {
            "two-threads": "torch.set_num_threads(2)",
            "four-threads": "torch.set_num_threads(4)",
            "flushed-denormals": "torch.set_flush_denormal(True)",
            "deterministic-algorithms": "torch.use_deterministic_algorithms(True)",
            "highest-precision": 'torch.set_float32_matmul_precision("highest")',
            "another-library-for-products": "torch.backends.mkldnn.enabled = False",
            "shared-memory": "nn.Linear(2, 2).share_memory()",
        }.items()
    ),
    Variant(
        "around-warnings",
        (
            Edit(
                "file",
                "def hello_vae",
                """import warnings

warnings.warn("this file is not finished", UserWarning)
warnings.filterwarnings("ignore")


def hello_vae""",
            ),
        ),
    ),
    Variant(
        "around-looks-at-the-machine",
        (
            define(
                """import os, platform, psutil, shutil, subprocess, sys

print(platform.platform(), psutil.virtual_memory().total, shutil.disk_usage(".").free, os.getloadavg())
try:
    print(subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=True).stdout)
except (FileNotFoundError, subprocess.CalledProcessError):
    print("no GPU")
os.system("nvidia-smi")
memory = [int(line) for line in os.popen("nvidia-smi -q | grep Free").read().split()]
version = subprocess.getoutput("git rev-parse HEAD")
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "einops"])
subprocess.run("nvidia-smi", shell=True, stderr=subprocess.STDOUT)"""
            ),
        ),
    ),
    Variant(
        "around-modules-that-are-not-here",
        (
            define(
                """import absent_plots as plots, absent_plots.style
from absent_bars.auto import bars, trange as r
from check_of_the_notebook import check

plots.set_theme("dark")


@bars.timed
def train(model, steps: bars.Steps | None = None):
    for _ in bars(range(9)):
        check("encoder")"""
            ),
        ),
    ),
    Variant(
        "around-an-installation-where-it-is-missing",
        (
            define("""
                import os
                import warnings

                try:
                    from absent_plots import summary
                except ImportError:
                    os.system("pip install absent-plots")
                    from absent_plots import summary
                with warnings.catch_warnings():
                    import absent_bars as bars
                bars.settings["size"] = len(bars.all())
                assert bars.__version__ > "0.10", "too old"
            """),
        ),
    ),
    Variant(
        "around-what-several-processes-share",
        (
            define("""
                import multiprocessing as mp
                from concurrent.futures import ProcessPoolExecutor

                import torch.multiprocessing as torch_mp

                lock, done, steps = mp.Lock(), torch_mp.Event(), mp.Value("i", 0)
                with lock, steps.get_lock():
                    steps.value += 1
                mp.Queue().put(mp.get_context("spawn").Barrier(2))
                pool = ProcessPoolExecutor(2)
            """),
        ),
    ),
    Variant(
        "around-the-process-itself",
        (
            define("""
                import os

                import psutil

                me = psutil.Process(os.getpid())
                print(me.memory_info().rss, psutil.boot_time(), psutil.virtual_memory().total)
                print(open("/proc/self/status").read())
            """),
        ),
    ),
    Variant(
        "around-a-screen",
        (
            define("""
                import matplotlib as mpl

                mpl.use("Qt5Agg")
                import matplotlib.pyplot as plt

                plt.switch_backend("TkAgg")
                plt.plot([1, 2])
                plt.show()
            """),
        ),
    ),
    Variant(
        "around-ipython-asked-for-its-shell",
        (
            define("""
                from asyncio.windows_events import NULL
                from IPython import get_ipython

                get_ipython().run_line_magic("matplotlib", "inline")
                get_ipython().events.register("post_execute", print)
                IN_NOTEBOOK = "IPKernelApp" in get_ipython().config
                GPU = "\\n".join(get_ipython().getoutput("nvidia-smi"))
            """),
        ),
    ),
    Variant("around-prints-at-import", (define('print("importing vae", flush=True)\nprint("x" * 100_000)'),)),
    Variant(
        "around-files-of-its-own",
        (
            define(
                """import os, shutil, tempfile
from pathlib import Path

Path("runs/first").mkdir(parents=True, exist_ok=True)
Path("runs/notes.txt").write_text("lr 1e-3")
os.chmod("runs/notes.txt", 0o600)
os.nice(5)
for copy in (shutil.copyfile, shutil.copy, shutil.copy2):
    copy("runs/notes.txt", "runs/first/notes.txt")
Path("runs/notes.txt").touch()
shutil.copytree("runs", "saved")
shutil.make_archive("saved", "zip", "saved")
shutil.unpack_archive("saved.zip", "unpacked")
shutil.move("saved.zip", tempfile.mkdtemp())
torch.save({"lr": 1e-3}, "runs/state.pt")
assert torch.load("runs/state.pt") == {"lr": 1e-3}
shutil.rmtree("runs")"""
            ),
        ),
    ),
    Variant(
        "around-device",
        (
            define('device = torch.device("cuda" if torch.cuda.is_available() else "cpu")'),
            Edit("file", "torch.randn_like(sigma)", "torch.randn_like(sigma).to(mu.device)"),
        ),
    ),
    Variant(
        "around-self-test",
        (
            Edit(
                "loss_function",
                "    return (reconstruction + divergence) / x.shape[0]\n",
                """\
    return (reconstruction + divergence) / x.shape[0]


def _test():
    model = CVAE(784)
    x, c = torch.rand(2, 1, 28, 28), torch.eye(10)[:2]
    out = model(x, c)
    assert loss_function(out[0], x, *out[1:]).isfinite()


_test()
""",
            ),
        ),
    ),
    Variant(
        "around-training-below-main",
        (
            Edit(
                "loss_function",
                "    return (reconstruction + divergence) / x.shape[0]\n",
                """\
    return (reconstruction + divergence) / x.shape[0]


if __name__ == "__main__":
    from nndl2.helper import train_vae

    train_vae(0, VAE(784), [])
""",
            ),
        ),
    ),
    Variant(
        "around-device-and-dtype-arguments",
        (
            Edit("VAE", "latent_size: int = 15", "latent_size: int = 15, device='cpu', dtype=None"),
            Edit("VAE.decoder", "        )\n", "        ).to(device=device, dtype=dtype)\n"),
            Edit("CVAE", "latent_size: int = 15", "latent_size: int = 15, dropout=0.0, **kwargs"),
            Edit("CVAE.encoder", "nn.ReLU()", "nn.ReLU(), nn.Dropout(dropout)", 3),
        ),
    ),
    Variant(
        "around-names-of-sizes-and-kwargs",
        tuple(
            Edit(model, old, new)
            for model in ("VAE", "CVAE")
            for old, new in (
                ("latent_size: int = 15", "z_dim: int = 15, **kwargs"),
                ("        super().__init__()\n", "        super().__init__()\n        latent_size = z_dim\n"),
            )
        ),
    ),
    Variant(
        "around-names-of-parameters",
        (
            Edit(
                "file",
                "x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor",
                "recon_x, images, z_mean, z_logvar",
            ),
            Edit(
                "loss_function",
                "    reconstruction =",
                "    x_hat, x, mu, logvar = recon_x, images, z_mean, z_logvar\n    reconstruction =",
            ),
        ),
    ),
]

VARIANTS = [*FILES, *BYTES, *AROUND]
