"""Lesson 11 in the real JupyterLab: it has no explorer; its charts are there."""

LESSON = "11_scaling_up.ipynb"
# What trains or starts processes is run by the tests of notebooks; what it draws is in test_figures.py and
# test_scaling.py.
TRAINS = (
    *("scaling.stopped(", "same_numbers(", "sweep.sweep(", "throughput(", "store.path", "torchrun(", "clustered("),
    *("agreement_sentence(", "bf16"),
)


def test_the_lesson_runs_and_draws_its_charts(lab):
    with lab.open(LESSON) as notebook:
        notebook.run_to("error_by_depth(", without=TRAINS, timeout=900)
        notebook.wait_until(lambda: notebook.find(".js-plotly-plot").count() == 2, 60)
        drawn = []
        for place in range(2):
            chart = f".js-plotly-plot >> nth={place}"
            notebook.show(chart)
            notebook.wait_until(lambda chart=chart: notebook.figure_data(chart), 60)
            drawn.append([trace["name"] for trace in notebook.figure_data(chart)])
        hours, recorded = drawn
        assert hours == ["resnet-20", "resnet-56", "resnet-110"]
        assert recorded
        assert notebook.failures() == []
        assert notebook.errors == []
