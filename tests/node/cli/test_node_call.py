"""Finding the node of a directory, and asking it."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
import typer

from node.cli.failures import CommandFailed
from node.cli.node_call import (
    ask,
    ask_to_spend,
    channel_id_of,
    find_endpoint,
    objective_id_of,
)
from node.cli.output import short
from node.rpc.call import RpcError, RpcUnreachable
from node.rpc.token import TokenUnusable, create_token
from tests.node.test_config import CHAIN


def home_with(tmp_path: Path, extra: str = "") -> Path:
    (tmp_path / "config.toml").write_text(CHAIN + extra)
    create_token(tmp_path / "rpc.token")
    return tmp_path


def write_rpc(home: Path, process_id: int) -> None:
    (home / "rpc.json").write_text(json.dumps({"rpc": "127.0.0.1:4321", "pid": process_id}))


def ended_process_id() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_fixed_port_is_the_configurations(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[rpc]\nlisten = "127.0.0.1:7402"\n')
    endpoint = find_endpoint(home)
    assert (endpoint.host, endpoint.port) == ("127.0.0.1", 7402)
    assert endpoint.token == (home / "rpc.token").read_text().strip()


def test_a_chosen_port_is_what_the_running_daemon_wrote(tmp_path: Path) -> None:
    home = home_with(tmp_path)
    write_rpc(home, os.getpid())
    endpoint = find_endpoint(home / "config.toml")
    assert (endpoint.host, endpoint.port) == ("127.0.0.1", 4321)


def test_a_node_that_was_never_started_is_not_running(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="not running") as caught:
        find_endpoint(home_with(tmp_path))
    assert "tally run" in caught.value.next_step


def test_a_killed_nodes_port_is_not_called_for_it_may_be_somebody_elses(tmp_path: Path) -> None:
    home = home_with(tmp_path)
    write_rpc(home, ended_process_id())
    with pytest.raises(CommandFailed, match="is gone"):
        find_endpoint(home)


def test_another_users_process_counts_as_running(tmp_path: Path) -> None:
    home = home_with(tmp_path)
    write_rpc(home, 1)
    assert find_endpoint(home).port == 4321


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rpc": "x", "pid": 1}', '{"rpc": "a:1"}'])
def test_a_damaged_port_file_is_no_running_node(tmp_path: Path, text: str) -> None:
    home = home_with(tmp_path)
    (home / "rpc.json").write_text(text)
    with pytest.raises(CommandFailed, match="cannot be read"):
        find_endpoint(home)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[rpc]\nlisten = "127.0.0.1:7402"\n')
    (home / "rpc.token").chmod(0o644)
    with pytest.raises(TokenUnusable):
        find_endpoint(home)


def test_nobody_at_the_port_is_unreachable(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[rpc]\nlisten = "127.0.0.1:1"\n')
    with pytest.raises(RpcUnreachable):
        ask(home, "node_status")


def test_a_payment_nobody_took_is_simply_unreachable(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[rpc]\nlisten = "127.0.0.1:1"\n')
    with pytest.raises(RpcUnreachable):
        ask_to_spend(home, "payment_send", request_id="mine")


def test_a_payment_without_an_answer_may_be_recorded_and_names_its_request(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        home = home_with(tmp_path, f'[rpc]\nlisten = "127.0.0.1:{port}"\n')
        with pytest.raises(CommandFailed, match="may or may not be recorded") as caught:
            ask_to_spend(home, "payment_send", request_id="mine", timeout_s=0.05)
    assert caught.value.name == "OUTCOME_UNKNOWN"
    assert caught.value.values == {"request_id": "mine"}
    assert "--request-id mine" in caught.value.next_step
    assert caught.value.retry_safe is False


@pytest.mark.parametrize("text", ["ab", "0x", "0x123", "0xzzzzzz", "0x" + "1" * 65, "x" * 500])
def test_what_is_no_id_is_bad_usage(tmp_path: Path, text: str) -> None:
    with pytest.raises(typer.BadParameter):
        channel_id_of(tmp_path, text)


def test_a_whole_id_is_taken_without_asking(tmp_path: Path) -> None:
    assert channel_id_of(tmp_path, "0x" + "AB" * 32) == "0x" + "ab" * 32


@pytest.mark.e2e
def test_the_beginning_of_an_id_is_enough(alice_dir: Path, channel_id: str) -> None:
    assert channel_id_of(alice_dir, channel_id[:12]) == channel_id
    assert channel_id_of(alice_dir, short(channel_id)) == channel_id
    wrong_end = f"{channel_id[:6]}…{int(channel_id[-4:], 16) ^ 1:04x}"
    with pytest.raises(CommandFailed, match="no channel of this node begins with .* and ends"):
        channel_id_of(alice_dir, wrong_end)
    objective_id = ask(alice_dir, "channel_get", channel_id=channel_id)["objective_ids"][0]
    assert objective_id_of(alice_dir, objective_id[:12].upper().replace("X", "x")) == objective_id


@pytest.mark.e2e
def test_an_id_that_no_channel_has_is_not_found(alice_dir: Path, channel_id: str) -> None:
    unknown = "0x" + f"{int(channel_id[2:10], 16) ^ 1:08x}"
    with pytest.raises(CommandFailed, match="no channel") as caught:
        channel_id_of(alice_dir, unknown)
    assert caught.value.name == "CHANNEL_NOT_FOUND"


@pytest.mark.e2e
def test_parameters_that_were_not_given_are_left_out(alice_dir: Path) -> None:
    assert ask(alice_dir, "channel_list", status=None)["channels"] is not None
    with pytest.raises(RpcError):
        ask(alice_dir, "channel_list", nonsense=1)
