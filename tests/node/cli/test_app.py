"""The command line as a process: fast, helpful, and strict about usage."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import Result

from node.cli.app import app
from node.config import SETTINGS
from node.processes import our_environment, our_python

Tally = Callable[..., Result]

HEAVY = ("web3", "eth_account", "eth_keyfile", "eth_abi", "trio", "rich", "rocksdict", "structlog")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        our_python("node", *arguments),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=our_environment(),
        check=False,
    )


def test_help_lists_the_commands_from_any_directory(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("devnet", "init", "run", "demo", "audit", "open", "pay", "close"):
        assert command in done.stdout


def test_no_command_at_all_is_bad_usage_and_shows_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["status", "--nonsense"], ["pay", "0xab"], ["open", "x", "1.5"]]
)
def test_bad_usage_exits_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize("amount", ["-5", "-5gwei", "-0.5eth", "-.5"])
@pytest.mark.parametrize("command", ["pay", "open"])
def test_a_negative_amount_is_no_unknown_option(tally: Tally, command: str, amount: str) -> None:
    done = tally(command, "0x" + "11" * 20, amount)
    assert done.exit_code == 2
    assert "amounts are positive" in done.stderr
    assert "No such option" not in done.stderr


def test_a_misspelt_option_is_still_one(tally: Tally) -> None:
    done = tally("pay", "0x1234", "5", "--memmo", "x")
    assert done.exit_code == 2
    assert "No such option: --memmo" in done.stderr


def test_the_command_tree_loads_nothing_heavy() -> None:
    probe = f"import sys, node.cli.app; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_every_command_and_every_option_of_its_own_is_in_the_reference() -> None:
    page = (DOCS / "cli.md").read_text()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        commands = getattr(command, "commands", {"": command})
        for sub_name, sub_command in commands.items():
            heading = f"### `tally {name} {sub_name}".rstrip()
            assert heading in page, heading
            section = page.partition(heading)[2].partition("\n#")[0]
            everywhere = page.partition("## Set up")[0]
            for parameter in sub_command.params:
                options = [*parameter.opts, *parameter.secondary_opts]
                documented = any(o in section or o in everywhere for o in options)
                assert documented or not options[0].startswith("-"), (heading, options)


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    page = (DOCS / "configuration.md").read_text()
    for setting in SETTINGS:
        default = "required" if setting.default is None else setting.default
        shown = {True: "`true`", False: "`false`"}.get(default) if type(default) is bool else None
        cell = shown or ("none" if default in ({}, []) else default)
        row = rf"^\| `{re.escape(setting.name)}` \| `?{re.escape(str(cell).strip('`'))}`? \|"
        assert re.search(row, page, re.MULTILINE), setting.name
