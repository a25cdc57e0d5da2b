"""The stage in one HTML file, opened from disk, without Python."""

import base64
import gzip
import json
import re

import pytest
from access import violations
from click.testing import CliRunner
from playwright.sync_api import expect
from stage_page import bars, error_names, is_legible, pictures

from reslab import page as stage_page
from reslab.cli import main


@pytest.fixture(scope="module")
def state():
    return json.loads(gzip.decompress(stage_page.recorded()["digits"].read_bytes()))


def stage_of(page):
    return page.locator(".stage")


def test_the_page_is_small_and_needs_no_network(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) < 3_000_000
    assert "https://" not in text
    assert "import " not in text.split('<script type="module">')[1].split("atob")[0]


# As anywidget loads a widget: its text as a module of its own, its bytes as a DataView.
RENDER = """async ({module, style, bytes}) => {
    const { default: widget } = await import(URL.createObjectURL(new Blob([module], {type: "text/javascript"})))
    const binary = Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0))
    window.values = {view: {dataset: "digits"}, datasets: ["digits"], needs: {}}
    values.recorded = {digits: new DataView(binary.buffer)}
    const model = {get: name => values[name], set: (name, value) => (values[name] = value)}
    for (const name of ["save_changes", "on", "off", "send"]) model[name] = () => {}
    document.head.append(Object.assign(document.createElement("style"), {textContent: style}))
    window.remove = await widget.render({model, el: document.body})
}"""


@pytest.mark.parametrize("front_end", ["vscode-dark", "vscode-light", ""])
def test_the_widget_is_a_module_that_needs_nothing_else_in_a_frame(browser, front_end):
    """As in VS Code and Colab: a frame of its own, no network, no require."""
    page, asked, messages = browser.new_page(), [], []
    page.on("console", lambda message: message.type == "error" and messages.append(message.text))
    page.set_content(f"""<iframe sandbox="allow-scripts allow-same-origin" width="1000" height="700"
        srcdoc='<body class="{front_end}">'></iframe>""")
    page.on("request", lambda request: asked.append(request.url))
    frame = page.frames[1]
    recorded = base64.b64encode(stage_page.recorded()["digits"].read_bytes()).decode()
    frame.evaluate(RENDER, {"module": stage_page.module("widget"), "style": stage_page.style(), "bytes": recorded})
    frame.locator(".stage .switch").click()
    frame.locator(".stage .presenter").click()  # a frame may not fill the screen; the stage fills the frame
    frame.wait_for_function("document.querySelector('.stage.present')")
    assert frame.evaluate("values.view.skip") is True  # so the kernel hears of it
    paper = frame.locator(".stage").evaluate("e => getComputedStyle(e).backgroundColor")
    assert (paper == "rgb(17, 20, 23)") == (front_end == "vscode-dark")
    frame.evaluate("remove()")
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []
    assert messages == []
    page.close()


