"""How long the first lesson takes, and where the time goes. Ratios are between things measured in turn, in the same run."""

# ruff: noqa: I001
import os
import statistics
import subprocess
import sys
import threading
import time

import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from reslab import NetSpec, TrainSpec, build, digits, explorers
from reslab.experiments.degradation import by_depth
from reslab.sweep import sweep
from reslab.train import train

BUSY = "while True: pass"


def textbook(net, split, steps):
    """The loop of every tutorial: a DataLoader of normalised tensors, `.item()` at every step. Yields the loss of each step."""
    x, y = split.batch(slice(None), "train")
    loader = DataLoader(TensorDataset(x, y), batch_size=128, shuffle=True, drop_last=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    net.train()
    done = 0
    while True:
        for images, labels in loader:
            optimizer.zero_grad()
            logits = net(images)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            correct = (logits.argmax(1) == labels).sum().item()
            done += 1
            yield loss.item(), correct
            if done == steps:
                return


def ours(net, split, steps, **how):
    """The same through `train`, with no test error in between, which the textbook loop has not either."""
    return train(net, split, TrainSpec(epochs=steps / 10, test_every=10_000, **how))


def ratio(first, second, rounds):
    """Time of `first` over that of `second`, step by step in turn: the median, and both medians in milliseconds."""
    for stepper in (first, second):
        for _ in range(3):
            next(stepper)
    pairs = [[seconds(next, stepper) for stepper in (first, second)] for _ in range(rounds)]
    return statistics.median(a / b for a, b in pairs), *(1e3 * statistics.median(column) for column in zip(*pairs, strict=True))


def seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


@pytest.fixture(scope="module")
def split():
    return digits()


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_a_training_step_against_the_textbook_loop(split, depth, report):
    spec = NetSpec(depth=depth, width=8, **split.shape)
    steps = 100 if depth < 56 else 40
    faster, a, b = ratio(textbook(build(spec), split, steps), ours(build(spec), split, steps), steps - 5)
    report(f"step, resnet-{depth}: textbook {a:.1f} ms, ours {b:.1f} ms: ours {faster:.2f} times as fast")


def test_two_nets_at_once_against_the_textbook_loop(split, report):
    """What the figure does: as many nets at a time as there are cores."""
    spec, cores = NetSpec(depth=56, width=8, **split.shape), os.cpu_count()
    quotients = []
    for _ in range(3):
        one = seconds(list, textbook(build(spec), split, 20))
        how = TrainSpec(epochs=2, test_every=10_000)
        many = seconds(list, sweep([spec], split, how, seeds=range(cores), progress=False)) / cores
        quotients.append(one / many)
    report(f"20 steps of resnet-56, {cores} nets at once: {statistics.median(quotients):.2f} times the textbook loop's images a second")


def test_capture_costs(split, report):
    spec = NetSpec(depth=56, width=8, **split.shape)
    for every in (1, 10):
        cost, a, b = ratio(ours(build(spec), split, 80, capture_every=every), ours(build(spec), split, 80), 70)
        report(f"capture every {every} steps, resnet-56: median step {a:.1f} ms against {b:.1f} ms bare: {cost:.2f} times")


def test_the_whole_figure(report):
    taken = [seconds(lambda: by_depth(progress=False)) for _ in range(3)]
    report(f"the degradation figure, 8 nets of 6 epochs: {statistics.median(taken):.1f} s ({min(taken):.1f} to {max(taken):.1f})")


def test_the_first_live_curve(report):
    explorer = explorers.Degradation("plain-56")
    explorer._previews.join()
    began = time.perf_counter()
    explorer.start.click()
    while not explorer.curves.figure.data or len(explorer.curves.figure.data[0].y) < 2:
        time.sleep(0.001)
    first = time.perf_counter() - began
    answers = []
    for _ in range(10):
        time.sleep(0.3)
        answers.append(seconds(explorer.pause.click))
    explorer.worker.stop()
    explorer.worker.join()
    report(f"explorer, plain-56: the curve begins {first:.2f} s after Start; pressing Pause takes {1e3 * max(answers):.0f} ms at most")
    assert threading.active_count() < 10


def test_the_cost_of_importing(report):
    def fresh(statement):
        return seconds(subprocess.run, [sys.executable, "-c", statement])

    statements = ("import torch", "import reslab", "import reslab.nets, reslab.capture, reslab.train")
    rounds = [[fresh(statement) for statement in statements] for _ in range(5)]
    alone, package, everything = (statistics.median(column) for column in zip(*rounds, strict=True))
    report(f"import torch: {alone:.2f} s")
    report(f"import reslab: {package / alone:.2f} times that; nets, capture and training with it: {everything / alone:.2f} times")


@pytest.mark.parametrize("policy", ["PASSIVE", "ACTIVE"])
def test_a_busy_neighbour(split, report, policy):
    """Steps beside one process a core that never rests, in a fresh interpreter: the policy must be set before torch is imported."""
    code = (
        "import time, statistics, reslab; from reslab.train import train; from reslab import NetSpec, TrainSpec, build, digits\n"
        "split = digits(); net = build(NetSpec(depth=56, width=8, **split.shape)); times = []; last = time.perf_counter()\n"
        "for event in train(net, split, TrainSpec(epochs=2, test_every=100)):\n"
        "    now = time.perf_counter(); times.append(now - last); last = now\n"
        "print(statistics.median(times))"
    )
    environment = os.environ | {"OMP_WAIT_POLICY": policy}

    def step():
        return float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout)

    idle = step()
    neighbours = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count())]
    try:
        busy = step()
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    report(f"busy neighbours, waiting {policy}: a resnet-56 step takes {busy / idle:.1f} times as long ({1e3 * busy:.0f} ms); 2 is fair")
