"""What is refused before a training begins: a model, a split, a spec and a checkpoint that do not suit each other."""

import torch

from reslab.runs import Checkpoint
from reslab.specs import TrainSpec
from reslab.train.evaluation import eval_mode, logits_of


def check_fit(spec, split, how):
    """ValueError if the net of a spec (None for a model that no spec describes) or the TrainSpec does not suit the split."""
    differ = {name: value for name, value in split.shape.items() if spec and getattr(spec, name) != value}
    if differ:
        has = ", ".join(f"{name} {getattr(spec, name)}" for name in differ)
        gives = ", ".join(f"{name} {value}" for name, value in differ.items())
        raise ValueError(f"the net has {has}, and {split.name} gives {gives}; make it with NetSpec(..., **split.shape).")
    if how.batch_size > len(split.y_train):
        raise ValueError(f"batch_size is {how.batch_size}, and {split.name} has {len(split.y_train)} training images; take at most those.")


def check_device(how, device):
    """ValueError if a device cannot train as a TrainSpec says."""
    if how.compile and how.deterministic and device.type == "cuda":
        raise ValueError("compile times a GPU's kernels and takes the fastest, so it is not deterministic there; leave one of the two out.")


def check_resume(checkpoint, model, spec, split, how):
    """ValueError if a checkpoint is of another training than this."""
    if not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"resume must be a Checkpoint, not {type(checkpoint).__name__}; Checkpoint.load reads one from a file.")
    run = checkpoint.run
    ours = {f"model.{name}": tensor.shape for name, tensor in model.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
    same = {
        "net": run.spec == spec and ours == theirs,
        "dataset": (run.dataset, run.data) == (split.name, split.fingerprint),
        "TrainSpec": TrainSpec.from_dict(run.how) == how,
    }
    if not all(same.values()):
        differ = " and another ".join(what for what, is_same in same.items() if not is_same)
        raise ValueError(f"the checkpoint, of {run.name} on {run.dataset}, has another {differ}; resume with those that it was made with.")


def check_logits(model, split):
    """ValueError if a model that no spec describes does not make logits of images; tried in eval mode, so that nothing is left behind."""
    name, x, classes = type(model).__name__, split.batch(slice(2))[0], split.shape["classes"]
    images = f"images ({', '.join(map(str, x.shape))})"
    try:
        with eval_mode(model):
            logits = logits_of(model, x)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(f"{name} does not take {images}: {reason}.") from error
    got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
    if not isinstance(got, tuple) or len(got) != 2 or got[0] != len(x) or got[1] < classes:
        raise ValueError(f"{name} makes {got} of {images}; it must return logits, ({len(x)}, {classes}).")
