"""Every figure of the lessons, drawn from invented frames, and helpers to read one."""

import invented
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reslab.figures import (
    activations,
    degradation,
    dynamics,
    feature_maps,
    gradient_factors,
    gradient_flow,
    histograms,
    loss_along_gradient,
    mean_field,
    picture_walk,
    residual_block,
    scaling,
    shattering,
    theme,
    variants,
)


def keyed(figure):
    """The traces of a figure by their key."""
    keys = [trace.meta["key"] for trace in figure.data]
    assert len(set(keys)) == len(keys), "two traces share a key"
    go.Figure(figure.to_dict())  # valid in full, in this version of plotly
    return dict(zip(keys, figure.data, strict=True))


def notes(figure):
    """The texts on a figure by their name, without the names of its lines."""
    return {note.name: note.text for note in figure.layout.annotations if not (note.name or "").endswith("/name")}


def names(figure):
    """The names of a figure's lines, from top to bottom."""
    named = [note for note in figure.layout.annotations if (note.name or "").endswith("/name")]
    return [note.text for note in sorted(named, key=lambda note: -note.ay)]


def texts(figure):
    return [note.text for note in figure.layout.annotations if note.text]


ERRORS = {f"{kind}-{depth}": error for kind, errors in (("plain", (0.02, 0.05, 0.71)), ("resnet", (0.02, 0.01, 0.004)))
          for depth, error in zip((8, 20, 56), errors, strict=True)}  # fmt: skip
