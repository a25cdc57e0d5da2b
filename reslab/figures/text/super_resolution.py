"""Lesson 08 in words: how far nets get beyond bicubic interpolation."""

from reslab.figures.text.phrases import EMPTY, lines, median, over_seeds
from reslab.results import super_resolution as results


def sentence(frame, step=None):
    """The gain of every net over bicubic at a step, by default the last. frame: as `results.super_resolution.gains`
    takes it; ValueError for a missing column."""
    if not len(frame):
        return EMPTY
    table = results.gains(frame)
    step = table["step"].max() if step is None else step
    table = table[table["step"] == step]
    pictures = frame["picture"].nunique()
    text = "; ".join(f"{row['name']} {_gain(row, ' dB')}" for _, row in table.iterrows())
    what = f"PSNR minus bicubic's, mean of {pictures} pictures that no net has seen"
    return f"After {step} steps, {what}: {text}.{over_seeds(table)}"


def title(frame):
    """Which nets are better than bicubic after the last step, as a title: with the global skip, and not without it;
    "" where a seed says otherwise.

    frame: as `sentence` takes it.
    """
    if "gain" not in frame:
        return ""  # a chart of the curves needs no such column
    table = results.gains(frame)
    table = table[table["step"] == table["step"].max()]
    skip = table["skip"].astype(bool)
    better, worse = (table.loc[skip, "low"] > results.CLOSE), (table.loc[~skip, "high"] < -results.CLOSE)
    both = len(better) and len(worse) and better.all() and worse.all() and not table["lost"].any()
    return "Better than bicubic with the global skip, worse without" if both else ""


def depth_title(frame):
    """Whether more layers make it worse, as a title: without any skip, and with no kind of skip; "" where the seeds
    overlap.

    frame: as `gains_table` takes it.
    """
    if "gain" not in frame:
        return ""
    table = results.gains(frame)
    table = table[table["step"] == table["step"].max()].sort_values("depth")
    kinds = {kind: rows for kind, rows in table.groupby(["skip", "block_skips"]) if len(rows) > 1}
    bare = kinds.pop((False, False), None)
    if bare is None or not kinds or table["lost"].any() or bare["high"].iloc[-1] >= bare["low"].iloc[0] - results.CLOSE:
        return ""
    level = all(rows["median"].min() >= rows["median"].iloc[0] - results.CLOSE for rows in kinds.values())
    return "More layers make it clearly worse only without any skip" if level else ""


LABELS = {
    (False, False): "no skip",
    (False, True): "block skips",
    (True, False): "a global skip",
    (True, True): "both",
}


def gains_table(frame, rows, columns, steps=()):
    """The gain over bicubic (dB), the median and the range over the seeds, as a table of text.

    frame: as `results.super_resolution.gains` takes it. rows, columns: of "skips", "net", "layers", "last layer" and
    "step". steps: of the training, by default all.
    """
    table = results.gains(frame)
    table = table[table["step"].isin(steps)] if steps else table
    kinds = zip(table["skip"].astype(bool), table["block_skips"].astype(bool), strict=True)
    texts = [_gain(row).replace("-", "−") for _, row in table.iterrows()]
    table = table.assign(skips=[LABELS[kind] for kind in kinds], gain=texts)
    table = table.rename(columns={"name": "net", "depth": "layers", "last": "last layer"})
    return table.pivot_table(index=rows, columns=columns, values="gain", aggfunc="first", sort=False)


def picture_sentence(frame, front="residual"):
    """One picture: how much better than bicubic each net is. frame: as `experiments.super_resolution.compared` gives
    it; front: the kind of the net that is told first."""
    if not len(frame):
        return EMPTY
    rows = frame.set_index("kind")
    bicubic, texts = rows.loc["bicubic"], []
    for kind in sorted({"direct", "residual"} & set(rows.index), key=lambda kind: kind != front):
        net, gain = rows.loc[kind], round(rows.loc[kind, "psnr"] - bicubic["psnr"], 2)
        how = f"{abs(gain):.2f} dB {'better' if gain > 0 else 'worse'} than" if gain else "as good as"
        texts.append(f"{net['name']} is {how} bicubic (SSIM {net['ssim']:.3f})")
    usual = f"bicubic itself has {bicubic['psnr']:.2f} dB (SSIM {bicubic['ssim']:.3f})"
    first = frame.iloc[0]
    here = f" ({first['origin']})" if first["origin"].startswith("live") else ""
    return f"{first['picture'].capitalize()}, enlarged twice{here}: {'; '.join([*texts, usual])}."


def _gain(row, unit=""):
    """A median gain and its range over the seeds; how many of them diverged."""
    if row["lost"] == row["seeds"]:
        return "diverged"
    return median(row, "+.2f", unit) + f", {row['lost']} of {row['seeds']} seeds diverged" * bool(row["lost"])


def alt_text(frame, text):
    """A chart for screen readers: its lines, and its sentence."""
    nets = frame.dropna(subset=["skip"])[["name", "skip"]].drop_duplicates() if len(frame) else frame
    named = [(name, bool(skip)) for name, skip in nets.itertuples(index=False)] if len(frame) else []
    return f"Chart of what nets make of enlarged pictures. {lines(named)}{text}"
