"""The command that makes a run again, or goes on with one that was stopped."""

from reslab.cli.options import fields, flag, written
from reslab.specs import PRESETS, NetSpec, TrainSpec


def named(run):
    """The net of FAMILY from which a run's net is described: that of its name, else of its kind and depth, else of its kind."""
    from reslab.nets import FAMILY

    kind = "resnet" if run.spec.skip else "plain"
    return next(FAMILY[name] for name in (run.name, f"{kind}-{run.spec.depth}", f"{kind}-20") if name in FAMILY)


def changes(run):
    """field → value, for the fields of a run's NetSpec that differ from the net that it is `named` after."""
    return _differences(NetSpec, run.spec, named(run))


def recipe(run):
    """The preset nearest to how a run was trained, and what differs from it: ("short", {"precision": "bf16"})."""
    how = TrainSpec.from_dict(run.how)
    found = {name: _differences(TrainSpec, how, preset) for name, preset in PRESETS.items()}
    return min(found.items(), key=lambda item: len(item[1]))


def command(runs):
    """The command that records these runs, which are of one dataset and differ in name and seed alone; ValueError otherwise."""
    run, changed = runs[0], changes(runs[0])
    for other in runs:
        if changes(other) != changed:
            raise ValueError(f"{run.name} and {other.name} are not of one command; ask for each by itself.")
    preset, differs = recipe(run)
    words = ["reslab", "train" if len(runs) == 1 else "sweep", ",".join(dict.fromkeys(named(run).name for run in runs))]
    words += flags(NetSpec, changed) + ["--preset", preset] * (preset != "digits") + flags(TrainSpec, differs)
    return " ".join([*words, "--dataset", run.dataset, "--seed", ",".join(dict.fromkeys(str(run.seed) for run in runs))])


def flags(spec, values):
    """Fields of a spec with their values, as the words that set them: ["--width", "8", "--no-skip"]."""
    words = []
    for field in fields(spec):
        if field.name in values:
            value = values[field.name]
            words += [flag(field, value)] if field.type is bool else [flag(field), written(value)]
    return words


def _differences(kind, spec, usual):
    values = {field.name: getattr(spec, field.name) for field in fields(kind)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}
