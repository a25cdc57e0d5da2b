"""`reslab.runs`: what is saved is read back to the bit, whole or not at all, and says where it comes from but not from whom."""

import dataclasses
import json
import math
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from reslab import runs
from reslab.nets import NetSpec
from reslab.runs import Checkpoint, CorruptRun, Provenance, Run

ODD = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 1e16 + 2.0, 123456789.123456789]


def provenance(**changes):
    values = {"machine": "Zuse Z3 · 5 Hz", "device": "cpu", "threads": 2, "date": "1941-05-12", "python": "3.11.0"}
    return Provenance(**values | {"torch": "2.15.0", "reslab": "0.1.0", "commit": "0123456789ab"} | changes)


def make_run(**changes):
    steps = range(1, len(ODD) + 1)
    history = {
        "step": steps,
        "epoch": [s / 3 for s in steps],
        "lr": 0.1,
        "loss": ODD,
        "train_error": 0.5,
        "test_error": math.nan,
        "seconds": 1.0,
    }
    layers = {
        "step": [1, 1],
        "module": ["stage1.block1", "größe"],
        "index": [1, 2],
        "shape": ["128×8×8×8", ""],
        "gradient_rms": [1e-40, math.nan],
    }
    values = {
        "name": "résnet – 56 “×” 数字 🧮",
        "spec": NetSpec(depth=56, skip=False, width=8),
        "how": {"lr": 0.1, "milestones": [0.5, 0.75], "schedule": "step"},
        "dataset": "digits",
        "seed": 3,
        "parameters": 214_402,
        "outcome": "finished",
        "final_train_error": 0.1 + 0.2,
        "history": pd.DataFrame(history),
        "layers": pd.DataFrame(layers),
        "provenance": provenance(),
    }
    return Run(**values | changes)


def make_checkpoint():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 4, 3, 3, generator=generator)
    tensors = {
        "model.conv.weight": weight.contiguous(memory_format=torch.channels_last),
        "model.norm.num_batches_tracked": torch.tensor(7),
        "momentum.conv.weight": torch.tensor([math.nan, math.inf, -0.0, 1e-45]),
        "model.half": torch.tensor([1.5], dtype=torch.bfloat16),
    }
    return Checkpoint(run=make_run(), tensors=tensors)


def bits(values):
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def assert_same(ours, theirs):
    for field in (field for field in dataclasses.fields(Run) if field.compare):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
            assert [bits(column.tolist()) for _, column in one.items()] == [bits(column.tolist()) for _, column in other.items()]
        elif isinstance(one, float):
            assert bits([one]) == bits([other])
        else:
            assert one == other
            assert type(one) is type(other)


def assert_one_sentence(error, path):
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < len(str(path)) + 200


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.json"


# Round trips


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": pd.DataFrame()},
        {"spec": None, "seed": None},
        {"final_train_error": math.nan, "outcome": "diverged"},
        {"final_train_error": -0.0},
        {"provenance": provenance(commit=None, device="cuda", machine="")},
        {"how": {}},
    ],
    ids=["whole", "no layers", "no spec", "diverged", "minus zero", "no commit", "no how"],
)
def test_a_run_is_read_back_to_the_bit(file, changes):
    run = make_run(**changes)
    run.save(file)
    assert_same(Run.load(file), run)
    assert_same(Run.load(str(file)), run)
    assert Run.load(file).to_json() == run.to_json()


def test_every_double_survives(file):
    doubles = np.frombuffer(np.random.default_rng(5).bytes(8 * 2000), dtype=np.float64).tolist()
    doubles = [math.nan if math.isnan(value) else value for value in doubles]  # a NaN's payload is no number
    run = make_run(layers=pd.DataFrame({"gradient_rms": doubles}))
    run.save(file)
    assert bits(Run.load(file).layers["gradient_rms"].tolist()) == bits(doubles)


def test_a_run_of_numpy_numbers_from_a_frame_is_saved_as_plain_ones(file):
    layers = pd.DataFrame({"step": np.array([1, 2], dtype=np.int32), "rms": np.array([0.1, np.inf], dtype=np.float32)})
    make_run(layers=layers).save(file)
    assert Run.load(file).layers["rms"].tolist() == [float(np.float32(0.1)), math.inf]
    assert Run.load(file).layers["step"].tolist() == [1, 2]


