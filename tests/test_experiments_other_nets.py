"""Experiments on nets that `build` did not make, or that were changed since: BatchNorm without running statistics,
Dropout, models of one's own. What is left as it was: the weights, PyTorch's random state, and the count of draws."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from reslab import NetSpec, build, digits
from reslab.experiments import (
    activations,
    attribution,
    chaos,
    deletion,
    film_frames,
    gradient_flow,
    landscape,
    lesions,
    loss_along_gradient,
    paths,
    receptive_field,
    representations,
    scaling,
)
from reslab.nets import lesion
from reslab.train import TrainSpec, evaluate, train
from reslab.train.forward import explained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def split():
    return digits().subset(64, 30)


def built(split, **fields):
    return build(NetSpec(depth=8, width=4, **split.shape, **fields))


def without_statistics(net):
    """The net, its BatchNorm as track_running_stats=False makes it."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return net


def maps(net, split, **how):
    return attribution.maps(net, split.batch(slice(2), "test")[0], **how)


def own(rate=0.0):
    parts = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(rate), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(4 * 8 * 8, 10))


def test_chaos_is_the_same_without_running_statistics_which_it_does_not_use(split):
    assert chaos.growth(without_statistics(built(split)), split).equals(chaos.growth(built(split), split))


def test_chaos_of_a_model_of_ones_own_is_its_gain(split):
    layers = [nn.Conv2d(1, 1, 1, bias=False) for _ in range(2)]
    for layer, gain in zip(layers, (2.0, 3.0), strict=True):
        nn.init.constant_(layer.weight, gain)
    frame = chaos.growth(nn.Sequential(*layers, nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 10)), split)
    assert frame["module"].tolist() == ["0", "1", "2", "3", "4"]
    assert frame["change"].tolist()[:4] == pytest.approx([1, 3, 3, 3])  # Dropout leaves nothing out
    assert frame["gradient"].iloc[0] == pytest.approx(3 * frame["gradient"].iloc[1])


def test_chaos_takes_the_branches_that_stochastic_depth_would_leave_out(split):
    """As in eval mode: a branch is multiplied by the probability that it is taken."""
    frame = chaos.growth(built(split, stochastic_depth=0.5), split)
    assert frame.equals(chaos.growth(built(split, stochastic_depth=0.5).eval(), split))
    assert (frame["change"] > 0).all()


def test_a_net_without_running_statistics_is_rescaled(split):
    net, (x, _) = without_statistics(built(split)), split.batch(slice(8), "test")
    made = landscape.rescaled(net, 4.0)
    assert torch.equal(made.stem.conv.weight, 4 * net.stem.conv.weight)
    torch.testing.assert_close(made.eval()(x), net.eval()(x), atol=1e-3, rtol=1e-3)


def test_a_net_without_running_statistics_is_initialised_again_layer_by_layer(split):
    net, (x, _) = without_statistics(built(split)), split.batch(slice(8), "test")
    stages = dict(attribution.randomised(net, x))
    assert list(stages) == ["", "fc", "stage3.block1", "stage2.block1", "stage1.block1", "stem"]
    changed = {name: [not torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True)]
               for name, other in stages.items()}  # fmt: skip
    assert sum(changed["fc"]) == 2
    assert all(p or n.split(".")[-2].startswith("norm") for p, (n, _) in
               zip(changed["stem"], net.named_parameters(), strict=True))  # fmt: skip
    fresh = attribution.untrained(net, x)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), stages["stem"].parameters(), strict=True))
    assert fresh.stem.norm.running_mean is None
    left = deletion.randomisation(net, split, ("saliency",), images=8, progress=False)
    assert left["alike"].iloc[0] == pytest.approx(1)
    assert (left["alike"].iloc[1:] < 0.99).all()


def test_a_net_whose_classifier_was_replaced_is_initialised_again_with_it(split):
    net, (x, _) = built(split), split.batch(slice(8), "test")
    net.fc = nn.Linear(16, 3)
    assert attribution.untrained(net, x)(x).shape == (8, 3)
    assert [name for name, _ in attribution.randomised(net, x)][1] == "fc"


def test_statistics_that_are_measured_again_forget_a_net_that_diverged(split):
    net, (x, _) = built(split), split.batch(slice(8), "test")
    net.stem.norm.running_mean.fill_(float("nan"))
    assert all(other(x).isfinite().all() for name, other in attribution.randomised(net, x) if name)


