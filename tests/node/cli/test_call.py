"""`tally call`."""

import json

import pytest
import typer

from node.cli.call import PATIENCE_S, parse_parameters
from node.rpc.bounds import ANSWER_TIMEOUT_S


def test_text_and_json_parameters_are_told_apart() -> None:
    given = ["amount=1000", "limit:=5", "memo=a=b", "empty=", "flag:=true"]
    assert parse_parameters(given) == {
        "amount": "1000",
        "limit": 5,
        "memo": "a=b",
        "empty": "",
        "flag": True,
    }


@pytest.mark.parametrize(
    "texts", [["x"], ["=1"], [":=1"], ["a=1", "a=2"], ["a:=x"], ["timeout_s:=1"]]
)
def test_what_is_no_parameter_is_bad_usage(texts: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_parameters(texts)


def test_the_node_s_own_word_that_nothing_came_is_waited_for() -> None:
    assert PATIENCE_S > ANSWER_TIMEOUT_S


@pytest.mark.e2e
def test_any_method_can_be_called(tally, tally_json, alice_dir, channel_id) -> None:
    result = tally("call", "node_status", "--dir", alice_dir)
    assert json.loads(result.stdout)["name"] == "alice"
    page = tally_json("call", "log_read", "from_seq:=0", "limit:=2", "--dir", alice_dir)
    assert page["next_seq"] == 2
    paid = ["payment_send", f"channel_id={channel_id}", "amount=1", "--dir", alice_dir]
    assert tally_json("call", *paid)["channel_id"] == channel_id


@pytest.mark.e2e
def test_the_nodes_refusals_come_through(tally_json, alice_dir) -> None:
    refused = tally_json("call", "no_such_method", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "METHOD_NOT_FOUND"
    refused = tally_json("call", "log_read", "limit=two", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "INVALID_PARAMS"
