"""`reslab.datasets`: what a Split holds and hands out, what it refuses, and downloads from a real server on this machine."""

import dataclasses
import gc
import gzip
import hashlib
import http.server
import io
import pickle
import re
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_digits

from reslab import datasets, downloads
from reslab.datasets import DatasetUnavailable, Split, cache_root, cifar10, cifar100, digits, fashion_mnist, from_arrays, from_folder, load


@pytest.fixture(scope="module")
def split():
    return digits()


def saying(message):
    """A pattern for errors that begin with these words; what `checks` says after "it must be" is tested there."""
    return f"^{re.escape(message)}"


def parts(n=12, test=4, channels=3, size=8, classes=3, dtype=torch.uint8):
    """The fields of a small valid Split, for tests that break one of them."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randint(256, (n + test, channels, size, size), generator=generator).to(dtype)
    y = torch.arange(n + test) % classes
    names = tuple("abcdefgh"[:classes])
    tensors = {"x_train": x[:n], "y_train": y[:n], "x_test": x[n:], "y_test": y[n:]}
    return {"name": "small", **tensors, "class_names": names, "scale": 255.0, "source": "this test"}


# digits, and what any Split does


def test_digits_has_the_sizes_that_the_lessons_count_on(split):
    assert split.x_train.shape == (1400, 1, 8, 8)
    assert split.x_test.shape == (397, 1, 8, 8)
    assert (split.x_train.dtype, split.y_train.dtype) == (torch.uint8, torch.int64)
    assert split.shape == {"in_channels": 1, "image_size": 8, "classes": 10}
    assert split.class_names == tuple("0123456789")
    assert (split.name, split.scale, int(split.x_train.max())) == ("digits", 16, 16)
    assert "CC BY 4.0" in split.source


def test_digits_train_and_test_are_disjoint_and_cover_all_images(split):
    def rows(x, y):  # the 1,797 images are all different, so an image with its label says which it was
        return sorted(bytes(image.flatten().tolist()) + bytes([label]) for image, label in zip(x, y.tolist(), strict=True))

    stored = load_digits()
    all_images = rows(torch.from_numpy(stored.images.astype("uint8")), torch.from_numpy(stored.target))
    assert len(set(all_images)) == 1797
    assert rows(torch.cat([split.x_train, split.x_test]), torch.cat([split.y_train, split.y_test])) == all_images


def test_digits_are_the_same_for_one_seed_and_others_for_another(split):
    again, other = digits(), digits(seed=1)
    assert torch.equal(split.x_train, again.x_train)
    assert torch.equal(split.y_test, again.y_test)
    assert not torch.equal(split.y_test, other.y_test)
    assert split.y_train[:12].tolist() == [6, 5, 5, 7, 9, 9, 8, 4, 6, 8, 6, 0]  # pinned: recorded runs were trained on this very split
    assert len(digits(test=100).x_test) == 100


def test_global_random_state_is_neither_read_nor_moved():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one = digits().subset(50, 20)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002
    torch.manual_seed(4)
    assert torch.equal(digits().subset(50, 20).x_train, one.x_train)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_training_part_is_normalised_to_mean_0_and_std_1_per_channel(dtype):
    small = Split(**parts(n=200, dtype=dtype))
    x, y = small.batch(slice(None))
    std, mean = torch.std_mean(x.double(), dim=(0, 2, 3), correction=0)
    assert x.dtype == torch.float32
    assert torch.allclose(mean, torch.zeros(3).double(), atol=1e-6)
    assert torch.allclose(std, torch.ones(3).double(), atol=1e-6)
    assert torch.equal(y, small.y_train)


def test_digits_are_normalised_and_the_test_part_by_the_training_numbers(split):
    std, mean = torch.std_mean(split.batch(slice(None))[0].double(), correction=0)
    assert float(mean) == pytest.approx(0, abs=1e-6)
    assert float(std) == pytest.approx(1, abs=1e-6)
    x, y = split.batch(slice(10, 20), "test")
    by_hand = (split.x_test[10:20].double() / 16 - split.mean[0]) / split.std[0]
    assert torch.allclose(x.double(), by_hand, atol=1e-6)
    assert torch.equal(y, split.y_test[10:20])


def test_batch_by_index_and_by_slice_agree(split):
    index = torch.tensor([5, 3, 1399, 5])
    whole, labels = split.batch(slice(None))
    x, y = split.batch(index)
    assert torch.equal(x, whole[index])
    assert torch.equal(y, labels[index])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_batch_never_writes_to_the_stored_images(dtype):
    small = Split(**parts(dtype=dtype))
    before = small.x_train.clone()
    small.batch(slice(None))[0].zero_()
    small.batch(torch.arange(12))[0].zero_()
    assert torch.equal(small.x_train, before)


def test_mean_and_std_are_per_channel_of_the_scaled_training_images():
    fields = parts()
    for c in range(3):
        fields["x_train"][:, c] = torch.tensor([0, 51 * (c + 1)], dtype=torch.uint8).repeat(12 * 32).view(12, 8, 8)
    small = Split(**fields)
    assert small.mean == pytest.approx((0.1, 0.2, 0.3))
    assert small.std == pytest.approx((0.1, 0.2, 0.3))


def test_a_channel_that_never_varies_is_normalised_to_zero():
    fields = parts()
    fields["x_train"][:, 1] = 255
    small = Split(**fields)
    assert (small.mean[1], small.std[1]) == (1.0, 1.0)
    assert not small.batch(slice(None))[0][:, 1].any()


def test_to_moves_every_tensor_and_keeps_the_rest(split):
    away = split.to("cpu")
    assert (away.name, away.mean, away.std, away.source) == (split.name, split.mean, split.std, split.source)
    assert away is not split
    assert torch.equal(away.x_train, split.x_train)


@pytest.mark.parametrize(
    "device", [d for d, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if there] or ["cpu"]
)
def test_batch_on_a_device_equals_the_cpu(split, device):
    away = split.to(device)
    index = torch.tensor([5, 3, 1399])  # on the CPU, as a generator on the CPU draws it
    x, y = away.batch(index)
    assert {x.device.type, y.device.type, away.x_test.device.type} == {device}
    assert torch.allclose(x.cpu(), split.batch(index)[0], atol=1e-6)
    assert torch.equal(away.subset(20).x_train.cpu(), split.subset(20).x_train)


def test_repr_is_short_and_says_what_it_is(split):
    assert repr(split) == "<Split digits: 1,400 train + 397 test images, 1 × 8 × 8 uint8, 10 classes, on cpu>"


def test_a_split_is_frozen_and_survives_pickle(split):
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.scale = 1
    again = pickle.loads(pickle.dumps(split))
    assert torch.equal(again.batch(slice(4))[0], split.batch(slice(4))[0])


# subset


def test_subset_is_drawn_without_repeats_and_nests(split):
    small, large = split.subset(100, 40), split.subset(300)
    assert (len(small.x_train), len(small.x_test)) == (100, 40)
    assert (len(large.x_train), len(large.x_test)) == (300, 397)
    rows = [{bytes(image.flatten().tolist()) for image in s.x_train} for s in (small, large, split)]
    assert len(rows[0]) == 100
    assert rows[0] < rows[1] < rows[2]
    assert min(torch.bincount(small.y_train, minlength=10)) >= 3  # roughly balanced: ten would be exact
    assert (small.mean, small.std, small.shape) == (split.mean, split.std, split.shape)
    assert "100 train and 40 test images of it drawn with seed 0" in small.source


def test_subset_keeps_each_image_with_its_label_and_follows_its_seed(split):
    label = {bytes(image.flatten().tolist()): int(y) for image, y in zip(split.x_train, split.y_train, strict=True)}
    one = split.subset(50, seed=5)
    assert [label[bytes(image.flatten().tolist())] for image in one.x_train] == one.y_train.tolist()
    assert torch.equal(one.x_train, split.subset(50, seed=5).x_train)
    assert not torch.equal(one.y_train, split.subset(50, seed=6).y_train)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"n_train": 1401}, "n_train is 1401; it must be from 1 to 1400."),
        ({"n_test": 0}, "n_test is 0; it must be from 1 to 397."),
        ({"n_train": 0.5}, "n_train is 0.5; it must be a whole number, from 1 to 1400."),
        ({"n_train": 5, "seed": -1}, "seed is -1; it must be at least 0."),
    ],
)
def test_subset_refuses_impossible_counts(split, counts, message):
    with pytest.raises(ValueError, match=saying(message)):
        split.subset(**counts)


# What a Split refuses, each in one sentence

ZERO = torch.zeros
WRONG = {
    "numpy": ({"x_train": np.zeros((12, 3, 8, 8))}, "x_train is a ndarray; it must be a tensor (from_arrays() takes numpy too)."),
    "flat": ({"x_train": ZERO(12, 64)}, "x_train has shape (12, 64); it must hold square images, (N, C, S, S)."),
    "oblong": (
        {"x_test": ZERO(4, 3, 8, 6)},
        "x_test has shape (4, 3, 8, 6); it must hold square images, (N, C, S, S), perhaps cut to 6 × 6.",
    ),
    "no pixels": ({"x_train": ZERO(12, 3, 0, 0)}, "x_train has shape (12, 3, 0, 0); it must hold square images, (N, C, S, S)."),
    "doubles": (
        {"x_train": ZERO(12, 3, 8, 8).double()},
        "x_train holds torch.float64 and y_train torch.int64; they must be torch.uint8 or torch.float32, and torch.int64.",
    ),
    "int32 labels": (
        {"y_test": ZERO(4, dtype=torch.int32)},
        "x_test holds torch.uint8 and y_test torch.int32; they must be torch.uint8 or torch.float32, and torch.int64.",
    ),
    "lengths": (
        {"y_train": ZERO(11, dtype=torch.int64)},
        "x_train has 12 images and y_train has shape (11,); give one image or more, and a label for each.",
    ),
    "empty": (
        {"x_test": ZERO(0, 3, 8, 8), "y_test": ZERO(0, dtype=torch.int64)},
        "x_test has 0 images and y_test has shape (0,); give one image or more, and a label for each.",
    ),
    "not alike": ({"x_test": ZERO(4, 1, 8, 8)}, "x_train is 3 × 8 × 8 uint8 and x_test is 1 × 8 × 8 float32; they must be alike."),
    "high label": ({"y_train": torch.full((12,), 3)}, "y_train runs from 3 to 3; with 3 class names it must be from 0 to 2."),
    "low label": ({"y_test": torch.full((4,), -1)}, "y_test runs from -1 to -1; with 3 class names it must be from 0 to 2."),
    "one class": ({"class_names": ("a",)}, "the number of class names is 1; it must be at least 2."),
    "scale": ({"scale": 0}, "scale is 0; it must be"),
    "NaN scale": ({"scale": float("nan")}, "scale is nan; it must be"),
    "one mean": ({"mean": (0.5,), "std": (1.0,)}, "mean is (0.5,) and std (1.0,); give 3 finite numbers of each, std above 0, or neither."),
    "no std": ({"mean": (0.5, 0.5, 0.5)}, "mean is (0.5, 0.5, 0.5) and std (); give 3 finite numbers of each"),
    "zero std": (
        {"mean": (0.5,) * 3, "std": (1.0, 0.0, 1.0)},
        "mean is (0.5, 0.5, 0.5) and std (1.0, 0.0, 1.0); give 3 finite numbers of each",
    ),
    "NaN mean": (
        {"mean": (float("nan"),) * 3, "std": (1.0,) * 3},
        "mean is (nan, nan, nan) and std (1.0, 1.0, 1.0); give 3 finite numbers of each",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_split_refuses_parts_that_do_not_fit(case):
    change, message = WRONG[case]
    with pytest.raises(ValueError, match=saying(message)):
        Split(**parts() | change)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_split_refuses_pixels_that_are_not_finite(bad):
    fields = parts(dtype=torch.float32)
    fields["x_train"][2, 1, 3, 3] = bad
    with pytest.raises(ValueError, match=r"x_train has 1 pixels that are NaN or infinite; replace them first, as numpy\.nan_to_num does\."):
        Split(**fields)


def test_batch_refuses_another_part(split):
    with pytest.raises(ValueError, match=r"part is 'tset'; it can be 'train', 'test'\. Did you mean 'test'\?"):
        split.batch(slice(4), "tset")


# from_arrays

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(20) % 4
HOLED = np.where(BYTES > 250, np.nan, BYTES)


@pytest.mark.parametrize(
    "x",
    [
        BYTES,
        BYTES.transpose(0, 3, 1, 2),
        torch.from_numpy(BYTES),
        torch.from_numpy(BYTES).permute(0, 3, 1, 2),
        BYTES.tolist(),
        BYTES.astype(int),
    ],
    ids=["NHWC", "NCHW", "tensor NHWC", "tensor NCHW", "lists", "int64"],
)
def test_from_arrays_reads_both_layouts_of_numpy_and_torch(x):
    mine = from_arrays(x, LABELS, x_test=x, y_test=LABELS)
    assert mine.x_train.is_contiguous()
    assert (mine.x_train.dtype, mine.scale) == (torch.uint8, 255)
    assert np.array_equal(mine.x_train.numpy(), BYTES.transpose(0, 3, 1, 2))
    assert torch.equal(mine.x_test, mine.x_train)


@pytest.mark.parametrize(
    ("shape", "channels", "stored"),
    [
        ((6, 8, 8), None, (1, 8, 8)),
        ((6, 1, 8, 8), None, (1, 8, 8)),
        ((6, 8, 8, 1), None, (1, 8, 8)),
        ((6, 8, 8, 4), None, (4, 8, 8)),
        ((6, 3, 4, 4), None, (3, 4, 4)),
        ((6, 3, 3, 3), "first", (3, 3, 3)),
        ((6, 3, 3, 3), "last", (3, 3, 3)),
    ],
)
def test_from_arrays_tells_the_layout_from_the_equal_sides(shape, channels, stored):
    x = RNG.random(shape)
    mine = from_arrays(x, [0, 1] * 3, x_test=x, y_test=[0, 1] * 3, channels=channels)
    last = channels == "last" or (len(shape) == 4 and shape[3] < shape[2])
    by_hand = x.transpose(0, 3, 1, 2) if last else x.reshape(6, *stored)
    assert mine.x_train.shape == (6, *stored)
    assert np.array_equal(mine.x_train.numpy(), by_hand.astype("float32"))
    assert (mine.x_train.dtype, mine.scale) == (torch.float32, 1.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_from_arrays_keeps_all_floats_as_float32(dtype):
    assert from_arrays(torch.rand(10, 8, 8).to(dtype), [0, 1] * 5).x_train.dtype == torch.float32


def test_from_arrays_takes_masks_as_black_and_white():
    mine = from_arrays(RNG.random((10, 8, 8)) > 0.5, [0, 1] * 5)
    assert (mine.x_train.dtype, mine.scale, float(mine.x_train.max())) == (torch.float32, 1.0, 1.0)


def test_from_arrays_turns_any_labels_into_classes():
    mine = from_arrays(BYTES, LABELS * 10 - 7, x_test=BYTES, y_test=LABELS * 10 - 7)
    assert mine.class_names == ("-7", "3", "13", "23")
    assert mine.y_train.tolist() == LABELS.tolist()
    words = from_arrays(BYTES, np.array(["dog", "cat", "eel", "bee"])[LABELS], x_test=BYTES, y_test=["eel"] * 20)
    assert words.class_names == ("bee", "cat", "dog", "eel")
    assert words.y_train[:4].tolist() == [2, 1, 3, 0]
    assert set(words.y_test.tolist()) == {3}
    named = from_arrays(BYTES, LABELS, class_names=["n", "e", "s", "w"], name="compass")
    assert (named.class_names, named.name) == (("n", "e", "s", "w"), "compass")


@pytest.mark.parametrize(("test", "held_out"), [(0.2, 4), (0.001, 1), (0.999, 19), (7, 7), (np.int64(3), 3), (np.float32(0.5), 10)])
def test_from_arrays_holds_out_a_share_or_a_number(test, held_out):
    numbered = np.arange(20).reshape(20, 1, 1) * np.ones((8, 8))
    mine = from_arrays(numbered, LABELS, test=test)
    assert len(mine.x_test) == held_out
    seen = torch.cat([mine.x_train, mine.x_test])[:, 0, 0, 0].int().tolist()
    assert sorted(seen) == list(range(20))
    assert torch.cat([mine.y_train, mine.y_test]).tolist() == [n % 4 for n in seen]
    assert f"{held_out} test images drawn with seed 0" in mine.source


def test_from_arrays_copies_and_follows_its_seed():
    x = BYTES.copy()
    mine = from_arrays(x, LABELS, x_test=x, y_test=LABELS)
    x[:] = 0
    assert mine.x_train.any()
    draws = [from_arrays(BYTES, LABELS, seed=seed).x_test for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


REFUSED = {
    "flat": (
        {"x": BYTES[..., 0].reshape(20, 64)},
        "x has shape (20, 64); it must be (N, S, S), (N, C, S, S) or (N, S, S, C), perhaps x.reshape(-1, 8, 8).",
    ),
    "numbers": ({"x": np.zeros(20)}, "x has shape (20,); it must be (N, S, S), (N, C, S, S) or (N, S, S, C)."),
    "oblong": ({"x": BYTES[:, :, :6, 0]}, "x has shape (20, 1, 8, 6); it must hold square images, (N, C, S, S), perhaps cut to 6 × 6."),
    "two ways": (
        {"x": BYTES[:, :3, :3]},
        "x has shape (20, 3, 3, 3), which can be read two ways; say channels='first' or channels='last'.",
    ),
    "channels": ({"channels": "lst"}, "channels is 'lst'; it can be None, 'first', 'last'. Did you mean 'last'?"),
    "ragged": (
        {"x": [np.zeros((8, 8)), np.zeros((6, 6))]},
        "x is no regular array; all images must have the same height, width and channels.",
    ),
    "16 bit": ({"x": BYTES.astype("uint16") * 10}, "x holds uint16; pixels must be whole numbers from 0 to 255, or floats."),
    "negative": ({"x": BYTES.astype(int) - 1}, "x holds int64; pixels must be whole numbers from 0 to 255, or floats."),
    "text": ({"x": np.full((20, 8, 8), "?")}, "x holds <U1; pixels must be whole numbers from 0 to 255, or floats."),
    "one-hot": ({"y": np.eye(4)[LABELS]}, "y has shape (20, 4); it must be (N,), one label an image."),
    "float labels": ({"y": LABELS / 2}, "y holds float64; labels must be whole numbers or strings, perhaps y.astype(int)."),
    "lengths": ({"y": LABELS[:7]}, "x has 20 images and y has shape (7,); give one image or more, and a label for each."),
    "empty": ({"x": [], "y": []}, "x has shape (0,); it must be (N, S, S), (N, C, S, S) or (N, S, S, C)."),
    "none": ({"x": BYTES[:0], "y": LABELS[:0]}, "x has 0 images and y has shape (0,); give one image or more, and a label for each."),
    "one image": (
        {"x": BYTES[:1], "y": LABELS[:1]},
        "the number of images, to be cut into a training and a test part, is 1; it must be at least 2.",
    ),
    "one class": ({"y": LABELS * 0}, "the number of class names is 1; it must be at least 2."),
    "names": ({"class_names": ["a", "b"]}, "There are 2 class_names for 4 distinct labels; give one for each, in sorted order."),
    "half a test": ({"x_test": BYTES}, "Only one of x_test and y_test was given; give both, or neither to have a test part drawn from x."),
    "unlike": (
        {"x_test": BYTES / 255, "y_test": LABELS},
        "x_train is 3 × 8 × 8 uint8 and x_test is 3 × 8 × 8 float32; they must be alike.",
    ),
    "NaN": ({"x": HOLED}, f"x has {np.isnan(HOLED).sum()} pixels that are NaN or infinite; replace them first, as numpy.nan_to_num does."),
    "scale": ({"scale": -1}, "scale is -1; it must be"),
}
SHARE = "test, the share (between 0 and 1) or the number of images held out, is {}; it must be {}from 1 to 19."
REFUSED |= {f"test={t}": ({"test": t}, SHARE.format(t, "")) for t in (0, 20)}
REFUSED |= {f"test={t}": ({"test": t}, SHARE.format(t, "a whole number, ")) for t in (0.0, 1.0, 1.5, float("nan"), True, None)}


@pytest.mark.parametrize("case", REFUSED)
def test_from_arrays_refuses_in_one_sentence(case):
    change, message = REFUSED[case]
    with pytest.raises(ValueError, match=saying(message)):
        from_arrays(**{"x": BYTES, "y": LABELS} | change)


# from_folder


@pytest.fixture
def pets(tmp_path):
    """Twelve generated PNGs, 40 × 20 pixels: green in the middle, blue at the sides; grey and transparent ones among them."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            picture = Image.new("RGB", (40, 20), (0, 0, 255))
            picture.paste((0, 200, 10 * i), (10, 0, 30, 20))
            picture.convert(("RGB", "RGBA", "L")[i % 3]).save(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def test_from_folder_resizes_and_cuts_the_middle_out(pets):
    (pets / ".ipynb_checkpoints").mkdir()  # Jupyter leaves these everywhere
    (pets / "cat" / "notes.txt").write_text("not a picture")
    mine = from_folder(pets, image_size=16, test=3)
    assert (mine.name, mine.class_names, mine.scale) == ("pets", ("cat", "dog"), 255)
    assert mine.x_train.shape == (9, 3, 16, 16)
    assert mine.x_test.shape == (3, 3, 16, 16)
    assert mine.x_train.dtype == torch.uint8
    assert sorted(torch.cat([mine.y_train, mine.y_test]).tolist()) == [0] * 6 + [1] * 6
    coloured = [image for image in torch.cat([mine.x_train, mine.x_test]) if image[1].float().mean() > image[0].float().mean()]
    assert len(coloured) == 8
    assert all(image[1, 4:12, 4:12].eq(200).all() and image[0].max() == 0 for image in coloured)  # the blue sides are cut off
    assert str(pets) not in mine.source


@pytest.mark.parametrize("damage", [b"", b"no picture at all", "cut"])
def test_from_folder_names_a_damaged_picture(pets, damage):
    victim = pets / "dog" / "3.png"
    Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(victim)
    victim.write_bytes(victim.read_bytes()[:2000] if damage == "cut" else damage)
    with pytest.raises(ValueError, match=saying(f"{victim} cannot be read as a picture; repair it or take it out of the folder.")):
        from_folder(pets)


def test_from_folder_refuses_folders_without_classes(pets, tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=saying(f"There is no folder {tmp_path / 'nowhere'}; give one that has a sub-folder of pictures for each class."),
    ):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="must have a sub-folder of pictures for each class"):
        from_folder(pets / "cat")
    (pets / "eel").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must have a sub-folder of pictures for each class .*eel"):
        from_folder(pets)
    with pytest.raises(ValueError, match=r"image_size is 0; it must be at least 1\."):
        from_folder(pets, image_size=0)


