"""Write data/README.md from the recorded runs: `python data/readme.py`, after runs were recorded."""

import re
from itertools import groupby
from pathlib import Path

import pandas as pd

from reslab.cli.options import written
from reslab.cli.reproduce import changes, command, recipe
from reslab.experiments.degradation import beside_the_paper
from reslab.figures.degradation import sentence
from reslab.nets import CIFAR10_ERRORS
from reslab.store import Store
from reslab.train import TrainSpec

HERE = Path(__file__).parent
LIMIT = 25_000_000  # bytes: they travel with every checkout and every installed package

HEAD = """\
# Recorded runs

What a lesson shows and you could not wait for: whole trainings, recorded by the command line, each a JSON file with
its curve, what was captured in every block, and where it comes from. `reslab.recorded()` finds them, in a checkout
and in an installed package:

```python
from reslab import recorded

recorded().history(dataset="digits", depth=56)   # tidy, as `Run.frame`; its origin says "recorded"
recorded().layers(dataset="digits", skip=False)  # activations and gradients, a row a block and captured step

(run,) = recorded().runs(dataset="digits", width=8, skip=True, depth=56, seed=0)
net = recorded().net(run)                        # as it was when trained, where its weights were kept: to take it apart
```

`stage/` is what the stage shows, written by `python data/record_stage.py`; `provenance` in the file says where it comes
from. `rates.csv` is lesson 09's table of variants at five learning rates each, a row a training with its machine and
code, written by `python data/record_rates.py`.

A file that was edited by hand does not load. This page is made from the files, by `python data/readme.py`; a test
fails when it is stale.
"""

PAPER = """\
## The papers' runs on CIFAR-10

He et al. 2015 (arXiv:1512.03385), §4.2: 50,000 images, 64,000 steps of 128, the rate divided by 10 at half and at
three quarters of them; at 110 layers a warm-up. With one error a thousand steps, every block captured in each of the
first hundred steps and ten times in all, and the weights of one seed of the nets that lessons take apart, on a GPU:

    reslab sweep plain-20,plain-56,resnet-20,resnet-56 --preset paper {how} --seed 0 --weights
    reslab sweep plain-20,plain-56,resnet-20,resnet-56 --preset paper {how} --seed 1,2
    reslab sweep plain-32,plain-44,resnet-32,resnet-44 --preset paper {how} --seed 0,1,2
    reslab sweep plain-110,resnet-110,resnet-1202 --preset paper-110 {how} --seed 0,1,2
    reslab sweep norm-after-add-resnet-110,relu-before-add-resnet-110 --preset paper-110 {how} --seed 0,1,2
    reslab sweep relu-only-preact-resnet-110,preact-resnet-110 --preset paper-110 {how} --seed 0,1,2
    reslab sweep preact-resnet-164,wide-resnet-16-8,stochastic-resnet-110 --preset paper-110 {how} --seed 0,1,2

Stopped or killed, they go on when given again. Several trainings share one GPU, as processes of a local Ray, with
`--address local --gpus 0.25`, or have one GPU each of a cluster with `--address auto --gpus 1`; one net has several
GPUs with `torchrun --nproc-per-node 2 -m reslab train`.

| net | test error in the paper | recorded here |
|---|---|---|
{rows}

The papers' errors: He et al. 2015, Table 6 (of the plain nets it has none; resnet-110 is the best of five), He et al.
2016, arXiv:1603.05027, Zagoruyko & Komodakis 2016, arXiv:1605.07146, and Huang et al. 2016, arXiv:1603.09382. The
last two trained longer, by recipes of their own; the commands give all nets the same. Of ImageNet nothing is
recorded: reslab has no loader for it.
"""
HOW = "--dataset cifar10 --log-every 1000 --test-every 3 --capture-first 100 --capture-every 6400 --store data/runs"
STEPS, SEEDS = 64_000, {0, 1, 2}
PAPERS = [
    "plain-20",
    "plain-32",
    "plain-44",
    "plain-56",
    "plain-110",
    *CIFAR10_ERRORS,
]  # the nets of the papers' tables
SMALL = """\
**Not the papers' runs**: {images:,} images and {steps:,} steps{where}. {paper}

"""
CIFAR = """\
The papers' errors stand beside them for the
distance: they are of 50,000 images, 64,000 steps and another schedule."""
HALF = """\
They follow the recipe of He et al. 2015, §4.2, at half
its length, in bfloat16; the paper's errors, beside them, are of all 64,000 steps."""
CHANGED = """
The checkout had a change that was not committed, hence "dirty": the training step ran as one CUDA graph. It takes the
same steps, and only how they are launched differs.
"""
STOPPED = """
**Stopped before their end**, so these are no final errors; `outcome` and `cause` in the file say so, too:

{rows}

Their test error above is the last that was measured; that of the weights which they had when they stopped is below.
Their training error was not measured. The command trains them anew, to the end.
"""
FIG_6 = """
In the paper's Fig. 6 plain nets err more with depth, and residual nets less.
"""
TABLE_2 = """
In the paper's Table 2, on ImageNet (top-1, 10 crops; shortcuts A, ours B): plain-18 27.94 %, plain-34 28.54 %,
ResNet-18 27.88 %, ResNet-34 25.03 %. These are CIFAR-10's photos, enlarged: their content is still 32 × 32 pixels.
"""
BF16 = """\
## bfloat16 beside float32

The same trainings in either, means over the seeds and their range:

{rows}
"""


