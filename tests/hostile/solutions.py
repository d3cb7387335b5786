"""What hostile submissions are made from: the reference, a solution with every row wrong, and a prelude."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

__all__ = ["PRELUDE", "REFERENCE", "TELL", "WRONG", "vae"]

REFERENCE = (Path(__file__).parents[2] / "reference" / "vae.py").read_text()

# Looks right: the names, the kinds and the shapes that callers see. Each of the twelve rows is wrong, and
# stays so however the weights are chosen.
WRONG = dedent('''
    import torch
    from torch import nn
    from torch.nn import functional as F


    def hello_vae():
        print("Hello from vae.py!")


    def make_encoder(size):
        """One layer short, and leaky."""
        return [nn.Linear(size, 400), nn.LeakyReLU(), nn.Linear(400, 400), nn.LeakyReLU()]


    def make_decoder(latent_size, input_size):
        """One layer short, and nearly a sigmoid."""
        hidden = [nn.Linear(latent_size, 400), nn.LeakyReLU(), nn.Linear(400, 400), nn.LeakyReLU()]
        last = [nn.Linear(400, input_size), nn.Hardsigmoid(), nn.Unflatten(1, (1, 28, 28))]
        return nn.Sequential(*hidden, *last)


    class VAE(nn.Module):
        def __init__(self, input_size, latent_size=15):
            super().__init__()
            self.input_size, self.latent_size, self.hidden_dim = input_size, latent_size, 400
            self.encoder = nn.Sequential(nn.Flatten(), *make_encoder(input_size))
            self.mu_layer = nn.Sequential(nn.Linear(400, 400), nn.Linear(400, latent_size))
            self.logvar_layer = nn.Sequential(nn.Linear(400, 99), nn.Linear(99, latent_size))
            self.decoder = make_decoder(latent_size, input_size)

        def forward(self, x):
            h = self.encoder(x)
            mu, logvar = self.mu_layer(h), self.logvar_layer(h)
            return self.decoder(mu), mu, logvar  # no z


    class CVAE(nn.Module):
        def __init__(self, input_size, num_classes=10, latent_size=15):
            super().__init__()
            self.input_size, self.num_classes = input_size, num_classes
            self.latent_size, self.hidden_dim = latent_size, 400
            self.encoder = nn.Sequential(*make_encoder(input_size + num_classes))
            self.mu_layer = nn.Sequential(nn.Linear(400, 400), nn.Linear(400, latent_size))
            self.logvar_layer = nn.Sequential(nn.Linear(400, 99), nn.Linear(99, latent_size))
            self.decoder = make_decoder(latent_size + num_classes, input_size)

        def forward(self, x, c):
            h = self.encoder(torch.cat([x.flatten(1), c.float()], 1))
            mu, logvar = self.mu_layer(h), self.logvar_layer(h)
            return self.decoder(torch.cat([mu, c.float()], 1)), mu, logvar  # no z


    def reparametrize(mu, logvar):
        return mu + torch.exp(logvar) * torch.rand_like(mu)  # a variance for a deviation, uniform noise


    def loss_function(x_hat, x, mu, logvar):
        squares = F.mse_loss(x_hat, x, reduction="sum")  # no cross-entropy
        return squares - torch.sum(1 + logvar - mu**2 - logvar.exp())  # no half, no mean
''')

# Stands before every attack. The fuse ends a process that nobody else ends, even a stopped one.
PRELUDE = dedent('''
    import ctypes, errno, gc, json, mmap, os, signal, socket, struct, sys, threading, time

    MARK, HINT = "@MARK@", "@HINT@"
    libc = ctypes.CDLL(None, use_errno=True)
    said = []


    def fuse(seconds=120):
        """Have the kernel kill this process after so many seconds."""
        event = (ctypes.c_char * 64)()
        event[8:12] = (9).to_bytes(4, sys.byteorder)  # struct sigevent: SIGKILL
        timer, when = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 0, seconds, 0)
        try:
            made = libc.timer_create(1, event, ctypes.byref(timer)) == 0
            if made and libc.timer_settime(timer, 0, when, None) == 0:
                return
        except AttributeError:
            pass
        threading.Timer(seconds, os._exit, [9]).start()


    fuse()
    os.register_at_fork(after_in_child=fuse)


    def say(kind, what):
        said.append(f"{kind}[{MARK}] {what}"[:2000])
        print(said[-1], flush=True)


    def attempt(what, action, *arguments):
        """Try what should be refused by an OSError, by False or by None, and say if it was not."""
        try:
            got = action(*arguments)
        except (OSError, MemoryError, EOFError, UnicodeError, RuntimeError, ValueError):
            return
        except BaseException as error:
            say("TOOTHLESS", f"{what}: {error!r}")
            return
        if got:
            say("BREACHED", f"{what}: {got!r}")


    def secrets(data):
        """Find the secret in bytes or text."""
        import re
        text = data if isinstance(data, str) else bytes(data).decode("latin-1")
        return re.findall(re.escape(HINT) + "[0-9a-f]{32}", text)


    def system(number, *arguments):
        """Make a raw system call; an error is raised."""
        libc.syscall.restype = ctypes.c_long
        numbers = [ctypes.c_long(a) if isinstance(a, int) else a for a in (number, *arguments)]
        got = libc.syscall(*numbers)
        if got < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return got


    def tell(*arguments, **named):
        raise RuntimeError("\\n".join(said) or "nothing got through")
''')

# Stands behind an attack that is made at import: whatever is asked, the answer is what got through.
TELL = "\nVAE = CVAE = reparametrize = loss_function = tell\n"


def vae(before: str = "", solution: str = "", after: str = "") -> dict[str, bytes]:
    """Make the files of a submission: the prelude, what runs before the solution, the solution, the rest."""
    parts = (PRELUDE, dedent(before), solution, dedent(after))
    return {"vae.py": "\n".join(part for part in parts if part).encode()}
