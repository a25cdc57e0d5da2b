"""What every experiment does with its arguments: a seed that is none is refused in a sentence before anything is
measured, and a net that it is given is left as it was, to the mode of each module."""

import numpy as np
import pytest
import torch
from torch import nn

from reslab import NetSpec, build, digits
from reslab.experiments import (
    activations,
    attribution,
    deletion,
    film,
    film_frames,
    gradient_factors,
    landscape,
    landscape_path,
    lesions,
    loss_along_gradient,
    paths,
    receptive_field,
    representations,
    residual_block,
    segmenter,
    super_resolution,
)
from reslab.specs import SRSpec
from reslab.train import evaluate

SPLIT = digits().subset(60, 20)
SPEC = NetSpec(depth=14, width=2, **SPLIT.shape)
IMAGES = SPLIT.batch(slice(4), "test")[0]
MAPS = np.zeros((2, 8, 8))


@pytest.fixture(scope="module")
def net():
    """A net as a person may leave it: some parts in eval mode, and BatchNorms of every kind."""
    net = build(SPEC).train()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[1].momentum = None
    norms[2].eval().requires_grad_(False)
    norms[3].track_running_stats = False
    net.stage2.block1.eval()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    return net


SEEDED = {
    "attribution.maps": lambda net, seed: attribution.maps(net, IMAGES, seed=seed),
    "attribution.quality": lambda net, seed: attribution.quality(net, IMAGES, seed=seed),
    "deletion.moved": lambda net, seed: deletion.moved(MAPS, seed),
    "deletion.order": lambda net, seed: deletion.order(MAPS, seed),
    "deletion.stability": lambda net, seed: deletion.stability(net, SPLIT, images=4, seed=seed),
    "film.begin": lambda net, seed: film.begin(SPEC, SPLIT, seed=seed),
    "gradient_factors.table": lambda net, seed: gradient_factors.table(("plain-8",), seeds=(seed,)),
    "landscape.direction": lambda net, seed: landscape.direction(net, seed),
    "landscape_path.random_walk": lambda net, seed: landscape_path.random_walk(3, 5, seeds=(seed,)),
    "lesions.several_out": lambda net, seed: lesions.several_out(net, SPLIT, images=4, seed=seed),
    "lesions.swapped": lambda net, seed: lesions.swapped(net, SPLIT, images=4, seed=seed),
    "paths.sampled": lambda net, seed: paths.sampled(net, SPLIT, images=4, seed=seed),
    "receptive_field.by_block": lambda net, seed: receptive_field.by_block(net, side=16, seed=seed),
    "receptive_field.trained_and_untrained": lambda net, seed: receptive_field.trained_and_untrained(seeds=(seed,)),
    "representations.by_block": lambda net, seed: representations.by_block(net, SPLIT, seed=seed),
    "residual_block.learn": lambda net, seed: residual_block.learn(SPEC, split=SPLIT, seed=seed),
    "segmenter.draw": lambda net, seed: segmenter.draw(1, seed=seed),
    "super_resolution.learn": lambda net, seed: next(super_resolution.learn(SRSpec(), [], 0.1, seed=seed)),
}


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_no_seed_is_refused_in_a_sentence(net, name):
    for seed in (-1, 0.5, True, "0"):
        with pytest.raises(ValueError, match=r"seed is .*; it must be .*from 0 to 9223372036854775807\."):
            SEEDED[name](net, seed)


MEASURED = {
    "evaluate": lambda net: evaluate(net, SPLIT),
    "activations.signal": lambda net: activations.signal(net, SPLIT),
    "activations.feature_maps": lambda net: activations.feature_maps(net, SPLIT),
    "attribution.maps": lambda net: attribution.maps(net, IMAGES, smooth=2, progress=False),
    "film_frames.last_gradient": lambda net: film_frames.last_gradient(net, SPLIT, 20),
    "film_frames.thorough": lambda net: film_frames.thorough(net, SPLIT, 8, [0, 1]),
    "landscape.bands": lambda net: landscape.bands(
        net, SPLIT, directions=1, alphas=(0, 1), images=8, mode="train", device="cpu", progress=False
    ),
    "lesions.one_out": lambda net: lesions.one_out(net, SPLIT, images=8, calibrated=True, progress=False),
    "loss_along_gradient.along": lambda net: loss_along_gradient.along(net, SPLIT, (0.1,)),
    "paths.by_length": lambda net: paths.by_length(net, SPLIT, images=4),
    "representations.by_block": lambda net: representations.by_block(net, SPLIT),
}


def state(net):
    modes = [
        (module.training, getattr(module, "momentum", None), len(module._forward_hooks)) for module in net.modules()
    ]
    tensors = [*net.state_dict().values(), *(parameter.grad for parameter in net.parameters()), torch.get_rng_state()]
    return modes, [tensor.clone() for tensor in tensors]


@pytest.mark.parametrize("name", MEASURED)
def test_a_net_is_left_as_it_was(net, name):
    modes, tensors = state(net)
    MEASURED[name](net)
    modes_now, tensors_now = state(net)
    assert modes_now == modes
    assert all(map(torch.equal, tensors, tensors_now))
