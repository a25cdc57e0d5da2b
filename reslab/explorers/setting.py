"""The values of an explorer's controls. The run, its label, its code and its command are made from this one object."""

import dataclasses
import inspect
import re
import unicodedata
from typing import ClassVar, get_origin

from reslab import checks
from reslab.cli.reproduce import train_command
from reslab.specs import NetSpec, TrainSpec, nearest_depth

SPECS = {spec: {field.name: field for field in dataclasses.fields(spec)} for spec in (NetSpec, TrainSpec)}
OF_THE_IMAGES = ("in_channels", "image_size", "classes")  # fields of NetSpec that the split decides
SEEDS = 2**31 - 1
LONGEST = 1_000  # characters of a state line: a whole page that was pasted would fill the message
# Where it is not the name of the field.
DISPLAY_NAMES = {"lr": "learning rate", "init": "initial weights", "last": "last layer"}
BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Setting:
    """The values of all controls, written "plain-56" or "resnet-56,norm=none,seed=1". Raises ValueError like the specs.

    Each lesson has its own subclass, a frozen, keyword-only dataclass. A field with the name of a field of NetSpec or
    TrainSpec goes into the net or the training, with that field's choices, limits and help; seed sets the initial
    weights. So a new control is one line: `momentum: float = 0.9`. Any other field needs `options`, and the subclass
    uses it.
    """

    shallowest: ClassVar = 8
    deepest: ClassVar = 110  # deeper nets take longer than a learner waits
    width: ClassVar = 8  # of the nets, unless there is a control for it
    options: ClassVar = {}  # field → values; for fields of no spec, or with fewer values than the spec allows
    always_shown: ClassVar = ("skip", "depth")  # fields with a control in the row; the others are under "More"
    kinds: ClassVar = ("plain", "resnet")  # the first word of the state line, without and with skip connections
    skip_words: ClassVar = ("Skip connections", "Add shortcuts around the blocks, or take them away")  # and the tooltip

    def __init_subclass__(cls):
        for name, kind in inspect.get_annotations(cls).items():
            if ClassVar in (kind, get_origin(kind)):
                if not hasattr(Setting, name):
                    raise TypeError(f"{cls.__name__}.{name} is no option of a Setting: see its ClassVars.")
            elif name != "seed" and name not in cls.options and not any(name in fields for fields in SPECS.values()):
                raise TypeError(f"{cls.__name__}.{name} is no field of a spec: give it options, and use it.")

    def __post_init__(self):
        if hasattr(self, "depth"):
            checks.integer("depth", self.depth, self.shallowest, self.deepest)
        checks.integer("seed", self.seed, 0, SEEDS)
        for name, allowed in self.choices().items():
            checks.choice(name, getattr(self, name), allowed)
        TrainSpec(**{name: getattr(self, name) for name in self._fields_of(TrainSpec)})
        self.net()

    # --- the run ------------------------------------------------------------------------------------------------------

    def net(self, **shape):
        """The NetSpec. shape: the fields that depend on the images, as in `setting.net(**split.shape)`."""
        return NetSpec(**{"width": self.width} | self.of(NetSpec) | {"depth": self.layers} | shape)

    def how(self, base=None):
        """The TrainSpec: `base`, with the fields of this setting."""
        return checks.replace(base or TrainSpec(), **self.of(TrainSpec))

    @property
    def layers(self):
        """The depth of the net that is built."""
        return self.depth

    @property
    def idle(self):
        """field → the reason why it has no effect now. Net, training, label and code leave it out."""
        return {}

    def of(self, spec):
        """field → value, for the fields of a spec that have an effect."""
        return {name: getattr(self, name) for name in self._fields_of(spec) if name not in self.idle}

    @classmethod
    def _fields_of(cls, spec):
        return [field.name for field in dataclasses.fields(cls) if field.name in SPECS[spec]]

    # --- label, state line, code, command -----------------------------------------------------------------------------

    @property
    def name(self):
        """The first word of the state line."""
        return f"{self.kinds[self.skip]}-{self.depth}"

    @property
    def changed(self):
        """field → value, for the fields that are not at their default and not part of the name."""
        fields = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        differ = {name: value for name, (value, usual) in fields.items() if value != usual}
        return {name: value for name, value in differ.items() if name not in ("skip", "depth")}

    def words(self, *, but=()):
        """The changed fields that have an effect, for a label: ["norm none", "learning rate 0.01"]."""
        shown = {name: value for name, value in self.changed.items() if name not in self.idle and name not in but}
        return [_word(display_name(name), value) for name, value in shown.items()]

    @property
    def label(self):
        """The name on the charts: "plain-56 · learning rate 0.01"."""
        return " · ".join([self.name, *self.words()])

    def __str__(self):
        return ",".join([self.name, *(f"{name}={as_text(value)}" for name, value in self.changed.items())])

    def as_code(self, base=None):
        """The arguments of `fit` in the shown code, or of the lesson's own function in its place."""
        return f"{code_of(self.net())}, split, {code_of(self.how(base))}, seed={self.seed}"

    def as_command(self, base=None):
        """The command that trains this net in a terminal, on the digits."""
        return train_command(self.net(), self.how(base), seed=self.seed)

    # --- reading a state line -----------------------------------------------------------------------------------------

    @classmethod
    def choices(cls):
        """field → the values of its menu, for every field that has one."""
        menus = {field.name: _of_spec(field.name, "choices") for field in dataclasses.fields(cls)} | cls.options
        return {name: menu for name, menu in menus.items() if menu}

    @classmethod
    def help(cls, name):
        """The help of a field, one line; "" if no spec has it."""
        return _of_spec(name, "help") or ""

    @classmethod
    def nearest(cls, name, value):
        """(value, notice): the nearest allowed number, and a sentence about the change, or ""."""
        if name == "depth":
            near, allowed = min(nearest_depth(value), cls.deepest), f"they are 6n+2, from 8 to {cls.deepest}"
            return near, "" if near == value else f"There is no depth {value}: {allowed}; the nearest is {near}."
        low, high = (0, SEEDS) if name == "seed" else (_of_spec(name, "low"), _of_spec(name, "high"))
        return nearest_allowed(name, value, low, high)

    @classmethod
    def parse_name(cls, name, hint):
        """field → value, from the first word of a state line; a ValueError for no net ends with `hint`."""
        without, residual = cls.kinds
        found = re.fullmatch(rf"({without}|{residual})[-_ ]?([0-9]+)", name)
        if not found:
            example = f"{without}-{cls.depth} or {residual}-{cls.depth}"
            raise ValueError(f"{name!r} is no net of this lesson; write {example}, {hint}")
        return {"skip": found[1] == residual, "depth": int(found[2])}

    @classmethod
    def parse(cls, text):
        """The Setting that `str` wrote; capitals, quotes and spaces do not matter. ValueError in one sentence."""
        menus, name, parts = cls.choices(), *_split(text)
        example = next((f"{field}={as_text(menu[1])}" for field, menu in menus.items()), "seed=1")
        values = cls.parse_name(name, f"and perhaps ,{example} or ,seed=1 behind it.")
        usual = {name: value for name, value in _defaults(cls).items() if name not in values}
        return cls(**values, **_read("a setting", parts, usual, menus))


