"""`from_arrays`, `from_file`, `from_folder` and `load`: a person's own images, datasets by name, and the cost of the
import."""

import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sentences import saying

from reslab import datasets, downloads
from reslab.datasets import cache_root, digits, from_arrays, from_file, from_folder, load

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
def test_from_arrays_calls_two_classes_of_truth_false_and_true(kind):
    truth = kind([bool(label % 2) for label in LABELS])
    assert from_arrays(BYTES, truth, x_test=BYTES, y_test=truth).class_names == ("False", "True")


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
    "one-hot": ({"y": np.eye(4)[LABELS]}, "y has shape (20, 4); it must be (N,), one label an image."),
    "float labels": ({"y": LABELS / 2}, "y holds 0.5 at position 1; labels must be whole numbers or strings."),
    "masked": (
        {"x": np.ma.masked_array(BYTES, BYTES.max() == BYTES)},
        f"x is masked at {tuple(map(int, np.argwhere(BYTES.max() == BYTES)[0]))}; fill what is masked, as x.filled(0)",
    ),
    "sparse": (
        {"x": torch.ones(20, 8, 8).to_sparse()},
        "x is a tensor that is quantized or sparse; give a dense one of plain numbers.",
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


# from_folder


@pytest.fixture
def pets(tmp_path):
    """Twelve generated PNGs, 40 × 20 pixels: green in the middle, blue at the sides; grey and transparent ones among
    them."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            picture = Image.new("RGB", (40, 20), (0, 0, 255))
            picture.paste((0, 200, 10 * i), (10, 0, 30, 20))
            picture.convert(("RGB", "RGBA", "L")[i % 3]).save(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def test_from_folder_resizes_and_cuts_the_middle_out(pets):
    (pets / ".ipynb_checkpoints").mkdir()  # Jupyter leaves these everywhere
    (pets / "cat" / "._0.png").write_bytes(b"what macOS keeps beside 0.png")
    (pets / "__MACOSX").mkdir()
    (pets / "cat" / "notes.txt").write_text("not a picture")
    with pytest.warns(UserWarning, match=r"pets: 1 file left out that is no picture: notes\.txt"):
        mine = from_folder(pets, image_size=16, test=3)
    assert (mine.name, mine.class_names, mine.scale) == ("pets", ("cat", "dog"), 255)
    assert mine.x_train.shape == (9, 3, 16, 16)
    assert mine.x_test.shape == (3, 3, 16, 16)
    assert mine.x_train.dtype == torch.uint8
    assert sorted(torch.cat([mine.y_train, mine.y_test]).tolist()) == [0] * 6 + [1] * 6
    coloured = [
        image for image in torch.cat([mine.x_train, mine.x_test]) if image[1].float().mean() > image[0].float().mean()
    ]
    assert len(coloured) == 8
    # the blue sides are cut off
    assert all(image[1, 4:12, 4:12].eq(200).all() and image[0].max() == 0 for image in coloured)
    assert str(pets) not in mine.source


@pytest.mark.parametrize("damage", [b"", b"no picture at all", "cut"])
def test_from_folder_names_a_damaged_picture(pets, damage):
    victim = pets / "dog" / "3.png"
    Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(victim)
    victim.write_bytes(victim.read_bytes()[:2000] if damage == "cut" else damage)
    with pytest.raises(
        ValueError, match=saying(f"{victim} cannot be read as a picture; repair it or take it out of the folder.")
    ):
        from_folder(pets)


def test_from_folder_refuses_folders_without_classes(pets, tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=saying(
            f"There is no folder {tmp_path / 'nowhere'}; give one that has a sub-folder of pictures for each class."
        ),
    ):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="must have a sub-folder of pictures for each class"):
        from_folder(pets / "cat")
    (pets / "eel").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must have a sub-folder of pictures for each class .*eel"):
        from_folder(pets)
    with pytest.raises(ValueError, match=r"image_size is 0; it must be at least 1\."):
        from_folder(pets, image_size=0)


# from_file


def test_from_file_reads_what_savez_wrote_as_the_arguments_of_from_arrays(tmp_path):
    np.savez(
        tmp_path / "mine.npz",
        x=BYTES,
        y=LABELS,
        x_test=BYTES,
        y_test=LABELS,
        class_names=list("abcd"),
        source="my camera",
        scale=128,
    )
    mine = from_file(tmp_path / "mine.npz")
    same = from_arrays(BYTES, LABELS, x_test=BYTES, y_test=LABELS, class_names="abcd", scale=128)
    assert mine.fingerprint == same.fingerprint
    assert (mine.name, mine.class_names, mine.source) == ("mine", tuple("abcd"), "my camera")
    np.savez_compressed(tmp_path / "mine.npz", x=BYTES, y=LABELS, test=4, name="birds")
    assert (from_file(str(tmp_path / "mine.npz")).name, len(from_file(tmp_path / "mine.npz").x_test)) == ("birds", 4)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": BYTES}, "holds name, x; it must hold images x and labels y"),
        ({"x": BYTES, "y": LABELS, "x_tset": BYTES}, "is 'x_tset'; it can be .* Did you mean 'x_test'"),
        ({"x": BYTES, "y": LABELS.astype(object)}, r"mine\.npz is no file of numpy\.savez, or holds Python objects"),
        ({"x": BYTES, "y": LABELS, "test": 20}, "test, the share"),
        (b"PK\x03\x04 broken", "is no file of numpy.savez"),
        (b"", "is no file of numpy.savez"),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n",
            "is no file of numpy.savez",
        ),
    ],
)
def test_from_file_says_what_does_not_fit(tmp_path, arrays, says):
    path = tmp_path / "mine.npz"
    with pytest.raises(FileNotFoundError, match="There is no file"):
        from_file(path)
    path.write_bytes(arrays) if isinstance(arrays, bytes) else np.savez(path, **arrays)
    with pytest.raises(ValueError, match=says):
        from_file(path)


# load, the cache and the cost of the import


def test_load_takes_a_file_a_folder_and_a_part_of_any(pets, tmp_path):
    np.savez(tmp_path / "mine.npz", x=BYTES, y=LABELS)
    assert load(tmp_path / "mine.npz").fingerprint == from_arrays(BYTES, LABELS).fingerprint
    shutil.copy(tmp_path / "mine.npz", tmp_path / "A.NPZ")
    assert (
        load(tmp_path / "A.NPZ").fingerprint
        == load(str(tmp_path / "A.NPZ")).fingerprint
        == load(tmp_path / "mine.npz").fingerprint
    )
    assert load(pets).fingerprint == from_folder(pets).fingerprint
    for name in ("pets-64px", "pets-5+2"):  # which are a part of nothing
        shutil.copytree(pets, tmp_path / name)
        assert load(tmp_path / name).fingerprint == from_folder(pets).fingerprint
    part, same = load("digits-200+60"), digits().subset(200, 60)
    assert part.fingerprint == same.fingerprint
    assert (part.name, part.source) == ("digits-200+60", same.source)
    other = load("digits-200+60@7")
    assert (other.name, other.fingerprint) == ("digits-200+60@7", digits().subset(200, 60, seed=7).fingerprint)
    assert load(f"{tmp_path / 'mine.npz'}-9+2").name == "mine-9+2"
    with pytest.raises(ValueError, match="n_train is 2000; it must be from 1 to 1400"):
        load("digits-2000+60")
    sized = load("digits-200+60@7-16px")
    assert (sized.name, sized.fingerprint) == ("digits-200+60@7-16px", other.resized(16).fingerprint)
    assert load("digits-16px-200+60").fingerprint == digits().resized(16).subset(200, 60).fingerprint


def test_load_knows_the_names_and_suggests_the_nearest():
    assert set(datasets.DATASETS) == {"digits", "cifar10", "cifar100", "fashion_mnist"}
    assert torch.equal(load("digits").x_train, digits().x_train)
    allowed = "it can be 'digits', 'cifar10', 'cifar100', 'fashion_mnist'."
    for name, near in {"CIFAR-10": "cifar10", "digit": "digits", "fashion-mnist": "fashion_mnist"}.items():
        with pytest.raises(ValueError, match=saying(f"dataset is {name.lower()!r}; {allowed} Did you mean {near!r}?")):
            load(name)
    with pytest.raises(ValueError, match=saying(f"dataset is 'none'; {allowed}")):
        load(None)


def test_load_of_a_folder_without_a_separator_and_of_another_kind_of_file_says_what_to_write(pets, monkeypatch):
    monkeypatch.chdir(pets.parent)
    for name in ("pets", "."):
        says = f"dataset is {name!r}, which names a folder here and no data set; load({name + '/'!r}) reads it."
        with pytest.raises(ValueError, match=saying(says)):
            load(name)
    Path("x.npy").touch()
    with pytest.raises(FileNotFoundError, match=saying("x.npy is a file; give a folder, or an .npz file")):
        load(Path("x.npy"))


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
    code = (
        f"import torch, sys; before = set(sys.modules); import reslab.datasets; print(*(({heavy} - before) &"
        " set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == ""
