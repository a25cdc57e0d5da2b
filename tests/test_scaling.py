"""Lesson 11: what its experiments return, what its figures show, and its claims, over three seeds."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from reslab.datasets import digits
from reslab.experiments import scaling
from reslab.figures import scaling as figures
from reslab.figures.degradation import training_curves
from reslab.nets import NetSpec
from reslab.train import TrainSpec, fit

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = TrainSpec(epochs=4, batch_size=50)  # on 200 images: 16 steps


@pytest.mark.claims
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_training_that_was_stopped_has_the_numbers_of_one_that_was_not(seed):
    frame = scaling.stopped(8, at=(3, 4, 11), seed=seed, split=digits().subset(200, 60), how=QUICK, device="cpu")
    assert scaling.same_numbers(frame)
    assert frame.groupby("name")["step"].apply(list).tolist() == [list(range(1, 17))] * 2
    assert set(frame["name"]) == {"resnet-8, in one go", "resnet-8, stopped 3 times"}
    drawn = {trace.name for trace in training_curves(frame).data if trace.name}
    assert any("stopped 3 times" in name.replace("<br>", " ") for name in drawn)
    frame.loc[frame.index[-1], "loss"] = np.nextafter(frame["loss"].iloc[-1], 9)
    assert not scaling.same_numbers(frame)


@pytest.mark.claims
@pytest.mark.parametrize(("seed", "processes"), [(0, (1, 2)), (1, (2,)), (2, (2,))])
def test_two_processes_have_the_losses_of_one(seed, processes):
    command = f"reslab train resnet-8 --width 8 --norm none --epochs 2 --device cpu --seed {seed}"
    frame = scaling.torchrun(command, processes)
    if 1 not in processes:  # the one process is this one
        spec = NetSpec(depth=8, width=8, norm="none", **digits().shape)
        run = fit(spec, digits(), TrainSpec(epochs=2), seed=seed, device="cpu", progress=False)
        frame = pd.concat([frame, run.frame().assign(where="1 process")], ignore_index=True)
    losses = scaling.losses(frame)
    assert losses.index.tolist() == [("resnet-8", seed, step) for step in range(1, 21)]
    assert (
        figures.agreement_sentence(losses)
        == "1 net, 1 process and 2 processes: the same losses to 4 digits, in all 20 steps."
    )


def test_what_torchrun_cannot_train_is_a_sentence():
    with pytest.warns(UserWarning, match="torchrun with 1 process trained nothing here: Error: .*resnet-9"):
        frame = scaling.torchrun("reslab train resnet-9", processes=(1,))
    assert figures.agreement_sentence(scaling.losses(frame)) == "Nothing to compare: see the warning above."
    with pytest.warns(UserWarning, match="torchrun with 2 processes trained nothing here: ValueError: .*33"):
        scaling.torchrun("reslab train resnet-8 --device cpu --epochs 0.1 --batch-size 33", processes=(2,))
    with pytest.warns(
        UserWarning, match=r"torchrun with 2 processes trained nothing here: nothing came of it in 0\.1 s"
    ):
        scaling.torchrun("reslab train resnet-8 --device cpu", processes=(2,), timeout=0.1)


def test_trainings_of_which_one_broke_off_do_not_agree():
    steps = pd.MultiIndex.from_product([["net"], [0], [1, 2, 3]], names=["name", "seed", "step"])
    for lost in ([2.0, np.nan, np.nan], [2.0, 1.0, np.inf], [np.nan] * 3):
        losses = pd.DataFrame({"here": [2.0, 1.0, 0.5], "there": lost}, index=steps)
        count = int((~np.isfinite(lost)).sum())
        said = f"here and there: {count} of 3 steps have no loss in one of them, so the trainings do not agree."
        assert figures.agreement_sentence(losses) == said


# In a process of its own: Ray leaves warnings, sockets and threads behind.
ON_RAY = """
from reslab.experiments import scaling
from reslab.figures.scaling import agreement_sentence

