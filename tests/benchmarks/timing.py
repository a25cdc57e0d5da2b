"""What the benchmarks share. Ratios are between things measured in turn, in the same run."""

import statistics
import time

import torch
import torch.nn.functional as F
from threadpoolctl import ThreadpoolController

from reslab import TrainSpec
from reslab.train import train


def seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def textbook(net, loader, steps, *, threads=None, device="cpu"):
    """The loop of every tutorial, with `.item()` at every step. Yields the loss and the right answers of each.

    threads: None for as many as PyTorch takes by itself.
    """
    net = net.to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    openmp, done = ThreadpoolController().select(user_api="openmp"), 0
    while True:
        for images, labels in loader:
            with openmp.limit(limits=threads):
                images, labels = images.to(device), labels.to(device)
                optimizer.zero_grad()
                logits = net(images)
                loss = F.cross_entropy(logits, labels)
                loss.backward()
                optimizer.step()
                schedule.step()
                correct = (logits.argmax(1) == labels).sum().item()
                measured = loss.item(), correct
            done += 1
            yield measured
            if done == steps:
                return


def ours(net, split, steps, **how):
    """`steps` steps through `train`, an event each, with no test error in between. A generator of events."""
    per_epoch, _ = TrainSpec().steps(len(split.y_train))
    return train(net, split, TrainSpec(epochs=steps / per_epoch, test_every=10**6, **how))


def ratio(first, second, rounds):
    """Time of `first` over that of `second`, step by step in turn: the median, and both medians in milliseconds."""
    for stepper in (first, second):
        for _ in range(3):
            next(stepper)
    pairs = [[seconds(next, stepper) for stepper in (first, second)] for _ in range(rounds)]
    return statistics.median(a / b for a, b in pairs), *(
        1e3 * statistics.median(column) for column in zip(*pairs, strict=True)
    )
