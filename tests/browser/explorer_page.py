"""What an explorer does in the page, whatever it shows: it takes a state, fits, stacks, and follows the theme."""

from contextlib import contextmanager

# What is wrong with the texts of a chart as it is drawn: too small, cut, over one another, or too pale on their page.
FAULTS = """chart => {
    const rgb = colour => colour.match(/[\\d.]+/g).map(Number)
    const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
    let page = chart
    while (page && rgb(getComputedStyle(page).backgroundColor)[3] === 0) page = page.parentElement
    const paper = luminance(page ? rgb(getComputedStyle(page).backgroundColor) : [255, 255, 255])
    const room = chart.getBoundingClientRect()
    const smallest = text => Math.min(...[text, ...text.querySelectorAll("tspan")]
        .filter(part => [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
        .map(part => parseFloat(getComputedStyle(part).fontSize)))
    const texts = [...chart.querySelectorAll("text")].map(text => ({
        text, said: text.textContent.trim(), box: text.getBoundingClientRect(), style: getComputedStyle(text),
    })).filter(({text, said, box}) => said && box.width && !text.closest(".hoverlayer"))
    const faults = []
    texts.forEach(({text, said, box, style}, i) => {
        const ink = luminance(rgb(style.fill))
        const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
        if (smallest(text) < 13.99) faults.push(`${smallest(text)} px: ${said}`)
        if (contrast < 7) faults.push(`contrast ${contrast.toFixed(1)}: ${said}`)
        if (box.left < room.left - 1 || box.right > room.right + 1) faults.push(`cut: ${said}`)
        if (box.top < room.top - 1 || box.bottom > room.bottom + 1) faults.push(`cut: ${said}`)
        for (const other of texts.slice(i + 1)) {
            const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
            const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top)
            if (wide > 2 && high > 4) faults.push(`overlap: ${said} | ${other.said}`)
        }
    })
    return faults
}"""
LEFT = ".reslab .js-plotly-plot"
RIGHT = f"{LEFT} >> nth=1"
CHARTS = ".reslab .reslab-chart"
IN_FRONT = f"{CHARTS}:not(.reslab-behind) .js-plotly-plot"
SENTENCE = ".reslab .reslab-sentence"


def trace(notebook, chart, name):
    """The first trace whose name holds `name`: {"name", "x", "y", "z"}; None if there is none."""
    # Long names break.
    return next(
        (drawn for drawn in notebook.figure_data(chart) if name in (drawn["name"] or "").replace("<br>", " ")), None
    )


def values(notebook, chart, name):
    """The heights of that trace, without the gaps; None if there is none."""
    drawn = trace(notebook, chart, name)
    return drawn and [y for y in drawn["y"] if y is not None]


def answer(notebook, cells, place, said):
    """Go from cell to cell with Shift+Enter as far as the lesson's question, answer it, and see it measured and
    drawn."""
    notebook.find(".jp-Cell").first.click()
    for _ in range(cells):
        notebook.page.keyboard.press("Shift+Enter")
    question = ".reslab-question"
    notebook.wait_until(lambda: notebook.find(f"{question} input[type=radio]").count() > place, 60)
    assert notebook.find(f"{question} button").first.is_disabled()
    notebook.click(f"{question} input[type=radio] >> nth={place}")
    notebook.click(f"{question} button:has-text('Answer, and measure')")
    notebook.wait_until(lambda: f"You said: {said}. Measured:" in notebook.text(f"{question}-status"), 300)
    marks = notebook.find(f"{question} .js-plotly-plot .annotation-text")
    notebook.wait_until(lambda: any(f"You said: {said}" in mark for mark in marks.all_text_contents()), 60)


@contextmanager
def unfolded(notebook):
    """The controls under "More" are in sight for the `with` block."""
    notebook.click(".reslab-more")
    notebook.wait_until(lambda: notebook.find(".reslab-folded").first.is_visible())
    yield
    notebook.click(".reslab-more")
    notebook.wait_until(lambda: not notebook.find(".reslab-folded").first.is_visible())


def choose(notebook, control, value):
    """Choose from a menu under "More"."""
    with unfolded(notebook):
        notebook.find(f".reslab-{control} select").first.select_option(value)


def state(notebook):
    return notebook.find(".reslab-share input").first.input_value()


def changes_the_sentence(notebook, act, timeout=120):
    """Do something, and wait for another sentence."""
    before = notebook.text(SENTENCE)
    act()
    notebook.wait_until(lambda: notebook.text(SENTENCE).strip() not in ("", before), timeout)


def bring_to_front(notebook, place):
    """Click a chart's tab, and wait until that chart is in front and no other is: the kernel moves them, one message
    each, while the page marks the tab at once."""
    notebook.click(f".reslab-tabs button >> nth={place}")
    notebook.wait_until(lambda: in_front(notebook) == [place])


def in_front(notebook):
    """The places of the charts that are not behind another."""
    return notebook.find(CHARTS).evaluate_all(
        "charts => charts.flatMap((chart, i) => chart.matches('.reslab-behind') ? [] : [i])"
    )


