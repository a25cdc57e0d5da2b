"""The seeds that claims are tested with: the lessons' own, or others.

    CLAIM_SEEDS=10,11,12,13,14 make test PYTEST_ARGS="-m claims"

A deep net at its limit is chaotic: another processor or another torch is, to it, another seed. So a claim holds if it
holds for seeds that nobody looked at when it was written.
"""

import os

SEEDS = tuple(int(seed) for seed in os.environ.get("CLAIM_SEEDS", "0,1,2").split(","))
