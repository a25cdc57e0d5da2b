"""Lesson 02 in words: how similar the gradients at neighbouring inputs are."""

from reslab.figures.text.phrases import EMPTY, lines
from reslab.results import shattering as results


def sentence(table, lag=1):
    """The autocorrelation of the gradient, of the shallowest and the deepest of each kind of net, in one sentence.

    table: as `results.shattering.by_depth` takes it. Means over the seeds. ValueError for a missing column.
    """
    texts = []
    for name, at in results.by_depth(table, lag).groupby("name", sort=False):
        first, last = (at.loc[at["depth"].idxmin()], at.loc[at["depth"].idxmax()])
        path = f"{first['mean']:.2f}"
        if len(at) > 1:
            path += f" at {first['depth']} to {last['mean']:.2f} at {last['depth']} layers"
        texts.append(f"{name} {path}".replace("-", "−"))
    return f"Autocorrelation of the gradient at {_apart(lag)}: {'; '.join(texts)}." if texts else EMPTY


def title(table, lag=1):
    """Whether gradients become unrelated with depth only with BatchNorm and without skips, as a title: in every seed;
    otherwise "".

    table: as `results.shattering.by_depth` takes it.
    """
    nets = results.by_depth(table, lag).query("depth > 0")
    deepest = nets[nets["depth"] == nets.groupby("name")["depth"].transform("max")]
    shattered = deepest["name"].str.contains("BatchNorm") & ~deepest["skip"].astype(bool)
    if shattered.all() or not shattered.any():
        return ""
    unrelated, alike = deepest["max"] < results.UNRELATED, deepest["min"] > results.UNRELATED
    only = unrelated[shattered].all() and alike[~shattered].all()
    return "Only with BatchNorm and no skips gradients become unrelated" if only else ""


def _apart(lag):
    """Which inputs of a line are compared."""
    return "neighbouring inputs" if lag == 1 else f"inputs that are {lag} places apart"


def alt_text(table, lag=1):
    """A text alternative for the chart of autocorrelation by depth: axes, lines, and what was measured."""
    nets = results.by_depth(table, lag).query("depth > 0")
    drawn = lines(nets[["name", "skip"]].drop_duplicates().itertuples(index=False, name=None))
    chart = "Line chart of the autocorrelation of the gradient against depth in layers, log scale"
    return f"{chart}. {drawn}{sentence(table, lag)}"
