"""Lesson 04: the signal of each net, before training and after, as numbers."""

import numpy as np
import pytest
from invented import at_initialisation, edits, histograms, maps, responses, signal, together

from reslab.results import activations as results
from reslab.results import feature_maps
from reslab.results.frames import runs
from reslab.results.histograms import largest


def test_a_net_is_told_before_and_after_plain_ones_first():
    frame = together(
        *(signal("resnet-56", value, state) for value, state in ((0.5, "untrained"), (0.4, "trained"))),
        *(signal("resnet-20", value, seed=seed) for seed, value in enumerate((0.7, 0.9))),
        signal("plain-20", 1.3, "untrained"),
    )
    told = [(net.name, net.before, net.after) for net in results.nets(frame, "ratio")]
    assert told == [
        ("plain-20", pytest.approx((1.3, 1.3, 1.3)), None),
        ("resnet-20", None, pytest.approx((0.8, 0.7, 0.9))),
        ("resnet-56", pytest.approx((0.5, 0.5, 0.5)), pytest.approx((0.4, 0.4, 0.4))),
    ]
    (lost,) = results.nets(signal("plain-20", np.nan), "ratio")
    assert np.isnan(lost.after.median)


def test_medians_are_over_the_seeds_block_by_block():
    frame = together(*(signal("resnet-20", value, seed=seed, blocks=2) for seed, value in enumerate((0.7, 0.9, 0.2))))
    table = results.medians(frame, "ratio")
    assert table[["index", "ratio", "low", "high"]].to_numpy().tolist() == [[1, 0.7, 0.2, 0.9], [2, 0.7, 0.2, 0.9]]
    assert table["seed"].isna().all()
    assert results.medians(signal(seed=4), "ratio")["seed"].unique().tolist() == [4]


def test_twins_are_compared_layer_by_layer():
    frame = together(
        responses("plain-20", [0.3, 0.2, 0.1]), responses("resnet-20", [0.2, 0.3, 0.05]), responses("resnet-56", [0.1])
    )
    ((plain, residual, less),) = results.twins(results.nets(frame, "std"))
    assert (plain.name, residual.name, less) == ("plain-20", "resnet-20", 2)


def test_nets_that_did_not_learn_are_found():
    frame = together(
        signal("plain-56", error=0.8), signal("resnet-56"), signal("resnet-20", error=np.nan).assign(outcome="diverged")
    )
    assert results.failures(frame[frame["depth"] == 56]) == [("plain-56", "finished", 0.8)]
    assert results.failures(frame)[1][:2] == ("resnet-20", "diverged")
    assert results.failures(signal("plain-56", state="untrained")) == []


def test_the_power_law_of_depth():
    frame = at_initialisation()
    batch, none = (results.by_depth(frame, norm) for norm in ("batch", "none"))
    assert batch["blocks"].tolist() == [3, 9]
    np.testing.assert_allclose(batch["ratio"], [1.05 / 3**0.5, 1.05 / 3])
    assert results.power(batch) == pytest.approx(-0.5)
    assert results.power(none) == pytest.approx(0)


def test_the_edit_of_a_block_is_that_of_its_typical_channel_and_largest_pixel():
    other = edits(outputs=((0, 3, 4, 0),), image="flower")  # the first image counts
    plain, residual = feature_maps.edits(together(edits("resnet-20"), edits(), other), 1)
    assert (plain.skip, residual.skip) == (False, True)
    assert (plain.channel, plain.channels, plain.module) == (2, 4, "stage1.block1")  # of 0, 0.6, 0.8 and 1
    assert plain.cosine == pytest.approx(0.6)
    assert (plain.pixel, plain.at) == ((1, 0), {"x": 4, "branch": 0, "y": 0})
    assert residual.at == {"x": 4, "branch": -4, "y": 0}
    assert plain.sizes == {"x": 2.5, "branch": 2.5, "y": 2.5}
    dead = edits(outputs=((0, 0, 0, 0), (5, 0, 0, 0), (0, 3, 4, 0), (0, 6, 8, 0)))
    assert feature_maps.cosines(dead[dead["index"] == 1]).tolist() == pytest.approx([np.nan, 0, 1, 1], nan_ok=True)
    assert feature_maps.edits(dead, 1)[0].channel == 2
    assert feature_maps.edits(edits(outputs=((0, 0, 0, 0),)), 1) == []
    assert feature_maps.edits(edits().assign(x=None), 1) == []  # the shape changes


def test_the_largest_activations_and_the_dark_maps():
    assert largest(runs(histograms())[0]) == (0.5, 0.5)
    (net,) = feature_maps.nets(maps())
    assert feature_maps.zero_maps(net, 2) == (16, 1, 15)
    assert feature_maps.zero_maps(net, 99) == (32, 1, 31)  # its last block
    assert [net["name"].iloc[0] for net in feature_maps.nets(together(maps("resnet-20"), maps("plain-20")))] == [
        "plain-20 · trained", "resnet-20 · trained",
    ]  # fmt: skip
