"""Write data/README.md from the recorded runs: `python data/readme.py`, after runs were recorded."""

from itertools import groupby
from pathlib import Path

from reslab.cli.options import command
from reslab.store import Store

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

CIFAR10 = """\
## CIFAR-10

Not recorded yet. On a GPU, with the recipe of He et al. 2015, §4.2 (64,000 steps of 128 images, the rate divided by 10 at half and at
three quarters of them), one error a thousand steps and every block captured ten times:

    reslab sweep plain-20,plain-32,plain-44,plain-56,resnet-20,resnet-32,resnet-44,resnet-56 --preset paper {how} --store data/runs
    reslab sweep plain-110,resnet-110 --preset paper-110 {how} --store data/runs

Stopped or killed, they go on when given again. Several trainings share one GPU with `--workers 4`, or one GPU each of a Ray cluster
with `--address auto --gpus 1`.
"""
HOW = "--dataset cifar10 --log-every 1000 --test-every 3 --capture-every 6400 --seed 0,1,2"


def readme(store):
    """The text of data/README.md for a store."""
    files = [store.path_of(run) for run in store.runs()]
    size = f"{len(files)} runs, {sum(file.stat().st_size for file in files) / 1e6:.1f} of at most {LIMIT / 1e6:.0f} MB."
    parts = [HEAD, size + "\n"]
    for (dataset, *_), runs in groupby(sorted(store.runs(), key=lambda run: str(setting(run))), setting):
        parts.append(section(store, dataset, list(runs)))
    if not store.runs(dataset="cifar10"):
        parts.append(CIFAR10.format(how=HOW))
    return "\n".join(parts)


def setting(run):
    """What the runs of one section have in common: all but depth, skip and seed."""
    spec = {name: value for name, value in run.spec.to_dict().items() if name not in ("depth", "skip")}
    where = {name: value for name, value in vars(run.provenance).items() if name != "date"}
    return run.dataset, run.data, spec, run.how, where


def section(store, dataset, runs):
    runs = sorted(runs, key=lambda run: (run.spec.skip, run.spec.depth, run.seed))
    where, dates = runs[0].provenance, sorted({run.provenance.date for run in runs})
    threads = f"{where.threads} {'thread' if where.threads == 1 else 'threads'}"
    rows = ["| net | seed | parameters | steps | outcome | training error | test error | seconds | file |", "|---" * 9 + "|"]
    for run in runs:
        row = run.summary()
        errors = [f"{row[name]:.1%}" if row[name] == row[name] else "" for name in ("final_train_error", "test_error")]
        cells = [run.name, run.seed, f"{run.parameters:,}", row["steps"], run.outcome, *errors, f"{row['seconds']:.1f}"]
        rows.append("| " + " | ".join(map(str, [*cells, f"`{store.path_of(run).name}`"])) + " |")
    return f"""\
## {dataset}, width {runs[0].spec.width}

    {command(runs)} --device {where.device} --store data/runs

{where.machine}, {where.device}, {threads} a training; Python {where.python}, torch {where.torch}, reslab {where.reslab} at commit
`{where.commit}`; {" to ".join(dict.fromkeys((dates[0], dates[-1])))}. Errors are after the last step, in eval mode;
seconds are by the clock, on a machine that others used meanwhile.

{chr(10).join(rows)}
"""


if __name__ == "__main__":
    (HERE / "README.md").write_text(readme(Store(HERE / "runs")), encoding="utf-8")
