"""Training as a generator of events: the live chart, the stop button, the progress bar and `fit` all just iterate it."""

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from reslab import checks
from reslab.capture import capture
from reslab.datasets import Split
from reslab.nets import NetSpec, ResNet, build
from reslab.runs import Checkpoint, Provenance, Run

CHOICES = {"schedule": ("one-cycle", "step", "constant")}
HISTORY = ("step", "epoch", "lr", "loss", "train_error", "test_error", "seconds")


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How to train: SGD with momentum, a schedule, seeds, and what to measure. The defaults suit the digits.

    Raises ValueError, in one sentence that names what is allowed, for an unknown or impossible value.
    """

    epochs: float = 6.0  # passes over the training images
    batch_size: int = 128  # images a step; the images left over at the end of an epoch wait for the next
    lr: float = 0.05  # the highest learning rate
    momentum: float = 0.9
    weight_decay: float = 1e-4  # of every parameter, as in the paper
    schedule: str = "one-cycle"  # up to lr in 30 % of the steps, and down to 0; or step: ÷10 at each milestone; or constant
    milestones: tuple = (0.5, 0.75)  # of the step schedule, as fractions of the steps (the paper: 32k and 48k of 64k)
    warmup: int = 0  # steps at lr/10 before the schedule's own value (the paper's ResNet-110: about 400)
    data_seed: int = 0  # of the order of the images
    label_noise: float = 0.0  # fraction of the training labels that are replaced by random ones; training errors count by these
    label_seed: int = 0  # of that noise
    log_every: int = 1  # steps between events; numbers come from the device once an event
    test_every: int = 1  # epochs between test errors, each at the first event since; the last step always has one
    capture_every: int = 0  # steps between captures of every block, beginning with the first; 0: none

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            checks.choice(name, getattr(self, name), allowed)
        try:
            clean = {"milestones": tuple(self.milestones)}
        except TypeError:
            raise ValueError(f"milestones is {self.milestones!r}; it must be a sequence of fractions, such as (0.5, 0.75).") from None
        for milestone in clean["milestones"]:
            checks.number("a milestone", milestone, 0, 1)
        for name, high in {"epochs": 1e6, "lr": math.inf, "momentum": 1, "weight_decay": math.inf, "label_noise": 1}.items():
            clean[name] = checks.number(name, getattr(self, name), 0, high, above=name in ("epochs", "lr"))
        for name, low in {"batch_size": 1, "warmup": 0, "log_every": 1, "test_every": 1, "capture_every": 0}.items():
            clean[name] = checks.integer(name, getattr(self, name), low)
        for name in ("data_seed", "label_seed"):
            clean[name] = checks.integer(name, getattr(self, name), 0, 2**32 - 1)
        for name, value in clean.items():
            object.__setattr__(self, name, value)  # plain Python numbers, whatever came: JSON knows no others

    def to_dict(self):
        """A dict of plain values, for JSON; `TrainSpec(**values)` reads it back."""
        return dataclasses.asdict(self) | {"milestones": list(self.milestones)}

    def steps(self, images):
        """(steps in an epoch, steps in all) on so many training images."""
        per_epoch = max(1, images // self.batch_size)
        return per_epoch, max(1, round(self.epochs * per_epoch))

    def learning_rate(self, step, steps):
        """The learning rate at a step from 1 to steps."""
        if step <= self.warmup:
            return self.lr / 10
        done = (step - 0.5) / steps  # the middle of the step, so that neither end is 0
        if self.schedule == "one-cycle":  # linear up, cosine down (after Smith & Topin 2018, arXiv:1708.07120)
            return self.lr * (done / 0.3 if done < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.3) / 0.7))
        passed = sum(done > milestone for milestone in self.milestones) if self.schedule == "step" else 0
        return self.lr / 10**passed


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


def train(model, split, how=None, *, device="auto", resume=None):
    """Train a model on a split: a generator of `Event`s, the last of which is "finished" or "diverged".

    model: a net of `build`, or any nn.Module from images (N, C, H, W) to logits (N, classes); it is trained in place.
    split: a `datasets.Split`. how: a TrainSpec. device: "auto", "cpu", "cuda", "mps".
    resume: a Checkpoint of the same model, split and spec; training goes on from it to the same numbers. (A model that draws
    random numbers in its forward pass takes them from PyTorch's generator, which is not part of a checkpoint.) After the last
    event of a training, no others come.
    Pausing is not asking for the next event; stopping is closing the generator. Bad arguments raise ValueError, those of a
    wrong type TypeError, here and not at the first event.
    """
    return _train(_Training(model, split, how or TrainSpec(), pick_device(device), resume))


def fit(spec, split, how=None, *, seed=0, device="auto", resume=None, progress=True):
    """Build the net of a spec with a seed, train it to the end, and return its Run; `progress` shows a bar."""
    training = _Training(build(spec, seed=seed), split, how or TrainSpec(), pick_device(device), resume)
    with tqdm(desc=spec.name, unit="step", disable=not progress, leave=False) as bar:
        for event in _train(training):
            bar.total = event.steps
            bar.set_postfix_str(f"training error {event.train_error:.0%}", refresh=False)
            bar.update(event.step - bar.n)
    return training.run()


def pick_device(device="auto"):
    """The torch.device of a name: "auto" takes CUDA, else Apple's MPS, else the CPU; ValueError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    kind = str(device).split(":")[0]
    checks.choice("device", kind, ["auto", *there])
    if not there[kind]:
        raise ValueError(f"device is {str(device)!r}, and this machine has none; device='auto' takes what there is.")
    return torch.device(device)


def evaluate(model, split, part="test", *, batch_size=512):
    """The error (fraction) of a model on one part of a split, in eval mode; its mode is put back as it was."""
    images = len(split.y_test if part == "test" else split.y_train)
    with _eval_mode(model):
        batches = (split.batch(slice(i, i + batch_size), part) for i in range(0, images, batch_size))
        return sum((_logits(model, x).argmax(1) != y.to(_device(model))).sum() for x, y in batches).item() / images


def check_fit(spec, split, how):
    """ValueError if the net of a spec (None for a model that no spec describes) or the TrainSpec does not suit the split."""
    differ = {name: value for name, value in split.shape.items() if spec and getattr(spec, name) != value}
    if differ:
        has = ", ".join(f"{name} {getattr(spec, name)}" for name in differ)
        gives = ", ".join(f"{name} {value}" for name, value in differ.items())
        raise ValueError(f"the net has {has}, and {split.name} gives {gives}; make it with NetSpec(..., **split.shape).")
    if how.batch_size > len(split.y_train):
        raise ValueError(f"batch_size is {how.batch_size}, and {split.name} has {len(split.y_train)} training images; take at most those.")


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
        self.steps_per_epoch, self.steps = how.steps(len(split.y_train))
        if resume is not None:
            _check_resume(resume, model, self.spec, split, how, self.steps_per_epoch)
        self.model, self.how, self.device = model.to(device), how, device
        self.split = _with_noise(split.to(device), how)
        model.to(memory_format=_layout(model))
        if self.spec is None:
            _check_logits(model, split)
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
        self.order_epoch, self.order = None, None
        if resume is not None:
            self._restore(resume)

    def advance(self):
        """Train up to the next event."""
        started = time.perf_counter()
        first = self.step
        losses, wrong, images, traces = [], [], 0, []
        with threads(self.threads):
            while self.state == "running" and (self.step == first or self.step % self.how.log_every):
                captured, loss, mistakes, size = self._step()
                traces += [captured] if captured else []
                losses.append(loss)
                wrong.append(mistakes)
                images += size
                if self.step == self.steps:
                    self.state = "finished"
            loss = torch.stack(losses).tolist()  # the only host synchronisation of the interval
            if not all(map(math.isfinite, loss)):
                self.state = "diverged"
            test_error = self._test_error(first)
            if self.state == "finished":
                self.final_train_error = evaluate(self.model, self.split, "train")
        self.seconds += time.perf_counter() - started
        row = {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "lr": self.how.learning_rate(self.step, self.steps),
            "loss": sum(loss) / len(loss),
            "train_error": torch.stack(wrong).sum().item() / images,
            "test_error": test_error,
            "seconds": self.seconds,
        }
        self.history.append(row)
        layers = None
        if traces:
            layers = pd.concat([trace.frame() for trace in traces], ignore_index=True)
            self.layers.append(layers)
        return Event(state=self.state, steps=self.steps, layers=layers, run=self.run, checkpoint=self.checkpoint, **row)

    def _step(self):
        """One step of SGD; returns the trace (or None), the loss and the number of mistakes (0-dim tensors), and the batch size."""
        how = self.how
        index = self._batch()
        x, y = self.split.batch(index, "train")
        self.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = how.learning_rate(self.step, self.steps)
        watched = how.capture_every and (self.step - 1) % how.capture_every == 0
        self.model.train()
        with capture(self.model) if watched else nullcontext() as trace:
            if watched:
                trace.step = self.step - 1  # the forward pass counts on to this step
            logits = _logits(self.model, x)  # (N, classes)
            loss = F.cross_entropy(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
        self.optimizer.step()
        return trace, loss.detach(), (logits.detach().argmax(1) != y).sum(), len(y)

    def _batch(self):
        """The indices of this step's images: a function of the seed and the step alone, so that a resumed run sees the same."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        if epoch != self.order_epoch:
            generator = torch.Generator().manual_seed(self.how.data_seed * 1_000_003 + epoch)
            self.order_epoch, self.order = epoch, torch.randperm(len(self.split.y_train), generator=generator).to(self.device)
        return self.order[place * self.how.batch_size : (place + 1) * self.how.batch_size]

    def _test_error(self, first):
        """The test error where one is due since step `first`: after every test_every-th epoch, and at the end of training."""
        every = self.steps_per_epoch * self.how.test_every
        due = self.step // every > first // every or self.state == "finished"
        return evaluate(self.model, self.split, "test") if due and self.state != "diverged" else math.nan

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
            provenance=Provenance.here(self.device, self.threads),
        )

    def checkpoint(self):
        tensors = {f"model.{name}": tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer.clone()
        return Checkpoint(run=self.run(), tensors=tensors)

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


def _check_resume(checkpoint, model, spec, split, how, steps_per_epoch):
    """ValueError if a checkpoint is of another training than this."""
    if not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"resume must be a Checkpoint, not {type(checkpoint).__name__}; Checkpoint.load reads one from a file.")
    run, last = checkpoint.run, checkpoint.run.history.iloc[-1]
    ours = {f"model.{name}": tensor.shape for name, tensor in model.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
    same = {
        "net": run.spec == spec and ours == theirs,
        "dataset": run.dataset == split.name and last["epoch"] == last["step"] / steps_per_epoch,
        "TrainSpec": run.how == how.to_dict(),
    }
    if not all(same.values()):
        differ = " and another ".join(what for what, is_same in same.items() if not is_same)
        raise ValueError(f"the checkpoint, of {run.name} on {run.dataset}, has another {differ}; resume with those that it was made with.")


def _check_logits(model, split):
    """ValueError if a model that no spec describes does not make logits of images; tried in eval mode, so that nothing is left behind."""
    name, x, classes = type(model).__name__, split.batch(slice(2))[0], split.shape["classes"]
    images = f"images ({', '.join(map(str, x.shape))})"
    try:
        with _eval_mode(model):
            logits = _logits(model, x)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(f"{name} does not take {images}: {reason}.") from error
    got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
    if not isinstance(got, tuple) or len(got) != 2 or got[0] != len(x) or got[1] < classes:
        raise ValueError(f"{name} makes {got} of {images}; it must return logits, ({len(x)}, {classes}).")


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


def _logits(model, x):
    """What a model makes of images, wherever they are, in the layout that suits it."""
    return model(x.to(_device(model)).contiguous(memory_format=_layout(model)))


def _layout(model):
    """The layout of a model's images: the nets of `build` are a tenth faster so on CPUs, more on CUDA; others may not expect it."""
    fast = isinstance(model, ResNet) and _device(model).type != "mps"
    return torch.channels_last if fast else torch.contiguous_format


def _device(model):
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def _eval_mode(model):
    """Eval mode and no gradients for the `with` block; every module's own mode is put back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():  # not inference mode: what a model keeps of it would be of no use in training
            yield
    finally:
        for module, training in modes:
            module.training = training


_lock, _users, _usual = threading.Lock(), 0, 1


@contextmanager
def threads(count):
    """torch with `count` threads in this Python thread. Several trainings may be inside at once; the last one out restores."""
    global _users, _usual
    with _lock:
        if not _users:
            _usual = torch.get_num_threads()
        _users += 1
    try:
        torch.set_num_threads(count)
        yield
    finally:
        with _lock:
            _users -= 1
        torch.set_num_threads(_usual)
