"""Training as a generator of events: the live chart, the stop button, the progress bar and `fit` all iterate it.

`reslab.specs` says how to train, training.py goes from event to event, batches.py says which images a step sees,
steps.py takes one step, cuda_graph.py records it on a GPU, augment.py crops and mirrors, evaluation.py counts errors,
device.py says where and how exactly PyTorch computes, ranks.py shares a training among processes, compatibility.py
refuses what does not fit together.
"""

from reslab.specs import PRESETS, TrainSpec
from reslab.train.compatibility import check_fit
from reslab.train.device import pick_device
from reslab.train.evaluation import evaluate
from reslab.train.ranks import Ranks
from reslab.train.training import HISTORY, Event, fit, train

CHOICES = TrainSpec.choices()

__all__ = [
    "CHOICES", "HISTORY", "PRESETS", "Event", "Ranks", "TrainSpec", "check_fit", "evaluate", "fit", "pick_device",
    "train",
]  # fmt: skip
