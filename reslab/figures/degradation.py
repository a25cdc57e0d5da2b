"""Lesson 01, degradation: training error against step and against depth.

`frame` is the history of runs, a row a net × logged step, as `reslab.runs.Run` gives it. A trace's key ends in its part: train,
test or end. Every chart takes draw=theme.chart, to come as plain dictionaries: for a live chart, which needs the new numbers
alone, that is several times as fast.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

import numpy as np

from reslab.figures import theme
from reslab.figures.text import phrases
from reslab.figures.text.degradation import alt_text, sentence
from reslab.figures.text.phrases import EMPTY
from reslab.results import frames
from reslab.results.degradation import LABELS, final, grouped, results

__all__ = ["alt_text", "error_by_depth", "final", "sentence", "training_curves"]

_X = {"step": "Step (one batch of images)", "epoch": "Epoch (one pass over the images)", "seconds": "Time (s)"}


def training_curves(frame, *, x="step", empty=EMPTY, draw=theme.figure):
    """Training error (%) against time: a line a run, test error as open markers, and a label where a run broke or was stopped.

    frame: name, skip, depth, seed, origin, outcome, loss (nats), train_error and test_error (fractions), step, and the
    column `x`: "step", "epoch" or "seconds" (s). A diverged run's line ends where its loss was last finite; its label names
    the step of its last row. empty: the sentence shown instead of lines. ValueError for another x or a missing column.
    """
    if x not in _X:
        raise ValueError(f"x is {x!r}; training error can be drawn against {', '.join(map(repr, _X))}.")
    frame = frames.require(frame, (*LABELS, "step", "loss", "train_error", "test_error", x), "Training error against " + x)
    runs, traces, ends, room = frames.runs(frame), [], [], 0.7 * frame[x].max()
    for run in runs:
        outcome, step, last = run["outcome"][-1], run["step"][-1], run[x][-1]
        keep = np.isfinite(run.numbers("loss")) if outcome == "diverged" else slice(None)
        at, train, test = run[x][keep], 100 * run.numbers("train_error")[keep], 100 * run.numbers("test_error")[keep]
        said = f"<b>{run.label}</b>, {x} %{{x:.4~g}}<br>%{{y:.1f}} % of the ... images wrong<extra>{run.origin}</extra>"
        # A lone first step is a point: a line needs two, and the learner should see the curve begin.
        style = dict(mode="lines" if len(at) > 1 else "lines+markers", line=theme.run_line(run))
        style |= dict(hovertemplate=said.replace("...", "training"))
        traces.append(theme.trace(run, "train", at, train, **style))
        style = dict(mode="markers", marker=theme.marker(run.skip, run.depth), hovertemplate=said.replace("...", "test"))
        tested = np.isfinite(test)
        traces.append(theme.trace(run, "test", at[tested], test[tested], showlegend=False, **style))
        if outcome in ("diverged", "stopped"):
            x_end, y_end = (at[-1], train[-1]) if len(at) else (last, 100)  # never finite: at the top, where it broke
            text = f"{outcome} at step {step}"
            mark = dict(color=theme.run_line(run)["color"], symbol="x" if outcome == "diverged" else "square", size=9)
            style = dict(mode="markers", marker=mark, showlegend=False, hovertemplate=f"<b>{run.label}</b> {text}<extra></extra>")
            traces.append(theme.trace(run, "end", [x_end], [y_end], **style))
            ends.append(dict(name=run.key("end"), text=text, x=x_end, y=y_end, **_beside(x_end < room)))
    lowest = np.inf
    for end in sorted(ends, key=lambda end: -end["y"]):  # labels keep a line's height apart (7 % on the small chart)
        lowest = end["ay"] = min(end["y"] + 9, lowest - 7, 97)
    return draw(
        [*traces, _test_key("marker")] if traces else [], title="Training error", origin=phrases.origin(runs), empty=empty,
        annotations=ends, x=dict(title=_X[x], rangemode="tozero"), y=_errors("Training error (%)"),
    )


def _beside(right):
    """An annotation right or left of its point, at a height of its own in the y axis's units."""
    return dict(ax=16 if right else -16, ayref="y", xanchor="left" if right else "right", showarrow=True, standoff=6)


