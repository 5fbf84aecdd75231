"""How often a counted test repeats itself: once in `make test`, many times in `make soak`."""

import os

SOAK_VARIABLE = "TALLY_SOAK"
"""Environment variable: how many times the fixed count, 1 when it is not set."""


def times(count: int) -> int:
    """`count` for the test run, a multiple of it for the soak."""
    return count * int(os.environ.get(SOAK_VARIABLE, "1"))
