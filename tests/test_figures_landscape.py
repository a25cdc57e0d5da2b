"""Charts, sentences and files of lesson 06: what is drawn, said and written is what the frame says."""

import numpy as np
import pandas as pd
import pytest
from drawn import keyed

from reslab.experiments import landscape_files
from reslab.figures import landscape, theme
from reslab.results import landscape as results


def labelled(frame, name, seed=0, **columns):
    """Test input, never product data."""
    labels = {"name": name, "skip": name.startswith("resnet"), "depth": int(name.split("-")[1]), "seed": seed}
    labels |= {"origin": "live, this machine", "mode": "eval", "images": 128, "normalisation": "filter"}
    return frame.assign(**(labels | {"norms": "kept"} | columns))


def lines(name, rises, *, start=0.1, **columns):
    """One line per rise: the loss at -0.5, 0 and 0.5 of directions 0, 1, ..."""
    rows = [
        {"direction": number, "alpha": alpha, "loss": start + rise * (alpha != 0)}
        for number, rise in enumerate(rises) for alpha in (-0.5, 0.0, 0.5)
    ]  # fmt: skip
    return labelled(pd.DataFrame(rows), name, **columns)


def bowl(name, height, **columns):
    side = [-1.0, 0.0, 1.0]
    rows = [{"direction": 0, "x": x, "y": y, "loss": 0.1 + height * (x * x + y * y), "error": 0.5 * abs(x)}
            for y in side for x in side]  # fmt: skip
    return labelled(pd.DataFrame(rows), name, **columns)


FRAME = pd.concat([lines("plain-20", [2, 3]), lines("resnet-20", [1, 4], start=0.01)], ignore_index=True)
MAPS = pd.concat([bowl("plain-20", 5.0), bowl("resnet-20", 0.4)], ignore_index=True)
LINE = labelled(pd.DataFrame({"alpha": [0, 0.5, 1], "loss": [0.1, 3.0, 0.2], "other": 1}), "plain-20")
PATH = labelled(
    pd.DataFrame({"step": [0, 5, 9], "x": [-1.0, 0.5, 0.0], "y": [0.2, 1.0, 0.0], "loss": [2.0, 1.0, 0.1]}),
    "resnet-20", share_x=0.7, share_y=0.2,
)  # fmt: skip


def test_plain_and_residual_are_compared_line_by_line():
    table = results.rises(FRAME)
    assert table["rise"].tolist() == pytest.approx([2, 3, 1, 4])
    assert table["start"].tolist() == [0.1, 0.1, 0.01, 0.01]
    (row,) = results.compare(FRAME).itertuples()
    assert (row.pairs, row.share, row.less, row.seeds, row.directions) == (2, 0.5, 0.5, 1, 2)
    assert (row.plain, row.residual_low, row.residual_high) == pytest.approx((2.5, 1, 4))
    assert results.verdict(FRAME) == results.ANSWERS[2]
    with pytest.raises(ValueError, match=r"measured to both sides are 0, 0\.5"):
        results.rises(FRAME, 0.7)
    with pytest.raises(ValueError, match="depth is 56"):
        results.verdict(FRAME, 56)


@pytest.mark.parametrize(("share", "answer"), [(1.0, 0), (0.9, 0), (0.5, 2), (0.1, 1), (0.0, 1)])
def test_the_answer_needs_nearly_all_pairs(share, answer):
    assert results.answer(share, 1 - share) == results.ANSWERS[answer]


@pytest.mark.parametrize(
    ("plain", "residual", "answer"), [(0.2, 0.2, 2), (np.inf, np.inf, 2), (np.nan, 0.2, 0), (0.2, np.nan, 1)]
)
def test_losses_that_rise_alike_or_beyond_the_largest_float(plain, residual, answer):
    frame = pd.concat([lines("plain-20", [1, 1]), lines("resnet-20", [1, 1])], ignore_index=True)
    frame.loc[frame["alpha"] == 0.5, "loss"] = np.where(frame.loc[frame["alpha"] == 0.5, "skip"], residual, plain)
    assert results.verdict(frame) == results.ANSWERS[answer]