def test_a_saved_run_is_strict_json_in_utf_8_that_anything_can_read(file):
    make_run().save(file)
    strict = json.loads(file.read_bytes().decode("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert strict["name"] == "résnet – 56 “×” 数字 🧮"
    assert strict["history"]["loss"][5:8] == [None, "inf", "-inf"]
    assert "résnet".encode() in file.read_bytes()  # as itself, not as \\u00e9


def test_the_locale_of_the_machine_does_not_matter(tmp_path):
    """Where the locale's encoding is not UTF-8, whoever relies on it cannot write "×"; Python can be told to complain of that."""
    code = f"""
import sys, warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_runs import Run, make_run
warnings.simplefilter("error", EncodingWarning)
make_run().save({str(tmp_path / "run.json")!r})
print(Run.load({str(tmp_path / "run.json")!r}).outcome)
"""
    command = [sys.executable, "-X", "warn_default_encoding", "-c", code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONWARNINGS": ""})
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr


def test_a_checkpoint_is_read_back_to_the_bit(tmp_path):
    checkpoint, file = make_checkpoint(), tmp_path / "part.safetensors"
    checkpoint.save(file)
    loaded = Checkpoint.load(file)
    assert_same(loaded.run, checkpoint.run)
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert loaded.tensors[name].shape == tensor.shape
        one, other = (bytes(t.contiguous().reshape(-1).view(torch.uint8).tolist()) for t in (tensor, loaded.tensors[name]))
        assert one == other


def test_nothing_is_unpickled(file, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    make_run().save(file)
    make_checkpoint().save(tmp_path / "part.safetensors")
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load"), (pd, "read_pickle"), (np, "load")):
        monkeypatch.setattr(module, name, refuse)
    assert Run.load(file).seed == 3
    assert len(Checkpoint.load(tmp_path / "part.safetensors").tensors) == 4


def test_a_pickle_is_refused_and_not_run(file, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    file.write_bytes(pickle.dumps(Trap()))
    for kind in (Run, Checkpoint):
        with pytest.raises(CorruptRun):
            kind.load(file)
    torch.save({"weight": torch.ones(1)}, file)
    for kind in (Run, Checkpoint):
        with pytest.raises(CorruptRun):
            kind.load(file)
    assert not (tmp_path / "sprung").exists()


# Whole or not at all


def saved(kind):
    """A way to save something over something older, and to load it."""
    if kind == "run":
        return lambda path, name: make_run(name=name).save(path, overwrite=True), lambda path: Run.load(path).name
    checkpoint = make_checkpoint()
    return (
        lambda path, name: dataclasses.replace(checkpoint, run=make_run(name=name)).save(path),
        lambda path: Checkpoint.load(path).run.name,
    )


def half_written(path, *_args, **_kwargs):
    Path(path).write_bytes(b'{"format": "resl')
    raise OSError("No space left on device")


def disconnected(*_, **__):
    raise OSError("Input/output error")


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "failure", "error"),
    [
        ((os, "replace"), disconnected, OSError),
        ((os, "replace"), interrupted, KeyboardInterrupt),
        ((os, "fsync"), disconnected, OSError),
        ((os, "fsync"), interrupted, KeyboardInterrupt),
        ("write", half_written, OSError),
        ("write", interrupted, KeyboardInterrupt),
        ((Run, "to_json"), disconnected, OSError),
    ],
)
@pytest.mark.parametrize("kind", ["run", "checkpoint"])
def test_a_failure_while_saving_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, kind, place, failure, error):
    path = tmp_path / "folder" / "kept"
    save, load = saved(kind)
    save(path, "old")
    before = path.read_bytes()
    with monkeypatch.context() as broken:
        writer = (Path, "write_text") if kind == "run" else (runs, "save_file")
        if place == "write" and kind == "checkpoint" and failure is half_written:
            broken.setattr(runs, "save_file", lambda tensors, path, **_: half_written(path))
        else:
            broken.setattr(*(writer if place == "write" else place), failure)
        with pytest.raises(error):
            save(path, "new")
        with pytest.raises(error):
            save(tmp_path / "folder" / "never", "new")
    assert os.listdir(path.parent) == ["kept"]
    assert path.read_bytes() == before
    assert load(path) == "old"
    save(path, "new")
    assert load(path) == "new"
    assert os.listdir(path.parent) == ["kept"]


def test_what_cannot_be_json_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        make_run(how={"lr": object()}).save(tmp_path / "run.json")
    with pytest.raises(ValueError, match="JSON"):
        make_run(how={"lr": math.nan}).save(tmp_path / "run.json")
    assert os.listdir(tmp_path) == []


def test_the_move_is_the_last_thing_and_within_one_folder(file, monkeypatch):
    moves, replace = [], os.replace

    def watched(source, target):
        whole = Run.from_json(Path(source).read_text(encoding="utf-8"))
        moves.append((Path(source).parent, Path(target), whole.seed))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    make_run().save(file)
    assert moves == [(file.parent, file, 3)]


def test_a_run_is_not_overwritten_unasked(file):
    make_run(seed=1).save(file)
    with pytest.raises(FileExistsError, match="is there already; pass overwrite=True to replace it") as error:
        make_run(seed=2).save(file)
    assert_one_sentence(error, file)
    assert Run.load(file).seed == 1
    make_run(seed=2).save(file, overwrite=True)
    assert Run.load(file).seed == 2


def test_folders_are_made_and_the_file_is_as_readable_as_any_other(tmp_path):
    path = tmp_path / "new" / "folder" / "run.json"
    make_run().save(path)
    (tmp_path / "other").write_text("", encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


# Damage


@pytest.mark.parametrize("kind", [Run, Checkpoint])
def test_what_is_not_there_is_not_found(tmp_path, kind):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no (run|checkpoint) at") as error:
            kind.load(path)
        assert_one_sentence(error, path)


@pytest.mark.parametrize("kind", [Run, Checkpoint])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00\x80",
        b"[]",
        b"null",
        b"3",
        b'"reslab run 1"',
        b"{}",
        b'{"format": "reslab run 2"}',
        b'{"format": "reslab run 1"}',
        b'{"format": "reslab run 1", "sha256": null}',
        b'{"format": "reslab run 1", "x": NaN}',
        b"\x00" * 100,
        b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a":"b"}       ',
    ],
)
def test_what_is_no_run_is_refused_in_one_sentence(file, kind, content):
    file.write_bytes(content)
    with pytest.raises(CorruptRun, match=r"is not a whole reslab (run|checkpoint): ") as error:
        kind.load(file)
    assert_one_sentence(error, file)


def test_a_run_cut_short_anywhere_is_refused(file):
    make_run().save(file)
    whole = file.read_bytes()
    for length in range(0, len(whole), 37):
        file.write_bytes(whole[:length])
        with pytest.raises(CorruptRun) as error:
            Run.load(file)
        assert_one_sentence(error, file)


def test_a_checkpoint_cut_short_anywhere_is_refused(tmp_path):
    file = tmp_path / "part.safetensors"
    make_checkpoint().save(file)
    whole = file.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(CorruptRun) as error:
            Checkpoint.load(file)
        assert_one_sentence(error, file)


def test_a_bit_of_a_checkpoint_flipped_anywhere_is_noticed(tmp_path):
    file = tmp_path / "part.safetensors"
    make_checkpoint().save(file)
    whole = bytearray(file.read_bytes())
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for place in [*range(0, header, 11), *range(header, len(whole), 29), len(whole) - 1]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0b100]) + whole[place + 1 :])
        with pytest.raises(CorruptRun) as error:
            Checkpoint.load(file)
        assert_one_sentence(error, file)


