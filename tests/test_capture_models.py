"""`reslab.capture` on nets of other libraries, compiled, in mixed precision, with checkpoints, in parts of a batch."""

import math
import warnings
from contextlib import nullcontext

import pandas as pd
import pytest
import torch
from capture_reference import (  # noqa: F401
    check_against_autograd,
    exact_rms,
    hooks_of,
    images,
    is_leaf,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn
from torch._dynamo.utils import counters
from torch.utils.checkpoint import checkpoint
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.resnet import Bottleneck

from reslab.capture import capture


def vision_transformer():
    model = models.VisionTransformer(
        image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=5
    )
    nn.init.normal_(model.heads.head.weight)  # torchvision's is 0, and so would be every gradient
    return model


NETS = {  # name → (the net, pixels of its images, blocks that a feature extractor also gives)
    "resnet18": (lambda: models.resnet18(num_classes=5), 32, "layer?.?"),
    "bottlenecks": (lambda: models.ResNet(Bottleneck, [1, 1, 1, 1], num_classes=5), 32, "layer?.?"),
    "densenet121": (lambda: models.densenet121(num_classes=5), 32, "features.*block?"),
    "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=5), 32, "features.?"),
    "vit": (vision_transformer, 16, "encoder.layers.*"),
    "swin": (lambda: models.SwinTransformer([2, 2], 8, [2, 1], [2, 2], [2, 2], num_classes=5), 16, "features.[13].?"),
}


@pytest.mark.parametrize("name", NETS)
def test_the_nets_of_torchvision_equal_autograd(name):
    make, size, _ = NETS[name]
    model = make().double()
    reads = pytest.warns(
        UserWarning, match=r"^SwinTransformer ran, and each of 6 of .* \(features\.1\.0\.attn\.qkv, .* was not called"
    )
    # whose attention computes with the weights of layers that it does not call
    with reads if name == "swin" else nullcontext():
        # most of it is efficientnet's, of 236 layers
        frame = check_against_autograd(model, images(2, size).double(), is_leaf, 1e-7)
    assert frame["gradient_rms"].gt(0).all()


@pytest.mark.parametrize("name", NETS)
def test_the_nets_of_torchvision_equal_its_feature_extractor(name):
    make, size, blocks = NETS[name]
    model, x = make().eval(), images(2, size)
    with capture(model, blocks, keep=True) as trace:
        output = model(x)
    assert len(trace.tensors) >= 2
    features = create_feature_extractor(model, list(trace.tensors))(x)
    for module, (row,) in trace.tensors.items():
        assert torch.equal(row.activation, features[module]), module
    assert torch.equal(output, model(x))


def test_torchvision_resnet18_in_single_precision_with_its_in_place_relus():
    model = models.resnet18(weights=None, num_classes=5)
    assert any(getattr(module, "inplace", False) for module in model.modules())
    frame = check_against_autograd(model, images(2, 64), is_leaf, 1e-3)
    assert list(frame["module"][:4]) == ["conv1", "bn1", "relu", "maxpool"]
    assert list(frame["module"].iloc[-2:]) == ["avgpool", "fc"]
    assert frame["module"].value_counts()["layer1.0.relu"] == 2  # one module, called twice
    before, after = frame[frame["module"] == "bn1"].squeeze(), frame[frame["module"] == "relu"].squeeze()
    # what batch norm gave, not what ReLU made of it in place
    assert before["activation_mean"] < after["activation_mean"]


# transformers, whose fast path in eval mode would run no hooks


def encoder(**fields):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2, **fields).double()


@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_encoder(training):
    model = encoder(enable_nested_tensor=False).train(training)
    frame = check_against_autograd(model, torch.randn(2, 5, 8).double(), is_leaf, 1e-10)
    once = ["self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2"]
    assert list(frame["module"]) == [f"layers.{i}.{name}" for i in (0, 1) for name in once]
    with capture(model, "**.self_attn") as trace:  # returns a tuple of tensor and None
        loss_of(model(torch.randn(2, 5, 8).double())).backward()
    assert list(trace.frame()["module"]) == ["layers.0.self_attn", "layers.1.self_attn"]
    assert trace.frame()["gradient_rms"].gt(0).all()


@pytest.mark.parametrize("layers", [None, "layers.0", "**.norm1", "TransformerEncoder"])
def test_padded_sequences_in_eval_mode(layers):
    model = encoder().eval()
    x, padding = torch.randn(3, 5, 8).double(), torch.arange(5) >= torch.tensor([[5], [4], [2]])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)  # the fast path itself
        packed = model(x, src_key_padding_mask=padding)
        with capture(model, layers) as trace:
            output = model(x, src_key_padding_mask=padding)
        again = model(x, src_key_padding_mask=padding)
    torch.testing.assert_close(output[~padding], packed[~padding], rtol=1e-10, atol=1e-12)
    assert (packed[padding] == 0).all()  # what the docstring says
    assert (output[padding] != 0).all()
    assert torch.equal(again, packed)
    assert model.use_nested_tensor
    assert trace.frame()["activation_rms"].gt(0).all()
    assert set(trace.frame()["shape"]) <= {"3×5×8", "3×5×16"}


# what wraps a forward pass: compilation, mixed precision, checkpoints, parts of a batch


