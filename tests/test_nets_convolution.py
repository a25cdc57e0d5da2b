"""Strided 1×1 convolutions of few channels, whose gradients oneDNN gets wrong in channels_last."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_nets import small
from torch import nn

from reslab import datasets
from reslab.nets import build
from reslab.nets.convolution import BLOCK, Conv2d, lay_out, overruns
from reslab.train import TrainSpec, train

pytestmark = pytest.mark.usefixtures("one_thread")


def test_no_small_net_overruns_memory_or_has_other_gradients_than_a_contiguous_copy():
    script = Path(__file__).with_name("channels_last_gradients.py")
    path = os.pathsep.join(filter(None, [str(script.parent), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path, "ONEDNN_MAX_CPU_ISA": "AVX2"}  # where the fault was seen
    env |= {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}  # glibc's: an overrun ends the process
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    ("channels", "stride", "options"),
    [(2, 2, {}), (7, 2, {}), (9, (2, 1), {"bias": False}), (BLOCK - 1, 3, {}), (12, 2, {"groups": 2}), (BLOCK, 2, {})],
)
def test_it_computes_what_pytorchs_does(channels, stride, options, layout):
    ours = Conv2d(channels, 6, 1, stride, **options)
    theirs = nn.Conv2d(channels, 6, 1, stride, **options)
    theirs.load_state_dict(ours.state_dict())
    lay_out(ours, layout)
    results = []
    for layer, inputs in ((ours, layout), (theirs, torch.contiguous_format)):
        x = torch.randn(2, channels, 7, 6, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=inputs)
        y = layer(x.requires_grad_())
        y.square().sum().backward()
        results.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)
    assert results[0][0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    ("layer", "can"),
    [
        (nn.Conv2d(3, 32, 1, 2), True),
        (nn.Conv2d(BLOCK - 1, 32, 1, (1, 2)), True),
        (nn.Conv2d(BLOCK, 4, 1, 2), False),
        (nn.Conv2d(BLOCK, 4, 1, 2, groups=2), True),
        (nn.Conv2d(3, 4, 1), False),
        (nn.Conv2d(3, 4, 3, 2), False),
        (nn.ConvTranspose2d(32, 3, 1, 2), True),
        (nn.ConvTranspose2d(3, 32, 1, 2), False),
        (nn.Linear(3, 4), False),
    ],
)
def test_which_layers_overrun(layer, can):
    assert overruns(layer) is can


def test_weights_get_the_strides_of_their_layout_even_where_they_have_both():
    layer = nn.Conv2d(3, 4, 1, 2)
    lay_out(layer, torch.channels_last)
    assert layer.weight.stride() == (3, 1, 3, 3)
    lay_out(layer, torch.contiguous_format)
    assert layer.weight.stride() == (3, 1, 1, 1)


def test_the_nets_have_it_where_the_fault_would_be_and_nowhere_else():
    for fields in (
        {"shortcut": "B"},
        {"shortcut": "C", "depth": 11, "block": "bottleneck", "width": 2},
        {"shortcut": "D"},
    ):
        convolutions = [module for module in build(small(**fields)).modules() if isinstance(module, nn.Conv2d)]
        for convolution in convolutions:
            assert (type(convolution) is Conv2d) == overruns(convolution)
        assert any(map(overruns, convolutions)) == (fields["shortcut"] != "D")


class Own(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 1, 2), nn.Linear(36, 10)
        self.layout = layout

    def forward(self, x):
        return self.fc(self.second(self.first(x).contiguous(memory_format=self.layout)).flatten(1))


def test_a_persons_own_model_that_meets_the_fault_is_warned_of_before_the_first_step(recwarn):
    with pytest.warns(UserWarning, match=r"^second: a strided 1×1 convolution of fewer than 16 channels.*oneDNN#6035"):
        train(Own(torch.channels_last), datasets.digits(), TrainSpec())
    recwarn.clear()
    model = Own(torch.contiguous_format)
    train(model, datasets.digits(), TrainSpec())
    assert not recwarn
    assert not model.second._forward_pre_hooks
