"""The `tally` command: one small file per command, each loading what it needs when it runs."""

import os
import sys

QUESTION_NICENESS = 10
"""Of the process of a `tally sql`: a question may run for long, and payments go first."""


def main() -> None:
    """Run the command line of this process."""
    from node.cli.app import app

    if sys.argv[1:2] == ["sql"]:
        os.nice(QUESTION_NICENESS)
    app(prog_name="tally")
