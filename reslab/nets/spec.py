"""What a net is: `NetSpec` says everything about it, and `FAMILY` names the nets of He et al. 2015 (arXiv:1512.03385)."""

import dataclasses
from dataclasses import dataclass

from reslab import checks

# Every field that takes a name, with the names it takes. Explorers and the CLI read their menus from here.
CHOICES = {
    "block": ("basic", "bottleneck"),
    "shortcut": ("A", "B", "C"),
    "norm": ("batch", "none"),
    "activation": ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"),
    "init": ("kaiming", "xavier", "torch"),
    "residual_scale": ("one", "depth", "learned"),
}
STAGES = 3  # a CIFAR net has three, each with twice the width and half the size of the one before (§4.2)
LAYERS_PER_BLOCK = {"basic": 2, "bottleneck": 3}
DEEPEST = 1202  # the deepest net of the paper; a bound, so that a slip of the keyboard cannot fill the memory


@dataclass(frozen=True, kw_only=True)
class NetSpec:
    """Everything about a net, checked when it is made; `replace(spec, skip=False)` is the plain net of the same weights.

    residual_scale "learned" is SkipInit (De & Smith 2020, arXiv:2002.10444, §3; with norm "none") and ReZero (Bachlechner et
    al. 2020, arXiv:2003.04887): the same formula twice. "depth" keeps the variance of a sum of branches that are as
    large as their input (De & Smith 2020, §2: 1/√depth is what BatchNorm does to a branch at initialisation).

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value.
    """

    depth: int = 20  # weighted layers, shortcuts not counted: 6n+2 with basic blocks, 9n+2 with bottlenecks
    skip: bool = True  # True: y = branch(x) + shortcut(x), a residual net; False: y = branch(x), a plain one
    block: str = "basic"  # the branch: two 3×3 convolutions, or a bottleneck of 1×1, 3×3, 1×1
    shortcut: str = "A"  # where the shape changes: A pads with zeros, B projects; C projects in every block
    norm: str = "batch"  # after each convolution: BatchNorm, or nothing (then convolutions have a bias)
    activation: str = "relu"  # after each norm, and after the addition
    init: str = "kaiming"  # He normal (fan out), Glorot normal, or what PyTorch does when nobody asks
    residual_scale: str = "one"  # what a residual branch is multiplied by: 1; "depth": 1/√blocks; "learned": a scalar a block, from 0
    width: int = 16  # channels of the first stage (inner channels, with bottlenecks)
    in_channels: int = 3  # of the images
    image_size: int = 32  # their height and width, in pixels
    classes: int = 10  # logits

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            checks.choice(name, getattr(self, name), allowed)
        checks.flag("skip", self.skip)
        valid = valid_depths(self.block)
        limits = {
            "depth": (valid[0], valid[-1]),
            "width": (1, 4096),
            "in_channels": (1, 4096),
            "image_size": (4, 4096),  # the three stages halve it twice
            "classes": (2, 100_000),
        }
        for name, (low, high) in limits.items():
            object.__setattr__(self, name, checks.integer(name, getattr(self, name), low, high))
        if self.depth not in valid:
            below = max(depth for depth in valid if depth < self.depth)
            raise ValueError(
                f"depth is {self.depth}; CIFAR {self.block} nets have depth {valid.step}n+2: {below} or {below + valid.step}."
            )

    @property
    def name(self):
        """The paper's name for it: "plain-56" or "resnet-56"."""
        return f"{'resnet' if self.skip else 'plain'}-{self.depth}"

    @property
    def blocks_per_stage(self):
        """Blocks in each stage, n of them: a stem, 3·n blocks and a classifier make the depth."""
        return ((self.depth - 2) // (STAGES * LAYERS_PER_BLOCK[self.block]),) * STAGES

    def to_dict(self):
        """A dict of plain values, for JSON; `NetSpec.from_dict` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The spec that `to_dict` wrote; fields that are absent keep their defaults, unknown ones raise ValueError."""
        return checks.replace(cls(), **values)


def valid_depths(block="basic"):
    """The depths that a CIFAR net of these blocks can have, shallowest first, as a range."""
    step = STAGES * LAYERS_PER_BLOCK[checks.choice("block", block, LAYERS_PER_BLOCK)]
    return range(step + 2, DEEPEST + 1, step)


def nearest_depth(depth, block="basic"):
    """The valid depth nearest to a number that somebody typed; the shallower one of two equally near."""
    return min(valid_depths(block), key=lambda valid: abs(valid - depth))


FAMILY = {
    spec.name: spec
    for spec in (NetSpec(depth=depth, skip=skip) for skip in (False, True) for depth in (8, 20, 32, 44, 56, 110, 1202))
}
