"""The `tally` command: one small file per command, each loading what it needs when it runs."""

import sys


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:2] == ["sql"]:
        from node.priority import go_on_apart

        go_on_apart()
    from node.cli.app import app

    app(prog_name="tally")
