"""The command that records a training, makes a run again, or goes on with one that was stopped.

A shell reads every command that is printed as it was meant: values with spaces, quotes or semicolons are quoted.
"""

import os
import re
import shlex

from reslab.cli.options import fields, flag, join_with_commas, written
from reslab.specs import PRESETS, NetSpec, TrainSpec

BUNDLED = "digits"  # the data set that is on every machine, so that a run's images can be compared with it
# What `datasets.load` takes behind a name: so many images, so many pixels.
PART = r"-[0-9]+\+[0-9]+(?:@[0-9]+)?|-[0-9]+px"


def named(spec):
    """The net of FAMILY nearest to a NetSpec: the one of its name, else of its kind and depth, else of its kind."""
    from reslab.nets import FAMILY

    kind = "resnet" if spec.skip else "plain"
    return next(FAMILY[name] for name in (spec.name, f"{kind}-{spec.depth}", f"{kind}-20") if name in FAMILY)


def changes(spec):
    """field → value, for the fields of a NetSpec that differ from the net that it is `named` after."""
    return _differences(NetSpec, spec, named(spec))


def recipe(how):
    """The preset nearest to a TrainSpec, and what differs from it: ("short", {"precision": "bf16"})."""
    found = {name: _differences(TrainSpec, how, preset) for name, preset in PRESETS.items()}
    return min(found.items(), key=lambda item: len(item[1]))


def train_command(spec, how, *, dataset="digits", seed=0):
    """The command that trains a net from a seed, and keeps the run. dataset: as `datasets.load` takes it."""
    return shlex.join(["reslab", "train", named(spec).name, *_options(spec, how), *_data(dataset, [seed])])


def command(runs, store=None, more=()):
    """The command that records these runs, which are of one dataset and differ in name and seed alone.

    store: where they are, if not in the usual store. more: further words.
    Raises ValueError, in a sentence, if no command does it.
    """
    run = runs[0]
    if run.spec is None:
        raise ValueError(f"{run.name} is a model of your own, which no command can build.")
    if run.seed is None:
        raise ValueError(f"{run.name} began with weights of your own, or with frozen layers; no command makes those.")
    dataset = dataset_words(run, store)
    for other in runs:
        if changes(other.spec) != changes(run.spec):
            raise ValueError(f"{run.name} and {other.name} are not of one command; ask for each by itself.")
    names = ",".join(dict.fromkeys(named(run.spec).name for run in runs))
    alone = len(runs) == 1
    dataset = dataset if alone else join_with_commas([dataset])
    words = [*program(run), "train" if alone else "sweep", names]
    words += [*_options(run.spec, TrainSpec.from_dict(run.how)), *_data(dataset, [run.seed for run in runs])]
    return shlex.join([*words, *device_words(run), *more, *store_words(store)])


def program(run):
    """The words that start reslab in as many processes as trained a run together."""
    processes = run.provenance.processes
    return ["reslab"] if processes == 1 else ["torchrun", "--nproc-per-node", str(processes), "-m", "reslab"]


def device_words(run):
    """The option that names the device of a run, as words: none where it is the one that this machine takes anyway."""
    from reslab.train import pick_device

    device = run.provenance.device.split(", then ")[-1]
    return [] if device == pick_device().type else ["--device", device]


def store_words(store):
    """The option that names a store, as words: none for the usual one."""
    from reslab.store import Store

    return [] if store is None or store.path == Store().path else ["--store", str(store.path)]


def dataset_words(run, store=None):
    """What --dataset is for the images of a run; ValueError if that is not known."""
    from reslab.datasets import load

    if noted := store and store.dataset_of(run):
        return noted
    if dataset_path(run.dataset):
        raise ValueError(f"nothing says from which file or folder the images of {run.dataset} came: Python made them.")
    if run.dataset.startswith(BUNDLED) and run.data not in (None, load(run.dataset).fingerprint):
        raise ValueError(f"its images are not those of --dataset {run.dataset}: Python made or chose them.")
    chosen = len(
        re.findall("of it drawn with seed|; resized from", run.source)
    )  # what `Split.subset` and `resized` say
    if chosen != len(re.findall(PART, run.dataset)):
        raise ValueError(f"its images are a part of {run.dataset} that was chosen in Python.")
    return run.dataset


def dataset_path(name):
    """The absolute path that a --dataset means, with the part or size behind it; None for a name of DATASETS."""
    from reslab.datasets import DATASETS

    whole = re.sub(f"({PART})+$", "", name)
    return None if whole.lower() in DATASETS else os.path.abspath(os.path.expanduser(name))


def flags(spec, values):
    """Fields of a spec with their values, as the words that set them: ["--width", "8", "--no-skip"]."""
    words = []
    for field in fields(spec):
        if field.name in values:
            value = values[field.name]
            words += [flag(field, value)] if field.type is bool else [flag(field), written(value)]
    return words


def _options(spec, how):
    """The words that set what differs from the named net and from the nearest preset."""
    preset, differs = recipe(how)
    return flags(NetSpec, changes(spec)) + ["--preset", preset] * (preset != "digits") + flags(TrainSpec, differs)


def _data(dataset, seeds):
    return ["--dataset", dataset, "--seed", ",".join(dict.fromkeys(map(str, seeds)))]


def _differences(kind, spec, usual):
    values = {field.name: getattr(spec, field.name) for field in fields(kind)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}