def parse_state(kind, text):
    """(the chosen Setting, the others) of "resnet-56 | plain-20 + plain-56", each a `kind`; ValueError as `parse`."""
    chosen, _, others = plain_text(text).partition("|")
    others = re.split(r"\+(?=\s*[A-Za-z])", others)  # and not that of 1e+12
    return kind.parse(chosen), [kind.parse(other) for other in others if other.strip()]


def write_state(chosen, others):
    """The text that `parse_state` reads."""
    return f"{chosen} | {' + '.join(map(str, others))}" if others else str(chosen)


def plain_text(text):
    """A line without the changes of mail programs and word processors: no quotes, plain hyphens and spaces.

    TypeError for what is no text, ValueError for a text too long to be a state.
    """
    if not isinstance(text, str):
        raise TypeError(f"a state is a line of text, such as 'resnet-20', not {type(text).__name__}.")
    if len(text) > LONGEST:
        raise ValueError(f"a state is one line of at most {LONGEST:,} characters, and this has {len(text):,}.")
    typographic = dict.fromkeys("\"'`´‘’‚‛“”„‟«»‹›\\\u200b\ufeff", "") | dict.fromkeys("‐‑‒–—―−", "-")
    return " ".join(unicodedata.normalize("NFKC", text.translate(str.maketrans(typographic))).split())


