"""Blocks taken out and put back, and blocks that change places: of nets of every kind, and with nothing left behind."""

import copy
import threading

import pytest
import torch
from small_nets import blocks, images, refusal, same_bits, small
from torch import nn

from reslab.nets import FAMILY, NetSpec, build, lesion, reordered, replace
from reslab.nets.layers import ZeroPad

pytestmark = pytest.mark.usefixtures("one_thread")
OUT = "stage1.block1"


def net_of(**fields):
    return build(small(**fields), seed=3).eval()


def forwards(net):
    return [name for name, module in net.named_modules() if "forward" in vars(module) or module._forward_hooks]


@pytest.mark.parametrize("order", ["original", "preact", "norm-after-add", "relu-before-add"])
@pytest.mark.parametrize("shortcut", "ABCD")
def test_a_residual_block_without_its_branch_is_its_shortcut(order, shortcut):
    net = net_of(order=order, shortcut=shortcut)
    for name, block in blocks(net).items():
        x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
        given = x if block.before is None else block.before(x)
        with lesion(net, name):
            assert torch.equal(block(x), block.activation(block.shortcut(given)))


@pytest.mark.parametrize("spec", [small(skip=False), small(skip=False, depth=11, block="bottleneck")])
def test_a_plain_block_passes_its_input_on_or_strides_and_pads_it(spec):
    net = build(spec).eval()
    for name, block in blocks(net).items():
        x = torch.randn(2, block.branch.conv1.in_channels, 8, 8)
        y = block(x)
        with lesion(net, [name]):
            stride = x.shape[2] // y.shape[2]
            assert torch.equal(block(x), ZeroPad(x.shape[1], y.shape[1], stride)(x))


def test_several_are_out_and_all_are_back_with_the_same_weights_and_outputs():
    net = net_of()
    x, weights = images(net.spec), copy.deepcopy(net.state_dict())
    whole = net(x)
    with lesion(net, list(blocks(net))) as same:
        assert same is net
        bare = net.stem(x)
        for block in blocks(net).values():
            bare = block.activation(block.shortcut(bare))
        torch.testing.assert_close(net(x), net.fc(net.pool(bare).flatten(1)), rtol=0, atol=0)
        assert not torch.equal(net(x), whole)
        assert same_bits(net.state_dict(), weights)
    assert torch.equal(net(x), whole)
    assert forwards(net) == []


def test_no_block_out_changes_nothing():
    net = net_of()
    x = images(net.spec)
    whole = net(x)
    with lesion(net, []):
        assert torch.equal(net(x), whole)


def test_a_branch_that_is_out_is_not_run():
    net = net_of(skip=True).train()
    seen = net.stage1.block1.branch.norm1.running_mean.clone()
    with lesion(net, OUT):
        net(images(net.spec))
    assert torch.equal(net.stage1.block1.branch.norm1.running_mean, seen)


def test_blocks_of_a_vgg_and_its_other_modules():
    net = build(replace(FAMILY["vgg-11"], width=4, image_size=32, classes=3)).eval()
    x = torch.randn(1, 3, 32, 32)
    for name in [*blocks(net), "stage2.pool", "head.dropout1"]:
        with lesion(net, name):
            assert net(x).shape == (1, 3)
    assert forwards(net) == []


class Own(nn.Module):
    """A model that is not of reslab, and names its modules."""

    def __init__(self):
        super().__init__()
        self.first, self.wider = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.narrow, self.valid = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 5, 3)
        self.twins = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))

    def forward(self, x):
        x = self.valid(self.narrow(self.wider(self.first(x))))
        return self.twins(x.mean((2, 3)))


def test_own_models_name_their_modules():
    net, x = Own().eval(), torch.randn(2, 1, 7, 7)
    inside = net.first(x)
    with lesion(net, [net.wider]):
        passed = net.wider(inside)
    assert torch.equal(passed, ZeroPad(4, 6, 2)(inside))
    with lesion(net, ["twins.0", "twins.1"]):
        assert torch.equal(net(x), net.valid(net.narrow(net.wider(inside))).mean((2, 3)))


