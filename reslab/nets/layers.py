"""The layers of a net: PyTorch's, as a spec asks for them, and the few that PyTorch does not have."""

import zlib

import torch
import torch.nn.functional as F
from torch import nn

from reslab.nets.convolution import Conv2d, overruns

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def conv(c_in, c_out, size, stride, spec, groups=1):
    """A convolution that keeps H and W (divided by its stride); with a bias if no norm follows, and always in VGG."""
    bias = spec.block == "vgg" or (spec.norm == "none" and spec.init != "fixup")
    how = {"padding": size // 2, "groups": groups, "bias": bias}
    layer = nn.Conv2d(c_in, c_out, size, stride, **how)
    return Conv2d(c_in, c_out, size, stride, **how) if overruns(layer) else layer


def norm(channels, spec):
    """BatchNorm; without norm, the identity under the same name, or Fixup's bias before an activation."""
    if spec.norm == "batch":
        return nn.BatchNorm2d(channels)
    return Bias() if spec.init == "fixup" else nn.Identity()


def activation(spec):
    return ACTIVATIONS[spec.activation]()


class ZeroPad(nn.Module):
    """Shortcut option A: every stride-th pixel, and zeros for the channels that x does not have. No parameters."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.extra, self.stride = c_out - c_in, stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))  # (N, c_in, H, W) → (N, c_out, H/stride, W/stride)

    def extra_repr(self):
        return f"extra_channels={self.extra}, stride={self.stride}"


class Scale(nn.Module):
    """Multiplies the output of a branch by one factor, learned or fixed."""

    def __init__(self, value, learned):
        super().__init__()
        self.value, self.learned = value, learned
        self.factor = nn.Parameter(torch.full((), value)) if learned else value

    def forward(self, x):
        return self.factor * x

    def extra_repr(self):
        return f"{'learned, from ' * self.learned}{self.value:.3g}"


class Bias(nn.Module):
    """Adds one learned number, at first 0, as Fixup does without norms (Zhang et al. 2019, arXiv:1901.09321)."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.bias


class RandomModule(nn.Module):
    """A module that draws random numbers, from the net's seed, its own name and the count of its draws.

    So other draws in this process change nothing. The count is saved with the weights: a resumed training goes on with
    the next draw.
    """

    def __init__(self):
        super().__init__()
        self.key, self.draws = 0, 0  # `build` makes the key of the seed and the name

    def generator(self, device="cpu"):
        """A generator for the next draw."""
        self.draws += 1
        return torch.Generator(device).manual_seed(zlib.crc32(f"{self.key}/{self.draws}".encode()))

    def get_extra_state(self):
        return torch.tensor([self.key, self.draws])

    def set_extra_state(self, state):
        self.key, self.draws = state.tolist()


class Survival(RandomModule):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382, §3), the last layer of a branch.

    In training, a pass takes the branch with probability `rate`, for the whole batch, or skips it. In eval mode the
    branch is multiplied by `rate`.
    """

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def skips(self):
        """Whether this pass skips the branch; each call in training is a draw."""
        return self.training and torch.rand((), generator=self.generator(), device="cpu").item() >= self.rate

    def forward(self, x):
        return x if self.training else self.rate * x

    def extra_repr(self):
        return f"rate={self.rate:.3g}"


class Dropout(RandomModule):
    """nn.Dropout with draws of its own: in training, a fraction `rate` of the values is 0, the others are scaled."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator(x.device))
        return x * kept / (1 - self.rate)

    def extra_repr(self):
        return f"rate={self.rate}"
