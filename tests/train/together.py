"""One of two processes that train together: `python together.py FOLDER RANK` writes FOLDER/RANK.pickle."""

import pickle
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from trainings import HOW, RESUMABLE

from reslab.datasets import digits
from reslab.job import Job
from reslab.nets import NetSpec, build, replace
from reslab.runs import Checkpoint
from reslab.store import Store
from reslab.sweep import sweep
from reslab.train import TrainSpec, train

WILD = replace(HOW, lr=30.0, schedule="constant", epochs=3)


def begin(spec, split, how, resume=None):
    net = build(spec, seed=2)
    return net, train(net, split, how, device="cpu", resume=resume)


def at_the_end(spec, split, how, resume=None):
    """(the run, the tensors of the last checkpoint)"""
    *_, last = begin(spec, split, how, resume)[1]
    return last.run(), last.checkpoint().tensors


def main(folder, rank):
    torch.set_num_threads(1)
    rendezvous = f"file://{folder / 'rendezvous'}"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2, timeout=timedelta(seconds=600))
    split, saw = digits().subset(200, 60), {}
    spec = NetSpec(depth=8, width=4, **split.shape)
    bare = replace(spec, norm="none")

    net, events = begin(bare, split, replace(HOW, augment="crop-flip"))
    first = next(events)
    saw["first step"] = first.loss, first.train_error, [parameter.grad.clone() for parameter in net.parameters()]
    saw["bare"] = at_the_end(bare, split, HOW)
    saw["diverged"] = at_the_end(bare, split, WILD)[0]

    saw["whole"] = at_the_end(spec, split, RESUMABLE)
    saw["not captured"] = at_the_end(spec, split, replace(RESUMABLE, capture_every=0))
    events = begin(spec, split, RESUMABLE)[1]
    stopped = [next(events) for _ in range(7)][-1].checkpoint()
    if rank == 0:
        stopped.save(folder / "part.safetensors")
    dist.barrier()
    saw["resumed"] = at_the_end(spec, split, RESUMABLE, Checkpoint.load(folder / "part.safetensors"))
    saw["stochastic"] = at_the_end(replace(spec, depth=14, stochastic_depth=0.5), split, HOW)

    # The first alone sees the store, and the second alone is told to stop.
    def job():
        store = Store(folder / f"runs of {rank}")
        return Job(spec=spec, split=split, how=RESUMABLE, seed=2, device="cpu", store=store, save_every=0.0)

    stops = iter([False] * 4 + [rank == 1])
    stopped, remarks = job().train(stopped=lambda: next(stops))
    remarks += job().keep(stopped)
    going_on = job()
    finished, more = going_on.train()
    saw["job"] = stopped, finished, remarks + more + going_on.keep(finished), job().stored()

    saw["refused"] = []
    for ask in (
        lambda: train(build(spec), split, TrainSpec(batch_size=33), device="cpu"),
        lambda: next(sweep([spec, bare], split, HOW, device="cpu")),
    ):
        try:
            ask()
        except ValueError as error:
            saw["refused"].append(str(error))
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(saw))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
