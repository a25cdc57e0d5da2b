"""The stage's Python side: it shows without torch, trains in the background, and loses no click."""

import gzip
import json
import subprocess
import sys
import threading

import pytest
import torch

from reslab import page
from reslab.datasets import DATASETS, DatasetUnavailable, from_arrays
from reslab.explorers import Ready, Stage
from reslab.explorers.stage.live import LiveFilm
from reslab.figures.text.stage import sentences


@pytest.fixture(scope="module")
def state():
    return json.loads(gzip.decompress(page.recorded()["digits"].read_bytes()))


@pytest.fixture
def live():
    """A LiveFilm, and what it has sent; ended after the test."""
    sent = []
    film = LiveFilm(sent.append)
    yield film, sent
    film.stop()
    assert film.join(60)


def wait_for(condition, live):
    """Wait until the condition holds, for as long as the training runs or begins."""
    while not condition():
        assert live.status in ("starting", "running", "paused", "stopping"), live.status
        live.join(0.02)


def points(film, kind="plain"):
    return film.state["nets"][0][kind]["curve"] if film.state else []


def test_the_first_picture_needs_neither_torch_nor_plotly():
    heavy = {"torch", "plotly", "pandas", "numpy"}
    code = f"from reslab.explorers import Stage; Stage(); import sys; print({heavy} & set(sys.modules))"
    warnings = ["-W", "error", "-W", "ignore:Deprecated in traitlets 4.1:DeprecationWarning"]  # of ipywidgets 7 itself
    done = subprocess.run([sys.executable, *warnings, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("set()", 0), done.stderr


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ({"net": "21"}, r"net is '21'; it can be '20', '56', '110'"),
        ({"net": 20}, "net is 20; it can be '20'.* Did you mean '20'"),
        ({"dataset": "cifar10", "net": "110"}, "net is '110'; it can be '20', '56'"),
        ({"dataset": "imagenet"}, "dataset is 'imagenet'; it can be 'digits', 'cifar10'"),
        ({"skips": True}, "a part of the view is 'skips'; .* Did you mean 'skip'"),
        ({"skip": "yes"}, "skip is 'yes'; it must be True or False"),
        ({"step": -5}, "step is -5; it must be at least 0"),
        ({"step": 1.5}, "step is 1.5; it must be a whole number"),
    ],
)
def test_a_view_of_what_is_not_there_is_refused(view, says):
    with pytest.raises(ValueError, match=f"^{says}"):
        Stage(**view)


def test_a_training_of_an_unknown_variant_is_refused(live):
    film, _ = live
    film.start("digits", 20, "no skips")
    assert film.join(60)
    assert film._words.startswith("The training failed: the variant is 'no skips'; it can be '', 'no norm'")


def test_it_sends_the_recorded_state_as_it_is_and_others_when_asked(state):
    stage = Stage(net="20", skip=True)
    assert stage.view == {"net": "20", "skip": True, "dataset": "digits"}
    assert json.loads(gzip.decompress(stage.recorded["digits"])) == state == stage.state
    stage._handle_custom_msg({"do": "load", "dataset": "no such"}, [])  # of a page of another version
    assert list(stage.recorded) == ["digits"]


def test_the_live_film_is_what_was_sent(live):
    from reslab.experiments import film as maker

    film, sent = live
    film.start("digits", 8)
    film.start("digits", 20)  # a second click while it begins
    assert film.join(120)
    assert [message["status"] for message in sent if "status" in message] == ["starting", "running", "finished"]
    (begun,) = (message["state"] for message in sent if "state" in message)
    assert begun["live"]
    assert [net["key"] for net in begun["nets"]] == ["8"]
    begun = json.loads(json.dumps(begun))
    for kind in ("plain", "residual"):
        begun["nets"][0][kind] |= {"frames": [], "curve": [], "state": "running", "test_error": None}
    for message in sent:
        for patch in message.get("patches", ()):
            maker.apply(begun, patch)
    assert begun == film.state
    assert len(points(film)) == len(points(film, "residual")) == begun["nets"][0]["plain"]["steps"]


def test_pause_holds_resume_goes_on_and_stop_keeps_what_was_measured(live):
    film, sent = live
    film.start("digits", 8)
    wait_for(lambda: points(film), film)
    film.pause()
    film.pause()
    wait_for(lambda: film._worker.waiting, film)
    held = len(points(film))
    film.join(0.2)
    assert len(points(film)) == held
    film.resume()
    wait_for(lambda: len(points(film)) > held, film)
    film.stop()
    assert film.join(60)
    assert film.status == "stopped"
    sent.clear()
    film.catch_up()  # a page that was loaded again
    assert sent == [{"again": True, "state": film.state, "status": "stopped", "words": "Stopped"}]
    assert 0 < len(points(film)) < film.state["nets"][0]["plain"]["steps"]


def test_a_stop_while_it_begins_is_not_lost(live):
    film, _ = live
    film.start("digits", 8)
    film.stop()
    assert film.join(60)
    assert film.status == "stopped"


