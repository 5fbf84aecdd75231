"""The `tally` command: one small file per command, each loading what it needs when it runs."""


def main() -> None:
    """Run the command line of this process."""
    from node.cli.app import app

    app(prog_name="tally")
