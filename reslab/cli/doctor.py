"""`reslab doctor`: whether the lessons will run on this machine, in words that say what to do."""

import json
import os
import platform
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

import click

from reslab.cli import lesson_times
from reslab.cli.room import in_words, read_room

ENOUGH_MEMORY, ENOUGH_DISK = 4, 1  # GB: for a lesson and its browser; for checkpoints and a dataset
BROKEN = (ImportError, OSError, RuntimeError, ValueError, AttributeError, LookupError)  # of a broken installation
SLOW = 300  # seconds for all of a lesson: more than a class waits
PYTHON = shlex.quote(sys.executable)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts and for --room.")
@click.option(
    "--room", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For a class: say which machines need help. Reads a folder with a file of each: "
    "`reslab doctor --json > NAME.json`.",
)
@click.pass_context
def doctor(context, as_json, room):
    """Check whether the lessons will run here, and say how long each takes."""
    if room:
        for line in in_words(read_room(room)):
            click.echo(line)
        return
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    problems = [finding for finding in findings if finding["level"] == "problem"]
    if as_json:
        click.echo(json.dumps(findings, ensure_ascii=False))
    elif problems:
        click.echo(
            f"\n{len(problems)} of {len(findings)} checks found a problem: "
            f"{'; '.join(finding['check'] for finding in problems)}."
        )
    else:
        click.echo("\nAll is well: reslab lab opens the lessons.")
    context.exit(1 if problems else 0)


def examine():
    """Run the checks; yield findings: dicts of check, level ("ok", "note" or "problem"), found and advice, in words.

    That of the lessons' times has numbers, too: step_seconds, and lesson_seconds, {lesson: (core, all)}.
    """
    for check in CHECKS:
        try:
            found = list(check())
        except BROKEN as error:
            advice = "Make a new environment and install reslab into it: see its README."
            found = [_problem(f"{type(error).__name__}: {error}", advice)]
        for level, what, advice, *measured in found:
            finding = {"check": check.__doc__.rstrip("."), "level": level, "found": what, "advice": advice}
            yield finding | dict(*measured)


def _line(finding):
    marks = {"ok": ("✓", "green"), "note": ("·", "yellow"), "problem": ("✗", "red")}
    mark, colour = marks[finding["level"]]
    advice = f"\n    {finding['advice']}" if finding["advice"] else ""
    return f"{click.style(mark, fg=colour)} {finding['check']}: {finding['found']}{advice}"


def _ok(found):
    return "ok", found, ""


def _note(found, advice):
    return "note", found, advice


def _problem(found, advice):
    return "problem", found, advice


def check_python():
    """Python."""
    yield _ok(f"{platform.python_version()}, {platform.system()} on {platform.machine()}")


def check_packages():
    """Packages."""
    from packaging.requirements import Requirement

    missing, there = [], 0
    for line in metadata.requires("reslab") or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{requirement.name} is missing")
            continue
        there += 1
        if not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{requirement.name} is {version}, and must be {requirement.specifier}")
    if missing:
        yield _problem("; ".join(missing), f"{PYTHON} -m pip install --upgrade reslab, or in a checkout: -e .")
    else:
        yield _ok(f"reslab {metadata.version('reslab')} and the {there} that it needs, each new enough")


def check_torch():
    """PyTorch and torchvision from one source."""
    import torch
    import torchvision

    try:
        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except RuntimeError:
        advice = "Uninstall both, and install them in one command from one index."
        yield _problem(
            f"torch {torch.__version__} and torchvision {torchvision.__version__} do not fit together", advice
        )
    else:
        yield _ok(f"torch {torch.__version__}, torchvision {torchvision.__version__}")


def check_device():
    """Device."""
    import torch

    from reslab.train import pick_device

    device = pick_device()
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        yield _ok(f"{torch.cuda.get_device_name()}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free")
    else:
        yield _ok(
            {"mps": "Apple's GPU", "cpu": "the CPU, for which the lessons are made; a GPU is for larger nets"}[
                device.type
            ]
        )


