"""The additions of torchvision's models and of PyTorch's transformer: those of two paths, and no others."""


import pytest
import torch
import torchvision
from capture_reference import (  # noqa: F401
    PARTS,
    added,
    exact_rms,
    images,
    loss_of,
    one_thread_and_seed,
    sums,
)
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from reslab.capture import capture


def block_out_of_place(block, x, seen):
    """What torchvision's BasicBlock and Bottleneck do, nothing in place; the sides and the sum go to `seen`."""
    out = x
    for number in range(1, 4 if isinstance(block, Bottleneck) else 3):
        if number > 1:
            out = out.relu()
        out = getattr(block, f"bn{number}")(getattr(block, f"conv{number}")(out))
    identity = x if block.downsample is None else block.downsample(x)
    total = out + identity
    seen += [out, identity, total]
    return total.relu()


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_torchvisions_resnets_whose_additions_are_in_place(block, monkeypatch):
    model = torchvision.models.ResNet(block, [2, 1, 1, 1], num_classes=5).double()
    x, seen = images(2, 32).double(), []
    with monkeypatch.context() as patch:
        patch.setattr(block, "forward", lambda self, x: block_out_of_place(self, x, seen))
        gradients = torch.autograd.grad(loss_of(model(x)), seen)
    with capture(model, block, additions=True, keep=True) as trace:
        loss_of(model(x)).backward()
    names = ["layer1.0", "layer1.1", "layer2.0", "layer3.0", "layer4.0"]
    frame = trace.frame()
    assert added(frame) == [(name, part) for name in names for part in PARTS]
    rows = frame[frame["part"] != "output"]
    for row, value, gradient in zip(rows.itertuples(), seen, gradients, strict=True):
        assert row.activation_rms == pytest.approx(exact_rms(value), rel=1e-10)
        assert row.gradient_rms == pytest.approx(exact_rms(gradient), rel=1e-8)
    for name in names:
        left, right, total, output = trace.tensors[name]
        assert [left.part, right.part, total.part, output.part] == [*PARTS, "output"]
        assert torch.equal(left.activation + right.activation, total.activation)
        assert torch.equal(total.activation.relu(), output.activation)
        assert torch.equal(left.gradient, total.gradient)  # an addition hands the gradient on to both sides


def test_the_additions_of_a_vision_transformer_and_no_others():
    small = {
        "image_size": 16,
        "patch_size": 4,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 8,
        "mlp_dim": 16,
        "num_classes": 5,
    }
    model = torchvision.models.VisionTransformer(**small)
    layers = [f"encoder.layers.encoder_layer_{i}" for i in (0, 0, 1, 1)]  # attention, then MLP
    for n in (2, 1):  # in a batch of one the embedding of the places, a parameter, has the shape of what it is added to
        assert sums(model, images(n, 16)) == layers


def test_the_additions_of_a_swin_transformer():
    small = {
        "patch_size": [2, 2],
        "embed_dim": 8,
        "depths": [2, 1],
        "num_heads": [2, 2],
        "window_size": [2, 2],
        "num_classes": 5,
    }
    model = torchvision.models.SwinTransformer(**small)
    assert sums(model, images(2, 16)) == ["features.1.0"] * 2 + ["features.1.1"] * 2 + ["features.3.0"] * 2


def test_the_additions_of_an_efficientnet_and_of_a_densenet():
    efficient = torchvision.models.efficientnet_b0(num_classes=5)
    residual = [name for name, module in efficient.named_modules() if getattr(module, "use_res_connect", False)]
    assert len(residual) == 9
    assert sums(efficient, images(2, 32)) == residual
    dense = torchvision.models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=4, num_classes=5)
    assert sums(dense, images(2, 32)) == []  # it concatenates


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_additions_of_a_transformer_encoder(training, norm_first):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().train(training)
    x = torch.randn(2, 5, 8).double()
    assert sums(model, x) == ["layers.0", "layers.0", "layers.1", "layers.1"]
    with capture(model, "layers.*.self_attn", additions=True) as trace, torch.no_grad():
        model(x)
    frame = trace.frame()
    attention = frame.loc[frame["part"] == "output", "activation_rms"]
    assert list(frame.loc[frame["part"] == "right", "activation_rms"])[::2] == pytest.approx(list(attention), rel=1e-12)
