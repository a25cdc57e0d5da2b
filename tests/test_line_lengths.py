"""Lines of at most 120 characters in what ruff does not read: Markdown, JavaScript, styles and configuration."""

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
FOLDERS = (CHECKOUT / "reslab", CHECKOUT / "notebooks", CHECKOUT / "tests")
FILES = [CHECKOUT / "Makefile", *CHECKOUT.glob("*.md"), *CHECKOUT.glob("*.toml")]
FILES += [file for kind in ("*.md", "*.js", "*.css") for folder in FOLDERS for file in sorted(folder.rglob(kind))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_line_is_longer_than_120_characters(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    tables_and_images = ("|", "![")
    assert [i for i, line in enumerate(lines, 1) if len(line) > 120 and not line.startswith(tables_and_images)] == []
