"""How many cases tests make up: a few at each run, and others the next time."""

import os

SCALE = int(os.environ.get("HERALD_TEST_FUZZ", "1"))
"""What the number of cases is multiplied by."""

CASES = 40 * SCALE
"""Of a test that says nothing else."""