def test_the_chart_of_lines():
    traces = keyed(landscape.bands(FRAME))
    plain, residual = (traces[f"{name}/live, this machine/median"] for name in ("plain-20", "resnet-20"))
    assert list(plain.x) == [-0.5, 0, 0.5]
    assert plain.y[0] == pytest.approx(2.6)
    assert (plain.line.dash, residual.line.dash) == ("5px,3px", "solid")
    assert "%{customdata[2]} lines" in plain.hovertemplate
    assert plain.customdata[0][2] == 2
    drawn = landscape.bands(FRAME.assign(loss=0.0), draw=theme.chart)
    assert min(drawn["data"][-1]["y"]) == pytest.approx(0.01)  # a log axis has no 0


def test_every_map_has_the_same_scale_and_levels():
    figure = landscape.contours(MAPS)
    traces = keyed(figure)
    plain, residual = traces["map/0"], traces["map/1"]
    assert plain.contours == residual.contours
    assert (plain.contours.start, plain.contours.end, plain.contours.size) == results.LEVELS
    assert plain.coloraxis == residual.coloraxis == "coloraxis"
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == results.LEVELS[:2]
    assert plain.z[0][0] == pytest.approx(np.log10(10.1))
    assert residual.z[1][1] == pytest.approx(-1)
    assert figure.layout.xaxis2.title.text == "resnet-20"
    assert figure.layout.xaxis3.visible is False
    assert "random plane, eval mode" in figure.layout.title.text


def test_maps_beyond_the_scale_are_at_its_end():
    far = bowl("plain-20", 5.0).assign(loss=[np.nan, np.inf, 1e9, 0, 1e-9, 1, 1, 1, 1])
    assert results.heights(far)[2].ravel().tolist() == [3, 3, 3, -2, -2, 0, 0, 0, 0]


def test_maps_of_one_net_are_told_apart_by_what_differs():
    both = pd.concat([bowl("plain-20", 5.0), bowl("plain-20", 5.0, mode="train")], ignore_index=True)
    figure = landscape.contours(both)
    assert figure.layout.xaxis.title.text == "plain-20 · eval mode"
    assert figure.layout.xaxis2.title.text == "plain-20 · train mode"


def test_the_path_is_drawn_in_its_plane():
    figure = landscape.path(bowl("resnet-20", 5.0), PATH)
    assert list(keyed(figure)["path"].x) == [-1, 0.5, 0]
    assert "70%" in figure.layout.xaxis.title.text
    assert [note.text for note in figure.layout.annotations if note.name in ("start", "end")] == [
        "start, step 0", "end, step 9"
    ]  # fmt: skip
    walks = pd.DataFrame({"seed": [0, 1, 2], "share_x": 0.6, "share_y": 0.2})
    assert "holds 90% of the path of resnet-20 (3 points)" in landscape.path_sentence(PATH, walks)
    assert "would hold 80%" in landscape.path_sentence(PATH, walks)


def test_the_line_between_two_nets():
    (row,) = results.barriers(LINE).itertuples()
    assert (row.ends, row.top, row.barrier) == pytest.approx((0.15, 3.0, 2.8))
    assert list(keyed(landscape.between(LINE))["plain-20/live, this machine/median"].y) == [0.1, 3, 0.2]
    assert landscape.between(LINE).layout.yaxis.type != "log"
    assert landscape.between(LINE).layout.yaxis.range == pytest.approx((0, 3.15))
    assert "plain-20 (eval mode) 2.8" in landscape.between_sentence(LINE)


def test_the_surface_is_on_request_and_has_the_maps_scale():
    figure = landscape.surface(MAPS)
    assert figure.data[0].type == "surface"
    assert list(figure.layout.scene.zaxis.range) == list(results.LEVELS[:2])


