"""Lesson 11 in the real JupyterLab: it has no explorer; its charts are there."""

LESSON = "11_scaling_up.ipynb"
# What starts processes and prints their numbers draws nothing; the tests of notebooks run these cells too.
DRAWS_NOTHING = ("sweep.sweep(", "store.path", "torchrun(", "clustered(", "agreement_sentence(", "bf16")


def test_the_lesson_runs_and_draws_its_charts(lab):
    with lab.open(LESSON) as notebook:
        notebook.run_to("error_by_depth(", without=DRAWS_NOTHING, timeout=900)
        notebook.wait_until(lambda: notebook.find(".js-plotly-plot").count() >= 4, 60)
        drawn = []
        for place in range(4):
            chart = f".js-plotly-plot >> nth={place}"
            notebook.show(chart)
            notebook.wait_until(lambda chart=chart: notebook.figure_data(chart), 60)
            drawn.append([trace["name"] for trace in notebook.figure_data(chart)])
        hours, stopped, throughput, recorded = drawn
        assert hours == ["resnet-20", "resnet-56", "resnet-110"]
        assert any("stopped twice" in (name or "") for name in stopped)
        assert len(throughput) == 2
        assert recorded
        assert notebook.failures() == []
        assert notebook.errors == []
