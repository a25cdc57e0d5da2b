"""`reslab lab`: JupyterLab on the lessons."""

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--lessons", type=click.Path(file_okay=False), help="The folder of the lessons.  [notebooks/ of the checkout]"
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB'S OWN OPTIONS]...")
@click.pass_context
def lab(context, lessons, arguments):
    """Open JupyterLab on the lessons."""
    folder = Path(lessons) if lessons else Path(__file__).resolve().parents[2] / "notebooks"
    if not any(folder.glob("[0-9][0-9]_*.ipynb")):
        where = f"there are none in {folder}" if lessons else "an installed package has none"
        raise click.ClickException(
            f"the lessons are notebooks/ of a checkout of reslab, and {where}: reslab lab --lessons FOLDER"
        )
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException(
            f"JupyterLab is not installed beside this reslab: {shlex.quote(sys.executable)} -m pip install jupyterlab"
        )
    context.exit(subprocess.call([sys.executable, "-m", "jupyterlab", str(folder), *arguments]))