def test_a_training_that_fails_says_why(live):
    film, sent = live
    film.start("digits", 57)
    assert film.join(60)
    assert film.status == "failed"
    assert "56 or 62" in sent[-1]["words"]


def test_the_sentences_are_the_frames_numbers(state):
    first, gradient, error = sentences(state)
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    for kind in ("plain", "residual"):
        frame, film = pair[kind]["frames"][0], pair[kind]
        assert f"{frame['told_apart'][-1]:.1%}".replace("%", " %") in first
        assert f"{frame['gradient'][1] / frame['gradient'][-1]:.2g}"[:1] in gradient
        assert f"{film['curve'][-1][1]:.1%}".replace("%", " %") in error
    with pytest.raises(KeyError, match="there are 20, 56, 110"):
        sentences(state, "57")


# Photographs


@pytest.fixture
def photographs(monkeypatch):
    """A Stage, and the split that a download would bring: of noise, with the labels that the recorded state names."""
    sprite = json.loads(gzip.decompress(page.without_pictures()["cifar10"].read_bytes()))["sprite"]
    size = max(sprite["places"]) + 1
    labels = torch.zeros(size, dtype=torch.long)
    labels[sprite["places"]] = torch.tensor(sprite["labels"])
    pixels = torch.randint(0, 256, (size, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = from_arrays(255 - pixels[:20], torch.arange(20) % 10, x_test=pixels, y_test=labels, name="cifar10")
    answers = {True: split, False: split}

    def cifar10(root=None, *, download=True):
        if isinstance(answers[download], Exception):
            raise answers[download]
        return answers[download]

    monkeypatch.setitem(DATASETS, "cifar10", cifar10)
    stage = Stage()
    yield stage, answers
    assert stage.photographs.join(60)


def ask(stage, what):
    stage._handle_custom_msg({"do": what, "dataset": "cifar10"}, [])
    assert stage.photographs.join(60)
    return stage.needs["cifar10"]["status"]


def test_photographs_on_the_disk_are_taken_at_once(photographs):
    stage, _ = photographs
    assert stage.datasets == ["digits", "cifar10"]
    assert ask(stage, "load") == "here"
    state = json.loads(gzip.decompress(stage.recorded["cifar10"]))
    assert state["sprite"]["url"].startswith("data:image/png;base64,")
    assert not state["sprite"]["grey"]
    assert {net["key"] for net in state["nets"]} >= {"20", "56"}


def test_photographs_that_are_not_here_are_offered_and_then_downloaded(photographs):
    stage, answers = photographs
    answers[False] = DatasetUnavailable("it is not there")
    assert ask(stage, "load") == "missing"
    assert "170 MB" in stage.needs["cifar10"]["words"]
    assert "cifar10" not in stage.recorded
    assert ask(stage, "download") == "here"
    assert "cifar10" in stage.recorded


@pytest.mark.parametrize("failure", [DatasetUnavailable("cifar10 could not be downloaded"), ValueError("bad bytes")])
def test_photographs_that_cannot_be_had_are_said_in_a_sentence(photographs, failure):
    stage, answers = photographs
    answers[False], answers[True] = DatasetUnavailable("it is not there"), failure
    assert ask(stage, "load") == "missing"
    assert ask(stage, "download") == "failed"
    assert str(failure) in stage.needs["cifar10"]["words"]
    answers[True] = answers[False] = DATASETS["digits"]()  # other pictures than those that were measured
    assert ask(stage, "download") == "failed"
    assert "these are pictures of cifar10" in stage.needs["cifar10"]["words"]


def test_the_progress_of_a_download_is_shown(photographs, monkeypatch):
    stage, _ = photographs
    told, arrived = threading.Event(), DATASETS["cifar10"]
    monkeypatch.setattr("reslab.downloads.bytes_here", lambda kind: 85e6)
    monkeypatch.setitem(DATASETS, "cifar10", lambda: told.wait(60) and arrived())

    def watch(change):
        if change.new["cifar10"]["words"] == "85 of 170 MB have arrived":
            assert change.new["cifar10"]["share"] == 0.5
            told.set()

    stage.observe(watch, "needs")
    assert ask(stage, "download") == "here"
    assert told.is_set()


def test_ready_ticks_off_what_doctor_finds(monkeypatch):
    found = [
        {"check": "Python", "level": "ok", "found": "3.11", "advice": ""},
        {"check": "Kernel", "level": "problem", "found": "none <here>", "advice": "Install one."},
    ]
    monkeypatch.setattr("reslab.explorers.ready.examine", lambda: iter(found))
    ready = Ready()
    assert ready.join(10)
    assert "✓ Python" in ready.widget.value
    assert "✗ Kernel" in ready.widget.value
    assert "none &lt;here&gt;<br>Install one." in ready.widget.value
    assert "Not ready: see Kernel." in ready.widget.value


def test_the_module_is_one_text_without_imports():
    for last in ("widget", "page"):
        assert "\nimport " not in page.module(last)
    assert page.module("widget").count("export default") == 1