def test_calibration_reaches_batchnorm_of_every_number_of_dimensions(split):
    model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    (x, _), (training, _) = split.batch(slice(8), "test"), split.batch(slice(32), "train")
    made = lesions.CachedNet(model, x, training).logits(["1"], calibrated=True)
    flat = training.flatten(1)
    normed = (x.flatten(1) - flat.mean(0)) / (flat.var(0) + model[2].eps).sqrt()
    torch.testing.assert_close(made, model[3](normed), atol=1e-3, rtol=1e-3)
    assert model[2].running_mean.eq(0).all()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_the_loss_along_the_gradient_is_of_one_draw_of_dropout(split, rate):
    """At a small rate the loss falls as predicted: with another draw at every rate it would jump."""
    torch.manual_seed(3)
    model = own(rate)
    state, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    frame = loss_along_gradient.along(model, split)
    assert torch.equal(torch.get_rng_state(), state)
    assert frame["loss"].iloc[1] == pytest.approx(frame["loss"].iloc[0] - frame["predicted"].iloc[1], abs=1e-6)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert frame.equals(loss_along_gradient.along(model, split))


def test_measuring_in_training_takes_no_draw_of_stochastic_depth(split):
    net = built(split, stochastic_depth=0.5)
    draws = {name: module.draws for name, module in net.named_modules() if hasattr(module, "draws")}
    loss_along_gradient.along(net, split)
    film_frames.last_gradient(net, split, 16)
    assert draws == {name: module.draws for name, module in net.named_modules() if hasattr(module, "draws")}
    assert draws


def test_the_last_gradient_leaves_the_random_state(split):
    model = own(0.5)
    state = torch.get_rng_state()
    first = film_frames.last_gradient(model, split, 16)
    assert torch.equal(torch.get_rng_state(), state)
    assert film_frames.last_gradient(model, split, 16) == first  # the same draw
    assert all(value is None or value > 0 for value in first)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_recorded_net_of_no_seed_is_refused(split, seed):
    with pytest.raises(ValueError, match=r"^seed is "):
        lesions.as_recorded(NetSpec(depth=8, width=8, **split.shape), split, seed=seed)


def test_no_branch_that_stochastic_depth_would_leave_out_is_missing_from_the_signal(split):
    """As in eval mode: the signal of a branch is that of the net without stochastic depth, times its probability."""
    usual, now = (activations.signal(built(split, stochastic_depth=rate), split) for rate in (0.0, 0.5))
    assert list(now["module"]) == list(usual["module"])
    first = usual["module"] == "stage1.block1"
    assert now[first]["branch_rms"].item() == pytest.approx(5 / 6 * usual[first]["branch_rms"].item())


def test_pictures_of_another_shape_are_refused_in_a_sentence(split):
    net = built(split)
    with pytest.raises(ValueError, match=r"^ResNet does not take images \(2, 3, 8, 8\): .* 1 channels, but got 3"):
        attribution.maps(net, torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"^the number of images is 0; it must be at least 1\.$"):
        attribution.maps(net, torch.zeros(0, 1, 8, 8))
    for x, given in [(np.zeros((2, 1, 8, 8)), "a ndarray"), (torch.zeros(1, 8, 8), r"torch\.float32 \(1, 8, 8\)")]:
        with pytest.raises(ValueError, match=f"^the images are {given}; they must be a tensor of floats"):
            attribution.maps(net, x)
    x = torch.rand(1, 1, 8, 8)
    alike = [attribution.maps(net, x, target) for target in (3, [3], np.array([3]), torch.tensor(3), torch.tensor([3]))]
    assert all(np.array_equal(alike[0], other) for other in alike)
    with pytest.raises(ValueError, match=r"^the images are torch\.uint8"):
        attribution.maps(net, torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert attribution.maps(net, torch.zeros(2, 1, 8, 8), smooth=1, noise=1).shape == (2, 8, 8)  # a whole number too


def test_the_gradient_of_a_model_of_ones_own_is_that_of_its_own_pass(split):
    model, twin = own(), own()
    twin.load_state_dict(model.state_dict())
    frame = gradient_flow.backward(model, split, "eval", lambda name, _: name == "0")
    first = torch.randperm(len(split.y_train), generator=torch.Generator().manual_seed(0))[: gradient_flow.BATCH]
    x, y = split.batch(first)
    output = twin.eval()[0](x)
    output.retain_grad()
    nn.functional.cross_entropy(twin[1:](output), y).backward()
    assert frame["gradient_rms"].tolist() == pytest.approx([output.grad.square().mean().sqrt().item()])
    assert torch.allclose(model[0].weight.grad, twin[0].weight.grad)
    assert len(gradient_flow.backward(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), split, "train")) == 2


