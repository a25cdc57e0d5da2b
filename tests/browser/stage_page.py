"""What the tests of the stage read off its page, in a notebook and in one HTML file."""

import time

LUMINANCE = """
const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true})
const rgba = colour => {
    pen.clearRect(0, 0, 1, 1)
    pen.fillStyle = colour
    pen.fillRect(0, 0, 1, 1)
    return [...pen.getImageData(0, 0, 1, 1).data]
}
const paper = element => {
    for (let e = element; e; e = e.parentElement) {
        const colour = rgba(getComputedStyle(e).backgroundColor)
        if (colour[3] > 250) return colour
    }
    return [255, 255, 255]
}
const texts = stage => [...stage.querySelectorAll('*')].filter(e =>
    e.checkVisibility({opacityProperty: true, visibilityProperty: true})
    && !e.closest('.say') && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
    && e.getBoundingClientRect().width)
"""


def look(stage):
    """Visible texts of the stage (a locator) but the sentence on top: dicts of text, size (px), contrast, box."""
    return stage.evaluate(
        "stage => {"
        + LUMINANCE
        + """
            return texts(stage).map(e => {
                const style = getComputedStyle(e), box = e.getBoundingClientRect()
                const ink = luminance(rgba(e instanceof SVGElement ? style.fill : style.color))
                const back = luminance(paper(e))
                return {text: e.textContent.trim(), size: parseFloat(style.fontSize),
                        contrast: (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05),
                        box: {left: box.left, right: box.right, top: box.top, bottom: box.bottom,
                              cut: e.scrollWidth > e.clientWidth + 1 && style.overflow === 'hidden' && !e.title}}
            })
        }"""
    )


def is_legible(stage, seconds=10):
    """Assert that all texts are at least 14 px, of contrast 7, inside the stage, uncut, and apart from each other: a
    page that was changed a moment ago may take so many seconds to come to rest."""
    deadline = time.monotonic() + seconds
    while (faults := _faults(stage)) and time.monotonic() < deadline:
        stage.page.wait_for_timeout(100)
    assert not faults, faults


def _faults(stage):
    """{kind of fault: what has it}."""
    texts, edge = look(stage), stage.bounding_box()
    uncut = "e => [...e.querySelectorAll('.say')].every(say => say.scrollHeight <= say.clientHeight + 1)"
    left, right = edge["x"] - 0.5, edge["x"] + edge["width"] + 0.5
    faults = {
        "missing": [] if len(texts) > 20 else [f"there are {len(texts)} texts"],
        "a cut sentence": [] if stage.evaluate(uncut) else [stage.locator(".say").first.inner_text()],
        "small": [(t["text"], t["size"]) for t in texts if t["size"] < 13.99],
        "faint": [(t["text"], round(t["contrast"], 1)) for t in texts if t["contrast"] < 7],
        "cut": [t["text"] for t in texts if t["box"]["left"] < left or t["box"]["right"] > right or t["box"]["cut"]],
        "on each other": [
            (a["text"], b["text"]) for i, a in enumerate(texts) for b in texts[:i] if _overlap(a["box"], b["box"])
        ],
    }
    return {kind: found for kind, found in faults.items() if found}


def _overlap(a, b, slack=3):
    """Whether two boxes share more than `slack` px both ways (a line of text is lower than its box)."""
    wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
    high = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return wide > slack and high > slack


def bars(stage, part="shares"):
    """The lengths of the bars, as they are drawn: shares of 1, or signed multiples of the log axis."""
    return stage.locator(f".plot.{part} .fill").evaluate_all(
        "bars => bars.map(bar => Number(bar.style.transform.slice(7, -1)))"
    )


def pictures(stage):
    """What stands under the pictures on their way: ["6 ✓", "0 ✗", ...]."""
    return stage.locator(".stations figcaption").all_inner_texts()


def error_names(stage):
    """The names at the ends of the two error curves: {"skips off": "88 %", ...}."""
    names = stage.locator(".plot.curve .name").all_text_contents()
    return dict(name.rsplit(" ", 1) for name in names if name)
