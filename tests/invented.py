"""Invented frames, the input of the tests of results, figures and sentences; never product data."""

import numpy as np
import pandas as pd

LIVE, RECORDED = "live, this machine", "recorded, H200, 3 seeds, 2026-11"
STATISTICS = (
    "ratio",
    "cosine",
    "cka",
    "r2",
    "activation_rms",
    "activation_mean",
    "activation_std",
    "activation_dead",
    "inner_dead",
)


def together(*frames):
    return pd.concat(frames, ignore_index=True)


def of_name(name):
    """skip and depth of "plain-56 · tanh"."""
    return {"skip": name.startswith(("res", "residual")), "depth": int(name.split("-")[1].split()[0])}


# Lesson 01


def history(
    name="plain-56", error=0.5, *, seed=0, steps=22, outcome="finished", origin=LIVE, parameters=54026, **columns
):
    """A training of 11 steps an epoch whose training error falls to `error` in the last epoch."""
    step = np.arange(1, steps + 1)
    train = np.where(step > steps - 11, error, 0.9)
    frame = pd.DataFrame(
        {"step": step, "epoch": step / 11, "lr": 0.1, "loss": 2.0, "train_error": train, "seconds": step / 10}
    )
    frame["test_error"] = np.where(step % 11 == 0, train + 0.02, np.nan)
    labels = {
        "name": name,
        **of_name(name),
        "seed": seed,
        "parameters": parameters,
        "origin": origin,
        "outcome": outcome,
    }
    return frame.assign(**labels, **columns)


def histories(errors, *, seeds=1, **columns):
    """A training for each net of {name: error of each seed, or of all}."""
    return together(*(
        history(name, error, seed=seed, **columns)
        for name, of_net in errors.items()
        for seed, error in enumerate(of_net if isinstance(of_net, tuple) else (of_net,) * seeds)
    ))  # fmt: skip


# Lesson 02


def dynamics(plain=(0.9, 0.8), residual=(0.4, 0.0), ratios=(900, 8, 0.5), told=(0.1, 0.2), seeds=(0, 1)):
    """Two nets before training and after 1, 9 and 10 steps, as `experiments.dynamics.in_training` gives them.

    plain, residual: the errors after 1 and 9 steps; ratios: of the plain net, before, and after 1 and 9 steps; told: of
    the plain net, before and at the end. Each seed's ratios and errors are a tenth larger than those of the one before.
    """
    rows = [
        (name, bool(kind), 56, seed, step, 0.1, seen, ratio * (1 + seed / 10), error * (1 + seed / 10))
        for kind, name in enumerate(("plain-56", "resnet-56")) for seed in seeds
        for step, seen, ratio, error in zip(
            (0, 1, 9, 10), ((told[0], *told, told[1]), (0.4, 0.6, 0.9, 0.95))[kind],
            ((*ratios, ratios[-1]), (4, 4, 2, 2))[kind], (0.9, *(plain, residual)[kind], np.nan), strict=True,
        )
    ]  # fmt: skip
    columns = ["name", "skip", "depth", "seed", "step", "guess", "told_apart", "ratio", "train_error"]
    return pd.DataFrame(rows, columns=columns).assign(origin=LIVE)


def rates(errors=None, outcome="finished"):
    """Trainings at several rates and lengths, as `experiments.degradation.by_rate` gives them; errors: (name, rate,
    epochs) → one of each seed."""
    errors = errors or {
        ("plain-56", 0.02, 6): (0.7, 0.8, 0.75), ("plain-56", 0.02, 60): (0.02, 0.3, 0.1),
        ("plain-56", 0.1, 6): (0.9, 0.85, 0.8), ("plain-56", 0.1, 60): (0.8, 0.7, 0.9),
        ("resnet-56", 0.05, 6): (0.01, 0.012, 0.02),
    }  # fmt: skip
    rows = [
        (name, name.startswith("resnet"), 56, seed, rate, epochs, 10 * epochs, error, error + 0.01, outcome, RECORDED)
        for (name, rate, epochs), some in errors.items() for seed, error in enumerate(some)
    ]  # fmt: skip
    columns = ["name", "skip", "depth", "seed", "lr", "epochs", "steps", "train_error", "test_error", "outcome"]
    return pd.DataFrame(rows, columns=[*columns, "origin"])


def constructed(made=(0.02, 0.03, 0.01), trained=(0.8, 0.9, 0.7)):
    """A net made by hand and the one that was trained, as `experiments.degradation.by_construction` gives them."""
    ways = (("plain-8", "trained", 8, made), ("plain-56, made of plain-8", "made", 56, made),
            ("plain-56", "trained", 56, trained))  # fmt: skip
    rows = [(net, how, depth, seed, error) for net, how, depth, some in ways for seed, error in enumerate(some)]
    return pd.DataFrame(rows, columns=["net", "how", "depth", "seed", "train_error"])