def test_bins_may_come_in_any_order(split):
    sorted_, turned = (activations.histograms(built(split), split, edges=edges) for edges in ((0, 1, 2), (2, 0, 1)))
    assert sorted_["share"].equals(turned["share"])


@pytest.mark.parametrize(
    ("measure", "kind", "says"),
    [
        (
            lambda net, split: gradient_flow.backward(nn.Linear(3, 10), split, "train"),
            ValueError,
            r"Linear does not take images \(2, 1, 8, 8\)",
        ),
        (
            lambda net, split: gradient_flow.backward(nn.Flatten(), split, "train"),
            ValueError,
            "Flatten has nothing to train",
        ),
        (lambda net, split: gradient_flow.backward(net.spec, split, "train"), TypeError, r"net must be an nn\.Module"),
        (
            lambda net, split: receptive_field.by_block(own()),
            TypeError,
            r"a backbone is that of a NetSpec or of a net of build\(\.\.\.\), not of a Sequential\.",
        ),
        (lambda net, split: receptive_field.by_block(net), ValueError, "the pictures have 3 channels, and .* takes 1"),
        (lambda net, split: receptive_field.pictures(33.5), ValueError, r"side is 33\.5; it must be a whole number"),
        (lambda net, split: lesions.several_out(net, split, draws=0), ValueError, "draws is 0; it must be at least 1"),
        (lambda net, split: lesions.swapped(net, split, (0.5,)), ValueError, r"a count is 0\.5; it must be a whole"),
        (
            lambda net, split: landscape.bands(net, split, alphas=("a",)),
            ValueError,
            r"an alpha is 'a'; it must be a number\.",
        ),
        (
            lambda net, split: landscape.bands(net, split, alphas=(float("nan"),)),
            ValueError,
            r"an alpha is nan; it must be a finite number\.",
        ),
        (lambda net, split: loss_along_gradient.along(net, split, "a"), ValueError, "rates is 'a'; it must be several"),
        (lambda net, split: loss_along_gradient.along(net, split, ["a"]), ValueError, "a rate is 'a'; it must be a"),
        (lambda net, split: activations.histograms(net, split, edges=["a"]), ValueError, "an edge is 'a'; it must be"),
        (lambda net, split: maps(net, split, target=[0, 10]), ValueError, "a target is 10; it must be from 0 to 9"),
        (lambda net, split: maps(net, split, target=[0, "a"]), ValueError, "a target is 'a'; it must be a whole"),
        (lambda net, split: maps(net, split, target="ab"), ValueError, "target is 'ab'; it must be several values"),
        (lambda net, split: maps(net, split, target=[0]), ValueError, "target has 1 classes for 2 images"),
        (lambda net, split: maps(net, split, steps=1.5), ValueError, r"steps is 1\.5; it must be a whole number"),
        (
            lambda net, split: landscape.grid(net, split, reach=float("nan"), images=8),
            ValueError,
            "reach is nan; it must be a finite number above 0",
        ),
        (lambda net, split: lesion(net, 3).__enter__(), TypeError, "the blocks are 3; they must be names or modules"),
        (lambda net, split: scaling.paper_recipe(["resnet-21"]), ValueError, "a net is 'resnet-21'; it can be"),
        (lambda net, split: scaling.torchrun("reslab", [0]), ValueError, "a number of processes is 0; it must be"),
        (
            lambda net, split: representations.before_training(("plain-8",), split=split, depth=20),
            ValueError,
            "depth is in the names of the nets",
        ),
        (lambda net, split: chaos.growth(net, split, images=0), ValueError, r"images is 0; it must be at least 1\."),
        (lambda net, split: chaos.growth(net.spec, split), TypeError, r"net must be an nn\.Module, not NetSpec\."),
        (
            lambda net, split: representations.by_block(net.spec, split),
            TypeError,
            r"model must be an nn\.Module, not NetSpec\.",
        ),
        (lambda net, split: lesions.cached_net(net, split, "8"), ValueError, r"images is '8'; it must be a whole"),
        (lambda net, split: deletion.fall(net, split, images="8"), ValueError, r"images is '8'; it must be a whole"),
        (
            lambda net, split: lesions.several_out(net, split, (1.5,), images=8, progress=False),
            ValueError,
            r"a count is 1\.5; it must be a whole number",
        ),
        (lambda net, split: paths.by_length(own(), split), ValueError, r"Sequential has no skips"),
        (
            lambda net, split: lesions.longest(21, True),
            ValueError,
            r"the depth of a recorded net is 21; it can be 20, 56\.",
        ),
        (
            lambda net, split: gradient_flow.photographs(21),
            ValueError,
            r"the depth of recorded first steps is 21; it can be 20, 32, 44, 56, 110\.",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(split, measure, kind, says):
    with pytest.raises(kind, match=f"^{says}"):
        measure(built(split), split)


# --- models that cannot be measured -----------------------------------------------------------------------------------


class Two(nn.Module):
    """A model of two inputs."""

    def forward(self, left, right):
        return left.flatten(1)[:, :10] + right.flatten(1)[:, :10]


OF_ANY = {  # measurements that take any model
    "evaluate": evaluate,
    "by_block": representations.by_block,
    "bands": lambda model, split: landscape.bands(
        model, split, directions=1, alphas=(0,), images=8, device="cpu", progress=False
    ),
    "saliency": lambda model, split: maps(model, split, method="saliency"),
    "probability": lambda model, split: deletion.probability(model, split.batch(slice(2), "test")[0], [0, 0]),
    "fall": lambda model, split: deletion.fall(
        model, split, methods=("saliency",), images=4, other=own(), progress=False
    ),
    "errors": lambda model, split: lesions.errors(model, split),
}
UNFIT = {
    "two inputs": (Two, r"Two does not take images \(2, 1, 8, 8\): .* missing 1 required positional argument"),
    "float64": (lambda: own().double(), "does not take images .* its weights torch.float64: model.float"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "has lazy parameters"),
    "meta": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, device="meta")), "on the device meta"),
    "no forward": (lambda: nn.ModuleList([nn.Linear(64, 10)]), "ModuleList does not take images"),
}


