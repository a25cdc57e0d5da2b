"""`reslab train` and `reslab sweep`: every run is kept in a store; the same command again goes on where it stopped."""

import itertools
import shlex
import signal
import sys
import warnings

import click

from reslab.cli.options import (
    Command,
    Many,
    given,
    in_words,
    json_option,
    open_store,
    option,
    spec_options,
    store_option,
    to_json,
)
from reslab.cli.reproduce import dataset_path, store_words
from reslab.datasets.named import DATASETS
from reslab.specs import PRESETS, NetSpec, TrainSpec, replace

DIVERGED, INTERRUPTED = 3, 130  # exit codes
NAMES = (
    "NAME is plain-N or resnet-N, N one of 8, 20, 32, 44, 56, 110, 1202, or any other net of FAMILY. Options change it."
)
MANY = (
    "Names, datasets, seeds and options of the net take several values, separated by commas; every combination is "
    "trained. Put a value with a comma in it into double quotes: --dataset '\"cats,dogs/\",digits'."
)


def recording(function):
    """The options of both commands, besides those of the specs."""
    decorators = [
        option("--device", default="auto", help="auto, cpu, cuda or mps.  [auto]"),
        store_option,
        option("--save-every", default=30.0, metavar="SECONDS", help="Seconds between checkpoints.  [30]"),
        option("--weights", is_flag=True, help="Keep the weights of each net too, in half precision."),
        option("--again", is_flag=True, help="Train again even what the store has, and replace it."),
        json_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def dataset_option(many):
    kind, several = (Many(click.STRING), "; several, separated by commas") if many else (click.STRING, "")
    own = (
        "your .npz, your FOLDER/; cifar10-5000+1000 for so many of its training and test images; "
        "cifar10-64px for images of that many pixels a side"
    )
    help = f"{', '.join(DATASETS)}, {own}{several}.  [digits]"
    return option("--dataset", group="Data", type=kind, default="digits", help=help)


@click.command(cls=Command, epilog=NAMES)
@click.argument("name", required=False)
@dataset_option(many=False)
@option("--seed", group="Data", type=int, default=0, help="Seed of the weights.  [0]")
@spec_options()
@recording
def train(name, dataset, seed, **options):
    """Train one net, and keep the run.

    One big net on two GPUs: torchrun --nproc-per-node 2 -m reslab train resnet-110
    """
    _record([name], [dataset], [seed], [given(options, NetSpec)], options)


@click.command(cls=Command, epilog=f"{NAMES} {MANY}")
@click.argument("names", required=False, type=Many(click.STRING), metavar="[NAME,...]")
@dataset_option(many=True)
@option("--seed", group="Data", type=Many(click.INT), default="0", help="Seeds of the weights, with commas.  [0]")
@spec_options(many=True)
@option("--workers", group="Machine", type=int, help="Trainings at a time.  [one per core; one on a GPU]")
@option(
    "--address",
    group="Machine",
    help="Address of a Ray cluster: auto, local or HOST:PORT (pip install -e '.[cluster]'), or ray://HOST:PORT "
    "(pip install 'ray[client]').",
)
@option("--cpus", group="Machine", default=1.0, help="CPUs of a training on a cluster.  [1]")
@option("--gpus", group="Machine", default=0.0, help="GPUs of a training on a cluster; 0.25: four on one GPU.  [0]")
@recording
def sweep(names, dataset, seed, **options):
    """Train many nets, and keep every run.

    Runs that the store has are not trained again: the same command finishes a sweep that was stopped or had failures.
    """
    lists = given(options, NetSpec)
    combinations = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    machine = {name: options[name] for name in ("workers", "address", "cpus", "gpus")}
    _record(names or [None], dataset, seed, combinations, options, **machine)


def _record(names, dataset_names, seeds, changes, options, **machine):
    """Train every combination of name, change, dataset and seed, and print how each ended."""
    with in_words():
        from reslab import checks, sweep
        from reslab.datasets import load
        from reslab.nets import FAMILY
        from reslab.train import ranks

        is_first = ranks.rank() == 0  # of the processes that train this together, and it alone prints
        if options["store"] == "recorded":
            raise ValueError("the store that comes with reslab is for reading; --store FOLDER keeps new runs.")
        store, how = open_store(options["store"]), replace(PRESETS[options["preset"]], **given(options, TrainSpec))
        dataset_names, seeds = (list(dict.fromkeys(values)) for values in (dataset_names, seeds))  # each once
        splits = [load(name) for name in dataset_names]
        for split, name in zip(splits, dataset_names, strict=True):
            if is_first and (path := dataset_path(name)):
                _note(store, split, path)
        bases = [NetSpec() if name is None else FAMILY[checks.choice("NAME", name, FAMILY)] for name in names]
        specs = list(dict.fromkeys(replace(base, **change, **splits[0].shape) for base in bases for change in changes))
        recorder = sweep.sweep(
            specs, splits, how, seeds=seeds, device=options["device"], store=store, save_every=options["save_every"],
            weights=options["weights"], again=options["again"], progress=is_first and sys.stderr.isatty(), **machine,
        )  # fmt: skip

    def say(text, **where):
        if is_first:
            click.echo(text, **where)

    outcomes, kept = set(), False
    # A cluster's scheduler sends SIGTERM: the trainings are then saved as with Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with in_words():
            for run in recorder:
                outcomes.add(run.outcome)
                file = str(path) if (path := store.path_of(run)).exists() else None  # None: a warning gave the reason
                kept = kept or file is not None
                say(to_json(run.summary() | {"file": file}) if options["as_json"] else _sentence(run))
    except KeyboardInterrupt:
        say(f"Interrupted, and saved in {store.path}: the same command goes on from there.", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if kept and not options["as_json"]:
        say(f"Kept in {store.path}; {shlex.join(['reslab', 'runs', 'list', *store_words(store)])} shows them.")
    raise click.exceptions.Exit(1 if "failed" in outcomes else DIVERGED if "diverged" in outcomes else 0)


def _note(store, split, path):
    """Note where a dataset is, for the commands that are printed; without a store to write to, only these are lost."""
    try:
        store.remember_dataset(split, path)
    except OSError as error:
        warnings.warn(f"where {split.name} is could not be noted: {error}", stacklevel=2)


def _sentence(run):
    summary = run.summary()
    errors = (
        f": {summary['final_train_error']:.1%} of the training and {summary['test_error']:.1%} of the test images wrong"
    )
    how = errors if run.outcome == "finished" else f": {run.cause}" if run.cause else ""
    there = " (it was there; --again trains it again)" if run.recorded else ""
    spent = f"{summary['steps']} steps, {summary['seconds']:.1f} s"
    return f"{run.name} on {run.dataset}, seed {run.seed}, {run.outcome} after {spent}{how}{there}"
