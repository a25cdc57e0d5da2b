"""The look of every explorer, measured in the real JupyterLab: one cell with it, and not its whole lesson.

One large chart at a time, three controls in sight, texts that the back row reads, nothing cut, axes that stay where
they are, and a presentation mode.
"""

import nbformat
import pytest
from access import unreached, violations
from explorer_page import FAULTS, IN_FRONT, at_rest, bring_to_front, settled, unfolded

SMALL = "split=digits().subset(n_train=512, n_test=128), how=TrainSpec(epochs=2)"
EXPLORERS = {  # name → how it is made; those that train are trained
    "degradation": f'Degradation("resnet-20 | plain-20 + resnet-20", {SMALL})',
    "gradient_flow": 'GradientFlow("plain-56 | resnet-56")',
    "landscape": 'Landscape("resnet-20 | plain-20")',
    "attribution": 'Attribution("resnet-20")',
    "super_resolution": 'SuperResolution("residual-10")',
    "backbones": 'Backbones("Faster R-CNN,cost=multiply_adds")',
    "residual_block": 'ResidualBlock("plain | residual", steps=30)',
    "activations": 'Activations("resnet-20 | plain-20 | show=ratio,block=3,image=3")',
    "variants": f'Variants("resnet-20,order=preact,lr=0.1 | resnet-20,lr=0.1", {SMALL})',
    "architecture": 'Architecture("vgg-19 + plain-34 + resnet-34")',
}
STATES = '.try_states({"What is seen here, in a sentence": "%s"})'
LARGEST = {"light": (1280, 720), "dark": (1440, 900)}

# What is wrong with the texts outside of the charts: too small, too pale, or wider than what holds them.
TEXTS = """([box, least]) => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number)
    const over = ([r, g, b, alpha = 1], under) => [r, g, b].map((c, i) => c * alpha + under[i] * (1 - alpha))
    const paper = element => {
        const own = numbers(getComputedStyle(element).backgroundColor)
        if ((own[3] ?? 1) === 1) return own
        return over(own, element.parentElement ? paper(element.parentElement) : [255, 255, 255])
    }
    const luminance = colour => colour.slice(0, 3).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
    const body = box.querySelector(".reslab-body")
    const scale = body.getBoundingClientRect().width / body.offsetWidth
    const faults = []
    for (const element of box.querySelectorAll("*")) {
        const told = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        const field = element.matches("input, select")
        const said = field ? element.value : element.textContent.trim()
        if (!said || !(told || field)) continue
        if (element.closest("svg, .js-plotly-plot, :disabled")) continue
        const place = element.getBoundingClientRect()
        if (place.width < 2 || !element.checkVisibility({ visibilityProperty: true })) continue
        const style = getComputedStyle(element), size = parseFloat(style.fontSize) * scale
        if (size < least - 0.01) faults.push(`${size} px: ${said}`)
        const [ink, ground] = [over(numbers(style.color), paper(element)), paper(element)].map(luminance)
        const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)
        if (contrast < 7) faults.push(`contrast ${contrast.toFixed(1)}: ${said}`)
        if (element.scrollWidth > element.clientWidth + 1 && style.display !== "inline") faults.push(`cut: ${said}`)
        if (place.right > box.getBoundingClientRect().right + 1) faults.push(`cut: ${said}`)
        if (element.matches("select")) {
            const pen = document.createElement("canvas").getContext("2d")
            pen.font = style.font
            const chosen = element.selectedOptions[0].text
            if (pen.measureText(chosen).width > element.clientWidth - 24) faults.push(`cut: ${said}`)
        }
    }
    return faults
}"""
# Lab's own copy of the cell: the file is not read again.
WRITE = "source => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(source)"
VS_CODE = """
    body { --vscode-foreground: #CCCCCC; --vscode-editor-background: #1E1E1E; }
    .jp-OutputArea-output { background: #1E1E1E; }
"""
RANGES = "chart => ['xaxis', 'yaxis'].map(axis => chart._fullLayout[axis]?.range)"