def check_threads():
    """Processor."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{cores} {'core' if cores == 1 else 'cores'}, {torch.get_num_threads()} of PyTorch's threads"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if cores < 2:
        yield _note(found, "The lessons' times are for two cores: count on twice as long.")
    elif load > cores:
        yield _note(
            f"{found}, load {load:.1f}", "Other programs keep the cores busy: close them, or count on longer times."
        )
    else:
        yield _ok(found)


def check_memory():
    """Memory."""
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    if memory.available / 1e9 < ENOUGH_MEMORY:
        yield _note(
            found,
            f"A lesson and its browser need {ENOUGH_MEMORY} GB: close other programs and other kernels.",
        )
    else:
        yield _ok(found)


def check_widgets():
    """Widgets in the browser."""
    from jupyter_core.paths import jupyter_path

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    pieces = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
    found = {}
    for piece in pieces:
        described = [folder / piece / "package.json" for folder in folders]
        found[piece] = next(
            (json.loads(file.read_text(encoding="utf-8"))["version"] for file in described if file.is_file()), None
        )
    missing = [piece for piece, version in found.items() if version is None]
    if missing:
        packages = " ".join(pieces[piece] for piece in missing)
        advice = (
            f"{PYTHON} -m pip install --force-reinstall --no-deps {packages}, then reload JupyterLab in the browser."
        )
        yield _problem(f"JupyterLab has no {' and no '.join(missing)}, so charts and buttons would be blank", advice)
    elif off := [piece for piece in pieces if _disabled(piece)]:
        yield _problem(
            f"{' and '.join(off)} is disabled", "; ".join(f"jupyter labextension enable {piece}" for piece in off)
        )
    else:
        versions = [f"{name} {metadata.version(name)}" for name in ("jupyterlab", "ipywidgets", "anywidget", "plotly")]
        yield _ok(
            f"{', '.join(versions)}; in the browser "
            f"{', '.join(f'{piece} {version}' for piece, version in found.items())}"
        )


def _disabled(piece):
    from jupyter_core.paths import jupyter_config_path

    for folder in map(Path, jupyter_config_path()):
        for file in sorted((folder / "labconfig").glob("page_config.json")):
            disabled = json.loads(file.read_text(encoding="utf-8")).get("disabledExtensions", {})
            if piece in disabled and (not isinstance(disabled, dict) or disabled[piece]):
                return True
    return False


def check_kernel():
    """Kernel."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
    except NoSuchKernel:
        yield _problem("JupyterLab has no Python kernel", f"{PYTHON} -m pip install ipykernel")
        return
    # A command without a folder is Jupyter's own Python. Folders are compared: the files in them link to one file.
    if command.parent.name and not (command.is_file() and command.parent.samefile(Path(sys.executable).parent)):
        yield _problem(f"Python 3 is {command}, not this one", f"{PYTHON} -m ipykernel install --sys-prefix")
    else:
        yield _ok("Python 3 is this one")


def check_data():
    """Data."""
    from reslab.datasets import cache_root, digits
    from reslab.store import Store, recorded

    images = len(digits().y_train)
    runs = len(recorded().runs())
    if not runs:
        yield _problem("the recorded runs are not there", "Install reslab again: they come with it.")
    else:
        yield _ok(f"{images:,} digits to train on, with no network; {runs} recorded runs")
    for what, folder in (("runs", Store().path), ("downloads", cache_root())):
        there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        free = shutil.disk_usage(there).free / 1e9
        if not os.access(there, os.W_OK):
            yield _note(
                f"your {what} cannot be written to {folder}", "Set RESLAB_RUNS and RESLAB_CACHE to folders of yours."
            )
        elif free < ENOUGH_DISK:
            yield _note(
                f"{free:.1f} GB of disk free for your {what}",
                f"At least {ENOUGH_DISK} GB should be free: delete something.",
            )
        else:
            yield _ok(f"{free:.0f} GB of disk free for your {what}")


def check_times():
    """How long the lessons take."""
    step = lesson_times.step_seconds()
    seconds = lesson_times.lesson_seconds(step)
    listed = ", ".join(f"{lesson} ({lesson_times.in_words(every)})" for lesson, (_, every) in seconds.items())
    found = f"a step of resnet-56 takes {step:.2g} s, so running all cells of a lesson takes about: {listed}"
    measured = {"step_seconds": step, "lesson_seconds": seconds}
    if max(every for _, every in seconds.values()) > SLOW:
        yield *_note(found, "That is slow: close other programs, or share a machine with a neighbour."), measured
    else:
        yield *_ok(found), measured


CHECKS = (
    check_python, check_packages, check_torch, check_device, check_threads, check_memory, check_widgets, check_kernel,
    check_data, check_times,
)  # fmt: skip
