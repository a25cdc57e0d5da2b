"""`reslab doctor`: no problem is reported on this machine, and each that can occur is named with what to do."""

import json
import sys
from importlib import metadata
from types import SimpleNamespace

import psutil
import pytest
import torchvision
from click.testing import CliRunner

from reslab import cli
from reslab.cli import lesson_times as times
from reslab.cli.room import read_room
from reslab.lessons import lessons
from reslab.store import Store
from reslab.train import train

module = sys.modules["reslab.cli.doctor"]


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """Call it with checks, or none for all; the exit code, and {check: (level, found, advice)}."""
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "runs"))

    def call(*checks):
        monkeypatch.setattr(module, "CHECKS", checks or module.CHECKS)
        result = CliRunner().invoke(cli.main, ["doctor", "--json"])
        findings = json.loads(result.stdout)
        assert all(finding["advice"] for finding in findings if finding["level"] != "ok")
        return result.exit_code, {
            finding["check"]: (finding["level"], finding["found"], finding["advice"]) for finding in findings
        }

    return call


def test_all_is_well_here(doctor):
    exit_code, found = doctor()
    assert [check for check, (level, *_) in found.items() if level == "problem"] == []
    assert exit_code == 0
    assert len(found) == len(module.CHECKS)
    assert "a step of resnet-56 takes" in found["How long the lessons take"][1]


def test_it_speaks_to_people(monkeypatch):
    monkeypatch.setattr(module, "CHECKS", (module.check_python,))
    said = CliRunner().invoke(cli.main, ["doctor"])
    assert said.output.startswith("✓ Python: 3.")
    assert said.output.endswith("All is well: reslab lab opens the lessons.\n")
    monkeypatch.setattr(module, "CHECKS", (module.check_python, lambda: 1 / 0))
    module.CHECKS[1].__doc__ = "Broken."
    monkeypatch.setattr(module, "BROKEN", (ZeroDivisionError,))
    said = CliRunner().invoke(cli.main, ["doctor"])
    assert said.exit_code == 1
    assert "✗ Broken: ZeroDivisionError: division by zero\n    Make a new environment" in said.output
    assert said.output.endswith("1 of 2 checks found a problem: Broken.\n")


def test_packages_that_are_missing_or_too_old_are_named(doctor, monkeypatch):
    def version(name, real=metadata.version):
        if name == "captum":
            raise metadata.PackageNotFoundError
        return "1.0" if name == "plotly" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    exit_code, found = doctor(module.check_packages)
    level, what, advice = found["Packages"]
    assert (exit_code, level) == (1, "problem")
    assert "plotly is 1.0, and must be >=5.24" in what
    assert "captum is missing" in what
    assert "pip install --upgrade reslab" in advice