def gradients(name="plain-20", gradient=None, *, step=0, seed=0, **columns):
    """One step of a net, one block per gradient; by default three blocks a stage, and a thousandfold rise towards the
    first."""
    gradient = np.geomspace(1, 1e-3, 9) if gradient is None else np.array(gradient, dtype=float)
    index = np.arange(1, len(gradient) + 1)
    frame = pd.DataFrame(
        {"step": step, "module": [f"stage1.block{i}" for i in index], "index": index, "shape": "128×8×8×8"}
    )
    labels = {"name": name, **of_name(name), "seed": seed, "origin": LIVE, "mode": "train"}
    return frame.assign(**labels, gradient_rms=gradient, **columns)


def ends(name, ratio, **options):
    """A net of two blocks whose gradient first/last is `ratio`."""
    return gradients(name, [ratio, 1.0], **options)


def factors(skip=False):
    kinds = ["skip + branch", "activations"] if skip else ["weights", "norms", "activations"]
    values = {"weights": 10.0, "norms": 1.0, "activations": 0.1, "skip + branch": 2.0}
    rows = [{"index": block, "kind": kind, "factor": values[kind] ** block} for block in (2, 3) for kind in kinds]
    name = "resnet-20" if skip else "plain-20"
    return pd.DataFrame(rows).assign(name=name, skip=skip, depth=20, seed=0, origin=LIVE, mode="train")


def remedies():
    rows = [
        (1, "sigmoid", "plain-56 · sigmoid", False, seed, kind, decades + seed)
        for seed in (0, 1) for kind, decades in (("activations", -30), ("weights", -10), ("norms", 0))
    ] + [(2, "skips", "resnet-56", True, seed, "skip + branch", 2.0) for seed in (0, 1)]  # fmt: skip
    columns = ["remedy", "change", "name", "skip", "seed", "kind", "decades"]
    return pd.DataFrame(rows, columns=columns).assign(depth=56, origin=LIVE, mode="train")


def symptoms():
    """A net with a level gradient that learned half, and one that diverged."""
    return pd.DataFrame({
        "name": ["plain-56 · tanh", "resnet-56"], "skip": [False, True], "depth": 56, "seed": 0, "ratio": [3.0, 130.0],
        "train_error": [0.5, np.nan], "outcome": ["finished", "diverged"], "steps": 66, "origin": LIVE, "mode": "train",
    })  # fmt: skip


def failures(*, seed=0, **columns):
    """A net of which nothing is wrong, unless a column says so."""
    well = {"ratio": 2.0, "autocorrelation": 0.9, "train_error": 0.05, "shallow_error": 0.02}
    return pd.DataFrame([{"name": "plain-32", "seed": seed, **well, **columns}])


def grown(name="BatchNorm and ReLU", growth=1.2, *, norm=True, activation="relu", seed=0, layers=5):
    """A simple net whose gradient grows by the same factor a layer."""
    back = np.arange(layers)[::-1]
    frame = pd.DataFrame({"layer": np.arange(1, layers + 1), "back": back, "gradient": growth**back})
    return frame.assign(name=name, norm=norm, activation=activation, seed=seed, origin=LIVE)


def along(name="plain-56", falls=(0.1, 0.2), *, predicted=(0.1, 1.0), seed=0, step=0):
    """The loss at rates 0.01, 0.1 ... against the gradient: `falls` below 2."""
    rates = [0.0, *(10.0 ** (place - 2) for place in range(len(falls)))]
    frame = pd.DataFrame({"rate": rates, "loss": [2.0, *(2 - fall for fall in falls)], "predicted": [0.0, *predicted]})
    return frame.assign(name=name, **of_name(name), seed=seed, step=step, origin=LIVE)


def against_input(name="plain · BatchNorm", depth=24, seed=0, gradient=(0.0, 2.0, 0.0, 2.0)):
    labels = {"name": name, "skip": name.startswith("residual"), "depth": depth, "seed": seed, "origin": LIVE}
    return pd.DataFrame({"x": range(len(gradient)), "gradient": gradient}).assign(**labels)


