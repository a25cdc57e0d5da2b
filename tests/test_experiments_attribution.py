"""Maps, holes and randomised nets, where the truth is exact: linear models and nets as small as they can be."""

import copy

import numpy as np
import pytest
import torch
from small_nets import refusal, same_bits
from torch import nn

from reslab.datasets import digits
from reslab.experiments import attribution, deletion, lesions
from reslab.experiments.degradation import small_net
from reslab.nets import build, replace
from reslab.store import recorded
from reslab.train import TrainSpec
from reslab.train.device import pick_device

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGES = 5


@pytest.fixture(scope="module")
def split():
    return digits().subset(120, 20)


@pytest.fixture(scope="module", params=[True, False], ids=["residual", "plain"])
def net(request, split):
    net = build(replace(small_net(split), depth=8, width=4, skip=request.param), seed=1).train()
    net(split.batch(slice(60))[0])  # BatchNorm has seen some images
    return net.eval()


@pytest.fixture(scope="module")
def x(split):
    return split.batch(slice(IMAGES), "test")[0]


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()


class Cam(nn.Module):
    """One convolution whose two channels are the picture and twice the picture; class 0 is the mean of the first
    channel, class 1 the mean of the second, less that of the first."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.fc = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1))
            self.fc.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


# --- maps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 7])
def test_of_a_linear_model_integrated_gradients_are_the_weights_times_the_picture_and_add_up(linear, x, steps):
    target = torch.arange(IMAGES)
    made = attribution.maps(linear, x, target, "integrated gradients", steps=steps, progress=False)
    expected = (linear[1].weight[target].reshape(-1, 8, 8) * x[:, 0]).detach().numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)
    frame = attribution.completeness(linear, x, target, steps=steps)
    np.testing.assert_allclose(frame["total"], frame["difference"], rtol=1e-4, atol=1e-5)
    assert frame["target"].tolist() == target.tolist()


def test_of_a_linear_model_saliency_is_the_size_of_the_weights(linear, x):
    made = attribution.maps(linear, x, torch.full((IMAGES,), 3), "saliency", progress=False)
    np.testing.assert_allclose(made[0], linear[1].weight[3].abs().detach().reshape(8, 8), rtol=1e-6)


def test_grad_cam_weighs_each_channel_by_its_mean_gradient(x):
    """The gradient of class 1 is -1/64 and 1/64 at every place of the two channels: the map is (-x + 2x) / 64."""
    made = attribution.maps(Cam(), x, torch.ones(IMAGES, dtype=int), "Grad-CAM", progress=False)
    np.testing.assert_allclose(made, (x[:, 0] / 64).numpy(), rtol=1e-5, atol=1e-8)


def test_grad_cam_is_enlarged_and_takes_a_layer_by_name(net, x):
    assert attribution.last_block(net) == "stage3.block1"
    for layer in (None, "stage2.block1", "stem"):
        assert attribution.maps(net, x, layer=layer, progress=False).shape == (IMAGES, 8, 8)
    assert "stage2.block1" in refusal(attribution.maps, net, x, layer="stage2.block9", progress=False)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert "has none" in refusal(attribution.maps, model, x, progress=False)


def test_occlusion_of_a_linear_model_is_what_the_square_held(linear, x):
    made = attribution.maps(linear, x, torch.full((IMAGES,), 3), "occlusion", progress=False)
    part = (linear[1].weight[3].reshape(8, 8) * x[:, 0]).detach()
    corner = part[:, :2, :2].sum((1, 2))  # the only square that covers the pixel in the corner
    np.testing.assert_allclose(made[:, 0, 0], corner, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", attribution.METHODS)
def test_maps_change_neither_the_net_nor_the_random_state_and_repeat(net, x, method):
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    net.train()
    how = {"method": method, "steps": 4, "smooth": 2, "seed": 3, "progress": False}
    one, again = (attribution.maps(net, x, **how) for _ in range(2))
    assert net.training
    net.eval()
    assert same_bits(net.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in net.parameters())
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, attribution.maps(net, x, **how | {"seed": 4}))


def test_maps_say_what_they_cannot_take(net, x):
    assert "saliency" in refusal(attribution.maps, net, x, method="salience", progress=False)
    assert "one class per image" in refusal(attribution.maps, net, x, [1, 2], progress=False)


class Dict(Cam):
    def forward(self, x):
        return {"logits": super().forward(x)}


class Unused(Cam):
    """Its convolution is not called, and its output does not follow from the picture's values."""

    def forward(self, x):
        return self.fc(torch.round(x).mean((2, 3)).expand(-1, 2).detach())


