"""What the tests of datasets share."""

import re


def saying(message):
    """A pattern for errors that begin with these words; what `checks` says after "it must be" is tested there."""
    return f"^{re.escape(message)}"