SIGNALS = invented.together(*(
    invented.signal(f"{kind}-{depth}", value, state, blocks=depth // 6)
    for kind, value in (("plain", 1.3), ("resnet", 0.4)) for depth in (20, 56) for state in ("untrained", "trained")
))  # fmt: skip
PROFILES = invented.together(*(
    invented.gradients(name, np.geomspace(ratio, 1, 27)) for name, ratio in
    (("plain-56", 1e3), ("plain-56 · no norm", 1e-4), ("resnet-56", 5.0), ("resnet-56 · tanh", 4.0))
))  # fmt: skip
STEPS = invented.together(*(
    invented.gradients(name, np.geomspace(ratio / step, 1, 27), step=step)
    for name, ratio in (("plain-56", 1e3), ("resnet-56", 5.0)) for step in range(1, 21)
))  # fmt: skip
AUTOCORRELATIONS = invented.autocorrelations(
    *(("plain · BatchNorm", depth, (value, value + 0.05)) for depth, value in ((1, 0.95), (24, 0.2), (50, 0.0))),
    *(("residual · BatchNorm", depth, (value, value + 0.05)) for depth, value in ((1, 0.95), (24, 0.6), (50, 0.55))),
    ("white noise", 0, (0.0, 0.01)), ("brown noise", 0, (0.98, 0.99)),
)  # fmt: skip
RACE = invented.together(
    invented.variants("ResNet", 0.10, 0.12, of=""), invented.variants("pre-activation", 0.05, 0.06),
    invented.variants("wide", 0.0, 0.02, cost=79), invented.variants("no norm", 0.2, 0.3, outcome="diverged"),
)  # fmt: skip
BLOCKS = {
    "basic": invented.block_parts(), "plain": invented.block_parts(False),
    "bottleneck": invented.block("conv1 norm1 activation1 conv2 norm2 activation2 conv3 norm3", after="ReLU"),
    "preact": invented.block("conv1 norm2 activation2 conv2", before="norm1 activation1"),
}  # fmt: skip
ENDED = pd.DataFrame({
    "skip": [False] * 4 + [True] * 4, "seed": [0, 1] * 4, "lr": [0.03, 0.03, 0.1, 0.1] * 2,
    "error": [0.9, 0.8, 0.5, 0.4, 0.1, 0.2, 0.01, 0.02],
})  # fmt: skip
DECAY = invented.together(*(
    invented.learning(kind == "residual", case=case, left=[1.0, 0.1, 0.01], size=size, name=f"{kind} block · {case}")
    for kind, case, size in (
        ("residual", "BatchNorm", [1.5, 1.2, 1.0]), ("plain", "BatchNorm", [1.4, 1.1, 0.1]),
        ("plain", "no norm", [1.4, 0.2, 0.0])
    )
))  # fmt: skip
LEARNING = invented.together(invented.learning(), invented.learning(False, (1.0, 0.9, 0.8)))
RESPONSES = invented.together(
    invented.responses("plain-20", [0.3, 0.2, 0.15]), invented.responses("resnet-20", [0.3, 0.2, 0.05])
)


def every(draw=theme.figure):
    """{name: figure} of every function of `figures` but the architecture map's, each in a state that a lesson shows."""
    drawings = {
        "training_curves": (degradation.training_curves, invented.histories(ERRORS)),
        "error_by_depth": (degradation.error_by_depth, invented.histories(ERRORS, seeds=2)),
        "error_by_rate": (degradation.error_by_rate, invented.rates()),
        "gradient_profile": (gradient_flow.gradient_profile, PROFILES),
        "gradient_by_depth": (
            gradient_flow.by_depth,
            invented.together(PROFILES, invented.gradients("plain-110", [9e3, 1])),
        ),
        "first_steps": (gradient_flow.first_steps, STEPS),
        "over_steps": (gradient_flow.over_steps, STEPS),
        "timeline": (dynamics.timeline, invented.dynamics()),
        "growth": (
            mean_field.growth,
            invented.together(
                invented.grown(),
                invented.grown("ReLU alone", 1.0, norm=False),
                invented.grown("BatchNorm and tanh", 1.1, activation="tanh"),
            ),
        ),
        "falls": (loss_along_gradient.falls, invented.together(invented.along(), invented.along("resnet-56", step=1))),
        "product": (gradient_factors.product, invented.factors()),
        "remedies": (gradient_factors.remedies, invented.remedies()),
        "symptoms": (gradient_factors.symptoms, invented.symptoms()),
        "against_input": (
            shattering.gradients,
            invented.together(invented.against_input(), invented.against_input("white noise", 0)),
        ),
        "autocorrelation": (shattering.by_depth, AUTOCORRELATIONS),
        "learning_curves": (residual_block.learning_curves, LEARNING),
        "final_error": (residual_block.final_error, ENDED),
        "decay": (residual_block.decay, DECAY),
        **{f"diagram_{name}": (residual_block.diagram, block) for name, block in BLOCKS.items()},
        "tiles": (residual_block.tiles, invented.tensors()),
        "kept": (residual_block.kept, invented.halved()),
        **{f"profile_{name}": (activations.profile, SIGNALS, name) for name in activations.STATISTICS},
        "responses": (activations.responses, RESPONSES),
        "similarity": (activations.similarity, SIGNALS),
        "walk_of_a_picture": (
            picture_walk.walk,
            invented.together(invented.picture_walk(), invented.picture_walk("resnet-56", (0, 0, 0))),
        ),
        "activations_by_depth": (activations.by_depth, invented.at_initialisation()),
        "histogram": (histograms.block, invented.together(invented.histograms(), invented.histograms("resnet-20")), 1),
        "histograms": (histograms.net, invented.together(invented.histograms(), invented.histograms("resnet-20"))),
        "maps": (feature_maps.block, invented.together(invented.maps(), invented.maps("resnet-20")), 2),
        "edit": (feature_maps.edit, invented.together(invented.edits(), invented.edits("resnet-20")), 1),
        "walk": (feature_maps.walk, invented.together(invented.maps(), invented.maps("resnet-20"))),
        "errors": (variants.errors, RACE),
        "race": (variants.race, RACE.query("seed == 0")),
        "hours": (scaling.hours, invented.paper_hours()),
        "throughput": (scaling.throughput, invented.throughput()),
    }
    return {name: function(frame, *more, draw=draw) for name, (function, frame, *more) in drawings.items()}
