"""Folders of pictures that are a training and a test part, or look as if they were."""

import pytest
from made_images import folder

from reslab.datasets import from_folder


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
