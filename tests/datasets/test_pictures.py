"""Folders of pictures as people have them: every bit depth, turned and transparent ones, links, and what is no
picture."""

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import folder
from PIL import Image, ImageOps
from sentences import saying

from reslab.datasets import from_folder, load, pictures

RAMP = np.tile(np.linspace(0, 65535, 16).round(), (16, 1))  # (16, 16), black on the left to white on the right


@pytest.fixture
def pets(tmp_path):
    return folder(tmp_path / "pets")


def grey(values):
    """The three equal channels of a grey picture, (3, S, S) uint8."""
    return torch.from_numpy(np.broadcast_to(np.asarray(values, np.uint8), (3, *np.shape(values))).copy())


def one(path):
    """The picture of a folder's class "cat", which has one, (3, 16, 16)."""
    split = from_folder(path, image_size=16, test=1)
    return torch.cat([split.x_train, split.x_test])[torch.cat([split.y_train, split.y_test]) == 0][0]


def with_picture(tmp_path, picture, ending="png", **options):
    """A folder of two classes, the first of which has this picture alone."""
    path = folder(tmp_path / "own", ("dog",))
    (path / "cat").mkdir()
    picture.save(path / "cat" / f"0.{ending}", **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_range(tmp_path, ending):
    picture = Image.fromarray(RAMP.astype(np.uint16))
    assert torch.equal(one(with_picture(tmp_path, picture, ending)), grey(RAMP.astype(np.uint16) >> 8))


def test_sixteen_bits_of_the_other_byte_order_keep_their_range(tmp_path):
    path = with_picture(tmp_path, Image.frombytes("I;16B", (16, 16), RAMP.astype(">u2").tobytes()), "tif")
    assert torch.equal(one(path), grey(RAMP.astype(np.uint16) >> 8))


def test_floats_are_black_at_0_and_white_at_1(tmp_path):
    picture = Image.fromarray((RAMP / 65535).astype(np.float32))
    assert torch.equal(one(with_picture(tmp_path, picture, "tif")), grey((RAMP / 65535 * 255).round()))


def tiff(values, bits, photometric):
    """The bytes of a grey TIFF of (S, S) whole numbers with 12 or 16 bits each, which Pillow does not write itself."""
    size = len(values)
    if bits == 12:
        data = bytes.fromhex("".join(f"{value:03x}" for value in values.flatten()))
    else:
        data = values.astype("<u2").tobytes()
    # width, height, bits, uncompressed, what 0 is, where the data are (after ten tags), channels, rows, bytes, unsigned
    tags = {256: size, 257: size, 258: bits, 259: 1, 262: photometric, 273: 134, 277: 1, 278: size, 279: len(data)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in (tags | {339: 1}).items()]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4) + data


@pytest.mark.parametrize(("bits", "zero_is_white"), [(12, False), (16, False), (16, True)])
def test_every_bit_depth_of_a_tiff_goes_from_black_to_white(tmp_path, bits, zero_is_white):
    values = (RAMP.astype(np.uint32) >> (16 - bits)).astype(np.uint32)
    path = with_picture(tmp_path, Image.new("L", (16, 16)), "tif")
    (path / "cat" / "0.tif").write_bytes(tiff(values, bits, photometric=0 if zero_is_white else 1))
    bright = grey(RAMP.astype(np.uint32) >> 8)
    assert torch.equal(one(path), 255 - bright if zero_is_white else bright)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (
            Image.fromarray(RAMP.astype(np.float32)),
            "holds floats from 0 to 65535; they must be from 0, black, to 1, white",
        ),
        (Image.fromarray(np.full((16, 16), np.nan, np.float32)), "holds floats from nan to nan; they must be from 0"),
        (Image.fromarray(RAMP.astype(np.int32)), "holds whole numbers of 32 bits, of which nothing says what is white"),
    ],
    ids=["large floats", "nan", "32 bits"],
)
def test_numbers_that_do_not_say_what_is_white_are_refused(tmp_path, picture, reason):
    path = with_picture(tmp_path, picture, "tif")
    with pytest.raises(ValueError, match=saying(f"{path / 'cat' / '0.tif'} {reason}")):
        from_folder(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "mode"), [("png", "RGB"), ("tif", "RGB"), ("tif", "L"), ("tif", "I;16")])