def test_the_switch_shows_the_other_net_at_once_as_it_was_measured(show, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    page = show("still&picture=1")
    stage = stage_of(page)
    for kind in ("plain", "residual"):
        frame = pair[kind]["frames"][0]
        assert bars(stage) == pytest.approx(frame["told_apart"], abs=1e-4)
        last = state["classes"][state["sprite"]["labels"][frame["near"][-1][0][0]]]
        assert pictures(stage)[-1].split()[0] == last
        gradients = bars(stage, "gradients")
        assert (gradients[1] > 0) == (frame["gradient"][1] > frame["gradient"][-1])
        assert stage.locator(".switch").get_attribute("aria-checked") == str(kind == "residual").lower()
        drawn = page.evaluate("""async () => {
            const fill = document.querySelector('.plot.shares'), before = fill.querySelector('svg').dataset.kind
            const began = performance.now()
            document.querySelector('.switch').click()
            while (fill.querySelector('svg').dataset.kind === before) await new Promise(requestAnimationFrame)
            return performance.now() - began
        }""")
        print(f"toggle of {kind} to repaint: {drawn:.0f} ms")


def test_without_skips_a_six_is_lost_and_with_them_it_stays(show):
    page = show()
    stage = stage_of(page)
    assert stage.locator(".say").inner_text().startswith("Without skips, before any training, a 6 turns into")
    assert any("✗" in name for name in pictures(stage))
    page.keyboard.press("Tab")  # the switch is the first stop
    page.keyboard.press("Space")
    assert "a 6 stays a 6 all the way" in stage.locator(".say").inner_text()
    assert all(name == "6 ✓" for name in pictures(stage))


def test_a_picture_stays_what_it_is_if_it_does_after_each_block_whether_that_has_a_tile_or_not(show, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "110")
    frame, label = pair["residual"]["frames"][0], state["sprite"]["labels"]
    nearest = [label[block[0][0]] for block in frame["near"]]
    own = label[state["pictures"][0]]
    stage = stage_of(show("still&skips=on&net=110&picture=1"))
    assert any(each != own for each in nearest)  # else this test shows nothing, and this too:
    assert all(name.endswith("✓") for name in pictures(stage))
    assert "a 6 comes out as a 6" in stage.locator(".say").inner_text()


@pytest.mark.parametrize(
    ("gradient", "said"),
    [(1620.0, "×\u00a0810"), (0.5, "÷\u00a04"), (0.0, "no number"), (float("inf"), "no number"), (2e-7, "÷\u00a010⁷")],
)
def test_a_gradient_is_told_against_that_of_the_last_block(browser, gradient, said):
    page = browser.new_page()
    source = (stage_page.SOURCE / "words.js").read_text(encoding="utf-8")
    load = "source => import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})))"
    against_two = f"async ([source, number]) => (await ({load})(source)).times(Number(number) / 2)"
    assert page.evaluate(against_two, [source, str(gradient).replace("inf", "Infinity")]) == said


def test_the_invitation_does_what_it_says(show):
    page = show("still")
    stage = stage_of(page)
    hint = stage.locator(".hint")
    assert hint.inner_text() == "Flip the switch"
    hint.click()
    assert stage.locator(".switch").get_attribute("aria-checked") == "true"
    assert hint.inner_text() == "Now press Train"
    hint.click()
    page.wait_for_function("document.querySelector('.slider output').textContent !== 'step 0'")
    assert not hint.is_visible()
    assert show("still&note=A+picture").locator(".stage .hint").inner_text() == "A picture"


def test_an_untrained_net_is_given_no_mark_for_its_answer(show):
    before, after = (stage_of(show(f"still&skips=on&step={step}")).locator(".answer") for step in (0, 60))
    assert "untrained" in before.inner_text()
    assert not {"✓", "✗"} & set(before.inner_text())
    assert "✓" in after.inner_text()
    colour = "e => getComputedStyle(e.querySelector('.track i')).backgroundColor"
    assert before.evaluate(colour) != after.evaluate(colour)


def test_train_plays_the_film_and_pause_holds_it(show):
    page = show("")
    stage = stage_of(page)
    stage.locator(".speed").click(click_count=2)  # 4 ×
    stage.locator(".play").click()
    page.wait_for_function("document.querySelector('.slider output').textContent !== 'step 0'")
    assert stage.locator(".play").inner_text() == "Pause"
    stage.locator(".play").click()
    held = stage.locator(".slider output").inner_text()
    page.evaluate("new Promise(done => setTimeout(done, 400))")
    assert stage.locator(".slider output").inner_text() == held
    assert set(error_names(stage)) == {"skips off", "skips on"}


def test_time_can_be_scrubbed_by_pointer_and_keys(show, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    page = show("still&skips=on")
    stage = stage_of(page)
    box = stage.locator(".slider input").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + box["height"] / 2)
    assert bars(stage) == pytest.approx(pair["residual"]["frames"][-1]["told_apart"], abs=1e-4)
    names = error_names(stage)
    assert names["skips off"] == f"{pair['plain']['curve'][-1][1]:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    stage.locator(".slider input").focus()
    page.keyboard.press("Home")
    assert bars(stage) == pytest.approx(pair["residual"]["frames"][0]["told_apart"], abs=1e-4)
    assert error_names(stage) == {}


def test_a_block_tells_its_numbers_and_opens(show):
    page = show("still&skips=on&step=60")
    stage = stage_of(page)
    hits = stage.locator(".plot.shares .hit")
    hits.nth(7).hover()
    assert stage.locator(".tip h4").inner_text() == "Block 7 of 27"
    assert "skips off" in stage.locator(".tip").inner_text()
    hits.nth(7).click()
    panel = stage.locator(".panel")
    assert panel.locator("h3").inner_text() == "Block 7 of 27"
    assert panel.locator(".near canvas").count() == 3
    assert [part.split("\n")[0] for part in panel.locator(".part").all_inner_texts()] == [
        "x: comes in",
        "F(x): computed",
        "y: goes out",
    ]
    assert min(box["width"] for box in (c.bounding_box() for c in panel.locator("canvas").all())) >= 64
    panel.get_by_label("the block after").click()
    assert panel.locator("h3").inner_text() == "Block 8 of 27"
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    page.keyboard.press("ArrowRight")  # the keys go on from the block that was open
    assert page.evaluate("document.activeElement.dataset.block") == "9"
    assert "gradient" in page.evaluate("document.activeElement.getAttribute('aria-label')").lower()
    page.keyboard.press("Enter")
    assert panel.locator("h3").inner_text() == "Block 9 of 27"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900), (848, 594), (700, 900), (390, 844)])
