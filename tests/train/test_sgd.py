"""SGD: torch.optim's, to the bit."""

import pytest
import torch

from reslab import NetSpec, TrainSpec, build
from reslab.train.sgd import SGD
from reslab.train.steps import parameter_groups


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("bias_lr", [1.0, 0.1])
@pytest.mark.parametrize("fused", [True, False])
def test_it_equals_torchs(momentum, bias_lr, fused):
    """Over five steps with rates that change; one parameter never has a gradient, and stays as it is."""
    spec = NetSpec(depth=8, width=4, in_channels=1, image_size=8)
    ours, theirs = build(spec), build(spec)
    how = TrainSpec(momentum=momentum, weight_decay=1e-2, bias_lr=bias_lr)
    optimizer = SGD(parameter_groups(ours, how), momentum=momentum, weight_decay=1e-2, fused=fused)
    reference = torch.optim.SGD(parameter_groups(theirs, how), 1.0, momentum, weight_decay=1e-2, fused=fused)
    for net in (ours, theirs):
        net.fc.bias.requires_grad_(False)
    x, y = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 10
    for rate in (0.1, 0.2, 0.05, 0.05, 0.01):
        for net, each in ((ours, optimizer), (theirs, reference)):
            for group in each.param_groups:
                group["lr"] = rate * group["multiple"]
            each.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            each.step()
    for (name, mine), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, other), name
    assert torch.equal(ours.fc.bias, build(spec).fc.bias)
    buffers = [state.get("momentum_buffer") for state in optimizer.state.values()]
    assert all((buffer is not None) == bool(momentum) for buffer in buffers)