frame = scaling.clustered(seeds=(0, 1, 2))
assert set(frame["origin"].str.contains("recorded")) == {False}
print(agreement_sentence(scaling.losses(frame)))
"""


@pytest.mark.claims
def test_ray_has_the_losses_of_threads():
    done = subprocess.run([sys.executable, "-c", ON_RAY], capture_output=True, text=True, timeout=1800)
    assert done.stdout == "3 nets, on Ray and without Ray: the same losses to 4 digits, in all 60 steps.\n", done.stderr


def test_without_ray_nothing_is_trained_and_the_sentence_is_the_one_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert figures.agreement_sentence(scaling.losses(scaling.clustered()), missing="No Ray here.") == "No Ray here."


def test_where_ray_does_not_start_the_lesson_goes_on_without(monkeypatch):
    def no_ray(*_, **__):
        raise ConnectionError("Ray does not start here: it timed out.")
        yield

    monkeypatch.setattr("reslab.cluster.train", no_ray)
    how = TrainSpec(epochs=0.3, batch_size=50)
    with pytest.warns(UserWarning, match="trained without Ray alone: Ray does not start here: it timed out"):
        frame = scaling.clustered(seeds=(0,), split=digits().subset(200, 60), how=how)
    assert set(frame["where"]) == {"without Ray"}
    assert figures.agreement_sentence(scaling.losses(frame)) == "Nothing to compare: see the warning above."


def test_losses_that_differ_are_said_to():
    where = ["here", "here", "there", "there"]
    frame = pd.DataFrame(
        {"name": "resnet-8", "seed": [0, 1, 0, 1], "step": 1, "loss": [2.0, 1.0, 2.0, 1.03], "where": where}
    )
    assert (
        figures.agreement_sentence(scaling.losses(frame)) == "2 nets, here and there: losses that differ by up to 3.0%."
    )


def test_the_papers_hours_are_its_steps_times_a_step():
    frame = scaling.paper_recipe(("resnet-8", "plain-8"), steps=1, device="cpu")
    assert frame["name"].tolist() == ["resnet-8", "plain-8"]
    assert (frame["step_seconds"] > 0).all()
    assert frame["hours"].tolist() == pytest.approx((frame["step_seconds"] * 64_000 / 3600).tolist())
    assert set(frame["device"]) == {"cpu"}
    assert set(frame["precision"]) == {"fp32"}


def test_the_papers_steps_are_timed_in_either_precision(monkeypatch):
    asked, train = [], scaling.train
    monkeypatch.setattr(
        scaling, "train", lambda net, split, how, **others: asked.append(how) or train(net, split, how, **others)
    )
    frame = scaling.paper_recipe(("plain-8",), precision="bf16", steps=1, device="cpu")
    assert [how.precision for how in asked] == frame["precision"].tolist() == ["bf16"]
    assert (frame["step_seconds"] > 0).all()


@pytest.mark.parametrize(
    ("seconds", "times", "verdict"),
    [(0.2, "0.5", "it is faster"), (0.43, "1.1", "it makes no clear difference"), (4.8, "12", "it is slower")],
)
def test_precision_in_words(seconds, times, verdict):
    usual = pd.DataFrame({"name": ["resnet-20", "resnet-56"], "precision": "fp32", "step_seconds": [0.4, 1.2]})
    other = pd.DataFrame({"name": ["resnet-20"], "precision": "bf16", "step_seconds": [seconds]})
    said = f"A step of resnet-20 takes {times} times as long in bf16 as in fp32: {verdict} here."
    assert figures.precision_sentence(usual, other) == said


@pytest.mark.parametrize(
    ("hours", "said", "long"), [(0.5, "minutes", "30 minutes"), (7.4, "hours", "7 hours"), (84, "days", "3.5 days")]
)
def test_durations_in_words(hours, said, long):
    frame = pd.DataFrame({"name": ["resnet-20", "resnet-56"], "hours": [1e9, hours]})
    assert scaling.verdict(frame) == said
    assert figures.duration(hours) == long


def test_throughput_is_measured_for_every_number_of_workers():
    frame = scaling.throughput(
        (1, 2), nets=2, depth=8, split=digits().subset(200, 60), how=TrainSpec(epochs=1, batch_size=50)
    )
    assert frame["workers"].tolist() == [1, 2]
    assert frame["nets_per_minute"].tolist() == pytest.approx((120 / frame["seconds"]).tolist())
    assert frame["speed"].tolist() == pytest.approx([1, frame["seconds"][0] / frame["seconds"][1]])


def test_the_figures_show_the_frames_and_the_sentences_say_them():
    frame = pd.DataFrame({
        "name": ["resnet-20", "plain-56"], "depth": [20, 56], "skip": [True, False], "step_seconds": [0.4, 1.25],
        "hours": [7.1, 22.2],
        "machine": "Zuse Z3",
    })  # fmt: skip
    figure = figures.hours(frame)
    assert [(bar.x[0], bar.y[0], bar.text[0]) for bar in figure.data] == [
        ("resnet-20", 7.1, "7 hours"),
        ("plain-56", 22.2, "22 hours"),
    ]
    assert figures.paper_sentence(frame) == (
        "One step of 128 images takes resnet-20 0.4 s, so 7 hours; plain-56 1.2 s, so 22 hours "
        "for the 64,000 of the paper."
    )
    frame = pd.DataFrame({"workers": [1, 2], "nets_per_minute": [30.0, 57.0], "speed": [1.0, 1.9]})
    measured, ideal = figures.throughput(frame).data
    assert (list(measured.y), list(ideal.y)) == ([30, 57], [30, 60])
    assert figures.throughput_sentence(frame) == "2 workers train 1.90 times as many nets a minute as 1."
    says = {1.04: "train as many nets a minute as 1 (1.04 times)", 1.06: "train 1.06 times as many", 0.5: "0.50 times"}
    for speed, words in says.items():
        assert words in figures.throughput_sentence(frame.assign(speed=[1.0, speed]))
    assert not figures.throughput(frame.iloc[:0]).data
    with pytest.raises(ValueError, match="lacks nets_per_minute"):
        figures.throughput(frame[["workers"]])