# A surface is measured in float32, whatever the weights are; and a model without any has none.
OTHER = {("bands", "float64"), ("bands", "two inputs")}
PAIRS = [pair for pair in itertools.product(OF_ANY, UNFIT) if pair not in OTHER]


@pytest.mark.parametrize(("measure", "kind"), PAIRS)
def test_a_model_that_does_not_take_the_images_is_refused_in_a_sentence(split, measure, kind):
    make, says = UNFIT[kind]
    with pytest.raises(ValueError, match=says):
        OF_ANY[measure](make(), split)


@pytest.mark.parametrize("measure", OF_ANY)
def test_what_is_no_model_is_refused_in_a_sentence(split, measure):
    with pytest.raises(TypeError, match=r"^model must be an nn\.Module, not function\.$"):
        OF_ANY[measure](lambda x: x, split)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), r"makes \(8, 5\) of .*; it must return logits, \(8, 10\)"),
        (nn.Sequential(nn.Linear(8, 8, dtype=torch.complex64)), "has complex weights; a surface is of real ones"),
        (nn.Flatten(), "Flatten has no weights that could be moved"),
    ],
)
def test_a_surface_needs_real_weights_and_a_logit_for_each_class(split, model, says):
    with pytest.raises(ValueError, match=says):
        OF_ANY["bands"](model, split)


def test_an_error_that_is_not_about_the_images_stays(split):
    def broken(_module, _inputs):
        if torch.is_grad_enabled():
            raise RuntimeError("of the caller")

    net = own()
    net.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="of the caller"), explained(net, split.batch(slice(2))[0]):
        net(split.batch(slice(2))[0])


def test_nets_of_other_numbers_are_refused_before_they_are_trained(split):
    for dtype in (torch.bfloat16, torch.float64):
        net = built(split).to(dtype)
        with pytest.raises(ValueError, match=f"does not take images .* its weights {dtype}: model.float"):
            train(net, split, TrainSpec(batch_size=16))
        assert next(net.parameters()).dtype == dtype


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: torch.compile(net, backend="eager"), nn.Sequential])
def test_the_signal_is_that_of_a_net_of_build(split, wrap):
    for measure in (activations.signal, activations.response, activations.histograms, activations.feature_maps):
        with pytest.raises(ValueError, match="is no net of build with blocks; capture sees any model's modules"):
            measure(wrap(built(split)), split)


@pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated")
def test_what_torch_jit_made_has_no_features(split):
    net = torch.jit.trace(own().eval(), split.batch(slice(2))[0])
    with pytest.raises(ValueError, match=r"was made by torch.jit; take the module that it was made from"):
        representations.by_block(net, split)