@pytest.mark.parametrize(("name", "why"), [("narrow", "lose channels"), ("valid", "can lose pixels by a stride")])
def test_an_output_that_cannot_be_matched_is_refused_by_name(name, why):
    net = Own()
    with lesion(net, name):
        said = refusal(net, torch.randn(1, 1, 14, 14))
    assert said.startswith(f"{name} cannot be taken out")
    assert why in said
    assert forwards(net) == []


def test_a_module_that_puts_out_no_tensor_is_refused():
    net = nn.Sequential(nn.LSTM(3, 3))
    with lesion(net, "0"):
        assert "returns a tuple, not a tensor" in refusal(net, torch.randn(2, 4, 3))


def test_unknown_names_are_told_the_nearest():
    net = net_of()
    assert "Did you mean 'stage1.block1'?" in refusal(lesion(net, "stage1.blok1").__enter__)
    assert "cannot be taken out of itself" in refusal(lesion(net, net).__enter__)
    assert "is not in the ResNet" in refusal(lesion(net, nn.ReLU()).__enter__)
    with pytest.raises(TypeError, match=r"net must be an nn\.Module, not str\."):
        lesion("resnet-20", "stage1.block1").__enter__()


def test_nothing_is_left_after_an_exception():
    net = net_of()
    with pytest.raises(RuntimeError, match="mine"), lesion(net, OUT):
        raise RuntimeError("mine")
    with pytest.raises(ValueError, match="a block is"), lesion(net, [OUT, "stage9"]):
        pass
    assert forwards(net) == []


def test_nested_and_overlapping_lesions_end_in_any_order():
    net = net_of()
    x = images(net.spec)
    whole = net(x)
    first, second = lesion(net, OUT), lesion(net, [OUT, "stage2.block1"])
    first.__enter__()
    with lesion(net, OUT):
        one = net(x)
    assert torch.equal(net(x), one)
    second.__enter__()
    first.__exit__(None, None, None)
    assert not torch.equal(net(x), one)
    second.__exit__(None, None, None)
    assert torch.equal(net(x), whole)
    assert forwards(net) == []


def test_threads_that_come_and_go_leave_nothing():
    net = net_of()
    whole = net(images(net.spec))
    failures = []

    def work(name):
        try:
            for _ in range(50):
                with lesion(net, [OUT, name]):
                    net(images(net.spec))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in blocks(net)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert forwards(net) == []
    assert torch.equal(net(images(net.spec)), whole)


@pytest.mark.parametrize("skip", [True, False])
def test_a_deepcopy_made_meanwhile_has_weights_of_its_own_and_stays_without(skip):
    net = net_of(skip=skip)
    x = images(net.spec)
    with lesion(net, list(blocks(net))):
        without, copied = net(x), copy.deepcopy(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert torch.equal(copied(x), without)
    assert forwards(net) == []


def test_a_forward_of_ones_own_is_put_back():
    net = net_of()
    mine = net.stage1.block1.forward = lambda x: 2 * x
    with lesion(net, OUT):
        assert net.stage1.block1.forward is not mine
    assert net.stage1.block1.forward is mine


def test_blocks_change_places_and_come_back():
    net = build(NetSpec(depth=20, width=4, image_size=8)).eval()
    x = images(net.spec)
    whole = net(x)
    one, two, three = (f"stage2.block{number}" for number in (2, 3, 2))
    with reordered(net, {one: two, two: three}):
        swapped = net(x)
    before = net.stage2.block1(net.stage1(net.stem(x)))
    by_hand = net.stage3(net.stage2.block2(net.stage2.block3(before)))
    torch.testing.assert_close(swapped, net.fc(net.pool(by_hand).flatten(1)), rtol=0, atol=0)
    assert torch.equal(net(x), whole)
    assert forwards(net) == []


def test_an_order_that_is_none_is_refused():
    net = build(NetSpec(depth=20, width=4, image_size=8))
    swap = [("stage2.block2", "stage2.block3")]
    assert refusal(reordered(net, swap).__enter__).startswith("order is a list; it must be a dict, {name: name of the ")
    assert "different shapes" in refusal(
        reordered(net, {"stage2.block1": "stage2.block2", "stage2.block2": "stage2.block1"}).__enter__
    )
    assert "only in one" in refusal(reordered(net, {"stage2.block1": "stage2.block2"}).__enter__)
    assert "Did you mean" in refusal(reordered(net, {"stage2.blok3": "stage2.blok3"}).__enter__)