def readme(store):
    """The text of data/README.md for a store."""
    recorded = store.runs()  # once: each call reads every file
    files = [store.path_of(run) for run in recorded]
    size = f"{len(files)} runs, {sum(file.stat().st_size for file in files) / 1e6:.1f} of at most {LIMIT / 1e6:.0f} MB."
    parts = [HEAD, size + "\n"]
    for (dataset, *_), runs in groupby(sorted(recorded, key=lambda run: str(setting(run))), setting):
        parts.append(
            section(store, dataset, sorted(runs, key=lambda run: (run.spec.skip, run.spec.depth, run.name, run.seed)))
        )
    parts += filter(None, [precisions(recorded)])
    parts.append(PAPER.format(how=HOW, rows="\n".join(papers_row(recorded, name) for name in PAPERS)))
    return "\n".join(parts)


def setting(run):
    """What the runs of one section have in common: all but the net, its seed, and the day."""
    where = {name: value for name, value in vars(run.provenance).items() if name not in ("date", "commit")}
    return run.dataset, run.data, changes(run.spec), TrainSpec.from_dict(run.how), where


def is_small(run):
    """Whether it is a training on CIFAR-10 that is not the papers' in length."""
    return (
        re.match(r"cifar10(-|$)", run.dataset) is not None
        and TrainSpec.from_dict(run.how).steps(images(run))[1] != STEPS
    )


def images(run):
    part = re.search(r"-(\d+)\+", run.dataset)
    return int(part[1]) if part else 50_000


def papers_row(recorded, name):
    """A net of the papers: its error there, and the seeds with which it was trained so here."""
    runs = [
        run
        for run in recorded
        if (run.dataset, run.name) == ("cifar10", name) and TrainSpec.from_dict(run.how).steps(50_000)[1] == STEPS
    ]
    here = {run.seed for run in runs}
    seeds = [
        f"{what} {', '.join(map(str, sorted(which)))}"
        for what, which in (("seeds", here), ("missing: seeds", SEEDS - here))
        if which
    ]
    return f"| {name} | {in_the_paper(name)} | {'; '.join(seeds)} |"


def in_the_paper(name):
    return f"{CIFAR10_ERRORS[name]}%" if name in CIFAR10_ERRORS else "–"


def section(store, dataset, runs):
    where = runs[0].provenance
    dates, commits = (sorted({getattr(run.provenance, name) for run in runs}) for name in ("date", "commit"))
    threads = f"{where.threads} {'thread' if where.threads == 1 else 'threads'}"
    rows = []
    for run in runs:
        row = run.summary()
        cells = [run.name, run.seed, f"{run.parameters:,}", row["steps"], run.outcome]
        cells += [
            *map(percent, (row["final_train_error"], row["test_error"])),
            f"{row['seconds']:.1f}",
            f"`{store.path_of(run).name}`",
        ]
        rows.append(cells)
    small = is_small(runs[0])
    half = TrainSpec.from_dict(runs[0].how).schedule == "step"
    paper = (HALF if half else CIFAR) if runs[0].spec.stem == "cifar" else "The paper trained these nets on ImageNet."
    longest, machine = max(run.summary()["steps"] for run in runs), ", on a CPU" * (where.device == "cpu")
    distance = SMALL.format(images=images(runs[0]), steps=longest, where=machine, paper=paper)
    preset, differs = recipe(TrainSpec.from_dict(runs[0].how))
    other = (
        {"width": runs[0].spec.width}
        | changes(runs[0].spec)
        | {"preset": preset}
        | differs
        | {"precision": runs[0].how["precision"]}
    )
    heading = [dataset, *(f"{name} {written(value)}" for name, value in other.items())]
    return f"""\
## {", ".join(heading)}

{distance * small}{commands(store, runs)}

{runs[0].source}.

{where.machine}, {where.device}, {threads} a training; Python {where.python}, torch {where.torch},
reslab {where.reslab},
commit {", ".join(f"`{commit}`" for commit in commits)}; {" to ".join(dict.fromkeys((dates[0], dates[-1])))}.
Errors are after the last step, in eval mode; seconds are by the clock, on a machine that others used meanwhile.
{CHANGED * any(commit.endswith("-dirty") for commit in commits)}
{table(["net", "seed", "parameters", "steps", "outcome", "training error", "test error", "seconds", "file"], rows)}
{stopped(runs)}{beside(runs) * small}{weights(store, runs)}"""


