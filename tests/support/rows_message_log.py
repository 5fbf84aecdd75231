"""States of a message log: what both ends signed, and every way to spoil it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.app_states import (
    DATA,
    MESSAGE_SIZE_MAX,
    OPENINGS,
    POSTFUNDS,
    SHAPES,
    Claim,
    Refused,
    Said,
    before,
    both,
    candidate,
    checkpoint_row,
    next_root,
    opening_claim,
    postfund_of,
    refused_rows,
    roots_of,
    row,
    split,
)
from tests.support.contract_tables import Case, Row, Rows
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import Channel
from tests.support.rows_force_move import challenged

MESSAGES = (b"\x01", b"\xa5hello", b"\xa4last")
ENDS = (ALICE, BOB)


def log_channel(nitro: Nitro) -> Channel:
    """With a hub between the two who talk."""
    return Channel((ALICE, HUB, BOB), nitro.message_log_app.address)


def said(count: int, asset: str) -> Said:
    """The running state after that many of the messages, signed by both ends."""
    outcome = split(600 - 10 * count, 400 + 10 * count, asset)
    root = roots_of(MESSAGES)[count]
    return Said(count + 1, outcome, ENDS, count, root, MESSAGES[count - 1])


def log_claim(channel: Channel, asset: str) -> Claim:
    """The state after three messages on the postfund alone."""
    return Claim(channel, said(3, asset), postfund_of(channel, asset=asset))


def first_claim(channel: Channel, asset: str) -> Claim:
    """The state after the first message."""
    return replace(log_claim(channel, asset), candidate=said(1, asset))


def linked_claim(channel: Channel, asset: str) -> Claim:
    """The state after three messages, with the one before."""
    return replace(log_claim(channel, asset), before=said(2, asset))


STATES: Refused = {
    "a turn above the count": (candidate(turn=5), "bad count"),
    "a count above the turn": (candidate(count=4), "bad count"),
    "a count below the turn": (candidate(count=2), "bad count"),
    "turn 1 on a postfund": (candidate(turn=1, count=0), "bad running turnNum"),
    "turn 0 on a postfund": (candidate(turn=0, count=0), "bad running turnNum"),
    "a final state": (candidate(is_final=True), "final states are concluded"),
    "a final state signed by all": (
        candidate(is_final=True, signers=(ALICE, HUB, BOB)),
        "final states are concluded",
    ),
    "the first's signature alone": (candidate(signers=(ALICE,)), "not signed by both ends"),
    "the last's signature alone": (candidate(signers=(BOB,)), "not signed by both ends"),
    "nobody's signature": (candidate(signers=()), "not signed by both ends"),
    "the first and the hub": (candidate(signers=(ALICE, HUB)), "not signed by both ends"),
    "the hub and the last": (candidate(signers=(HUB, BOB)), "not signed by both ends"),
    "a stranger for the last": (candidate(signers=(ALICE, MALLORY)), "not signed by both ends"),
    "another reducer": (candidate(reducer_id=bytes(32)), "reducer changed"),
}

FIRST: Refused = {
    "a first root of another message": (candidate(message=b"\x02"), "bad log root"),
    "a first root on another root": (
        candidate(root=next_root(b"\x01" * 32, MESSAGES[0])),
        "bad log root",
    ),
}

LINKS: Refused = {
    "a root of another message": (candidate(message=b"\x02"), "bad log root"),
    "a root that goes back": (candidate(root=roots_of(MESSAGES)[1]), "bad log root"),
    "another root before": (before(root=bytes(32)), "bad log root"),
    "two turns before": (
        before(turn=2, count=1, root=roots_of(MESSAGES)[1], message=MESSAGES[0]),
        "bad proof[1].turnNum",
    ),
    "the same turn before": (
        lambda claim: replace(claim, before=claim.candidate),
        "bad proof[1].turnNum",
    ),
    "the postfund before": (
        lambda claim: replace(claim, before=claim.postfund),
        "bad running turnNum",
    ),
    "a state before of one signature": (before(signers=(BOB,)), "not signed by both ends"),
    "a final state before": (before(is_final=True), "final states are concluded"),
    "a count before that is not the turn's": (before(count=1), "bad count"),
    "another reducer before": (before(reducer_id=bytes(32)), "reducer changed"),
    "another sum before": (before(outcome=split(1, 1)), "sum changed"),
    "app data before that is none": (before(data=b""), "bad app data"),
}


def log_row(*spoils: object, **named: object) -> Row:
    return row(log_channel, log_claim, *spoils, **named)  # type: ignore[arg-type]


def opening_row(turn: int) -> Row:
    return row(log_channel, lambda channel, _: opening_claim(channel, turn))


def outranked(nitro: Nitro) -> Case:
    """A stale challenge is answered by the newest state."""
    channel = log_channel(nitro)
    stale = first_claim(channel, "0x" + "00" * 20)
    nitro.challenge(channel, stale.signed, stale.proof, ALICE)
    newest = log_claim(channel, "0x" + "00" * 20)
    return challenged(nitro, channel, newest.signed, BOB, newest.proof)


def stale(nitro: Nitro) -> Case:
    """An older state does not outrank a newer one."""
    channel = log_channel(nitro)
    newest = log_claim(channel, "0x" + "00" * 20)
    nitro.challenge(channel, newest.signed, newest.proof, BOB)
    old = first_claim(channel, "0x" + "00" * 20)
    reason = "turnNumRecord not increased."
    return challenged(nitro, channel, old.signed, ALICE, old.proof, reason)


LARGEST = both(candidate(message=b"m" * MESSAGE_SIZE_MAX))

ROWS: Rows = {
    "the prefund, signed by all": opening_row(0),
    "the postfund, signed by all": opening_row(1),
    "a first message": row(log_channel, first_claim),
    "a third message": log_row(),
    "a third message of a token": log_row(kind="token"),
    "a third message with the one before": row(log_channel, linked_claim),
    "a third message signed by all": log_row(candidate(signers=(ALICE, HUB, BOB))),
    "a challenge of the hub's with what it did not sign": log_row(challenger=HUB),
    "a message of nothing": log_row(candidate(message=b"")),
    "a message of 32 bytes": log_row(candidate(message=bytes(32))),
    "the largest message": log_row(LARGEST),
    "everything for the first": log_row(candidate(outcome=split(1_000, 0))),
    "everything for the last": log_row(candidate(outcome=split(0, 1_000))),
    "a root that needs the state before": log_row(candidate(root=bytes(32))),
    "the largest turn": log_row(candidate(turn=2**48 - 1, count=2**48 - 2)),
    "an answer to a stale challenge": outranked,
    "a stale challenge": stale,
    "a checkpoint": checkpoint_row(log_channel, log_claim),
    "a checkpoint that clears the postfund": checkpoint_row(
        log_channel, log_claim, Said(1, split(600, 400), (ALICE, HUB, BOB))
    ),
    **refused_rows(log_channel, lambda channel, _: opening_claim(channel), OPENINGS),
    **refused_rows(log_channel, log_claim, {**POSTFUNDS, **SHAPES, **DATA, **STATES}),
    **refused_rows(log_channel, first_claim, FIRST),
    **refused_rows(log_channel, linked_claim, LINKS),
}
