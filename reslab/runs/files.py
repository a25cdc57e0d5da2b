"""The files of runs, checkpoints and weights: written whole or not at all, and checked when they are read."""

import hashlib
import json
import os
import secrets
import textwrap
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save


class CorruptRun(ValueError):
    """A file is damaged, or not a file of reslab; the message says which file and what is wrong with it."""


class NewerRun(CorruptRun):
    """A whole file of a newer reslab, with something in it that this one does not know. It is left as it is."""


def save_tensors(path, kind, tensors, **said):
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = {"format": kind, "sha256": digest_of_tensors(tensors, **said), **said}
    content = save(tensors, metadata)  # not save_file: its files can be read by their owner alone
    write(Path(path), lambda temporary: temporary.write_bytes(content), overwrite=True)


@contextmanager
def loaded_tensors(path, kind):
    """(tensors, metadata) of a file of this kind; any error, here or in the `with` block, is raised as a CorruptRun."""
    path, what = Path(path), kind.removesuffix(" 1")
    check_is_file(path, what.removeprefix("reslab "))
    try:
        content = path.read_bytes()  # at once: safe_open opens a file twice, and it may be replaced in between
        tensors = dict(sorted(load(content).items()))
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        check_format(metadata.pop("format", None), kind)
        if metadata.pop("sha256", None) != digest_of_tensors(tensors, **metadata):
            raise ValueError("its checksum does not match its tensors")
        yield tensors, metadata
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise refusal(path, what, error) from error


def check_is_file(path, what):
    """FileNotFoundError, IsADirectoryError or another OSError, in one sentence, where no file is."""
    check_leads_somewhere(path, what)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, and no {what}.")
    if not path.exists():
        raise FileNotFoundError(f"there is no {what} at {path}.")
    if not path.is_file():  # reading would wait for it, or never end
        raise OSError(f"{path} is a pipe or a device, and no {what}.")


def check_leads_somewhere(path, what):
    """OSError, in one sentence, for a link to what is not there."""
    if path.is_symlink() and not path.exists():
        raise OSError(f"{path} is a link to {os.readlink(path)}, which is not there, and no {what}.")


def check_format(said, known):
    """NewerRun if a file says that it has a newer format than the known one, "reslab run 1"; ValueError if another."""
    kind, _, version = known.rpartition(" ")
    other, _, newer = str(said).rpartition(" ")
    if other == kind and newer.isdecimal() and int(newer) > int(version):
        raise NewerRun(f"it says {said!r}, and this reslab reads {known!r}")
    if said != known:
        raise ValueError(f"it does not say {known!r}")


def refusal(path, what, error):
    """The CorruptRun or NewerRun, in one sentence, for what was wrong when `path` was read."""
    # Shortened: safetensors lists all the types that it knows.
    reason = str(error).partition(" Did you mean")[0]  # the nearest of the known ones is not what a newer reslab meant
    reason = textwrap.shorten(reason, 150, placeholder=" ...").rstrip(".")
    if isinstance(error, NewerRun):
        return NewerRun(f"{path} was written by a newer reslab, and stays as it is: {reason}.")
    return CorruptRun(f"{path} is not a whole {what}: {reason}.")


def write(path, write, overwrite):
    """Let `write` fill a temporary file beside `path`, then move it there in one step."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # tempfile's can be read by their owner alone
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def digest(content):
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_tensors(tensors, **said):
    found = hashlib.sha256("".join(f"{name} {value}\n" for name, value in sorted(said.items())).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).cpu().numpy())
    return found.hexdigest()
