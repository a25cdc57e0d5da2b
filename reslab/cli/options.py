"""Options out of the specs: the fields of NetSpec and TrainSpec, with their comments as help, read without importing them.

Importing them would import torch, and `--help` would take seconds.
"""

import ast
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

OF_THE_DATASET = ("in_channels", "image_size", "classes")  # fields of NetSpec that no option sets: the images do


@dataclass(frozen=True)
class Field:
    """A field of a spec, as it is written there."""

    name: str
    kind: str  # "int", "float", "str", "bool" or "tuple"
    default: object
    comment: str
    choices: tuple | None

    @property
    def flag(self):
        return "--" + self.name.replace("_", "-")

    def option(self, group, many=False):
        """A click option that is None unless it is given; with `many`, it takes several values between commas, as a list."""
        kinds = {"int": click.INT, "float": click.FLOAT, "str": click.STRING, "bool": click.BOOL, "tuple": Many(click.FLOAT)}
        kind = click.Choice(self.choices) if self.choices else kinds[self.kind]
        is_pair = self.kind == "bool" and not many
        usual = written(self.default)
        help = f"{self.comment[:1].upper()}{self.comment[1:]}  [{usual}]" if self.comment else f"[{usual}]"
        names = [f"{self.flag}/--no-{self.flag[2:]}" if is_pair else self.flag, self.name]
        return option(*names, group=group, default=None, help=help, **({} if is_pair else {"type": Many(kind) if many else kind}))


class Many(click.ParamType):
    """Several values between commas, as a list."""

    def __init__(self, inner):
        self.inner, self.name = inner, inner.name

    def get_metavar(self, param, ctx=None):
        one = self.inner.get_metavar(param, ctx) or self.name.upper()
        return f"{one},..."

    def convert(self, value, param, ctx):
        if isinstance(value, list):
            return value
        return [self.inner.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip()]


@cache
def fields(spec):
    """The fields of "NetSpec" or "TrainSpec", for options."""
    text = _source(f"\nclass {spec}:")
    tree, lines = ast.parse(text), text.splitlines()
    choices = next((ast.literal_eval(node.value) for node in tree.body if _assigns(node, "CHOICES")), {})
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == spec)
    found = []
    for node in body:
        if isinstance(node, ast.AnnAssign) and node.target.id not in OF_THE_DATASET:
            name, comment = node.target.id, lines[node.end_lineno - 1].partition("  # ")[2]
            found.append(Field(name, ast.unparse(node.annotation), ast.literal_eval(node.value), comment, choices.get(name)))
    return tuple(found)


@cache
def names_in(table):
    """The names in a table of reslab: "DATASETS", "PRESETS"."""
    tree = ast.parse(_source(f"\n{table} = {{"))
    return [key.value for node in tree.body if _assigns(node, table) for key in node.value.keys]


def _source(text):
    """The file of reslab in which this text is."""
    files = (path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[1].rglob("*.py")))
    return next(file for file in files if text in file)


def _assigns(node, name):
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name


def written(value):
    """A value as one would give it to an option."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(written, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


# Options in groups: over thirty in one list would be hard to read


def option(*names, group="Options", **settings):
    """`click.option`, under a heading of the help."""

    class Grouped(click.Option):
        heading = group

    return click.option(*names, cls=Grouped, **settings)


class Command(click.Command):
    """A command whose help has a heading for each group of options."""

    def format_options(self, ctx, formatter):
        groups = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "heading", "Options"), []).append(parameter.get_help_record(ctx))
        for heading, records in sorted(groups.items(), key=lambda group: group[0] == "Options"):  # the general ones last
            with formatter.section(heading):
                formatter.write_dl(records, col_max=24)


def spec_options(many=False):
    """A decorator: the options of NetSpec (several values each, with `many`), a preset, and the options of TrainSpec."""
    help = "A recipe by its name, of which the other options change what they say.  [digits: the defaults below]"
    decorators = [field.option("Net", many) for field in fields("NetSpec")]
    decorators.append(option("--preset", group="Training", type=click.Choice(names_in("PRESETS")), default="digits", help=help))
    decorators += [field.option("Training") for field in fields("TrainSpec")]

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def given(values, spec):
    """Those of a spec's options that were given, as a dict."""
    return {field.name: values[field.name] for field in fields(spec) if values[field.name] is not None}


STORE = "Where runs are kept; 'recorded' is the store that comes with reslab.  [$RESLAB_RUNS or ~/.reslab/runs]"
store_option = option("--store", metavar="FOLDER", help=STORE)
json_option = option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def open_store(folder):
    from reslab.store import Store, recorded

    return recorded() if folder == "recorded" else Store(folder)


@contextmanager
def in_words():
    """Errors as a sentence and an exit code: 2 for a value that is not one, 1 for what the world did not give."""
    from reslab.datasets import DatasetUnavailable

    try:
        yield
    except (DatasetUnavailable, OSError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from error


def to_json(summary):
    """A run's summary as a line of strict JSON: what is not a number is null."""
    return json.dumps({name: None if value != value else value for name, value in summary.items()}, ensure_ascii=False)


def named(run):
    """The net of FAMILY that a run's is a change of: the one of its name, else of its kind and depth, else of its kind."""
    from reslab.nets import FAMILY

    kind = "resnet" if run.spec.skip else "plain"
    return next(FAMILY[name] for name in (run.name, f"{kind}-{run.spec.depth}", f"{kind}-20") if name in FAMILY)


def changes(run):
    """The fields of a run's NetSpec that are not those of the net that it is `named` after, as options would set them."""
    usual = named(run)
    return {field.name: getattr(run.spec, field.name) for field in fields("NetSpec") if _differ(run.spec, usual, field.name)}


def _differ(spec, usual, field):
    return getattr(spec, field) != getattr(usual, field)


def recipe(run):
    """The preset nearest to how a run was trained, and what differs from it: ("short", {"precision": "bf16"})."""
    from reslab.train import PRESETS, TrainSpec

    how, found = TrainSpec(**run.how), {}  # fields that older runs lack had their defaults
    for name, preset in PRESETS.items():
        found[name] = {field.name: getattr(how, field.name) for field in fields("TrainSpec") if _differ(how, preset, field.name)}
    return min(found.items(), key=lambda item: len(item[1]))


def command(runs):
    """The command that records these runs, which are of one dataset, alike but for name and seed. ValueError if there is no one such."""
    run, changed = runs[0], changes(runs[0])
    for other in runs:
        if changes(other) != changed:
            raise ValueError(f"{run.name} and {other.name} are not of one command; ask for each by itself.")
    preset, differs = recipe(run)
    words = ["reslab", "train" if len(runs) == 1 else "sweep", ",".join(dict.fromkeys(named(run).name for run in runs))]
    words += flags("NetSpec", changed) + ["--preset", preset] * (preset != "digits") + flags("TrainSpec", differs)
    return " ".join([*words, "--dataset", run.dataset, "--seed", ",".join(dict.fromkeys(str(run.seed) for run in runs))])


def flags(spec, values):
    """Fields of a spec with their values, as the words that set them: ["--width", "8", "--no-skip"]."""
    words = []
    for field in fields(spec):
        if field.name in values:
            value = values[field.name]
            words += [field.flag if value else f"--no-{field.flag[2:]}"] if field.kind == "bool" else [field.flag, written(value)]
    return words
