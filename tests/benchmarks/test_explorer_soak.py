"""What runs of an explorer's cell, and 1,000 toggles in one explorer, leave behind in a kernel of its own.

Two kinds of memory: what is in use, and what the process holds. The second goes up and down by some 20 MB from one 200
runs to the next, since glibc keeps some of what was freed; so it is taken over three times 200 runs.
"""

import json
from textwrap import dedent

import pytest
from jupyter_client.manager import start_new_kernel

ROUNDS = 3
CELL = "cell of the explorer"
EXPLORER = """
    explorer = explorers.{kind}({state!r}, split=split)
    if hasattr(explorer, "start"):
        explorer.start.click()
    explorer
"""
SETUP = """
    import ctypes, gc, json, threading, time
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

    class Allocated(ctypes.Structure):  # glibc's mallinfo2, over the heaps of all threads
        names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
        _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = Allocated

    def left():
        gc.collect()
        libc.malloc_trim(0)  # what was freed goes back, where it can
        allocated = libc.mallinfo2()
        alive = getattr(ipywidgets.Widget, "_instances", None)
        return {
            "threads": threading.active_count(),
            "widgets": len(ipywidgets.widgets.widget._instances if alive is None else alive),
            "comms": len(get_ipython().kernel.comm_manager.comms),
            "hooks": len(module._global_forward_hooks) + len(module._global_backward_hooks),
            "handlers": sum(map(len, get_ipython().events.callbacks.values())),
            "in use": (allocated.uordblks + allocated.hblkhd) / 2**20,  # MB
            "held": psutil.Process().memory_info().rss / 2**20,
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
    def left():
        run("explorer.worker.stop(); wait()")
        return run("print(json.dumps(left()))")

    explorer = EXPLORER.format(kind=kind, state=state)
    run(SETUP)
    # Memory that is taken once: Python collects some forty replaced explorers at a time, so more of them than that.
    for _ in range(60):
        run(explorer, CELL)
    found = [left()]
    for _ in range(ROUNDS):
        for _ in range(200):
            run(explorer, CELL)
        found.append(left())
    run(TOGGLES)
    found.append(left())
    for name in ("threads", "widgets", "comms", "hooks", "handlers"):
        assert len({each[name] for each in found}) == 1, (name, found)
    before, *_, after, toggled = found
    cells = {kind: (after[kind] - before[kind]) / ROUNDS for kind in ("in use", "held")}
    toggles = {kind: toggled[kind] - after[kind] for kind in ("in use", "held")}
    report(
        f"explorers.{kind}: 200 runs of its cell leave {cells['in use']:.1f} MB in use, the process is "
        f"{cells['held']:.1f} MB larger (mean of {ROUNDS}; goal 20); 1,000 toggles {toggles['in use']:.1f} and "
        f"{toggles['held']:.1f} MB; {after['threads']} threads, {after['widgets']} widgets, {after['comms']} comms "
        "before and after"
    )
    assert max(*cells.values(), *toggles.values()) < 20
