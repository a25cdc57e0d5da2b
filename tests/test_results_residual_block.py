"""Lesson 03: how soon a block learns, and what its shortcut costs, as numbers."""

import numpy as np
import pandas as pd
from invented import block_parts, learning, together

from reslab.results import residual_block as results


def test_a_block_that_learns():
    plain, residual = results.learned(together(learning(), learning(False, (1.0, 0.9, 0.8))))
    assert (plain.name, plain.first, plain.steps, plain.diverged) == ("plain block · rate 0.1", [], 3, None)
    assert (residual.first, residual.seeds) == ([2], [0])
    np.testing.assert_allclose((residual.error, residual.branch), (1.55 / 3, 3.1 / 3))


def test_seeds_are_told_together_and_a_diverged_run_is_found():
    (block,) = results.learned(together(learning(), learning(error=(1.0, 0.01, 0.01), seed=1)))
    assert (block.seeds, block.first) == ([0, 1], [2, 1])
    (broken,) = results.learned(together(learning(), learning(seed=1, outcome="diverged")))
    assert broken.diverged == 2


def test_where_learning_ends_is_over_the_seeds_that_did_not_diverge():
    rows = [(True, 0, 0.1, 0.2), (True, 1, 0.1, 0.4), (True, 0, 1.0, np.inf), (False, 0, 0.1, 0.8)]
    table = results.ends(pd.DataFrame(rows, columns=["skip", "seed", "lr", "error"]), "lr", True)
    np.testing.assert_allclose(table.reset_index(), [[0.1, 0.3, 0.2, 0.4, 2]])


def test_the_costs_of_a_block_and_of_its_shortcut():
    total, shortcut = results.costs(block_parts(shortcut="B", projects=True))
    assert total.tolist() == [224, 896, 16]
    assert shortcut.tolist() == [8, 32, 0]
    assert results.costs(block_parts(False))[1].tolist() == [0, 0, 0]
