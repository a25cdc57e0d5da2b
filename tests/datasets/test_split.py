"""`Split`: what it holds and hands out, its subsets, and what it refuses."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sentences import saying
from sklearn.datasets import load_digits

from reslab.datasets import Split, digits, from_arrays


@pytest.fixture(scope="module")
def split():
    return digits()


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
        return sorted(
            bytes(image.flatten().tolist()) + bytes([label]) for image, label in zip(x, y.tolist(), strict=True)
        )

    stored = load_digits()
    all_images = rows(torch.from_numpy(stored.images.astype("uint8")), torch.from_numpy(stored.target))
    assert len(set(all_images)) == 1797
    assert rows(torch.cat([split.x_train, split.x_test]), torch.cat([split.y_train, split.y_test])) == all_images


def test_digits_are_the_same_for_one_seed_and_others_for_another(split):
    again, other = digits(), digits(seed=1)
    assert torch.equal(split.x_train, again.x_train)
    assert torch.equal(split.y_test, again.y_test)
    assert not torch.equal(split.y_test, other.y_test)
    # pinned: recorded runs were trained on this very split
    assert split.y_train[:12].tolist() == [6, 5, 5, 7, 9, 9, 8, 4, 6, 8, 6, 0]
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
    "device",
    [d for d, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if there]
    or ["cpu"],
)
def test_batch_on_a_device_equals_the_cpu(split, device):
    away = split.to(device)
    index = torch.tensor([5, 3, 1399])  # on the CPU, as a generator on the CPU draws it
    x, y = away.batch(index)
    assert {x.device.type, y.device.type, away.x_test.device.type} == {device}
    assert torch.allclose(x.cpu(), split.batch(index)[0], atol=1e-6)
    assert torch.equal(away.subset(100).x_train.cpu(), split.subset(100).x_train)


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
    one = split.subset(80, seed=5)
    assert [label[bytes(image.flatten().tolist())] for image in one.x_train] == one.y_train.tolist()
    assert torch.equal(one.x_train, split.subset(80, seed=5).x_train)
    assert not torch.equal(one.y_train, split.subset(80, seed=6).y_train)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"n_train": 1401}, "n_train is 1401; it must be from 1 to 1400."),
        ({"n_test": 0}, "n_test is 0; it must be from 1 to 397."),
        ({"n_train": 0.5}, "n_train is 0.5; it must be a whole number, from 1 to 1400."),
        ({"n_train": 5, "seed": -1}, "seed is -1; it must be from 0 to 9223372036854775807."),
    ],
)
def test_subset_refuses_impossible_counts(split, counts, message):
    with pytest.raises(ValueError, match=saying(message)):
        split.subset(**counts)


# resized


@pytest.mark.parametrize("size", [4, 8, 13, 64])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_resized_is_pillows_bilinear(dtype, size):
    split = Split(**parts(dtype=dtype))
    other = split.resized(size)
    assert (other.shape["image_size"], other.x_train.dtype, other.mean, other.std) == (
        size,
        dtype,
        split.mean,
        split.std,
    )
    for part in ("x_train", "x_test"):
        for image, before in zip(getattr(other, part), getattr(split, part), strict=True):
            planes = [
                Image.fromarray(plane.float().numpy()).resize((size, size), Image.Resampling.BILINEAR)
                for plane in before
            ]
            expected = torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))
            # rounded to whole numbers, or not
            assert (image.float() - expected).abs().max() <= (0.501 if dtype == torch.uint8 else 1e-3)
    assert torch.equal(other.y_train, split.y_train)
    assert other.source.endswith(f"; resized from 8 × 8 to {size} × {size} pixels, bilinear")


def test_resized_to_the_same_size_changes_no_image_and_refuses_none(split):
    assert torch.equal(split.resized(8).x_train, split.x_train)
    with pytest.raises(ValueError, match=saying("size is 0; it must be from 1 to 4096.")):
        split.resized(0)


# What a Split refuses, each in one sentence

ZERO = torch.zeros
WRONG = {
    "numpy": (
        {"x_train": np.zeros((12, 3, 8, 8))},
        "x_train is a ndarray; it must be a tensor (from_arrays() takes numpy too).",
    ),
    "flat": ({"x_train": ZERO(12, 64)}, "x_train has shape (12, 64); it must hold square images, (N, C, S, S)."),
    "oblong": (
        {"x_test": ZERO(4, 3, 8, 6)},
        "x_test has shape (4, 3, 8, 6); it must hold square images, (N, C, S, S), perhaps cut to 6 × 6.",
    ),
    "no pixels": (
        {"x_train": ZERO(12, 3, 0, 0)},
        "x_train has shape (12, 3, 0, 0); it must hold square images, (N, C, S, S).",
    ),
    "doubles": (
        {"x_train": ZERO(12, 3, 8, 8).double()},
        (
            "x_train holds torch.float64 and y_train torch.int64; they must be torch.uint8 or torch.float32, and"
            " torch.int64."
        ),
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
    "not alike": (
        {"x_test": ZERO(4, 1, 8, 8)},
        "x_train is 3 × 8 × 8 uint8 and x_test is 1 × 8 × 8 float32; they must be alike.",
    ),
    "high label": (
        {"y_train": torch.full((12,), 3)},
        "y_train runs from 3 to 3; with 3 class names it must be from 0 to 2.",
    ),
    "low label": (
        {"y_test": torch.full((4,), -1)},
        "y_test runs from -1 to -1; with 3 class names it must be from 0 to 2.",
    ),
    "one class": ({"class_names": ("a",)}, "the number of class names is 1; it must be at least 2."),
    "scale": ({"scale": 0}, "scale is 0; it must be"),
    "no name": ({"name": None}, "name is None; it must be a text."),
    "no source": ({"source": 3}, "source is 3; it must be a text."),
    "NaN scale": ({"scale": float("nan")}, "scale is nan; it must be"),
    "one mean": (
        {"mean": (0.5,), "std": (1.0,)},
        "mean is (0.5,) and std (1.0,); give 3 finite numbers of each, std above 0, or neither.",
    ),
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
    with pytest.raises(
        ValueError,
        match=r"x_train has 1 pixels that are NaN or infinite; replace them first, as numpy\.nan_to_num does\.",
    ):
        Split(**fields)


def test_batch_refuses_another_part(split):
    with pytest.raises(ValueError, match=r"part is 'tset'; it can be 'train', 'test'\. Did you mean 'test'\?"):
        split.batch(slice(4), "tset")


# Fingerprints


def test_the_fingerprint_tells_images_and_labels_apart_and_nothing_else(split):
    assert split.fingerprint == digits().fingerprint
    assert split.fingerprint == dataclasses.replace(split, name="other", source="elsewhere").fingerprint
    others = [digits(seed=1), digits(test=396), split.subset(200, 60), split.subset(200, 60, seed=1)]
    brighter = split.x_test.clone()
    brighter[-1, -1, -1, -1] += 1
    changes = ({"y_train": split.y_train.flip(0)}, {"x_test": brighter}, {"mean": (0.0,)}, {"scale": 15.0})
    others += [dataclasses.replace(split, **change) for change in changes]
    assert len({each.fingerprint for each in [split, *others]}) == 9
    floats = from_arrays(torch.rand(10, 8, 8), [0, 1] * 5)
    assert floats.fingerprint == dataclasses.replace(floats, name="again").fingerprint


def test_the_fingerprint_of_the_digits_is_the_same_on_every_machine():
    assert digits().fingerprint == "b5fe85cc53d86248"
