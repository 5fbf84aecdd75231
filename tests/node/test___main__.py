"""`python -m node` is `tally`."""

import json
import subprocess
from importlib.metadata import entry_points, version

from node.cli import main
from node.processes import our_environment, our_python


def test_the_module_runs_the_command_line() -> None:
    done = subprocess.run(
        our_python("node", "version", "--json"),
        capture_output=True,
        check=True,
        env=our_environment(),
    )
    assert json.loads(done.stdout)["tallystick"] == version("tallystick")


def test_the_installed_command_is_the_same() -> None:
    (tally,) = entry_points(group="console_scripts", name="tally")
    assert tally.load() is main