def passes(model, x, watched):
    with capture(watched) as trace:
        loss_of(model(x)).backward()
    return trace.frame()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_compiled_model_is_watched_uncompiled():
    torch._dynamo.reset()
    model, x = small_net(), images()
    expected = passes(model, x, model)
    compiled = torch.compile(model, backend="eager")
    loss_of(compiled(x)).backward()  # now its hooks are compiled away ...
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    # ... and seen all the same, under the same names
    pd.testing.assert_frame_equal(passes(compiled, x, compiled), expected)
    with capture(compiled, "stage2.block1", additions=True) as trace:
        compiled(x)
    assert list(trace.frame()["part"]) == ["left", "right", "sum"] * 2 + ["output"] + ["left", "right", "sum"]
    compiled(x)
    assert counters["stats"]["unique_graphs"] == graphs  # nothing was compiled again
    assert hooks_of(model) == 0


# PyTorch's own, on its inputs
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_parts_of_a_model_can_be_compiled():
    torch._dynamo.reset()
    model, x = small_net(), images()
    expected = passes(model, x, model)
    model.stage2 = torch.compile(model.stage2, backend="eager")
    model.stage3.compile(backend="eager")
    loss_of(model(x)).backward()
    pd.testing.assert_frame_equal(passes(model, x, model), expected)
    assert model.stage3._compiled_call_impl is not None


class Mixed(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.net(x)


def test_mixed_precision():
    model = Mixed(models.resnet18(num_classes=5))
    with capture(model, keep=True) as trace:
        loss_of(model(images(2, 32))).backward()
    rows = [row for rows in trace.tensors.values() for row in rows]
    assert {tensor.dtype for row in rows for tensor in (row.activation, row.gradient)} == {torch.bfloat16}
    check_against_autograd(model, images(2, 32), is_leaf, 1e-6)


def test_a_scaled_loss_has_scaled_gradients():
    model, x = Mixed(small_net()), images()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with capture(model) as trace:
        loss_of(model(x).float()).backward()
        scaler.scale(loss_of(model(x).float())).backward()
    plain, scaled = (part for _, part in trace.frame().groupby("step"))
    assert list(scaled["gradient_rms"] / scaler.get_scale()) == pytest.approx(list(plain["gradient_rms"]), rel=1e-6)


def test_the_parts_of_an_accumulated_batch_are_steps_of_their_own():
    x = images(6)
    whole, parts = small_net(norm="none"), small_net(norm="none")
    model_loss = lambda model, x: model(x).square().sum()  # noqa: E731
    with capture(whole, keep=True) as expected:
        model_loss(whole, x).backward()
    with capture(parts, keep=True) as trace:
        for part in x.split(2):
            model_loss(parts, part).backward()
    frame = trace.frame()
    assert list(frame["step"]) == [0] * 3 + [1] * 3 + [2] * 3
    for module, (row,) in expected.tensors.items():
        together = torch.cat([part.gradient for part in trace.tensors[module]])
        torch.testing.assert_close(together, row.gradient, rtol=1e-4, atol=1e-5)
        squares = frame.loc[frame["module"] == module, "gradient_rms"].pow(2)
        assert math.sqrt(squares.mean()) == pytest.approx(exact_rms(row.gradient), rel=1e-4)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-3)


class Checkpointed(nn.Module):
    """A stem, and a body whose activations are recomputed in the backward pass, or not."""

    def __init__(self, **how):
        super().__init__()
        self.stem, self.body, self.how = nn.Linear(3, 3), Residual(), how

    def forward(self, x):
        h = self.stem(x)
        return checkpoint(self.body, h, **self.how) if self.how else self.body(h)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(3, 3))

    def forward(self, x):
        return x + self.layers(x)


def checkpointed_frame(whole=False, **how):
    torch.manual_seed(0)
    model, x = Checkpointed(**how), torch.randn(5, 3)
    with capture(model, [nn.Linear, nn.Tanh, Residual], additions=True) as trace:
        for _ in range(2):
            loss_of(checkpoint(model, x, use_reentrant=False) if whole else model(x)).backward()
    assert hooks_of(model) == 0
    return trace.frame(), [parameter.grad for parameter in model.parameters()]


def test_recomputed_activations_have_no_rows_and_gradients_are_those_without_checkpoints():
    frame, gradients = checkpointed_frame()
    assert len(frame) == 2 * 8
    for same in (checkpointed_frame(use_reentrant=False), checkpointed_frame(whole=True)):
        pd.testing.assert_frame_equal(same[0], frame)
        assert all(torch.equal(a, b) for a, b in zip(same[1], gradients, strict=True))


def test_a_reentrant_checkpoint_shows_no_gradient_inside():
    frame, _ = checkpointed_frame()
    reentrant, _ = checkpointed_frame(use_reentrant=True)
    columns = [name for name in frame if name != "gradient_rms"]
    pd.testing.assert_frame_equal(reentrant[columns], frame[columns])
    # left is what went in; "body" itself is called inside
    outside = (frame["module"] == "stem") | (frame["part"] == "left")
    assert outside.sum() == 2 * 2
    pd.testing.assert_series_equal(reentrant["gradient_rms"], frame["gradient_rms"].where(outside))
