"""Write data/README.md from the recorded runs: `python data/readme.py`, after runs were recorded."""

from itertools import groupby
from pathlib import Path

from reslab.cli.options import command
from reslab.store import Store
from reslab.train import TrainSpec

HERE = Path(__file__).parent
LIMIT = 20_000_000  # bytes: they travel with every checkout and every installed package

HEAD = """\
# Recorded runs

What a lesson shows and you could not wait for: whole trainings, recorded by the command line, each a JSON file with its curve, what
was captured in every block, and where it comes from. `reslab.recorded()` finds them, in a checkout and in an installed package:

```python
from reslab import recorded

recorded().history(dataset="digits", depth=56)   # tidy, as `Run.frame`; its origin says "recorded"
recorded().layers(dataset="digits", skip=False)  # activations and gradients, a row a block and captured step
```

A file that was edited by hand does not load. This page is made from the files, by `python data/readme.py`; a test fails when it is stale.
"""

PAPER = """\
## The papers' runs on CIFAR-10

He et al. 2015 (arXiv:1512.03385), §4.2: 50,000 images, 64,000 steps of 128, the rate divided by 10 at half and at three quarters of them;
at 110 layers a warm-up. With one error a thousand steps, and every block captured ten times, on a GPU:

    reslab sweep plain-20,plain-32,plain-44,plain-56,resnet-20,resnet-32,resnet-44,resnet-56 --preset paper {how}
    reslab sweep plain-110,resnet-110,resnet-1202 --preset paper-110 {how}
    reslab sweep norm-after-add-resnet-110,relu-before-add-resnet-110,relu-only-preact-resnet-110,preact-resnet-110 --preset paper-110 {how}

Stopped or killed, they go on when given again. Several trainings share one GPU with `--workers 4`, or one GPU each of a Ray cluster
with `--address auto --gpus 1`; one net has several GPUs with `torchrun --nproc-per-node 2 -m reslab train`.

| net | test error in the paper | recorded here |
|---|---|---|
{rows}

The papers' errors: He et al. 2015, Table 6 (of the plain nets it has none; resnet-110 is the best of five), and He et al. 2016,
arXiv:1603.05027. Of ImageNet nothing is recorded: reslab has no loader for it.
"""
HOW = "--dataset cifar10 --log-every 1000 --test-every 3 --capture-every 6400 --seed 0,1,2 --store data/runs"
STEPS, SEEDS = 64_000, {0, 1, 2}
PAPERS = dict.fromkeys(["plain-20", "plain-32", "plain-44", "plain-56", "plain-110"], "–")  # net: test error
PAPERS |= {"resnet-20": "8.75%", "resnet-32": "7.51%", "resnet-44": "7.17%", "resnet-56": "6.97%", "resnet-110": "6.43%"}
PAPERS |= {"resnet-1202": "7.93%", "norm-after-add-resnet-110": "8.17%", "relu-before-add-resnet-110": "7.84%"}
PAPERS |= {"relu-only-preact-resnet-110": "6.71%", "preact-resnet-110": "6.37%"}
PART = """\
**Not the papers' runs**: a tenth of the images and minutes of training, for a machine without a GPU. The papers' test errors stand in the
last column, for the distance: they are of all images, another schedule, and 64,000 steps.

"""


def readme(store):
    """The text of data/README.md for a store."""
    files = [store.path_of(run) for run in store.runs()]
    size = f"{len(files)} runs, {sum(file.stat().st_size for file in files) / 1e6:.1f} of at most {LIMIT / 1e6:.0f} MB."
    parts = [HEAD, size + "\n"]
    for (dataset, *_), runs in groupby(sorted(store.runs(), key=lambda run: str(setting(run))), setting):
        parts.append(section(store, dataset, list(runs)))
    parts.append(PAPER.format(how=HOW, rows="\n".join(papers_row(store, name) for name in PAPERS)))
    return "\n".join(parts)


def setting(run):
    """What the runs of one section have in common: all but depth, skip and seed."""
    spec = {name: value for name, value in run.spec.to_dict().items() if name not in ("depth", "skip")}
    where = {name: value for name, value in vars(run.provenance).items() if name != "date"}
    return run.dataset, run.data, spec, run.how, where


def papers_row(store, name):
    """A net of the papers: its error there, and the seeds with which it was trained so here."""
    runs = [run for run in store.runs(dataset="cifar10") if run.name == name and TrainSpec(**run.how).steps(50_000)[1] == STEPS]
    here = {run.seed for run in runs}
    seeds = [f"{what} {', '.join(map(str, sorted(which)))}" for what, which in (("seeds", here), ("missing: seeds", SEEDS - here)) if which]
    return f"| {name} | {PAPERS[name]} | {'; '.join(seeds)} |"


def section(store, dataset, runs):
    runs = sorted(runs, key=lambda run: (run.spec.skip, run.spec.depth, run.seed))
    where, dates = runs[0].provenance, sorted({run.provenance.date for run in runs})
    threads = f"{where.threads} {'thread' if where.threads == 1 else 'threads'}"
    columns = ["net", "seed", "parameters", "steps", "outcome", "training error", "test error", "seconds", "file"]
    is_part = dataset.startswith("cifar10-")
    columns += ["test error in the paper"] * is_part
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for run in runs:
        row = run.summary()
        errors = [f"{row[name]:.1%}" if row[name] == row[name] else "" for name in ("final_train_error", "test_error")]
        cells = [run.name, run.seed, f"{run.parameters:,}", row["steps"], run.outcome, *errors, f"{row['seconds']:.1f}"]
        cells += [f"`{store.path_of(run).name}`", *([PAPERS[run.name]] if is_part else [])]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return f"""\
## {dataset}, width {runs[0].spec.width}

{PART * is_part}    {command(runs)} --device {where.device} --store data/runs

{runs[0].source}.

{where.machine}, {where.device}, {threads} a training; Python {where.python}, torch {where.torch}, reslab {where.reslab} at commit
`{where.commit}`; {" to ".join(dict.fromkeys((dates[0], dates[-1])))}. Errors are after the last step, in eval mode;
seconds are by the clock, on a machine that others used meanwhile.

{chr(10).join(rows)}
"""


if __name__ == "__main__":
    (HERE / "README.md").write_text(readme(Store(HERE / "runs")), encoding="utf-8")
