"""What `reslab.capture` can be asked for: which modules, which statistics, histograms, whole tensors."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from capture_reference import (  # noqa: F401
    COLUMNS,
    hooks_of,
    hooks_on,
    images,
    loss_of,
    one_thread_and_seed,
    small_net,
)
from torch import nn

from reslab.capture import capture, rms
from reslab.nets import Block


def test_blocks_are_chosen_where_there_are_any_and_leaves_otherwise():
    def modules(model, x):
        with capture(model) as trace:
            model(x)
        return list(trace.frame()["module"])

    blocks = ["0.stage1.block1", "0.stage2.block1", "0.stage3.block1"]
    assert modules(nn.Sequential(small_net(), nn.ReLU()), images()) == blocks
    assert modules(nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Tanh()), torch.randn(2, 3)) == [
        "0.0",
        "0.1",
        "1",
    ]
    assert modules(nn.Linear(3, 3), torch.randn(2, 3)) == ["Linear"]


def test_a_predicate_chooses_by_name_and_module():
    model = small_net()
    with capture(
        model, lambda name, module: name == "stem.conv" or isinstance(module, nn.Linear) or name == "ResNet"
    ) as trace:
        model(images())
    assert list(trace.frame()["module"]) == ["stem.conv", "fc", "ResNet"]


def test_choosing_nothing_is_refused_and_leaves_nothing():
    model = small_net()
    with (
        pytest.raises(
            ValueError, match=r"^no module of ResNet was chosen; its modules are ResNet, stem, stem\.conv, .*\.\.\.$"
        ),
        capture(model, lambda _name, _module: False),
    ):
        pytest.fail("the block ran")  # pragma: no cover
    assert hooks_of(model) == 0


def test_statistics_of_ones_own():
    model = nn.Sequential(nn.Linear(3, 2))
    largest, smallest, positive = lambda x: x.abs().max(), torch.min, lambda gradient: (gradient > 0).sum()
    with capture(
        model, activation={"largest": largest}, gradient={"smallest": smallest, "positive": positive}
    ) as trace:
        output = model(torch.randn(4, 3))
        (output * torch.arange(8.0).view(4, 2)).sum().backward()
    frame = trace.frame()
    assert list(frame.columns) == [*COLUMNS[:4], "activation_largest", "gradient_smallest", "gradient_positive"]
    assert list(frame.iloc[0, 4:]) == [output.abs().max().item(), 0, 7]


def test_a_statistic_that_is_a_view_is_not_changed_in_place_afterwards():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True))
    model[0].weight.data.copy_(-torch.eye(2))
    with capture(model, activation={"first": lambda x: x[0, 0]}) as trace:
        model(torch.ones(1, 2))
    assert list(trace.frame()["activation_first"]) == [-1, 0]


@pytest.mark.parametrize("which", ["activation", "gradient"])
def test_a_statistic_that_changes_the_model_is_refused(which):
    net, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(2, 4)
    changes = {which: {"largest": lambda x: x.abs_().max()}}
    with capture(net, **changes), pytest.raises(ValueError, match=rf"^{which}_largest changes the tensor that it meas"):
        net(x).pow(2).sum().backward()
    with torch.inference_mode(), capture(net, activation={"largest": torch.amax}) as trace:
        net(x)
    assert trace.frame()["activation_largest"].item() == pytest.approx(net(x).max().item())


def test_statistics_can_be_left_out():
    model = small_net()
    with capture(model, activation={}) as trace:
        loss_of(model(images())).backward()
    assert list(trace.frame().columns) == [*COLUMNS[:4], "gradient_rms"]
    assert trace.frame()["gradient_rms"].gt(0).all()
    with capture(model, gradient={}) as trace:
        output = model(images())
        assert hooks_on(output) == 0
    assert list(trace.frame().columns) == COLUMNS[:-1]


def test_statistics_see_tensors_outside_the_graph():
    seen = []

    def remember(x):
        seen.append(x.requires_grad)
        return x.sum()

    model = small_net()
    with capture(model, activation={"sum": remember}, gradient={"sum": remember}) as trace:
        (gradient,) = torch.autograd.grad(loss_of(model(images())), model.stem.conv.weight, create_graph=True)
        assert len(seen) == 6
        gradient.sum().backward()
    assert not any(seen)
    assert trace.frame().notna().all(axis=None)


# which modules


def chosen(model, layers, x=None):
    with capture(model, layers) as trace:
        model(images() if x is None else x)
    return list(trace.frame()["module"])


BLOCKS = ["stage1.block1", "stage2.block1", "stage3.block1"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("stage*.block*", BLOCKS),
        ("stage[23].block?", BLOCKS[1:]),
        ("stem", ["stem"]),
        ("ResNet", ["ResNet"]),
        ("*", ["stem", "stage1", "stage2", "stage3", "pool", "fc", "ResNet"]),
        ("**.conv1", [f"{block}.branch.conv1" for block in BLOCKS]),
        (
            "stage3.block1.branch.**",
            [f"stage3.block1.branch.{part}" for part in ("conv1", "norm1", "activation1", "conv2", "norm2")],
        ),
        (nn.Linear, ["fc"]),
        ((nn.Linear, nn.AdaptiveAvgPool2d), ["pool", "fc"]),
        (Block, BLOCKS),
        (["fc", "stage3.*", Block, lambda name, _module: name == "stem"], ["stem", *BLOCKS, "fc"]),
    ],
)
def test_modules_by_name_by_class_and_by_several_of_these(layers, expected):
    assert chosen(small_net(), layers) == expected


def test_a_module_can_be_meant_itself():
    model = small_net()
    assert chosen(model, model.stage2.block1) == ["stage2.block1"]
    assert chosen(model, [model.fc, model.stem]) == ["stem", "fc"]


def test_a_module_of_no_module_of_its_own_is_a_leaf_however_empty_its_name():
    model = nn.Sequential(nn.Sequential(nn.Sequential(), nn.Linear(3, 3)), nn.Tanh())
    assert chosen(model, None, torch.randn(2, 3)) == ["0.0", "0.1", "1"]


@pytest.mark.parametrize(
    ("layers", "error", "sentence"),
    [
        (
            "stage*.blok*",
            ValueError,
            "no module of ResNet is called 'stage*.blok*'; near it are stage1.block1, stage2.block1, ",
        ),
        (
            "block1",
            ValueError,
            "no module of ResNet is called 'block1'; near it are stage1.block1, stage1.block1.branch, ",
        ),
        ("stage1.block1.*.*.*", ValueError, "no module of ResNet is called 'stage1.block1.*.*.*'; "),
        ("layer4", ValueError, "no module of ResNet is called 'layer4'; its modules are ResNet, stem, stem.conv, "),
        (["stem", "stam"], ValueError, "no module of ResNet is called 'stam'; near it are stem, "),
        (nn.Conv3d, ValueError, "no module of ResNet is of class Conv3d; its modules are ResNet, stem, "),
        (
            (),
            ValueError,
            "layers is (), which chooses no module; only with additions=True is there anything else to see.",
        ),
        (
            4,
            TypeError,
            "layers is 4; it can be a name or pattern, a module, its class, a predicate (name, module), or a list of ",
        ),
        ([None], TypeError, "layers is None; it can be a name or pattern"),
    ],
)
def test_what_chooses_nothing_is_answered_with_what_is_near(layers, error, sentence):
    model = small_net()
    with pytest.raises(error, match=f"^{re.escape(sentence)}"), capture(model, layers):
        pytest.fail("the block ran")  # pragma: no cover
    assert hooks_of(model) == 0


def test_only_a_model_and_dicts_of_functions_will_do():
    with pytest.raises(TypeError, match=r"^model must be an nn\.Module, not function\.$"), capture(loss_of):
        pytest.fail("the block ran")  # pragma: no cover
    for wrong in ({"activation": rms}, {"gradient": ["rms"]}, {"activation": {"rms": "rms"}}):
        (which,) = wrong
        sentence = rf"^{which} is .*; it must be a dict of names and functions, such as "
        with pytest.raises(TypeError, match=sentence), capture(nn.ReLU(), **wrong):
            pytest.fail("the block ran")  # pragma: no cover


@pytest.mark.parametrize(
    ("statistic", "got"), [(torch.abs, "shape (4, 2)"), (lambda _x: 1.0, "float"), (lambda _x: None, "NoneType")]
)
def test_a_statistic_that_is_no_number_on_the_device_is_refused(statistic, got):
    model = nn.Linear(3, 2)
    sentence = re.escape(f"activation_mine is a value of {got}; a statistic must return a tensor of no dimensions")
    with pytest.raises(TypeError, match=f"^{sentence}"), capture(model, activation={"mine": statistic}):
        model(torch.randn(4, 3))
    with pytest.raises(TypeError, match=r"^gradient_mine is a value of"), capture(model, gradient={"mine": statistic}):
        model(torch.randn(4, 3)).sum().backward()
    assert hooks_of(model) == 0


# histograms


def test_histograms_count_every_element_of_every_activation():
    model = small_net()
    edges = torch.linspace(-1, 1, 9)
    with capture(model, ["stem", "stage*.block*"], bins=edges, keep=True) as trace:
        for _ in range(2):
            loss_of(model(images())).backward()
    frame = trace.histogram()
    assert list(frame.columns) == ["step", "module", "index", "left", "right", "count"]
    assert frame["count"].dtype == "int64"
    assert len(frame) == 2 * 4 * (len(edges) + 1)
    for (step, module), part in frame.groupby(["step", "module"]):
        x = trace.tensors[module][step].activation
        assert list(part["left"]) == [-math.inf, *edges.tolist()]
        assert list(part["right"]) == [*edges.tolist(), math.inf]
        assert list(part["count"]) == list(np.histogram(x.numpy(), [-np.inf, *edges.tolist(), np.inf])[0])
        assert part["count"].sum() == x.numel()
    assert frame["index"].equals(pd.Series(np.tile(np.repeat([1, 2, 3, 4], len(edges) + 1), 2)))


def test_nans_have_a_row_of_their_own_where_there_are_any():
    model = nn.Sequential(nn.Identity())
    with capture(model, bins=[0, 1]) as trace:
        model(torch.tensor([[0.5, math.nan, 2.0], [math.nan, math.inf, -1.0]]))
        model(torch.ones(1, 1, dtype=torch.float64))
    first, second = (part for _, part in trace.histogram().groupby("step"))
    assert list(first["count"]) == [1, 1, 2, 2]
    assert first.iloc[-1][["left", "right"]].isna().all()
    assert list(second["count"]) == [0, 0, 1]


NO_BINS = [50, [1.0], [], [0, 0], [1, 0], [0, math.inf], [0, math.nan], [[0, 1]], ["a", "b"], "auto", {}, object()]


@pytest.mark.parametrize("bins", NO_BINS)
def test_bins_are_edges_in_rising_order(bins):
    model = nn.Linear(2, 2)
    sentence = r"^bins is .*; it must be two or more finite edges, in rising order, such as"
    with pytest.raises(ValueError, match=sentence), capture(model, bins=bins):
        pytest.fail("the block ran")  # pragma: no cover
    assert hooks_of(model) == 0


def test_a_histogram_that_nobody_asked_for_is_refused_in_a_sentence():
    model = nn.Linear(2, 2)
    with capture(model) as trace:
        model(torch.ones(1, 2))
    with pytest.raises(
        ValueError, match=r"^nothing was counted; give capture the edges of the bins, such as bins=torch\.linspace"
    ):
        trace.histogram()


# whole tensors


def test_whole_tensors_are_kept_where_asked_with_their_gradients():
    model = small_net()
    with capture(model, keep="stage[12].*") as trace:
        for _ in range(2):
            x = images()
            loss_of(model(x)).backward()
    assert list(trace.tensors) == ["stage1.block1", "stage2.block1"]
    frame = trace.frame()
    for module, rows in trace.tensors.items():
        assert [row.step for row in rows] == [0, 1]
        for row in rows:
            (line,) = frame[(frame["module"] == module) & (frame["step"] == row.step)].itertuples()
            assert (row.index, "×".join(map(str, row.activation.shape))) == (line.index, line.shape)
            assert rms(row.activation).item() == line.activation_rms
            assert rms(row.gradient).item() == line.gradient_rms
            assert not row.activation.requires_grad
            assert not row.gradient.requires_grad
    with torch.no_grad():
        assert torch.equal(trace.tensors["stage1.block1"][1].activation, model.stage1(model.stem(x)))
    trace.clear()
    assert trace.tensors == {}


def test_what_is_kept_is_also_watched_and_true_keeps_all_that_is():
    model = small_net()
    with capture(model, "stem", keep=[nn.Linear, "pool"], gradient={}) as trace:
        loss_of(model(images())).backward()
    assert list(trace.frame()["module"]) == ["stem", "pool", "fc"]
    assert list(trace.tensors) == ["pool", "fc"]
    assert trace.tensors["fc"][0].gradient.shape == (3, 10)  # kept, though no statistic was asked of it
    with capture(model, keep=True) as trace, torch.no_grad():
        model(images())
    assert list(trace.tensors) == BLOCKS
    assert all(row.gradient is None for rows in trace.tensors.values() for row in rows)
    with (
        pytest.raises(ValueError, match=r"^no module of ResNet is called 'stam'; near it are stem"),
        capture(model, keep="stam"),
    ):
        pytest.fail("the block ran")  # pragma: no cover


def test_what_is_kept_is_not_changed_in_place_afterwards():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True))
    model[0].weight.data.copy_(-torch.eye(2))
    with capture(model, keep=True) as trace:
        output = model(torch.ones(1, 2))
        output.backward(torch.tensor([[1.0, 2.0]]))
        output.detach().fill_(7)
    assert trace.tensors["0"][0].activation.tolist() == [[-1, -1]]
    assert trace.tensors["1"][0].activation.tolist() == [[0, 0]]
    assert trace.tensors["1"][0].gradient.tolist() == [[1, 2]]
