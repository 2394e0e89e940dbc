"""Long sweeps: `make check` runs a sample, half of it with sanitizers; check-world runs everything."""

import random

import pytest
from basics import sanitized


def sampled(size):
    """Marks a test with the argument `most`: the size of its sample, or in check-world None."""
    size = size // 2 if sanitized() else size
    return pytest.mark.parametrize("most", [pytest.param(size, id="sample"), pytest.param(None, id="all", marks=pytest.mark.world)])


def sample(items, most):
    """`most` of the items, the same ones in each run; all of them if it is None."""
    return items if most is None or len(items) <= most else random.Random(13).sample(items, most)
