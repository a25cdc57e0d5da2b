"""What a net is: `NetSpec` says everything about it."""

from dataclasses import dataclass

from reslab import checks
from reslab.specs.fields import Spec, setting

LAYERS_PER_BLOCK = {"basic": 2, "bottleneck": 3, "vgg": 1}
DEEPEST = 1202  # the deepest net of the paper; with no limit, a typing error could fill the memory
CIFAR_STAGES = 3  # each with twice the width and half the size of the one before (He et al. 2015, §4.2)
IMAGENET_BLOCKS = {  # blocks in each of four stages, by depth (He et al. 2015, Table 1)
    "basic": {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)},
}
# Convolutions in each of five stages, by depth (Simonyan & Zisserman 2014, arXiv:1409.1556, Table 1: A, B, D, E).
VGG_BLOCKS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


@dataclass(frozen=True, kw_only=True)
class NetSpec(Spec):
    """Everything about a net; `replace(spec, skip=False)` is the plain net of the same weights.

    depth counts the layers with weights, shortcuts left out and the stem counted as one: 6n+2 for CIFAR nets of basic
    blocks, 9n+2 of bottlenecks; 18, 34 and 50, 101, 152 for ImageNet; 11, 13, 16, 19 for VGG. Wide CIFAR nets of basic
    blocks are counted as in their paper, 6n+4: with three projections, without the classifier (Zagoruyko & Komodakis
    2016, arXiv:1605.07146).

    residual_scale "learned" is SkipInit (De & Smith 2020, arXiv:2002.10444, §3; with norm "none") and ReZero
    (Bachlechner et al. 2020, arXiv:2003.04887): both have the same formula. "depth" keeps the variance of the sum where
    each branch is as large as its input (De & Smith 2020, §2: BatchNorm scales a branch by 1/√depth at the start).

    In a plain net, shortcut and residual_scale have no effect.

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value.
    """

    FIRST_FIELDS = (
        "depth", "skip", "stem", "block", "shortcut", "order", "norm", "activation", "init", "residual_scale",
        "stochastic_depth", "width", "widen", "groups", "in_channels", "image_size", "classes",
    )  # fmt: skip

    depth: int = setting(20, "number of layers with weights")
    skip: bool = setting(
        True, "residual net, y = branch(x) + shortcut(x); without: plain net, y = branch(x)"
    )
    stem: str = setting(
        "cifar",
        '"cifar": one 3×3 convolution; "imagenet": 7×7 and max-pool, to a quarter of the size; "deep": three 3×3 in '
        'place of the 7×7; "none": VGG',
        choices=("cifar", "imagenet", "deep", "none"),
    )
    block: str = setting(
        "basic",
        "the branch: two 3×3 convolutions, or a bottleneck of 1×1, 3×3, 1×1; or VGG's one 3×3",
        choices=("basic", "bottleneck", "vgg"),
    )
    shortcut: str = setting(
        "A",
        "where the shape changes: A pads with zeros, B projects, D averages, then projects; C projects in every block",
        choices=("A", "B", "C", "D"),
    )
    order: str = setting(
        "original",
        "order of norm, activation and addition: the five of He et al. 2016, arXiv:1603.05027, Fig. 4",
        choices=("original", "norm-after-add", "relu-before-add", "relu-only-preact", "preact"),
    )
    norm: str = setting(
        "batch",
        "normalisation: BatchNorm with each convolution, or none (convolutions then have a bias)",
        choices=("batch", "none"),
    )
    activation: str = setting(
        "relu",
        "activation function; --order says where it is",
        choices=("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"),
    )
    init: str = setting(
        "kaiming",
        "initial weights: He normal (fan out), Glorot normal, PyTorch's default, nearly the identity (Dirac), or Fixup",
        choices=("kaiming", "xavier", "torch", "dirac", "fixup"),
    )
    residual_scale: str = setting(
        "one",
        'what a residual branch is multiplied by: 1; "depth": 1/√blocks; "learned": a scalar per block, from 0',
        choices=("one", "depth", "learned"),
    )
    stochastic_depth: float = setting(
        0.0, "probability that training skips the branch of the last block; of block l of L: l/L of that", low=0, high=1
    )
    width: int = setting(
        16, "channels of the stem and of the first stage (of bottlenecks: the inner channels)", low=1, high=4096
    )
    widen: int = setting(
        1,
        "factor for all channels of basic blocks, for the inner channels of bottlenecks (Wide ResNet's k)",
        low=1,
        high=64,
    )
    groups: int = setting(1, "groups of a bottleneck's 3×3 convolution (ResNeXt's cardinality)", low=1, high=4096)
    in_channels: int = setting(3, "channels of the images", low=1, high=4096)
    image_size: int = setting(32, "height and width of the images, in pixels")
    classes: int = setting(10, "number of classes", low=2, high=100_000)

    def __post_init__(self):
        super().__post_init__()
        smallest = 4 if self.stem == "cifar" else 32  # the stages halve the size, to one pixel
        self._set("image_size", checks.integer("image_size", self.image_size, smallest, 4096))
        self._check_together()
        self._check_depth()

    def _check_together(self):
        """ValueError for values that are allowed one by one, but not together."""
        if self.block == "vgg":
            needs = {
                "skip": False,
                "stem": "none",
                "order": "original",
                "widen": 1,
                "groups": 1,
                "stochastic_depth": 0.0,
            }
            needs |= {"init": "kaiming"} if self.init == "fixup" else {}
            self._needs("a VGG net is one 3×3 convolution after another, with neither shortcuts nor a stem", **needs)
        elif self.stem == "none":
            self._needs("only VGG nets have no stem", stem="cifar")
        if self.block == "basic":
            self._needs("only bottlenecks have groups", groups=1)
        inner = self.width * self.widen
        if inner % self.groups:
            nearest = min((n for n in range(1, inner + 1) if inner % n == 0), key=lambda n: abs(n - self.groups))
            self._needs(f"groups must divide the {inner} inner channels of the first stage", groups=nearest)
        if self.stochastic_depth:
            self._needs("stochastic depth skips a branch, and then needs its shortcut", skip=True)
        if self.init == "fixup":
            needs = {"skip": True, "norm": "none", "residual_scale": "one"}
            self._needs("init 'fixup' is for residual nets without norm, and scales their branches itself", **needs)

    def _needs(self, why, **fields):
        """ValueError unless the fields have these values: what they have, why that cannot be, and what to take."""
        wrong = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if wrong:
            has = ", ".join(f"{name} is {getattr(self, name)!r}" for name in wrong)
            raise ValueError(f"{has}; {why}: take {', '.join(f'{name}={value!r}' for name, value in wrong.items())}.")

    def _check_depth(self):
        valid = valid_depths(self.block, self.stem, self.widen)
        imagenet = self.stem in ("imagenet", "deep")
        low, high = (18, 152) if imagenet else (valid[0], valid[-1])
        self._set("depth", checks.integer("depth", self.depth, low, high))
        if self.depth in valid:
            return
        others = [block for block, depths in IMAGENET_BLOCKS.items() if self.depth in depths]
        if imagenet and others:
            self._needs(f"an ImageNet net of depth {self.depth} is made of the other block", block=others[0])
        if isinstance(valid, range):
            offset = valid.start - valid.step
            kind = f"CIFAR {'wide ' if offset == 4 else ''}{self.block}"
            below = max(depth for depth in valid if depth < self.depth)
            raise ValueError(
                f"depth is {self.depth}; {kind} nets have depth {valid.step}n+{offset}: "
                f"{below} or {below + valid.step}."
            )
        kind = f"ImageNet {self.block}" if imagenet else "VGG"
        nearest = nearest_depth(self.depth, self.block, self.stem, self.widen)
        raise ValueError(
            f"depth is {self.depth}; {kind} nets have depth {', '.join(map(str, valid))}; the nearest is {nearest}."
        )

    @property
    def name(self):
        """What its paper calls it: "plain-56", "resnet-50-d", "resnext-50-32x4d", "wide-resnet-28-10", "vgg-16-bn"."""
        if self.block == "vgg":
            return f"vgg-{self.depth}{'-bn' if self.norm == 'batch' else ''}"
        is_wide, is_next = self.widen > 1 and self.groups == 1, self.skip and self.groups > 1
        usual = "preact" if is_wide and self.stem == "cifar" else "original"  # Wide ResNet's order on CIFAR
        scaled = self.skip and self.residual_scale == "learned"
        words = [
            self.order if self.order != usual else "",
            "fixup" if self.init == "fixup" else "",
            ("rezero" if self.norm == "batch" else "skipinit") if scaled else "",
            "stochastic" if self.stochastic_depth else "",
            "wide" if is_wide else "",
            "resnext" if is_next else "resnet" if self.skip else "plain",
            str(self.depth),
            f"{self.groups}x{self.width * self.widen // self.groups}d" if self.groups > 1 else "",
            str(self.widen) if is_wide else "",
            ("d" if self.shortcut == "D" else "c") if self.stem == "deep" else "",
        ]
        return "-".join(word for word in words if word)

    @property
    def blocks_per_stage(self):
        """Blocks in each stage: with the stem and the classifier they make the depth."""
        valid = valid_depths(self.block, self.stem, self.widen)
        if isinstance(valid, range):
            return (1 + valid.index(self.depth),) * CIFAR_STAGES
        return (VGG_BLOCKS if self.block == "vgg" else IMAGENET_BLOCKS[self.block])[self.depth]


def valid_depths(block="basic", stem="cifar", widen=1):
    """The depths that a net of these blocks can have, shallowest first: a range for CIFAR nets, else a tuple."""
    layers = LAYERS_PER_BLOCK[checks.choice("block", block, NetSpec.choices()["block"])]
    if block == "vgg":
        return tuple(VGG_BLOCKS)
    if checks.choice("stem", stem, NetSpec.choices()["stem"]) != "cifar":
        return tuple(IMAGENET_BLOCKS[block])
    step = CIFAR_STAGES * layers
    offset = 4 if block == "basic" and widen > 1 else 2  # see `NetSpec`
    return range(step + offset, DEEPEST + 1, step)


def nearest_depth(depth, block="basic", stem="cifar", widen=1):
    """The valid depth nearest to a number that somebody typed; the shallower one of two equally near."""
    return min(valid_depths(block, stem, widen), key=lambda valid: abs(valid - depth))
