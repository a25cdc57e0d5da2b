"""What 200 runs of an explorer's cell, and 1,000 toggles in one explorer, leave behind in a kernel of its own."""

import json
from textwrap import dedent

import pytest
from jupyter_client.manager import start_new_kernel

CELL = "cell of the explorer"
EXPLORER = """
    explorer = explorers.{kind}({state!r}, split=split)
    if hasattr(explorer, "start"):
        explorer.start.click()
    explorer
"""
SETUP = """
    import ctypes, gc, json, threading, time
    from contextlib import suppress
    import ipywidgets, psutil
    from torch.nn.modules import module
    from reslab import digits, explorers

    split = digits().subset(n_train=256, n_test=64)

    def ours():
        return [each for each in threading.enumerate()
                if each.name.startswith("reslab") or isinstance(each, threading.Timer)]

    def wait():
        while ours():  # again: a thread that ends may start a timer for the chart that is behind
            for thread in ours():
                thread.join()

    def left():
        gc.collect()
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # glibc keeps what was freed; it counts as gone
        alive = getattr(ipywidgets.Widget, "_instances", None)
        return {
            "threads": threading.active_count(),
            "widgets": len(ipywidgets.widgets.widget._instances if alive is None else alive),
            "comms": len(get_ipython().kernel.comm_manager.comms),
            "hooks": len(module._global_forward_hooks) + len(module._global_backward_hooks),
            "handlers": sum(map(len, get_ipython().events.callbacks.values())),
            "MB": psutil.Process().memory_info().rss / 2**20,
        }
"""
TOGGLES = """
    for place in range(1000):
        explorer.skip.value = not explorer.skip.value
    wait()
"""


@pytest.fixture
def run():
    """Takes the source of a cell and its id, runs it in a fresh kernel, and returns what it printed as JSON."""
    manager, client = start_new_kernel()

    def execute(source, cell=None):
        content = {"code": dedent(source).strip(), "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": True}  # fmt: skip
        message = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        client.shell_channel.send(message)
        printed = []
        while True:
            heard = client.get_iopub_msg(timeout=120)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            assert heard["msg_type"] != "error", "\n".join(heard["content"]["traceback"])
            if heard["msg_type"] == "stream":
                printed.append(heard["content"]["text"])
            if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                return json.loads("".join(printed)) if printed else None

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(("kind", "state"), [("Degradation", "plain-8"), ("GradientFlow", "plain-8")])
def test_runs_of_one_cell_and_toggles_leave_nothing_behind(run, report, kind, state):
    explorer = EXPLORER.format(kind=kind, state=state)
    run(SETUP)
    # Memory that is taken once: Python collects some forty replaced explorers at a time, so more of them than that.
    for _ in range(60):
        run(explorer, CELL)
    run("explorer.worker.stop(); wait()")
    before = run("print(json.dumps(left()))")
    for _ in range(200):
        run(explorer, CELL)
    run("explorer.worker.stop(); wait()")
    after = run("print(json.dumps(left()))")
    run(TOGGLES)
    toggled = run("print(json.dumps(left()))")
    for name in ("threads", "widgets", "comms", "hooks", "handlers"):
        assert before[name] == after[name] == toggled[name], (name, before, after, toggled)
    cells, toggles = after["MB"] - before["MB"], toggled["MB"] - after["MB"]
    left = cells + toggles  # glibc keeps some for each thread that was, and gives some of it back later
    report(
        f"explorers.{kind}: 200 runs of its cell leave {cells:.1f} MB, 1,000 toggles {toggles:.1f} MB, together "
        f"{left:.1f} (goal 20); "
        f"{after['threads']} threads, {after['widgets']} widgets, {after['comms']} comms before and after"
    )
    assert max(left, toggles) < 20
