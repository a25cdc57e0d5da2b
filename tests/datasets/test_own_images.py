"""`from_folder`, `from_file` and `load`: a person's own images, datasets by name, and the cost of the import."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import BYTES, LABELS, RNG
from PIL import Image
from sentences import saying

from reslab import datasets, downloads
from reslab.datasets import cache_root, digits, from_arrays, from_file, from_folder, load

# from_folder


@pytest.fixture
def pets(tmp_path):
    """Twelve generated PNGs, 40 × 20 pixels: green in the middle, blue at the sides; grey and transparent ones among
    them. No two are equal."""
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            picture = Image.new("RGB", (40, 20), (0, 0, 255))
            picture.paste((0, 200, 20 * i + 10 * number), (10, 0, 30, 20))
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
    with pytest.raises(ValueError, match=r"image_size is 0; it must be from 1 to 4096\."):
        from_folder(pets, image_size=0)


# from_file


def test_from_file_reads_what_savez_wrote_as_the_arguments_of_from_arrays(tmp_path):
    np.savez(
        tmp_path / "mine.npz",
        x=BYTES,
        y=LABELS,
        x_test=BYTES[:, ::-1],
        y_test=LABELS,
        class_names=list("abcd"),
        source="my camera",
        scale=128,
    )
    mine = from_file(tmp_path / "mine.npz")
    same = from_arrays(BYTES, LABELS, x_test=BYTES[:, ::-1], y_test=LABELS, class_names="abcd", scale=128)
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
    assert set(datasets.DATASETS) >= {"digits", "cifar10", "cifar100", "fashion_mnist"}
    assert torch.equal(load("digits").x_train, digits().x_train)
    allowed = f"it can be {', '.join(map(repr, datasets.DATASETS))}."
    for name, near in {"CIFAR-10": "cifar10", "digit": "digits", "fashion-mnist": "fashion_mnist"}.items():
        with pytest.raises(ValueError, match=saying(f"dataset is {name.lower()!r}; {allowed} Did you mean {near!r}?")):
            load(name)
    with pytest.raises(ValueError, match=saying(f"dataset is 'none'; {allowed}")):
        load(None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("digits-100000px", "size is 100000; it must be from 1 to 4096."),
        ("digits-0px", "size is 0; it must be from 1 to 4096."),
        (f"digits-200+60@{2**63}", f"seed is {2**63}; it must be from 0 to {2**63 - 1}."),
        ("digits-٢٠٠+٦٠", "dataset is 'digits-٢٠٠+٦٠'; it can be "),  # another name for images that have one
    ],
)
def test_load_refuses_what_no_machine_holds_and_other_digits(name, says):
    with pytest.raises(ValueError, match=saying(says)):
        load(name)


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
