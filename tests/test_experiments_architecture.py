"""The layers behind the architecture map: of every kind of net, reslab's own and other people's."""

import pytest
import torch
import torchvision.models as vision
from torch import nn

from reslab.experiments.architecture import COLUMNS, label, layers
from reslab.figures.architecture import architecture_map
from reslab.nets import FAMILY, NetSpec, build, replace


def main_path(frame):
    assert frame["label"].iloc[0] == "image − its mean"
    return [text for text, path in zip(frame["label"], frame["path"], strict=True) if text and path == "branch"][1:]


def test_resnet_34_is_figure_3s():
    frame = layers({"resnet-34": replace(FAMILY["resnet-34"], shortcut="A")})
    assert tuple(frame.columns) == COLUMNS
    blocks = ["3×3 conv, 64"] * 6
    for width, n in ((128, 4), (256, 6), (512, 3)):
        blocks += [f"3×3 conv, {width}, /2", *[f"3×3 conv, {width}"] * (2 * n - 1)]
    assert main_path(frame) == ["7×7 conv, 64, /2", "max pool, /2", *blocks, "avg pool", "fc, 1000"]
    kinds = frame[frame["block"] != ""].drop_duplicates("block")["shortcut"]
    assert kinds.value_counts().to_dict() == {"identity": 13, "zero padding": 3}
    assert frame["skip"].all()


def test_identity_skips_and_zero_padding_cost_nothing_and_projections_do():
    nets = {"plain": FAMILY["plain-34"], "A": replace(FAMILY["resnet-34"], shortcut="A"), "B": FAMILY["resnet-34"]}
    total = layers(nets).groupby("net")[["multiply_adds", "parameters"]].sum()
    assert total.loc["A"].equals(total.loc["plain"])
    assert (total.loc["B"] > total.loc["A"]).all()
    # Three projections 64→128, 128→256, 256→512, each with BatchNorm's γ and β, onto 28×28, 14×14 and 7×7 pixels.
    widths = ((64, 128, 28), (128, 256, 14), (256, 512, 7))
    assert total.loc["B", "parameters"] - total.loc["A", "parameters"] == sum(a * b + 2 * b for a, b, _ in widths)
    assert total.loc["B", "multiply_adds"] - total.loc["A", "multiply_adds"] == sum(
        a * b * size**2 for a, b, size in widths
    )


@pytest.mark.parametrize(
    ("name", "twin"), [("resnet-18", vision.resnet18), ("resnet-50", vision.resnet50), ("vgg-11", vision.vgg11)]
)
def test_reslabs_nets_and_torchvisions_give_the_same_map(name, twin):
    with torch.device("meta"):
        model = twin()
    ours, theirs = layers([name]), layers({name: model})
    assert main_path(ours) == main_path(theirs)
    assert ours["multiply_adds"].sum() == theirs["multiply_adds"].sum()
    assert ours["parameters"].sum() == theirs["parameters"].sum()
    blocks = [frame[frame["shortcut"] != ""].drop_duplicates("block")["shortcut"].tolist() for frame in (ours, theirs)]
    assert blocks[0] == blocks[1]
    shortcuts = [frame.loc[frame["path"] == "shortcut", "parameters"].sum() for frame in (ours, theirs)]
    assert shortcuts[0] == shortcuts[1]


def test_a_transformers_blocks_are_found_by_what_they_add():
    model = vision.VisionTransformer(image_size=32, patch_size=16, num_layers=3, num_heads=2, hidden_dim=8, mlp_dim=16)
    frame = layers({"vit": model}, images={"vit": (3, 32, 32)})
    assert frame.loc[frame["block"] != "", "block"].nunique() == 3
    assert main_path(frame)[1:4] == ["attention, 2 heads", "fc, 16", "fc, 8"]
    # of places, at the encoder's end; the class token
    assert main_path(frame)[-3:] == ["parameters", "fc, 1000", "parameters"]
    assert frame["parameters"].sum() == sum(parameter.numel() for parameter in model.parameters())
    assert set(frame.loc[frame["block"] != "", "shortcut"]) == {"identity"}


