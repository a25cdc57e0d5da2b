"""Write data/README.md from the recorded runs: `python data/readme.py`, after runs were recorded.

Its beginning and the section about the papers' runs are in readme/.
"""

import re
from itertools import groupby
from pathlib import Path

import pandas as pd

from reslab.cli.options import written
from reslab.cli.reproduce import changes, command, recipe
from reslab.figures.degradation import sentence
from reslab.results.degradation import CIFAR10_ERRORS, beside_the_paper
from reslab.store import Store
from reslab.train import TrainSpec

HERE = Path(__file__).parent
HEAD, PAPERS = ((HERE / "readme" / name).read_text(encoding="utf-8") for name in ("head.md", "papers.md"))
LIMIT = 25_000_000  # bytes: they travel with every checkout and every installed package

THEN = ", then "  # between the machines of a resumed training, see Provenance.after
HOW = "--dataset cifar10 --log-every 1000 --test-every 3 --capture-first 100 --capture-every 6400 --store data/runs"
STEPS, SEEDS = 64_000, {0, 1, 2}
NETS = ["plain-20", "plain-32", "plain-44", "plain-56", "plain-110", *CIFAR10_ERRORS]  # of the papers' tables
SMALL = """\
**Not the papers' runs**: {images:,} images and {steps:,} steps{where}. {paper}

"""
CIFAR = """\
The papers' errors, beside them, are of 50,000 images,
64,000 steps and another schedule."""
HALF = """\
They follow the recipe of He et al. 2015, §4.2, at half
its length, in bfloat16; the paper's errors, beside them, are of all 64,000 steps."""
CHANGED = """
"dirty": the checkout had a change that was not committed: the training step ran as one CUDA graph, which takes the same
steps.
"""
# The step after which a run went on elsewhere. A file has both machines and not this step, so it is typed; the test of
# this text compares it with the times of the steps.
WENT_ON = {"plain-56": 30_800, "resnet-56": 30_400}
RESUMED = """
Stopped by the clock on the GPU: {stopped}.
The steps up to {last:,} were made from the checkpoints, on a processor with bfloat16:

{rows}
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

The same trainings in both precisions, means over the seeds and their range:

{rows}
"""


def readme(store):
    """The text of data/README.md for a store."""
    recorded = store.runs()  # once: each call reads every file
    files = [store.path_of(run) for run in recorded]
    size = f"{len(files)} runs, {sum(file.stat().st_size for file in files) / 1e6:.1f} of at most {LIMIT / 1e6:.0f} MB."
    parts = [HEAD, size + "\n"]
    for (dataset, *_), runs in groupby(sorted(recorded, key=lambda run: str(setting(run))), setting):
        runs = sorted(runs, key=lambda run: (run.spec.skip, run.spec.depth, run.name, run.seed))
        parts.append(section(store, dataset, runs))
    parts += filter(None, [precisions(recorded)])
    parts.append(PAPERS.format(how=HOW, rows="\n".join(papers_row(recorded, name) for name in NETS)))
    return "\n".join(parts)


def setting(run):
    """What the runs of one section have in common: everything except the net, its seed, the date, and where a resumed
    training ended. (A GPU's training does not depend on the number of threads.)"""
    where = {name: begun(value) for name, value in vars(run.provenance).items() if name not in ("date", "commit")}
    if where["device"] != "cpu":
        del where["threads"]
    return run.dataset, run.data, changes(run.spec), TrainSpec.from_dict(run.how), where


def begun(value):
    """Of a value of a provenance, that of the first machine: a resumed training has "first, then second"."""
    return value.split(THEN)[0] if isinstance(value, str) else value


def is_small(run):
    """Whether it is a training on CIFAR-10 of another length than the papers'."""
    is_cifar10 = re.match(r"cifar10(-|$)", run.dataset) is not None
    return is_cifar10 and TrainSpec.from_dict(run.how).steps(images(run))[1] != STEPS


def images(run):
    part = re.search(r"-(\d+)\+", run.dataset)
    return int(part[1]) if part else 50_000


def papers_row(recorded, name):
    """A net of the papers: its error there, and the seeds of its recorded runs of the same length."""
    runs = [run for run in recorded if (run.dataset, run.name) == ("cifar10", name)]
    done = {run.seed for run in runs if TrainSpec.from_dict(run.how).steps(50_000)[1] == STEPS}
    listed = (("seeds", done), ("missing: seeds", SEEDS - done))
    seeds = [f"{what} {', '.join(map(str, sorted(which)))}" for what, which in listed if which]
    return f"| {name} | {in_the_paper(name)} | {'; '.join(seeds)} |"


def in_the_paper(name):
    return f"{CIFAR10_ERRORS[name]}%" if name in CIFAR10_ERRORS else "–"


