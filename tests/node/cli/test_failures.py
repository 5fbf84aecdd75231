"""One report per failure, in words or as JSON; bugs keep their traceback."""

import json

import pytest
import typer

from node.cli.failures import CommandFailed, as_failure, report, reports_failures
from node.config import ConfigError
from node.deployment import DevnetError
from node.keys import KeystoreError
from node.rpc.call import RpcError, RpcUnreachable
from node.rpc.token import TokenUnusable
from node.store.errors import LogInUse

REFUSAL = RpcError(
    1206,
    "only 5 left",
    {"name": "AMOUNT_ABOVE_DEPOSIT", "values": {"left": "5"}, "next_step": "pay less"},
)


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (REFUSAL, "AMOUNT_ABOVE_DEPOSIT", "only 5 left"),
        (RpcUnreachable("no answer from 127.0.0.1:1"), "NODE_UNREACHABLE", "no answer"),
        (ConfigError("a.b", 1, "flag", "is wrong", "Mend it"), "CONFIG_ERROR", "a.b = 1"),
        (KeystoreError("no key", "Make one"), "KEYSTORE_ERROR", "no key"),
        (DevnetError("no chain", "Start one"), "DEVNET_ERROR", "no chain"),
        (TokenUnusable("no token"), "TOKEN_UNUSABLE", "no token"),
        (LogInUse("/x"), "LOG_IN_USE", "/x is open"),
        (OSError(98, "Address in use"), "OS_ERROR", "Address in use"),
        (CommandFailed("no", name="MINE"), "MINE", "no"),
    ],
)
def test_every_expected_error_has_a_name_and_words(error: Exception, name: str, words: str) -> None:
    failure = as_failure(error)
    assert failure is not None
    assert failure.name == name
    assert words in failure.message


def test_a_bug_is_no_failure() -> None:
    assert as_failure(AssertionError("bug")) is None

    @reports_failures
    def buggy() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        buggy()


def test_for_a_person_the_report_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    report(CommandFailed("it broke", "mend it", values={"a": "1"}, retry_safe=True), as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: it broke\n  a = 1\nwhat to do: mend it\n" in err
    assert "safely be repeated" in err


def test_a_person_reads_amounts_with_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"amount": str(2 * 10**18), "remaining": "2", "channel_id": "0x02"}
    message = f"{values['amount']} is above the 2 that remain of 0x02"
    report(CommandFailed(message, values=values), as_json=False)
    err = capsys.readouterr().err
    assert "error: 2 ETH is above the 2 wei that remain of 0x02\n" in err
    assert "  amount = 2 ETH\n  remaining = 2 wei\n  channel_id = 0x02\n" in err
    report(CommandFailed(message, values=values), as_json=True)
    assert json.loads(capsys.readouterr().out)["error"]["values"] == values


def test_with_json_the_report_is_the_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    @reports_failures
    def command(as_json: bool = False) -> None:
        raise REFUSAL

    with pytest.raises(typer.Exit) as caught:
        command(as_json=True)
    assert caught.value.exit_code == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == {
        "name": "AMOUNT_ABOVE_DEPOSIT",
        "message": "only 5 left",
        "values": {"left": "5"},
        "retry_safe": False,
        "next_step": "pay less",
    }
