"""A file that is no run, or was changed after saving, is refused in one sentence."""

import json
import os
import re
import struct
from pathlib import Path

import pytest
import torch
from made_runs import ODD, assert_one_sentence, make_checkpoint, make_run
from safetensors import safe_open
from safetensors.torch import save_file

from reslab.runs import Checkpoint, CorruptRun, NewerRun, Run, Weights
from reslab.runs.checkpoint import CHECKPOINT
from reslab.runs.files import digest, digest_of_tensors


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.json"


@pytest.mark.parametrize("kind", [Run, Checkpoint])
def test_what_is_not_there_is_not_found(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match=r"there is no (run|checkpoint) at") as error:
        kind.load(tmp_path / "nothing")
    assert_one_sentence(error, tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match=r" is a folder, and no (run|checkpoint)\.$") as error:
        kind.load(tmp_path)
    assert_one_sentence(error, tmp_path)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(OSError, match=r" a link to nowhere, which is not there, and no (run|checkpoint)\.$") as error:
        kind.load(tmp_path / "link")
    assert_one_sentence(error, tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match=r" is a pipe or a device, and no (run|checkpoint)\.$") as error:
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
        b'{"format": "reslab run x"}',
        b'{"format": "reslab run 0"}',
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


@pytest.mark.parametrize(("made", "step"), [(make_run, 37), (make_checkpoint, 97)])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, made, step):
    file, saved = tmp_path / "part", made()
    saved.save(file)
    whole = file.read_bytes()
    for length in [*range(0, len(whole), step), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(CorruptRun) as error:
            type(saved).load(file)
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
        metadata, names = saved.metadata(), saved.keys()
        tensors = {name: saved.get_tensor(name).clone() for name in names}  # 0.4 maps the file, written below
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
        lambda c: c.update(format="reslab walk 2"),
        lambda c: c.pop("format"),
    ],
)
def test_an_edited_run_is_refused_and_so_is_a_checkpoint_with_one(tmp_path, edit):
    content = json.loads(make_run().to_json())
    edit(content)
    run, part = tmp_path / "run.json", tmp_path / "part.safetensors"
    run.write_text(json.dumps(content), encoding="utf-8")
    tensors = {
        "model.x": torch.ones(1),
        "run": torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8),
    }
    save_file(tensors, part, metadata={"format": CHECKPOINT, "sha256": digest_of_tensors(tensors)})
    for kind, path in ((Run, run), (Checkpoint, part)):
        with pytest.raises(
            CorruptRun, match=r"its checksum does not match its content|it does not say 'reslab run 1'"
        ) as error:
            kind.load(path)
        assert_one_sentence(error, path)


def test_a_run_whose_json_was_only_reformatted_is_read(file):
    file.write_text(json.dumps(json.loads(make_run().to_json()), indent=2, sort_keys=True), encoding="utf-8")
    assert Run.load(file).history["loss"].tolist()[:5] == ODD[:5]


def test_tensors_of_another_program_are_no_checkpoint(tmp_path):
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


# A newer reslab's


def newer_json(edit):
    """The text of a whole run, edited as a newer reslab may have written it."""
    content = json.loads(make_run().to_json())
    del content["sha256"]
    edit(content)
    return json.dumps(
        content | {"sha256": digest({name: value for name, value in content.items() if name != "format"})}
    )


NEWER = {
    "format": lambda c: c.update(format="reslab run 2"),
    "a field of the run": lambda c: c.update(energy=3.5),
    "a field of the net": lambda c: c["spec"].update(squeeze_excitation=True),
    "a choice of the net": lambda c: c["spec"].update(init="orthogonal"),
    "a field of the training": lambda c: c["how"].update(mixup=0.2),
    "a field of the provenance": lambda c: c["provenance"].update(watts=300),
    "an outcome": lambda c: c.update(outcome="paused"),
}


@pytest.mark.parametrize("edit", NEWER.values(), ids=NEWER)
def test_a_run_of_a_newer_reslab_is_not_taken_for_a_damaged_one(tmp_path, edit):
    run, part, text = tmp_path / "run.json", tmp_path / "part.safetensors", newer_json(edit)
    run.write_text(text, encoding="utf-8")
    tensors = {"model.x": torch.ones(1), "run": torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)}
    save_file(tensors, part, metadata={"format": CHECKPOINT, "sha256": digest_of_tensors(tensors)})
    for kind, path in ((Run, run), (Checkpoint, part)):
        with pytest.raises(NewerRun, match="was written by a newer reslab, and stays as it is: ") as error:
            kind.load(path)
        assert_one_sentence(error, path)


@pytest.mark.parametrize(("kind", "says"), [(Checkpoint, "reslab checkpoint 2"), (Weights, "reslab weights file 12")])
def test_tensors_in_a_newer_format_say_so(tmp_path, kind, says):
    file = tmp_path / "newer.safetensors"
    save_file({"weight": torch.ones(2)}, file, metadata={"format": says})
    with pytest.raises(NewerRun, match=f"written by a newer reslab, and stays as it is: it says '{says}'") as error:
        kind.load(file)
    assert_one_sentence(error, file)
