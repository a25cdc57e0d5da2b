"""`reslab.store`: the checkpoints of trainings that have not ended."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_runs import HOW, files

from reslab.nets import build
from reslab.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


def midway(split, spec, steps=2):
    for event in train_events(split, spec):
        if event.step == steps:
            return event.checkpoint()


def train_events(split, spec, resume=None):
    return train(build(spec, seed=0), split, HOW, device="cpu", resume=resume)


def test_a_checkpoint_is_found_by_what_it_is_of_goes_on_and_goes_when_the_run_comes(store, split, run):
    assert store.checkpoint(run.spec, split, HOW) is None
    store.save_checkpoint(midway(split, run.spec, 1))
    store.save_checkpoint(midway(split, run.spec, 2))  # in place of the older one
    (file,) = files(store)
    assert file.endswith(".safetensors")
    assert [r.outcome for r in store.unfinished()] == ["stopped"]
    assert store.runs() == []
    for other in (
        (replace(run.spec, depth=14), split, HOW, 0),
        (run.spec, split, HOW, 1),
        (run.spec, split, replace(HOW, lr=0.2), 0),
    ):
        assert store.checkpoint(*other) is None
    *_, last = train_events(split, run.spec, resume=store.checkpoint(run.spec, split, HOW))
    columns = run.history.columns.drop("seconds")
    pd.testing.assert_frame_equal(last.run().history[columns], run.history[columns], check_exact=True)
    store.add(run)
    assert [Path(name).suffix for name in files(store)] == [".json"]
    assert store.unfinished() == []


def test_a_checkpoint_stays_with_a_failure_and_a_damaged_one_is_named(store, split, run):
    store.save_checkpoint(midway(split, run.spec))
    store.add(replace(run, outcome="failed", cause="Broken: why"))
    assert [Path(name).suffix for name in files(store)] == [".json", ".safetensors"]
    assert len(store.unfinished()) == 1
    failure = next(store.path.glob("*/*.json"))
    failure.write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match="passed over"):
        assert len(store.unfinished()) == 1
    assert failure.read_text(encoding="utf-8") == "{"  # looking moves nothing
    file = next(store.path.glob("*/*.safetensors"))
    failure.unlink()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"passed over: .* is not a whole reslab checkpoint"):
        assert store.unfinished() == []
    with pytest.raises(ValueError, match="is not a whole reslab checkpoint"):
        store.checkpoint(run.spec, split, HOW)
