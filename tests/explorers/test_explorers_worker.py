"""The threads of explorers: a worker that runs one job, and the newest of many requests."""

import threading

import pytest
from waiting import wait_until

from reslab.explorers.worker import Latest, Worker


def test_the_worker_closes_its_items_and_hands_errors_on():
    closed, ended = [], []

    def items(fail):
        try:
            yield 1
            if fail:
                raise ValueError("no")
            yield 2
        finally:
            closed.append(fail)

    seen = []
    worker = Worker(seen.append, ended.append)
    for fail in (False, True):
        worker.start(items(fail))
        assert worker.join(10)
    assert seen == [1, 2, 1]
    assert closed == [False, True]
    assert ended[0] is None
    assert str(ended[1]) == "no"


def test_a_busy_worker_takes_no_second_job():
    go, worker = threading.Event(), Worker(lambda item: None, lambda error: None)

    def items():
        go.wait(10)
        yield

    worker.start(items())
    with pytest.raises(RuntimeError, match="the worker is busy; stop it first"):
        worker.start(items())
    go.set()
    assert worker.join(10)


def test_latest_answers_the_newest_request_and_skips_those_between():
    began, go, seen = threading.Event(), threading.Event(), []

    def answer(request):
        began.set()
        go.wait(10)
        seen.append(request)

    latest = Latest(answer)
    latest.ask(0)
    began.wait(10)
    for request in range(1, 50):
        latest.ask(request)
    go.set()
    wait_until(lambda: latest.join(1))
    assert seen == [0, 49]
