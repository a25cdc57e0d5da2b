"""`FAMILY`: the nets of the papers, by name, and where each comes from."""

from reslab.checks import replace
from reslab.specs import NetSpec

IMAGENET = {"width": 64, "image_size": 224, "classes": 1000}
CIFAR_110 = NetSpec(depth=110)
RESNET_18, RESNET_34 = (NetSpec(depth=depth, stem="imagenet", shortcut="B", **IMAGENET) for depth in (18, 34))
RESNET_50, RESNET_101, RESNET_152 = (replace(RESNET_34, depth=depth, block="bottleneck") for depth in (50, 101, 152))
PREACT_BOTTLENECK = NetSpec(depth=164, block="bottleneck", order="preact", shortcut="B")
WIDE = NetSpec(depth=28, widen=10, order="preact", shortcut="B")
VGG_16 = NetSpec(depth=16, block="vgg", stem="none", skip=False, norm="none", **IMAGENET)

SOURCES = {  # where a net was proposed → its specs
    "He et al. 2015, arXiv:1512.03385, §4.2": [
        NetSpec(depth=depth, skip=skip) for skip in (False, True) for depth in (8, 20, 32, 44, 56, 110, 1202)
    ],
    "He et al. 2015, arXiv:1512.03385, §4.1": [
        *(replace(spec, skip=False) for spec in (RESNET_18, RESNET_34)),
        *(RESNET_18, RESNET_34, RESNET_50, RESNET_101, RESNET_152),
    ],
    "He et al. 2016, arXiv:1603.05027": [
        *(
            replace(CIFAR_110, order=order)
            for order in ("norm-after-add", "relu-before-add", "relu-only-preact", "preact")
        ),
        *(replace(PREACT_BOTTLENECK, depth=depth) for depth in (164, 1001)),
    ],
    "Zagoruyko & Komodakis 2016, arXiv:1605.07146": [
        replace(WIDE, depth=16, widen=8),
        WIDE,
        *(replace(spec, widen=2) for spec in (RESNET_50, RESNET_101)),
    ],
    "Xie et al. 2016, arXiv:1611.05431": [
        replace(RESNET_50, groups=32, widen=2),
        replace(RESNET_101, groups=32, widen=4),
        replace(RESNET_101, groups=64, widen=4),
    ],
    "He et al. 2018, arXiv:1812.01187": [replace(RESNET_50, stem="deep", shortcut="D")],
    "Huang et al. 2016, arXiv:1603.09382": [NetSpec(depth=depth, stochastic_depth=0.5) for depth in (110, 1202)],
    "Zhang et al. 2019, arXiv:1901.09321": [replace(CIFAR_110, norm="none", init="fixup")],
    "De & Smith 2020, arXiv:2002.10444": [replace(CIFAR_110, norm="none", residual_scale="learned")],
    "Bachlechner et al. 2020, arXiv:2003.04887": [replace(CIFAR_110, residual_scale="learned")],
    "Simonyan & Zisserman 2014, arXiv:1409.1556": [replace(VGG_16, depth=depth) for depth in (11, 13, 16, 19)],
    "torchvision": [replace(VGG_16, depth=depth, norm="batch") for depth in (11, 13, 16, 19)],
}
SOURCE = {spec.name: source for source, specs in SOURCES.items() for spec in specs}
FAMILY = {spec.name: spec for specs in SOURCES.values() for spec in specs}
