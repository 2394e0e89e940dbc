"""Long sweeps: `make check` runs a sample, check-world runs everything."""

import random

import pytest


def sampled(size):
    """Marks a test with the argument `most`: it is given `size`, and in check-world None."""
    return pytest.mark.parametrize("most", [pytest.param(size, id="sample"), pytest.param(None, id="all", marks=pytest.mark.world)])


def sample(items, most):
    """`most` of the items, the same ones in each run; all of them if it is None."""
    return items if most is None or len(items) <= most else random.Random(13).sample(items, most)
