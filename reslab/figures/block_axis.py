"""An axis of blocks, numbered as a learner counts them, on which nets of any depth have the same length.

A place on it is in %: block i of n is at 100 · i / n, and the stem at 0; or, where blocks are all there is, at
100 · (i − 1) / (n − 1). Nets of different depth have a row of numbers each, the deepest above.
"""

# ruff: noqa: C408 – plotly's dictionaries are written as calls, as its own manual does

ROWS = 3  # of numbers, at most


def axis(counts, title="Block", *, start=0, stem=False, few=False, rows=ROWS):
    """The axis, as a plotly dictionary. counts: how many blocks each net has, repeated ones too.

    start: 0 or 1, the number that is at 0 %. stem: say what is at 0. few: only the first, the middle and the last.
    rows: of numbers, at most; of more depths, only the first and the last block are named.
    """
    counts = sorted({int(count) for count in counts}, reverse=True) or [1]
    reach = [-3, 103] if start else [-1, 101] if stem else [0, 103]
    if len(counts) > rows:
        first, named = place(start or not stem, counts[0], start), ["stem" if stem else "first", "last"]
        return dict(title=title, range=reach, tickvals=[first, 100], ticktext=named, tickangle=0)
    texts = {0.0: ["stem"]} if stem else {}  # place → its text in each row
    for row, count in enumerate(counts):
        for i in _numbered(count, few):
            at = round(place(i, count, start), 6)
            if not (stem and row == 0 and at < 10):  # beside the word
                lines = texts.setdefault(at, [])
                lines += [""] * (row - len(lines)) + [str(i)]
    named = ["<br>".join(lines) for lines in texts.values()]
    return dict(title=_titled(title, counts), range=reach, tickvals=list(texts), ticktext=named, tickangle=0)


def place(i, count, start=0):
    """Where block i of `count` is, in %."""
    return 100 * (i - start) / max(1, count - start)


def _numbered(count, few):
    """The blocks that have their number under them: the first and the last, and round numbers that leave room."""
    if few:
        return sorted({1, (count + 1) // 2, count})
    every = 1 if count <= 9 else 5 if count <= 30 else 10
    return sorted({1, *(i for i in range(every, count, every) if 2 * (count - i) > every and i > 1), count})


def _titled(title, counts):
    if len(counts) == 1:
        return title
    of = [f"of {count}" for count in counts]
    rows = f"upper row: {of[0]}, lower row: {of[1]}" if len(of) == 2 else f"rows: {', '.join(of)}"
    return f"{title}<br>({rows})"
