"""`reslab train`, `sweep` and `runs`: exit codes have meanings, Ctrl-C loses nothing, every printed command works."""

import csv
import dataclasses
import json
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from reslab.cli import reproduce
from reslab.cli.options import join_with_commas, split_at_commas
from reslab.datasets import digits
from reslab.runs import Run
from reslab.store import Store
from reslab.train import TrainSpec, fit

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = "--width 4 --epochs 1"  # 10 steps of the digits


# Training


def test_train_keeps_the_run_that_fit_makes(reslab, folder):
    said = reslab(f"train resnet-8 {SHORT} --capture-every 4 --device cpu").stdout
    (run,) = Store(folder).runs()
    same = fit(run.spec, digits(), TrainSpec(epochs=1, capture_every=4), device="cpu", progress=False)
    assert run.history["loss"].equals(same.history["loss"])
    assert run.layers.equals(same.layers)
    assert "resnet-8 on digits, seed 0, finished after 10 steps" in said
    assert f"{run.final_train_error:.1%} of the training and" in said
    assert "(it was there; --again trains it again)" in reslab(f"train resnet-8 {SHORT} --capture-every 4").stdout
    before = run.history["seconds"].tolist()
    reslab(f"train resnet-8 {SHORT} --capture-every 4 --again")
    assert Store(folder).runs()[0].history["seconds"].tolist() != before


def test_json_is_a_line_a_run(reslab, folder):
    result = reslab(f"sweep plain-8,resnet-8 {SHORT} --seed 0,1 --json --workers 1")
    rows = [
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        for line in result.stdout.splitlines()
    ]
    assert sorted((row["name"], row["seed"]) for row in rows) == [
        ("plain-8", 0),
        ("plain-8", 1),
        ("resnet-8", 0),
        ("resnet-8", 1),
    ]
    for row in rows:
        assert Run.load(row["file"]).final_train_error == row["final_train_error"]


def test_a_part_of_the_images_is_named_as_one_and_its_command_names_it_again(reslab, folder):
    reslab(f"train resnet-8 {SHORT} --dataset digits-200+60@3")
    (run,) = Store(folder).runs(dataset="digits-200+60@3")
    assert run.data == digits().subset(200, 60, seed=3).fingerprint
    assert "200 train and 60 test images of it drawn with seed 3" in run.source
    assert reproduce.command([run]).endswith("--epochs 1 --dataset digits-200+60@3 --seed 0")


