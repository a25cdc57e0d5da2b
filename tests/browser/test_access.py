"""The stage by keyboard, by screen reader, by touch, and with reduced motion; axe-core finds no fault in it."""

import re

import pytest
from access import unreached, violations
from playwright.sync_api import expect

CONTROLS = [  # in the order of Tab: (role, name)
    ("switch", "Skip connections off"),
    *(("button", name) for name in ("20", "56", "110")),
    ("button", "Present"),
    ("button", "A 6 goes in the picture: a 6 ↻ another"),
    ("button", "Stem: the first convolution"),
    *(("button", name) for name in ("Train", "a step back", "a step on", "speed 1 times")),
    ("slider", "training step"),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(show, theme):
    page = show("still&step=28", theme=theme)
    assert violations(page, ".stage") == []
    page.locator(".stage summary").click()
    assert violations(page, ".stage") == []
    page.evaluate("stage.open(7)")
    assert violations(page, ".stage") == []


def test_every_control_has_a_role_and_a_name(show):
    page = show()
    stage = page.locator(".stage")
    for role, name in CONTROLS:
        expect(stage.get_by_role(role, name=name, exact=True)).to_have_count(1)
    stage.locator("summary").click()
    for role, name in (
        ("button", "56 layers, no norm"),
        ("button", "56 layers, identity start"),
        ("textbox", "Share: copy this line, or paste one and press Enter"),
    ):
        expect(stage.get_by_role(role, name=name, exact=True)).to_be_visible()


def test_what_is_drawn_is_said(show):
    """To a screen reader: the sentence when it changes, the pictures on their way, each block, and both errors."""
    page = show("still&step=60")
    stage = page.locator(".stage")
    heard = stage.aria_snapshot()
    assert 'status: "Without skips, after 60 steps, a 6 turns into a ' in heard
    assert 'img "6, right"' in heard
    assert 'button "Block 27 of 27"' in heard
    expect(stage.locator(".plot.curve svg")).to_have_accessible_name(
        "Training error of both nets, skips off 88\N{NO-BREAK SPACE}%, skips on 0\N{NO-BREAK SPACE}%"
    )
    stage.locator(".hit[tabindex='0']").focus()
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_accessible_name(re.compile("Block 27 of 27. Still the right digit: "))


def test_tab_comes_to_every_control_in_the_order_of_the_page(show):
    page = show()
    stage = page.locator(".stage")
    for role, name in CONTROLS:
        page.keyboard.press("Tab")
        if name == "Present":
            expect(stage.locator("summary")).to_be_focused()
            page.keyboard.press("Tab")
        exact = not name.startswith("Stem")  # a block says its numbers, too, once it has the focus
        expect(stage.get_by_role(role, name=name, exact=exact)).to_be_focused()
    stage.locator("summary").press("Enter")
    assert unreached(page, stage) == []


def test_all_can_be_done_by_keys(show):
    page = show("still")
    stage = page.locator(".stage")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(stage.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    stage.get_by_role("button", name="110", exact=True).press("Enter")
    expect(stage.get_by_role("button", name="Block 54 of 54")).to_have_count(1)
    stage.get_by_role("slider").press("End")
    expect(stage.locator(".slider output")).to_have_text("step 60")
    stage.get_by_role("button", name="a step back").press("Space")
    expect(stage.locator(".slider output")).not_to_have_text("step 60")
    stage.get_by_role("button", name="Present").press("Enter")
    expect(stage).to_contain_class("present")
    page.keyboard.press("Escape")
    expect(stage).not_to_contain_class("present")


def test_fingers_do_what_a_mouse_does(show):
    page = show("still&skips=on&step=60", 390, 844, has_touch=True, is_mobile=True)
    stage = page.locator(".stage")
    stage.get_by_role("switch").tap()
    expect(stage.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    stage.locator(".plot.shares .hit").nth(7).tap()
    expect(stage.locator(".panel h3")).to_have_text("Block 7 of 27")
    expect(stage.locator(".tip")).to_be_hidden()
    stage.locator(".panel .close").tap()
    stage.locator(".slider input").tap(position={"x": 20, "y": 12})
    expect(stage.locator(".slider output")).not_to_have_text("step 60")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = stage.locator("button:visible, summary:visible").evaluate_all(
        "all => all.map(e => [e.textContent, e.getBoundingClientRect().height]).filter(([, height]) => height < 24)"
    )
    assert small == []  # WCAG 2.2, target size


def test_with_reduced_motion_nothing_moves_and_the_film_still_plays(show):
    page = show("", reduced_motion="reduce")
    stage = page.locator(".stage")
    assert stage.locator(".waiting").count() == 0
    assert stage.locator(".plot.shares .fill").first.evaluate("e => getComputedStyle(e).transitionDuration") == "0s"
    page.evaluate("""() => {
        window.moved = 0
        const pulse = document.querySelector(".plot.shares .pulse")
        new MutationObserver(() => window.moved++).observe(pulse, { attributeFilter: ["cx"] })
    }""")
    stage.locator(".speed").click(click_count=2)
    stage.locator(".play").click()
    expect(stage.locator(".slider output")).to_have_text("step 60", timeout=60_000)
    assert page.evaluate("window.moved") == 0
