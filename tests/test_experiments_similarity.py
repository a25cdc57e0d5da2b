"""The three measures of how much of a block's input is left in its output, where the truth is exact."""

import math

import pytest
import torch

from reslab.experiments import similarity

PLACES = torch.Generator().manual_seed(0)
SIGNAL = torch.relu(torch.randn(300, 6, 4, 4, generator=PLACES))  # (N, C, H, W)


def test_a_signal_is_fully_similar_to_itself_and_not_to_an_unrelated_one():
    assert list(similarity.measures(SIGNAL, 3 * SIGNAL).values()) == pytest.approx([1, 1, 1])
    other = torch.relu(torch.randn(300, 6, 4, 4, generator=PLACES))
    found = similarity.measures(SIGNAL, other)
    assert found["cosine"] == pytest.approx(1 / math.pi, abs=0.02)
    assert found["r2"] == pytest.approx(0, abs=0.01)
    assert found["cka"] < 0.3


def test_all_but_the_cosine_ignore_the_order_of_the_channels():
    found = similarity.measures(SIGNAL, SIGNAL[:, [1, 2, 3, 4, 5, 0]])
    assert found["cosine"] == pytest.approx(1 / math.pi, abs=0.02)
    assert (found["cka"], found["r2"]) == (pytest.approx(1), pytest.approx(1))


def test_r2_alone_ignores_an_invertible_mixing_of_the_channels():
    mix = torch.eye(6).double()
    mix[0, 0] = 30.0
    mixed = torch.einsum("dc,nchw->ndhw", mix, SIGNAL.double())
    assert similarity.readable(SIGNAL, mixed) == pytest.approx(1)
    assert similarity.cka(SIGNAL, mixed) < 0.9


def test_r2_is_the_share_that_is_left():
    """Half of the channels, equal in size, are gone."""
    half = SIGNAL.clone()
    half[:, 3:] = 0
    gone, whole = ((part - part.mean((0, 2, 3), keepdim=True)).square().sum() for part in (SIGNAL[:, 3:], SIGNAL))
    assert similarity.readable(SIGNAL, half) == pytest.approx(1 - (gone / whole).item(), abs=0.01)


def test_a_net_is_measured_block_by_block():
    mixed, narrow = 3 * SIGNAL.roll(1, dims=1), SIGNAL[:, :3]
    found = similarity.along([SIGNAL, mixed, narrow, narrow])
    assert found[0] == pytest.approx(similarity.measures(SIGNAL, mixed))
    assert all(math.isnan(value) for value in found[1].values())
    assert list(found[2].values()) == pytest.approx([1, 1, 1])
    assert similarity.along([SIGNAL]) == []


def test_where_the_shape_changes_or_a_number_is_not_finite_nothing_is_measured():
    for before, after in ((SIGNAL, SIGNAL[:, :3]), (SIGNAL, SIGNAL * torch.inf)):
        assert all(math.isnan(value) for value in similarity.measures(before, after).values())