# load, the cache and the cost of the import


def test_load_knows_the_names_and_suggests_the_nearest(split):
    assert set(datasets.DATASETS) == {"digits", "cifar10", "cifar100", "fashion_mnist"}
    assert torch.equal(load("digits").x_train, split.x_train)
    allowed = "it can be 'digits', 'cifar10', 'cifar100', 'fashion_mnist'."
    for name, near in {"CIFAR-10": "cifar10", "digit": "digits", "fashion-mnist": "fashion_mnist"}.items():
        with pytest.raises(ValueError, match=saying(f"dataset is {name.lower()!r}; {allowed} Did you mean {near!r}?")):
            load(name)
    with pytest.raises(ValueError, match=saying(f"dataset is 'none'; {allowed}")):
        load(None)


def test_cache_root_is_the_variable_then_the_checkout_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("RESLAB_CACHE", str(tmp_path / "chosen"))
    assert cache_root() == tmp_path / "chosen"
    monkeypatch.setenv("RESLAB_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "__file__", str(tmp_path / "lib" / "reslab" / "downloads.py"))
    (tmp_path / "lib" / "data").mkdir(parents=True)  # site-packages may have a data folder of someone else's
    assert cache_root() == tmp_path / ".cache" / "reslab"
    (tmp_path / "lib" / "pyproject.toml").touch()
    assert cache_root() == tmp_path / "lib" / "data" / "cache"


def test_import_is_light():
    heavy = {"torchvision", "sklearn", "PIL", "filelock", "plotly", "ipywidgets", "captum", "ray"}
    code = f"import torch, sys; before = set(sys.modules); import reslab.datasets; print(*(({heavy} - before) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == ""


# Downloads, through torchvision, from a server on this machine


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A real HTTP server of tmp_path/site; `.asked` lists the files it was asked for. The cache is tmp_path/cache."""
    (tmp_path / "site").mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "site"))

        def do_GET(self):
            asked.append(self.path.strip("/"))
            super().do_GET()

        def log_message(self, *args):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.site, server.url = asked, tmp_path / "site", f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    server.stop = stop
    monkeypatch.setenv("RESLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield server
    if thread.is_alive():
        stop()


class OldDtype:
    """Pickles as a numpy of 2009 pickled uint8, as the real batches hold it: numpy 2.4 warns about that."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)


class OldArray:
    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        make, args, _ = self.array.__reduce__()
        return make, args, (1, self.array.shape, OldDtype(), False, self.array.tobytes())


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def serve_cifar(server, monkeypatch, kind, label_key, classes):
    """Put a tiny archive in CIFAR's format on the server, and its address and checksums in torchvision's class."""
    n, sent, files = classes, {}, {}
    for i, (name, _) in enumerate(kind.train_list + kind.test_list):
        pixels = np.random.default_rng(i).integers(0, 256, (n, 3072), dtype=np.uint8)
        sent[name] = pixels.reshape(n, 3, 32, 32)
        files[name] = pickle.dumps({"data": OldArray(pixels), label_key: list(range(n))}, protocol=2)
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: [f"thing {i}" for i in range(n)]}, protocol=2)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{kind.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (server.site / kind.filename).write_bytes(packed.getvalue())
    monkeypatch.setattr(kind, "url", f"{server.url}/{kind.filename}")
    monkeypatch.setattr(kind, "tgz_md5", md5(packed.getvalue()))
    for listing in ("train_list", "test_list"):
        monkeypatch.setattr(kind, listing, [[name, md5(files[name])] for name, _ in getattr(kind, listing)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(files[kind.meta["filename"]])})
    return sent


def serve_fashion(server, monkeypatch):
    """The same for Fashion-MNIST: ten training and ten test images in four gzipped IDX files."""
    kind, sent, resources = torchvision.datasets.FashionMNIST, {}, []
    for name, _ in kind.resources:
        if "images" in name:
            sent[name] = np.random.default_rng(len(name)).integers(0, 256, (10, 28, 28), dtype=np.uint8)
            content = struct.pack(">4i", 0x803, 10, 28, 28) + sent[name].tobytes()
        else:
            content = struct.pack(">2i", 0x801, 10) + bytes(range(10))
        packed = gzip.compress(content, mtime=0)
        (server.site / name).write_bytes(packed)
        resources.append((name, md5(packed)))
    monkeypatch.setattr(kind, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(kind, "resources", resources)
    return sent


@pytest.fixture
def served_cifar10(server, monkeypatch):
    return serve_cifar(server, monkeypatch, torchvision.datasets.CIFAR10, "labels", 10)


ARCHIVE = "cifar-10-python.tar.gz"


def test_cifar10_is_downloaded_with_a_progress_bar_then_read_from_the_cache(server, served_cifar10, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # torchvision 0.26 unpacks without naming a filter, of which Python 3.12 and 3.13 warn.
        warnings.filterwarnings("ignore", "Python 3.14 will, by default, filter extracted tar", DeprecationWarning)
        first = cifar10()
    assert "100%" in capfd.readouterr().err
    assert ARCHIVE in server.asked
    assert first.x_train.dtype == torch.uint8
    assert np.array_equal(first.x_train.numpy(), np.concatenate([served_cifar10[f"data_batch_{i}"] for i in range(1, 6)]))
    assert np.array_equal(first.x_test.numpy(), served_cifar10["test_batch"])
    assert first.y_train.tolist() == list(range(10)) * 5
    assert first.class_names == tuple(f"thing {i}" for i in range(10))
    assert (first.name, first.scale, first.shape) == ("cifar10", 255, {"in_channels": 3, "image_size": 32, "classes": 10})
    server.stop()
    again = load("cifar10")
    assert torch.equal(again.x_train, first.x_train)


def test_a_cache_that_may_not_be_written_to_is_read(server, served_cifar10, tmp_path, monkeypatch):
    cifar10()
    server.stop()
    monkeypatch.setattr(downloads, "_download", lambda *args: pytest.fail("a whole copy was there"))
    assert len(cifar10(root=tmp_path / "cache").x_train) == 50


def test_cifar100_has_its_hundred_fine_classes(server, monkeypatch, tmp_path):
    sent = serve_cifar(server, monkeypatch, torchvision.datasets.CIFAR100, "fine_labels", 100)
    split = cifar100(root=tmp_path / "elsewhere")
    assert np.array_equal(split.x_train.numpy(), sent["train"])
    assert (split.name, len(split.class_names), split.y_test.tolist()) == ("cifar100", 100, list(range(100)))
    assert not (tmp_path / "cache").exists()


def test_fashion_mnist_is_downloaded_then_read_from_the_cache(server, monkeypatch):
    sent = serve_fashion(server, monkeypatch)
    first = fashion_mnist()
    server.stop()
    again = fashion_mnist()
    for split in (first, again):
        assert np.array_equal(split.x_train[:, 0].numpy(), sent["train-images-idx3-ubyte.gz"])
        assert np.array_equal(split.x_test[:, 0].numpy(), sent["t10k-images-idx3-ubyte.gz"])
        assert (split.name, split.class_names[9], split.shape["image_size"]) == ("fashion_mnist", "Ankle boot", 28)


def test_a_fashion_mnist_file_that_was_cut_short_is_unpacked_again(server, monkeypatch, tmp_path):
    serve_fashion(server, monkeypatch)
    first = fashion_mnist()
    server.stop()
    unpacked = tmp_path / "cache" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    unpacked.write_bytes(unpacked.read_bytes()[:999])
    assert torch.equal(fashion_mnist().x_train, first.x_train)


def test_a_damaged_download_is_fetched_again(server, served_cifar10, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ARCHIVE).write_bytes(b"half a download")
    assert len(cifar10().x_train) == 50
    assert server.asked.count(ARCHIVE) >= 1


def test_a_network_that_recovers_is_forgiven(server, served_cifar10, monkeypatch):
    good, pauses = (server.site / ARCHIVE).read_bytes(), []
    (server.site / ARCHIVE).write_bytes(good[:-100])

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:  # before the third try
            (server.site / ARCHIVE).write_bytes(good)

    monkeypatch.setattr(downloads.time, "sleep", sleep)
    monkeypatch.setattr(downloads, "PAUSE", 1.0)
    assert len(cifar10().x_train) == 50
    assert pauses == [0, 1, 2]  # short, and growing


def unavailable(name, cause, files, folder):
    return (
        f"{name} could not be downloaded in 3 tries ({cause}); reslab.datasets.digits() works with no network, "
        f"or put {files} into {folder} by hand and call this again."
    )


def test_a_download_that_stays_damaged_ends_in_one_sentence(server, served_cifar10, tmp_path):
    (server.site / ARCHIVE).write_bytes(b"not what it should be")
    with pytest.raises(
        DatasetUnavailable, match=saying(unavailable("cifar10", "what arrived does not match its checksum", ARCHIVE, tmp_path / "cache"))
    ):
        cifar10()
    assert len([path for path in server.asked if path == ARCHIVE]) == 6  # per try: where it leads, then the file


def test_a_server_that_refuses_ends_quickly_in_one_sentence(server, served_cifar10, tmp_path, monkeypatch):
    server.stop()
    began = time.perf_counter()
    with pytest.raises(DatasetUnavailable) as refused:
        cifar10()
    assert time.perf_counter() - began < 2
    assert str(refused.value).startswith("cifar10 could not be downloaded in 3 tries ([Errno ")
    assert "refused); reslab.datasets.digits() works" in str(refused.value)
    assert f"put {ARCHIVE} into {tmp_path / 'cache'} by hand" in str(refused.value)


def test_a_file_put_there_by_hand_is_used_with_no_network(server, served_cifar10, tmp_path):
    server.stop()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ARCHIVE).write_bytes((server.site / ARCHIVE).read_bytes())
    assert len(cifar10().x_train) == 50


def test_fashion_mnist_names_its_four_files_when_offline(server, monkeypatch, tmp_path):
    serve_fashion(server, monkeypatch)
    for file in server.site.iterdir():
        file.unlink()
    files = ", ".join(f"{a}-{b}-ubyte.gz" for a in ("train", "t10k") for b in ("images-idx3", "labels-idx1"))
    sentence = unavailable("fashion_mnist", "HTTP Error 404: File not found", files, tmp_path / "cache" / "FashionMNIST" / "raw")
    with pytest.raises(DatasetUnavailable, match=saying(sentence)):
        fashion_mnist()
    with warnings.catch_warnings():  # torchvision leaves the connections of refused requests to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_network_that_swallows_everything_does_not_hang(served_cifar10, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/{ARCHIVE}")
        monkeypatch.setattr(downloads, "PATIENCE", 0.1)
        with pytest.raises(DatasetUnavailable, match=r"3 tries \(timed out\)"):
            cifar10()
    assert socket.getdefaulttimeout() is None


def test_a_cache_folder_that_cannot_be_made_is_told_as_the_cause(served_cifar10, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetUnavailable, match=r"3 tries \(\[Errno \d+\] .*file"):
        cifar10(root=tmp_path / "file" / "cache")


def test_two_at_once_download_once(server, served_cifar10):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = []
        threads = [threading.Thread(target=lambda: splits.append(cifar10())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(splits) == 4
    assert server.asked.count(ARCHIVE) == 2  # one download: where it leads, then the file