def section(store, dataset, runs):
    where = runs[0].provenance  # of a net that was trained on one machine
    dates, commits = (sorted({begun(getattr(run.provenance, name)) for run in runs}) for name in ("date", "commit"))
    threads = f"{where.threads} {'thread' if where.threads == 1 else 'threads'}"
    rows = []
    for run in runs:
        row = run.summary()
        cells = [run.name, run.seed, f"{run.parameters:,}", row["steps"], run.outcome]
        cells += map(percent, (row["final_train_error"], row["test_error"]))
        rows.append([*cells, f"{row['seconds']:.1f}", f"`{store.path_of(run).name}`"])
    small = is_small(runs[0])
    half = TrainSpec.from_dict(runs[0].how).schedule == "step"
    paper = (HALF if half else CIFAR) if runs[0].spec.stem == "cifar" else "The paper trained these nets on ImageNet."
    longest, machine = max(run.summary()["steps"] for run in runs), ", on a CPU" * (where.device == "cpu")
    distance = SMALL.format(images=images(runs[0]), steps=longest, where=machine, paper=paper)
    preset, differs = recipe(TrainSpec.from_dict(runs[0].how))
    other = {"width": runs[0].spec.width} | changes(runs[0].spec) | {"preset": preset} | differs
    other |= {"precision": runs[0].how["precision"]}
    heading = [dataset, *(f"{name} {written(value)}" for name, value in other.items())]
    return f"""\
## {", ".join(heading)}

{distance * small}{commands(store, runs)}

{runs[0].source}.

{where.machine}, {where.device}, {threads} a training; Python {where.python}, torch {where.torch},
reslab {where.reslab},
commit {", ".join(f"`{commit}`" for commit in commits)}; {" to ".join(dict.fromkeys((dates[0], dates[-1])))}.
Errors are after the last step, in eval mode; seconds are wall time, on a machine with other programs.
{CHANGED * any(commit.endswith("-dirty") for commit in commits)}
{table(["net", "seed", "parameters", "steps", "outcome", "training error", "test error", "seconds", "file"], rows)}
{resumed(runs)}{beside(runs) * small}{weights(store, runs)}"""


def resumed(runs):
    """The runs that went on on another machine, and on which; "" if none did."""
    rows, found = [], [run for run in runs if THEN in run.provenance.device]
    for run in found:
        there = {name: str(value).split(THEN)[-1] for name, value in vars(run.provenance).items()}
        rows.append(
            "- {name}, seed {seed}: {machine}, {device}, threads: {threads}; Python {python}, torch {torch}, reslab"
            " {reslab}, commit `{commit}`; {date}.".format(name=run.name, seed=run.seed, **there)
        )
    if not rows:
        return ""
    stopped = ", ".join(f"{run.name} after {WENT_ON[run.name]:,} steps" for run in found)
    return RESUMED.format(stopped=stopped, last=found[0].summary()["steps"], rows="\n".join(rows))


def commands(store, runs):
    """The commands that record the runs: a line for all nets with the same seeds."""
    on_cpu = "--device cpu " * (runs[0].provenance.device == "cpu")  # another device is in the command itself
    nets, last = {}, f"{on_cpu}--store data/runs"
    for kept in (" --weights", ""):
        for _, group in groupby([run for run in runs if store.has_weights(run) == bool(kept)], lambda run: run.name):
            group = list(group)
            nets.setdefault((kept, *(run.seed for run in group)), []).extend(group)
    return "\n".join(f"    {command(group)}{kept} {last}" for (kept, *_), group in nets.items())


def beside(runs):
    """The means over the seeds and the papers' errors; and how errors change with depth, here and in the paper."""
    frame = pd.concat([run.frame() for run in runs], ignore_index=True)
    paper = frame[frame["name"].str.fullmatch(r"(plain|resnet)-\d+")]
    rows = []
    for row in beside_the_paper(frame).itertuples(index=False):
        errors = percent(row.train_error), percent(row.test_error), in_the_paper(row.name)
        rows.append([row.name, f"{row.parameters:,}", row.seeds, *errors])
    head = ["net", "parameters", "seeds", "training error", "test error", "test error in the paper"]
    text = f"\nMeans over the seeds:\n\n{table(head, rows)}\n{sentence(paper)}\n"
    return text + (FIG_6 if runs[0].spec.stem == "cifar" else TABLE_2)


def precisions(recorded):
    """The runs in bfloat16 that exist in float32 too, both in one row; "" if there are none."""
    rows = []
    halves, wholes = ([run for run in recorded if run.how["precision"] == bits] for bits in ("bf16", "fp32"))
    for (dataset, name), runs in groupby(sorted(halves, key=net_of), net_of):
        twins = [run for run in wholes if net_of(run) == (dataset, name)]
        pairs = [(twin, run) for run in runs for twin in twins if is_twin(twin, run)]
        if pairs:
            ends = [[run.summary() for run in runs] for runs in zip(*pairs, strict=True)]
            errors = ("final_train_error", "test_error")
            spans = [span([end[error] for end in some]) for some in ends for error in errors]
            rows.append([name, dataset, len(pairs), *spans])
    columns = [f"{error}, {precision}" for precision in ("fp32", "bf16") for error in ("training error", "test error")]
    head = ["net", "images", "seeds", *columns]
    return BF16.format(rows=table(head, rows)) * bool(rows)


def net_of(run):
    return run.dataset, run.name


def is_twin(run, other):
    """Whether two runs differ only in precision."""
    first, second = (TrainSpec(**run.how | {"precision": "fp32"}) for run in (run, other))
    return (run.spec, run.data, run.seed, first) == (other.spec, other.data, other.seed, second)


def span(errors):
    """The mean of some errors, and their range."""
    return f"{percent(sum(errors) / len(errors))} ({100 * min(errors):.1f} to {100 * max(errors):.1f})"


def weights(store, runs):
    """The stored weights, and their errors."""
    rows = []
    for run, stored in ((run, store.weights(run)) for run in runs if store.has_weights(run)):
        file = f"`weights/{store.path_of(run).stem}.safetensors`"
        rows.append([run.name, run.seed, percent(stored.train_error), percent(stored.test_error), file])
    head = ["net", "seed", "training error", "test error", "file"]
    text = "The weights of these nets in half precision, with the errors of the rounded weights; `recorded().net(run)`:"
    return f"\n{text}\n\n{table(head, rows)}" * bool(rows)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows]) + "\n"


def percent(error):
    return f"{error:.1%}" if error == error else ""


if __name__ == "__main__":
    (HERE / "README.md").write_text(readme(Store(HERE / "runs")), encoding="utf-8")