@pytest.fixture(scope="module")
def cell(lab):
    """A notebook of one cell. All explorers share its page and its kernel: each takes the place of the one before."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()], metadata={"kernelspec": kernel})
    nbformat.write(written, lab.root / "look.ipynb")
    with lab.open("look.ipynb") as notebook:
        yield notebook


@pytest.fixture(scope="module", params=EXPLORERS)
def notebook(cell, request):
    """The notebook with one explorer."""
    name, notebook = request.param, cell
    made = EXPLORERS[name] + STATES % EXPLORERS[name].split('"')[1]
    notebook.explorer = name
    notebook.messages.clear()
    notebook.page.evaluate(WRITE, f"from reslab import TrainSpec, digits, explorers\n\nexplorers.{made}")
    notebook.run_all()
    notebook.wait_until(lambda: notebook.find(f"{IN_FRONT} .main-svg").count(), 60)
    if notebook.find(".reslab-start").count():
        notebook.click(".reslab-start")
        notebook.wait_until(lambda: "finished" in notebook.text(".reslab-progress-text"), 120)
    notebook.wait_until(lambda: notebook.text(".reslab-sentence").strip(), 60)
    return notebook


@pytest.fixture(autouse=True)
def projector(notebook):
    """Every test begins on a projector, in the light theme, with the list of files open and the controls folded."""
    notebook.resize(1280, 720)
    if notebook.find(".reslab-present").count():
        notebook.page.keyboard.press("Escape")
    if notebook.find(".reslab-folded").first.is_visible():
        notebook.click(".reslab-more")
    in_theme(notebook, "light")
    files(notebook, True)
    notebook.show(".reslab-charts")


def files(notebook, shown):
    """Show or hide Lab's list of files at the left."""
    if notebook.page.locator("#jp-left-stack").is_visible() != shown:
        notebook.page.keyboard.press("Control+b")
        notebook.page.locator("#jp-left-stack").wait_for(state="visible" if shown else "hidden")


def texts(notebook, least=14):
    """The faults of the texts outside of the charts."""
    box = notebook.find(".reslab").first.element_handle()
    return notebook.page.evaluate(TEXTS, [box, least])


def every_chart(notebook):
    """Bring one chart after another to the front, and end with the first."""
    tabs = notebook.find(".reslab-tabs button").count()
    for place in range(tabs):
        bring_to_front(notebook, place)
        yield notebook.find(IN_FRONT).first
    if tabs:
        bring_to_front(notebook, 0)
    else:
        yield notebook.find(IN_FRONT).first


def in_theme(notebook, theme):
    notebook.page.emulate_media(color_scheme=theme)
    is_light = str(theme == "light").lower()
    notebook.wait_until(lambda: notebook.page.locator(f"body[data-jp-theme-light={is_light}]").count())


def line(notebook):
    """The state line."""
    return notebook.find(".reslab-share input").first.input_value()


def flip(notebook, back=False):
    """Press the switch; of the map, which has none, let the boxes be filled by another cost, or by the first again."""
    was = line(notebook)
    if notebook.find(".reslab-skip").count():
        notebook.click(".reslab-skip")
    else:
        with unfolded(notebook):
            select = notebook.find(".reslab-folded select").first
            select.select_option(label="multiply-adds" if back else "parameters")
    notebook.wait_until(lambda: line(notebook) != was)


def test_three_controls_are_in_sight_and_the_others_unfold(notebook):
    row = notebook.find(".reslab-controls > :not(.reslab-more, .reslab-page, .reslab-depth-text)")
    assert row.count() <= 3
    assert not notebook.find(".reslab-folded").first.is_visible()
    notebook.press(".reslab-more", "Space")
    notebook.wait_until(lambda: notebook.find(".reslab-folded").first.is_visible())
    notebook.wait_until(lambda: notebook.text(".reslab-more").strip() == "Less")  # arrives a message later
    settled(notebook, lambda: texts(notebook))
    notebook.show(".reslab-folded")
    notebook.screenshot(f"look-{notebook.explorer}-more")
    notebook.press(".reslab-more", "Space")
    notebook.wait_until(lambda: not notebook.find(".reslab-folded").first.is_visible())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_large_fits_and_can_be_read(notebook, theme):
    notebook.resize(*LARGEST[theme])
    in_theme(notebook, theme)
    assert notebook.find(".reslab-controls").first.bounding_box()["height"] <= 45  # in one row
    for i, chart in enumerate(every_chart(notebook)):
        settled(notebook, lambda chart=chart: chart.evaluate(FAULTS))
        assert sum(drawn.is_visible() for drawn in notebook.find(".reslab .js-plotly-plot").all()) == 1
        box = notebook.find(".reslab-chart:not(.reslab-behind)").first.bounding_box()
        assert box["width"] >= 700
        assert box["height"] >= 380
        ends = ".reslab-controls", ".reslab-progress-text, .reslab-sentence"  # the map makes no progress
        top, bottom = (notebook.find(css).last.bounding_box() for css in ends)
        assert bottom["y"] + bottom["height"] - top["y"] <= 560  # what Lab leaves of 720 pixels below its bars
        notebook.show(".reslab-charts")
        notebook.screenshot(f"look-{notebook.explorer}-{theme}-{i + 1}")
    settled(notebook, lambda: texts(notebook))
    assert notebook.find(f"{IN_FRONT} .bg").first.evaluate("rect => getComputedStyle(rect).fillOpacity") == "0"