def test_sweep_trains_every_combination(reslab, folder):
    reslab("sweep --depth 8,14 --skip yes,no --width 3,4 --epochs 0.1 --seed 0,1")
    assert len(Store(folder).runs()) == 16
    assert len(Store(folder).runs(depth=14, skip=False, width=3)) == 2


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        ("train resnet-57", 2, "NAME is 'resnet-57'; it can be"),
        ("train --depth 57", 2, "CIFAR basic nets have depth 6n+2: 56 or 62"),
        ("train --lr 0", 2, "lr is 0.0; it must be a finite number above 0"),
        ("train --lr fast", 2, "'fast' is not a valid float"),
        ("train --norm layer", 2, "'layer' is not one of 'batch'"),
        ("train --milestones 0.5,2", 2, "a milestone is 2.0"),
        ("train --dataset digit", 2, "dataset is 'digit'; it can be 'digits'"),
        ("train --device gpu0", 2, "device is 'gpu0'"),
        ("train --batch-size 5000", 2, "batch_size is 5000, and digits has 1400 training images"),
        ("train --dept 56", 2, "No such option"),
        ("sweep --depth 8,57", 2, "depth is 57"),
        ("sweep --seed 0,x", 2, "'x' is not a valid integer"),
        ("sweep --workers 0", 2, "workers is 0; it must be at least 1"),
        ("sweep --workers 2 --address auto", 2, "workers is for one machine"),
        ("runs show nothing", 2, "has no one run 'nothing'; none of its runs has it in its name"),
        ("train --store recorded", 2, "the store that comes with reslab is for reading; --store FOLDER keeps new runs"),
        (["sweep", "--seed", ""], 2, "'' holds no value; give one, or several with commas"),
        (["sweep", "--depth", ", ,"], 2, "', ,' holds no value"),
        (["sweep", ""], 2, "'' holds no value"),
        (["sweep", "--dataset", ","], 2, "',' holds no value"),
        ("runs list depth", 2, "'depth' is no filter; write FIELD=VALUE"),
        ("runs list skip=maybe", 2, "skip is 'maybe'; it must be True or False"),
        ("runs list depth=deep", 2, "depth is 'deep'; it must be a number"),
        ("runs list milestones=0.5,half", 2, "milestones is 'half'; it must be numbers, such as 0.5,0.75"),
        ("runs list norm=bach", 2, "norm is 'bach'; it can be 'batch'"),
        ("runs list outcome=finish", 2, "Did you mean 'finished'?"),
        ("runs export seed=first", 2, "seed is 'first'; it must be a number"),
        ("runs export", 1, "there is nothing to export"),
        ("runs export -o x.xlsx", 2, "'x.xlsx' can be a .csv or a .json file"),
        ("lab --lessons /dev/null/nowhere", 1, "the lessons cannot be copied to /dev/null/nowhere: Not a directory"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_with_its_exit_code(reslab, words, exit_code, says):
    result = reslab(words, exit_code)
    assert says in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        (" a , ,b,", ["a", "b"]),
        ('"cats,dogs/",digits', ["cats,dogs/", "digits"]),
        ('a, "b,c"', ["a", "b,c"]),
        ('"a ""b"", c"', ['a "b", c']),
        ("'a'", ["'a'"]),
        ("", []),
    ],
)
def test_between_commas_stand_values_and_in_double_quotes_a_comma(text, values):
    assert split_at_commas(text) == values
    assert split_at_commas(join_with_commas(values)) == values


def test_a_dataset_with_a_comma_in_its_name_is_swept_listed_and_swept_again(reslab, folder, tmp_path):
    path = str(tmp_path / "cats,dogs.npz")
    images = {"x": np.arange(30, dtype=np.uint8).repeat(64).reshape(30, 8, 8), "y": np.arange(30) % 2}
    np.savez(path, **images)
    words = [*f"sweep resnet-8 {SHORT} --batch-size 5 --seed 0,1 --dataset".split(), f'"{path}",digits-40+40']
    reslab(words)
    assert len(Store(folder).runs()) == 4
    listed = reslab(["runs", "list", 'dataset="cats,dogs"', "skip=yes", "--json"]).stdout.splitlines()
    assert [json.loads(line)["seed"] for line in listed] == [0, 1]
    runs = Store(folder).runs(dataset="cats,dogs")
    again = shlex.split(reproduce.command(runs, Store(folder)))
    assert reslab(again[1:]).stdout.count("it was there") == 2


def test_filters_are_read_by_the_kind_of_their_field(reslab, folder, split, spec):
    run = fit(spec, split, TrainSpec(epochs=0.3, batch_size=50), device="cpu", progress=False)
    for name, seed in (("2024", 0), ("true", 1)):
        Store(folder).add(dataclasses.replace(run, dataset=name, seed=seed))

    def seeds(words):
        lines = reslab(f"runs list --json {words}").stdout.splitlines()
        return sorted(json.loads(line)["seed"] for line in lines)

    assert seeds("dataset=2024") == [0]
    assert seeds("dataset=true,2024") == [0, 1]
    assert seeds("skip=yes") == seeds("skip=TRUE") == seeds("skip=1") == seeds("norm=batch outcome=finished") == [0, 1]
    assert seeds("skip=no") == seeds("skip=false") == seeds("seed=7") == seeds("depth=none") == []
    assert seeds("seed=0 seed=1") == [0, 1]  # of both


