"""The residual block. The names of its parts are stable: capture, lesions and attribution address them."""

from collections import OrderedDict

from torch import nn

from reslab.nets.layers import Bias, Scale, Survival, ZeroPad, activation, conv, norm

# He et al. 2016, Fig. 4 (a) to (e): around each convolution of a branch; around the last one; after the addition
ORDERS = {
    "original": ("conv norm activation", "conv norm", "activation"),
    "norm-after-add": ("conv norm activation", "conv", "norm activation"),
    "relu-before-add": ("conv norm activation", "conv norm activation", ""),
    "relu-only-preact": ("activation conv norm", "activation conv norm", ""),
    "preact": ("norm activation conv", "norm activation conv", ""),
}
EXPANSION = 4  # output channels of a bottleneck over its inner channels, before these are widened


class Block(nn.Module):
    """y = activation(branch(x) + shortcut(x)): the branch learns the residual F(x); without a shortcut the block is
    plain."""

    def __init__(self, branch, shortcut, activation, before=None):
        super().__init__()
        self.before = before  # layers that both paths share, before they part (see `make_block`); or None
        self.branch = branch
        self.shortcut = shortcut  # a module, or None in a plain net
        self.activation = activation  # all that comes after the addition
        self.is_stochastic = hasattr(branch, "survival")

    def forward(self, x):
        if self.before is not None:
            x = self.before(x)
        if self.is_stochastic and self.branch.survival.skips():
            return self.activation(self.shortcut(x))  # stochastic depth: the branch is not computed this time
        y = self.branch(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)  # not in place: capture and autograd may need branch(x) as it was
        return self.activation(y)


def make_block(c_in, c_out, stride, spec, index=1):
    """Block number `index` of a net, from 1: (N, c_in, H, W) → (N, c_out, H/stride, W/stride).

    Layers before the first convolution of a branch (in pre-activation) come before a projection too, as in the authors'
    code for He et al. 2016 (KaimingHe/resnet-1k-layers). A shortcut without a projection takes x as it is.
    """
    lead, branch = make_branch(c_in, c_out, stride, spec, is_first=index == 1)
    before = shortcut = None
    if spec.skip:
        shortcut = make_shortcut(c_in, c_out, stride, spec)
        branch |= make_scales(spec, index)
    if lead and isinstance(shortcut, nn.Sequential):
        before = nn.Sequential(lead)
    else:
        branch = lead | branch
    after = OrderedDict(in_order(ORDERS[spec.order][2], spec, c_out))
    after = nn.Sequential(after) if "norm" in after else after.get("activation", nn.Identity())
    return Block(nn.Sequential(branch), shortcut, after, before)


def make_branch(c_in, c_out, stride, spec, is_first):
    """(the layers before the first convolution, the others) of a branch, by name; numbered like the convolutions.

    The first block of a net has no norm and activation before its first convolution: the stem ends with them (He et
    al. 2016, appendix).
    """
    around, last, _ = ORDERS[spec.order]
    convolutions = CONVOLUTIONS[spec.block](c_in, c_out, stride, spec)
    layers = OrderedDict()
    for i, convolution in enumerate(convolutions, 1):
        is_last = i == len(convolutions)
        for kind, layer in in_order(last if is_last else around, spec, convolution=convolution):
            if kind == "conv" and spec.init == "fixup":
                layers[f"bias{i}"] = Bias()
            layers[f"{kind}{i}"] = layer
            if kind == "conv" and spec.init == "fixup" and is_last:
                layers["scale"] = Scale(1.0, learned=True)
    lead = OrderedDict()
    while next(iter(layers)) != "conv1":
        name, layer = layers.popitem(last=False)
        if not (is_first and name in ("norm1", "activation1")):
            lead[name] = layer
    return lead, layers


def in_order(kinds, spec, channels=None, convolution=None):
    """(kind, layer) for each of the words "conv", "norm" and "activation" in `kinds`.

    channels: of the norm; by default, those before and after the convolution.
    """
    channels = channels or convolution.in_channels
    for kind in kinds.split():
        if kind == "conv":
            channels = convolution.out_channels
            yield kind, convolution
        else:
            yield kind, norm(channels, spec) if kind == "norm" else activation(spec)


def basic(c_in, c_out, stride, spec):
    """Two 3×3 convolutions (He et al. 2015, Fig. 5 left)."""
    return conv(c_in, c_out, 3, stride, spec), conv(c_out, c_out, 3, 1, spec)


def bottleneck(c_in, c_out, stride, spec):
    """1×1 to fewer channels, 3×3, 1×1 back (Fig. 5 right); the stride is in the 3×3, as in torchvision."""
    inner = c_out // EXPANSION * spec.widen
    return (
        conv(c_in, inner, 1, 1, spec),
        conv(inner, inner, 3, stride, spec, spec.groups),
        conv(inner, c_out, 1, 1, spec),
    )


def vgg(c_in, c_out, stride, spec):
    """One 3×3 convolution (Simonyan & Zisserman 2014, §2.1)."""
    return (conv(c_in, c_out, 3, stride, spec),)


CONVOLUTIONS = {"basic": basic, "bottleneck": bottleneck, "vgg": vgg}


def make_shortcut(c_in, c_out, stride, spec):
    """Options A, B and C of He et al. 2015, §3.3 and §4.1, and D of He et al. 2018, arXiv:1812.01187, §4.2.

    Where the shape stays, the identity (but for C). A projection has a norm if the branch ends with one.
    """
    changes_shape = stride != 1 or c_in != c_out
    if spec.shortcut == "A" or not (changes_shape or spec.shortcut == "C"):
        return ZeroPad(c_in, c_out, stride) if changes_shape else nn.Identity()
    layers = OrderedDict()
    if spec.shortcut == "D" and stride != 1:
        # As in timm: a window that hangs over an odd edge averages the pixels that are there.
        layers["pool"], stride = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False), 1
    layers["conv"] = conv(c_in, c_out, 1, stride, spec)
    if "conv norm" in ORDERS[spec.order][1] and spec.init != "fixup":
        layers["norm"] = norm(c_out, spec)
    return nn.Sequential(layers)


def make_scales(spec, index):
    """The last layers of a residual branch: its scale (see `NetSpec`), and stochastic depth."""
    blocks, layers = sum(spec.blocks_per_stage), OrderedDict()
    if spec.residual_scale != "one":
        learned = spec.residual_scale == "learned"
        layers["scale"] = Scale(0.0 if learned else blocks**-0.5, learned)
    if spec.stochastic_depth:
        layers["survival"] = Survival(1 - spec.stochastic_depth * index / blocks)
    return layers
