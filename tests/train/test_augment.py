"""Augmentation: exact against one image at a time, fair, and decided by the data seed and the step alone."""

import pytest
import torch
from trainings import DEVICES, HOW, Linear, assert_same_tensors

from reslab.nets import build, replace
from reslab.runs import Checkpoint
from reslab.train import evaluate, train
from reslab.train.augment import crop_flip, draw

AUGMENTED = replace(HOW, augment="crop-flip")


def by_hand(image, row, column, mirror):
    """One image (C, S, S) as a list: 4 zeros on every side, cut at (row, column), mirrored or not."""
    size = image.shape[-1]

    def pixel(channel, y, x):
        return image[channel, y, x].item() if 0 <= y < size and 0 <= x < size else 0.0

    columns = range(size)[::-1] if mirror else range(size)
    return [[[pixel(c, row - 4 + y, column - 4 + x) for x in columns] for y in range(size)] for c in range(len(image))]


@pytest.fixture
def inputs():
    """(list, module) → fills the list with the images that the module is given in training."""
    handles = []

    def watch(model):
        seen = []
        handles.append(
            model.register_forward_pre_hook(
                lambda _, args: seen.append(args[0].cpu()) if torch.is_grad_enabled() else None
            )
        )
        return seen

    yield watch
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(60, 1, 8, 8), (40, 3, 5, 5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_image_is_cut_and_mirrored_as_by_hand(shape, layout, device):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(shape, generator=generator).contiguous(memory_format=layout)
    draws = draw(len(x), generator)
    draws[:4, :2] = torch.tensor([[0, 0], [8, 8], [0, 8], [4, 4]])  # the corners, and in place
    before, out = x.clone(), crop_flip(x.to(device), draws.to(device))
    for image, result, (row, column, mirror) in zip(x, out.cpu(), draws.tolist(), strict=True):
        assert result.tolist() == by_hand(image, row, column, mirror)
    assert torch.equal(x, before)
    assert out.device.type == device
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_every_place_and_both_sides_are_equally_likely():
    draws = draw(162_000, torch.Generator().manual_seed(0))  # 9 × 9 × 2 cases, each a thousand times on average
    assert draws.shape == (162_000, 3)
    cases = torch.bincount(draws @ torch.tensor([18, 2, 1]), minlength=162)
    assert len(cases) == 162
    assert 840 < cases.min() < cases.max() < 1160  # five standard deviations


def test_a_training_shows_what_crop_flip_makes_of_the_images_in_the_usual_order(split, inputs):
    plain, augmented = Linear(), Linear()
    as_they_are, shown = inputs(plain), inputs(augmented)
    list(train(plain, split, HOW))
    list(train(augmented, split, AUGMENTED))
    draws = []
    for epoch in range(2):  # an epoch draws the order of its 200 images, then what happens to each
        generator = torch.Generator().manual_seed(HOW.data_seed * 1_000_003 + epoch)
        torch.randperm(200, generator=generator)
        draws += draw(200, generator)[:192].split(32)
    assert len(shown) == len(draws) == 12
    for x, result, here in zip(as_they_are, shown, draws, strict=True):
        assert torch.equal(result, crop_flip(x, here))
        assert not torch.equal(result, x)


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_shown_is_decided_by_the_data_seed_and_the_step_alone(split, inputs, device, spec):
    def shown(how, model=None):
        seen = inputs(model := model or Linear())
        list(train(model, split, how, device=device))
        return seen

    first = shown(AUGMENTED)
    same = [
        shown(replace(AUGMENTED, log_every=5, lr=0.01, label_noise=0.5), build(spec, seed=9)),
        shown(replace(AUGMENTED, epochs=3))[:12],
    ]
    for again in same:
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not any(
        torch.equal(one, other) for one, other in zip(first, shown(replace(AUGMENTED, data_seed=1)), strict=True)
    )
    assert not torch.equal(first[0], first[6])  # the next epoch draws again


@pytest.mark.parametrize("stop", [2, 6, 7])
def test_a_resumed_training_sees_the_same_images(split, spec, inputs, tmp_path, stop):
    whole = build(spec, seed=2)
    seen = inputs(whole)
    *_, uninterrupted = train(whole, split, AUGMENTED)
    for event in train(build(spec, seed=2), split, AUGMENTED):
        if event.step == stop:
            event.checkpoint().save(tmp_path / "part.safetensors")
            break
    net = build(spec)
    rest = inputs(net)
    *_, resumed = train(net, split, AUGMENTED, resume=Checkpoint.load(tmp_path / "part.safetensors"))
    assert all(torch.equal(one, other) for one, other in zip(seen[stop:], rest, strict=True))
    assert_same_tensors(resumed.checkpoint().tensors, uninterrupted.checkpoint().tensors)


def test_errors_in_eval_mode_are_of_the_images_as_they_are(split, spec):
    net = build(spec)
    *_, last = train(net, split, AUGMENTED)
    assert last.test_error == evaluate(net, split)
    x, y = split.batch(slice(None))
    net.eval()
    with torch.no_grad():
        wrong = (net(x).argmax(1) != y).sum().item()
    assert last.run().final_train_error == wrong / 200