def test_the_ending_of_an_export_may_be_in_capitals(reslab, folder, tmp_path):
    reslab("train resnet-8 --width 4 --epochs 0.1")
    reslab(f"runs export -o {tmp_path / 'A.CSV'}")
    reslab(f"runs export -o {tmp_path / 'A.JSON'}")
    rows = list(csv.DictReader((tmp_path / "A.CSV").read_text().splitlines()))
    assert len(rows) == len(json.loads((tmp_path / "A.JSON").read_text())) == 1


def test_a_store_that_cannot_be_written_is_an_error(reslab, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = reslab(f"train resnet-8 {SHORT} --store {tmp_path / 'file' / 'runs'}")
    assert "Warning: resnet-8, seed 0, could not be saved: " in result.stderr
    assert "Kept in" not in result.stdout
    as_json = reslab(f"train resnet-8 {SHORT} --json --store {tmp_path / 'file' / 'runs'}").stdout
    assert json.loads(as_json)["file"] is None
    assert "is a file; a store is a folder of runs" in reslab(f"runs list --store {tmp_path / 'file'}", 1).stderr


def test_what_is_given_twice_is_trained_once(reslab, folder):
    said = reslab("sweep resnet-8,resnet-8 --width 4 --epochs 0.1 --seed 0,0 --dataset digits,digits").stdout
    assert said.count("finished after") == 1


def test_a_diverged_net_has_an_exit_code_of_its_own_and_a_failed_one_that_of_failure(reslab, monkeypatch):
    wild = "--norm none --schedule constant --lr 30 --epochs 3 --width 5"
    assert "diverged after" in reslab(f"train plain-8 {wild}", 3).stdout
    assert "diverged after" in reslab(f"train plain-8 {wild}", 3).stdout  # from the store

    def fail(*_, **__):
        raise RuntimeError("no such luck")

    monkeypatch.setattr("reslab.job.build", fail)
    result = reslab(f"sweep plain-8 {wild} --seed 0,1", 1)
    assert (
        "plain-8 on digits, seed 1, failed after 0 steps, 0.0 s: RuntimeError: no such luck (test_cli.py:"
        in result.stdout
    )
    assert "Warning: plain-8, seed 1, on digits failed: RuntimeError: no such luck" in result.stderr


# Interrupted


@pytest.fixture
def heeded():
    """A shell makes its background processes ignore SIGINT; children of these tests would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("heeded")
def test_an_interrupt_saves_and_the_same_command_goes_on(reslab, folder, how):
    words = ["train", "resnet-8", "--width", "4", "--epochs", "300", "--log-every", "10"]
    begin = [sys.executable, "-m", "reslab", *words, "--device", "cpu", "--save-every", "0"]
    with subprocess.Popen(begin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        while not list(folder.glob("digits/*.safetensors")) and command.poll() is None:
            time.sleep(0.05)
        command.send_signal(how)
        _, errors = command.communicate(timeout=60)
    assert command.returncode == 130, errors
    assert (
        errors.strip().splitlines()[-1] == f"Interrupted, and saved in {folder}: the same command goes on from there."
    )
    (begun,) = Store(folder).unfinished()
    assert 10 <= begun.summary()["steps"] < 3000
    assert "Traceback" not in errors
    listed = reslab("runs list").stdout
    assert "Stopped at step" in listed
    assert listed.splitlines()[-1].strip() == f"reslab {' '.join(words)} --dataset digits --seed 0"


# Looking at runs


@pytest.fixture
def two(reslab):
    reslab(f"sweep plain-8,resnet-8 {SHORT} --capture-every 5 --workers 1")


def test_runs_list(reslab, folder, two):
    listed = reslab("runs list").stdout
    assert [line.split()[:4] for line in listed.splitlines()[1:]] == [
        [name, "digits", "0", "finished"] for name in ("plain-8", "resnet-8")
    ]
    assert len(reslab("runs list skip=false depth=8,14 norm=batch epochs=1.0").stdout.splitlines()) == 2
    assert "There are no such runs in" in reslab("runs list depth=20").stdout
    rows = [json.loads(line) for line in reslab("runs list --json").stdout.splitlines()]
    assert [row["name"] for row in rows] == ["plain-8", "resnet-8"]
    (folder / "digits" / "notes.json").write_text("{}", encoding="utf-8")
    assert "Warning: passed over: " in reslab("runs list").stderr


def test_runs_show(reslab, folder, two):
    (run,) = Store(folder).runs(skip=True)
    file = Store(folder).path_of(run)
    shown = reslab(f"runs show {file.stem.split('.')[-1]}").stdout
    for words in ("depth              8", "epochs             1.0", "final_train_error", "commit", "test_error"):
        assert words in shown
    assert (
        shown.splitlines()[-1].strip()
        == "reslab train resnet-8 --width 4 --epochs 1 --capture-every 5 --dataset digits --seed 0 --again"
    )
    assert reslab("runs show resnet --json").stdout.strip() == file.read_text(encoding="utf-8")
    assert "2 runs have it in their names: plain-8.width4.seed0." in reslab("runs show width4", 2).stderr


def test_runs_compare(reslab, two):
    compared = reslab("runs compare plain resnet").stdout
    rows = [line.split()[0] for line in compared.splitlines()[1:]]
    assert {"name", "skip", "outcome", "final_train_error", "test_error"} <= set(rows)
    assert not {"width", "lr", "depth", "machine"} & set(rows)
    table = json.loads(reslab("runs compare plain resnet --json").stdout)
    assert [column["skip"] for column in table.values()] == [False, True]


def test_runs_export(reslab, folder, two, tmp_path):
    history = Store(folder).history()
    assert len(reslab("runs export").stdout.splitlines()) == 1 + len(history)
    reslab(f"runs export --layers skip=true -o {tmp_path / 'layers.csv'}")
    with (tmp_path / "layers.csv").open(encoding="utf-8", newline="") as file:
        layers = list(csv.DictReader(file))  # pandas 3.0.6 misreads the last digit of a third of all floats
    assert [float(row["gradient_rms"]) for row in layers] == Store(folder).layers(skip=True)["gradient_rms"].tolist()
    reslab(f"runs export -o {tmp_path / 'runs.json'}")
    rows = json.loads((tmp_path / "runs.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert [row["loss"] for row in rows] == history["loss"].tolist()
    assert [row["test_error"] is None for row in rows] == history["test_error"].isna().tolist()


def test_the_command_of_a_run_records_it_again(reslab, folder):
    how = "--epochs 0.1 --lr 0.003 --milestones 0.25,0.5 --label-noise 0.2"
    words = f"train plain-20 --init xavier --width 5 {how} --dataset digits --seed 4"
    reslab(words)
    (run,) = Store(folder).runs()
    assert reproduce.command([run]) == f"reslab {words}"
    assert reproduce.command([run, dataclasses.replace(run, seed=5)]) == f"reslab {words.replace('train', 'sweep')},5"


@pytest.mark.parametrize("net", ["--depth 14 --no-skip", "resnet-32 --order preact", "wide-resnet-16-8 --widen 2"])
def test_the_command_of_a_net_without_a_name_of_its_own_is_one_that_can_be_given(reslab, folder, net):
    reslab(f"train {net} --width 3 --epochs 0.1")
    (run,) = Store(folder).runs()
    assert "it was there" in reslab(reproduce.command([run]).removeprefix("reslab ")).stdout
    assert len(Store(folder).runs()) == 1


def test_no_command_is_given_that_would_record_something_else(reslab, folder):
    reslab("sweep resnet-20 --depth 14,26 --width 3 --epochs 0.1")
    runs = Store(folder).runs()
    assert [reproduce.command([run]).split()[2:5] for run in runs] == [
        ["resnet-20", "--depth", depth] for depth in ("14", "26")
    ]
    with pytest.raises(ValueError, match="resnet-14 and resnet-26 are not of one command; ask for each by itself"):
        reproduce.command(runs)
