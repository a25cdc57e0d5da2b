"""The experiments of lesson 04, at a small size: the frames that they return are exact."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from reslab import NetSpec, TrainSpec, build, digits, replace
from reslab.datasets import Split
from reslab.experiments import activations
from reslab.experiments.degradation import small_net

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = TrainSpec(epochs=2)
LABELS = ["name", "skip", "depth", "seed"]


@pytest.fixture(scope="module")
def split():
    return digits().subset(n_train=256, n_test=64)


@pytest.fixture(scope="module")
def spec(split):
    return replace(small_net(split), depth=14)


def rms(x):
    return x.double().square().mean().sqrt().item()


@pytest.mark.parametrize("skip", [True, False])
def test_the_signal_is_that_of_the_blocks_by_hand(split, spec, skip):
    net = build(replace(spec, skip=skip), seed=3)
    frame = activations.signal(net, split)
    assert frame["module"].tolist() == [f"stage{stage}.block{block}" for stage in (1, 2, 3) for block in (1, 2)]
    assert frame["index"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame[[*LABELS, "step", "outcome"]].drop_duplicates().values.tolist() == [
        [f"{net.spec.name} · untrained", skip, 14, 3, 0, "untrained"]
    ]
    with torch.no_grad():
        x = net.stem(split.batch(slice(None), "test")[0])
        for row, block in zip(frame.itertuples(), [*net.stage1, *net.stage2, *net.stage3], strict=True):
            branch, shortcut = block.branch(x), block.shortcut(x) if skip else x
            inner = block.branch.activation1(block.branch.norm1(block.branch.conv1(x)))
            y = block(x)
            assert row.shape == "×".join(map(str, y.shape))
            expected = [rms(y), y.mean().item(), y.std(correction=0).item(), rms(branch), rms(shortcut)]
            measured = [row.activation_rms, row.activation_mean, row.activation_std, row.branch_rms, row.input_rms]
            np.testing.assert_allclose(measured, expected, rtol=1e-4)
            assert row.ratio == row.branch_rms / row.input_rms
            assert row.activation_dead == (y.amax((0, 2, 3)) == 0).float().mean().item()
            assert row.inner_dead == (inner.amax((0, 2, 3)) == 0).float().mean().item()
            if y.shape == x.shape:
                cosine = (x.flatten(1) * y.flatten(1)).sum(1) / (x.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1))
                assert row.cosine == pytest.approx(cosine.mean().item(), rel=1e-4)
            else:
                assert np.isnan(row.cosine)
            x = y


def test_the_signal_comes_without_its_similarities_first(split, spec):
    (first, early), (second, whole) = activations.signal_stages(build(spec), split)
    assert (first, second) == ("statistics", "similarities")
    similarities = ["cosine", "cka", "r2"]
    assert early[similarities].isna().all(axis=None)
    assert whole[similarities].notna().any().all()
    pd.testing.assert_frame_equal(early.drop(columns=similarities), whole.drop(columns=similarities))


def test_dead_channels_are_counted(split, spec):
    net = build(spec)
    with torch.no_grad():
        net.stage2[0].branch.norm1.bias[:4] = -100.0  # 4 of 16 channels, inside the branch
        net.stage3[1].branch.norm2.bias[:8] = -100.0  # 8 of 32, after the addition
    frame = activations.signal(net, split).set_index("module")
    assert frame["inner_dead"].tolist() == [0, 0, 0.25, 0, 0, 0]
    assert frame["activation_dead"].tolist() == [0, 0, 0, 0, 0, 0.25]


def test_measuring_leaves_the_net_as_it_was(split, spec):
    net = build(spec).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    activations.signal(net, split)
    activations.response(net, split)
    activations.feature_maps(net, split)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module.training for module in net.modules())
    assert not any(module._forward_hooks for module in net.modules())


def test_before_and_after_is_the_same_net_untrained_and_trained(split):
    names = ("plain-8", "resnet-8")
    frame = activations.before_and_after(names, seeds=(0, 1), split=split, how=QUICK, progress=False)
    states = frame[["name", "seed", "step"]].drop_duplicates().values.tolist()
    assert states == [
        [f"{name} · {state}", seed, step]
        for name in names
        for seed in (0, 1)
        for state, step in (("untrained", 0), ("trained", 4))
    ]
    assert frame.groupby("outcome")["train_error"].count().to_dict() == {"finished": 12, "untrained": 0}
    net, run = activations.trained(replace(small_net(split), depth=8, skip=True), split, QUICK, seed=1)
    alone = activations.signal(net, split, run)
    pd.testing.assert_frame_equal(frame.tail(3).reset_index(drop=True), alone)
    assert alone["train_error"].iloc[0] == run.final_train_error


def test_a_net_that_the_paper_does_not_have_is_refused(split):
    with pytest.raises(ValueError, match=r"a net is 'resnet-57'; it can be .* Did you mean 'resnet-56'\?"):
        activations.before_and_after(("resnet-57",), split=split, progress=False)


def test_a_response_is_what_batchnorm_puts_out(split, spec):
    net = build(spec, seed=1)
    frame = activations.response(net, split)
    assert frame["index"].tolist() == list(range(1, 14))
    assert frame["module"].tolist()[:3] == ["stem.norm", "stage1.block1.branch.norm1", "stage1.block1.branch.norm2"]
    np.testing.assert_allclose(frame["std"], 1, rtol=1e-3)  # γ = 1 and β = 0; ε takes the rest
    for i, module in enumerate([module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]):
        nn.init.constant_(module.weight, i + 1)
    np.testing.assert_allclose(activations.response(net, split)["std"], range(1, 14), rtol=1e-3)
    bare = activations.response(build(replace(spec, norm="none")), split)
    assert (bare["std"] > 1).any()  # nothing normalises these


def test_responses_are_of_nets_trained_with_the_papers_decay(split, monkeypatch):
    how = activations.as_much_decay(split, epochs=2)
    frame = activations.responses(("resnet-8",), seeds=(0,), split=split, how=how, progress=False)
    net, run = activations.trained(replace(small_net(split), depth=8), split, how)
    pd.testing.assert_frame_equal(frame, activations.response(net, split, run))
    asked = []
    monkeypatch.setattr(activations, "as_much_decay", lambda split: asked.append(split) or how)
    activations.responses(("resnet-8",), split=split, progress=False)
    assert asked == [split]


@pytest.mark.parametrize("epochs", [6, 24])
def test_the_decay_adds_up_to_the_papers(epochs):
    """32,000 steps at lr 0.1, 16,000 at 0.01 and 16,000 at 0.001, with λ 1e-4."""
    split = digits()
    how = activations.as_much_decay(split, epochs)
    steps = how.steps(len(split.y_train))[1]
    pulled = how.weight_decay * sum(how.learning_rate(step, steps) for step in range(1, steps + 1))
    assert pulled == pytest.approx(1e-4 * (32_000 * 0.1 + 16_000 * 0.01 + 16_000 * 0.001))
    assert (how.lr, how.epochs) == (0.1, epochs)


def test_at_initialisation_has_every_norm_depth_and_seed(split):
    frame = activations.at_initialisation((8, 14), seeds=(0, 2), split=split)
    asked = [(norm, depth, seed) for norm in ("batch", "none") for depth in (8, 14) for seed in (0, 2)]
    assert list(frame[["norm", "depth", "seed"]].drop_duplicates().itertuples(index=False, name=None)) == asked
    alone = activations.signal(build(replace(small_net(split), depth=14, norm="none"), seed=2), split)
    pd.testing.assert_frame_equal(frame.tail(6).drop(columns="norm").reset_index(drop=True), alone)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(2.0, "larger"), (1.0, "about as large"), (0.4, "smaller, but over a tenth of it"), (0.05, "under a tenth of it")],
)
def test_the_verdict_names_the_size_of_the_mean(ratio, said):
    frame = pd.DataFrame(
        {"name": ["resnet-56 · trained"] * 2 + ["plain-20 · trained"], "ratio": [0.5 * ratio, 1.5 * ratio, 9]}
    ).assign(seed=0)
    assert activations.verdict(frame) == said
    assert said in activations.SIZES
    with pytest.raises(
        ValueError, match="a net is 'resnet-20 · trained'; it can be 'resnet-56 · trained', 'plain-20 · trained'"
    ):
        activations.verdict(frame, "resnet-20 · trained")


def test_histograms_count_every_activation(split, spec):
    net = build(spec)
    frame = activations.histograms(net, split)
    np.testing.assert_allclose(frame.groupby("index")["share"].sum(), 1)
    outputs = []
    net.train().stage1[0].register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        net(split.batch(slice(None), "test")[0])
    first = frame[frame["index"] == 1].set_index("left")
    assert first.loc[0.25, "share"] == pytest.approx(((outputs[0] >= 0.25) & (outputs[0] < 0.5)).double().mean().item())
    assert first.index[0] == -np.inf
    assert first["right"].iloc[-1] == np.inf


# Feature maps, and a picture of one's own


def test_feature_maps_are_what_the_blocks_make_of_the_image(split, spec):
    net = build(spec)
    frame = activations.feature_maps(net, split, 5)
    outputs = []
    net.train().stage2[1].register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        logits = net(split.batch(slice(None), "test")[0])
    shown = frame[frame["module"] == "stage2.block2"]
    assert shown["channel"].tolist() == list(range(16))
    assert shown["index"].unique().tolist() == [4]
    np.testing.assert_allclose(np.stack(shown["map"]), outputs[0][5].numpy(), rtol=1e-4, atol=1e-5)
    image = frame[frame["index"] == 0]
    np.testing.assert_array_equal(np.stack(image["map"]), split.x_test[5].numpy() / np.float32(split.scale))
    assert frame["predicted"].unique().tolist() == [split.class_names[logits[5].argmax()]]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("evaluating", [True, False])
def test_an_output_is_the_relu_of_x_and_the_branch(split, spec, skip, evaluating):
    net = build(replace(spec, skip=skip))
    frame = activations.feature_maps(net, split, 5, evaluating=evaluating)
    before = None
    for index, block in frame[frame["index"] > 0].groupby("index"):
        branch, y = np.stack(block["branch"]), np.stack(block["map"])
        assert block["x"].isna().all() == (index in (3, 5))  # the first blocks of stages 2 and 3
        if before is not None and before.shape == y.shape:
            np.testing.assert_array_equal(np.stack(block["x"]), before)
        x = np.stack(block["x"]) if skip and index not in (3, 5) else 0
        if not skip or index not in (3, 5):
            np.testing.assert_array_equal(np.maximum(x + branch, 0), y)
        before = y
    with torch.no_grad():
        x = net.eval().stem(split.batch(slice(5, 6), "test")[0])[0].numpy()
    near = np.allclose(np.stack(frame[frame["index"] == 1]["x"]), x, atol=1e-5)
    assert near == evaluating  # else BatchNorm has the statistics of the batch


@pytest.mark.parametrize("image", [-1, 64, 1.5])
def test_only_images_that_are_there_have_maps(split, spec, image):
    with pytest.raises(ValueError, match=r"image is .*; it must be .*from 0 to 63\."):
        activations.feature_maps(build(spec), split, image)


def test_a_picture_of_ones_own_goes_before_the_others(split, spec):
    net = build(spec)
    own = split.x_test[7].clone()
    ours, theirs = activations.feature_maps(net, split, own), activations.feature_maps(net, split, 7)
    np.testing.assert_array_equal(ours["map"][0], theirs["map"][0])
    # one image more in the batch
    np.testing.assert_allclose(np.stack(ours["map"][1:9]), np.stack(theirs["map"][1:9]), atol=0.2)


def drawn(mode="RGB", size=(300, 200), paper="white", ink="black", kind="PNG"):
    """Test input: a stroke down the middle of a sheet, as an open file."""
    image = Image.new(mode, size, paper)
    image.paste(ink, (140, 40, 160, 160))
    file = io.BytesIO()
    image.save(file, kind)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "file",
    [
        drawn(), drawn(kind="JPEG"), drawn("L"), drawn(paper="black", ink="white"),
        drawn("RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255)),
        drawn(paper="#777777", ink="#333333"), drawn("1", paper=1, ink=0),
    ],
    ids=["png", "jpeg", "grey", "light on dark", "transparent", "faint", "bits"],
)  # fmt: skip
def test_a_picture_becomes_a_digit_like_the_others(split, file):
    image, said = activations.picture(file, split)
    assert (tuple(image.shape), image.dtype) == ((1, 8, 8), torch.uint8)
    assert said.startswith("cut square, 8 × 8 pixels, grey")
    assert image.max() == 16
    assert image.min() == 0
    bright = image[0].double().mean(0)
    assert bright.argmax() in (3, 4)
    assert bright[0] <= 1  # JPEG leaves traces
    activations.feature_maps(build(NetSpec(depth=8, width=4, **split.shape)), split, image)


def test_a_split_in_colour_keeps_it(split):
    colourful = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    other = Split(
        name="noise",
        x_train=colourful,
        y_train=labels,
        x_test=colourful,
        y_test=labels,
        class_names=("a", "b"),
        scale=255,
        source="drawn",
    )
    image, said = activations.picture(drawn(paper="red", ink="blue"), other)
    assert tuple(image.shape) == (3, 16, 16)
    assert image[:, 0, 0].tolist() == [255, 0, 0]
    assert said == "cut square, 16 × 16 pixels"


@pytest.mark.parametrize("content", [b"", b"not an image", drawn().getvalue()[:60]])
def test_what_is_no_picture_is_refused_in_one_sentence(split, content):
    with pytest.raises(
        ValueError, match=r"^This file is no image that can be read; take a PNG or a JPEG of ordinary size\.$"
    ):
        activations.picture(io.BytesIO(content), split)