def test_of_a_model_of_ones_own_it_is_said_what_cannot_be_explained(split, x):
    for target in (None, [0] * IMAGES):
        assert "Dict makes a dict of images" in refusal(attribution.maps, Dict(), x, target, progress=False)
    assert "Dict makes a dict of images" in refusal(deletion.fall, Dict(), split, progress=False)
    for method in ("Grad-CAM", "saliency"):
        said = refusal(attribution.maps, Unused(), x, method=method, progress=False)
        assert said.startswith(f"{method} cannot explain Unused: ")
    frame = deletion.fall(Cam(), split, ("Grad-CAM",), images=3, progress=False)
    assert frame["name"].unique().tolist() == ["Cam"]
    assert frame["depth"].isna().all()
    assert len(frame) == 3 * 4  # the map, the untrained net's, the moved one, the disc


def test_the_conductance_of_a_whole_block_is_all_of_the_answer(net, x):
    frame = attribution.conductance(net, x, steps=64, progress=False)
    assert frame["index"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frame["whole"], 1, atol=0.15)
    if net.spec.skip:
        assert not np.allclose(frame["branch"], frame["whole"], atol=1e-3)
    else:
        assert frame["branch"].equals(frame["whole"])
    assert [made.shape for made in frame["map"]] == [(8, 8), (4, 4), (2, 2)]


def test_the_quality_of_the_exact_map_of_a_linear_model_is_perfect(linear, x):
    """Noise changes what a linear model says by the weights times the noise, which saliency with its sign would be;
    integrated gradients of a picture of ones are the weights."""
    ones = torch.ones(IMAGES, 1, 8, 8)
    frame = attribution.quality(linear, ones, method="integrated gradients", progress=False)
    np.testing.assert_allclose(frame["infidelity"], 0, atol=1e-5)
    assert (frame["sensitivity"] < 0.05).all()


# --- other weights ----------------------------------------------------------------------------------------------------


def test_randomising_goes_from_the_last_layer_to_the_first_and_leaves_the_net_alone(net, split):
    before = copy.deepcopy(net.state_dict())
    x = split.batch(slice(40))[0]
    stages = list(attribution.randomised(net, x))
    assert [name for name, _ in stages] == ["", "fc", "stage3.block1", "stage2.block1", "stage1.block1", "stem"]
    assert same_bits(net.state_dict(), before)
    assert stages[0][1] is net
    first = stages[1][1].state_dict()
    changed = {name.rpartition(".")[0] for name in before if "running" not in name and "num_batches" not in name
               and not torch.equal(first[name], before[name])}  # fmt: skip
    assert changed == {"fc"}
    last, untrained = stages[-1][1].state_dict(), attribution.untrained(net, x).state_dict()
    assert same_bits(last, untrained)
    assert not any(torch.equal(untrained[name], before[name]) for name in before if name.endswith("conv1.weight"))


