"""Challenge, checkpoint and conclude: where the channel stands, who signed, what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.contract_tables import (
    Case,
    Change,
    Key,
    Row,
    Rows,
    frozen,
    next_time,
    status_of,
)
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    Actor,
    Channel,
    Outcome,
    SignedVariablePart,
    VariablePart,
    fingerprint,
    keccak,
    outcome_of,
    simple,
    state,
    state_hash,
)

OUTCOME = outcome_of(simple(ALICE.destination, 6), simple(BOB.destination, 4))
TURN_MAX = 2**48 - 1
NO_STATE = int.from_bytes(keccak(bytes(64))[12:], "big")
"""The fingerprint of two zero hashes, which a checkpoint leaves."""

FINALIZED = "Channel finalized."
NOT_INCREASED = "turnNumRecord not increased."
DECREASED = "turnNumRecord decreased."
UNSUPPORTED = "!unanimous"
PEOPLE = (ALICE, BOB)

Situation = tuple[str, int]
"""Where the channel stands before the call: a word and a turn."""
UNSEEN: Situation = ("unseen", 0)


def turn(turn_num: int, is_final: bool = False) -> VariablePart:
    return state(OUTCOME, turn_num, b"", is_final)


def bring(nitro: Nitro, channel: Channel, situation: Situation) -> None:
    """Bring the channel there: `unseen`, `open`, `challenged`, `finalised` or `concluded`."""
    word, turn_num = situation
    if word == "open":
        signed = channel.signed(turn(turn_num))
        nitro.adjudicator.send("checkpoint", channel.fixed_part, [], signed)
    elif word == "challenged":
        nitro.challenge(channel, channel.signed(turn(turn_num)))
    elif word == "finalised":
        nitro.finalise(channel, channel.signed(turn(turn_num)))
    elif word == "concluded":
        final = channel.signed(turn(turn_num, is_final=True))
        nitro.adjudicator.send("conclude", channel.fixed_part, final)


def registered(
    channel: Channel, finalizes_at: int, proof: Sequence[Any], candidate: SignedVariablePart
) -> tuple[str, dict[str, Any]]:
    """The event of a challenge."""
    fields = {
        "channelId": channel.channel_id,
        "finalizesAt": finalizes_at,
        "proof": frozen(proof),
        "candidate": frozen(candidate),
    }
    return ("ChallengeRegistered", fields)


def challenged(
    nitro: Nitro,
    channel: Channel,
    candidate: SignedVariablePart,
    challenger: Actor,
    proof: Sequence[SignedVariablePart] = (),
    reason: str | None = None,
) -> Case:
    """A challenge with what follows from it."""
    wish = channel.challenger_signature(candidate[0], challenger)
    call = ("challenge", channel.fixed_part, list(proof), candidate, wish)
    if reason is not None:
        return Case(call, reason=reason, channels=(channel.channel_id,))
    finalizes_at = next_time(nitro, channel.challenge_duration_s)
    stands = fingerprint(state_hash(channel.channel_id, candidate[0]), candidate[0][0])
    changes = {status_of(channel): (candidate[0][2], finalizes_at, stands)}
    events = [registered(channel, finalizes_at, proof, candidate)]
    return Case(call, 0, None, events, changes)  # type: ignore[arg-type]


def challenge(
    situation: Situation,
    turn_num: int,
    reason: str | None = None,
    signers: Sequence[Actor] = PEOPLE,
    challenger: Actor = ALICE,
) -> Row:
    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(*PEOPLE)
        bring(nitro, channel, situation)
        candidate = channel.signed(turn(turn_num), signers)
        return challenged(nitro, channel, candidate, challenger, reason=reason)

    return build


def with_proof(nitro: Nitro) -> Case:
    channel = nitro.ledger(*PEOPLE)
    signed = channel.signed(turn(5))
    return challenged(nitro, channel, signed, ALICE, [signed], "|proof|!=0")


def refused_by_the_app(nitro: Nitro) -> Case:
    channel = Channel(PEOPLE, nitro.rpc.deploy("test/RefusingApp").address)
    signed = channel.signed(turn(5))
    return challenged(nitro, channel, signed, ALICE, reason="this app supports nothing")


def with_duration(duration_s: int, reason: str | None = None) -> Row:
    def build(nitro: Nitro) -> Case:
        channel = Channel(PEOPLE, nitro.consensus_app.address, 1, duration_s)
        return challenged(nitro, channel, channel.signed(turn(5)), ALICE, reason=reason)

    return build


def with_deadline(finalizes_at: int, reason: str | None = None) -> Row:
    def build(nitro: Nitro) -> Case:
        return with_duration(finalizes_at - next_time(nitro), reason)(nitro)

    return build


def with_spoilt_signature(v: int) -> Row:
    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(*PEOPLE)
        variable_part, (first, second) = channel.signed(turn(5))
        spoilt = (variable_part, [(v, *first[1:]), second])
        return challenged(nitro, channel, spoilt, ALICE, reason="Invalid signature")

    return build


def with_spoilt_wish(nitro: Nitro) -> Case:
    channel = nitro.ledger(*PEOPLE)
    candidate = channel.signed(turn(5))
    v, _, s = channel.challenger_signature(candidate[0], ALICE)
    call = ("challenge", channel.fixed_part, [], candidate, (v, bytes(32), s))
    return Case(call, reason="Invalid signature", channels=(channel.channel_id,))


def with_a_crowd(count: int) -> Row:
    def build(nitro: Nitro) -> Case:
        people = [Actor(keccak(bytes([number]))) for number in range(1, count + 1)]
        channel = nitro.ledger(*people)
        shares = [simple(each.destination, 1) for each in people]
        candidate = channel.signed(state(outcome_of(*shares), 5))
        return challenged(nitro, channel, candidate, people[-1])

    return build


CHALLENGES: Rows = {
    "a channel never seen, turn 0": challenge(UNSEEN, 0),
    "a channel never seen": challenge(UNSEEN, 8),
    "open, at its turn": challenge(("open", 5), 5),
    "open, above its turn": challenge(("open", 5), 6),
    "open, at the largest turn": challenge(("open", TURN_MAX), TURN_MAX),
    "challenged, above its turn": challenge(("challenged", 5), 6),
    "open, below its turn": challenge(("open", 20), 8, DECREASED),
    "by a stranger": challenge(UNSEEN, 8, "Challenger is not a participant", challenger=MALLORY),
    "with a wish nobody signed": with_spoilt_wish,
    "with a state the app refuses": refused_by_the_app,
    "challenged, at its turn": challenge(("challenged", 20), 20, NOT_INCREASED),
    "challenged, below its turn": challenge(("challenged", 20), 8, NOT_INCREASED),
    "challenged at the largest turn": challenge(("challenged", TURN_MAX), TURN_MAX, NOT_INCREASED),
    "finalised": challenge(("finalised", 5), 8, FINALIZED),
    "concluded": challenge(("concluded", 5), 8, FINALIZED),
    "too few signatures": challenge(UNSEEN, 8, UNSUPPORTED, signers=[ALICE]),
    "no signature": challenge(UNSEEN, 8, UNSUPPORTED, signers=[]),
    "one signature twice": challenge(UNSEEN, 8, UNSUPPORTED, signers=[ALICE, ALICE]),
    "a stranger's signature besides": challenge(UNSEEN, 8, signers=[MALLORY, BOB, ALICE]),
    "too many proof states": with_proof,
    "by the last participant": challenge(UNSEEN, 8, challenger=BOB),
    "without a duration": with_duration(0),
    "with the last deadline": with_deadline(2**47 - 1),
    "with a deadline in the highest bit": with_deadline(2**47, "Challenge never ends"),
    "with a deadline beyond the word": with_duration(2**48 - 1, "Challenge never ends"),
    "with v of 0": with_spoilt_signature(0),
    "with v of 29": with_spoilt_signature(29),
    "twenty participants": with_a_crowd(20),
}


def concluded(channel: Channel, at: int, outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    """What our adjudicator tells of a conclusion: when, and with what (ADR 0072)."""
    amounts = tuple(share[1] for _, _, shares in outcome for share in shares)
    return [
        ("Concluded", {"channelId": channel.channel_id, "finalizesAt": at}),
        ("OutcomeConcluded", {"channelId": channel.channel_id, "amounts": amounts}),
    ]


def checkpoint_proved(
    channel: Channel, proof: Sequence[SignedVariablePart], candidate: SignedVariablePart
) -> dict[str, Any]:
    """What our adjudicator tells of a checkpoint with a proof (ADR 0069)."""
    told = {"proof": frozen(proof), "candidate": frozen(candidate)}
    return {"channelId": channel.channel_id, **told}


def checkpoint_signed(
    channel: Channel, turn_num: int, signers: Sequence[Actor] = PEOPLE
) -> dict[str, Any]:
    """What our adjudicator tells of a checkpoint with a turn (ADR 0068)."""
    _, signatures = channel.signed(turn(turn_num), signers)
    return {
        "channelId": channel.channel_id,
        "turnNum": turn_num,
        "stateHash": state_hash(channel.channel_id, turn(turn_num)),
        "sigs": frozen(signatures),
    }


def checkpoint(
    situation: Situation,
    turn_num: int,
    reason: str | None = None,
    signers: Sequence[Actor] = PEOPLE,
) -> Row:
    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(*PEOPLE)
        bring(nitro, channel, situation)
        call = ("checkpoint", channel.fixed_part, [], channel.signed(turn(turn_num), signers))
        if reason is not None:
            return Case(call, reason=reason, channels=(channel.channel_id,))
        name = "ChallengeCleared" if situation[0] == "challenged" else "Checkpointed"
        told = {"channelId": channel.channel_id, "newTurnNumRecord": turn_num}
        signed = checkpoint_signed(channel, turn_num, signers)
        changes: dict[Key, Change] = {status_of(channel): (turn_num, 0, NO_STATE)}
        return Case(call, 0, None, [(name, told), ("CheckpointSigned", signed)], changes)

    return build


CHECKPOINTS: Rows = {
    "a channel never seen": checkpoint(UNSEEN, 1),
    "a channel never seen, turn 0": checkpoint(UNSEEN, 0, NOT_INCREASED),
    "open, above its turn": checkpoint(("open", 5), 6),
    "open, at its turn": checkpoint(("open", 5), 5, NOT_INCREASED),
    "open, below its turn": checkpoint(("open", 5), 4, NOT_INCREASED),
    "open, to the largest turn": checkpoint(("open", 5), TURN_MAX),
    "challenged, above its turn": checkpoint(("challenged", 5), 6),
    "challenged, at its turn": checkpoint(("challenged", 5), 5, NOT_INCREASED),
    "challenged, below its turn": checkpoint(("challenged", 5), 4, NOT_INCREASED),
    "finalised": checkpoint(("finalised", 5), 6, FINALIZED),
    "concluded": checkpoint(("concluded", 5), 6, FINALIZED),
    "with a state that not all signed": checkpoint(UNSEEN, 5, UNSUPPORTED, [BOB]),
    "with a stranger's signature first": checkpoint(UNSEEN, 5, None, [MALLORY, BOB, ALICE]),
    "with one signature twice": checkpoint(UNSEEN, 5, None, [BOB, ALICE, BOB]),
}


def conclude(
    situation: Situation,
    reason: str | None = None,
    signers: Sequence[Actor] = PEOPLE,
    *,
    is_final: bool = True,
    people: Sequence[Actor] = PEOPLE,
) -> Row:
    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(*people)
        bring(nitro, channel, situation)
        call = ("conclude", channel.fixed_part, channel.signed(turn(9, is_final), signers))
        if reason is not None:
            return Case(call, reason=reason, channels=(channel.channel_id,))
        at = next_time(nitro)
        word = (0, at, fingerprint(bytes(32), OUTCOME))
        return Case(call, 0, None, concluded(channel, at, OUTCOME), {status_of(channel): word})

    return build


CONCLUSIONS: Rows = {
    "a channel never seen": conclude(UNSEEN),
    "open, below its turn": conclude(("open", 20)),
    "challenged": conclude(("challenged", 5)),
    "challenged, below its turn": conclude(("challenged", 20)),
    "finalised": conclude(("finalised", 5), FINALIZED),
    "concluded": conclude(("concluded", 5), FINALIZED),
    "a state that is not final": conclude(UNSEEN, "State must be final", is_final=False),
    "without one signature": conclude(UNSEEN, UNSUPPORTED, [ALICE]),
    "with a stranger's signature instead": conclude(UNSEEN, UNSUPPORTED, [ALICE, MALLORY]),
    "one signature twice": conclude(UNSEEN, UNSUPPORTED, [BOB, BOB]),
    "signatures in the other order": conclude(UNSEEN, signers=[BOB, ALICE]),
    "signatures more than once": conclude(UNSEEN, signers=[BOB, ALICE, BOB]),
    "a participant twice": conclude(
        UNSEEN, UNSUPPORTED, people=[ALICE, HUB, ALICE], signers=[ALICE, HUB, ALICE]
    ),
    "nobody's channel": conclude(UNSEEN, UNSUPPORTED, [], people=[]),
}
