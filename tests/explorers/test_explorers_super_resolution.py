"""The explorer of lesson 08 without a browser: set `.value`, read the figures' data."""

import numpy as np
import pytest
from waiting import wait_until

from reslab import explorers
from reslab.experiments import super_resolution as lesson
from reslab.experiments import super_resolution_files as files
from reslab.explorers.super_resolution import SuperResolutionSetting
from reslab.nets import SRSpec

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def explorer():
    made = explorers.SuperResolution()
    assert made.join(120)
    yield made
    made.close()


@pytest.fixture
def opened(explorer):
    explorer.state = "residual-10"
    assert explorer.join(120)
    return explorer


def front(explorer):
    """The keys of the curves' lines that are thicker."""
    lines = [trace for trace in explorer.curves.figure.data if trace.meta["key"].endswith("/median")]
    return [trace.name for trace in lines if trace.line.width == 4]


def test_panes_and_sentence_are_those_of_the_recorded_nets(opened):
    nets = [files.trained(spec, 0) for spec in files.pair(10)]
    rows = lesson.compared(nets, lesson.pieces()[0], origin="recorded").set_index("kind")
    gain = rows.loc["residual", "psnr"] - rows.loc["bicubic", "psnr"]
    assert f"residual-10 is {abs(gain):.2f} dB" in opened.sentence.value
    added = np.array(opened.added.trace("residual/added").z, dtype=float)
    np.testing.assert_allclose(added, rows.loc["residual", "added"], atol=1e-4)
    assert f"{rows.loc['direct', 'psnr']:.2f} dB" in str(opened.picture_chart.figure.layout.annotations)


def test_the_switch_is_the_global_skip_and_answers_at_once(opened, monkeypatch):
    assert opened.skip.description == "Global skip: ON"
    assert front(opened) == ["residual-10"]
    before = opened.curves.figure.layout.yaxis.range
    for module, name in (("super_resolution_pictures", "wipe"), ("super_resolution", "curves")):
        monkeypatch.delattr(f"reslab.figures.{module}.{name}")  # both positions are drawn ahead
    opened.skip.value = False
    assert front(opened) == ["direct-10"]
    assert opened.state == "direct-10"
    assert "Camera, enlarged twice: direct-10 is" in opened.sentence.value
    assert "direct-10" in str(opened.picture_chart.figure.layout.annotations[0].text)
    assert opened.curves.figure.layout.yaxis.range == before


def test_the_wipe_is_in_the_state_and_changes_the_picture_alone(opened):
    before = opened.picture_chart.trace("wipe/image").source
    opened.wipe.value = 20
    assert opened.wipe.box.value == 20
    assert opened.state == "residual-10 | wipe=20"
    assert opened.picture_chart.trace("wipe/image").source != before
    opened.share.value = "Residual-10 | Wipe = 50"
    assert opened.state == "residual-10"
    assert opened.picture_chart.trace("wipe/image").source == before


@pytest.mark.parametrize(
    ("state", "spec"),
    [
        ("direct-4", SRSpec(depth=4, skip=False, last="He")),
        ("direct-4,last=zero", SRSpec(depth=4, skip=False, last="zero")),
        ("residual-20,last=he,seed=2", SRSpec(depth=20, skip=True, last="He")),
        ("residual-20,block_skips=true", SRSpec(depth=20, skip=True, block_skips=True)),
        ("direct-10,block_skips=true,last=zero", SRSpec(depth=10, skip=False, block_skips=True, last="He")),
    ],
)
def test_every_setting_is_a_recorded_net(opened, state, spec):
    setting = SuperResolutionSetting.parse(state)
    assert setting.net() == spec
    assert {*setting.pair} <= {*files.specs()}
    assert SuperResolutionSetting.parse(str(setting)) == setting
    assert repr(spec) in setting.as_code()
    opened.state = state
    assert opened.join(120)
    assert spec.name in front(opened)


def test_the_start_is_greyed_out_with_block_skips_and_says_why(opened):
    opened.block_skips.value = True
    assert opened.join(120)
    assert opened.last.disabled
    assert "only the usual start was recorded" in opened.controls.why.value
    assert "block skips" in opened.controls.also.value


def test_the_shown_code_draws_the_picture(opened):
    opened.state = "direct-4,picture=flower | wipe=30"
    assert opened.join(120)
    *lines, last = opened.code.splitlines()
    names = {}
    exec("\n".join(lines), names)
    drawn = eval(last, names)
    shown = opened.picture_chart.trace("wipe/image").source
    assert next(trace for trace in drawn.data if trace.meta["key"] == "wipe/image").source == shown


def test_the_first_steps_are_trained_here_and_end_when_another_net_is_chosen(opened, monkeypatch):
    monkeypatch.setattr(lesson, "QUICK", 20)
    opened.state = "residual-4"
    opened.go.click()
    opened.worker.join(120)
    wait_until(lambda: opened.go.description != "Stop")
    live = opened.curves.trace("residual-4, live/live, this machine/median")
    assert list(live.x) == [10, 20]
    expected = lesson.quick(SRSpec(depth=4), files.rate_of(SRSpec(depth=4)), steps=20, shown=(10,), progress=False)
    np.testing.assert_allclose(live.y, expected.groupby("step")["psnr"].mean().loc[[10, 20]], atol=1e-6)
    assert "live, this machine, after 20 steps" in str(opened.picture_chart.figure.layout.annotations)
    assert "enlarged twice (live, this machine, after 20 steps): residual-4" in opened.sentence.value
    opened.picture.value = "china"
    assert opened.join(120)
    assert "China" in opened.sentence.value  # of the same nets
    assert "after 20 steps" in str(opened.picture_chart.figure.layout.annotations)
    opened.depth.value = 10
    assert opened.join(120)
    assert "recorded" in str(opened.picture_chart.figure.layout.annotations)
    monkeypatch.setattr(lesson, "QUICK", 10_000)
    monkeypatch.setattr(lesson, "STEPS", 20_000)
    opened.go.click()
    assert opened.go.description == "Stop"
    opened.go.click()
    opened.worker.join(120)
    wait_until(lambda: opened.go.description != "Stop")
    assert opened.progress.layout.visibility == "hidden"


def test_a_wrong_line_is_refused_with_what_is_allowed(opened):
    for line, word in (("residual-12", "4, 10, 20"), ("resnet-10", "no net of this lesson"),
                       ("residual-10,picture=lena", "camera"), ("residual-10 | wipe=300", "wipe")):  # fmt: skip
        opened.share.value = line
        assert word in opened.message.value
        assert opened.state == "residual-10"