def test_torch_and_torchvision_of_two_sources(doctor, monkeypatch):
    def nms(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", nms)
    exit_code, found = doctor(module.check_torch)
    assert exit_code == 1
    assert "do not fit together" in found["PyTorch and torchvision from one source"][1]


def test_widgets_without_their_browser_side_or_disabled(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    exit_code, found = doctor(module.check_widgets)
    assert exit_code == 1
    _, what, advice = found["Widgets in the browser"]
    assert (
        what == "JupyterLab has no @jupyter-widgets/jupyterlab-manager and no anywidget, "
        "so charts and buttons would be blank"
    )
    assert "jupyterlab_widgets anywidget" in advice
    monkeypatch.undo()
    (tmp_path / "labconfig").mkdir()
    (tmp_path / "labconfig" / "page_config.json").write_text(
        '{"disabledExtensions": {"anywidget": true}}', encoding="utf-8"
    )
    monkeypatch.setattr("jupyter_core.paths.jupyter_config_path", lambda: [str(tmp_path)])
    exit_code, found = doctor(module.check_widgets)
    assert (exit_code, found["Widgets in the browser"][1:]) == (
        1,
        ("anywidget is disabled", "jupyter labextension enable anywidget"),
    )


def test_a_kernel_of_another_python(doctor, monkeypatch, tmp_path):
    other = tmp_path / "bin" / "python"
    other.parent.mkdir()
    other.touch()
    manager = SimpleNamespace(
        get_kernel_spec=lambda name: SimpleNamespace(argv=[str(other), "-m", "ipykernel_launcher"])
    )
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager", lambda: manager)
    exit_code, found = doctor(module.check_kernel)
    assert (exit_code, found["Kernel"][1]) == (1, f"Python 3 is {other}, not this one")
    manager.get_kernel_spec = lambda name: SimpleNamespace(argv=["python", "-m", "ipykernel_launcher"])
    assert doctor(module.check_kernel)[0] == 0


def test_little_memory_one_core_and_a_busy_machine_are_notes(doctor, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e9, total=4e9))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    exit_code, found = doctor(module.check_memory, module.check_threads)
    assert exit_code == 0
    assert {level for level, *_ in found.values()} == {"note"}
    assert found["Memory"][1] == "1.0 of 4.0 GB free"
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr("os.getloadavg", lambda: (7.0, 7.0, 7.0), raising=False)
    assert "load 7.0" in doctor(module.check_threads)[1]["Processor"][1]


def test_recorded_runs_that_did_not_come_along(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr("reslab.store.recorded", lambda: Store(tmp_path / "nothing"))
    exit_code, found = doctor(module.check_data)
    assert exit_code == 1
    assert "ok" in {level for level, *_ in found.values()}


def test_the_times_of_the_lessons_are_their_steps_times_a_step(monkeypatch):
    recorded = times.steps_of_lessons()
    assert set(recorded) <= {lesson.number for lesson in lessons()}
    assert all(0 < core <= every for core, every in recorded.values())
    monkeypatch.setattr(times, "step_seconds", lambda: 0.1)
    monkeypatch.setattr(times, "steps_of_lessons", lambda: {"00": (50, 100), "02": (400, 1200)})
    ((level, found, advice, measured),) = module.check_times()
    assert (level, advice) == ("ok", "")
    about = "so running all cells of a lesson takes about: 00 (10 s), 02 (2 min)"
    assert found == f"a step of resnet-56 takes 0.1 s, {about}"
    assert measured == {"step_seconds": 0.1, "lesson_seconds": {"00": (5.0, 10.0), "02": (40.0, 120.0)}}
    monkeypatch.setattr(times, "step_seconds", lambda: 0.3)
    ((level, _, advice, _),) = module.check_times()
    assert level == "note"
    assert "share a machine" in advice


def test_the_measured_step_is_a_step_of_resnet_56(monkeypatch):
    """As long as training it takes by the run's own clock, and no more steps than asked for."""
    steps = []

    def watched(*args, **kwargs):
        for event in train(*args, **kwargs):
            steps.append(event)
            yield event

    monkeypatch.setattr("reslab.train.train", watched)
    seconds = times.step_seconds()
    assert times.WARM_UP < len(steps) <= times.STEPS
    assert steps[-1].run().spec.depth == 56
    assert 0 < seconds <= steps[-1].seconds


def test_a_class_is_read_from_its_files(tmp_path):
    """Those that need help come first, each with its advice; what is no file of doctor's is said, in any encoding."""
    ready = {"check": "Python", "level": "ok", "found": "3.12", "advice": ""}
    timed = ready | {"check": "How long the lessons take", "lesson_seconds": {"01": [40, 70], "02": [60, 130]}}
    slow = timed | {"level": "note", "found": "slow", "advice": "Share.", "lesson_seconds": {"01": [200, 400]}}
    broken = {"check": "Packages", "level": "problem", "found": "captum is missing", "advice": "Install it."}
    for name, text in {
        "ana": json.dumps([ready, timed]), "bo": json.dumps([ready, slow]), "cy": json.dumps([broken, ready]),
        "di": "Traceback", "el": "[]", "fy": '{"level": "ok"}',
        "gu": json.dumps([ready, timed | {"lesson_seconds": {"01": ["a", "minute"]}}]),
    }.items():  # fmt: skip
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-16" if name == "ana" else "utf-8")
    said = CliRunner().invoke(cli.main, ["doctor", "--room", str(tmp_path)])
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "1 of 7 need help: something is missing",
        "  cy",
        "    Packages: captum is missing. Install it.",
        "4 of 7 need help: the file is not what `reslab doctor --json` writes; run it again",
        "  di", "  el", "  fy", "  gu",
        "1 of 7 will run, with a note",
        "  bo (longest lesson: 6.7 min)",
        "    How long the lessons take: slow. Share.",
        "1 of 7 ready",
        "  ana (longest lesson: 2.2 min)",
    ]  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "reslab doctor --json > NAME.json" in CliRunner().invoke(cli.main, ["doctor", "--room", str(empty)]).output


def test_what_doctor_writes_the_room_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKS", (module.check_python, module.check_times))
    written = CliRunner().invoke(cli.main, ["doctor", "--json"]).stdout
    (tmp_path / "me.json").write_text(written, encoding="utf-8")
    (machine,) = read_room(tmp_path)
    assert (machine["name"], machine["level"] in ("ok", "note"), machine["slowest"] > 0) == ("me", True, True)
