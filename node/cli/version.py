"""`tally version`: what is installed."""

from node.cli.failures import reports_failures
from node.cli.options import AsJson
from node.cli.output import print_json, say


@reports_failures
def version(as_json: AsJson = False) -> None:
    """Show the version."""
    import platform
    from importlib.metadata import version as version_of

    found = {"tallystick": version_of("tallystick"), "python": platform.python_version()}
    if as_json:
        print_json(found)
    else:
        say(f"tallystick {found['tallystick']} on Python {found['python']}")
