"""Lesson 06: maps that were recorded with reslab, and files of a map for programs that render surfaces."""

from pathlib import Path

import numpy as np
import pandas as pd

from reslab import checks
from reslab.shipped import shipped_json

FOLDER, SETS = "landscape", ("digits", "cifar10")


def recorded(dataset="digits"):
    """{"grids", "bands": the frames of `landscape.grid` and `landscape.bands`, of several nets; "provenance": a dict}.

    dataset: "digits" (width 8; lines of three seeds, maps of seed 0) or "cifar10" (width 16, half of the paper's
    training, one seed), made by `python data/record_landscape.py`. origin begins with "recorded".
    ValueError for another dataset, FileNotFoundError where it is not installed.
    """
    content = shipped_json(f"{FOLDER}/{checks.choice('dataset', dataset, SETS)}.json.gz")
    grids = [_of_plain(made) for made in content["grids"]]
    bands = pd.DataFrame(content["bands"])
    return {"grids": pd.concat(grids, ignore_index=True), "bands": bands, "provenance": content["provenance"]}


def to_plain(frame):
    """One map as a dict of plain values, the losses to three digits: what `recorded` reads."""
    labels = {name: values.iloc[0] for name, values in frame.items() if name not in ("x", "y", "loss", "error")}
    labels = {name: value.item() if hasattr(value, "item") else value for name, value in labels.items()}
    loss = [float(f"{min(value, 9.99e30):.3g}") for value in frame["loss"].fillna(np.inf)]
    return labels | {"x": sorted(set(frame["x"])), "y": sorted(set(frame["y"])), "loss": loss,
                     "error": frame["error"].round(3).tolist()}  # fmt: skip


def to_vtk(frame, path):
    """Write a map as a surface, a legacy VTK file in ASCII: for ParaView and the like.

    frame: one map, as `landscape.grid` or `landscape_path.principal_plane` give it. A point is (x, y, loss); each has
    the scalars loss, log10_loss and error. ValueError for several maps at once, and for losses that are not finite.
    """
    xs, ys, loss, error = _sheet(frame)
    points = [f"{x:.6g} {y:.6g} {value:.6g}" for y, row in zip(ys, loss, strict=True)
              for x, value in zip(xs, row, strict=True)]  # fmt: skip
    lines = ["# vtk DataFile Version 3.0", f"loss around {frame['name'].iloc[0]}", "ASCII", "DATASET STRUCTURED_GRID"]
    lines += [f"DIMENSIONS {len(xs)} {len(ys)} 1", f"POINTS {len(points)} float", *points, f"POINT_DATA {len(points)}"]
    for name, values in {"loss": loss, "log10_loss": np.log10(loss.clip(1e-12)), "error": error}.items():
        lines += [f"SCALARS {name} float 1", "LOOKUP_TABLE default", *(f"{value:.6g}" for value in values.ravel())]
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def to_npz(frame, path):
    """Write a map as NumPy arrays, an .npz file: x (X,), y (Y,), loss and error (Y, X). ValueError as of `to_vtk`."""
    xs, ys, loss, error = _sheet(frame)
    np.savez_compressed(path, x=xs, y=ys, loss=loss, error=error)


def _sheet(frame):
    """(x, y, loss, error) of one map as arrays."""
    if frame.duplicated(["x", "y"]).any():
        raise ValueError("The frame has several maps; give one of them, as frame[frame['name'] == ...].")
    if not np.isfinite(frame["loss"]).all():
        raise ValueError("The map has losses that are not finite; measure it again with a smaller reach.")
    sheets = [frame.pivot(index="y", columns="x", values=name).sort_index().sort_index(axis=1) for name in
              ("loss", "error")]  # fmt: skip
    loss, error = (sheet.to_numpy(float) for sheet in sheets)
    return sheets[0].columns.to_numpy(float), sheets[0].index.to_numpy(float), loss, error


def _of_plain(made):
    xs, ys = made["x"], made["y"]
    labels = {name: value for name, value in made.items() if name not in ("x", "y", "loss", "error")}
    columns = {"x": xs * len(ys), "y": np.repeat(ys, len(xs)), "loss": made["loss"], "error": made["error"]}
    frame = pd.DataFrame(columns)
    return pd.DataFrame({name: [value] * len(frame) for name, value in labels.items()} | dict(frame.items()))