def test_tensors_that_changed_names_or_shapes_are_noticed(tmp_path):
    file, checkpoint = tmp_path / "part.safetensors", make_checkpoint()
    checkpoint.save(file)
    with safe_open(file, framework="pt") as saved:
        metadata, tensors = saved.metadata(), {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 (not a dict)
    changed = [tensors | {"model.half": tensors["model.half"].view(torch.float16)}]
    changed += [tensors | {"model.conv.weight": tensors["model.conv.weight"].reshape(4, 8, 3, 3)}]
    changed += [{name.replace("model.half", "model.quarter"): tensor for name, tensor in tensors.items()}]
    changed += [{name: tensor for name, tensor in tensors.items() if name != "model.half"}]
    for others in changed:
        save_file(others, file, metadata=metadata)
        with pytest.raises(CorruptRun, match="its checksum does not match its tensors"):
            Checkpoint.load(file)
    save_file(tensors, file, metadata=metadata)
    assert len(Checkpoint.load(file).tensors) == 4


def test_a_history_longer_than_a_header_of_safetensors_may_be_is_saved(tmp_path):
    """64,000 logged steps, as the paper's recipe has, with an event each; and no limit of 100 MB, which is that of a header."""
    steps = range(64_000)
    long = make_run(history=pd.DataFrame({"step": steps, "loss": np.random.default_rng(0).random(64_000)}))
    dataclasses.replace(make_checkpoint(), run=long).save(tmp_path / "part.safetensors")
    whole = (tmp_path / "part.safetensors").read_bytes()
    assert struct.unpack("<Q", whole[:8])[0] < 10_000
    assert len(Checkpoint.load(tmp_path / "part.safetensors").run.history) == 64_000


def test_a_digit_edited_anywhere_is_noticed(file):
    make_run().save(file)
    whole = file.read_text(encoding="utf-8")
    places = [match.start() for match in re.finditer(r"[0-8]", whole)]
    assert len(places) > 300
    for place in places[::3]:
        file.write_text(whole[:place] + "9" + whole[place + 1 :], encoding="utf-8")
        with pytest.raises(CorruptRun) as error:
            Run.load(file)
        assert_one_sentence(error, file)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c["history"]["loss"].__setitem__(0, 0.2),
        lambda c: c["history"]["loss"].__setitem__(5, "inf"),
        lambda c: c["history"]["loss"].pop(),
        lambda c: c.update(seed=4),
        lambda c: c.update(seed=True),
        lambda c: c.update(outcome="stopped"),
        lambda c: c.update(final_train_error=0.3),
        lambda c: c["spec"].update(depth=20),
        lambda c: c["provenance"].update(machine="a faster one"),
        lambda c: c["how"].update(lr=0.01),
        lambda c: c.update(extra=1),
        lambda c: c.pop("layers"),
        lambda c: c.pop("sha256"),
        lambda c: c.update(sha256=c["sha256"][::-1]),
        lambda c: c.update(format="reslab run 2"),
        lambda c: c.pop("format"),
    ],
)
def test_an_edited_run_is_refused_and_so_is_a_checkpoint_with_one(tmp_path, edit):
    content = json.loads(make_run().to_json())
    edit(content)
    run, part = tmp_path / "run.json", tmp_path / "part.safetensors"
    run.write_text(json.dumps(content), encoding="utf-8")
    tensors = {"model.x": torch.ones(1), "run": torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8)}
    save_file(tensors, part, metadata={"format": runs.CHECKPOINT, "sha256": runs._digest_of_tensors(tensors)})
    for kind, path in ((Run, run), (Checkpoint, part)):
        with pytest.raises(CorruptRun, match=r"its checksum does not match its content|it does not say 'reslab run 1'") as error:
            kind.load(path)
        assert_one_sentence(error, path)


def test_a_run_that_was_only_laid_out_anew_is_still_one(file):
    file.write_text(json.dumps(json.loads(make_run().to_json()), indent=2, sort_keys=True), encoding="utf-8")
    assert Run.load(file).history["loss"].tolist()[:5] == ODD[:5]


def test_tensors_of_somebody_else_are_no_checkpoint(tmp_path):
    file = tmp_path / "theirs.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.ones(2)}, file, metadata=metadata)
        with pytest.raises(CorruptRun, match="it does not say 'reslab checkpoint 1'") as error:
            Checkpoint.load(file)
        assert_one_sentence(error, file)


def test_run_and_checkpoint_are_not_mistaken_for_one_another(file, tmp_path):
    make_run().save(file)
    make_checkpoint().save(tmp_path / "part.safetensors")
    with pytest.raises(CorruptRun):
        Checkpoint.load(file)
    with pytest.raises(CorruptRun):
        Run.load(tmp_path / "part.safetensors")