def test_a_model_of_ones_own_is_initialised_again_by_its_layers(linear, x):
    before, state = copy.deepcopy(linear.state_dict()), torch.get_rng_state()
    fresh = attribution.untrained(linear, x)
    assert same_bits(linear.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(fresh[1].weight, linear[1].weight)
    assert [name for name, _ in attribution.randomised(linear, x)] == ["", "1"]


# --- holes ------------------------------------------------------------------------------------------------------------


def test_an_order_takes_the_largest_first_and_equal_ones_at_random():
    maps = np.array([[[1.0, 3.0], [0.0, 2.0]]])
    assert deletion.order(maps).tolist() == [[1, 3, 0, 2]]
    flat = np.zeros((1, 8, 8))
    assert sorted(deletion.order(flat)[0]) == list(range(64))
    assert deletion.order(flat)[0].tolist() != list(range(64))
    assert deletion.order(flat, seed=1).tolist() != deletion.order(flat).tolist()


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_every_hole_has_the_area_that_it_claims(net, split, x, share):
    ones = torch.ones_like(x)
    target = torch.zeros(IMAGES, dtype=int)
    for maps in deletion.holes(net, split, x, target, ("Grad-CAM",), progress=False).values():
        places = deletion.order(maps)
        gone, kept = deletion.deleted(ones, places, share), deletion.inserted(ones, places, share)
        assert (gone == 0).sum((1, 2, 3)).tolist() == [64 * share] * IMAGES
        assert torch.equal(gone + kept, ones)


def test_a_hole_of_nothing_leaves_the_probability_to_the_bit(net, x):
    target, before = deletion.answers(net, x)
    for maps in (np.zeros((IMAGES, 8, 8)), np.full((IMAGES, 8, 8), 3.0)):
        same = deletion.deleted(x, deletion.order(maps), 0)
        np.testing.assert_array_equal(deletion.probability(net, same, target), before)


def test_a_disc_is_in_the_centre_and_a_moved_map_is_the_same_elsewhere():
    places = deletion.order(deletion.disc(8)[None])[0, : deletion.count(8, 0.25)]
    at = np.stack(np.divmod(places, 8)) - 3.5
    assert np.hypot(*at).max() < 2.6  # a disc of 16 pixels has a radius of 2.26
    maps = np.random.default_rng(0).normal(size=(20, 8, 8))
    elsewhere = deletion.moved(maps)
    assert all(sorted(one.ravel()) == sorted(other.ravel()) for one, other in zip(maps, elsewhere, strict=True))
    assert all(not np.array_equal(one, other) for one, other in zip(maps, elsewhere, strict=True))


def test_rank_correlation_knows_ties_and_maps_of_one_value():
    one = np.array([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = deletion.rank_correlation(one, one)
    assert found[:2] == pytest.approx([1, 1])
    assert np.isnan(found[2])
    assert deletion.rank_correlation(one[:1], -one[:1]) == pytest.approx([-1])


def test_the_frames(net, split):
    how = {"methods": ("Grad-CAM", "saliency"), "images": IMAGES, "progress": False}
    falls = deletion.fall(net, split, **how)
    assert len(falls) == (2 * 3 + 1) * IMAGES
    np.testing.assert_allclose(falls["before"] - falls["after"], falls["fall"])
    curves = deletion.curves(net, split, shares=(0, 0.5, 1), **how)
    assert len(curves) == 7 * 2 * 3
    whole = curves[(curves["way"] == "deletion") & (curves["share"] == 0)]["p"]
    assert whole.to_numpy() == pytest.approx(falls["before"].unique().mean(), abs=1e-5)
    whole = curves[(curves["way"] == "insertion") & (curves["share"] == 1)]["p"]
    assert whole.to_numpy() == pytest.approx(falls["before"].unique().mean(), abs=1e-5)
    left = deletion.randomisation(net, split, **how)
    assert left[left["drawn"] == 0]["alike"].tolist() == pytest.approx([1, 1])
    assert left["drawn"].max() == 5
    stable = deletion.stability(net, split, noise=0.0, **how)
    assert stable["alike"].tolist() == pytest.approx([1, 1], abs=1e-3)
    assert (stable["strangers"] < 0.999).all()
    gaps = deletion.completeness_gaps(net, split, steps=(2, 128), images=IMAGES, progress=False)
    median = gaps.groupby("steps")["gap"].median()
    assert median[128] < median[2]


def test_one_picture_with_its_holes(net, split):
    frame = deletion.of_picture(net, split, 3, "integrated gradients")
    rows = frame.set_index("kind")
    assert set(rows.index) == set(deletion.KINDS)
    assert rows["label"].unique().tolist() == [split.class_names[int(split.y_test[3])]]
    for row in frame.itertuples():
        assert row.picture.shape == row.deleted.shape == (8, 8, 3)
        assert row.p[0] == pytest.approx(row.before, abs=1e-5)
    falls = deletion.fall(net, split, ("integrated gradients",), images=20, progress=False)
    one = falls[(falls["image"] == 3) & (falls["kind"] == "map")]
    assert one["after"].item() == pytest.approx(rows.loc["map", "after"], abs=1e-4)
    own = deletion.of_picture(net, split, split.x_test[3], "saliency").set_index("kind")
    assert own.loc["map", "label"] == ""
    assert own.loc["map", "before"] == pytest.approx(rows.loc["map", "before"], abs=1e-6)
    assert "image" in refusal(deletion.of_picture, net, split, 99)


def test_nets_go_to_the_device_that_is_asked_for(split):
    how = {"nets": ("resnet-8",), "seeds": (0,), "split": split, "methods": ("saliency",), "images": 3}
    short = TrainSpec(epochs=1, batch_size=32)
    how |= {"how": short, "progress": False}
    there = pick_device("auto")
    one, other = (deletion.over_seeds(device=device, **how)["fall"] for device in ("auto", str(there)))
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert lesions.trained(replace(small_net(split), depth=8), split, short, device="auto").fc.weight.device == there
    assert "device is 'tpu'" in refusal(deletion.over_seeds, device="tpu", **how)


def test_the_errors_of_nets_are_of_all_test_pictures(split, net):
    frame = lesions.errors(net, split)
    assert frame["images"].item() == 20
    x, y = split.batch(slice(None), "test")
    assert frame["error"].item() == pytest.approx((net(x).argmax(1) != y).float().mean().item())
    recorded_ones = lesions.errors_of_photographs()
    assert recorded_ones["name"].tolist() == ["plain-20", "resnet-20", "plain-56", "resnet-56"]
    assert recorded_ones["origin"].str.startswith("recorded, ").all()


def test_what_was_recorded_of_photographs_is_of_the_shipped_weights():
    made = deletion.photographs()
    where, fall = made["provenance"], made["fall"]
    nets = [lesions.longest(depth, skip) for depth in (20, 56) for skip in (False, True)]
    assert where["source"].startswith("CIFAR-10")
    assert "dirty" not in where["commit"]
    assert where["weights"] == [recorded().path_of(run).stem for run, _ in nets]
    assert fall.groupby("name").size().to_dict() == dict.fromkeys(("plain-20", "resnet-20"), 13 * where["test_images"])
    np.testing.assert_allclose(fall["before"] - fall["after"], fall["fall"], atol=2e-5)
    for run, _ in nets:  # 32 test pictures of 10,000
        error = made["stability"].set_index("name")["error"][run.name]
        assert error == pytest.approx(recorded().weights(run).test_error, abs=0.15)
