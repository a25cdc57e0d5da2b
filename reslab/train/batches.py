"""Which images each step of a training sees, and what happens to them."""

import torch

from reslab.train.augment import crop_flip, draw


class Batches:
    """The batches of a training. They depend on seed and step alone: a resumed run sees the same.

    split: on the device of the training. how: a TrainSpec. ranks: the `Ranks` that share each batch. layout: the
    memory format of the images.
    """

    def __init__(self, split, how, ranks, layout):
        self.split, self.how, self.ranks, self.layout = split, how, ranks, layout
        self.steps_per_epoch, self.steps = how.steps(len(split.y_train))
        self.epoch, self.order, self.draws = None, None, None

    def inputs(self, step):
        """What step number `step`, from 0, makes this process's share of its batch of: which images, (N,) int64, and
        where they are augmented, how, (N, 3) int64. On the device, of the same shapes at every step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:  # drawn on the CPU, so that every device shows the same
            images, device = len(self.split.y_train), self.split.y_train.device
            generator = torch.Generator().manual_seed(self.how.data_seed * 1_000_003 + epoch)
            self.epoch, self.order = epoch, torch.randperm(images, generator=generator).to(device)
            self.draws = draw(images, generator).to(device) if self.how.augment == "crop-flip" else None
        begin, end = place * self.how.batch_size, (place + 1) * self.how.batch_size
        here = slice(begin + self.ranks.rank, end, self.ranks.world)
        return [drawn[here] for drawn in (self.order, self.draws) if drawn is not None]

    def batch(self, index, draws=None):
        """Images (N, C, S, S), normalised and augmented, and labels (N,) of a step's inputs."""
        x, y = self.split.batch(index, "train")
        if draws is not None:
            x = crop_flip(x, draws)
        return x.contiguous(memory_format=self.layout), y
