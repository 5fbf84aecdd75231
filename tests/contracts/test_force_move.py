"""Challenge, checkpoint and conclude: what becomes a channel's last word, and its status word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.contract_calls import RevertedError
from tests.support.contract_tables import frozen
from tests.support.nitro_chain import ALICE, BOB, DURATION_S, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    Actor,
    Channel,
    Signature,
    SignedVariablePart,
    VariablePart,
    fingerprint,
    keccak,
    outcome_of,
    simple,
    state,
    state_hash,
    status_word,
)

pytestmark = pytest.mark.e2e

OUTCOME = outcome_of(simple(ALICE.destination, 6), simple(BOB.destination, 4))


def turn(turn_num: int) -> VariablePart:
    return state(OUTCOME, turn_num)


FINAL = state(OUTCOME, 9, is_final=True)
NO_STATE = int.from_bytes(keccak(bytes(64))[12:], "big")
"""The fingerprint of two zero hashes, which a checkpoint leaves."""


@pytest.fixture
def ledger(nitro: Nitro) -> Channel:
    return nitro.ledger(ALICE, BOB)


def send_challenge(nitro: Nitro, ledger: Channel, signed: SignedVariablePart) -> Any:
    wish = ledger.challenger_signature(signed[0], ALICE)
    return nitro.adjudicator.send("challenge", ledger.fixed_part, [], signed, wish)


def test_a_channel_never_seen_has_a_zero_word(nitro: Nitro, ledger: Channel) -> None:
    assert nitro.adjudicator.call("statusOf", ledger.channel_id) == bytes(32)
    assert nitro.status(ledger) == (0, 0, 0)


def test_a_challenge_packs_turn_deadline_and_fingerprint_into_the_status_word(
    nitro: Nitro, ledger: Channel
) -> None:
    receipt = send_challenge(nitro, ledger, ledger.signed(turn(5)))
    finalizes_at = receipt.timestamp_s + DURATION_S
    expected = fingerprint(state_hash(ledger.channel_id, turn(5)), OUTCOME)
    word = nitro.adjudicator.call("statusOf", ledger.channel_id)
    assert word == status_word(5, finalizes_at, expected)
    assert nitro.status(ledger) == (5, finalizes_at, expected)


def test_a_challenge_tells_everything_needed_to_answer_it(nitro: Nitro, ledger: Channel) -> None:
    signed = ledger.signed(turn(5))
    receipt = send_challenge(nitro, ledger, signed)
    (event,) = receipt.named("ChallengeRegistered")
    assert event["channelId"] == ledger.channel_id
    assert event["finalizesAt"] == receipt.timestamp_s + DURATION_S
    assert event["proof"] == ()
    ((outcome, app_data, turn_num, is_final), signatures) = event["candidate"]
    assert (app_data, turn_num, is_final) == (b"", 5, False)
    assert outcome[0][2] == tuple(OUTCOME[0][2])
    assert list(signatures) == signed[1]


def test_a_running_challenge_yields_only_to_a_higher_turn(nitro: Nitro, ledger: Channel) -> None:
    nitro.challenge(ledger, ledger.signed(turn(5)))
    for lower_or_equal in (4, 5):
        with pytest.raises(RevertedError, match=r"^turnNumRecord not increased\.$"):
            nitro.challenge(ledger, ledger.signed(turn(lower_or_equal)))
    nitro.rpc.pass_time(DURATION_S // 2)
    receipt = send_challenge(nitro, ledger, ledger.signed(turn(6)))
    turn_num_record, finalizes_at, _ = nitro.status(ledger)
    assert (turn_num_record, finalizes_at) == (6, receipt.timestamp_s + DURATION_S)


def test_an_open_channel_can_be_challenged_at_its_recorded_turn_but_not_below(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], ledger.signed(turn(5)))
    with pytest.raises(RevertedError, match=r"^turnNumRecord decreased\.$"):
        nitro.challenge(ledger, ledger.signed(turn(4)))
    nitro.challenge(ledger, ledger.signed(turn(5)))
    assert nitro.status(ledger)[0] == 5


def test_a_challenge_finalises_when_its_time_is_over_and_not_before(
    nitro: Nitro, ledger: Channel
) -> None:
    message_hash = nitro.challenge(ledger, ledger.signed(turn(5)))
    pay_all = (ledger.channel_id, OUTCOME, message_hash)
    nitro.rpc.pass_time(DURATION_S - 10)
    with pytest.raises(RevertedError, match=r"^Channel not finalized\.$"):
        nitro.adjudicator.send("transferAllAssets", *pay_all)
    nitro.rpc.pass_time(11)
    nitro.adjudicator.send("transferAllAssets", *pay_all)


def test_a_finalised_channel_refuses_challenge_checkpoint_and_conclude(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.finalise(ledger, ledger.signed(turn(5)))
    later = ledger.signed(turn(6))
    calls: list[tuple[Any, ...]] = [
        ("challenge", ledger.fixed_part, [], later, ledger.challenger_signature(turn(6), BOB)),
        ("checkpoint", ledger.fixed_part, [], later),
        ("conclude", ledger.fixed_part, ledger.signed(FINAL)),
        ("concludeAndTransferAllAssets", ledger.fixed_part, ledger.signed(FINAL)),
    ]
    for call in calls:
        with pytest.raises(RevertedError, match=r"^Channel finalized\.$"):
            nitro.adjudicator.send(*call)


@pytest.mark.parametrize("challenger", [ALICE, BOB], ids=["first", "last"])
def test_any_participant_may_challenge_through_anybodys_transaction(
    nitro: Nitro, ledger: Channel, challenger: Actor
) -> None:
    nitro.challenge(ledger, ledger.signed(turn(5)), challenger=challenger)
    assert nitro.status(ledger)[0] == 5


def test_a_stranger_cannot_challenge(nitro: Nitro, ledger: Channel) -> None:
    with pytest.raises(RevertedError, match=r"^Challenger is not a participant$"):
        nitro.challenge(ledger, ledger.signed(turn(5)), challenger=MALLORY)


def test_the_wish_to_challenge_belongs_to_one_state(nitro: Nitro, ledger: Channel) -> None:
    wish = ledger.challenger_signature(turn(4), ALICE)
    with pytest.raises(RevertedError, match=r"^Challenger is not a participant$"):
        nitro.adjudicator.send("challenge", ledger.fixed_part, [], ledger.signed(turn(5)), wish)


@pytest.mark.parametrize("v", [0, 1, 26, 29])
def test_a_signature_needs_v_27_or_28(nitro: Nitro, ledger: Channel, v: int) -> None:
    variable_part, signatures = ledger.signed(turn(5))
    spoilt: list[Signature] = [(v, *signatures[0][1:]), signatures[1]]
    with pytest.raises(RevertedError, match=r"^Invalid signature$"):
        nitro.challenge(ledger, (variable_part, spoilt))


def test_a_state_the_app_does_not_support_is_refused_with_the_apps_reason(
    nitro: Nitro, ledger: Channel
) -> None:
    half = ledger.signed(turn(5), [ALICE])
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.challenge(ledger, half)
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], half)
    whole = ledger.signed(turn(5))
    with pytest.raises(RevertedError, match=r"^\|proof\|!=0$"):
        nitro.challenge(ledger, whole, proof=[whole])


def test_an_app_that_answers_no_is_believed(nitro: Nitro) -> None:
    app = nitro.rpc.deploy("test/RefusingApp")
    channel = Channel((ALICE, BOB), app.address)
    with pytest.raises(RevertedError, match=r"^this app supports nothing$"):
        nitro.challenge(channel, channel.signed(turn(5)))
    answer = nitro.adjudicator.call(
        "stateIsSupported", channel.fixed_part, [], channel.signed(turn(5))
    )
    assert answer == (False, "this app supports nothing")


def test_an_app_without_code_supports_nothing(nitro: Nitro) -> None:
    channel = Channel((ALICE, BOB), HUB.address)
    with pytest.raises(RevertedError):
        nitro.challenge(channel, channel.signed(turn(5)))


def test_support_can_be_asked_without_a_transaction(nitro: Nitro, ledger: Channel) -> None:
    signed = ledger.signed(turn(5))
    question = ("stateIsSupported", ledger.fixed_part, [], signed)
    assert nitro.adjudicator.call(*question) == (True, "")


def test_a_strangers_signature_adds_nothing_and_takes_nothing(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.challenge(ledger, ledger.signed(turn(5), [MALLORY, BOB, ALICE]))
    assert nitro.status(ledger)[0] == 5


def test_a_checkpoint_clears_a_challenge(nitro: Nitro, ledger: Channel) -> None:
    nitro.challenge(ledger, ledger.signed(turn(5)))
    receipt = nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], ledger.signed(turn(6)))
    cleared = {"channelId": ledger.channel_id, "newTurnNumRecord": 6}
    assert receipt.named("ChallengeCleared") == [cleared]
    assert receipt.named("Checkpointed") == []
    assert nitro.status(ledger) == (6, 0, NO_STATE)


def test_a_checkpoint_tells_the_signatures_it_was_made_with(nitro: Nitro, ledger: Channel) -> None:
    signed = ledger.signed(turn(6), [BOB, MALLORY, ALICE])
    receipt = nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], signed)
    told = {
        "channelId": ledger.channel_id,
        "turnNum": 6,
        "stateHash": state_hash(ledger.channel_id, turn(6)),
        "sigs": frozen(signed[1]),
    }
    assert [frozen(event["sigs"]) for event in receipt.named("CheckpointSigned")] == [told["sigs"]]
    assert [{**event, "sigs": told["sigs"]} for event in receipt.named("CheckpointSigned")] == [
        told
    ]
    names = [event.name for event in receipt.events]
    # Behind Nitro's: whoever reads in order knows the record when it learns who signed.
    assert names == ["Checkpointed", "CheckpointSigned"]


def test_a_checkpoint_without_a_challenge_raises_the_record(nitro: Nitro, ledger: Channel) -> None:
    receipt = nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], ledger.signed(turn(1)))
    raised = {"channelId": ledger.channel_id, "newTurnNumRecord": 1}
    assert receipt.named("Checkpointed") == [raised]
    assert receipt.named("ChallengeCleared") == []
    word = nitro.adjudicator.call("statusOf", ledger.channel_id)
    assert word == status_word(1, 0, NO_STATE)


@pytest.mark.parametrize("challenged", [False, True])
def test_a_checkpoint_needs_a_higher_turn(nitro: Nitro, ledger: Channel, challenged: bool) -> None:
    if challenged:
        nitro.challenge(ledger, ledger.signed(turn(5)))
    else:
        nitro.adjudicator.send("checkpoint", ledger.fixed_part, [], ledger.signed(turn(5)))
    for turn_num in (4, 5):
        with pytest.raises(RevertedError, match=r"^turnNumRecord not increased\.$"):
            nitro.adjudicator.send(
                "checkpoint", ledger.fixed_part, [], ledger.signed(turn(turn_num))
            )


@pytest.mark.parametrize("challenged", [False, True])
def test_conclude_finalises_at_once(nitro: Nitro, ledger: Channel, challenged: bool) -> None:
    if challenged:
        nitro.challenge(ledger, ledger.signed(turn(500)))
    receipt = nitro.adjudicator.send("conclude", ledger.fixed_part, ledger.signed(FINAL))
    word = nitro.adjudicator.call("statusOf", ledger.channel_id)
    assert word == status_word(0, receipt.timestamp_s, fingerprint(bytes(32), OUTCOME))
    assert receipt.named("Concluded") == [
        {"channelId": ledger.channel_id, "finalizesAt": receipt.timestamp_s}
    ]
    assert receipt.named("OutcomeConcluded") == [
        {"channelId": ledger.channel_id, "amounts": (6, 4)}
    ]


def test_conclude_needs_a_final_state(nitro: Nitro, ledger: Channel) -> None:
    with pytest.raises(RevertedError, match=r"^State must be final$"):
        nitro.adjudicator.send("conclude", ledger.fixed_part, ledger.signed(turn(5)))


@pytest.mark.parametrize(
    "signers",
    [[], [ALICE], [BOB], [ALICE, ALICE], [ALICE, MALLORY]],
    ids=["nobody", "alice", "bob", "alice twice", "alice and a stranger"],
)
def test_conclude_needs_everybody(nitro: Nitro, ledger: Channel, signers: list[Actor]) -> None:
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("conclude", ledger.fixed_part, ledger.signed(FINAL, signers))


def test_conclude_takes_signatures_in_any_order_and_more_than_once(
    nitro: Nitro, ledger: Channel
) -> None:
    signed = ledger.signed(FINAL, [BOB, ALICE, BOB])
    nitro.adjudicator.send("conclude", ledger.fixed_part, signed)
    assert nitro.status(ledger)[1] != 0


def test_a_channel_with_one_participant_twice_can_never_conclude(nitro: Nitro) -> None:
    channel = nitro.ledger(ALICE, HUB, ALICE)
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("conclude", channel.fixed_part, channel.signed(FINAL))


def test_a_channel_of_nobody_has_no_unanimous_state(nitro: Nitro) -> None:
    channel = nitro.ledger()
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("conclude", channel.fixed_part, (FINAL, []))


def test_more_participants_than_bits_are_refused_rather_than_forgotten(nitro: Nitro) -> None:
    crowd = nitro.ledger(*[ALICE] * 256)
    with pytest.raises(RevertedError, match=r"^Too many participants$"):
        nitro.adjudicator.send("conclude", crowd.fixed_part, crowd.signed(FINAL, [ALICE]))


def test_signatures_for_one_channel_are_worth_nothing_in_another(nitro: Nitro) -> None:
    one, other = nitro.ledger(ALICE, BOB, nonce=1), nitro.ledger(ALICE, BOB, nonce=2)
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("conclude", other.fixed_part, one.signed(FINAL))


def test_a_duration_of_zero_finalises_at_once_as_in_nitro(nitro: Nitro) -> None:
    channel = Channel((ALICE, BOB), nitro.consensus_app.address, 1, challenge_duration_s=0)
    nitro.challenge(channel, channel.signed(turn(5)))
    with pytest.raises(RevertedError, match=r"^Channel finalized\.$"):
        nitro.challenge(channel, channel.signed(turn(6)))


def test_a_deadline_the_status_word_cannot_hold_is_refused(nitro: Nitro) -> None:
    """Its highest bit says that a channel was paid."""
    now_s = int(nitro.rpc.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    for duration_s in (2**47 - now_s, 2**47, 2**48 - 1):
        channel = Channel((ALICE, BOB), nitro.consensus_app.address, 1, duration_s)
        with pytest.raises(RevertedError, match=r"^Challenge never ends$"):
            nitro.challenge(channel, channel.signed(turn(5)))
    longest = Channel((ALICE, BOB), nitro.consensus_app.address, 1, 2**47 - now_s - 1_000)
    nitro.challenge(longest, longest.signed(turn(5)))
    assert 2**47 - 1_000 <= nitro.status(longest)[1] < 2**47
