"""`reslab runs`: lists, shows, compares and exports recorded runs."""

import json
import math
from pathlib import Path

import click

from reslab.cli.options import in_words, json_option, open_store, option, split_at_commas, store_option, to_json
from reslab.cli.reproduce import command

COLUMNS = [
    "name",
    "dataset",
    "seed",
    "outcome",
    "steps",
    "final_train_error",
    "test_error",
    "seconds",
    "origin",
    "file",
]


@click.group()
def runs():
    """Look at recorded runs: list, show, compare, export."""


@runs.command("list")
@click.argument("filters", nargs=-1, metavar="[FIELD=VALUE]...")
@store_option
@json_option
def list_runs(filters, store, as_json):
    """List the runs, one a line; `reslab runs list dataset=digits depth=20,56` lists some."""
    with in_words():
        store = open_store(store)
        found = _some(store, filters)
        unfinished = [] if filters else store.unfinished()
    for run in (*found, *unfinished) if as_json else ():
        click.echo(to_json(run.summary() | {"file": str(store.path_of(run))}))
    if not as_json:
        click.echo(_table(store, found) if found else f"There are no {'such ' * bool(filters)}runs in {store.path}.")
        for run in unfinished:
            click.echo(
                f"Stopped at step {run.summary()['steps']}: {run.name} on {run.dataset}, seed {run.seed}. "
                f"{_resume(run, store)}"
            )


@runs.command()
@click.argument("run")
@store_option
@json_option
def show(run, store, as_json):
    """Show a run: its settings, what was measured after each epoch, and the machine.

    RUN is the name of its file, or a part of the name that no other file has.
    """
    with in_words():
        store = open_store(store)
        run = store.named(run)
    if as_json:
        return click.echo(run.to_json())
    tested = run.history[run.history["test_error"].notna()]
    parts = {"Net": run.spec.to_dict() if run.spec else {}, "Training": run.how, "Where": vars(run.provenance)}
    elsewhere = {*parts["Net"], *parts["Where"], *(() if run.cause else ("cause",))}
    summary = {name: value for name, value in run.summary().items() if name not in elsewhere}
    if kept := store.has_weights(run):
        with in_words():
            weights = store.weights(run)
        parts["Weights, in half precision"] = {"train_error": weights.train_error, "test_error": weights.test_error}
    for heading, values in {"Run": summary, **parts}.items():
        click.echo(f"{heading}\n" + "\n".join(f"  {name:<18} {value}" for name, value in values.items()))
    click.echo(f"Measured\n{tested.to_string(index=False, float_format=lambda x: f'{x:.4g}')}")
    own = _own(store)  # it has this run already, and trains it again only with --again
    try:
        again = command([run], own, ["--weights"] * kept + ["--again"] * (own is not None))
    except ValueError as error:
        again = f"in Python: {error}"
    click.echo(f"Again\n  {again}")


@runs.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@store_option
@json_option
def compare(runs, store, as_json):
    """Compare runs side by side: their results, and all settings that differ."""
    import pandas as pd

    with in_words():
        store = open_store(store)
        found = {store.path_of(run).stem: run for run in map(store.named, runs)}
    columns = {name: run.summary() | (run.spec.to_dict() if run.spec else {}) | run.how for name, run in found.items()}
    frame = pd.DataFrame(columns, dtype=object)
    results = ["outcome", "steps", "final_train_error", "test_error", "seconds"]
    frame = frame[
        [
            name in results or len(set(map(str, row))) > 1
            for name, row in zip(frame.index, frame.to_numpy(), strict=True)
        ]
    ]
    click.echo(frame.to_json(force_ascii=False) if as_json else frame.to_string())


@runs.command()
@click.argument("filters", nargs=-1, metavar="[FIELD=VALUE]...")
@option("--layers", is_flag=True, help="Write what was captured in every block instead of the training history.")
@option("--output", "-o", type=click.Path(dir_okay=False), help="A .csv or .json file.  [CSV to the screen]")
@store_option
def export(filters, layers, output, store):
    """Write the histories of the runs as one tidy table: one row per run and logged step."""
    if output and not output.lower().endswith((".csv", ".json")):
        raise click.UsageError(f"{output!r} can be a .csv or a .json file.")
    with in_words():
        import pandas as pd

        frames = [run.layers_frame() if layers else run.frame() for run in _some(open_store(store), filters)]
        frames = [frame for frame in frames if len(frame)]
        if not frames:
            raise click.ClickException("there is nothing to export: no run passes.")
        frame = pd.concat(frames, ignore_index=True)
        if output:
            text = _json(frame) if output.lower().endswith(".json") else frame.to_csv(index=False)
            Path(output).write_text(text, encoding="utf-8", newline="")
    if output:
        click.echo(f"{len(frame)} rows of {len(frames)} runs in {output}", err=True)
    else:
        click.echo(frame.to_csv(index=False), nl=False)


def _resume(run, store):
    """The sentence that says how to go on with a training that was stopped."""
    from reslab.runs import Checkpoint

    try:
        kept = Checkpoint.load(store.checkpoint_path(run)).weights
        return f"It goes on with\n  {command([run], store, ['--weights'] * kept)}"
    except ValueError as error:
        call = f"train(model, split, how, resume=Checkpoint.load({str(store.checkpoint_path(run))!r}))"
        return f"No command goes on with it: {error} In Python it is\n  {call}"


def _own(store):
    """The store for recording a run again: never the one that comes with reslab."""
    from reslab.store import recorded

    return None if store.path == recorded().path else store


def _json(frame):
    """A frame as strict JSON, one dict per row, with all digits (pandas writes 15); NaN and infinity are null."""
    rows = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    return json.dumps(rows, ensure_ascii=False, allow_nan=False)


def _some(store, filters):
    """The runs that pass filters as typed: "depth=20,56", "skip=no"; a field given twice has the values of both."""
    from reslab.store.filters import type_of

    wanted = {}
    for words in filters:
        name, is_filter, values = words.partition("=")
        if not is_filter:
            raise ValueError(f"{words!r} is no filter; write FIELD=VALUE, such as dataset=digits or depth=20,56.")
        kind = type_of(name)
        values = values.strip("[]() ") if kind is tuple else values  # as Python and JSON write it
        wanted.setdefault(name, []).extend(_value(text, kind) for text in split_at_commas(values))
    return store.runs(**wanted)


def _value(text, kind):
    """A typed value of a field of this type; what cannot be one stays text, and the store refuses it."""
    try:
        if text.lower() in ("none", "null") and kind is not str:
            return None
        return click.BOOL(text) if kind is bool else text if kind is str else json.loads(text)
    except (click.BadParameter, ValueError):
        return text


def _table(store, found):
    import pandas as pd

    rows = [
        run.summary() | {"origin": run.origin.removeprefix("recorded, "), "file": store.path_of(run).stem}
        for run in found
    ]
    percent = dict.fromkeys(("final_train_error", "test_error"), lambda error: f"{error:.1%}" if error == error else "")
    return pd.DataFrame(rows, dtype=object)[COLUMNS].to_string(
        index=False, formatters=percent | {"seconds": "{:.1f}".format}
    )
