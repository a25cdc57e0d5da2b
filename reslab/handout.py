"""The hand-out: one page of HTML for a learner, to print: how to begin, the words, and the questions of the lessons."""

import html

from reslab.lessons import lessons

WORDS = {
    "plain net": "one layer after the other",
    "residual net": "the same, with skip connections",
    "skip connection": "adds what enters a block to what leaves it",
    "block": "two 3×3 convolutions",
    "training error": "share of the training pictures that the net gets wrong",
    "degradation": "more layers, higher training error",
    "gradient": "how much the loss changes with what a block puts out; goes from the answer back to the first block",
    "seed": "fixes the random start; another seed, another run",
    "recorded": "measured before, on the machine that is named",
}
STEPS = (
    "Type <code>reslab lab</code>, and open a lesson.",
    "Press <b>Shift+Enter</b> to go from cell to cell. Choose your answer <b>before</b> you measure.",
    "To see what another person sees, paste their line under <b>Share this state</b>, and press Enter.",
    "If nothing moves: <b>Kernel ▸ Restart Kernel</b>, then run the first code cell and the one you were at.",
)


def page():
    """The hand-out as text of an HTML file, for all lessons that have a question or are the start."""
    asked = [lesson for lesson in lessons() if lesson.questions]
    return PAGE.format(
        steps="".join(f"<li>{step}</li>" for step in STEPS),
        words="".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in WORDS.items()),
        rows="".join(
            f"<tr><td>{lesson.number}</td><td>{html.escape(lesson.questions[0])}</td><td></td><td></td></tr>"
            for lesson in asked
        ),
    )


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Residual networks: your page</title>
<style>
@page {{ margin: 11mm; }}
:root {{ color-scheme: light; }}
body {{ font: 10pt/1.3 system-ui, sans-serif; color: #111; background: #fff; max-width: 186mm; margin: 0 auto; }}
h1 {{ font-size: 17pt; margin: 0 0 2mm; }}
h2 {{ font-size: 12pt; margin: 3mm 0 1mm; }}
ol {{ margin: 0; padding-left: 6mm; }}
dl {{ margin: 0; columns: 2; column-gap: 8mm; }}
dl div {{ break-inside: avoid; }}
dt {{ display: inline; font-weight: 700; }}
dt::after {{ content: ": "; }}
dd {{ display: inline; margin: 0; }}
table {{ border-collapse: collapse; width: 100%; font-size: 9pt; line-height: 1.2; }}
th, td {{ border: 0.3mm solid #666; padding: 0.8mm 1.5mm; text-align: left; vertical-align: top; }}
th:nth-child(3), th:nth-child(4) {{ width: 24mm; }}
tr {{ break-inside: avoid; }}
.line {{ border-bottom: 0.3mm solid #666; height: 7mm; }}
@media (max-width: 600px) {{ body {{ padding: 0 4mm; }} dl {{ columns: 1; }} }}
</style>
<main>
<h1>Residual networks, taken apart live</h1>
<h2>How to begin</h2>
<ol>{steps}</ol>
<h2>Words</h2>
<dl>{words}</dl>
<h2>What I expected, and what was measured</h2>
<table>
<thead><tr><th>lesson</th><th>question</th><th>I said</th><th>measured</th></tr></thead>
<tbody>{rows}</tbody>
</table>
<h2>What surprised me, and the line that shows it</h2>
<div class="line"></div>
<div class="line"></div>
</main>
</html>
"""