def hand_out(notebook, text, answer=None):
    """Paste a state, as a teacher's students would; answer: what the explorer says to one that it does not take."""
    notebook.click(".reslab-folds >> text=Share this state")
    notebook.fill(".reslab-share input", f"{text} ")  # the space of which is gone once the explorer has answered
    notebook.wait_until(lambda: answer in notebook.text(".reslab-message") if answer else state(notebook) == text)
    notebook.click(".reslab-folds >> text=Share this state")  # folded away again


def all_told(notebook):
    """Whether the sentence is of trainings that have ended, which it says once they are drawn."""
    said = notebook.text(".reslab-sentence")
    return "After 60 steps" in said and "so far" not in said


def settled(notebook, check):
    """Wait until `check` finds no fault: a chart follows its box a moment later. Fails with the faults."""
    try:
        notebook.wait_until(lambda: not check(), 10)
    except TimeoutError:
        faults = check()
        assert not faults, faults


def at_rest(notebook, read):
    """What is read once it changes no more: what a state brings arrives in several messages."""
    before, now = None, read()
    while now != before:
        notebook.page.wait_for_timeout(500)
        before, now = now, read()
    return now


def click_mark(notebook, chart, box):
    """Click the middle of a mark of a chart, as a mouse does; box: reads where the mark is.

    plotly clicks what it hovers over, and it hovers when the mouse moves. A chart that is drawn again meanwhile forgets
    that, or puts the mark elsewhere: so the mouse comes again, until plotly shows the mark's numbers."""

    def hovers():
        place = at_rest(notebook, box)
        notebook.page.mouse.move(0, 0)
        notebook.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        notebook.page.wait_for_timeout(300)
        return notebook.find(f"{chart} >> .hovertext").count()

    notebook.show(chart)  # an explorer is higher than the window, and a mouse reaches only what is in sight
    notebook.wait_until(hovers)
    notebook.page.mouse.down()
    notebook.page.mouse.up()


def boxes(notebook, *csses):
    """Where the first match of each is in the window, all at one moment: the page may scroll between two questions."""
    elements = [notebook.find(css).first.element_handle() for css in csses]
    return notebook.page.evaluate(
        "elements => elements.map(element => element.getBoundingClientRect().toJSON())", elements
    )


def fits_and_stacks(notebook, name, last=".reslab-progress-text"):
    """All of it is on a projector's page at once, one large chart in front; each of its tabs shows one of the
    charts."""
    top, bottom, left, right, panel = boxes(notebook, ".reslab-skip", last, LEFT, RIGHT, ".jp-Notebook")
    assert bottom["bottom"] - top["top"] < 560  # what Lab leaves of 720 pixels below its bars
    assert min(left["width"], right["width"]) >= 700
    assert max(left["right"], right["right"]) <= panel["right"]
    for tab, chart in enumerate((LEFT, RIGHT)):
        bring_to_front(notebook, tab)
        assert sum(notebook.find(f"{other}").first.is_visible() for other in (LEFT, RIGHT)) == 1
        settled(notebook, lambda chart=chart: notebook.find(chart).first.evaluate(FAULTS))
    bring_to_front(notebook, 0)
    notebook.resize(820, 900)
    notebook.wait_until(lambda: boxes(notebook, LEFT)[0]["width"] < 820)
    notebook.show(".reslab")
    notebook.screenshot(f"{name}-narrow")
    notebook.resize(1280, 720)
    notebook.wait_until(lambda: boxes(notebook, LEFT)[0]["width"] >= 700)


def every_tab_is_drawn(notebook, name, tabs):
    """Each of the tabs shows its chart; the first is in front again."""
    for tab in range(tabs):
        bring_to_front(notebook, tab)
        notebook.wait_until(lambda: notebook.find(f"{IN_FRONT} .main-svg").count())
        notebook.screenshot(f"{name}-tab-{tab + 1}", ".reslab")
    bring_to_front(notebook, 0)


def fits_a_narrow_window(notebook, name):
    """All of it is as wide as a window of 700 pixels allows."""
    notebook.resize(700, 900)
    notebook.wait_until(lambda: notebook.find(".reslab").first.evaluate("node => node.scrollWidth <= node.clientWidth"))
    notebook.screenshot(f"{name}-700", ".reslab")
    notebook.resize(1280, 720)


def darken(notebook):
    """The system turns dark; Lab follows, charts and all, with nothing run again."""
    notebook.page.emulate_media(color_scheme="dark")
    notebook.wait_until(lambda: notebook.page.locator("body[data-jp-theme-light=false]").count())
    notebook.page.locator("#jupyterlab-splash").wait_for(state="detached")
    notebook.show(".reslab")
    settled(notebook, lambda: notebook.find(LEFT).first.evaluate(FAULTS))
    for chart in (LEFT, RIGHT):
        assert notebook.find(f"{chart} >> .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"