def test_it_is_legible_everywhere(show, width, height):
    page = show("still", width, height)
    nets = ({"net": net, "step": 60} for net in ("110", "56 no norm", "56 identity start"))
    for view in ({}, {"skip": True, "step": 28}, *nets):
        page.evaluate("view => stage.take(view, false)", view)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            is_legible(stage_of(page))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if width >= 1280:
            assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
            assert stage_of(page).locator(".stations canvas").first.bounding_box()["width"] >= 64


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1008, 774), (848, 594), (700, 900), (390, 844)])
@pytest.mark.parametrize("skips", ["on", "off"])
def test_an_opened_block_is_legible_whole_and_in_sight(show, width, height, skips):
    page = show(f"still&step=60&skips={skips}", width, height, "light" if skips == "on" else "dark")
    page.evaluate("stage.open(7)")
    stage, panel = stage_of(page), stage_of(page).locator(".panel")
    is_legible(panel)
    parts = panel.locator("canvas, figcaption, td, .note, .part")
    inside, outside = ([box.bounding_box() for box in boxes] for boxes in (parts.all(), (panel, stage)))
    assert len(inside) > 20
    assert all(is_within(outside[0], box) for box in inside)
    assert is_within(outside[1], outside[0])
    if width > 390:
        tops = {part.bounding_box()["y"] for part in panel.locator(".part").all()}
        assert len(tops) == 1  # x, F(x) and y stand side by side
        assert outside[0]["y"] >= 0
        assert outside[0]["y"] + outside[0]["height"] <= height + 1


def is_within(outer, inner):
    return (
        inner["x"] >= outer["x"] - 1
        and inner["y"] >= outer["y"] - 1
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    )


def test_the_sentence_speaks_of_the_step_that_is_shown(browser, state, tmp_path):
    """A live training measures its blocks at few of its steps; in between, the sentence says of which step they are."""
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    few = {
        kind: pair[kind] | {"frames": [frame for frame in pair[kind]["frames"] if frame["step"] % 24 == 0]}
        for kind in ("plain", "residual")
    }
    seldom = state | {"nets": [pair | few]}
    file = tmp_path / "seldom.html"
    file.write_text(stage_page.page({"digits": gzip.compress(json.dumps(seldom).encode())}), encoding="utf-8")
    page = browser.new_page()
    page.goto(f"{file.as_uri()}?still&skips=on&step=3")
    page.wait_for_function("window.stage")
    error = f"{pair['residual']['curve'][2][1]:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    said = stage_of(page).locator(".say").inner_text()
    assert said.startswith(f"With skips, after 3 steps the training error is {error}. Pictures, bars and gradient were")
    assert "measured before any training, the next ones at step 24." in said
    page.evaluate("stage.take({step: 24})")
    assert "With skips, after 24 steps, a 6" in stage_of(page).locator(".say").inner_text()
    page.close()


