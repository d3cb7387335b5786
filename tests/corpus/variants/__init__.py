"""Right submissions: all of these earn 12 of 12 points."""

from corpus import layouts
from corpus.variants import functions, parts, whole

__all__ = ["VARIANTS"]

VARIANTS = [*parts.VARIANTS, *functions.VARIANTS, *whole.VARIANTS, *layouts.VARIANTS]
