"""`from_arrays`: images and labels of one's own, as arrays of any kind."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from made_images import BYTES, LABELS, RNG
from sentences import saying

from reslab.datasets import from_arrays

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


WORDS = np.array(["dog", "cat", "eel", "bee"])[LABELS]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(WORDS),
        pd.Series(WORDS, dtype=object),
        pd.Series(WORDS, dtype="category"),
        pd.Series(WORDS, dtype="string"),
        pd.Categorical(WORDS),
        pd.Index(WORDS),
        WORDS.astype(object),
        WORDS.astype("S3"),
        WORDS.astype(np.dtypes.StringDType()),
        list(WORDS),
    ],
    ids=lambda labels: f"{type(labels).__name__} {getattr(labels, 'dtype', '')}",
)
def test_from_arrays_takes_strings_of_any_kind(labels):
    mine = from_arrays(BYTES, labels, x_test=BYTES, y_test=list(WORDS))
    assert mine.class_names == ("bee", "cat", "dog", "eel")
    assert torch.equal(mine.y_train, mine.y_test)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(LABELS, dtype="Int64"),
        pd.Series(LABELS, dtype=object),
        pd.Series(LABELS, dtype="category"),
        torch.from_numpy(LABELS).to(torch.int32),
        LABELS.astype(object),
        LABELS.astype(np.uint8),
        LABELS.astype(float),
        list(LABELS.astype(float)),
        pd.Series(LABELS, dtype="Float64"),
        torch.from_numpy(LABELS).half().requires_grad_(),
        dict(enumerate(LABELS)).values(),
        map(int, LABELS),
        np.ma.masked_array(LABELS),
    ],
    ids=lambda labels: f"{type(labels).__name__} {getattr(labels, 'dtype', '')}",
)
def test_from_arrays_takes_whole_numbers_of_any_kind(labels):
    assert from_arrays(BYTES, labels, x_test=BYTES, y_test=LABELS).y_train.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (pd.Series([*WORDS[:-1], None]), "y has no label at position 19; each image needs one."),
        (pd.Series([1, None] * 10, dtype="Int64"), "y has no label at position 1; each image needs one."),
        (pd.array([1, None] * 10, dtype="Int64"), "y has no label at position 1; each image needs one."),
        (pd.array([True, None] * 10, dtype="boolean"), "y has no label at position 1; each image needs one."),
        ([1.0, np.inf] * 10, "y holds infinity at position 1, which is no label."),
        (np.where(LABELS, 1.0, np.nan), "y has no label at position 0; each image needs one."),
        (np.array(["a", 1] * 10, dtype=object), "y holds int, str; labels must be all whole numbers or all strings."),
        (pd.Series(pd.to_datetime(["2026-11-27"] * 20)), "y holds datetime64"),
        (torch.arange(20) / 2, "y holds 0.5 at position 1; labels must be whole numbers or strings."),
        (["a", float("nan")] * 10, "y has no label at position 1; each image needs one."),
        (["a", 1] * 10, "y holds int, str; labels must be all whole numbers or all strings."),
        ([2**70, 1] * 10, "y holds numbers of more than 64 bits; take strings, str(label)."),
        (np.ma.masked_array(LABELS, LABELS == 3), "y is masked at (3,); fill what is masked, as y.filled(0)"),
    ],
)
def test_from_arrays_says_which_label_is_missing_or_of_another_type(labels, says):
    with pytest.raises(ValueError, match=saying(says)):
        from_arrays(BYTES, labels)


@pytest.mark.parametrize("kind", [pd.Series, list, np.array], ids=lambda kind: kind.__name__)
def test_from_arrays_names_the_classes_of_bools_false_and_true(kind):
    truth = kind([bool(label % 2) for label in LABELS])
    assert from_arrays(BYTES, truth, x_test=BYTES, y_test=truth).class_names == ("False", "True")


def test_from_arrays_tells_large_numbers_apart_of_both_signs():
    """As float64, to which NumPy joins the two kinds of integers, all three classes would be one."""
    large = 2**62 + np.arange(20) % 3
    mine = from_arrays(BYTES, large.astype(np.uint64), x_test=BYTES, y_test=large)
    assert mine.class_names == tuple(map(str, large[:3]))
    assert torch.equal(mine.y_train, mine.y_test)


def test_from_arrays_keeps_bytes_apart_that_are_no_text():
    assert from_arrays(BYTES, [b"\xfe", b"\xff"] * 10, test=4).class_names == ("\\xfe", "\\xff")


@pytest.mark.parametrize(
    ("test", "held_out"), [(0.2, 4), (0.001, 1), (0.999, 19), (7, 7), (np.int64(3), 3), (np.float32(0.5), 10)]
)
def test_from_arrays_holds_out_a_share_or_a_number(test, held_out):
    numbered = np.arange(20).reshape(20, 1, 1) * np.ones((8, 8))
    told = (
        pytest.warns(UserWarning, match="classes of mine have no training image") if held_out == 19 else nullcontext()
    )
    with told:
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
    "oblong": (
        {"x": BYTES[:, :, :6, 0]},
        "x has shape (20, 1, 8, 6); it must hold square images, (N, C, S, S), perhaps cut to 6 × 6.",
    ),
    "oblong, channels last": (
        {"x": BYTES[:, :6]},
        "x has shape (20, 6, 8, 3); it must hold square images, (N, C, S, S), perhaps cut to 6 × 6.",
    ),
    "too large for float32": ({"x": np.full((20, 8, 8), 1e300)}, "x has 1280 pixels that are NaN or infinite"),
    "two ways": (
        {"x": BYTES[:, :3, :3]},
        "x has shape (20, 3, 3, 3), which can be read two ways; say channels='first' or channels='last'.",
    ),
    "channels": ({"channels": "lst"}, "channels is 'lst'; it can be None, 'first', 'last'. Did you mean 'last'?"),
    "ragged": (
        {"x": [np.zeros((8, 8)), np.zeros((6, 6))]},
        "x is no regular array; all images must have the same height, width and channels.",
    ),
    "16 bit": (
        {"x": BYTES.astype("uint16") * 10},
        "x holds uint16; pixels must be whole numbers from 0 to 255, or floats.",
    ),
    "negative": ({"x": BYTES.astype(int) - 1}, "x holds int64; pixels must be whole numbers from 0 to 255, or floats."),
    "text": ({"x": np.full((20, 8, 8), "?")}, "x holds <U1; pixels must be whole numbers from 0 to 255, or floats."),
    "one-hot": (
        {"y": pd.DataFrame(np.eye(4)[LABELS])},
        "y has shape (20, 4); it must be (N,), one label per image, perhaps numpy.argmax(y, axis=1).",
    ),
    "a column": (
        {"y": torch.from_numpy(LABELS)[:, None]},
        "y has shape (20, 1); it must be (N,), one label per image, perhaps numpy.ravel(y).",
    ),
    "several labels": ({"y": np.stack([LABELS] * 2, 1)}, "y has shape (20, 2); it must be (N,), one label per image."),
    "sparse labels": (
        {"y": torch.from_numpy(LABELS).to_sparse()},
        "y is a tensor that is quantized, nested or sparse; give a dense one of plain numbers.",
    ),
    "labels on meta": (
        {"y": torch.from_numpy(LABELS).to("meta")},
        "y is a tensor that is on the device meta, and holds no numbers; give a dense one of plain numbers.",
    ),
    "large floats": ({"y": LABELS * 1e300}, "y holds 1e+300 at position 1, a number of more than 64 bits."),
    "labels of two kinds": (
        {"x_test": BYTES, "y_test": LABELS.astype(str)},
        "y holds whole numbers and y_test strings; labels of both parts must be of one kind.",
    ),
    "float labels": ({"y": LABELS / 2}, "y holds 0.5 at position 1; labels must be whole numbers or strings."),
    "masked": (
        {"x": np.ma.masked_array(BYTES, BYTES.max() == BYTES)},
        f"x is masked at {tuple(map(int, np.argwhere(BYTES.max() == BYTES)[0]))}; fill what is masked, as x.filled(0)",
    ),
    "sparse": (
        {"x": torch.ones(20, 8, 8).to_sparse()},
        "x is a tensor that is quantized, nested or sparse; give a dense one of plain numbers.",
    ),
    "meta": (
        {"x": torch.ones(20, 8, 8, device="meta")},
        "x is a tensor that is on the device meta, and holds no numbers; give a dense one of plain numbers.",
    ),
    "lengths": (
        {"y": LABELS[:7]},
        "x has 20 images and y has shape (7,); give one image or more, and a label for each.",
    ),
    "empty": ({"x": [], "y": []}, "x has shape (0,); it must be (N, S, S), (N, C, S, S) or (N, S, S, C)."),
    "none": (
        {"x": BYTES[:0], "y": LABELS[:0]},
        "x has 0 images and y has shape (0,); give one image or more, and a label for each.",
    ),
    "one image": (
        {"x": BYTES[:1], "y": LABELS[:1]},
        "the number of images, to be cut into a training and a test part, is 1; it must be at least 2.",
    ),
    "one class": ({"y": LABELS * 0}, "the number of class names is 1; it must be at least 2."),
    "names": (
        {"class_names": ["a", "b"]},
        "There are 2 class_names for 4 distinct labels; give one for each, in sorted order.",
    ),
    "half a test": (
        {"x_test": BYTES},
        "Only one of x_test and y_test was given; give both, or neither to have a test part drawn from x.",
    ),
    "unlike": (
        {"x_test": BYTES / 255, "y_test": LABELS},
        "x_train is 3 × 8 × 8 uint8 and x_test is 3 × 8 × 8 float32; they must be alike.",
    ),
    "NaN": (
        {"x": HOLED},
        f"x has {np.isnan(HOLED).sum()} pixels that are NaN or infinite; replace them first, as numpy.nan_to_num does.",
    ),
    "scale": ({"scale": -1}, "scale is -1; it must be"),
    "name": ({"name": 5}, "name is 5; it must be a text."),
    "source": ({"source": None}, "source is None; it must be a text."),
}
SHARE = "test, the share (between 0 and 1) or the number of images held out, is {}; it must be {}from 1 to 19."
REFUSED |= {f"test={t}": ({"test": t}, SHARE.format(t, "")) for t in (0, 20)}
REFUSED |= {
    f"test={t}": ({"test": t}, SHARE.format(t, "a whole number, ")) for t in (0.0, 1.0, 1.5, float("nan"), True, None)
}


@pytest.mark.parametrize("case", REFUSED)
def test_from_arrays_refuses_in_one_sentence(case):
    change, message = REFUSED[case]
    with pytest.raises(ValueError, match=saying(message)):
        from_arrays(**{"x": BYTES, "y": LABELS} | change)
