"""Folders of pictures that are a training and a test part, or look as if they were."""

import shutil
import warnings

import numpy as np
import pytest
from made_images import BYTES, LABELS, RNG, folder
from PIL import Image

from reslab.datasets import from_arrays, from_folder


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "val"), ("train", "validation")])
def test_train_and_test_folders_are_the_two_parts(tmp_path, names):
    for part, count in zip(names, (4, 2), strict=True):
        folder(tmp_path / "pets" / part, count=count)
    split = from_folder(tmp_path / "pets", image_size=8)
    assert (split.name, split.class_names) == ("pets", ("cat", "dog"))
    assert (split.y_train.tolist(), split.y_test.tolist()) == ([0] * 4 + [1] * 4, [0] * 2 + [1] * 2)


def test_of_test_and_val_the_first_is_the_test_part_and_it_is_said(tmp_path):
    for part in ("train", "val", "test"):
        folder(tmp_path / "pets" / part, count=4 if part == "test" else 2)
    with pytest.warns(UserWarning, match="pets: val left out; test is the test part"):
        split = from_folder(tmp_path / "pets", image_size=8)
    assert (len(split.x_train), len(split.x_test)) == (4, 8)


def test_other_folders_beside_the_two_parts_are_left_out_and_it_is_said(tmp_path):
    for part in ("train", "test", "sketches"):
        folder(tmp_path / "pets" / part)
    with pytest.warns(UserWarning, match=r"pets: sketches left out \(no part, or no classes in it\); test is the test"):
        split = from_folder(tmp_path / "pets", image_size=8)
    assert (split.class_names, len(split.x_train), len(split.x_test)) == (("cat", "dog"), 6, 6)


def test_a_test_folder_with_no_classes_in_it_is_no_class(tmp_path):
    folder(tmp_path / "pets" / "train", count=4)
    folder(tmp_path / "pets", ("test",))
    with pytest.warns(UserWarning, match="pets: test left out .*; a share of train is the test part"):
        split = from_folder(tmp_path / "pets", image_size=8, test=2)
    assert (split.class_names, len(split.x_train), len(split.x_test)) == (("cat", "dog"), 6, 2)


def test_parts_with_other_names_are_pointed_out(tmp_path):
    for part in ("training_set", "test_set"):
        folder(tmp_path / "pets" / part)
    with pytest.warns(UserWarning, match="test_set and training_set are taken as classes, and each has a folder cat"):
        assert from_folder(tmp_path / "pets", image_size=8).class_names == ("test_set", "training_set")


def test_a_test_part_alone_is_refused_and_classes_may_be_called_train(tmp_path):
    folder(tmp_path / "lonely" / "test")
    with pytest.raises(FileNotFoundError, match="has test but no folder train"):
        from_folder(tmp_path / "lonely")
    vehicles = folder(tmp_path / "vehicles", ("bus", "train"))
    assert from_folder(vehicles, image_size=8).class_names == ("bus", "train")
    runs = folder(tmp_path / "runs", ("test", "train"))
    with pytest.warns(UserWarning, match="test and train are taken as classes, because they have no folders in them"):
        assert from_folder(runs, image_size=8).class_names == ("test", "train")


def photo(name, i):
    return Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8))


def test_copies_of_training_pictures_in_the_test_part_are_counted_and_named(tmp_path):
    train, test = (folder(tmp_path / "pets" / part, count=4, draw=photo) for part in ("train", "test"))
    from_folder(tmp_path / "pets", image_size=8)
    shutil.copy(train / "cat" / "1.png", test / "cat" / "copy.png")
    Image.open(train / "cat" / "2.png").save(test / "dog" / "9.bmp")  # other bytes, the same pixels
    said = r"2 of the 10 test images of pets .* \(test/cat/copy\.png is train/cat/1\.png, test/dog/9\.bmp is train/"
    with pytest.warns(UserWarning, match=said):
        from_folder(tmp_path / "pets", image_size=8)


def test_copies_that_a_draw_puts_into_both_parts_are_named(tmp_path):
    pets = folder(tmp_path / "pets", count=4, draw=photo)
    for i in range(4):
        shutil.copy(pets / "cat" / f"{i}.png", pets / "cat" / f"again {i}.png")
    said = r"of the 6 test images of pets .*\((cat/(again )?(\d)\.png is cat/(again )?\3\.png)"
    with pytest.warns(UserWarning, match=said):
        from_folder(pets, image_size=8, test=6)


def test_copies_in_arrays_are_named_by_their_places():
    other = BYTES[:, ::-1].copy()
    other[3] = BYTES[7]
    with pytest.warns(UserWarning, match=r"^1 of the 20 test images of mine .* \(x_test\[3\] is x\[7\]\)"):
        from_arrays(BYTES, LABELS, x_test=other, y_test=LABELS)
    twice, labels = np.concatenate([BYTES, BYTES]), np.concatenate([LABELS, LABELS])
    with pytest.warns(UserWarning, match=r"images of mine .* \(x\[\d+\] is x\[\d+\]") as said:
        split = from_arrays(twice, labels, test=10)
    count = sum(any((image == known).all() for known in split.x_train) for image in split.x_test)
    assert str(said[0].message).startswith(f"{count} of the 10 ")


@pytest.mark.parametrize("x", [np.zeros((20, 8, 8)), np.arange(20)[:, None, None] % 2 * np.ones((20, 8, 8))])
def test_images_of_one_colour_are_no_copies_and_the_same_array_twice_is_meant(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_arrays(x, LABELS)
        from_arrays(BYTES, LABELS, x_test=BYTES, y_test=LABELS)
