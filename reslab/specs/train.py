"""How to train: `TrainSpec` says everything about it, and `PRESETS` names a few."""

import math
from dataclasses import dataclass

from reslab import checks
from reslab.specs.fields import Spec, setting


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """How to train: SGD with momentum, a schedule, seeds, and what to measure. The defaults suit the digits.

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value.
    """

    FIRST_FIELDS = (
        "epochs", "batch_size", "lr", "momentum", "weight_decay", "schedule", "milestones", "warmup", "augment",
        "data_seed", "label_noise", "label_seed", "log_every", "test_every", "capture_every", "precision", "compile",
        "deterministic",
    )  # fmt: skip

    epochs: float = setting(6.0, "passes over the training images", above=0, high=1e6)
    batch_size: int = setting(
        128, "images per step; those left over at the end of an epoch are used in the next one", low=1
    )
    lr: float = setting(0.05, "the highest learning rate", above=0)
    bias_lr: float = setting(
        1.0,
        "learning rate of biases and scales (parameters with fewer than two dimensions), as a multiple of lr; "
        "Fixup's authors: 0.1",
        low=0,
        before=1.0,
    )
    momentum: float = setting(0.9, "momentum of SGD", low=0, high=1)
    weight_decay: float = setting(1e-4, "weight decay of every parameter, as in the paper", low=0)
    schedule: str = setting(
        "one-cycle",
        "one-cycle: up to lr in 30 % of the steps, then down to 0; step: ÷10 at each milestone; or constant",
        choices=("one-cycle", "step", "constant"),
    )
    milestones: tuple = setting(
        (0.5, 0.75), "where the step schedule divides lr by 10, as fractions of the steps (paper: 32k, 48k of 64k)"
    )
    warmup: int = setting(
        0, "steps at lr/10 before the schedule's own value (the paper's ResNet-110: about 400)", low=0
    )
    augment: str = setting(
        "none",
        "crop-flip: every image is padded by 4 pixels, cropped at random, and mirrored or not (the paper's)",
        choices=("none", "crop-flip"),
    )
    data_seed: int = setting(
        0, "seed of the order of the images and of augmentation", low=0, high=2**32 - 1
    )
    label_noise: float = setting(
        0.0,
        "fraction of the training labels that are replaced by random ones, also for the training error",
        low=0,
        high=1,
    )
    label_seed: int = setting(0, "seed of label_noise", low=0, high=2**32 - 1)
    log_every: int = setting(1, "steps between events; losses are copied from the device once per event", low=1)
    test_every: int = setting(
        1, "epochs between test errors, each at the next event; the last step always has one", low=1
    )
    capture_every: int = setting(0, "steps between captures of every block, beginning with the first; 0: none", low=0)
    capture_first: int = setting(0, "number of first steps that are all captured", low=0, before=0)
    precision: str = setting(
        "fp32",
        "bf16: autocast, with weights in float32; for GPUs and processors that support it",
        choices=("fp32", "bf16"),
    )
    compile: bool = setting(False, "use torch.compile, for long trainings; captured steps are not compiled")
    cuda_graph: bool = setting(
        True,
        "on a GPU, record a step once and replay it, for the same numbers in a fraction of the time; nets of `build` "
        "without random draws; captured steps are not replayed",
        before=True,
    )
    deterministic: bool = setting(
        False, "the same numbers to the bit on a GPU too; on CPUs they always are, with the same number of threads"
    )

    def __post_init__(self):
        super().__post_init__()
        try:
            milestones = tuple(self.milestones)
        except TypeError:
            raise ValueError(
                f"milestones is {self.milestones!r}; it must be a sequence of fractions, such as (0.5, 0.75)."
            ) from None
        self._set("milestones", tuple(checks.number("a milestone", milestone, 0, 1) for milestone in milestones))

    def steps(self, images):
        """(steps in an epoch, steps in all) on so many training images."""
        per_epoch = max(1, images // self.batch_size)
        return per_epoch, max(1, round(self.epochs * per_epoch))

    def captured(self, step):
        """Whether a step, from 1 on, is captured."""
        return step <= self.capture_first or (self.capture_every > 0 and (step - 1) % self.capture_every == 0)

    def learning_rate(self, step, steps):
        """The learning rate at a step from 1 to steps."""
        if step <= self.warmup:
            return self.lr / 10
        done = (step - 0.5) / steps  # the middle of the step, so that neither end is 0
        if self.schedule == "one-cycle":  # linear up, cosine down (after Smith & Topin 2018, arXiv:1708.07120)
            return self.lr * (done / 0.3 if done < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.3) / 0.7))
        passed = sum(done > milestone for milestone in self.milestones) if self.schedule == "step" else 0
        return self.lr / 10**passed


PAPER = TrainSpec(epochs=64_000 / 390, lr=0.1, schedule="step", augment="crop-flip", log_every=100)
PRESETS = {
    "digits": TrainSpec(),
    "paper": PAPER,  # He et al. 2015, §4.2, CIFAR-10: 64k steps of 128 images, 390 an epoch; lr ÷10 at 32k and 48k
    # Its net of 110 layers: lr 0.01 until the training error is below 80 %, about 400 steps.
    "paper-110": checks.replace(PAPER, warmup=400),
    "paper-half": checks.replace(PAPER, epochs=32_000 / 390),  # half its steps; the rate falls at half and 3/4 of them
    # Not the paper's: CIFAR-10 in little time.
    "short": TrainSpec(epochs=15, lr=0.1, augment="crop-flip", log_every=10),
    # Not the paper's: 5,000 photos in minutes on one core of a CPU. 312 steps; every fifth is logged and captured.
    "cpu-subset": TrainSpec(epochs=8, lr=0.1, augment="crop-flip", log_every=5, test_every=2, capture_every=5),
}
