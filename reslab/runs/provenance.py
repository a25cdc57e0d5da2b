"""`Provenance`: the kind of machine, the versions and the day of a run."""

import dataclasses
import datetime
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from reslab import __version__


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the numbers of a run come from. It names the kind of machine, never the machine itself."""

    machine: str  # processor, or accelerator
    device: str  # "cpu", "cuda" or "mps"
    threads: int  # of a step on the CPU, in each process
    date: str  # UTC, "2026-11-21"
    python: str
    torch: str
    reslab: str
    commit: str | None  # of the checkout, with "-dirty" if changes were not committed; None for an installed package
    processes: int = 1  # that shared each batch

    @classmethod
    def here(cls, device="cpu", threads=None, processes=1):
        """The provenance of a run made now, on this machine."""
        device = torch.device(device)
        return cls(
            machine=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
            device=device.type,
            threads=torch.get_num_threads() if threads is None else threads,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            reslab=__version__,
            commit=_commit(),
            processes=processes,
        )

    def committed(self):
        """This provenance, if its commit has all the code, as of everything that comes with reslab. ValueError for a
        checkout with changes, and for code outside of a checkout."""
        if self.commit is None or self.commit.endswith("-dirty"):
            raise ValueError(
                f"what comes with reslab is recorded from committed code, and this is {self.commit or 'no checkout'}:"
                " commit, and record in a clean copy (git worktree add --detach ../record main)."
            )
        return self

    def after(self, earlier):
        """This provenance, of a training that was resumed, with the earlier one: "2.14.0, then 2.15.0"."""
        changes = {}
        for name, now in dataclasses.asdict(self).items():
            before = getattr(earlier, name)
            if isinstance(now, str) and before:
                changes[name] = before if before.split(", then ")[-1] == now else f"{before}, then {now}"
        return dataclasses.replace(self, **changes)

    @property
    def origin(self):
        """The machine and the month, as charts show them."""
        return f"{self.machine}, {self.date[:7]}"


@cache
def _processor():
    """The model name of the processor, if the system gives it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or platform.machine()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _commit():
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine
        return None
