"""Every alarm names the channel, the deadline as a date and in blocks, and the next command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from node import alarms
from node.alarms import alarm_rows, alarms_of, alarms_of_apps, alarms_of_room
from node.chain.link import ChainTrouble
from protocols import commands, events, inputs
from protocols.app_channel import LEADER
from protocols.channel import Channel, challenge_end
from protocols.exit_events import ChallengeUnanswerable
from protocols.transactions import OUTCOME_MISMATCH, intent_id
from protocols.types import to_hex
from tests.support.actors import ALICE
from tests.support.app_rig import APP_CHANNEL, opened_app
from tests.support.builders import (
    ADJUDICATOR,
    CHANNEL,
    DEPOSIT,
    block_hash,
    chain_log,
    open_command,
    tx_hash,
)
from tests.support.exit_rig import until, wait_out
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, opened

INTENT = intent_id("challenge", CHANNEL, 0)
DEADLINE_S = 1_704_070_800


def held_back() -> CoreNode:
    alice = opened().alice
    call = (INTENT, "challenge", CHANNEL, ADJUDICATOR, bytes(32), b"", DEADLINE_S)
    alice.record(events.TransactionRequested(*call))
    alice.feed(inputs.TransactionHeldBack(INTENT, 600, 500, 7, 300))
    return alice


def halted() -> CoreNode:
    alice = opened().alice
    alice.feed(inputs.ChainHead(5, block_hash(5)))
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    return alice


def test_a_node_in_peace_has_no_alarm() -> None:
    assert list(alarms_of(opened().alice.state)) == []


def test_what_the_ceiling_holds_back_is_told_with_its_deadline_and_the_next_command() -> None:
    (row,) = alarm_rows(alarms_of(held_back().state), lambda time_s: time_s - DEADLINE_S + 299)
    assert (row["name"], row["channel_id"]) == ("transaction-held-back", to_hex(CHANNEL))
    assert (row["deadline"], row["blocks_left"]) == ("2024-01-01 01:00:00 UTC", 299)
    assert "tally run -c DIR --set chain.fee_ceiling_gwei=N" in str(row["next_step"])


def test_it_is_over_when_it_is_mined() -> None:
    alice = held_back()
    alice.feed(inputs.TransactionSigned(INTENT, tx_hash(9), ALICE.address, 4, b"raw"))
    assert list(alarms_of(alice.state)) != []
    where = (9, block_hash(9), 50_000, 7, True)
    alice.feed(inputs.TransactionReceipt(INTENT, tx_hash(9), *where))
    assert list(alarms_of(alice.state)) == []


def test_a_halted_channel_is_told_with_what_counted_and_is_over_when_it_goes_on() -> None:
    alice = halted()
    (alarm,) = alarms_of(alice.state)
    assert (alarm.name, alarm.channel_id) == ("channel-halted", CHANNEL)
    assert f"{DEPOSIT} held, open" in alarm.what
    assert f"tally close {to_hex(CHANNEL)}" in alarm.next_step
    assert alarm_rows([alarm], lambda time_s: 1)[0]["deadline"] is None
    alice.feed(inputs.ChannelRead(CHANNEL, bytes(20), DEPOSIT, 0, block_hash(0), 0))
    assert list(alarms_of(alice.state)) == []


def test_alarms_are_there_again_after_a_replay() -> None:
    for node in (held_back(), halted()):
        assert list(alarms_of(node.fold())) == list(alarms_of(node.state)) != []


def test_a_trouble_of_the_moment_names_the_channel_and_deadline_of_its_transaction() -> None:
    state = held_back().state
    troubles = [
        ChainTrouble("no-endpoint", "none answers", "start one"),
        ChainTrouble("transaction-waits", "no coin", "send some", INTENT),
        ChainTrouble("transaction-waits", "no coin", "send some", bytes(32)),
    ]
    rows = alarm_rows(alarms_of_room(state, troubles), lambda time_s: 5)
    assert [(row["channel_id"], row["deadline"], row["blocks_left"]) for row in rows] == [
        (None, None, None),
        (to_hex(CHANNEL), "2024-01-01 01:00:00 UTC", 5),
        (None, None, None),
    ]


def test_a_challenge_that_nothing_outranks_is_an_alarm_while_it_runs() -> None:
    bob = opened().bob
    ends_s = DEADLINE_S
    bob.feed(chain_log("ChallengeRegistered", 5, confirmed=False, number=ends_s, turn_num=9))
    bob.record(ChallengeUnanswerable(CHANNEL, 9, 1, ends_s, bytes(20), bytes(32)))
    (alarm,) = alarms_of(bob.state)
    assert (alarm.name, alarm.channel_id) == ("challenge-unanswerable", CHANNEL)
    assert (alarm.deadline_s, f"tally exit {to_hex(CHANNEL)}" in alarm.next_step) == (ends_s, True)
    bob.feed(chain_log("ChallengeCleared", 6, confirmed=False, number=10))
    assert list(alarms_of(bob.state)) == []


def challenged() -> CoreNode:
    """A challenge runs."""
    alice = opened().alice
    alice.feed(chain_log("ChallengeRegistered", 5, confirmed=False, number=DEADLINE_S, turn_num=1))
    return alice


def test_a_trouble_of_the_chain_names_the_channel_whose_challenge_ends_first() -> None:
    alice = challenged()
    troubles = [ChainTrouble("no-endpoint", "none answers", "start one")]
    (row,) = alarm_rows(alarms_of_room(alice.state, troubles), lambda time_s: 7)
    assert (row["channel_id"], row["deadline"]) == (to_hex(CHANNEL), "2024-01-01 01:00:00 UTC")
    assert row["blocks_left"] == 7
    other = another_channel(alice)
    for block_num, ends_s, first in ((6, DEADLINE_S + 1, CHANNEL), (7, DEADLINE_S - 1, other)):
        theirs = {"channel_id": other, "number": ends_s, "turn_num": block_num}
        alice.feed(chain_log("ChallengeRegistered", block_num, confirmed=False, **theirs))
        assert [one.channel_id for one in alarms_of_room(alice.state, troubles)] == [first]
    for block_num, channel_id in ((8, other), (9, CHANNEL)):
        over = {"channel_id": channel_id, "number": 9}
        alice.feed(chain_log("ChallengeCleared", block_num, confirmed=False, **over))
    assert [one.channel_id for one in alarms_of_room(alice.state, troubles)] == [None]


def another_channel(node: CoreNode) -> bytes:
    """One that the node proposes to the same peer."""
    node.feed(open_command(request_id="another", nonce_entropy=b"more"))
    return next(known for known in node.state.channels if known != CHANNEL)


def test_the_challenges_are_looked_at_once_however_many_troubles_the_chain_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[Channel] = []

    def counted(channel: Channel) -> int:
        looked_at.append(channel)
        return challenge_end(channel)

    alice = challenged()
    monkeypatch.setattr(alarms, "challenge_end", counted)
    troubles = [ChainTrouble("endpoint-outvoted", "it lies", "ask another")] * 10
    found = list(alarms_of_room(alice.state, troubles))
    assert [alarm.channel_id for alarm in found] == [CHANNEL] * 10
    assert len(looked_at) == 1


def test_a_halted_channel_under_a_challenge_names_its_deadline() -> None:
    alice = challenged()
    alice.feed(inputs.ChainHead(5, block_hash(5)))
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    alice.feed(chain_log("ChallengeRegistered", 5, confirmed=False, number=DEADLINE_S, turn_num=1))
    assert [one.deadline_s for one in alarms_of(alice.state)] == [DEADLINE_S]


def alarm_calls() -> Iterator[ast.Call]:
    """Every alarm and every trouble that the node's sources make."""
    for path in sorted(Path(alarms.__file__).parent.rglob("*.py")):
        for found in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(found, "func", None), "id", "")
            if isinstance(found, ast.Call) and name in ("Alarm", "ChainTrouble"):
                yield found


