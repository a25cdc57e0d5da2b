"""The recorded runs: whole, small, listed with where they come from, and what the commands in their README record."""

import importlib.util
import itertools
import re
import shlex
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from reslab import cli, recorded
from reslab.cli.reproduce import named
from reslab.datasets import digits
from reslab.experiments import variants
from reslab.experiments.scaling import noise
from reslab.figures import theme
from reslab.nets import FAMILY
from reslab.train import PRESETS, TrainSpec, evaluate, train

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
KINDS = ("plain", "resnet")
README = (DATA / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (reslab .*)", README, re.MULTILINE)
PAPERS = re.findall(
    r"^    (reslab .*)", README.partition("## The papers' runs")[2], re.MULTILINE
)  # to be recorded on a GPU


@pytest.fixture(scope="module")
def store():
    return recorded()


SLOW_ORDERS = {"norm after addition", "ReLU before addition"}


@pytest.fixture(scope="module")
def runs(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a file that is not whole is a warning
        return store.runs()


def module():
    spec = importlib.util.spec_from_file_location("readme", DATA / "readme.py")
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    return readme


def test_the_readme_is_of_these_runs(store):
    assert store.path == DATA / "runs"
    assert module().readme(store) == README, "data/README.md is stale: run `python data/readme.py`"


def test_the_folder_is_small_and_holds_runs_alone(store, runs):
    files = [path for path in store.path.rglob("*") if path.is_file() and path.name != ".lock"]
    learned = {file for file in files if file.parent.name == "weights"}
    assert {store.path_of(run) for run in runs} == set(files) - learned, (
        "a spec has a new field, which does not say what it was before"
    )
    assert {store.path_of(replace(run, how=TrainSpec(**run.how).to_dict())) for run in runs} == set(files) - learned
    assert {file.stem for file in learned} == {store.path_of(run).stem for run in runs if store.has_weights(run)}
    assert sum(path.stat().st_size for path in files) < module().LIMIT


def test_plain_and_residual_nets_of_every_depth_are_there_over_three_seeds(store):
    found = store.runs(dataset="digits", capture_every=5)
    wanted = {(skip, depth, seed) for skip in (False, True) for depth in (8, 20, 32, 44, 56, 110) for seed in (0, 1, 2)}
    assert {(run.spec.skip, run.spec.depth, run.seed) for run in found} == wanted
    assert len(found) == len(wanted)
    for run in found:
        assert run.outcome == "finished"
        assert run.layers["index"].max() == (run.spec.depth - 2) // 2
        assert run.layers["step"].nunique() >= 10


@pytest.mark.parametrize(
    ("depth", "how", "names", "seeds"),
    [
        (56, {"epochs": 6, "capture_every": 0}, set(variants.VARIANTS), {0, 1, 2}),
        (56, {"epochs": 18}, {"no norm", "SkipInit", "Fixup", "stochastic depth", *SLOW_ORDERS}, {0, 1, 2}),
        (
            110,
            {"lr": 0.1},
            {"ResNet", "pre-activation", "ReLU-only pre-activation", "ReZero", *SLOW_ORDERS},
            set(range(5)),
        ),
    ],
)
def test_the_races_of_lesson_09_are_there_over_their_seeds(depth, how, names, seeds):
    frame = variants.recorded_race(variants.a_net(digits(), depth), "digits", **how)
    found = frame.groupby("name")["seed"].agg(set).to_dict()
    assert found == dict.fromkeys(names, seeds)


def test_the_digits_are_the_digits(store):
    found, split = store.runs(dataset="digits"), digits()
    assert all(run.spec == replace(run.spec, width=8, **split.shape) and run.data == split.fingerprint for run in found)


def test_the_thousand_layers_are_recorded_as_they_went(store):
    """The original order stays at chance at the lesson's learning rate: a result, and no failure of the run."""
    quick, gentle = store.runs(depth=1202, epochs=6), store.runs(depth=1202, epochs=18)
    assert {(run.spec.order, run.seed) for run in quick} == {
        (order, seed) for order in ("original", "preact") for seed in (0, 1, 2)
    }
    assert [(run.spec.order, run.seed, run.how["lr"]) for run in gentle] == [("original", 0, 0.01)]
    assert {(run.dataset, run.outcome) for run in quick + gentle} == {("digits", "finished")}


# How each part of the photographs was trained: images, net names with their seeds, and the training.
SUBSET = PRESETS["cpu-subset"]
TENTH = {
    f"{kind}-{depth}": {0, 1, 2} if depth in (20, 56) else {0} for kind in KINDS for depth in (20, 32, 44, 56, 110)
}
TENTH |= {
    "resnet-110": {0, 1, 2},
    "preact-resnet-110": {0, 1, 2},
    "stochastic-resnet-110": {0, 1, 2},
    "preact-resnet-164": {0},
}
TENTH_BF16 = {"plain-20": {0, 1, 2}, "resnet-20": {0, 1, 2}, "resnet-110": {0}, "wide-resnet-16-8": {0}}
PHOTOS = {
    "a tenth": ("cifar10-5000+1000@34900", TENTH, SUBSET),
    "a tenth, bf16": ("cifar10-5000+1000@34900", TENTH_BF16, replace(SUBSET, precision="bf16")),
    "a tenth, enlarged": (
        "cifar10-5000+1000@34900-64px",
        {f"{kind}-{depth}": {0, 1, 2} for kind in KINDS for depth in (18, 34)},
        replace(SUBSET, precision="bf16"),
    ),
    "all": (
        "cifar10",
        {f"{kind}-{depth}": {0} for kind in KINDS for depth in (20, 56)},
        replace(PRESETS["short"], precision="bf16", capture_first=100, capture_every=100),
    ),
    "all, half the paper's steps": (
        "cifar10",
        {f"{kind}-{depth}": {0} for kind in KINDS for depth in (20, 56)},
        replace(PRESETS["paper-half"], precision="bf16", capture_first=40, capture_every=1000, test_every=4),
    ),
}


@pytest.mark.parametrize("part", PHOTOS)
def test_photographs_are_recorded_as_what_they_are(store, part):
    dataset, seeds, how = PHOTOS[part]
    found = store.runs(dataset=dataset, precision=how.precision, epochs=how.epochs)
    assert {name: {run.seed for run in found if run.name == name} for name in {run.name for run in found}} == seeds
    assert len(found) == sum(map(len, seeds.values()))
    for run in found:
        assert run.spec == replace(FAMILY[run.name], image_size=64 if "64px" in dataset else 32, classes=10)
        assert TrainSpec(**run.how) == how
        assert run.source.startswith("CIFAR-10: Krizhevsky 2009")
        assert "95 (75 training, 20 test) come from a JPEG copy" in run.source
        assert ("5000 train and 1000 test images of it drawn with seed 34900" in run.source) == ("5000" in dataset)
        assert ("resized from 32 × 32 to 64 × 64 pixels" in run.source) == ("64px" in dataset)
        assert run.source in README
        assert run.layers["step"].nunique() >= 60
        assert run.layers["index"].max() == sum(run.spec.blocks_per_stage)


def test_no_other_photographs_are_there_and_none_is_counted_as_the_papers(store):
    found = [
        run
        for run in store.runs()
        if run.dataset != "digits" and (run.dataset, run.summary()["steps"]) != ("cifar10", 64_000)
    ]
    assert len(found) == sum(len(some) for _, seeds, _ in PHOTOS.values() for some in seeds.values())
    assert README.count("**Not the papers' runs**") == len(PHOTOS)
    assert all(module().is_small(run) for run in found)


def test_a_run_that_went_on_elsewhere_names_both_machines_in_its_file_and_in_the_readme(runs):
    resumed = {run.name: run.provenance for run in runs if ", then " in run.provenance.device}
    assert set(resumed) == {"plain-56", "resnet-56"}
    for where in resumed.values():
        assert where.device == "cuda, then cpu"
        for both in (where.machine, where.torch, where.commit):
            assert all(part in README for part in both.split(", then "))


def test_the_step_at_which_a_run_went_on_elsewhere_is_that_from_which_its_steps_take_longer(runs):
    resumed = {run.name: run.history for run in runs if ", then " in run.provenance.device}
    assert resumed.keys() == module().WENT_ON.keys()
    for name, step in module().WENT_ON.items():
        history = resumed[name].set_index("step")
        seconds = history["seconds"].diff() / history.index.diff()
        assert seconds[seconds.index > step].min() > 5 * seconds[seconds.index <= step].max()


def test_every_run_says_truly_where_it_comes_from(runs):
    for run in runs:
        where = run.provenance
        # Of a checkout with nothing changed in it; on the GPU it had a change, which the README describes.
        commits = where.commit.split(", then ")
        assert re.fullmatch(r"[0-9a-f]{12}" + "-dirty" * where.device.startswith("cuda"), commits[0])
        assert all(re.fullmatch(r"[0-9a-f]{12}", commit) for commit in commits[1:])
        assert all(commit in README for commit in commits)
        assert all(machine in README for machine in where.machine.split(", then "))
        assert run.summary()["seconds"] > 0


def test_lessons_read_them_as_tidy_frames_labelled_as_recorded(store):
    alike = {"dataset": "digits", "depth": 56, "capture_every": 5}
    for frame in (store.history(**alike), store.layers(**alike)):
        assert set(frame["seed"]) == {0, 1, 2}
        assert set(frame["skip"]) == {False, True}
        assert all(map(theme.recorded, frame["origin"].unique()))
        assert frame["origin"].nunique() == 1
    assert len(store.frame()) == len(store.runs())


def test_weights_of_the_nets_that_lessons_take_apart_are_there(store, runs):
    kept = sorted((run.dataset, run.name, run.seed) for run in runs if store.has_weights(run))
    # Photographs: after 15 epochs, and after half the paper's steps. Digits: those of lesson 05, three seeds.
    photos = [("cifar10", f"{kind}-{depth}", 0) for kind in KINDS for depth in (20, 56)]
    digits = [("digits", name, seed) for name in ("plain-20", "resnet-20", "resnet-56") for seed in (0, 1, 2)]
    assert kept == sorted([*photos, *photos, *digits, ("digits", "plain-56", 0)])
    for run in filter(store.has_weights, runs):
        weights, train_error = store.weights(run), run.final_train_error
        # The numbers are rounded.
        assert weights.train_error == pytest.approx(train_error, abs=0.005)
        assert weights.test_error == pytest.approx(run.summary()["test_error"], abs=0.005)
        assert sum(parameter.numel() for parameter in store.net(run).parameters()) == run.parameters


def test_the_weights_evaluated_again_have_the_errors_recorded_with_them(store):
    """Those of CIFAR-10 need its photos, which are not here; they were written by the same code."""
    split, image = digits(), 1 / 1400  # of 1,400 and 397 images: another processor may see one on the edge otherwise
    for run in filter(store.has_weights, store.runs(dataset="digits")):
        net, weights = store.net(run), store.weights(run)
        assert evaluate(net, split, "train") == pytest.approx(weights.train_error, abs=1.5 * image)
        assert evaluate(net, split, "test") == pytest.approx(weights.test_error, abs=5 * image)


def test_a_recorded_run_is_what_a_training_here_begins_with(store):
    """Another processor or PyTorch rounds otherwise, and what differs grows: so the first steps, and roughly."""
    from reslab.nets import build

    split = digits()
    (run,) = store.runs(dataset="digits", width=8, skip=True, depth=20, seed=0)
    events = train(build(run.spec, seed=0), split, TrainSpec(**run.how), device="cpu")
    losses = [next(events).loss for _ in range(3)]
    assert losses == pytest.approx(run.history["loss"][:3].tolist(), rel=1e-3)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_readme_are_commands(command, monkeypatch, tmp_path):
    asked = {}

    def sweep(specs, splits, how, **others):
        asked.update(specs=specs, how=how, **others)
        return iter(())

    monkeypatch.setattr("reslab.sweep.sweep", sweep)
    images = (
        digits() if "--dataset digits" in command else noise(size=64 if "64px" in command else 32)
    )  # of the same shape
    monkeypatch.setattr("reslab.datasets.load", lambda name: images)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert asked["store"].path == tmp_path / "data" / "runs"
    if command in PAPERS:
        assert asked["how"].steps(50_000)[1] == 64_000
        assert asked["how"].capture_first == 100
    else:
        there = recorded().runs(dataset=re.search(r"--dataset (\S+)", command)[1])
        wanted = set(itertools.product(asked["specs"], asked["seeds"]))
        found = [run for run in there if (run.spec, run.seed) in wanted and TrainSpec(**run.how) == asked["how"]]
        assert len(found) == len(wanted)
        assert all(recorded().has_weights(run) == asked["weights"] for run in found)


def test_each_run_has_its_command(runs):
    """No run is of two, and none of none."""
    assert sorted(listed(set(COMMANDS) - set(PAPERS))) == sorted(
        (run.dataset, named(run.spec).name, run.seed) for run in runs
    )


def test_there_is_a_command_for_the_digits_and_for_the_papers_runs():
    assert sum("--dataset digits" in command for command in COMMANDS) >= 1
    assert sorted(listed(PAPERS)) == sorted(("cifar10", name, seed) for name in module().NETS for seed in (0, 1, 2))


def listed(commands):
    """(images, net, seed) of each training that commands ask for."""
    words = [command.split() for command in commands]
    return [(word[word.index("--dataset") + 1], name, int(seed)) for word in words for name in word[2].split(",")
            for seed in word[word.index("--seed") + 1].split(",")]  # fmt: skip
