"""Lesson 06: the plane that holds most of a training's path, and the loss in it, after Li et al. 2018
(arXiv:1712.09913), §7.

The weights after some steps of a training, minus those at its end, are the rows of a matrix; its first two right
singular vectors span the plane (not centred, so that it goes through the last weights). How much of the path lies in it
says less than it seems: it holds most of a random walk as well (Antognini & Sohl-Dickstein 2018, arXiv:1806.08805).
"""

import numpy as np
import pandas as pd
import torch

from reslab import checks
from reslab.datasets import check_split
from reslab.experiments.landscape import IMAGES, LossSurface, rows_of_plane
from reslab.nets import build, replace
from reslab.progress import progress_bar
from reslab.train import TrainSpec, train

MARGIN = 0.15  # of the plane's width, around the path


def trained_path(spec, split, how=None, *, seed=0, every=1, device="cpu"):
    """(net, states): a net trained here, and its state_dict before training and after every so many steps.

    states: {step: state_dict}, the last step's among them. Of another training: those of its checkpoints, whose tensors
    begin with "model.".
    """
    net = build(spec, seed=seed)
    states = {0: _copied(net)}
    how = replace(how or TrainSpec(), log_every=checks.integer("every", every, 1), capture_every=0)
    for event in train(net, split, how, device=device):
        states[event.step] = _copied(net)
    return net.eval(), states


def principal(rows):
    """(axes, shares) of a path's weights (K, P), the last row its end: two orthonormal axes (2, P), and the share of
    the squared distances to the end that lies along each.

    ValueError for fewer than three rows, or if none differs from the last.
    """
    if len(rows) < 3:
        raise ValueError(f"A path of {len(rows)} points has no plane; give three or more.")
    ways = (rows[:-1] - rows[-1]).double()
    total = ways.square().sum()
    if not total > 0:
        raise ValueError("All points of the path are the same; give the weights at different steps.")
    # The eigenvectors of the small matrix of inner products, (K-1, K-1), give the same plane as an SVD of (K-1, P).
    values, vectors = torch.linalg.eigh(ways @ ways.T)
    values, vectors = values.flip(0)[:2].clamp_min(0), vectors.flip(1)[:, :2]
    axes = vectors.T @ ways
    axes = axes / axes.norm(dim=1, keepdim=True).clamp_min(1e-12)
    axes[1] -= (axes[1] @ axes[0]) * axes[0]  # where the path is a line, rounding alone would give the second
    axes[1] /= axes[1].norm().clamp_min(1e-12)
    return axes.float(), (values / total).tolist()


def principal_plane(net, states, split, *, points=25, mode="train", images=IMAGES, device="auto", progress=True):
    """(grid, path): the loss in the principal plane of a training's path, and the path in it.

    net: the trained one. states: {step: state_dict}, as `trained_path` gives them. All parameters span the plane, those
    of BatchNorm too; its running statistics stay those of `net`, and mode "train" does without them.
    grid: one row per point × point: the columns of `LossSurface.frame`; x, y (lengths along the two axes, 0 at the
    end), loss, error. path: one row per state: the same, with step; loss and error are those at its own weights, which
    lie outside of the plane; share_x, share_y: of the squared distances to the end, what each axis holds.
    ValueError for states of other shapes, and for fewer than three.
    """
    check_split(split)
    surface = LossSurface(net, split, images=images, mode=mode, device=device)
    steps = sorted(states)
    rows = torch.stack([_row(states[step], surface) for step in steps])
    learned = rows.clone()
    learned[:, surface.learned :] = 0  # running statistics are no coordinates of the surface
    axes, shares = principal(learned)
    centre = torch.cat([rows[-1, : surface.learned], surface.weights.cpu()[surface.learned :]])
    places = (learned - learned[-1]) @ axes.T  # (K, 2)
    path = surface.frame(
        step=steps, x=places[:, 0].tolist(), y=places[:, 1].tolist(),
        **dict(zip(("loss", "error"), zip(*surface.measure(rows), strict=True), strict=True)),
    ).assign(share_x=shares[0], share_y=shares[1])  # fmt: skip
    width = max(path[axis].max() - path[axis].min() for axis in ("x", "y"))
    sides = [_side(path[axis], MARGIN * width, checks.integer("points", points, 2)) for axis in ("x", "y")]
    made = rows_of_plane(surface, centre.to(surface.device), axes.to(surface.device), *sides)
    grid = pd.concat(list(progress_bar(made, total=points, desc="rows", disable=not progress)), ignore_index=True)
    return grid, path


def random_walk(steps, dimensions=1000, *, seeds=(0, 1, 2)):
    """The shares of `principal` of random walks with so many steps: one row per seed. Columns: seed, share_x,
    share_y."""
    (seeds,), steps = checks.several(seeds=seeds), checks.integer("steps", steps, 2)
    rows = []
    for seed in seeds:
        drawn = torch.randn(steps, dimensions, generator=torch.Generator().manual_seed(checks.seed("seed", seed)))
        first, second = principal(torch.cat([torch.zeros(1, dimensions), drawn.cumsum(0)]))[1]
        rows.append((seed, first, second))
    return pd.DataFrame(rows, columns=["seed", "share_x", "share_y"])


def _copied(net):
    return {name: tensor.detach().clone().cpu() for name, tensor in net.state_dict().items()}


def _row(state, surface):
    """A state_dict as a row of weights, (P,); ValueError for one of another net."""
    wrong = [name for name, shape in surface.names.items() if name not in state or state[name].shape != shape]
    if wrong:
        raise ValueError(f"{wrong[0]} is not in these states, or has another shape; take those of its training.")
    return torch.cat([state[name].reshape(-1).float() for name in surface.names])


def _side(values, margin, points):
    return np.linspace(values.min() - margin, values.max() + margin, points)