def test_weights_that_a_block_uses_by_itself_are_drawn_in_it():
    with torch.device("meta"):
        frame = layers({"swin": vision.swin_t()})
    rows = frame[frame["label"] == "parameters"]
    assert len(rows) == 12 * 3  # of each block's attention: two layers' weights, and a table of biases
    assert (rows["block"] != "").all()
    (boxes,) = [trace for trace in architecture_map(frame).data if trace.meta["key"] == "swin/box"]
    assert list(boxes.text[:8]) == [
        "image − its mean",
        "4×4 conv, 96, /4",
        *["parameters"] * 3,
        "fc, 384",
        "fc, 96",
        "fc, 192",
    ]


def test_a_net_that_adds_by_itself_is_no_block():
    class Adding(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv, self.fc = (
                nn.Conv2d(3, 8, 3, padding=1),
                nn.Conv2d(8, 8, 3, padding=1),
                nn.Linear(8, 10),
            )

        def forward(self, x):
            x = self.stem(x)
            x = x + self.conv(x)
            return self.fc(x.mean((2, 3)))

    frame = layers({"mine": Adding()}, images={"mine": (3, 16, 16)})
    assert set(frame["block"]) == {""}
    assert main_path(frame) == ["3×3 conv, 8", "3×3 conv, 8", "fc, 10"]


def test_a_module_that_adds_nothing_is_plain_and_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    model.train()
    before = [parameter.clone() for parameter in model.parameters()]
    frame = layers({"mine": model}, images={"mine": (1, 8, 8)})
    assert not frame["skip"].any()
    assert frame["label"].tolist() == ["image − its mean", "3×3 conv, 4", "", "", "", "fc, 3"]
    assert frame["output_shape"].tolist() == ["1×8×8", "4×6×6", "4×6×6", "4×6×6", "144", "3"]
    assert frame["multiply_adds"].tolist() == [0, 36 * 9 * 4, 0, 0, 0, 432]
    assert model.training
    assert all(module.training for module in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_built_net_gives_the_map_of_its_spec():
    spec = replace(FAMILY["resnet-20"], width=4, shortcut="B")
    net, frame = build(spec), layers({"a": spec})
    other = layers({"a": net}, images={"a": (3, 32, 32)})
    assert other.equals(frame)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Conv2d(8, 16, 3, 2, groups=4), "3×3 conv, 16, 4 groups, /2"),
        (nn.Conv2d(8, 8, 5, groups=8), "5×5 depthwise, 8"),
        (nn.MaxPool2d(3, 2), "max pool, /2"),
        (nn.AvgPool2d(2), "avg pool, /2"),
        (nn.ReLU(), ""),
        (nn.LayerNorm(4), ""),
    ],
)
def test_a_layer_is_called_what_the_paper_calls_it(module, said):
    assert label(module) == said


def test_no_nets_are_an_empty_frame():
    assert tuple(layers({}).columns) == COLUMNS
    assert len(layers([])) == 0


def test_one_net_alone_an_unknown_name_and_what_is_no_net_are_refused():
    for one in (nn.Sequential(nn.Flatten()), NetSpec(depth=8), "resnet-20"):
        with pytest.raises(TypeError, match=r"layers takes several nets: .*, as in layers\(\{'mine': net\}"):
            layers(one)
    for images in ((3, 32, 32), torch.zeros(1, 3, 32, 32)):
        with pytest.raises(TypeError, match="layers takes several nets"):
            layers({"mine": nn.Flatten()}, images=images)
    with pytest.raises(ValueError, match=r"a net is 'resnet-21'; it can be 'plain-8', .* Did you mean 'resnet-"):
        layers(["resnet-21"])
    with pytest.raises(TypeError, match="mine is 'resnet-20'; it must be a NetSpec, as FAMILY"):
        layers({"mine": "resnet-20"})
