"""The seeds of the tests of claims, and their threads: those of the lessons, or others.

    CLAIM_SEEDS=10,11,12,13,14 CLAIM_THREADS=2 make test PYTEST_ARGS="-m claims"

A very deep net is chaotic: another processor or another torch changes it as much as another seed. So a claim must hold
for seeds that were not used when it was written.
"""

import os

SEEDS = tuple(int(seed) for seed in os.environ.get("CLAIM_SEEDS", "0,1,2").split(","))
THREADS = int(os.environ.get("CLAIM_THREADS", "1"))
