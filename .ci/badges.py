"""Badges that open the lessons of your fork in Colab and in Binder, as Markdown: `make badges`.

Both services want the account and the name of the repository in the address. So the README, which is the same in all
forks, has none, and this prints them for the repository that git calls origin.
"""

import re
import subprocess
import sys

COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"
START = "notebooks/00_start_here.ipynb"


def badges(remote):
    """Two lines of Markdown for a repository on GitHub, from its address as git has it; ValueError for another."""
    found = re.fullmatch(r"(?:https://|ssh://git@|git@)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?", remote)
    if found is None:
        raise ValueError(f"Colab and Binder open repositories of github.com; origin is {remote or 'not set'}.")
    owner, name = found.groups()
    return (
        f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{owner}/{name}/blob/HEAD/{START})\n"
        f"[![Open in Binder]({BINDER}/badge_logo.svg)]({BINDER}/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/{START})"
    )


if __name__ == "__main__":
    origin = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True, check=False)
    try:
        print(badges(origin.stdout.strip()))
    except ValueError as error:
        sys.exit(str(error))
