"""Capture of models that run in other threads, at the same time, or as replicas of DataParallel."""

import threading

import pandas as pd
import torch
from capture_reference import (  # noqa: F401
    COLUMNS,
    Adds,
    X,
    chain,
    frame_of,
    one_thread_and_seed,
    warns,
)
from torch import nn

from reslab.capture import capture, rms


def in_thread(function, *arguments):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join()
    return results[0]


def test_a_model_run_in_another_thread():
    model = nn.Sequential(Adds(), Adds())
    expected = frame_of(model, model, X, additions=True)
    assert list(expected["part"]) == ["output", "left", "right", "sum"] * 2
    pd.testing.assert_frame_equal(frame_of(model, in_thread, model, X, additions=True), expected)


def test_passes_at_the_same_time_in_several_threads_have_steps_of_their_own():
    meeting = threading.Barrier(3)

    class Meets(Adds):
        def forward(self, x):
            meeting.wait(timeout=60)
            return super().forward(x)

    model = nn.Sequential(Meets(), Meets())
    with capture(model, additions=True) as trace:
        threads = [threading.Thread(target=model, args=(X * scale,)) for scale in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    passes = [part.reset_index(drop=True) for _, part in trace.frame().groupby("step")]
    assert [len(part) for part in passes] == [8] * 3
    entered = {round(part["activation_rms"][2] / rms(X).item(), 4) for part in passes}  # the first shortcut: the input
    assert entered == {1, 2, 3}
    for part in passes[1:]:
        pd.testing.assert_frame_equal(part[COLUMNS[1:3]], passes[0][COLUMNS[1:3]])
    assert torch.overrides._get_current_function_mode_stack() == []


def test_the_replicas_of_data_parallel():
    model = Adds()
    replica = model._replicate_for_data_parallel()  # as torch.nn.parallel.replicate makes one for each GPU
    with (
        warns(r"^copies of Adds that share its hooks, such as the replicas of nn\.DataParallel, ran and were"),
        capture(model, ["Adds", "branch"], additions=True) as trace,
    ):
        model(X)
        replica(X)
    plain = frame_of(model, model, X, layers=["Adds", "branch"], additions=True)
    columns = [name for name in COLUMNS if name not in ("step", "gradient_rms")]
    seen = trace.frame()
    # whose module the replica shares here: it is no replica itself
    assert list(seen["module"]) == [*plain["module"], "branch"]
    pd.testing.assert_frame_equal(seen[columns][: len(plain)], plain[columns])


def test_data_parallel_without_a_gpu_is_the_module_itself():
    model = chain()
    wrapped = nn.DataParallel(model)
    pd.testing.assert_frame_equal(frame_of(model, wrapped, X), frame_of(model, model, X))