def test_pictures_are_turned_upright(tmp_path, ending, mode, orientation):
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257 if mode == "I;16" else values).convert(mode)
    path = tmp_path / f"0.{ending}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    turned = Image.fromarray(values[..., 0]) if mode == "I;16" else picture
    turned.getexif()[0x0112] = orientation
    assert np.array_equal(pictures.read(path), ImageOps.exif_transpose(turned).convert("RGB"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (8, 0, 16, 16))
    image = one(with_picture(tmp_path, picture.quantize(2) if mode == "P" else picture.convert(mode)))
    assert image[:, :, :8].eq(255).all()
    assert image[:, :, 8:].eq(0).all()


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "I;16"])
def test_the_one_colour_that_a_file_calls_transparent_is_white(tmp_path, mode):
    picture = Image.new(mode, (16, 16), 0)
    if mode == "P":
        picture.putpalette([0, 0, 0, 9, 9, 9])
    none = (0, 0, 0) if mode == "RGB" else 0
    picture.paste({"1": 1, "RGB": (9, 9, 9), "P": 1}.get(mode, 9), (8, 0, 16, 16))
    if mode == "I;16":  # 9 in the upper eight bits, and something in the lower ones
        picture = Image.fromarray(np.repeat([0, 9 << 8 | 255], 8)[None].repeat(16, 0).astype(np.uint16))
    image = one(with_picture(tmp_path, picture, transparency=none))
    assert image[:, :, :8].eq(255).all()
    assert image[:, :, 8:].eq(255 if mode == "1" else 9).all()


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "mpo", "tif"])
def test_of_several_frames_the_first_is_the_picture(tmp_path, ending):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    options = {"webp": {"lossless": True}, "mpo": {"quality": 100}}.get(ending, {})
    image = one(with_picture(tmp_path, frames[0], ending, save_all=True, append_images=frames[1:], **options))
    assert (image[:, 0, 0].int() - torch.tensor([250, 0, 0])).abs().max() <= (2 if ending == "mpo" else 0)


@pytest.mark.parametrize(("ending", "options"), [("jpg", {"quality": 100}), ("tif", {})])
def test_cmyk_becomes_rgb(tmp_path, ending, options):
    picture = Image.new("RGB", (16, 16), (200, 100, 50))
    image = one(with_picture(tmp_path, picture.convert("CMYK"), ending, **options))
    assert (image[:, 0, 0].int() - torch.tensor([200, 100, 50])).abs().max() <= 2


@pytest.mark.parametrize("name", ["A.PNG", "Größe 猫.png", "it's \"one\".png", "photo.JPG"])
def test_any_name_of_a_picture_will_do(tmp_path, name):
    path = with_picture(tmp_path, Image.new("RGB", (16, 16), (0, 90, 0)))
    (path / "cat" / "0.png").rename(path / "cat" / name)  # of a PNG called .JPG the content counts
    assert one(path)[:, 0, 0].tolist() == [0, 90, 0]


def test_a_file_that_may_not_be_read_is_not_called_damaged(pets, monkeypatch):
    def refuse(file):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ValueError, match=r"cat.0\.png cannot be opened \(Permission denied\); repair it or"):
        from_folder(pets)


def test_a_link_to_nothing_is_named(pets):
    (pets / "cat" / "gone.png").symlink_to(pets / "nowhere.png")
    with pytest.raises(ValueError, match=r"cat.gone\.png cannot be opened \(No such file or directory\)"):
        from_folder(pets)


def test_a_folder_that_may_not_be_read_is_not_left_out(pets, monkeypatch):
    def walk(folder, *, onerror, **options):
        onerror(PermissionError(13, "Permission denied", str(folder)))

    monkeypatch.setattr("reslab.datasets.folder.os.walk", walk)
    with pytest.raises(PermissionError, match="cat"):
        from_folder(pets)


def test_pictures_that_pillow_does_not_read_are_named_where_there_are_no_others(pets):
    (pets / "eel").mkdir()
    (pets / "eel" / "IMG_1.HEIC").write_bytes(b"of a telephone")
    with pytest.raises(FileNotFoundError, match=r"no picture is in eel; of no kind that Pillow reads: IMG_1\.HEIC"):
        from_folder(pets)