def parse_fields(cls, text):
    """The dataclass of "show=ratio,block=5": each field in the type of its default."""
    return cls(**read_fields(text, _defaults(cls), getattr(cls, "options", {})))


def read_fields(text, usual, menus=None):
    """field → value, of "show=ratio,block=5". usual: every field's default; menus: field → its values."""
    return _read("what is looked at", _split(f",{text}")[1], usual, menus or {})


def read_value(name, text, usual, menu=None):
    """The value of a field from its text, in the type of its default `usual`; ValueError in one sentence."""
    for value in menu or ():
        if as_text(value).lower() == text.lower():
            return value
    if isinstance(usual, bool):
        return BOOLS[checks.choice(name, text.lower(), BOOLS)]
    try:
        return type(usual)(text)
    except ValueError:
        number = "whole number" if isinstance(usual, int) else "number"
        raise ValueError(f"{name} is {text!r}; it must be a {number}.") from None


def display_name(name):
    """The name of a field in a label and in front of its control: "learning rate" for lr."""
    return DISPLAY_NAMES.get(name, name.replace("_", " "))


def as_text(value):
    """A value as a state line has it, for `read_value`: true, 0.01, 1e12."""
    return str(value).lower() if isinstance(value, bool) else str(value).replace("e+", "e")


def nearest_allowed(name, value, low, high):
    """(value, notice): the nearest value from low to high (None: no limit), and a sentence about the change, or ""."""
    near = value if low is None else max(value, low)
    near = near if high is None else min(near, high)
    if near == value or near != near:  # NaN: the spec refuses it
        return value, ""
    limits = f"at least {low}" if high is None else f"from {low} to {high}"
    return near, f"There is no {name.replace('_', ' ')} {value}: it must be {limits}; the nearest is {near}."


def code_of(spec):
    """The Python expression that makes a spec: fields that are not at their default; for a net, the split's shape."""
    arguments = []
    for name, field in SPECS[type(spec)].items():
        value = getattr(spec, name)
        if name in ("depth", "skip") or (value != field.default and name not in OF_THE_IMAGES):
            arguments.append(f"{name}={value!r}")
    shape = ["**split.shape"] if isinstance(spec, NetSpec) else []
    return f"{type(spec).__name__}({', '.join(arguments + shape)})"


def _split(text):
    """("plain-56", [("norm", "none")]) of "Plain-56, norm = none": the first word, and the fields with their values."""
    first, *parts = (part.strip() for part in plain_text(text).split(","))
    pairs = [[piece.strip() for piece in part.partition("=")] for part in parts if part]
    return first.lower(), [(name.lower().replace(" ", "_"), value) for name, _, value in pairs]


def _defaults(cls):
    return {field.name: field.default for field in dataclasses.fields(cls)}


def _read(what, parts, usual, menus):
    """field → value, of the pairs of `_split`; what: the fields are called so where one is refused."""
    names = [checks.choice(what, name, usual) for name, _ in parts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is given twice; say it once.")
    return {name: read_value(name, value, usual[name], menus.get(name)) for name, value in parts}


def _of_spec(name, what):
    """An entry of a field's metadata in the specs: its choices, help, low or high; None if no spec has the field."""
    return next((fields[name].metadata[what] for fields in SPECS.values() if name in fields), None)


def _word(name, value):
    return {True: name, False: f"no {name}"}[value] if isinstance(value, bool) else f"{name} {as_text(value)}"