def _errors(title):
    return dict(title=title, range=[-3, 103], tickvals=[0, 20, 40, 60, 80, 100])


def _test_key(symbol):
    """The legend's word for an open marker: a trace that has no other business."""
    mark = dict(symbol="circle-open", color=theme.INK, size=7, line=dict(width=1.6))
    style = dict(mode="markers", marker=mark, legendrank=2000, hoverinfo="skip")
    return dict(type="scatter", x=[None], y=[None], name="test error", meta={"key": f"key/{symbol}"}, **style)


def error_by_depth(frame, *, empty=EMPTY, draw=theme.figure):
    """Final training error (%) against depth: a line a family of nets, its test error as open markers.

    frame: as `final` takes it. Over several seeds: the mean, with a bar from the lowest to the highest. Only runs that finished
    count; one that diverged is a cross at its last finite error, in no mean. ValueError for a missing column.
    """
    ended = [result for result in results(frame) if result.outcome in ("finished", "diverged")]
    traces, depths, origins = [], sorted({result.depth for result in ended}), {result.origin for result in ended}
    for (family, skip, origin), runs in grouped(ended, "family", "skip", "origin").items():
        label = family + " · recorded" * (frames.recorded(origin) and len(origins) > 1)
        line = theme.line(skip, 56, recorded=frames.recorded(origin))
        points = sorted(grouped([run for run in runs if run.outcome == "finished"], "depth").items())
        for part, word in (("train", "training"), ("test", "test")):
            errors = [100 * np.array([getattr(run, part + "_error") for run in group]) for _, group in points]
            mean, low, high = (np.array([f(error) for error in errors]) for f in (np.mean, np.min, np.max))
            said = [
                f"<b>{label}, {depth} layers</b><br>{error.mean():.1f} % of the {word} images wrong"
                + (f" ({error.min():.1f} to {error.max():.1f})" if len(error) > 1 else "")
                + f"<br>{phrases.seeds(run.seed for run in group)}<extra>{origin}</extra>"
                for ((depth,), group), error in zip(points, errors, strict=True)
            ]
            look = dict(mode="markers", marker=theme.marker(skip, 56, size=10), showlegend=False)
            if part == "train":
                bars = dict(type="data", symmetric=False, array=high - mean, arrayminus=mean - low, width=5, thickness=1.3)
                look = dict(mode="lines+markers", marker=theme.marker(skip, 56, open=False), line=line, error_y=bars)
            traces.append(_by_depth(f"{family}/{origin}", part, label, [depth for (depth,), _ in points], mean, said, **look))
        if broken := [run for run in runs if run.outcome == "diverged"]:
            said = [f"<b>{run.net}</b>, seed {run.seed}<br>diverged at step {run.steps}<extra>{origin}</extra>" for run in broken]
            look, at = dict(mode="markers", marker=dict(symbol="x", size=9, color=line["color"])), [run.depth for run in broken]
            error = [100 if np.isnan(run.train_error) else 100 * run.train_error for run in broken]  # as in training_curves
            traces.append(_by_depth(f"{family}/{origin}", "end", label + " · diverged", at, error, said, **look))
    return draw(
        [*traces, _test_key("marker")] if traces else [], title="Final training error", origin=phrases.origin(ended), empty=empty,
        x=theme.depth_axis(depths), y=_errors("Training error (%)"),
    )


def _by_depth(group, part, label, x, y, said, **look):
    name = dict(name=theme.wrap(label), legendgroup=group, meta={"key": f"{group}/{part}"})
    return dict(type="scatter", x=x, y=y, hovertemplate=said, **name, **look)
