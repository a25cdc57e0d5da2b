"""Random crops and mirrored images, on the device where the images are.

torchvision's crops are one image at a time, on the CPU, or one crop for a whole batch.
"""

import torch
import torch.nn.functional as F

PAD = 4  # pixels on each side, as in He et al. 2015 (arXiv:1512.03385), §4.2


def draw(images, generator):
    """What happens to each image, (images, 3) int64: row and column where its crop begins, 0 to 8; 1 if mirrored."""
    begin = torch.randint(2 * PAD + 1, (images, 2), generator=generator)
    mirror = torch.randint(2, (images, 1), generator=generator)
    return torch.cat([begin, mirror], 1)


def crop_flip(x, draws):
    """Images x (N, C, S, S), each padded with 4 zeros on every side, cut to S × S at its own place and perhaps
    mirrored.

    draws: (N, 3) of `draw`, on the device of x. On normalised images a zero is the mean of the training part. The
    result is in channels_last.
    """
    size = torch.arange(x.shape[-1], device=x.device)
    row, column, mirror = draws[:, :, None].unbind(1)  # (N, 1) each
    rows = row + size  # (N, S)
    columns = column + torch.where(mirror == 1, size.flip(0), size)  # (N, S)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    padded = F.pad(x, (PAD, PAD, PAD, PAD))
    # Indexing puts the channels last.
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
