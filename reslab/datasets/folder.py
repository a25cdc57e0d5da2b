"""A `Split` of a folder of pictures: one sub-folder per class, or train/ and test/ with these in each."""

import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from reslab import arrays, checks
from reslab.datasets import pictures
from reslab.datasets.own import split_of
from reslab.datasets.split import mention_copies
from reslab.progress import progress_bar

PARTS = {  # names of folders that have a part of a data set; the first that is there is taken
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
RECOGNISED = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")  # kinds that Pillow recognises and cannot read by itself


def from_folder(path, *, image_size=32, test=0.2, seed=0):
    """A Split of the pictures in a folder with one sub-folder per class: (N, 3, S, S) uint8 RGB, S = `image_size`.

    Each picture is turned upright (EXIF), its shorter side is resized to S, and the middle is kept; transparent parts
    become white. If the sub-folders are train and test (or val), with the classes in them, these are the two parts;
    otherwise test and seed are as in `from_arrays`. Hidden files and folders are left out; a warning names other files
    that are no pictures (pipes and devices too), and pictures that are in no class. A link is followed unless it leads
    back into the folder. A file that is there twice counts once; a warning names test pictures that are in the training
    part too, pixel by pixel.
    Raises FileNotFoundError for a missing or an empty folder, ValueError for a damaged picture, for one that is in two
    classes or in both parts, or a bad value.
    """
    path = Path(os.path.expanduser(path))
    checks.integer("image_size", image_size, 1, arrays.LARGEST)
    if path.is_file():
        raise FileNotFoundError(f"{path} is a file; give a folder, or an .npz file with images x and labels y.")
    if not path.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path}; give one that has a sub-folder of pictures for each class."
        )
    path = path.absolute()  # "." has no name
    parts, readable = _parts(path), _readable()
    files = {part: _files_by_class(folder, path, readable) for part, folder in parts.items()}
    for folder in dict.fromkeys([path, *parts.values()]):
        _mention_pictures_of_no_class(folder, readable)
    _check_each_is_in_one_place(files, path)
    drawn = {"test": test, "seed": seed}
    if "test" in files:
        x_test, y_test = _read(files["test"], image_size)
        drawn = {"x_test": x_test, "y_test": y_test}
    x, y = _read(files["train"], image_size)
    name = _text(path.resolve().name)
    split = split_of(x, y, name=name, channels="first", source="the reader's own pictures", **drawn)
    places = {part: [file.relative_to(path).as_posix() for some in inner.values() for file in some]
              for part, inner in files.items()}  # fmt: skip
    if "test" not in files:
        cut = arrays.cut(len(x), test, seed)
        places = {part: [places["train"][i] for i in index] for part, index in zip(PARTS, cut, strict=True)}
    return mention_copies(split, places["train"], places["test"])


def _parts(path):
    """{"train": folder} or {"train": folder, "test": folder}: the folders whose sub-folders are the classes."""
    found = {folder.name.lower(): folder for folder in _folders(path)}
    known = {name for names in PARTS.values() for name in names}
    with_classes = {name: folder for name, folder in found.items() if name in known and _folders(folder)}
    named = {part: [with_classes[name] for name in names if name in with_classes] for part, names in PARTS.items()}
    parts = {part: folders[0] for part, folders in named.items() if folders}
    if not parts or not (len(parts) == 2 or set(found) <= known):
        if len(found) > 1 and set(found) <= known:
            warnings.warn(
                f"{path.name}: {' and '.join(folder.name for folder in found.values())} are taken as classes, because "
                "they have no folders in them. If they are parts of a data set, put a folder for each class into both.",
                stacklevel=3,
            )
        _mention_inner_classes(path.name, found.values())
        return {"train": path}  # its sub-folders are classes, whatever they are called
    if "train" not in parts:
        raise FileNotFoundError(f"{path} has {', '.join(found)} but no folder train, with a sub-folder for each class.")
    if unused := [folder.name for folder in found.values() if folder not in parts.values()]:
        test = parts["test"].name if "test" in parts else f"a share of {parts['train'].name}"
        why = "" if {name.lower() for name in unused} <= set(with_classes) else " (no part, or no classes in it)"
        warnings.warn(f"{path.name}: {', '.join(unused)} left out{why}; {test} is the test part.", stacklevel=3)
    return parts


def _mention_inner_classes(name, folders):
    """A warning if several classes have the same sub-folders: perhaps these are the classes."""
    inner = [(folder.name, {sub.name for sub in _folders(folder)}) for folder in folders]
    for (one, subs), (other, others) in itertools.combinations(inner, 2):
        if both := sorted(subs & others):
            warnings.warn(
                f"{name}: {one} and {other} are taken as classes, and each has a folder {both[0]}. If the classes are "
                "in these, call the outer folders train and test.",
                stacklevel=4,
            )
            return


