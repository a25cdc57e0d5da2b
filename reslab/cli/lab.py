"""`reslab lab`: JupyterLab on the lessons. An installed package first copies them to a folder of yours."""

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from reslab import lessons as shipped

COPY = "reslab-lessons"  # in the current folder


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--lessons", type=click.Path(file_okay=False, path_type=Path),
    help=f"A folder of lessons; if it has none, they are copied there.  [notebooks/ of the checkout, else ./{COPY}]",
)  # fmt: skip
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB'S OWN OPTIONS]...")
@click.pass_context
def lab(context, lessons, arguments):
    """Open JupyterLab on the lessons.

    From an installed package they are first copied to a folder. A file that is there already is kept as it is: your
    answers stay.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException(
            f"JupyterLab is not installed beside this reslab: {shlex.quote(sys.executable)} -m pip install jupyterlab"
        )
    context.exit(subprocess.call([sys.executable, "-m", "jupyterlab", str(_folder(lessons)), *arguments]))


def _folder(chosen):
    """The folder to open; the lessons are in it after the call."""
    try:
        source = shipped.folder()
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    if chosen is None and source.parent != shipped.PACKAGE:
        return source  # a checkout's own
    target = chosen or Path.cwd() / COPY
    if chosen is None or not any(chosen.glob(shipped.NUMBERED)):
        try:
            copied = _copy_missing(source, target)
        except OSError as error:
            raise click.ClickException(
                f"the lessons cannot be copied to {target}: {error.strerror}. "
                "Choose a folder: reslab lab --lessons FOLDER"
            ) from error
        if copied:
            click.echo(f"{len(copied)} files were copied to {target}. What was there already stays as it is.")
    return target


def _copy_missing(source, target):
    """Copy the lessons and their pages, but for files that are there; return the new files."""
    target.mkdir(parents=True, exist_ok=True)
    files = [*source.glob(shipped.NUMBERED), *source.glob("*.md")]
    missing = [file for file in sorted(files) if not (target / file.name).exists()]
    return [shutil.copy(file, target) for file in missing]
