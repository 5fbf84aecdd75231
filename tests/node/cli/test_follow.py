"""`tally events --follow`: nothing lost, nothing twice, whatever becomes of the connection."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
import trio

from node.cli.failures import CommandFailed
from node.cli.follow import follow, follow_events, print_line
from node.processes import our_environment, our_python
from node.rpc.call import RpcEndpoint, RpcUnreachable
from protocols import events
from tests.support.rpc_node import RecordingNode, serve


def digest(node: RecordingNode, number: int) -> None:
    node.record_event(events.StateDigestRecorded(number.to_bytes(32, "big"), 1, False, 0))


async def test_a_lost_connection_costs_no_record_and_shows_none_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = RecordingNode()
    shown: list[int] = []
    endpoint: list[RpcEndpoint] = []

    def find() -> RpcEndpoint:
        if not endpoint:
            raise CommandFailed("the node is not running")
        return endpoint[0]

    def show(record: dict[str, Any]) -> None:
        shown.append(record["seq"])

    async def until_shown(count: int) -> None:
        with trio.fail_after(20):
            while len(shown) < count:
                await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        for start in range(2):
            async with trio.open_nursery() as serving:
                endpoint[:] = [await serve(serving, node)]
                if start == 0:
                    nursery.start_soon(follow, find, 1, {}, show)
                digest(node, 2 * start)
                await until_shown(len(node.entries) - 1)
                endpoint.clear()
                serving.cancel_scope.cancel()
            digest(node, 2 * start + 1)
        nursery.cancel_scope.cancel()
    assert shown == [1, 2, 3]
    assert "waiting for the node, to go on at record 2" in capsys.readouterr().err


async def test_a_node_that_was_never_there_is_a_failure() -> None:
    def find() -> RpcEndpoint:
        raise CommandFailed("the node is not running")

    with pytest.raises(CommandFailed):
        await follow(find, 0, {}, print)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, BrokenPipeError])
def test_a_closed_pipe_and_ctrl_c_are_the_usual_end(
    ending: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find() -> RpcEndpoint:
        raise ending

    follow_events(find, 0, {}, print)


def test_anything_else_is_no_usual_end() -> None:
    def find() -> RpcEndpoint:
        raise RpcUnreachable("gone")

    with pytest.raises((RpcUnreachable, BaseExceptionGroup)):
        follow_events(find, 0, {}, print)


def test_a_line_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = {"seq": 1, "payload": {"memo": "a\nb\x1b"}}
    print_line(record)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == record
    assert "\x1b" not in line


@pytest.mark.e2e
def test_payments_show_as_they_are_made_until_ctrl_c(
    tally_json, network, channel_id, alice_dir
) -> None:
    arguments = [
        "events",
        "--follow",
        "--json",
        "--name",
        "voucher-issued",
        "--dir",
        str(alice_dir),
    ]
    start = tally_json("events", "--limit", "1", "--dir", alice_dir)["next_seq"]
    following = subprocess.Popen(
        our_python("node", *arguments, "--from", str(start)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=our_environment(),
    )
    with following:
        try:
            for amount in ("3", "4"):
                paid = tally_json("pay", channel_id, amount, "--dir", alice_dir)
                assert following.stdout is not None
                record = json.loads(following.stdout.readline())
                assert record["payload"]["payment_id"] == paid["payment_id"]
        finally:
            following.send_signal(signal.SIGINT)
        rest, errors = following.communicate(timeout=60)
    assert (following.returncode, rest, errors) == (0, "", "")
