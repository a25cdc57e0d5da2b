"""Which index a new environment takes torch and torchvision from: `make` asks it once, and prints what it says.

The address alone is on standard output, or nothing for pip's own index; the reason is on standard error. torch and
torchvision must come from one source, so the index is for both.
"""

import os
import platform
import shutil
import sys
import urllib.error
import urllib.request

CPU = "https://download.pytorch.org/whl/cpu"  # PyTorch's builds without CUDA: 0.2 GB instead of 5
TIMEOUT = 5  # seconds for its server to answer


def choose(wanted=""):
    """(address, reason): the address that was asked for; else CPU's on Linux without a GPU, where its server answers;
    else "", pip's own index."""
    if wanted:
        return wanted, f"from {wanted}, as asked"
    if platform.system() != "Linux":
        return "", "PyPI's build, which is small here"
    if has_gpu():
        return "", "there is a GPU, so PyPI's build with CUDA (5 GB)"
    if not answers(f"{CPU}/torch/"):
        return "", f"no GPU here, but {CPU} does not answer, so PyPI's build (5 GB)"
    return CPU, "no GPU here, so the small CPU build (0.2 GB); for another: make ... TORCH_INDEX=URL"


def has_gpu():
    """Whether a driver of NVIDIA or AMD is there."""
    return bool(shutil.which("nvidia-smi")) or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/kfd")))


def answers(address):
    """Whether a server has this page, within TIMEOUT."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT):
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    address, reason = choose(*sys.argv[1:])
    print(f"torch and torchvision: {reason}", file=sys.stderr)
    print(address)
