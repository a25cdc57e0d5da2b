"""One training of a sweep and its store: it resumes, saves checkpoints, and returns a failure as a run too."""

import time
import traceback
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pandas as pd

from reslab.datasets import Split
from reslab.nets import NetSpec, build, replace
from reslab.runs import CorruptRun, Provenance, Run
from reslab.store import Store
from reslab.train import HISTORY, Ranks, TrainSpec, pick_device, train


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One training of a sweep. Its methods raise no exceptions: they return remarks, a list of sentences for the caller
    to show.

    If several processes train one net together, each has its Job, and only the first reads and writes the store.
    """

    spec: NetSpec
    split: Split
    how: TrainSpec
    seed: int
    device: str = "auto"
    store: Store | None = None
    save_every: float = 30.0  # seconds of training between checkpoints, into the store
    weights: bool = False  # whether the store keeps the trained weights
    again: bool = False  # whether to train what the store has already, and replace it

    @cached_property
    def ranks(self):
        return Ranks(self.device)

    @property
    def work(self):
        """Its estimated cost in milliseconds of a laptop's core: per step and layer, 1 + (numbers in a batch) / 16,384.

        Measured: 0.9 ms for digits in nets of width 8, 20 ms for photographs of 32×32 in those of width 16.
        """
        return self._step_work * self.how.steps(len(self.split.y_train))[1]

    @property
    def _step_work(self):
        return round(self.spec.depth * (1 + self.how.batch_size * self.split.x_train[0].numel() / 16_384))

    def stored(self):
        """The run that the store has of this training, or None."""
        reads = self.store and not self.again and self.ranks.rank == 0
        run = self.store.find(self.spec, self.split, self.how, self.seed) if reads else None
        whole = run and run.ended and (not self.weights or run.outcome == "diverged" or self.store.has_weights(run))
        return self.ranks.first(run if whole else None)

    def keep(self, run):
        """Put the run into the store, unless it was stopped; the remarks."""
        if self.store is None or self.ranks.rank or run.outcome == "stopped":
            return []
        overwrite = self.again and run.ended  # a failure replaces no run that ended
        return self._attempt(partial(self.store.add, run, overwrite=overwrite))

    def train(self, report=lambda work, status: None, stopped=lambda: False):
        """Train, from the store's checkpoint if it has one; (run, remarks).

        report(work, status) is called at every event with the work done since the last, and a few words on the
        training. stopped() says whether to stop there, with a checkpoint and the outcome "stopped".
        """
        checkpoint, event, remarks = None, None, []

        def run_so_far():
            return event.run() if event else checkpoint.run if checkpoint else self._empty_run()

        def save():
            checkpoint = replace(event.checkpoint(), run=run_so_far(), weights=self.weights)
            return self._attempt(partial(self.store.save_checkpoint, checkpoint))

        try:
            checkpoint, events, remarks = self._start()
            last_step, saved = 0, time.monotonic()
            for event in events:
                report(self._step_work * (event.step - last_step), f"{self.spec.name} at {event.train_error:.0%}")
                last_step, stop = event.step, self.ranks.any(stopped())
                due = stop or time.monotonic() - saved >= self.save_every
                if due and self.store and self.ranks.rank == 0 and event.state == "running":
                    remarks += [remark for remark in save() if remark not in remarks]
                    saved = time.monotonic()
                if stop:
                    break
            run = run_so_far()
            if self.weights and run.outcome == "finished" and self.store and self.ranks.rank == 0:
                remarks += self._keep_weights(run, event)
            return run, remarks
        except Exception as error:  # of any kind: the other trainings go on, and this run names the cause
            return self.failure(error, run_so_far()), remarks

    def _keep_weights(self, run, event):
        if event is None:
            return [
                f"{run.name}, seed {self.seed}, had ended in its checkpoint; "
                "run the same sweep again to train it for its weights."
            ]
        return self._attempt(lambda: self.store.save_weights(run, event.weights()))

    def failure(self, error, run=None):
        """The run that an exception ended: what was measured before, the outcome "failed", and the cause."""
        lines = str(error).strip().splitlines()
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        cause = f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}{place}"
        return replace(run or self._empty_run(), outcome="failed", cause=cause)

    def _start(self):
        """(the checkpoint that it resumes from or None, the events, remarks)."""
        checkpoint, remarks = None, []
        try:
            if self.store and self.ranks.rank == 0:
                checkpoint = self.store.checkpoint(self.spec, self.split, self.how, self.seed)
        except (CorruptRun, OSError) as error:
            remarks = [f"passed over: {error} This training starts from the beginning."]
        checkpoint = self.ranks.first(checkpoint)
        net = build(self.spec, seed=self.seed)
        return checkpoint, train(net, self.split, self.how, device=self.device, resume=checkpoint), remarks

    def _empty_run(self):
        """The run of a training that had no event."""
        return Run(
            name=self.spec.name, spec=self.spec, how=self.how.to_dict(), dataset=self.split.name, seed=self.seed,
            parameters=None, outcome="stopped", final_train_error=float("nan"),
            history=pd.DataFrame(columns=list(HISTORY)), layers=pd.DataFrame(),
            provenance=Provenance.here(pick_device(self.device)), data=self.split.fingerprint, source=self.split.source,
        )  # fmt: skip

    def _attempt(self, save):
        """Save something; the remarks: on a full disk nothing is saved, and the training goes on."""
        try:
            save()
            return []
        except OSError as error:
            return [f"{self.spec.name}, seed {self.seed}, could not be saved: {error}"]