def test_films_and_measurements_are_no_pictures_though_pillow_recognises_them(pets):
    (pets / "cat" / "film.mpg").write_bytes(b"\0\0\1\xb3" + bytes(20))
    (pets / "cat" / "scan.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    with pytest.warns(UserWarning, match=r"pets: 2 files left out that are no pictures: film\.mpg, scan\.h5"):
        assert from_folder(pets).class_names == ("cat", "dog")


def test_a_damaged_picture_with_a_name_of_any_bytes_is_named_in_text(pets):
    with open(os.fsencode(pets / "cat") + b"/\xff.png", "wb"):
        pass
    with pytest.raises(ValueError, match=r"\\xff\.png cannot be read as a picture") as error:
        from_folder(pets)
    str(error.value).encode()  # it can be printed


def test_a_decompression_bomb_is_refused_in_one_sentence(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 31)
    with pytest.raises(ValueError, match=r"cat.0\.png has more than 0 million pixels; repair it or take it out"):
        from_folder(pets)


def test_links_let_no_picture_into_two_places(pets, tmp_path):
    (pets / "cat" / "all").symlink_to(pets, target_is_directory=True)
    (pets / "cat" / "above").symlink_to(tmp_path, target_is_directory=True)
    (pets / "cat" / "again.png").symlink_to(pets / "cat" / "0.png")
    more = folder(tmp_path / "more", ("cats",), count=2)
    (pets / "cat" / "more").symlink_to(more / "cats", target_is_directory=True)  # leads out: these are meant
    (more / "cats" / "back").symlink_to(more, target_is_directory=True)
    split = from_folder(pets, image_size=8, test=2)
    assert torch.cat([split.y_train, split.y_test]).sort().values.tolist() == [0] * 5 + [1] * 3


def test_a_picture_in_two_classes_or_in_both_parts_is_refused(pets, tmp_path):
    for link in (os.symlink, os.link):
        link(pets / "cat" / "1.png", pets / "dog" / "cat.png")
        with pytest.raises(ValueError, match=r"dog.cat\.png is one file with a picture in cat; take one of them out\."):
            from_folder(pets)
        os.remove(pets / "dog" / "cat.png")
    for part in ("train", "test"):
        folder(tmp_path / "parts" / part)
    os.remove(tmp_path / "parts" / "test" / "cat" / "0.png")
    (tmp_path / "parts" / "test" / "cat" / "0.png").symlink_to(tmp_path / "parts" / "train" / "cat" / "0.png")
    with pytest.raises(ValueError, match=r"is one file with a picture in "):
        from_folder(tmp_path / "parts")


def test_a_class_with_no_training_image_is_mentioned(tmp_path):
    path = folder(tmp_path / "pets", count=4)
    rare = folder(tmp_path / "rare", ("eel",), count=1)
    (rare / "eel").rename(path / "eel")
    seeds = [seed for seed in range(40) if 8 in torch.randperm(9, generator=torch.Generator().manual_seed(seed))[-3:]]
    with pytest.warns(UserWarning, match=r"1 of the 3 classes of pets have no training image \(eel\)"):
        from_folder(path, image_size=8, test=3, seed=seeds[0])


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_folder_is_loaded_with_either_separator(pets, monkeypatch, separator):
    monkeypatch.chdir(pets.parent)
    expected = from_folder(pets).fingerprint
    monkeypatch.setattr("reslab.datasets.named.os.sep", separator)  # "\\" is Windows's, which takes "/" too
    assert (
        load("pets/").fingerprint
        == load(pets).fingerprint
        == load(pets.relative_to(pets.parent)).fingerprint
        == expected
    )


def test_a_picture_beside_the_classes_is_not_left_out_without_a_word(pets):
    Image.new("RGB", (8, 8)).save(pets / "lost.png")
    (pets / "README.txt").write_text("two cats")
    with pytest.warns(UserWarning, match=r"pets: 1 picture left out that is in no class: lost.png"):
        from_folder(pets)


def test_pipes_devices_and_links_that_lead_nowhere_are_named_and_not_waited_for(pets):
    os.mkfifo(pets / "cat" / "pipe.png")
    (pets / "dog" / "zero.png").symlink_to("/dev/zero")
    (pets / "eel").symlink_to("nowhere")
    with pytest.warns(UserWarning, match="left out") as warned:
        split = from_folder(pets)
    assert len(split.y_train) + len(split.y_test) == 6
    assert [str(one.message) for one in warned] == [
        "pets: 2 files left out that are no pictures: pipe.png, zero.png",
        "pets: 1 link left out that leads nowhere: eel",
    ]


def test_a_picture_beside_train_and_test_or_in_them_is_named(tmp_path):
    for part in ("train", "test"):
        folder(tmp_path / "pets" / part)
    for place in ("", "train"):
        Image.new("RGB", (8, 8)).save(tmp_path / "pets" / place / "lost.png")
    with pytest.warns(UserWarning, match="in no class") as warned:
        from_folder(tmp_path / "pets")
    assert [str(one.message) for one in warned] == [
        "pets: 1 picture left out that is in no class: lost.png",
        "train: 1 picture left out that is in no class: lost.png",
    ]


def test_names_that_are_no_text_stay_apart_and_can_be_printed(pets):
    for name in (b"\xff", b"\xfe"):
        shutil.copytree(pets / "cat", os.fsdecode(os.fsencode(pets) + b"/" + name))
    split = from_folder(pets)
    assert split.class_names == ("\\xfe", "\\xff", "cat", "dog")
    assert len(split.y_train) + len(split.y_test) == 12


def test_a_folder_that_begins_with_a_tilde_is_not_a_home_folder(tmp_path, monkeypatch):
    folder(tmp_path / "~pets")
    monkeypatch.chdir(tmp_path)
    for name in ("./~pets", Path("./~pets"), tmp_path / "~pets"):
        assert load(name).name == "~pets"