def autocorrelations(*nets):
    """nets: (name, depth, autocorrelation at lag 1 of each seed); it is 0 at lag 2."""
    rows = [
        {"name": name, "skip": name.startswith("residual"), "depth": depth, "seed": seed, "lag": lag,
         "autocorrelation": value * (lag < 2)}
        for name, depth, values in nets for seed, value in enumerate(values) for lag in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(origin=LIVE)


# Lesson 03


def learning(skip=True, error=(1.0, 0.5, 0.05), *, name=None, seed=0, outcome="finished", **columns):
    """A block that learns; F is twice as large as the error."""
    kind = "residual" if skip else "plain"
    frame = pd.DataFrame({"step": range(len(error)), "error": error, "branch": 2 * np.array(error)})
    labels = {"name": name or f"{kind} block · rate 0.1", "skip": skip, "depth": 8, "seed": seed, "origin": LIVE}
    return frame.assign(**labels, outcome=outcome, **columns)


def block_parts(skip=True, *, shortcut="A", projects=False):
    rows = [
        ("x", "x", "input", "2×4×4", 0, 0, 0),
        ("branch", "branch.conv1", "3×3 conv, stride 2", "4×2×2", 72, 288, 0),
        ("branch", "branch.norm1", "identity", "4×2×2", 0, 0, 0),
        ("branch", "branch.activation1", "ReLU", "4×2×2", 0, 0, 0),
        ("branch", "branch.conv2", "3×3 conv", "4×2×2", 144, 576, 0),
        ("y", "activation", "ReLU", "4×2×2", 0, 0, 0),
    ]
    over = ("1×1 conv, stride 2", 8, 32) if projects else ("every 2nd pixel, 2 channels of zeros", 0, 0)
    if skip:
        rows[5:5] = [
            ("shortcut", "shortcut", over[0], "4×2×2", *over[1:], 0),
            ("sum", "sum", "addition", "4×2×2", 0, 0, 16),
        ]
    frame = pd.DataFrame(rows, columns=["part", "module", "layer", "shape", "parameters", "multiply_adds", "additions"])
    return frame.assign(skip=skip, block="basic", shortcut=shortcut, changes_shape=True, seed=0, origin=LIVE)


def block(branch, before="", after="identity"):
    """A frame of `block_parts`. branch, before: layers by name, "norm1 activation1 conv1", the latter those that both
    paths begin with."""
    words = {"conv": "3×3 conv", "norm": "BatchNorm", "activation": "ReLU", "scale": "× learned scalar"}
    parts = [("before", name, 2) for name in before.split()] + [("branch", name, 10) for name in branch.split()]
    rows = [
        ("x", "x", "input", 0),
        *((part, f"{part}.{name}", words[name.rstrip("123")], price) for part, name, price in parts),
    ]
    rows += [("shortcut", "shortcut", "1×1 conv", 3), ("sum", "sum", "addition", 0), ("y", "activation", after, 0)]
    frame = pd.DataFrame(rows, columns=["part", "module", "layer", "parameters"]).assign(
        shape="2×4×4", multiply_adds=0, additions=0
    )
    return frame.assign(skip=True, block="basic", shortcut="B", changes_shape=True, origin=LIVE)


def tensors():
    rows = [
        ("x", channel, row, column, 1.0 * channel) for channel in range(3) for row in range(2) for column in range(2)
    ]
    rows += [("y", 0, 0, 0, -4.0)]
    frame = pd.DataFrame(rows, columns=["part", "channel", "row", "column", "value"])
    return frame.assign(origin=LIVE, seed=3, image=7)


def halved():
    """Two channels of 4 × 4 pixels, of which a shortcut keeps every second, and adds two channels of zeros."""
    pixels = np.arange(16.0).reshape(4, 4) % 5
    rows = [("x", channel, *at, value * channel) for channel in range(2) for at, value in np.ndenumerate(pixels)]
    rows += [("shortcut", c, *at, v * c * (c < 2)) for c in range(4) for at, v in np.ndenumerate(pixels[::2, ::2])]
    frame = pd.DataFrame(rows, columns=["part", "channel", "row", "column", "value"])
    return frame.assign(origin=LIVE, seed=3, image=7)


# Lesson 04


def labelled(frame, name, state, seed, error):
    trained = state == "trained"
    labels = {"name": f"{name} · {state}", **of_name(name), "seed": seed, "origin": LIVE, "step": 60 if trained else 0}
    return frame.assign(
        **labels, outcome="finished" if trained else "untrained", train_error=error if trained else np.nan
    )


def signal(name="plain-20", value=0.5, state="trained", *, seed=0, blocks=9, error=0.01, **columns):
    """Every statistic of every block is `value`, unless a column is given."""
    index = np.arange(1, blocks + 1)
    frame = pd.DataFrame({"module": [f"stage1.block{i}" for i in index], "index": index, "shape": "397×8×8×8"})
    return labelled(frame.assign(**dict.fromkeys(STATISTICS, value)).assign(**columns), name, state, seed, error)


def responses(name, values, *, seed=0, error=0.01):
    """A layer a value."""
    index = np.arange(1, len(values) + 1)
    frame = pd.DataFrame({"module": [f"layer{i}" for i in index], "index": index, "shape": "397×8×8×8", "std": values})
    return labelled(frame, name, "trained", seed, error)


def picture_walk(name="plain-56", labels=(0, 0, 7)):
    """The neighbours of a 0 after the stem and two blocks."""
    frame = pd.DataFrame({"index": range(len(labels)), "label": labels, "same_class": [label == 0 for label in labels]})
    frame = frame.assign(name=name, **of_name(name), seed=0, step=0, origin=LIVE)
    frame["image"], frame["picture"] = ([np.full((8, 8), value) for _ in labels] for value in (1.0, 2.0))
    return frame


def at_initialisation():
    """Residual nets of 3 and 9 blocks, two seeds; with BatchNorm the ratio is 1/√blocks, without 2; seed 1 has a tenth
    more."""
    frames = []
    for norm, scale in (("batch", 1.0), ("none", 2.0)):
        for depth, blocks in ((8, 3), (20, 9)):
            for seed in (0, 1):
                ratio = (
                    np.linspace(0.5, 1.5, blocks) * scale * (1 + 0.1 * seed) / (blocks**0.5 if norm == "batch" else 1)
                )
                frame = signal(f"resnet-{depth}", state="untrained", seed=seed, blocks=blocks, ratio=ratio)
                frames.append(frame.assign(norm=norm))
    return together(*frames)


def maps(name="plain-20", state="trained", channels=(8, 16, 32), sizes=(8, 4, 2)):
    """Three blocks, in which the value of a pixel is its channel."""
    rows = [{"module": "image", "index": 0, "channel": 0, "map": np.arange(64.0).reshape(8, 8)}]
    for index, (count, size) in enumerate(zip(channels, sizes, strict=True), 1):
        rows += [
            {"module": f"block{index}", "index": index, "channel": c, "map": np.full((size, size), float(c))}
            for c in range(count)
        ]
    return labelled(pd.DataFrame(rows).assign(predicted="3"), name, state, 0, 0.01)


def edits(name="plain-20", outputs=((0, 3, 4, 0), (0, 0, 5, 0), (0, 5, 0, 0), (5, 0, 0, 0)), image="cat"):
    """A block whose x is 0, 3, 4, 0 in every channel; the cosines of the outputs with it are 1, 0.8, 0.6 and 0."""
    x, skip = np.array([[0.0, 3.0], [4.0, 0.0]]), of_name(name)["skip"]
    rows = [{"module": "image", "index": 0, "channel": c, "map": np.eye(2)} for c in range(3)]
    for channel, output in enumerate(outputs):
        y = np.array(output, float).reshape(2, 2)
        parts = {"map": y, "x": x, "branch": y - x if skip else y}
        rows.append({"module": "stage1.block1", "index": 1, "channel": channel} | parts)
    return labelled(pd.DataFrame(rows).assign(predicted="cat", image=image), name, "trained", 0, 0.01)


def histograms(name="plain-20", shares=((0.5, 0.25, 0.25), (0.25, 0.25, 0.25))):
    """Bins from 0 to 0.25, 0.5 and on, a share each, and an empty one below."""
    left, right = [-np.inf, 0, 0.25, 0.5], [0, 0.25, 0.5, np.inf]
    rows = [
        {"module": f"block{index}", "index": index, "left": a, "right": b, "share": share}
        for index, of_block in enumerate(shares, 1)
        for a, b, share in zip(left, right, [0, *of_block], strict=True)
    ]
    return labelled(pd.DataFrame(rows), name, "trained", 0, 0.01)


# Lesson 09


def variant(name, error, *, of="ResNet", seed=0, outcome="finished", cost=100, test=0.5, steps=3):
    """One training of a variant: its error is reached at the last step."""
    finished = outcome == "finished"
    frame = pd.DataFrame({"step": range(1, steps + 1), "train_error": np.linspace(0.9, error, steps)})
    frame = frame.assign(epoch=frame["step"] / 10, lr=0.1, loss=1.0, seconds=frame["step"] / 10)
    frame["test_error"] = [np.nan] * (steps - 1) + [test if finished else np.nan]
    labels = {"name": name, "of": of, "skip": True, "depth": 56, "seed": seed, "outcome": outcome, "origin": LIVE}
    counted = {"parameters": 10, "multiply_adds": cost, "final_train_error": error if finished else np.nan}
    return frame.assign(**labels, **counted)


def variants(name, *errors, **columns):
    """A variant's trainings, a seed an error."""
    return together(*(variant(name, error, seed=seed, **columns) for seed, error in enumerate(errors)))


# Lesson 11


def paper_hours():
    return pd.DataFrame({
        "name": ["resnet-20", "plain-56"], "depth": [20, 56], "skip": [True, False], "step_seconds": [0.4, 1.25],
        "hours": [7.1, 22.2], "machine": "Zuse Z3",
    })  # fmt: skip


def throughput():
    return pd.DataFrame({"workers": [1, 2], "nets_per_minute": [30.0, 57.0], "speed": [1.0, 1.9]})
