"""`build`: a net, with weights drawn from a seed; and whether a net is still as it was built."""

import math
import zlib

import torch
from torch import nn

from reslab import checks
from reslab.nets.layers import Bias, RandomModule, Scale
from reslab.nets.resnet import ResNet
from reslab.nets.vgg import VGG
from reslab.specs.net import LAYERS_PER_BLOCK, NetSpec

NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)
DIRAC_NOISE = 0.1  # of init "dirac": without noise, all channels that begin equal would stay so


def build(spec, *, seed=0):
    """The net of a spec, with weights drawn from `seed` alone; the caller's random state is not used and not changed.

    Every weight is drawn from the seed and its own name, so nets of the same seed share the weights of every layer that
    both have: with shortcut A, a plain net and its residual twin are identical to the bit.
    """
    if not isinstance(spec, NetSpec):
        raise TypeError(
            f"build takes a NetSpec, not {type(spec).__name__}; names are looked up with FAMILY['resnet-20']."
        )
    seed = checks.seed("seed", seed)
    net = allocated(shapes_only(spec))
    initialise(net, spec, seed)
    net.seed, net.built = seed, (seed, *_checksums(net))
    return net


def origin(model):
    """(spec, seed, change): what `build` makes a model of, and in words what it is that build does not make, or "".

    spec is None for a person's own model, and for a net whose layers were replaced. seed is None too where the weights
    were loaded, changed or trained since, where layers are frozen, or in eval mode beside others that are not.
    """
    spec = getattr(model, "spec", None)
    if not isinstance(spec, NetSpec):
        return None, None, ""
    if type(model) not in (ResNet, VGG):
        return None, None, f"build makes no {type(model).__name__}"
    if getattr(model, "built", None) is None:  # built without a seed, or pretrained
        return spec, None, ""
    (seed, *built), now = model.built, _checksums(model)
    if now[0] != built[0]:
        return None, None, "its layers are not those that build made of its spec"
    if (now[1], model.seed) != (built[1], seed):
        return spec, None, f"its weights are not those that build drew with seed {seed}"
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return spec, None, "some of its weights are frozen"
    if len({module.training for module in model.modules()}) > 1:
        return spec, None, "some of its layers are in eval mode"
    return spec, seed, ""


def _checksums(net):
    """(of spec and layers, of the weights and buffers)."""
    weights = 0
    for tensor in net.state_dict().values():
        weights = zlib.crc32(tensor.reshape(-1).view(torch.uint8).cpu().numpy(), weights)
    return zlib.crc32(repr((net.spec, net)).encode()), weights


def shapes_only(spec):
    """The net of a spec on the device "meta": layers and shapes, no weights."""
    with torch.device("meta"):  # PyTorch's own initialisation would draw from the caller's generator
        return VGG(spec) if spec.block == "vgg" else ResNet(spec)


def allocated(net):
    """A net from the device "meta", with memory on the CPU for its weights and buffers; they are not set to anything.

    Not by `to_empty`: on "meta" that imports sympy, which takes a second, and 35 MB of each kernel.
    """
    tensors = [*net.named_parameters(), *net.named_buffers()]
    empty = {name: torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu") for name, tensor in tensors}
    net.load_state_dict(empty, strict=False, assign=True)  # not strict: what modules keep besides tensors stays
    return net


@torch.no_grad()
def initialise(net, spec, seed):
    """Draw every weight, as `spec.init` says; biases are 0, but for init "torch", which draws them too."""
    for name, module in net.named_modules():
        key = zlib.crc32(f"{seed}/{name}".encode())
        if isinstance(module, NORMS):
            module.reset_parameters()  # γ = 1, β = 0, running mean 0 and variance 1: nothing random
        elif isinstance(module, Scale) and module.learned:
            module.factor.fill_(module.value)
        elif isinstance(module, Bias):
            module.bias.zero_()
        elif isinstance(module, RandomModule):
            module.key = key
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            # No activation follows the classifier, so its gain is that of a linear layer.
            gain = 1.0 if name == "fc" else activation_gain(spec.activation)
            if spec.init == "fixup":
                gain *= fixup_factor(name, spec)
            draw(module, spec.init, gain, torch.Generator().manual_seed(key))
        elif next(module.parameters(recurse=False), None) is not None:
            kind = type(module).__name__
            raise TypeError(f"nothing draws the weights of {kind}: add a rule to initialise in reslab/nets/weights.py.")


def draw(module, init, gain, generator):
    """Fill one layer's weight and bias. fan = k²·channels of a k×k kernel.

    kaiming, fixup: normal, std = gain/√fan_out (He et al. 2015b, arXiv:1502.01852, eq. 14); fan_in for linear layers.
    xavier: normal, std = gain·√(2/(fan_in + fan_out)) (Glorot & Bengio 2010, eq. 12).
    dirac: in a convolution that keeps its shape, the identity and DIRAC_NOISE times what kaiming draws; kaiming
      elsewhere (as in DiracNets, Zagoruyko & Komodakis 2017, arXiv:1706.00388).
    torch: uniform within ±1/√fan_in, the bias too, which is what nn.Conv2d and nn.Linear do by themselves.
    """
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
    if init == "torch":
        bound = 1 / math.sqrt(fan_in)
        module.weight.uniform_(-bound, bound, generator=generator)
        if module.bias is not None:
            module.bias.uniform_(-bound, bound, generator=generator)
        return
    fan = fan_in if isinstance(module, nn.Linear) else fan_out
    std = gain * math.sqrt(2 / (fan_in + fan_out)) if init == "xavier" else gain / math.sqrt(fan)
    module.weight.normal_(0, std, generator=generator)
    if init == "dirac" and keeps_shape(module):
        module.weight.mul_(DIRAC_NOISE).add_(nn.init.dirac_(torch.empty_like(module.weight), module.groups))
    if module.bias is not None:
        module.bias.zero_()


def keeps_shape(module):
    """Whether a layer is a convolution that can be the identity: as many channels out as in, and every pixel."""
    is_convolution = isinstance(module, nn.Conv2d)
    return is_convolution and module.in_channels == module.out_channels and set(module.stride) == {1}


def fixup_factor(name, spec):
    """What Fixup multiplies a layer's weights by (Zhang et al. 2019, arXiv:1901.09321): with L branches of m layers, 0
    for the last layer of each and for the classifier, L^(-1/(2m-2)) for the others of a branch, and 1 for what is in
    none."""
    layers = LAYERS_PER_BLOCK[spec.block]
    if name == "fc" or name.endswith(f".branch.conv{layers}"):
        return 0.0
    return sum(spec.blocks_per_stage) ** (-1 / (2 * layers - 2)) if ".branch." in name else 1.0


def activation_gain(activation):
    """PyTorch's recommended gain; √2, that of ReLU, for the smooth activations, which PyTorch does not list."""
    return nn.init.calculate_gain("relu" if activation in ("elu", "gelu", "silu") else activation)
