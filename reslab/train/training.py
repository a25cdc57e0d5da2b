"""The steps of a training, and the events that tell of them."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from reslab.capture import capture
from reslab.datasets import Split
from reslab.nets import NetSpec, build
from reslab.progress import progress_bar
from reslab.runs import Checkpoint, Provenance, Run, Weights
from reslab.specs import TrainSpec
from reslab.train.augment import crop_flip, draw
from reslab.train.device import compiled, layout_of, pick_device, settings
from reslab.train.evaluation import evaluate
from reslab.train.ranks import Ranks
from reslab.train.suits import check_device, check_fit, check_logits, check_resume

HISTORY = ("step", "epoch", "lr", "loss", "train_error", "test_error", "seconds")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What `train` has to say at a logged step. Numbers are since the event before."""

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
    checkpoint: Callable[[], Checkpoint] = field(repr=False)  # to go on from here; call it before the next event
    weights: Callable[[], Weights] = field(repr=False)  # what the model has learned, in half precision; likewise


def train(model, split, how=None, *, device="auto", resume=None):
    """Train a model on a split: a generator of `Event`s, the last of which is "finished" or "diverged".

    model: a net of `build`, or any nn.Module from images (N, C, H, W) to logits (N, classes); it is trained in place.
    split: a `datasets.Split`. how: a TrainSpec. device: "auto", "cpu", "cuda", "mps".
    resume: a Checkpoint of the same model, split and spec; training goes on from it to the same numbers, on a GPU if it is
    deterministic. (A person's own model that draws random numbers in its forward pass takes them from PyTorch's generator, which
    is not part of a checkpoint.) After the last event of a training, no others come.
    Pausing is not asking for the next event; stopping is closing the generator. Started by torchrun, the processes train one model
    together (see `reslab.train.ranks`): all have the same events but for seconds and layers, which are of a process's own share,
    and each must ask for the same ones. Bad arguments raise ValueError, those of a
    wrong type TypeError, here and not at the first event.
    """
    return _train(_Training(model, split, how or TrainSpec(), pick_device(device), resume))


def fit(spec, split, how=None, *, seed=0, device="auto", resume=None, progress=True):
    """Build the net of a spec with a seed, train it to the end, and return its Run; `progress` shows a bar."""
    training = _Training(build(spec, seed=seed), split, how or TrainSpec(), pick_device(device), resume)
    with progress_bar(desc=spec.name, unit="step", disable=not progress) as bar:
        for event in _train(training):
            bar.total = event.steps
            bar.set_postfix_str(f"training error {event.train_error:.0%}", refresh=False)
            bar.update(event.step - bar.n)
    return training.run()


def _train(training):
    while training.state == "running":
        yield training.advance()


