"""`reslab page`: the stage with recorded runs in one HTML file, for a link, a phone or a class without laptops."""

from pathlib import Path

import click

# lesson → (what its page shows, its first view)
LESSONS = {"00": ("the stage: one switch, two nets, one picture", {})}
MOST = 3_000_000  # bytes: more is slow to open on a phone


@click.command()
@click.argument("lesson", default="00")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The file.  [reslab-LESSON.html]")
def page(lesson, output):
    """Write a lesson's page: one HTML file that needs no Python and no network.

    LESSON is its number. So far, only 00, the stage, has a page.
    """
    from reslab import page as stage

    number = lesson.strip()[:2].zfill(2)
    if number not in LESSONS:
        raise click.UsageError(f"lesson {lesson!r} has no page; {', '.join(LESSONS)} has.")
    states = {name: file.read_bytes() for name, file in stage.recorded().items()}
    if not states:
        raise click.ClickException("the recorded states are not there. Install reslab again: they come with it.")
    target = output or Path(f"reslab-{number}.html")
    text = stage.page(states, view=LESSONS[number][1])
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}.") from error
    size = len(text.encode())
    if size > MOST:
        click.echo(
            f"Note: the page is {size / 1e6:.1f} MB, more than the {MOST / 1e6:.0f} MB that open quickly.", err=True
        )
    click.echo(f"{target}, {size / 1e6:.1f} MB: open it in a browser. It shows {LESSONS[number][0]}.")
