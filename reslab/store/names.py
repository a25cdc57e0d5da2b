"""The names of a store's files: readable, with a digest of all that decides the numbers of a run."""

import hashlib
import json
import re
from pathlib import Path

from reslab.specs import TrainSpec

NOT_IN_NAMES = ("skip", "depth", "in_channels", "image_size", "classes")  # the net's name and the dataset say them
# Bytes of a name without its suffix. A file system takes 255; a half-written file adds 18, the longest suffix 18.
LONGEST = 219


def file_of_run(run):
    """The file of a run, relative to its store."""
    return file_of(run.spec, run.name, run.how, run.dataset, run.data, run.seed, run.history)


def file_of(spec, name, how, dataset, data, seed, history=None):
    """The file of a run: spec (None for an own model), how (a TrainSpec as plain values), data (a Split's fingerprint).

    Spec and seed decide the numbers of a run. Without a spec or a seed, two trainings may differ only in their
    histories: then the first logged step counts too, because no other has the same loss after the same seconds.
    """
    net = spec and spec.identifying(spec.to_dict())
    decides = {"spec": net, "name": name, "how": TrainSpec.identifying(how), "data": data or dataset, "seed": seed}
    if (spec is None or seed is None) and history is not None and len(history):
        decides["begins"] = {column: values.tolist()[0] for column, values in history.head(1).items()}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
    usual = type(spec)().to_dict() if spec else {}
    changed = {
        field: value for field, value in (net or {}).items() if value != usual[field] and field not in NOT_IN_NAMES
    }
    words = ".".join([plain(name), *(plain(f"{field}{value}") for field, value in changed.items())])
    end = "." + ".".join(([] if seed is None else [plain(f"seed{seed}")]) + [digest])
    words = words.encode()[: LONGEST - len(end.encode())].decode(errors="ignore")
    return Path(plain(dataset), f"{words}{end}.json")


def plain(text):
    """A text as a part of a file name that every system allows."""
    return re.sub(r"[^\w-]+", "-", str(text)).strip("-")[:60] or "unnamed"