def test_a_net_that_has_not_learned_with_a_level_gradient_is_named_as_such(show, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    last = pair["plain"]["frames"][-1]
    first = last["gradient"][1] / last["gradient"][-1]
    error = {at: share for at, share, _ in pair["plain"]["curve"]}[last["step"]]
    assert 0.1 < first < 10  # else this test shows nothing, and this too:
    assert error > 0.81
    said = stage_of(show(f"still&skips=off&step={last['step']}")).locator(".say").inner_text()
    assert "The gradient is nearly level (÷" in said
    assert f"the error still {error:.0%}".replace("%", "\N{NO-BREAK SPACE}%") in said
    assert "Backwards the gradient" in stage_of(show("still&skips=on&step=60")).locator(".say").inner_text()


def test_time_stops_where_everything_shown_is_of_one_step(show, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    page = show("still")
    stage = stage_of(page)
    stops = []
    while stage.locator(".play").inner_text() != "Again":
        stops.append(int(stage.locator(".slider output").inner_text().removeprefix("step ")))
        stage.locator("[aria-label='a step on']").click()
        assert "were measured" not in stage.locator(".say").inner_text()
    assert [*stops, 60] == [frame["step"] for frame in pair["plain"]["frames"]]


def test_the_layout_does_not_jump(show):
    page = show()
    parts = "[...document.querySelectorAll('.stage > *, .stage .grid > *')]"
    places = f"{parts}.map(e => Math.round(e.getBoundingClientRect().top))"
    before = page.evaluate(places)
    for change in ({"skip": True}, {"step": 60}, {"skip": False}, {"picture": 3}):
        page.evaluate("change => stage.take(change, false)", change)
        assert page.evaluate(places) == before


def test_its_address_says_what_it_shows_and_a_line_does_too(show):
    page = show("still&skips=ON&net=20&step=30&picture=2")
    stage = stage_of(page)
    assert stage.locator(".switch").get_attribute("aria-checked") == "true"
    assert stage.locator(".slider output").inner_text() == "step 30"
    stage.locator("summary").click()
    line = stage.locator("input.line")
    assert line.input_value() == "data=digits skips=on net=20 picture=2 step=30"
    line.fill("“Skips=OFF  net=110, picture=99 step=1000”")
    line.press("Enter")
    page.wait_for_function("document.querySelectorAll('.plot.shares .shell').length === 55")
    assert stage.locator(".slider output").inner_text() == "step 60"
    expect(line).to_have_value(re.compile(r"^data=digits skips=off net=110 picture=\d step=60$"))  # what is shown
    line.fill("100 % with skips=on, net=57, step=0")
    line.press("Enter")
    expect(line).to_have_value(re.compile("skips=on net=56 .* step=0$"))
    expect(stage.locator(".switch")).to_have_attribute("aria-checked", "true")


def test_the_presentation_mode_is_larger_and_folds_controls(show):
    page = show()
    stage = stage_of(page)
    before = stage.locator(".say").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    page.set_viewport_size({"width": 1920, "height": 1080})
    stage.locator(".presenter").click()
    assert stage.locator(".say").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 1.3 * before
    assert not stage.locator(".more").is_visible()
    is_legible(stage)
    assert stage.evaluate("e => e.scrollHeight <= e.clientHeight")


def test_the_page_of_lesson_01_shows_both_nets_after_their_training(browser, tmp_path, state):
    (pair,) = (net for net in state["nets"] if net["key"] == "56")
    file = tmp_path / "lesson.html"
    assert CliRunner().invoke(main, ["page", "01_degradation", "--output", str(file)]).exit_code == 0
    assert file.stat().st_size < 3_000_000
    page = browser.new_page()
    page.goto(f"{file.as_uri()}?still")
    page.wait_for_function("window.stage")
    for kind, name in (("plain", "skips off"), ("residual", "skips on")):
        error = f"{pair[kind]['curve'][-1][1]:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
        assert error_names(stage_of(page))[name] == error
    page.close()


def test_the_page_of_lesson_04_shows_the_net_with_skips_before_its_training(browser, tmp_path):
    file = tmp_path / "lesson.html"
    assert CliRunner().invoke(main, ["page", "04", "--output", str(file)]).exit_code == 0
    page = browser.new_page()
    page.goto(f"{file.as_uri()}?still")
    page.wait_for_function("window.stage")
    assert page.locator(".stage .say").inner_text().startswith("With skips, before any training")
    page.close()


def test_a_lesson_without_a_page_is_named_with_those_that_have_one(tmp_path):
    done = CliRunner().invoke(main, ["page", "07", "--output", str(tmp_path / "x.html")])
    assert done.exit_code == 2
    assert "'07' has no page; 00, 01, 04 and handout have" in done.output


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_hand_out_prints_on_one_page_and_has_no_fault(browser, tmp_path, paper):
    file = tmp_path / "handout.html"
    assert CliRunner().invoke(main, ["page", "handout", "--output", str(file)]).exit_code == 0
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page, "html") == []
    printed = page.pdf(format=paper, prefer_css_page_size=False)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.close()
