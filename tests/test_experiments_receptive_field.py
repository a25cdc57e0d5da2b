"""Lesson 10: receptive fields, allowed and measured; the probe's pictures; and drawn shapes with their scores."""

import numpy as np
import pytest
import torch
from small_nets import refusal, small

from reslab.datasets import digits
from reslab.experiments import probe, receptive_field, segmenter
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.backbone import backbone

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("fields", [{}, {"skip": False}, {"block": "bottleneck", "depth": 11}])
@pytest.mark.parametrize("dilate", [(), (3,), (2, 3)])
def test_the_gradient_reaches_exactly_as_far_as_the_layers_allow(fields, dilate):
    """Linear, with positive weights: nothing is cut off and nothing cancels."""
    net = build(small(norm="none", in_channels=3, init="kaiming", **fields)).double()
    for parameter in net.parameters():
        parameter.data = parameter.data.abs() + 0.1
    body = backbone(net, dilate=dilate)
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    allowed = receptive_field.theory(body).set_index("module")["field"]
    for name, (energy, centre) in receptive_field.measured(body, x, draws=1).items():
        rows, columns = np.nonzero(energy)
        assert [rows.min(), rows.max()] == [columns.min(), columns.max()]
        reach = (allowed[name] - 1) // 2
        assert [rows.min(), rows.max()] == [centre[0] - reach, centre[0] + reach]
        assert energy.sum() == pytest.approx(1)
        assert receptive_field.side_of(energy, centre, 1.0) == allowed[name]


def test_dilation_leaves_what_a_place_sees_as_it_is_and_a_left_out_stride_does_not():
    net = build(NetSpec(depth=8, width=4)).double().eval()
    x = torch.rand(1, 3, 40, 40, dtype=torch.float64)
    seen = [receptive_field.measured(backbone(net, dilate=d), x, ["stage3.block1"]) for d in ((), (3,), (2, 3))]
    energies = [each["stage3.block1"][0] for each in seen]
    np.testing.assert_allclose(energies[1], energies[0], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(energies[2], energies[0], rtol=1e-9, atol=1e-15)
    table = receptive_field.stages(FAMILY["resnet-50"]).set_index(["way", "stage"])
    assert table.loc[("as it is", "stage4")].tolist() == [32, 427]
    assert table.loc[("the last strides become dilation", "stage4")].tolist() == [8, 427]
    assert table.loc[("the last strides left out, no dilation", "stage4")].tolist() == [8, 235]


def test_the_field_of_20_and_56_layers():
    for depth, field in ((20, 81), (56, 249)):
        rows = receptive_field.theory(backbone(NetSpec(depth=depth)))
        assert rows["field"].iloc[-1] == field
        assert len(rows) == 1 + (depth - 2) // 2
    with pytest.raises(ValueError, match=r"of a ResNet"):
        receptive_field.theory(backbone(replace(FAMILY["vgg-11"], width=4)))


def test_the_side_of_a_share():
    energy = np.zeros((9, 9))
    energy[4, 4], energy[4, 6] = 0.9, 0.1
    assert receptive_field.side_of(energy, (4, 4), 0.9) == 1
    assert receptive_field.side_of(energy, (4, 4), 0.95) == 5


def test_a_frame_has_a_row_a_block_and_the_weights_stay_as_they_are():
    net = build(NetSpec(depth=8, width=4), seed=5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    frame = receptive_field.by_block(net, side=48, draws=1)
    assert frame["module"].tolist() == ["stem", "stage1.block1", "stage2.block1", "stage3.block1"]
    assert (frame["name"].iloc[0], frame["seed"].iloc[0]) == ("resnet-8", 5)
    assert (frame["side"] <= frame["field"]).all()
    assert frame["places"].tolist() == [48**2, 48**2, 24**2, 12**2]
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in before.items())
    assert net.training


def test_digits_for_a_body_of_photographs():
    split = probe.on_digits(16)
    assert split.x_train.shape == (probe.TRAINING, 3, 16, 16)
    assert split.x_test.dtype == digits().x_test.dtype
    assert torch.equal(split.x_test[:, 0], split.x_test[:, 2])
    assert len(split.mean) == len(split.std) == 3
    frame = probe.photographs_bodies(split.subset(60, 40), seeds=(1,), progress=False)
    assert frame.groupby(["name", "trained"]).size().tolist() == [10] * 4
    assert frame["readout_accuracy"].between(0, 1).all()


# --- drawn shapes -----------------------------------------------------------------------------------------------------


def test_shapes_are_where_they_should_be():
    disc, square, triangle = (segmenter.shape(kind, 8, 16, 16, 33) for kind in (1, 2, 3))
    assert disc.sum() == pytest.approx(np.pi * 64, rel=0.03)
    assert square.sum() == 15 * 15
    assert triangle[24].sum() == 17
    assert triangle[8].sum() == 1
    assert not triangle[25].any()
    for one in (disc, square, triangle):
        assert np.array_equal(one, one[:, ::-1])


def test_pictures_are_drawn_from_their_seed_and_train_and_test_share_no_piece():
    one, same, other = (segmenter.draw(4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.pictures, same.pictures)
    assert not torch.equal(one.pictures, other.pictures)
    assert one.pictures.shape == (4, 3, 32, 32)
    assert set(one.classes.unique().tolist()) <= {0, 1, 2, 3}
    assert not torch.equal(one.pictures, segmenter.draw(4, part="test").pictures)
    assert torch.equal(segmenter.draw(2, part="test").pictures, segmenter.draw(4, part="test").pictures[:2])
    assert "part is 'validation'" in refusal(segmenter.draw, 2, part="validation")


def test_iou_counts_pixels():
    truth = torch.tensor([[[0, 0, 1, 1]]])
    found = torch.tensor([[[0, 1, 1, 1]]])
    assert segmenter.iou(found, truth)[:2] == pytest.approx([1 / 2, 2 / 3])
    assert np.isnan(segmenter.iou(found, truth)[2:]).all()
    assert segmenter.iou(truth, truth)[:2].tolist() == [1, 1]


def test_a_segmenter_trains_and_is_held_against_what_needs_no_net():
    frame = segmenter.compare(8, seeds=(0,), steps=3, width=4, shown=2, progress=False).set_index("name")
    assert list(frame.index) == ["plain-8", "resnet-8", "none everywhere", "colour of the pixel"]
    assert frame.loc["plain-8", "parameters"] == frame.loc["resnet-8", "parameters"]
    assert frame.loc["none everywhere", ["disc", "square", "triangle"]].sum() == 0
    assert frame.loc["colour of the pixel", "mean_iou"] > frame.loc["none everywhere", "mean_iou"]
    assert frame["answers"].iloc[0].shape == (2, 32, 32)
    net = segmenter.Segmenter(NetSpec(depth=8, width=4, skip=False))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 4, 32, 32)
    assert net.body(torch.zeros(2, 3, 32, 32))["stage3"].shape[2:] == (16, 16)
    again = segmenter.Segmenter(NetSpec(depth=8, width=4))
    assert torch.equal(again.head.weight, net.head.weight)
