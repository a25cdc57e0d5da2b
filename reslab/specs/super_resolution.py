"""What a net of lesson 08 is: a picture goes in and a picture comes out."""

from dataclasses import dataclass

from reslab.specs.fields import Spec, setting


@dataclass(frozen=True, kw_only=True)
class SRSpec(Spec):
    """A net for super-resolution: so many 3×3 convolutions, and two kinds of skip, which are independent.

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value.
    """

    FIRST_FIELDS = ("depth", "skip", "block_skips", "last", "width")

    depth: int = setting(10, "convolutions, an even number: first, last, and two a block", low=4, high=60)
    skip: bool = setting(True, "global skip: the net adds its output to its input (Kim et al. 2016)")
    block_skips: bool = setting(False, "a skip around each block of two convolutions (He et al. 2015)")
    last: str = setting(
        "zero",
        "weights of the last convolution: zero, so that the output begins at 0, or drawn as He et al. 2015b do",
        choices=("zero", "He"),
    )
    width: int = setting(16, "channels between the first and the last convolution", low=1)

    def __post_init__(self):
        super().__post_init__()
        if self.depth % 2:
            raise ValueError(f"depth is {self.depth}; it must be even, such as {self.depth + 1}.")

    @property
    def name(self):
        """As charts have it: "direct-10", "residual-10"; block skips: "direct-10 + block skips"."""
        return f"{'residual' if self.skip else 'direct'}-{self.depth}{' + block skips' * self.block_skips}"
