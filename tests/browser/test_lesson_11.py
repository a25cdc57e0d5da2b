"""Lesson 11 in the real JupyterLab: it has no explorer, so all of it is run, and its charts are there."""

LESSON = "11_scaling_up.ipynb"


def test_the_whole_lesson_runs_and_draws_its_charts(lab):
    with lab.open(LESSON) as notebook:
        notebook.run_all(timeout=900)
        notebook.wait_until(lambda: notebook.find(".js-plotly-plot").count() >= 4, 60)
        drawn = []
        for place in range(4):
            chart = f".js-plotly-plot >> nth={place}"
            notebook.show(chart)
            notebook.wait_until(lambda chart=chart: notebook.figure_data(chart), 60)
            drawn.append([trace["name"] for trace in notebook.figure_data(chart)])
        hours, stopped, throughput, recorded = drawn
        assert hours == ["resnet-20", "resnet-56", "resnet-110"]
        assert any("stopped 2 times" in (name or "") for name in stopped)
        assert len(throughput) == 2
        assert recorded
        assert notebook.failures() == []
        assert notebook.errors == []
