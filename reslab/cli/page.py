"""`reslab page`: the stage with recorded runs, or the learners' hand-out, as one HTML file."""

from functools import partial
from pathlib import Path

import click

MAX_BYTES = 3_000_000  # bytes: more is slow to open on a phone


@click.command()
@click.argument("what", default="00")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The file.  [reslab-WHAT.html]")
def page(what, output):
    """Write a page: one HTML file that needs no Python and no network.

    WHAT is 00, 01 or 04, the stage of that lesson with recorded runs, for a link, a phone or a class without laptops;
    or handout, one page for each learner, to print: how to begin, the words, and the questions of the lessons.
    """
    name = what.strip().lower()
    name = name if name in PAGES else name[:2].zfill(2)
    if name not in PAGES:
        raise click.UsageError(f"{what!r} has no page; {', '.join([*PAGES][:-1])} and {[*PAGES][-1]} have.")
    shows, write = PAGES[name]
    text, target = write(), output or Path(f"reslab-{name}.html")
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}.") from error
    size = len(text.encode())
    if size > MAX_BYTES:
        click.echo(
            f"Note: the page is {size / 1e6:.1f} MB, more than the {MAX_BYTES / 1e6:.0f} MB that open quickly.",
            err=True,
        )
    click.echo(f"{target}, {max(size / 1e6, 0.1):.1f} MB: open it in a browser. It shows {shows}.")


def _stage(**view):
    from reslab import page as stage

    try:
        states = {name: stage.gzipped(file) for name, file in stage.recorded().items()}
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not states:
        raise click.ClickException("the recorded states are not there. Install reslab again: they come with it.")
    return stage.page(states, view=view)


def _handout():
    from reslab import handout

    try:
        return handout.page()
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error


# name → (what its page shows, the function that writes it)
PAGES = {
    "00": ("the stage: one switch, two nets, one picture", _stage),
    "01": ("the stage after the training: one of two deep nets has not learnt", partial(_stage, step=60)),
    "04": ("the stage with the skips on: what comes through is the picture", partial(_stage, skip=True)),
    "handout": ("the hand-out: one page for each learner, to print", _handout),
}
