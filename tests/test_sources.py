"""notebooks/sources.md: each paper that a lesson or evidence.md cites is there, by arXiv number, author and year."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOURCES = (NOTEBOOKS / "sources.md").read_text(encoding="utf-8")
ARXIV = r"arxiv\.org/abs/(\d{4}\.\d{4,5})"
# "He et al. 2015b", "De & Smith 2020", "Zhang, Dauphin, Ma 2019": the first author and the year
CITED = r"\b([A-Z][a-z]+)(?: et al\.|(?:,? &? ?(?:and )?[A-Z][a-z]+)*) ((?:19|20)\d\d[a-z]?)\b"
CITING = [*sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")), NOTEBOOKS / "evidence.md"]


def text(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", CITING, ids=lambda path: path.stem)
def test_each_cited_source_is_on_the_page(path):
    cited = text(path)
    assert set(re.findall(ARXIV, cited)) <= set(re.findall(ARXIV, SOURCES))
    listed = set(re.findall(CITED, SOURCES))
    missing = {(author, year) for author, year in re.findall(CITED, cited) if (author, year) not in listed}
    assert not missing, f"cited in {path.name}, and not in sources.md: {sorted(missing)}"


def test_the_pattern_finds_citations_of_every_form():
    forms = "He et al. 2015b; De & Smith 2020; Zhang, Dauphin, Ma 2019; Krizhevsky 2009"
    assert re.findall(CITED, forms) == [("He", "2015b"), ("De", "2020"), ("Zhang", "2019"), ("Krizhevsky", "2009")]


def test_the_page_says_of_each_paper_where_to_find_it():
    entries = [entry for entry in SOURCES.split("\n- ") if entry.startswith("**")]  # others are of software
    assert len(entries) > 25
    for entry in entries:
        is_linked = re.search(ARXIV, entry) or "(https://doi.org/" in entry
        assert is_linked or entry.startswith(("**Krizhevsky", "**Alpaydin")), entry
