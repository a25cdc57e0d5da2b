"""`python -m reslab` is `reslab`."""

from reslab.cli import main

main(prog_name="reslab")