class _Training:
    """The state of one training: the model, its optimiser, the step, and what was measured so far."""

    def __init__(self, model, split, how, device, resume):
        for what, value, kind in (("model", model, nn.Module), ("split", split, Split), ("how", how, TrainSpec)):
            if not isinstance(value, kind):
                raise TypeError(f"{what} must be a {kind.__name__}, not {type(value).__name__}.")
        self.spec = model.spec if isinstance(getattr(model, "spec", None), NetSpec) else None
        check_fit(self.spec, split, how)
        self.ranks = Ranks(device)
        self.share, device = self.ranks.share(how.batch_size), self.ranks.device
        check_device(how, device)
        self.steps_per_epoch, self.steps = how.steps(len(split.y_train))
        if resume is not None:
            check_resume(resume, model, self.spec, split, how)
        self.model, self.how, self.device = model.to(device), how, device
        self.data, self.split = split, _with_noise(split.to(device), how)
        self.layout, self.modules = layout_of(model), list(model.modules())
        model.to(memory_format=self.layout)
        if self.spec is None:
            check_logits(model, split)
        self.net = self.ranks.wrap(model, every_parameter=self.spec is not None and not self.spec.stochastic_depth)
        self.compiled = compiled(self.net, device, alone=self.ranks.world == 1) if how.compile else self.net
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.SGD(model.parameters(), how.lr, how.momentum, weight_decay=how.weight_decay, fused=fused)
        if how.momentum:
            for parameter in model.parameters():  # from the start, as the fused step wants a buffer for all parameters or for none
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter, requires_grad=False)
        # On layers this small a second thread saves up to a fifth on an idle machine, and costs over twice the time beside a busy process.
        small = device.type == "cpu" and how.batch_size * self.split.x_train[0].numel() < 65_536
        self.threads = 1 if small else torch.get_num_threads()
        self.state, self.step, self.seconds = "running", 0, 0.0
        self.history, self.layers, self.final_train_error = [], [], math.nan
        self.epoch, self.order, self.draws = None, None, None
        if resume is not None:
            self._restore(resume)

    def advance(self):
        """Train up to the next event."""
        started = time.perf_counter()
        first = self.step
        measured, traces = [], []
        with settings(self.threads, self.how.deterministic):
            while self.state == "running" and (self.step == first or self.step % self.how.log_every):
                captured, numbers = self._step()
                traces += [captured] if captured else []
                measured.append(numbers)
                if self.step == self.steps:
                    self.state = "finished"
            loss, mistakes = self.ranks.mean(torch.stack(measured, 1)).tolist()  # the only host synchronisation of the interval
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
        """One step of SGD; returns the trace (or None), and the loss and the number of mistakes, (2,) float32 on the device."""
        how = self.how
        x, y = self._batch()
        self.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = how.learning_rate(self.step, self.steps)
        watched = how.captured(self.step)
        if not all(module.training for module in self.modules):  # to ask is ten times as fast as model.train()
            self.model.train()
        self.optimizer.zero_grad()
        with capture(self.model) if watched else nullcontext() as trace:
            if watched:
                trace.step = self.step - 1  # the forward pass counts on to this step
            with torch.autocast(self.device.type, torch.bfloat16, enabled=how.precision == "bf16"):
                logits = (self.net if watched else self.compiled)(x)  # (N, classes)
            loss = F.cross_entropy(logits.float(), y)
            with torch.autograd.set_multithreading_enabled(False):  # else all trainings share one thread for a GPU's backward passes
                loss.backward()
        self.optimizer.step()
        mistakes = (logits.detach().argmax(1) != y).sum()
        return trace, torch.stack([loss.detach(), mistakes.float()])

    def _batch(self):
        """This process's share of a step's images and labels: a function of seed and step alone, so that a resumed run sees the same."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        if epoch != self.epoch:  # drawn on the CPU, so that every device shows the same
            images, generator = len(self.split.y_train), torch.Generator().manual_seed(self.how.data_seed * 1_000_003 + epoch)
            self.epoch, self.order = epoch, torch.randperm(images, generator=generator).to(self.device)
            self.draws = draw(images, generator).to(self.device) if self.how.augment == "crop-flip" else None
        here = slice(place * self.how.batch_size + self.ranks.rank, (place + 1) * self.how.batch_size, self.ranks.world)
        x, y = self.split.batch(self.order[here], "train")
        if self.draws is not None:
            x = crop_flip(x, self.draws[here])
        return x.contiguous(memory_format=self.layout), y

    def _test_error(self, first):
        """The test error where one is due since step `first`: after every test_every-th epoch, and at the end of training."""
        every = self.steps_per_epoch * self.how.test_every
        due = self.step // every > first // every or self.state == "finished"
        return self._error("test") if due and self.state != "diverged" else math.nan

    def _error(self, part):
        return self.ranks.first(evaluate(self.model, self.split, part))  # whose running statistics of BatchNorm are those that are saved

    def run(self):
        return Run(
            name=self.spec.name if self.spec else type(self.model).__name__,
            spec=self.spec,
            how=self.how.to_dict(),
            dataset=self.split.name,
            seed=self.model.seed if self.spec else None,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            outcome="stopped" if self.state == "running" else self.state,
            final_train_error=self.final_train_error,
            history=pd.DataFrame(self.history, columns=list(HISTORY)),
            layers=pd.concat(self.layers, ignore_index=True) if self.layers else pd.DataFrame(),
            provenance=Provenance.here(self.device, self.threads, self.ranks.world),
            data=self.data.fingerprint,
            source=self.data.source,
        )

    def checkpoint(self):
        tensors = {f"model.{name}": tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer.clone()
        return Checkpoint(run=self.run(), tensors=tensors)

    def weights(self):
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        tensors |= {name: tensors[name].half() for name, _ in self.model.named_parameters()}
        rounded = copy.deepcopy(self.model)
        rounded.load_state_dict(tensors)
        with settings(self.threads, self.how.deterministic):
            errors = {f"{part}_error": evaluate(rounded, self.split, part) for part in ("train", "test")}
        return Weights(tensors=tensors, **errors)

    def _restore(self, checkpoint):
        run, tensors = checkpoint.run, checkpoint.tensors
        self.model.load_state_dict({name: tensors[f"model.{name}"] for name in self.model.state_dict()})
        if self.spec:
            self.model.seed = run.seed  # that drew the weights it now has
        for name, parameter in self.model.named_parameters():
            if f"momentum.{name}" in tensors:
                self.optimizer.state[parameter]["momentum_buffer"].copy_(tensors[f"momentum.{name}"])
        self.history = run.history.to_dict("records")
        self.layers = [run.layers] if len(run.layers) else []
        self.step, self.seconds = self.history[-1]["step"], self.history[-1]["seconds"]
        self.state, self.final_train_error = "running" if run.outcome == "stopped" else run.outcome, run.final_train_error


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