def test_every_alarm_says_what_to_type_and_which_channel_it_is_about() -> None:
    written = [call for call in alarm_calls() if isinstance(call.args[0], ast.Constant)]
    names = sorted(str(call.args[0].value) for call in written)  # type: ignore[attr-defined]
    assert names == [
        "app-channel-halted", "app-view-failing",
        "chain-stalled", "challenge-unanswerable", "channel-halted", "endpoint-outvoted",
        "endpoint-swallows", "exit-blocked", "no-endpoint", "nonce-missing", "outcome-mismatch",
        "quorum-missing", "transaction-held-back", "transaction-waits",
    ]  # fmt: skip
    for call in written:
        name, next_step = ast.unparse(call.args[0]), ast.unparse(call.args[2])
        assert any(command in next_step for command in ("tally ", "cast send")), name
        if getattr(call.func, "id", "") == "Alarm":
            # Of the chain's troubles `alarms_of_room` knows the channel.
            assert "channel_id" in ast.unparse(call.args[3]), name


def refused(node: CoreNode, reason: str) -> None:
    """The chain room will not send the node's newest order."""
    node.feed(inputs.TransactionRefused(node.submissions.pop().intent_id, reason))


def test_an_outcome_that_is_not_the_chains_is_an_alarm_at_the_second_refusal_in_a_row() -> None:
    network = opened_ledger()
    alice = network.alice
    alice.feed(commands.ChallengeChannel(LEDGER))
    wait_out(network, alice, LEDGER)
    until(network, alice, lambda: alice.channel(LEDGER).chain_status == "expired")
    alice.submissions.clear()
    alice.record(events.TransactionFailed(newest_transfer(alice), OUTCOME_MISMATCH))
    assert list(alarms_of(alice.state)) == [], "a stranger may have been quicker"
    alice.now_ms += 10_000
    alice.feed(inputs.Tick())
    refused(alice, OUTCOME_MISMATCH)
    (alarm,) = alarms_of(alice.state)
    assert (alarm.name, alarm.channel_id) == ("outcome-mismatch", LEDGER)
    assert "tally audit" in alarm.next_step
    assert list(alarms_of(alice.fold())) == [alarm]
    # Another reason is another trouble.
    alice.now_ms += 20_000
    alice.feed(inputs.Tick())
    refused(alice, "Not enough gas for payout")
    assert list(alarms_of(alice.state)) == []


