"""Lesson 01, degradation: training error against step and against depth.

`frame` is the history of runs, one row per net × logged step, as `reslab.runs.Run` gives it. A trace's key ends in its
part: train, test or end. Every chart takes draw=theme.chart, to come as plain dictionaries: for a live chart, which
needs the new numbers alone, that is several times as fast.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.degradation import (
    alt_text,
    construction_sentence,
    depth_title,
    rate_sentence,
    rate_table,
    rate_title,
    sentence,
)
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.degradation import LABELS, by_rate, final, grouped, results

__all__ = [
    "alt_text",
    "construction_sentence",
    "error_by_depth",
    "error_by_rate",
    "final",
    "rate_sentence",
    "rate_table",
    "sentence",
    "training_curves",
]

RATE_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")  # of the learning rates, lowest first
_X = {"step": "Step (one batch of images)", "epoch": "Epoch (one pass over the images)", "seconds": "Time (s)"}


def training_curves(frame, *, x="step", until=None, log=False, tests=True, empty=EMPTY, draw=theme.figure):
    """Training error (%) against time: one named line per run, test error as open marks; runs that diverged or were
    stopped are marked.

    frame: name, skip, depth, seed, origin, outcome, loss (nats), train_error and test_error (fractions), step, and the
    column `x`: "step", "epoch" or "seconds" (s). A diverged run's line ends where its loss was last finite; its name
    adds the step of its last row. until: the end of the x axis, by default that of the last row; a live chart gives the
    end of its training, so that the axis does not move. log: a log axis of errors, from 0.5 %. tests: whether test
    errors are drawn. empty: the sentence shown instead of lines. ValueError for another x or a missing column.
    """
    if x not in _X:
        raise ValueError(f"x is {x!r}; training error can be drawn against {', '.join(map(repr, _X))}.")
    columns = (*LABELS, "step", "loss", "train_error", "test_error", x)
    frame = frames.require(frame, columns, "Training error against " + x)
    runs, traces, ends = frames.runs(frame), [], []
    for run in runs:
        outcome, step, last, line = run["outcome"][-1], run["step"][-1], run[x][-1], theme.run_line(run)
        keep = np.isfinite(run.numbers("loss")) if outcome == "diverged" else slice(None)
        at, train, test = (run.numbers(column)[keep] for column in (x, "train_error", "test_error"))
        train, test = 100 * train, 100 * test
        hover = f"<b>{run.label}</b>, {x} %{{x:.4~g}}<br>%{{y:.1f}} % of the ... images wrong"
        hover += f"<extra>{run.origin}</extra>"
        # A line needs two points; the first step alone is a marker, so that the learner sees where the curve begins.
        style = dict(mode="lines" if len(at) > 1 else "lines+markers", line=line)
        traces.append(theme.trace(run, "train", at, train, hovertemplate=hover.replace("...", "training"), **style))
        style = dict(mode="markers", marker=theme.marker(run.skip, run.depth), showlegend=False)
        done = np.isfinite(test)
        if tests:
            hover = hover.replace("...", "test")
            traces.append(theme.trace(run, "test", at[done], test[done], hovertemplate=hover, **style))
        x_end, y_end = (at[-1], train[-1]) if len(at) else (last, 100)  # never finite: at the top
        text = run.label
        if outcome in ("diverged", "stopped"):
            text = traces[-1 - tests]["name"] = theme.wrap(f"{run.label} · {outcome} at step {step}")
            mark = dict(color=line["color"], symbol="x" if outcome == "diverged" else "square", size=11)
            style = dict(mode="markers", marker=mark, showlegend=False, hovertemplate=f"{text}<extra></extra>")
            traces.append(theme.trace(run, "end", [x_end], [y_end], **style))
        ends.append((run.key("end"), theme.wrap(text), x_end, y_end, line["color"]))
    until = max([until or 0, *(run[x][-1] for run in runs)], default=1)
    x_axis, y_axis = dict(title=_X[x], range=[0, 1.01 * until]), _errors("Training error (%)", log)
    ends = [end for end in ends if np.isfinite(end[3])]
    named = theme.name_lines(ends, x_axis, y_axis, height=theme.HEIGHT - 64)  # the origin may take two lines
    origin = phrases.origin(runs, "lines: training batches" + ", marks: test pictures" * tests)
    return draw(
        traces, title="Training error", statement=lambda: depth_title(frame), origin=origin, empty=empty, x=x_axis,
        y=y_axis, **named,
    )  # fmt: skip


def _errors(title, log=False):
    if log:
        shown = dict(type="log", range=np.log10([0.5, 105]), tickvals=[1, 2, 5, 10, 20, 50, 100])
        return dict(title=f"{title}, log scale", **shown)
    return dict(title=title, range=[-3, 103], tickvals=[0, 20, 40, 60, 80, 100])


def error_by_depth(frame, *, empty=EMPTY, draw=theme.figure):
    """Final training error (%) against depth: one named line per family of nets, its test error as open marks.

    frame: as `final` takes it. Over several seeds: the median, with a bar from the lowest to the highest. Only runs
    that finished count; one that diverged is a cross at its last finite error, in no median. ValueError for a missing
    column.
    """
    ended = [result for result in results(frame) if result.outcome in ("finished", "diverged")]
    origin_of_all, seeds_of_all = [result.origin for result in ended], [result.seed for result in ended]
    for result in ended:
        result.origin = frames.begun(result.origin)
    some = phrases.several_counts(len(group) for group in grouped(ended, "net", "origin").values())
    lives = {frames.recorded(result.origin) for result in ended}
    if len(lives) == 2:
        seeds = {old: len({run.seed for run in ended if frames.recorded(run.origin) == old}) for old in lives}
        words = {False: "thick: yours", True: "thin: recorded"}
        some = " · ".join(f"{words[old]}, {seeds[old]} seed{'s' * (seeds[old] > 1)}" for old in words)
    from_where = phrases.origin_line(origin_of_all, [] if some else seeds_of_all, some, "open marks: test error")
    traces, depths, origins = [], sorted({result.depth for result in ended}), {result.origin for result in ended}
    names = []
    for (family, skip, origin), runs in grouped(ended, "family", "skip", "origin").items():
        label = family + " · recorded" * (frames.recorded(origin) and len(origins) > 1)
        line = theme.line(skip, 56, recorded=frames.recorded(origin))
        points = sorted(grouped([run for run in runs if run.outcome == "finished"], "depth").items())
        for part, word in (("train", "training"), ("test", "test")):
            errors = [100 * np.array([getattr(run, part + "_error") for run in group]) for _, group in points]
            middle, low, high = (np.array([f(error) for error in errors]) for f in (np.median, np.min, np.max))
            hover = [
                f"<b>{label}, {depth} layers</b><br>{np.median(error):.1f} % of the {word} images wrong"
                + (f" ({error.min():.1f} to {error.max():.1f})" if len(error) > 1 else "")
                + f"<br>{phrases.seeds(run.seed for run in group)}<extra>{origin}</extra>"
                for ((depth,), group), error in zip(points, errors, strict=True)
            ]
            look = dict(mode="markers", marker=theme.marker(skip, 56, size=11), showlegend=False)
            if part == "train":
                bars = dict(
                    type="data", symmetric=False, array=high - middle, arrayminus=middle - low, width=5, thickness=1.3
                )
                look = dict(mode="lines+markers", marker=theme.marker(skip, 56, open=False), line=line, error_y=bars)
            at = [depth for (depth,), _ in points]
            traces.append(_by_depth(f"{family}/{origin}", part, label, at, middle, hover, **look))
            if part == "train" and at:
                names.append((f"{family}/{origin}", theme.wrap(label), at[-1], middle[-1], line["color"]))
        if broken := [run for run in runs if run.outcome == "diverged"]:
            hover = [
                f"<b>{run.net}</b>, seed {run.seed}<br>diverged at step {run.steps}<extra>{origin}</extra>"
                for run in broken
            ]
            look, at = (
                dict(mode="markers", marker=dict(symbol="x", size=11, color=line["color"])),
                [run.depth for run in broken],
            )
            # as in training_curves
            error = [100 if np.isnan(run.train_error) else 100 * run.train_error for run in broken]
            traces.append(_by_depth(f"{family}/{origin}", "end", label + " · diverged", at, error, hover, **look))
    x_axis, y_axis = theme.depth_axis(depths), _errors("Training error (%)")
    named = theme.name_lines(names, x_axis, y_axis)
    return draw(
        traces, title="Final training error", statement=lambda: depth_title(frame), origin=from_where, empty=empty,
        x=x_axis, y=y_axis, **named,
    )  # fmt: skip


def error_by_rate(frame, *, empty=EMPTY, draw=theme.figure):
    """Final training error (%) against the length of the training (epochs, log axis): one named line per net and
    learning rate.

    frame: as `results.degradation.by_rate` takes it. Each mark is the median over the seeds, its bar goes from the
    lowest to the highest. ValueError for a missing column.
    """
    table, traces, names = by_rate(frame), [], []
    symbols = dict(zip(sorted(table["lr"].unique()), RATE_SYMBOLS, strict=False))
    for (skip, depth, name, lr), rows in table.groupby(["skip", "depth", "name", "lr"]):
        median, low, high = (100 * rows[column].to_numpy() for column in ("median", "low", "high"))
        epochs, label = rows["epochs"].to_numpy(), f"{name}, rate {lr:g}"
        hover = [
            f"<b>{label}, {row.epochs:g} epochs</b><br>{phrases.percent(row.median)} of the training images wrong"
            f" ({phrases.percent(row.low)} to {phrases.percent(row.high)})<br>{row.seeds} seeds"
            f"<extra>{row.origin}</extra>"
            for row in rows.itertuples()
        ]
        bars = dict(type="data", symmetric=False, array=high - median, arrayminus=median - low, width=5, thickness=1.3)
        look = dict(mode="lines+markers", marker=theme.marker(skip, depth, open=False), line=theme.line(skip, depth))
        look["marker"]["symbol"] = symbols.get(lr, "circle")
        key = f"{name}/{lr:g}"
        traces.append(_by_depth(key, "train", label, epochs, median, hover, error_y=bars, **look))
        names.append((f"{key}/train", label, epochs[-1], median[-1], look["line"]["color"]))
    lengths = sorted(set(table["epochs"]))
    ends = [np.log10(lengths[0]) - 0.08, np.log10(lengths[-1]) + 0.05] if lengths else [0, 1]
    x_axis = dict(
        title="Epochs (passes over the images; log scale)", type="log", range=ends, tickvals=lengths,
        ticktext=[f"{length:g}" for length in lengths],
    )  # fmt: skip
    y_axis = _errors("Training error (%)")
    origin = phrases.origin_line(table["origin"], [], f"median and range of {table['seeds'].max()} seeds")
    named = theme.name_lines(names, x_axis, y_axis)
    title = "Longer trainings, at several learning rates"
    return draw(
        traces, title=title, statement=lambda: rate_title(frame), origin=origin, empty=empty, x=x_axis,
        y=y_axis, **named,
    )  # fmt: skip


def _by_depth(group, part, label, x, y, hover, **look):
    name = dict(name=theme.wrap(label), legendgroup=group, meta={"key": f"{group}/{part}"})
    return dict(type="scatter", x=x, y=y, hovertemplate=hover, **name, **look)
