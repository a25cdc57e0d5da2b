"""How long a learner waits for the first measured figure, from opening the lesson in the real JupyterLab on."""

import time

from lab import ARTIFACTS, serve

LESSON, PLOT = "01_degradation.ipynb", ".js-plotly-plot"


def test_the_time_to_the_first_figure(report, tmp_path):
    """The first figure of lesson 01: plain and residual nets, measured. Browser and server share the two cores with the
    training."""
    with serve(tmp_path) as lab:
        began = time.monotonic()
        with lab.open(LESSON) as notebook:  # until the kernel has been idle for a second
            opened = time.monotonic()
            notebook.start_all()
            notebook.wait_until(
                lambda: notebook.find(PLOT).count() and any(trace["y"] for trace in notebook.figure_data(PLOT)), 300
            )
            drawn = time.monotonic()
            notebook.show(PLOT)
            names = [trace["name"] for trace in notebook.figure_data(PLOT)]
            notebook.screenshot("01_degradation-first-aha")
    assert {"plain", "residual"} <= set(names)
    parts = f"{opened - began:.0f} s until the kernel answers, {drawn - opened:.0f} s from Run All to the first curves"
    report(f"{LESSON}'s first figure: {drawn - began:.0f} s ({parts}); 60 s is the goal. Picture: {ARTIFACTS.name}/")
