"""The command line, `reslab`: open the lessons, check a machine, train, and look at recorded runs.

options.py makes options from the fields of NetSpec and TrainSpec, reproduce.py makes the command of a run; the other
files have a command or two each. Slow imports are inside the commands that need them, so help comes at once.
"""

import sys
import warnings

import click
from tqdm import tqdm

from reslab import __version__
from reslab.cli.doctor import doctor
from reslab.cli.lab import lab
from reslab.cli.page import page
from reslab.cli.runs import runs
from reslab.cli.training import sweep, train

EPILOG = """\b
Exit codes
  0    success
  1    something failed: a run, a check, a file, a download
  2    no such command, or a wrong value in it
  3    a net diverged
  130  interrupted; the same command goes on from there
"""


class Reslab(click.Group):
    """The group of commands; while one runs, a warning is one line, without the place in the code."""

    def invoke(self, context):
        with warnings.catch_warnings():  # here, as click 8.2.0 ends a group's own resources before its command runs
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _say
            return super().invoke(context)


def _say(message, *_):
    """Print a warning above a progress bar, if there is one; `echo` flushes it, for the test runner of click 8.2.0."""
    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(f"Warning: {message}", err=True)


@click.group(
    cls=Reslab, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main():
    """Residual networks, taken apart live.

    \b
    reslab lab                                          open the lessons
    reslab doctor                                       will they run on this machine?
    reslab train resnet-56 --width 8                    train a net on the digits
    reslab sweep plain-20,resnet-20 --seed 0,1,2        train many, and keep every run
    reslab runs list                                    what was recorded
    reslab page                                         the stage in one HTML file; or the learners' hand-out
    """


for command in (lab, doctor, train, sweep, runs, page):
    main.add_command(command)
