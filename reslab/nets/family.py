"""`FAMILY`: the nets of the papers, by name."""

from reslab.nets.spec import NetSpec

FAMILY = {
    spec.name: spec
    for spec in (NetSpec(depth=depth, skip=skip) for skip in (False, True) for depth in (8, 20, 32, 44, 56, 110, 1202))
}
