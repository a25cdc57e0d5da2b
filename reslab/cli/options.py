"""Makes options from the specs: one for each field of NetSpec and TrainSpec, with its help, choices and default."""

import csv
import dataclasses
import io
import json
from contextlib import contextmanager

import click

from reslab.specs import PRESETS, NetSpec, TrainSpec

OF_THE_DATASET = ("in_channels", "image_size", "classes")  # fields of NetSpec that the images decide, no option


def fields(spec):
    """The fields of NetSpec or TrainSpec that have an option."""
    return [field for field in dataclasses.fields(spec) if field.name not in OF_THE_DATASET]


def flag(field, value=True):
    """The option of a field: "--width", "--skip", and "--no-skip" where a bool is False."""
    return ("--no-" if value is False else "--") + field.name.replace("_", "-")


def field_option(field, group, many=False):
    """A click option that is None unless it is given; with `many`, it takes a list of values, separated by commas."""
    choices, is_pair = field.metadata["choices"], field.type is bool and not many
    kind = click.Choice(choices) if choices else Many(click.FLOAT, least=0) if field.type is tuple else field.type
    kind = Many(click.types.convert_type(kind)) if many else kind
    help = field.metadata["help"]
    help = f"{help[:1].upper()}{help[1:]}  [{written(field.default)}]"
    name = f"{flag(field)}/{flag(field, False)}" if is_pair else flag(field)
    return option(name, field.name, group=group, default=None, help=help, **({} if is_pair else {"type": kind}))


class Many(click.ParamType):
    """Several values, separated by commas, at least so many, as a list."""

    def __init__(self, inner, least=1):
        self.inner, self.name, self.least = inner, inner.name, least

    def get_metavar(self, param, ctx=None):
        one = self.inner.get_metavar(param, ctx) or self.name.upper()
        return f"{one},..."

    def convert(self, value, param, ctx):
        if isinstance(value, list):
            return value
        values = [self.inner.convert(part, param, ctx) for part in split_at_commas(value)]
        if len(values) < self.least:
            self.fail(f"{value!r} holds no value; give one, or several with commas.", param, ctx)
        return values


def split_at_commas(text):
    """The values between the commas of a text; one with a comma in it is in double quotes, as in a CSV file."""
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    return [value.strip() for row in rows for value in row if value.strip()]


def join_with_commas(values):
    """The text that `split_at_commas` reads as these values."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def written(value):
    """A value as a user would write it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(written, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


# Options in groups: a list of over thirty would be hard to read


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
        for heading, records in sorted(groups.items(), key=lambda group: group[0] == "Options"):  # general ones last
            with formatter.section(heading):
                formatter.write_dl(records, col_max=24)


def spec_options(many=False):
    """A decorator: the options of NetSpec (lists of values with `many`), a preset, and the options of TrainSpec."""
    help = "A recipe by its name; the other options change it.  [digits: the defaults below]"
    decorators = [field_option(field, "Net", many) for field in fields(NetSpec)]
    decorators.append(
        option("--preset", group="Training", type=click.Choice(list(PRESETS)), default="digits", help=help)
    )
    decorators += [field_option(field, "Training") for field in fields(TrainSpec)]

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def given(values, spec):
    """field → value, for the options of a spec that the user gave."""
    return {field.name: values[field.name] for field in fields(spec) if values[field.name] is not None}


STORE = "Where runs are kept; 'recorded' is the store that comes with reslab.  [$RESLAB_RUNS or ~/.reslab/runs]"
store_option = option("--store", metavar="FOLDER", help=STORE)
json_option = option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def open_store(folder):
    from reslab.store import Store, recorded

    return recorded() if folder == "recorded" else Store(folder)


@contextmanager
def in_words():
    """Turn exceptions into a sentence and an exit code: 2 for an invalid value, 1 for a missing file or package."""
    from reslab.datasets import DatasetUnavailable
    from reslab.runs import CorruptRun

    try:
        yield
    except (DatasetUnavailable, CorruptRun, OSError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from error


def to_json(summary):
    """A run's summary as a line of strict JSON: NaN is null."""
    return json.dumps({name: None if value != value else value for name, value in summary.items()}, ensure_ascii=False)
