"""Lesson 06: what pictures of the loss have in common, over directions and trained seeds."""

import numpy as np
import pandas as pd

from reslab import checks
from reslab.results.frames import NO_ANSWER, median, require

ANSWERS = ("the plain net's", "the residual net's", "it depends on the direction and the seed")
MAJORITY = 2 / 3  # of the pairs, for one net's loss to count as the one that rises more
HOW = ["mode", "normalisation", "norms"]
NET = ["name", "skip", "depth", "seed", "origin"]
LEVELS = (-2.0, 3.0, 0.25)  # log10 of nats: the first, the last and the distance of a map's levels, in every pane


def rises(frame, alpha=0.5):
    """How far the loss rises to both sides of a net: one row per net × seed × direction.

    frame: as `experiments.landscape.bands` gives it. Columns: name, skip, depth, seed, origin, mode, normalisation,
    norms, direction, start (loss at 0), rise (nats: the mean of the losses at alpha and -alpha, minus start).
    ValueError for a missing column, and for an alpha that was not measured to both sides.
    """
    frame = require(frame, (*NET, *HOW, "direction", "alpha", "loss"), "The rise of the loss")
    frame = frame.assign(loss=frame["loss"].fillna(np.inf))  # beyond the largest float
    by = [*NET, *HOW, "direction"]
    there = frame[np.isclose(frame["alpha"].abs().astype(float), alpha)]
    if len(frame) and there["alpha"].nunique() < 2:
        known = sorted(set(frame["alpha"].abs()) & set(frame["alpha"]))
        raise ValueError(f"alpha is {alpha}; measured to both sides are {', '.join(f'{place:g}' for place in known)}.")
    start = frame[frame["alpha"] == 0].groupby(by, sort=False, dropna=False)["loss"].first()
    mean = there.groupby(by, sort=False, dropna=False)["loss"].mean()
    return pd.DataFrame({"start": start, "rise": mean - start}).reset_index()


def paired(frame, alpha=0.5):
    """Plain beside residual, of the same seed in the same direction: one row per pair, `rises` with _plain and
    _residual after the columns in which the two differ. Nets with no partner are left out."""
    table = rises(frame, alpha)
    plain, residual = (table[table["skip"] == skip] for skip in (False, True))
    return plain.merge(residual, on=["depth", *HOW, "seed", "direction"], suffixes=("_plain", "_residual"))


def counts(*frames, alphas=(0.25, 0.5, 1.0)):
    """In how many pairs which net's loss rises more: one row per depth × mode, one column per length of the step,
    "plain 3, residual 12". frames: of one normalisation, one below the other; alphas: measured to both sides."""
    by, columns, frame = ["depth", "mode"], {}, pd.concat(frames)
    for alpha in alphas:
        table = compare(frame, alpha).set_index(by)
        more = (("plain", table["share"]), ("residual", table["less"]))
        plain, residual = ([f"{kind} {count:.0f}" for count in share * table["pairs"]] for kind, share in more)
        columns[alpha] = list(map(", ".join, zip(plain, residual, strict=True)))
    return pd.DataFrame(columns, index=table.index).rename_axis(columns="length of the step")


def compare(frame, alpha=0.5):
    """Plain against residual, of the same seed in the same direction: one row per depth × mode × normalisation × norms.

    Columns: depth, mode, normalisation, norms, pairs (how many), share (of them in which the loss of the plain net
    rises more), less (in which that of the residual net does), plain, residual (median rises, nats), plain_low,
    plain_high, residual_low, residual_high, seeds, directions. Nets with no partner do not count.
    """
    by, rows = ["depth", *HOW], []
    for key, pairs in paired(frame, alpha).groupby(by, sort=False):
        row = dict(zip(by, key, strict=True)) | {"pairs": len(pairs)}
        row["share"] = (pairs["rise_plain"] > pairs["rise_residual"]).mean()
        row["less"] = (pairs["rise_plain"] < pairs["rise_residual"]).mean()
        for kind in ("plain", "residual"):
            rise = pairs[f"rise_{kind}"]
            row |= {kind: median(rise), f"{kind}_low": rise.min(), f"{kind}_high": rise.max()}
        rows.append(row | {"seeds": pairs["seed"].nunique(), "directions": pairs["direction"].nunique()})
    columns = [*by, "pairs", "share", "less", "plain", "plain_low", "plain_high", "residual", "residual_low",
               "residual_high", "seeds", "directions"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def verdict(frame, depth=20, alpha=0.5):
    """Whose loss rises more, one of ANSWERS: a net's if it does in MAJORITY of all pairs of one seed and direction.

    NO_ANSWER where the rises of a net are all NaN. frame: of one mode and normalisation. ValueError for a depth at
    which there are no pairs.
    """
    table = compare(frame, alpha)
    checks.choice("depth", depth, list(table["depth"]))
    row = table.set_index("depth").loc[depth]
    return NO_ANSWER if row[["plain", "residual"]].isna().any() else answer(row["share"], row["less"])


def answer(share, less):
    """One of ANSWERS, of the shares of pairs in which the loss of the plain, and of the residual net rises more."""
    return ANSWERS[0] if share >= MAJORITY else ANSWERS[1] if less >= MAJORITY else ANSWERS[2]


def barriers(frame):
    """How high the loss rises between two nets: one row per pair, of a frame of `experiments.landscape.between`.

    Columns: name, skip, depth, seed, other, mode, ends (the mean of the losses at both ends), top (the highest loss on
    the line), barrier (top minus the higher end, nats; 0 where nothing on the line is higher).
    """
    frame = require(frame, (*NET, "other", "mode", "alpha", "loss"), "The line between two nets")
    rows = []
    for key, line in frame.groupby(["name", "skip", "depth", "seed", "other", "mode"], sort=False):
        loss = line.sort_values("alpha")["loss"].to_numpy()
        ends = loss[[0, -1]]
        named = zip(("name", "skip", "depth", "seed", "other", "mode"), key, strict=True)
        rows.append(dict(named) | {"ends": ends.mean(), "top": loss.max(), "barrier": loss.max() - ends.max()})
    return pd.DataFrame(rows, columns=["name", "skip", "depth", "seed", "other", "mode", "ends", "top", "barrier"])


def maps(frame):
    """The maps of a frame of `experiments.landscape.grid`, in their order: [(labels as a dict, rows)].

    ValueError for a missing column.
    """
    frame = require(frame, (*NET, "mode", "x", "y", "loss"), "The map of the loss")
    by = [name for name in (*NET, *HOW, "direction") if name in frame]
    groups = frame.groupby(by, sort=False, dropna=False)
    return [(dict(zip(by, key, strict=True)), rows) for key, rows in groups]


def heights(rows):
    """(xs, ys, z) of one map: z is log10 of the loss, (y, x), within the LEVELS that all maps share."""
    table = rows.pivot(index="y", columns="x", values="loss").sort_index().sort_index(axis=1)
    low, high, _ = LEVELS
    loss = np.nan_to_num(table.to_numpy(float), nan=np.inf)  # beyond the largest float
    return table.columns.to_numpy(), table.index.to_numpy(), np.log10(np.clip(loss, 10**low, 10**high))


def shares(path, walks):
    """How much of a path lies in its plane, beside random walks of as many steps: (of the path, of the walks: median).

    path: as `experiments.landscape_path.principal_plane` gives it; walks: of `random_walk`.
    """
    ours = (path["share_x"] + path["share_y"]).iloc[0]
    return ours, median(walks["share_x"] + walks["share_y"])
