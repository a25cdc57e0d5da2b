"""The README's table of the family says what is counted. To write it again: `python tests/test_readme.py`."""

from pathlib import Path

from reslab.nets.complexity import presets

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- presets -->\n", "<!-- /presets -->"


def table():
    rows = ["| name | depth | image | parameters | multiply-adds | source |", "|---|---|---|---|---|---|"]
    for net in presets().itertuples():
        rows.append(
            f"| `{net.name}` | {net.depth} | {net.image} | {net.parameters:,} | {net.multiply_adds / 1e9:.3g} G |"
            f" {net.source} |"
        )
    return "\n".join(rows) + "\n"


def test_the_table_of_the_family_is_what_is_counted():
    text = README.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table(), (
        "README.md is stale: run python tests/test_readme.py"
    )


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(text[: text.index(BEGIN)] + BEGIN + table() + text[text.index(END) :], encoding="utf-8")
