"""What the explorer of lesson 05 shows, as one line of text."""

import re
from dataclasses import dataclass

from reslab import checks

BLOCKS = {20: 9, 56: 27}  # layers of a net → its blocks
STATISTICS = ("kept", "anew")


@dataclass(frozen=True, kw_only=True)
class View:
    """Which blocks are out, of which pair of nets; written "layers=56 out=5,7 statistics=anew seed=1 first=4".

    data: a dataset; first: the first of the three test pictures, from 0. Raises ValueError in one sentence.
    """

    layers: int = 20
    out: tuple = ()  # numbers of blocks, from 1
    statistics: str = "kept"  # of BatchNorm: those of the whole net in training, or measured again without the blocks
    seed: int = 0
    first: int = 0
    data: str = "digits"

    def __post_init__(self):
        checks.choice("layers", self.layers, BLOCKS)
        checks.choice("statistics", self.statistics, STATISTICS)
        checks.choice("data", self.data, ("digits", "cifar10"))
        checks.integer("seed", self.seed, 0, 2)
        checks.integer("first", self.first, 0)
        out = {checks.integer("a block", block, 1, BLOCKS[self.layers]) for block in self.out}
        object.__setattr__(self, "out", tuple(sorted(out)))

    def __str__(self):
        parts = [f"layers={self.layers}", f"out={','.join(map(str, self.out)) or 'none'}"]
        usual, others = View(), ("statistics", "seed", "first", "data")
        changed = [name for name in others if getattr(self, name) != getattr(usual, name)]
        return " ".join([*parts, *(f"{name}={getattr(self, name)}" for name in changed)])

    @classmethod
    def parse(cls, text):
        """The View of a line that `str` wrote; capitals, quotes and spaces do not matter. ValueError for another."""
        plain = re.sub(r"[“”‘’\"'`]", "", text).strip().lower()
        fields = {}
        for word in re.split(r"\s*[;|]\s*|\s+", re.sub(r"\s*([=,])\s*", r"\1", plain)) if plain else []:
            name, is_field, value = word.partition("=")
            checks.choice("a field", name, ("layers", "out", "statistics", "seed", "first", "data"))
            numbers = [] if name == "out" and value in ("", "none") else value.strip(",").split(",")
            is_text = name in ("statistics", "data")
            is_read = is_text or (all(re.fullmatch("[0-9]+", each) for each in numbers) and
                                  (name == "out" or len(numbers) == 1))  # fmt: skip
            if not (is_field and is_read):
                raise ValueError(f'{word!r} cannot be read; write it as in "{cls(out=(5,))}".')
            if name == "out":
                fields[name] = tuple(map(int, numbers))
            else:
                fields[name] = value if is_text else int(numbers[0])
        return cls(**fields)
