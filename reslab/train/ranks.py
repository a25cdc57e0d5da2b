"""One training in several processes, each with its share of every batch; PyTorch's DistributedDataParallel averages
their gradients.

    torchrun --nproc-per-node 2 -m reslab train resnet-110 --dataset cifar10

He et al. 2015 (arXiv:1512.03385), §4.2: batches of 128 on two GPUs. BatchNorm takes the mean and variance of each
process's own share. So the numbers of a net with BatchNorm depend on the number of processes, which is in the
provenance; without BatchNorm they are the same up to rounding. PyTorch's SyncBatchNorm would take the whole batch, but
only on GPUs, and would wait for all processes at every layer.
"""

import atexit
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from reslab.train.device import pick_device


def world():
    """How many processes train together: those of torchrun, or of an initialised torch.distributed; else 1."""
    if not dist.is_available():
        return 1
    if dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def rank():
    """The number of this process, from 0. Process 0 prints and saves."""
    if world() == 1:
        return 0
    return dist.get_rank() if dist.is_initialized() else int(os.environ["RANK"])


class Ranks:
    """The processes that train together, each on a device (a name, or a torch.device). All make the same calls in the
    same order.

    Joins the processes that torchrun started. ValueError for a device that they cannot share. A process alone is a
    world of 1.
    """

    def __init__(self, device):
        self.world, self.rank, self.device = world(), rank(), device
        if self.world == 1:
            return
        self.device = device = pick_device(device)
        if device.type not in ("cuda", "cpu"):
            raise ValueError(
                f"several processes train together on CUDA or on the CPU, not on {device.type}; take device='cpu'."
            )
        if device.type == "cuda":
            gpus = torch.cuda.device_count()
            index = dist.get_node_local_rank(fallback_rank=self.rank % gpus) if device.index is None else device.index
            if index >= gpus:
                raise ValueError(
                    f"process {self.rank} has no GPU of its own among the {gpus}; start as many processes as there are."
                )
            self.device = torch.device("cuda", index)
            torch.cuda.set_device(self.device)  # for code that asks for the current device
        if not dist.is_initialized():
            on_gpu = device.type == "cuda"
            dist.init_process_group("nccl" if on_gpu else "gloo", device_id=self.device if on_gpu else None)
            atexit.register(dist.destroy_process_group)

    def share(self, batch_size):
        """The images of a batch that each takes; ValueError if the batch cannot be shared out evenly."""
        if batch_size % self.world:
            raise ValueError(
                f"batch_size is {batch_size}, and {self.world} processes share it; take a multiple of {self.world}."
            )
        return batch_size // self.world

    def wrap(self, model, every_parameter):
        """The model with gradients averaged over the processes, from the weights of the first.

        every_parameter: whether each forward pass uses them all.
        """
        return model if self.world == 1 else DistributedDataParallel(model, find_unused_parameters=not every_parameter)

    def mean(self, tensor):
        """The mean over the processes of a tensor that each has, on its device."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor / self.world

    def first(self, value):
        """The value of process 0: anything that can be pickled."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def any(self, flag):
        """Whether the flag is set in any process."""
        return flag if self.world == 1 else self.mean(torch.tensor(float(flag), device=self.device)).item() > 0
