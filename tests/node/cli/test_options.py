"""The shared options mean the same everywhere."""

import inspect
from typing import get_type_hints

import pytest
import typer
from typer.main import get_command

from node.cli.app import app
from node.cli.options import NATIVE, AsJson, NodeDir, amount_in, written_amount


def commands() -> dict[str, object]:
    return {
        str(info.name or info.callback.__name__): info.callback for info in app.registered_commands
    }  # type: ignore[union-attr]


def test_every_reading_command_takes_json() -> None:
    reading = {"status", "channels", "objectives", "events", "call", "audit", "version", "demo"}
    reading |= {"quote", "hub", "recovery", "backup", "sql"}
    for name, command in commands().items():
        if name in reading:
            assert "as_json" in inspect.signature(command).parameters, name  # type: ignore[arg-type]


def test_directory_and_json_are_declared_once_for_all() -> None:
    for name, command in commands().items():
        hints = get_type_hints(command, include_extras=True)
        if "directory" in hints and name != "init":
            assert hints["directory"] == NodeDir, name
        if "as_json" in hints and name != "call":
            assert hints["as_json"] == AsJson, name


def test_the_command_tree_is_complete() -> None:
    listed = get_command(app).commands  # type: ignore[attr-defined]
    assert set(listed) == {
        *("devnet", "init", "config", "run", "demo", "open", "pay", "close", "approve", "reject"),
        *("status", "channels", "objectives", "events", "call", "audit", "version"),
        *("ledger", "quote", "hub", "backup", "restore", "recovery"),
        *("diff", "explain", "simulate", "books", "timeline", "prove", "verify-proof"),
        "sql",
        *("challenge", "exit", "resume", "dispute"),
        *("reducer", "sink", "app"),
    }


def test_a_wrong_amount_is_bad_usage_with_the_reason_alone() -> None:
    assert written_amount("3gwei") == "3gwei"
    with pytest.raises(typer.BadParameter) as caught:
        written_amount("1.5")
    assert caught.value.message == "1.5 is not a whole number of wei"


def test_what_an_amount_may_be_depends_on_its_asset() -> None:
    assert amount_in(NATIVE, "3gwei") == 3 * 10**9
    assert amount_in("0x" + "70" * 20, "3000") == 3_000
    with pytest.raises(typer.BadParameter, match="smallest units"):
        amount_in("0x" + "70" * 20, "3gwei")