def test_the_dark_theme_of_vs_code_is_followed(notebook):
    """There, ipywidgets brings JupyterLab's colours of the light theme."""
    style = notebook.page.add_style_tag(content=VS_CODE)
    try:
        notebook.page.evaluate("document.body.classList.add('vscode-dark')")
        settled(notebook, lambda: notebook.find(IN_FRONT).first.evaluate(FAULTS))
        settled(notebook, lambda: texts(notebook))
    finally:
        notebook.page.evaluate("document.body.classList.remove('vscode-dark')")
        style.evaluate("style => style.remove()")


def test_nothing_is_cut_at_700_pixels(notebook):
    notebook.resize(700, 900)
    for shown in (True, False):  # beside the list of files, charts are scrolled sideways
        files(notebook, shown)
        for i, chart in enumerate(every_chart(notebook)):
            settled(notebook, lambda chart=chart: chart.evaluate(FAULTS))
            notebook.show(".reslab-charts")
            notebook.screenshot(f"look-{notebook.explorer}-narrow-{i + 1}")
        settled(notebook, lambda: texts(notebook))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_and_tab_comes_to_every_control(notebook, theme):
    in_theme(notebook, theme)
    with unfolded(notebook):
        settled(notebook, lambda: violations(notebook.page, ".jp-NotebookPanel:not(.lm-mod-hidden) .reslab"))
        assert unreached(notebook.page, notebook.find(".reslab").first) == []


def test_the_presentation_is_larger_and_shows_only_what_is_talked_about(notebook):
    before = notebook.find(IN_FRONT).first.bounding_box()
    notebook.click(".reslab-presenter")
    notebook.wait_until(lambda: notebook.find(IN_FRONT).first.bounding_box()["width"] > 1.2 * before["width"])
    for chart in every_chart(notebook):
        settled(notebook, lambda chart=chart: chart.evaluate(FAULTS))
    assert notebook.find(".reslab-chart:not(.reslab-behind)").first.bounding_box()["height"] > 1.1 * 380
    settled(notebook, lambda: texts(notebook, least=18))
    for part in ("more", "folded", "folds", "states"):
        assert not notebook.find(f".reslab-{part}").first.is_visible()
    notebook.screenshot(f"look-{notebook.explorer}-present")
    boxes = [notebook.find(f".reslab-{part}").first.bounding_box() for part in ("sentence", "controls", "charts")]
    assert boxes == sorted(boxes, key=lambda box: box["y"])
    boxes += [last.bounding_box() for last in notebook.find(".reslab-buttons").all()]
    for box in boxes:
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 1280
        assert box["y"] + box["height"] <= 720
    notebook.wait_until(lambda: notebook.text(".reslab-presenter").strip() == "Leave")
    notebook.page.keyboard.press("Escape")
    notebook.wait_until(lambda: notebook.find(IN_FRONT).first.bounding_box()["width"] == before["width"])
    notebook.click(".reslab-presenter")
    notebook.wait_until(lambda: notebook.find(".reslab-present").count())
    notebook.click(".reslab-presenter")
    notebook.wait_until(lambda: not notebook.find(".reslab-present").count())
    notebook.wait_until(lambda: notebook.text(".reslab-presenter").strip() == "Present")


def test_the_switch_moves_no_axis(notebook):
    def ranges():
        return notebook.find(IN_FRONT).first.evaluate(RANGES)

    before = at_rest(notebook, ranges)  # the test before may have left the presentation a moment ago
    for back in (False, True):
        flip(notebook, back)
        assert at_rest(notebook, ranges) == before


def test_a_state_to_try_is_a_button(notebook):
    notebook.show(".reslab-state")
    notebook.screenshot(f"look-{notebook.explorer}-states")
    written = notebook.text(".reslab-state code")
    flip(notebook)
    flipped = line(notebook)
    notebook.click(".reslab-state button")
    notebook.wait_until(lambda: line(notebook) != flipped)
    assert line(notebook).startswith(written)