def test_pairs_are_counted_and_drawn():
    table = results.counts(FRAME, alphas=(0.5,))
    assert table.loc[(20, "eval"), 0.5] == "plain 1, residual 1"
    drawn = keyed(landscape.pairs(FRAME))
    plain, residual = (list(drawn[kind].y) for kind in ("plain", "residual"))
    assert (sorted(plain), sorted(residual)) == ([2, 3], [1, 4])
    line = list(drawn["pairs"].y)
    assert list(zip(line[::3], line[1::3], strict=True)) == list(zip(plain, residual, strict=True))


@pytest.mark.parametrize("draw", [landscape.bands, landscape.contours, landscape.between, landscape.pairs])
def test_charts_without_rows_say_so(draw):
    drawn = draw(pd.DataFrame(), draw=theme.chart)
    assert drawn["data"] == []
    assert any(note.get("name") == "empty" for note in drawn["layout"]["annotations"])
    with pytest.raises(ValueError, match="lacks"):
        draw(FRAME.drop(columns="loss"))


def test_the_sentences_say_the_numbers():
    said = landscape.comparison_sentence(FRAME)
    assert "plain 2.5 (2 to 3), residual 2.5 (1 to 4); of 2 pairs plain rises more in 1, residual in 1." in said
    assert "over 2 directions)" in said
    assert "plain-20 from 0.1 by 2.5 (2 to 3); " in landscape.rise_sentence(FRAME)
    assert "dashed vermillion" in landscape.alt_text(FRAME, "")
    assert landscape.comparison_sentence(pd.DataFrame()) == "Nothing has been measured yet."


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_vtk_file_is_a_surface_that_can_be_read_back(tmp_path):
    frame = bowl("plain-20", 5.0)
    landscape_files.to_vtk(frame, tmp_path / "map.vtk")
    lines = (tmp_path / "map.vtk").read_text(encoding="ascii").splitlines()
    assert lines[0] == "# vtk DataFile Version 3.0"
    assert lines[2:6] == ["ASCII", "DATASET STRUCTURED_GRID", "DIMENSIONS 3 3 1", "POINTS 9 float"]
    points = np.array([line.split() for line in lines[6:15]], dtype=float)
    np.testing.assert_allclose(points, frame[["x", "y", "loss"]], rtol=1e-5)
    assert lines[15] == "POINT_DATA 9"
    scalars = {lines[i].split()[1]: np.array(lines[i + 2 : i + 11], dtype=float) for i in (16, 27, 38)}
    np.testing.assert_allclose(scalars["loss"], frame["loss"], rtol=1e-5)
    np.testing.assert_allclose(scalars["log10_loss"], np.log10(frame["loss"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scalars["error"], frame["error"], rtol=1e-5)


def test_an_npz_file_has_the_sheets(tmp_path):
    landscape_files.to_npz(bowl("plain-20", 5.0), tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as kept:
        assert kept["x"].tolist() == [-1, 0, 1]
        assert kept["loss"][0].tolist() == pytest.approx([10.1, 5.1, 10.1])
        assert kept["error"].shape == (3, 3)


def test_one_map_a_file(tmp_path):
    with pytest.raises(ValueError, match="several maps"):
        landscape_files.to_vtk(MAPS, tmp_path / "map.vtk")
    with pytest.raises(ValueError, match="not finite"):
        landscape_files.to_npz(bowl("plain-20", np.inf), tmp_path / "map.npz")


def test_what_is_recorded_comes_back_to_three_digits():
    frame = bowl("plain-20", 5.0)
    again = landscape_files._of_plain(landscape_files.to_plain(frame))
    np.testing.assert_allclose(again["loss"], frame["loss"], rtol=5e-3)
    assert again[["x", "y"]].equals(frame[["x", "y"]])
    assert again["name"].tolist() == frame["name"].tolist()