def newest_transfer(node: CoreNode) -> bytes:
    found = [e for e in node.events_of("transaction-requested") if e.kind == "transfer"]
    intent: bytes = found[-1].intent_id
    return intent


def test_a_newer_state_on_chain_than_ours_blocks_an_exit_and_is_an_alarm() -> None:
    alice = opened_ledger().alice
    seen = chain_log("Checkpointed", 100, confirmed=False, channel_id=LEDGER, number=7)
    alice.feed(seen)
    assert list(alarms_of(alice.state)) == [], "nobody wants to leave"
    alice.feed(commands.ExitChannel(LEDGER))
    (alarm,) = alarms_of(alice.state)
    assert (alarm.name, alarm.channel_id) == ("exit-blocked", LEDGER)
    assert "turn 7" in alarm.what
    assert f"tally close {to_hex(LEDGER)}" in alarm.next_step
    assert list(alarms_of(alice.fold())) == [alarm]
    # A challenge with it ends it: then there is something to wait for.
    alice.feed(
        chain_log(
            "ChallengeRegistered",
            101,
            confirmed=False,
            channel_id=LEDGER,
            number=10**10,
            turn_num=7,
        )
    )
    assert "exit-blocked" not in [known.name for known in alarms_of(alice.state)]


def test_a_payer_who_was_not_shown_the_redemption_on_record_is_told_that_she_cannot_leave() -> None:
    alice = opened().alice
    alice.feed(commands.ExitChannel(CHANNEL))
    alice.feed(chain_log("Checkpointed", 100, confirmed=False, number=2))
    alice.submissions.clear()
    alice.feed(inputs.Tick())
    (alarm,) = alarms_of(alice.state)
    assert (alarm.name, alarm.channel_id) == ("exit-blocked", CHANNEL)
    assert "turn 2 of it" in alarm.what


def test_an_application_whose_view_fails_says_what_to_do() -> None:
    (alarm,) = alarms_of_apps({b"\xc1" * 32: "no reducer 5e5e is installed"})
    assert (alarm.name, alarm.channel_id) == ("app-view-failing", b"\xc1" * 32)
    assert "no reducer 5e5e is installed" in alarm.what
    assert "tally app install" in alarm.next_step
    assert list(alarms_of_apps({})) == []


def test_an_application_that_both_halted_is_told_until_its_money_is_out() -> None:
    network = opened_app(LEADER)
    network.bob.bend = lambda verdict: replace(verdict, digest=bytes(32))
    network.alice.say(4)
    network.settle()
    halts = [
        [name for name in ("app-channel-halted", "app-halt-received") if node.events_of(name)]
        for node in (network.alice, network.bob)
    ]
    assert sorted(halts) == [["app-channel-halted"], ["app-halt-received"]]
    for node in (network.alice, network.bob):
        (alarm,) = alarms_of(node.state)
        assert (alarm.name, alarm.channel_id) == ("app-channel-halted", APP_CHANNEL)
        assert "after 0 messages that both signed (DIGEST_DIFFERS)" in alarm.what
        assert f"tally app close {to_hex(APP_CHANNEL)}" in alarm.next_step
        assert list(alarms_of(node.fold())) == [alarm]
    network.bob.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    assert list(alarms_of(network.alice.state)) == list(alarms_of(network.bob.state)) == []
