"""Handwritten-looking digits drawn on the fly, for where there is no MNIST and no network.

Each digit can be written in a few ways, each of one or two strokes. An image takes one of them, bends it by
a smooth random field, slants, turns and stretches it, fits it into 20 x 20 pixels with its centre of mass at
the centre of 28 x 28, as MNIST does, and inks it with a pen of random width, pressure and softness. Only
torch is needed, so the images depend on no font and no version of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SIDE", "draw"]

SIDE = 28  # pixels of an image's side
BOX = 20.0  # pixels of the square that holds the ink
POINTS = 96  # along the strokes of one digit: less than 0.7 pixels apart, so that the line has no beads
CHUNK = 64  # images inked at a time: 64 * 784 * 96 distances are 19 MB

# Ways of writing each digit: smooth curves through knots x,y in a square of side 100, y down. A knot that
# stands twice is a corner; a slash lifts the pen.
WAYS = (
    (  # 0: closed, narrow, open at the top
        "55,0 20,12 0,50 18,88 50,100 82,85 100,45 80,10 50,0",
        "50,0 30,20 20,55 35,95 55,100 75,75 78,35 60,5 45,2",
        "45,5 12,30 2,65 30,100 70,90 98,50 85,12 55,0 38,14",
    ),
    (  # 1: a line, leaning, with a flag, with a flag and a foot
        "50,0 50,50 50,100",
        "55,0 50,50 45,100",
        "30,20 52,0 52,0 50,50 50,100",
        "28,22 50,0 50,0 50,50 50,100 / 22,100 50,100 78,100",
    ),
    (  # 2: with a corner, with a loop, swung
        "8,22 40,0 80,15 75,45 40,75 5,100 5,100 50,98 95,97",
        "10,20 45,0 80,20 65,55 25,95 8,90 20,75 50,88 95,95",
        "0,25 30,0 65,12 60,50 30,85 10,100 30,90 65,98 100,88",
    ),
    (  # 3: round, with a flat top, with a loop in the middle
        "10,12 45,0 80,18 70,40 40,48 40,48 78,58 85,82 50,100 8,90",
        "12,3 45,2 85,0 85,0 60,25 42,42 75,55 85,80 50,100 10,92",
        "15,15 50,0 78,20 60,42 35,50 42,42 75,60 75,88 35,100 0,85",
    ),
    (  # 4: open, closed, with a curved shoulder
        "15,0 10,30 10,52 10,52 50,52 90,48 / 80,2 75,50 70,100",
        "65,0 35,35 5,66 5,66 50,66 98,64 / 65,0 65,50 65,100",
        "10,5 8,35 30,52 60,45 82,25 / 85,0 80,50 75,100",
    ),
    (  # 5: in two strokes, in one, with a small bowl
        "25,2 20,25 18,45 18,45 55,38 85,62 65,95 35,100 8,88 / 25,2 60,3 92,0",
        "95,0 65,3 40,5 40,5 30,25 28,42 60,50 75,75 50,97 5,95",
        "30,0 25,30 22,52 22,52 55,50 70,75 45,100 10,92 / 30,0 60,2 85,5",
    ),
    (  # 6: round, slim, with a small bowl
        "75,2 40,20 12,60 25,95 60,100 85,78 65,52 35,58 15,78",
        "50,0 30,30 22,70 40,100 68,90 68,65 45,58 25,78",
        "85,0 50,15 20,50 10,80 35,100 65,90 62,70 38,68 18,85",
    ),
    (  # 7: plain, curved, with a bar
        "5,5 50,3 92,0 92,0 65,50 42,100",
        "5,20 10,6 50,10 90,2 90,2 70,40 60,100",
        "8,3 50,4 90,0 90,0 65,50 38,100 / 30,52 60,50 88,50",
    ),
    (  # 8: written in one go, two rings, leaning with a small top
        "75,10 45,0 20,20 45,45 75,70 60,98 30,95 20,72 50,48 78,25 75,10",
        "50,0 25,10 25,36 50,46 75,36 75,10 50,0 / 50,46 18,60 18,90 50,100 82,90 82,60 50,46",
        "90,5 60,2 40,20 50,45 60,70 40,100 12,90 25,62 60,40 85,20 90,5",
    ),
    (  # 9: straight, with a curved tail, with a hook
        "78,15 45,0 15,20 30,45 60,40 78,15 78,15 75,55 70,100",
        "75,10 40,2 12,25 30,48 65,35 80,10 72,55 45,100",
        "80,15 50,0 20,15 25,45 60,45 80,15 85,60 60,95 15,90",
    ),
)


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw digits, as many of each class as of any other (within one), in random order.

    Returns images (count, 1, 28, 28), uint8, white on black, and their classes (count,), uint8. The same seed
    gives the same images on the same machine; elsewhere single grey values may differ by rounding.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count).remainder(10)[torch.randperm(count, generator=generator)]
    ways = torch.randint(1 << 30, (count,), generator=generator)
    images = torch.empty(count, 1, SIDE, SIDE, dtype=torch.uint8)
    for digit, written in enumerate(WAYS):
        for number, way in enumerate(written):
            curve = _points(way)
            chosen = torch.nonzero((labels == digit) & (ways % len(written) == number)).flatten()
            for some in chosen.split(CHUNK):
                images[some] = _render(*_vary(curve, len(some), generator), generator)
    return images, labels.to(torch.uint8)


def _points(way: str) -> Tensor:
    """Points (POINTS, 2) at even distances along the strokes: Catmull-Rom splines through the knots."""
    t = torch.linspace(0, 1, 33)[:, None]  # (33, 1), the way from one knot to the next
    dense, steps = [], []
    for stroke in way.split("/"):
        given = [[float(number) / 100 for number in knot.split(",")] for knot in stroke.split()]
        knots = torch.tensor([given[0], *given, given[-1]])
        for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
            cubic = 2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)
            piece = b + t / 2 * (c - a + t * cubic)  # (33, 2)
            dense.append(piece[1:])
            steps.append((piece[1:] - piece[:-1]).norm(dim=1))
    drawn = torch.cat(steps).cumsum(0)  # the length drawn so far; lifting the pen adds nothing
    even = torch.linspace(0, float(drawn[-1]), POINTS)
    return torch.cat(dense)[torch.searchsorted(drawn, even).clamp(max=len(drawn) - 1)]


def _vary(curve: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Write one curve (P, 2) in many hands, at its place in the image, in pixels.

    Returns the points (count, P, 2) and the pen's radius there (count, P).
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    # A smooth field moves the points: bumps on a 4 x 4 grid, each pushed in a random direction.
    grid = torch.cartesian_prod(torch.linspace(0, 1, 4), torch.linspace(0, 1, 4))  # (16, 2)
    bumps = torch.exp(-((curve[:, None] - grid) ** 2).sum(2) / (2 * 0.25**2))  # (P, 16)
    points = curve - 0.5 + bumps @ (0.06 * normal(16, 2))  # (count, P, 2)

    turn, slant, narrow = 0.12 * normal(), 0.05 + 0.25 * normal(), torch.exp(-0.3 + 0.15 * normal())
    x, y = points[..., 0] * narrow[:, None], points[..., 1]
    x = x - slant[:, None] * y
    cos, sin = torch.cos(turn)[:, None], torch.sin(turn)[:, None]
    points = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=2)

    radius = (1.2 * torch.exp(0.28 * normal())).clamp(min=0.7)  # (count,)
    size = (points.amax(1) - points.amin(1)).amax(1)  # (count,)
    scale = (BOX - 2 * radius) / size
    points = (points - points.mean(1, keepdim=True)) * scale[:, None, None] + SIDE / 2
    along = torch.linspace(0, 1, len(curve)) * (1 + normal(1).abs()) + normal(1)
    return points, radius[:, None] * (1 + 0.15 * torch.cos(2 * torch.pi * along))


def _render(points: Tensor, radius: Tensor, generator: torch.Generator) -> Tensor:
    """Ink: points (N, P, 2) and radii (N, P), in pixels -> images (N, 1, 28, 28), uint8."""
    centres = (torch.arange(SIDE) + 0.5)[:, None]  # (28, 1)
    # A round pen stands at each point; |pixel - point|^2 - radius^2 is least for the one that a pixel is in
    # deepest. The two axes apart cost 28 + 28 squares a point instead of 784.
    x = (centres - points[:, None, :, 0]) ** 2 - radius[:, None] ** 2  # (N, 28, P)
    y = (centres - points[:, None, :, 1]) ** 2  # (N, 28, P)
    nearest = (y[:, :, None] + x[:, None]).amin(3).flatten(1)  # (N, 784)
    mean = radius.mean(1, keepdim=True)  # (N, 1)
    distance = (nearest + mean**2).clamp(min=0).sqrt()  # from the stroke's middle
    softness = 0.7 + 0.4 * torch.rand(len(points), 1, generator=generator)
    ink = ((mean - distance) / softness + 0.5).clamp(0, 1)
    return (ink * 255).round().to(torch.uint8).view(-1, 1, SIDE, SIDE)
