"""Lesson 01, degradation: training error against step and against depth, and the gradient at every block.

`frame` is the history of runs, a row a net × logged step; `layers` a row a net × sampled step × block (as `reslab.runs.Run`
gives them). A trace's key ends in its part: train, test, end, gradient or lost. Every chart takes draw=theme.chart, to come
as plain dictionaries: for a live chart, which needs the new numbers alone, that is several times as fast.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

from dataclasses import replace

import numpy as np

from reslab.figures import theme
from reslab.figures.degradation_words import EMPTY, LABELS, alt_text, final, grouped, results, sentence

__all__ = ["alt_text", "error_by_depth", "final", "gradient_profile", "sentence", "training_curves"]

_X = {"step": "Step (one batch of images)", "epoch": "Epoch (one pass over the images)", "seconds": "Time (s)"}


def training_curves(frame, *, x="step", empty=EMPTY, draw=theme.figure):
    """Training error (%) against time: a line a run, test error as open markers, and a label where a run broke or was stopped.

    frame: name, skip, depth, seed, origin, outcome, loss (nats), train_error and test_error (fractions), step, and the
    column `x`: "step", "epoch" or "seconds" (s). A diverged run's line ends where its loss was last finite; its label names
    the step of its last row. empty: the sentence shown instead of lines. ValueError for another x or a missing column.
    """
    if x not in _X:
        raise ValueError(f"x is {x!r}; training error can be drawn against {', '.join(map(repr, _X))}.")
    frame = theme.require(frame, (*LABELS, "step", "loss", "train_error", "test_error", x), "Training error against " + x)
    runs, traces, ends, room = theme.runs(frame), [], [], 0.7 * frame[x].max()
    for run in runs:
        outcome, step, last = run["outcome"][-1], run["step"][-1], run[x][-1]
        keep = np.isfinite(run.numbers("loss")) if outcome == "diverged" else slice(None)
        at, train, test = run[x][keep], 100 * run.numbers("train_error")[keep], 100 * run.numbers("test_error")[keep]
        said = f"<b>{run.label}</b>, {x} %{{x:.4~g}}<br>%{{y:.1f}} % of the ... images wrong<extra>{run.origin}</extra>"
        # A lone first step is a point: a line needs two, and the learner should see the curve begin.
        style = dict(mode="lines" if len(at) > 1 else "lines+markers", line=run.line, hovertemplate=said.replace("...", "training"))
        traces.append(run.trace("train", at, train, **style))
        style = dict(mode="markers", marker=theme.marker(run.skip, run.depth), hovertemplate=said.replace("...", "test"))
        tested = np.isfinite(test)
        traces.append(run.trace("test", at[tested], test[tested], showlegend=False, **style))
        if outcome in ("diverged", "stopped"):
            x_end, y_end = (at[-1], train[-1]) if len(at) else (last, 100)  # never finite: at the top, where it broke
            text = f"{outcome} at step {step}"
            mark = dict(color=run.line["color"], symbol="x" if outcome == "diverged" else "square", size=9)
            style = dict(mode="markers", marker=mark, showlegend=False, hovertemplate=f"<b>{run.label}</b> {text}<extra></extra>")
            traces.append(run.trace("end", [x_end], [y_end], **style))
            ends.append(dict(name=run.key("end"), text=text, x=x_end, y=y_end, **_beside(x_end < room)))
    lowest = np.inf
    for end in sorted(ends, key=lambda end: -end["y"]):  # labels keep a line's height apart (7 % on the small chart)
        lowest = end["ay"] = min(end["y"] + 9, lowest - 7, 97)
    return draw(
        [*traces, _test_key("marker")] if traces else [], title="Training error", origin=theme.origin(runs), empty=empty,
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
        label = family + " · recorded" * (theme.recorded(origin) and len(origins) > 1)
        line = theme.line(skip, 56, recorded=theme.recorded(origin))
        points = sorted(grouped([run for run in runs if run.outcome == "finished"], "depth").items())
        for part, word in (("train", "training"), ("test", "test")):
            errors = [100 * np.array([getattr(run, part + "_error") for run in group]) for _, group in points]
            mean, low, high = (np.array([f(error) for error in errors]) for f in (np.mean, np.min, np.max))
            said = [
                f"<b>{label}, {depth} layers</b><br>{error.mean():.1f} % of the {word} images wrong"
                + (f" ({error.min():.1f} to {error.max():.1f})" if len(error) > 1 else "")
                + f"<br>{theme.seeds(run.seed for run in group)}<extra>{origin}</extra>"
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
        [*traces, _test_key("marker")] if traces else [], title="Final training error", origin=theme.origin(ended), empty=empty,
        x=_depth_axis(depths), y=_errors("Training error (%)"),
    )


def _by_depth(group, part, label, x, y, said, **look):
    name = dict(name=theme.wrap(label), legendgroup=group, meta={"key": f"{group}/{part}"})
    return dict(type="scatter", x=x, y=y, hovertemplate=said, **name, **look)


def _depth_axis(depths):
    """A log axis that names the measured depths, but for those that would overprint a shallower one."""
    at, named = np.log10(depths or [8, 56]), []
    for place in at:
        named += [place] if not named or place - named[-1] > (at[-1] - at[0]) / 14 else []
    ticks = dict(tickvals=depths, ticktext=[str(depth) if place in named else "" for depth, place in zip(depths, at, strict=False)])
    return dict(title="Depth (layers, log scale)", type="log", range=[at[0] - 0.08, at[-1] + 0.08], **ticks)


def gradient_profile(layers, *, relative=True, empty=EMPTY, draw=theme.figure):
    """RMS gradient at each block's output, at the latest step of each run; relative to the last block's unless told not to.

    layers: name, skip, depth, seed, step, module, index (from 1), shape, gradient_rms (RMS of ∂loss/∂output: nats per unit of
    the activation; relative: no unit). The blocks are placed by index / number of blocks, so that nets of any depth begin and
    end together and their stages, a third of the net each, lie over one another. A gradient of 0, of infinity or that is not
    a number is a mark at the chart's floor or ceiling. ValueError for a missing column.
    """
    columns = ("name", "skip", "depth", "seed", "step", "module", "index", "shape", "gradient_rms")
    layers = theme.require(layers, columns, "The gradient profile")
    runs, profiles = theme.runs(layers), []
    for run in runs:
        run = replace(run, at=run.at[run["step"] == run["step"][-1]])
        run = replace(run, at=run.at[np.argsort(run["index"])])
        gradient = run.numbers("gradient_rms")
        scale = gradient[-1] if relative else 1.0
        with np.errstate(over="ignore", under="ignore"):
            value = gradient / (scale if 0 < scale < np.inf else np.nan)
        states = {
            "underflow to 0": (gradient == 0) | (value == 0),
            "infinite": np.isinf(gradient) | np.isinf(value),
            "not a number": np.isnan(gradient),
            "the last block has none to compare with": np.isnan(value),
        }
        lost = np.select(list(states.values()), list(states), "")
        profiles.append((run, gradient, value, lost))
    steps = sorted({run["step"][-1] for run, *_ in profiles})
    drawn = np.concatenate([value[lost == ""] for *_, value, lost in profiles] or [[]])
    bottom, top = np.log10([drawn.min(initial=0.3), drawn.max(initial=3.0)])  # never so near that noise looks like a trend
    floor, ceiling = bottom - 0.12 * (top - bottom), top + 0.12 * (top - bottom)
    traces, seen = [], set()
    for run, gradient, value, lost in profiles:
        at = 100 * run["index"] / run["index"][-1]
        about = list(zip(run["module"], run["shape"], gradient, lost, strict=True))
        said = f"<b>{run.label}</b>, step {run['step'][-1]}<br>%{{customdata[0]}}, %{{customdata[1]}}<br>"
        said += "RMS gradient %{customdata[2]:.3~g}" + (", %{y:.3~g} × the last block's" if relative else "")
        good, style = lost == "", dict(mode="lines" if len(at) > 12 else "lines+markers", line=run.line)
        style |= dict(marker=dict(size=5), customdata=about, hovertemplate=said + f"<extra>{run.origin}</extra>")
        traces.append(run.trace("gradient", at, np.where(good, value, np.nan), **style))
        if not good.all():
            low = lost[~good] == "underflow to 0"
            mark = dict(color=run.line["color"], size=7, symbol=np.where(low, "triangle-down", "triangle-up"))
            said = f"<b>{run.label}</b><br>%{{customdata[0]}}, %{{customdata[1]}}<br>%{{customdata[3]}}<extra>{run.origin}</extra>"
            about = [row for row in about if row[3]]
            style = dict(mode="markers", marker=mark, customdata=about, hovertemplate=said, showlegend=False)
            traces.append(run.trace("lost", at[~good], 10.0 ** np.where(low, floor, ceiling), **style))
            seen |= {(name, name == "underflow to 0") for name in lost[~good]}
    notes = [
        dict(name=name, text=" or ".join(words), x=1, xref="paper", xanchor="right", y=y, yanchor=anchor, showarrow=False)
        for name, y, anchor, words in (
            ("floor", floor, "bottom", sorted(word for word, low in seen if low)),
            ("ceiling", ceiling, "top", sorted(word for word, low in seen if not low)),
        ) if words
    ]
    span = ceiling - floor
    level = dict(type="line", xref="paper", x0=0, x1=1, y0=1, y1=1, line=dict(color=theme.AXIS, width=1))
    per = "relative to the last block (log scale)" if relative else "nats per unit (log scale)"
    return draw(
        traces, origin=theme.origin(runs), empty=empty, annotations=notes, shapes=[level] if relative else [],
        title="Gradient at each block" + (f", step {steps[0]}" if len(steps) == 1 else ", latest step" if steps else ""),
        x=dict(title="Way through the net, block by block (%)", range=[0, 102], tickvals=[0, 20, 40, 60, 80, 100]),
        y=dict(
            title="RMS gradient at block output,<br>" + per, type="log", exponentformat="power", dtick=int(max(1, np.ceil(span / 7))),
            range=[floor - 0.05 * span, ceiling + 0.05 * span],
        ),
    )