def stopped(runs):
    """Which of the runs did not end, how far they came, and why; "" if all ended."""
    rows = [f"- {run.name}, seed {run.seed}: {run.cause}." for run in runs if run.outcome == "stopped"]
    return STOPPED.format(rows="\n".join(rows)) * bool(rows)


def commands(store, runs):
    """The commands that record the runs: a line for the nets that have the same seeds."""
    on_cpu = "--device cpu " * (runs[0].provenance.device == "cpu")  # another device is in the command itself
    nets, last = {}, f"{on_cpu}--store data/runs"
    for kept in (" --weights", ""):
        for _, group in groupby([run for run in runs if store.has_weights(run) == bool(kept)], lambda run: run.name):
            group = list(group)
            nets.setdefault((kept, *(run.seed for run in group)), []).extend(group)
    return "\n".join(f"    {command(group)}{kept} {last}" for (kept, *_), group in nets.items())


def beside(runs):
    """The means over the seeds beside the papers' errors, and how errors change with depth, here and in the paper."""
    frame = pd.concat([run.frame() for run in runs], ignore_index=True)
    paper = frame[frame["name"].str.fullmatch(r"(plain|resnet)-\d+")]
    rows = [
        [
            row.name,
            f"{row.parameters:,}",
            row.seeds,
            percent(row.train_error),
            percent(row.test_error),
            in_the_paper(row.name),
        ]
        for row in beside_the_paper(frame).itertuples(index=False)
    ]
    head = ["net", "parameters", "seeds", "training error", "test error", "test error in the paper"]
    text = f"\nMeans over the seeds:\n\n{table(head, rows)}\n{sentence(paper)}\n"
    return text + (FIG_6 if runs[0].spec.stem == "cifar" else TABLE_2)


def precisions(recorded):
    """The runs in bfloat16 of which there is the same in float32, beside these; "" if there are none."""
    rows = []
    halves, wholes = ([run for run in recorded if run.how["precision"] == bits] for bits in ("bf16", "fp32"))
    for (dataset, name), runs in groupby(sorted(halves, key=of), of):
        twins = [run for run in wholes if of(run) == (dataset, name)]
        pairs = [(twin, run) for run in runs for twin in twins if is_twin(twin, run)]
        if pairs:
            ends = [[run.summary() for run in runs] for runs in zip(*pairs, strict=True)]
            cells = [
                span([end[error] for end in some]) for some in ends for error in ("final_train_error", "test_error")
            ]
            rows.append([name, dataset, len(pairs), *cells])
    head = [
        "net",
        "images",
        "seeds",
        "training error, fp32",
        "test error, fp32",
        "training error, bf16",
        "test error, bf16",
    ]
    return BF16.format(rows=table(head, rows)) * bool(rows)


def of(run):
    return run.dataset, run.name


def is_twin(run, other):
    """Whether two runs differ in the precision alone."""
    first, second = (TrainSpec(**run.how | {"precision": "fp32"}) for run in (run, other))
    return (run.spec, run.data, run.seed, first) == (other.spec, other.data, other.seed, second)


def span(errors):
    """The mean of some errors, and from where to where they go."""
    return f"{percent(sum(errors) / len(errors))} ({100 * min(errors):.1f} to {100 * max(errors):.1f})"


def weights(store, runs):
    """The weights that were kept, and what errors they have."""
    kept = [(run, store.weights(run)) for run in runs if store.has_weights(run)]
    rows = [
        [
            run.name,
            run.seed,
            percent(weights.train_error),
            percent(weights.test_error),
            f"`weights/{store.path_of(run).stem}.safetensors`",
        ]
        for run, weights in kept
    ]
    head = ["net", "seed", "training error", "test error", "file"]
    text = "What these nets learned, in half precision, with the errors of the rounded numbers; `recorded().net(run)`:"
    return f"\n{text}\n\n{table(head, rows)}" * bool(rows)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows]) + "\n"


def percent(error):
    return f"{error:.1%}" if error == error else ""


if __name__ == "__main__":
    (HERE / "README.md").write_text(readme(Store(HERE / "runs")), encoding="utf-8")
