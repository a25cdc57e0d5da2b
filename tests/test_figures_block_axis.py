"""The axis of blocks: its numbers stand where the blocks of each net are drawn."""

import pytest

from reslab.figures import block_axis


def numbered(axis):
    return dict(zip(axis["ticktext"], axis["tickvals"], strict=True))


def test_one_depth_has_its_blocks_under_it():
    axis = block_axis.axis([9, 9])
    assert list(axis["ticktext"]) == [str(i) for i in range(1, 10)]
    assert axis["tickvals"][2] == pytest.approx(100 * 3 / 9)
    assert axis["title"] == "Block"


def test_two_depths_have_a_row_each_in_their_own_place():
    axis = block_axis.axis([9, 27, 9], "Block that is taken out", start=1)
    assert axis["title"] == "Block that is taken out<br>(upper row: of 27, lower row: of 9)"
    at = numbered(axis)
    assert set(at) == {"1<br>1", "5", "10", "15", "20", "27<br>9", *(f"<br>{i}" for i in range(2, 9))}
    assert at["1<br>1"] == 0  # plotly draws one text at a place
    assert at["27<br>9"] == 100
    assert at["10"] == pytest.approx(100 * 9 / 26)
    assert at["<br>4"] == pytest.approx(100 * 3 / 8)
    assert len(set(axis["tickvals"])) == len(axis["tickvals"])


def test_the_stem_stands_at_zero():
    at = numbered(block_axis.axis([27], stem=True))
    assert at["stem"] == 0
    assert at["27"] == 100
    assert "1" not in at  # it would lie on the word


def test_more_depths_than_rows_name_only_the_ends():
    axis = block_axis.axis([3, 9, 27, 54])
    assert numbered(axis) == {"first": 100 / 54, "last": 100}
    assert block_axis.axis([9, 27], rows=1, stem=True)["ticktext"] == ["stem", "last"]


def test_a_chart_without_nets_has_an_axis():
    assert numbered(block_axis.axis([])) == {"1": 100}