def _folders(path):
    """The visible sub-folders, sorted; archives made on a Mac have a __MACOSX beside what they hold."""
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith(".") and f.name != "__MACOSX")


def _readable():
    """The endings of the files that Pillow reads, and not only recognises, as it does HDF5 and films."""
    endings = Image.registered_extensions()  # it fills Image.OPEN too
    kinds = {*Image.OPEN, "MPO"}.difference(RECOGNISED)  # MPO: a JPEG of several pictures, for the reader of JPEG
    return {ending for ending, kind in endings.items() if kind in kinds}


def _files_by_class(folder, root, readable):
    """{class: its picture files}, classes sorted; a warning names files that are no pictures."""
    found, others = {}, []
    for name in (classes := _folders(folder)):
        files = found[_text(name.name)] = []
        for file in _files(name, root):
            # A pipe or a device would be waited for; reading a broken link raises.
            is_picture = file.suffix.lower() in readable and (file.is_file() or not file.exists())
            files += [file] if is_picture else []
            others += [] if is_picture else [_text(file.name)]
    empty = [name for name, files in found.items() if not files]
    if empty or not classes:
        without = f"no picture is in {', '.join(empty)}" if empty else "it has no sub-folder"
        unread = f"; of no kind that Pillow reads: {', '.join(others[:3])}{' ...' * (len(others) > 3)}"
        without += unread if others else ""
        raise FileNotFoundError(f"{folder} must have a sub-folder of pictures for each class ({without}).")
    _mention_left_out(folder, others, "file left out that is no picture", "files left out that are no pictures")
    return found


def _mention_pictures_of_no_class(folder, readable):
    visible = [file for file in folder.iterdir() if not file.name.startswith(".")]
    broken = sorted(_text(file.name) for file in visible if not file.exists())  # perhaps a class that is elsewhere
    _mention_left_out(folder, broken, "link left out that leads nowhere", "links left out that lead nowhere")
    loose = sorted(_text(file.name) for file in visible if file.is_file() and file.suffix.lower() in readable)
    _mention_left_out(folder, loose, "picture left out that is in no class", "pictures left out that are in no class")


def _mention_left_out(folder, names, one, several):
    if names:
        number = f"1 {one}" if len(names) == 1 else f"{len(names)} {several}"
        some = f"{', '.join(names[:3])}{' ...' * (len(names) > 3)}"
        warnings.warn(f"{_text(folder.name)}: {number}: {some}", stacklevel=5)  # where from_folder was called


def _text(name):
    """The name of a file as text that can be printed and saved; on Unix it may be any bytes."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _files(folder, root):
    """The visible files below a folder, sorted, each real file once. A link to a folder that leads back into root, or
    above it, is not followed: the pictures there belong to other classes, or are found on their own.
    """
    root, found, walked = root.resolve(), {}, set()
    for here, folders, files in sorted(_walk(folder, root, walked)):
        del folders
        for name in files:
            file = Path(here, name)
            if not name.startswith("."):
                found.setdefault(_identity(file), file)
    return list(found.values())


def _identity(file):
    """Equal for two names of one file, by links of either kind."""
    try:
        there = file.stat()
    except OSError:  # a broken link
        return file
    return there.st_dev, there.st_ino


def _walk(folder, root, walked):
    """os.walk along links that lead out of root, each real folder once. Raises OSError for one that may not be read."""

    def refuse(error):
        raise error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        walked.add(Path(here).resolve())
        kept = []
        for name in folders:
            inner = Path(here, name)
            real = inner.resolve()
            back = inner.is_symlink() and (real.is_relative_to(root) or root.is_relative_to(real))
            if not name.startswith(".") and not back and real not in walked:
                kept.append(name)
        folders[:] = kept  # os.walk goes on with these
        yield here, kept, sorted(files)


def _check_each_is_in_one_place(files, path):
    """ValueError for a file that is in two classes, or in both the training and the test part."""
    seen = {}
    for part, classes in files.items():
        for name, some in classes.items():
            for file in some:
                place = "/".join([part, name] if len(files) > 1 else [name])
                other = seen.setdefault(_identity(file), place)
                if other != place:
                    raise ValueError(
                        f"{_text(file.relative_to(path))} is one file with a picture in {other}; take one of them out."
                    )


def _read(files, image_size):
    """(N, 3, S, S) uint8 and the class of each, a string."""
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

    fit = Compose([Resize(image_size), CenterCrop(image_size), PILToTensor()])
    labelled = [(file, name) for name, some in files.items() for file in some]
    x = torch.empty(len(labelled), 3, image_size, image_size, dtype=torch.uint8)
    for i, (file, _) in enumerate(progress_bar(labelled, desc="pictures", delay=2)):
        try:
            x[i] = fit(pictures.read(file))
        except ValueError as error:
            raise ValueError(f"{_text(file)} {error}; repair it or take it out of the folder.") from error
    return x, np.array([name for _, name in labelled])
