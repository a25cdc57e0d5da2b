"""A process of its own, as a fault here ends it: small nets' gradients in channels_last against contiguous copies.

Started by test_nets_convolution.py. Raises, or is ended by glibc, where they differ or memory is overrun.
"""

import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from small_nets import images
from test_nets_properties import REPEATABLE, valid_specs
from torch import nn

from reslab import datasets
from reslab.nets import FAMILY, NetSpec, build, replace
from reslab.nets.convolution import lay_out
from reslab.train import TrainSpec, train

SMALL = {"in_channels": 1, "image_size": 8}


def watch(convolution, seen):
    """Note what a convolution is given on the way, and the gradient of what it puts out."""

    def note(_, inputs, output):
        seen[convolution] = [inputs[0].detach()]
        output.register_hook(seen[convolution].append)

    convolution.register_forward_hook(note)


@given(spec=valid_specs())
@example(spec=NetSpec(depth=14, width=3, shortcut="B", **SMALL))
@example(spec=NetSpec(depth=14, width=6, shortcut="B", **SMALL))
@example(spec=replace(FAMILY["wide-resnet-16-8"], widen=2, width=3))
@settings(max_examples=25, **REPEATABLE)
def gradients_are_those_of_a_contiguous_copy(spec):
    """Layer by layer, from the same numbers: from loss to stem, rounding alone grows large in a deep plain net."""
    net, x, seen = build(spec), images(spec, n=4), {}
    lay_out(net, torch.channels_last)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            watch(module, seen)
    for _ in range(2):  # what the first pass overruns may be noticed in the second
        net.zero_grad()
        seen.clear()
        logits = net(x.contiguous(memory_format=torch.channels_last))
        F.cross_entropy(logits, torch.arange(len(x)) % spec.classes).backward()
    assert seen
    for convolution, (inputs, *gradient) in seen.items():
        if gradient:  # none where stochastic depth went around
            copied = torch.nn.grad.conv2d_weight(
                inputs.contiguous(),
                convolution.weight.shape,
                gradient[0].contiguous(),
                convolution.stride,
                convolution.padding,
                groups=convolution.groups,
            )
            error = (convolution.weight.grad - copied).norm()
            assert error <= 1e-5 * inputs.norm() * gradient[0].norm(), convolution  # of which the gradient is a sum


def own_models_given_in_channels_last_train():
    part = [nn.Conv2d(1, 3, 3), nn.Conv2d(3, 6, 1, 2), nn.ConvTranspose2d(6, 3, 1, 2, output_padding=1)]
    model = nn.Sequential(*part, nn.Flatten(), nn.LazyLinear(10))
    split = datasets.digits()
    model(split.batch(slice(2))[0])
    *_, last = train(model.to(memory_format=torch.channels_last), split, TrainSpec(epochs=1))
    assert last.state == "finished"


if __name__ == "__main__":
    torch.set_num_threads(1)
    gradients_are_those_of_a_contiguous_copy()
    own_models_given_in_channels_last_train()
