"""A training: batch after batch in the order that the seeds say, and an event for every few steps."""

import dataclasses
import math
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import nn

from reslab.capture import capture
from reslab.datasets import check_split
from reslab.nets import build
from reslab.nets.convolution import lay_out, warned_of_overruns
from reslab.nets.weights import origin
from reslab.progress import progress_bar
from reslab.runs import Checkpoint, Provenance, Run, Weights
from reslab.specs import TrainSpec
from reslab.train import compatibility
from reslab.train.batches import Batches
from reslab.train.cuda_graph import own_stream
from reslab.train.device import layout_of, pick_device, settings
from reslab.train.evaluation import TrainingModes, evaluate
from reslab.train.forward import other_dtype
from reslab.train.ranks import Ranks
from reslab.train.steps import Stepper

HISTORY = ("step", "epoch", "lr", "loss", "train_error", "test_error", "seconds")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What `train` reports at a logged step. Numbers are since the event before."""

    state: str  # "running", "finished", or "diverged"
    step: int  # steps taken
    steps: int  # steps in all
    epoch: float  # epochs done
    lr: float
    loss: float  # nats, mean over the batches
    train_error: float  # fraction, in training mode, on the batches as they were shown
    test_error: float  # fraction, in eval mode; NaN where it was not measured
    seconds: float  # of training so far, pauses not counted
    layers: pd.DataFrame | None  # the blocks captured, see `capture`; None where none were
    run: Callable[[], Run] = field(repr=False)  # the run so far; call it before the next event
    checkpoint: Callable[[], Checkpoint] = field(repr=False)  # to resume from here; call it before the next event
    weights: Callable[[], Weights] = field(repr=False)  # what the model has learned, in half precision; likewise


def train(model, split, how=None, *, device="auto", resume=None):
    """Train a model on a split: a generator of `Event`s, the last of which is "finished" or "diverged".

    model: a net of `build`, or any nn.Module from images (N, C, H, W) to logits (N, classes); it is trained in place.
    Modules of it that are in eval mode stay so, a BatchNorm with its statistics; a model in eval mode as a whole is
    trained in training mode, with a warning.
    split: a `datasets.Split`. how: a TrainSpec. device: "auto", "cpu", "cuda", "mps".
    resume: a Checkpoint of the same model, split and spec; training goes on from it to the same numbers, on a GPU if it
    is deterministic, and its run names both machines. (A person's own model that draws random numbers in its forward
    pass takes them from PyTorch's generator, which is not part of a checkpoint.) After the last event of a training, no
    others come.

    To pause, do not ask for the next event; to stop, close the generator.
    Started by torchrun, the processes train one model together (see `reslab.train.ranks`): all have the same events but
    for seconds and layers, which are of a process's own share, and each must ask for the same ones.
    Bad arguments raise ValueError, those of a wrong type TypeError, here and not at the first event; the model is then
    left as it was. Refused are also models that do not return logits, or that have nothing to train; parameters that
    are lazy, on the device meta, made in inference mode, or one number in many places (expand); and sparse gradients.
    A warning names layers in a plain list and tensors that are no nn.Parameter: PyTorch does not see and train those.
    """
    return _train(_Training(model, split, how or TrainSpec(), pick_device(device), resume))


def fit(spec, split, how=None, *, seed=0, device="auto", resume=None, progress=True):
    """Build the net of a spec with a seed, train it to the end, and return its Run; `progress` shows a bar.

    TypeError for a model of your own: `train` takes it.
    """
    if isinstance(spec, nn.Module):
        raise TypeError(
            f"fit builds the net of a NetSpec; a {type(spec).__name__} of your own is trained by"
            " `for event in train(model, split, how): ...`, and event.run() is its Run."
        )
    training = _Training(build(spec, seed=seed), split, how or TrainSpec(), pick_device(device), resume)
    with progress_bar(desc=spec.name, unit="step", disable=not progress) as bar:
        for event in _train(training):
            bar.total = event.steps
            bar.set_postfix_str(f"training error {event.train_error:.0%}", refresh=False)
            bar.update(event.step - bar.n)
        bar.total = bar.n  # a diverged training takes fewer steps; a notebook would paint its bar red
    return training.run()


def _train(training):
    while training.state == "running":
        yield training.advance()


class _Training:
    """The state of one training: the model, its optimiser, the step, and what was measured so far."""

    def __init__(self, model, split, how, device, resume):
        check_split(split)
        for what, value, kind in (("model", model, nn.Module), ("how", how, TrainSpec)):
            if not isinstance(value, kind):
                raise TypeError(f"{what} must be a {kind.__name__}, not {type(value).__name__}.")
        self.model, self.how, self.data = model, how, split
        self.spec, self.seed, self.change = origin(model)
        compatibility.check_fit(self.spec, split, how)
        compatibility.check_parameters(model)
        compatibility.mention_untrained(model)
        self.ranks = Ranks(device)
        self.share, self.device = self.ranks.share(how.batch_size), self.ranks.device
        compatibility.check_device(how, self.device)
        if resume is not None:
            compatibility.check_resume(resume, model, self.spec, split, how)
        with compatibility.left_as_it_was_if_refused(model):
            self._prepare()
        # A second thread saves up to a fifth of a step this small on an idle machine; beside a busy process it more
        # than doubles the step.
        small = self.device.type == "cpu" and how.batch_size * split.x_train[0].numel() < 65_536
        self.threads = 1 if small else torch.get_num_threads()
        self.state, self.step, self.seconds = "running", 0, 0.0
        self.history, self.layers, self.final_train_error = [], [], math.nan
        self.provenance = Provenance.here(self.device, self.threads, self.ranks.world)
        if resume is not None:
            self._restore(resume)

    def _prepare(self):
        """The images and the model on the device, the model's layout and modes, and its optimiser."""
        model, spec = self.model, self.spec
        self.split = _with_noise(self.data.to(self.device), self.how)
        model.to(self.device)
        layout = layout_of(model)
        lay_out(model, layout)
        self.batches = Batches(self.split, self.how, self.ranks, layout)
        self.steps_per_epoch, self.steps = self.batches.steps_per_epoch, self.batches.steps
        self.modes = TrainingModes(model)
        with warned_of_overruns(model):
            known = spec is not None and not other_dtype(model)
            compatibility.check_forward(model, self.split, self.share, described=known)
        on_gpu = self.device.type == "cuda" and self.ranks.world == 1
        self.stream = torch.cuda.Stream(self.device) if on_gpu else None
        classes = self.split.shape["classes"]
        self.stepper = Stepper(model, spec, self.how, self.ranks, self.batches, classes=classes, stream=self.stream)

    def advance(self):
        """Train up to the next event."""
        started = time.perf_counter()
        first = self.step
        measured, traces = [], []
        with settings(self.threads, self.how.deterministic), own_stream(self.stream):
            self.modes.restore()
            self.stepper.begin()
            while self.state == "running" and (self.step == first or self.step % self.how.log_every):
                captured, numbers = self._step()
                traces += [captured] if captured else []
                measured.append(numbers)
                if self.step == self.steps:
                    self.state = "finished"
            # The only host synchronisation of the interval.
            loss, mistakes = self.ranks.mean(torch.stack(measured, 1)).tolist()
            if not all(map(math.isfinite, loss)):
                self.state = "diverged"
            test_error = self._test_error(first)
            if self.state == "finished":
                self.final_train_error = self._error("train")
        self.seconds += time.perf_counter() - started
        row = {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "lr": self.how.learning_rate(self.step, self.steps),
            "loss": sum(loss) / len(loss),
            "train_error": sum(mistakes) / (len(mistakes) * self.share),
            "test_error": test_error,
            "seconds": self.seconds,
        }
        self.history.append(row)
        layers = None
        if traces:
            layers = pd.concat([trace.frame() for trace in traces], ignore_index=True)
            self.layers.append(layers)
        calls = {"run": self.run, "checkpoint": self.checkpoint, "weights": self.weights}
        return Event(state=self.state, steps=self.steps, layers=layers, **row, **calls)

    def _step(self):
        """The next step; its trace (None where it is not captured), and its loss and mistakes, (2,) on the device."""
        inputs = self.batches.inputs(self.step)
        self.step += 1
        captured = self.how.captured(self.step)
        with capture(self.model) if captured else nullcontext() as trace:
            if captured:
                trace.step = self.step - 1  # the forward pass counts on to this step
            numbers = self.stepper.step(inputs, self.how.learning_rate(self.step, self.steps), hooked=captured)
        return trace, numbers

    def _test_error(self, first):
        """The test error, if due since step `first`: after every test_every-th epoch, and at the end; else NaN."""
        every = self.steps_per_epoch * self.how.test_every
        due = self.step // every > first // every or self.state == "finished"
        return self._error("test") if due and self.state != "diverged" else math.nan

    def _error(self, part):
        # Of the first process, whose running statistics of BatchNorm are those that are saved.
        return self.ranks.first(evaluate(self.model, self.split, part))

    def run(self):
        name = self.spec.name if self.spec else type(self.model).__name__
        if self.change:
            records = "no seed" if self.spec else "no spec and no seed"
            warnings.warn(
                f"{name}: {self.change}. Its run records {records}, and no command repeats it.", stacklevel=2
            )
            self.change = ""  # one warning is enough
        return Run(
            name=name,
            spec=self.spec,
            how=self.how.to_dict(),
            dataset=self.split.name,
            seed=self.seed,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            outcome="stopped" if self.state == "running" else self.state,
            final_train_error=self.final_train_error,
            history=pd.DataFrame(self.history, columns=list(HISTORY)),
            layers=pd.concat(self.layers, ignore_index=True) if self.layers else pd.DataFrame(),
            provenance=self.provenance,
            data=self.data.fingerprint,
            source=self.data.source,
        )

    def checkpoint(self):
        tensors = {f"model.{name}": tensor for name, tensor in self._state().items()}
        tensors |= {f"momentum.{name}": buffer.clone() for name, buffer in self.stepper.momentum().items()}
        return Checkpoint(run=self.run(), tensors=tensors)

    def weights(self):
        """The state in half precision, and the errors that the model has with it."""
        whole = self._state()
        parameters = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        rounded = {name: _halved(tensor) if name in parameters else tensor for name, tensor in whole.items()}
        # In the model itself, as not every model can be copied: a stored activation, a pruned layer or a lock cannot.
        with settings(self.threads, self.how.deterministic):
            try:
                self.model.load_state_dict(rounded)
                errors = {f"{part}_error": evaluate(self.model, self.split, part) for part in ("train", "test")}
            finally:
                self.model.load_state_dict(whole)
        return Weights(tensors={name: tensor.cpu() for name, tensor in rounded.items()}, **errors)

    def _state(self):
        """A copy of the model's state_dict; TypeError for a state that our files cannot hold."""
        state = self.model.state_dict()
        others = [name for name, value in state.items() if not _can_be_kept(value)]
        if others:
            name = type(self.model).__name__
            raise TypeError(
                f"{others[0]} of {name} is not a tensor that a safetensors file can hold, "
                f"so {name} has no checkpoints and no weights files."
            )
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def _restore(self, checkpoint):
        run, tensors = checkpoint.run, checkpoint.tensors
        self.model.load_state_dict({name: tensors[f"model.{name}"] for name in self.model.state_dict()})
        self.seed, self.change = run.seed, ""  # of the weights that the training began with
        for name, buffer in self.stepper.momentum().items():
            if f"momentum.{name}" in tensors:
                buffer.copy_(tensors[f"momentum.{name}"])
        self.history = run.history.to_dict("records")
        self.layers = [run.layers] if len(run.layers) else []
        self.step, self.seconds = self.history[-1]["step"], self.history[-1]["seconds"]
        self.state = "running" if run.outcome == "stopped" else run.outcome
        goes_on = self.state == "running"  # otherwise no step is taken here
        self.provenance = self.provenance.after(run.provenance) if goes_on else run.provenance
        self.final_train_error = run.final_train_error


def _can_be_kept(value):
    """Whether a safetensors file can hold a value."""
    dense = isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_quantized
    return dense and value.dtype is not torch.complex128


def _halved(tensor):
    """The tensor in float16, if it is of more precise floats."""
    return tensor.half() if tensor.is_floating_point() and tensor.itemsize > 2 else tensor


def _with_noise(split, how):
    """The split, with `label_noise` of its training labels replaced by labels drawn at random."""
    if not how.label_noise:
        return split
    generator = torch.Generator().manual_seed(how.label_seed)
    images = len(split.y_train)
    noisy = torch.rand(images, generator=generator) < how.label_noise
    drawn = torch.randint(split.shape["classes"], (images,), generator=generator)
    y = split.y_train
    return dataclasses.replace(split, y_train=torch.where(noisy.to(y.device), drawn.to(y.device), y))
