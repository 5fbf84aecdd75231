"""States of app channels straight from eth_abi, and whole cases of a candidate with its proof.

Written without a line of `protocols`, like the encodings it builds on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi import encode

from tests.support.contract_tables import Case, Change, Key, Row, status_of, token_of
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    GUARANTEE,
    NATIVE,
    Actor,
    Channel,
    Outcome,
    SignedVariablePart,
    keccak,
    outcome_of,
    simple,
    state,
)
from tests.support.rows_force_move import NO_STATE, challenged, checkpoint_proved

REDUCER_ID = keccak(b"a reducer of the contract tests")
EMPTY_ROOT = bytes(32)
MESSAGE_SIZE_MAX = 4_096
STAKES = (600, 400)
APP_DATA_TYPES = ("bytes32", "bytes32", "uint64", "bytes")


def app_data(reducer_id: bytes, root: bytes, count: int, message: bytes) -> bytes:
    """The app data of a state (ADR 0022)."""
    return encode(APP_DATA_TYPES, [reducer_id, root, count, message])


def next_root(root: bytes, message: bytes) -> bytes:
    """The root after one more message."""
    return keccak(root + keccak(message))


def roots_of(messages: Sequence[bytes]) -> list[bytes]:
    """The root before the first message and after each."""
    roots = [EMPTY_ROOT]
    for message in messages:
        roots.append(next_root(roots[-1], message))
    return roots


def split(first: int, last: int, asset: str = NATIVE) -> Outcome:
    """Who gets what of one asset: ALICE, the first, and BOB, the last."""
    return outcome_of(simple(ALICE.destination, first), simple(BOB.destination, last), asset=asset)


@dataclass(frozen=True)
class Said:
    """One state of an app channel and who signed it; `data` stands for its app data as given."""

    turn: int
    outcome: Outcome
    signers: tuple[Actor, ...]
    count: int = 0
    root: bytes = EMPTY_ROOT
    message: bytes = b""
    reducer_id: bytes = REDUCER_ID
    is_final: bool = False
    data: bytes | None = None

    @property
    def app_data(self) -> bytes:
        fields = (self.reducer_id, self.root, self.count, self.message)
        return app_data(*fields) if self.data is None else self.data

    def signed(self, channel: Channel) -> SignedVariablePart:
        part = state(self.outcome, self.turn, self.app_data, self.is_final)
        return channel.signed(part, self.signers)


@dataclass(frozen=True)
class Claim:
    """A candidate and the states that are to prove it."""

    channel: Channel
    candidate: Said
    postfund: Said | None = None
    before: Said | None = None
    surplus: int = 0
    """How many times the postfund stands in the proof again, at its end."""

    @property
    def proof(self) -> list[SignedVariablePart]:
        states = [each for each in (self.postfund, self.before) if each is not None]
        states += [self.postfund] * self.surplus if self.postfund else []
        return [each.signed(self.channel) for each in states]

    @property
    def signed(self) -> SignedVariablePart:
        return self.candidate.signed(self.channel)


Spoil = Callable[[Claim], Claim]
Refused = dict[str, tuple[Spoil, str]]
"""By what is wrong: how it becomes so, and the reason that the chain gives."""


def postfund_of(channel: Channel, stakes: tuple[int, int] = STAKES, asset: str = NATIVE) -> Said:
    """The postfund of an app channel, signed by all."""
    return Said(1, split(*stakes, asset), channel.actors)


def candidate(**fields: Any) -> Spoil:
    """Change fields of the candidate."""
    return lambda claim: replace(claim, candidate=replace(claim.candidate, **fields))


def postfund(**fields: Any) -> Spoil:
    """Change fields of the postfund in the proof."""

    def spoil(claim: Claim) -> Claim:
        assert claim.postfund is not None
        return replace(claim, postfund=replace(claim.postfund, **fields))

    return spoil


def before(**fields: Any) -> Spoil:
    """Change fields of the state before the candidate."""

    def spoil(claim: Claim) -> Claim:
        assert claim.before is not None
        return replace(claim, before=replace(claim.before, **fields))

    return spoil


def both(*spoils: Spoil) -> Spoil:
    """One after the other."""

    def spoil(claim: Claim) -> Claim:
        for each in spoils:
            claim = each(claim)
        return claim

    return spoil


def data(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of the candidate's app data."""
    return lambda claim: candidate(data=change(claim.candidate.app_data))(claim)


def word(number: int, value: int) -> Spoil:
    """Put a value into a word of the candidate's app data."""
    at = 32 * number
    return data(lambda old: old[:at] + value.to_bytes(32, "big") + old[at + 32 :])


def outcome(change: Callable[[Outcome], Outcome]) -> Spoil:
    """Change the candidate's outcome."""
    return lambda claim: candidate(outcome=change(claim.candidate.outcome))(claim)


def opening(change: Callable[[Outcome], Outcome]) -> Spoil:
    """Change the postfund's outcome."""

    def spoil(claim: Claim) -> Claim:
        assert claim.postfund is not None
        return postfund(outcome=change(claim.postfund.outcome))(claim)

    return spoil


def _share(index: int, **fields: Any) -> Callable[[Outcome], Outcome]:
    names = ("destination", "amount", "kind", "metadata")

    def change(old: Outcome) -> Outcome:
        ((asset, about, shares),) = old
        values = dict(zip(names, shares[index], strict=True), **fields)
        spoilt = (values["destination"], values["amount"], values["kind"], values["metadata"])
        return [(asset, about, [*shares[:index], spoilt, *shares[index + 1 :]])]

    return change


def _about(about: tuple[int, bytes]) -> Callable[[Outcome], Outcome]:
    return lambda old: [(old[0][0], about, old[0][2])]


def _shares(change: Callable[[list[Any]], list[Any]]) -> Callable[[Outcome], Outcome]:
    return lambda old: [(old[0][0], old[0][1], change(list(old[0][2])))]


def _more(index: int, amount: int) -> Callable[[Outcome], Outcome]:
    return lambda old: _share(index, amount=max(0, old[0][2][index][1] + amount))(old)


THIRD = simple(MALLORY.destination, 0)

SHAPES: Refused = {
    "no asset": (outcome(lambda old: []), "only one asset allowed"),
    "a second asset": (outcome(lambda old: old * 2), "only one asset allowed"),
    "two assets from the start": (
        both(outcome(lambda old: old * 2), opening(lambda old: old * 2)),
        "only one asset allowed",
    ),
    "no asset from the start": (opening(lambda old: []), "only one asset allowed"),
    "one share": (outcome(_shares(lambda old: old[:1])), "only two allocations allowed"),
    "a third share": (outcome(_shares(lambda old: [*old, THIRD])), "only two allocations allowed"),
    "a third share from the start": (
        both(
            outcome(_shares(lambda old: [*old, THIRD])), opening(_shares(lambda old: [*old, THIRD]))
        ),
        "only two allocations allowed",
    ),
    "one share from the start": (
        opening(_shares(lambda old: old[:1])),
        "only two allocations allowed",
    ),
    "another asset": (
        outcome(lambda old: [("0x" + "11" * 20, *old[0][1:])]),  # type: ignore[list-item]
        "asset changed",
    ),
    "another asset type": (outcome(_about((1, b""))), "asset changed"),
    "other asset metadata": (outcome(_about((0, b"x"))), "asset changed"),
    "the first's destination replaced": (
        outcome(_share(0, destination=MALLORY.destination)),
        "destination changed",
    ),
    "the last's destination replaced": (
        outcome(_share(1, destination=MALLORY.destination)),
        "destination changed",
    ),
    "the two shares in the other order": (
        outcome(_shares(lambda old: old[::-1])),
        "destination changed",
    ),
    "other metadata of the first's share": (
        outcome(_share(0, metadata=b"x")),
        "metadata changed",
    ),
    "other metadata of the last's share": (
        outcome(_share(1, metadata=b"x")),
        "metadata changed",
    ),
    "the first's share a guarantee": (
        outcome(_share(0, kind=GUARANTEE)),
        "only simple allocations allowed",
    ),
    "the last's share a guarantee": (
        outcome(_share(1, kind=GUARANTEE)),
        "only simple allocations allowed",
    ),
    "a guarantee from the start": (
        both(outcome(_share(0, kind=GUARANTEE)), opening(_share(0, kind=GUARANTEE))),
        "only simple allocations allowed",
    ),
    "more for the first than there is": (outcome(_more(0, 1)), "sum changed"),
    "more for the last than there is": (outcome(_more(1, 1)), "sum changed"),
    "less for the first than is left": (outcome(_more(0, -1)), "sum changed"),
    "a sum that comes around": (
        outcome(lambda old: _share(0, amount=2**256 - 1)(_share(1, amount=1_001)(old))),
        "panic 17",
    ),
}
"""Every running state's outcome against the postfund's; its first share is at least 1."""

DATA: Refused = {
    "app data of no bytes": (candidate(data=b""), "bad app data"),
    "app data without a message's size": (data(lambda old: old[:128]), "bad app data"),
    "app data that ends early": (data(lambda old: old[:-1]), "bad app data"),
    "something behind the app data": (data(lambda old: old + bytes(32)), "bad app data"),
    "a message at another place": (word(3, 160), "bad app data"),
    "padding that is not zero": (data(lambda old: old[:-1] + b"\x01"), "bad app data"),
    "a count of more than 64 bits": (word(2, 2**64 + 1), "bad app data"),
    "a message of any size": (word(4, 2**256 - 1), "message too long"),
    "a message of one byte too many": (
        candidate(message=bytes(MESSAGE_SIZE_MAX + 1)),
        "message too long",
    ),
}

POSTFUNDS: Refused = {
    "a prefund as the proof": (postfund(turn=0), "bad proof[0].turnNum"),
    "turn 2 as the proof": (postfund(turn=2), "bad proof[0].turnNum"),
    "a postfund that not all signed": (postfund(signers=(ALICE, BOB)), "postfund !unanimous"),
    "a final postfund": (postfund(is_final=True), "final states are concluded"),
    "a postfund with a root": (postfund(root=REDUCER_ID), "an opening carries no message"),
    "a postfund with a count": (postfund(count=1), "an opening carries no message"),
    "a postfund with a message": (postfund(message=b"x"), "an opening carries no message"),
    "a postfund whose app data is none": (postfund(data=b"x"), "bad app data"),
    "a postfund of another reducer": (postfund(reducer_id=bytes(32)), "reducer changed"),
    "three states as proof": (
        lambda claim: replace(claim, surplus=3 - len(claim.proof)),
        "bad proof length",
    ),
}

OPENINGS: Refused = {
    "an opening that a hub did not sign": (
        candidate(signers=(ALICE, BOB)),
        "!unanimous; |proof|=0",
    ),
    "an opening that the last did not sign": (
        candidate(signers=(ALICE, HUB)),
        "!unanimous; |proof|=0",
    ),
    "turn 2 without a proof": (candidate(turn=2), "bad candidate turnNum; |proof|=0"),
    "a final opening": (candidate(is_final=True), "final states are concluded"),
    "an opening with a root": (candidate(root=REDUCER_ID), "an opening carries no message"),
    "an opening with a count": (candidate(count=1), "an opening carries no message"),
    "an opening with a message": (candidate(message=b"x"), "an opening carries no message"),
    "an opening whose app data is none": (candidate(data=b"x"), "bad app data"),
}


ChannelOf = Callable[[Nitro], Channel]
ClaimOf = Callable[[Channel, str], Claim]


def opening_claim(channel: Channel, turn: int = 1) -> Claim:
    """An opening in order."""
    return Claim(channel, replace(postfund_of(channel), turn=turn))


def row(
    channel_of: ChannelOf,
    claim_of: ClaimOf,
    *spoils: Spoil,
    reason: str | None = None,
    kind: str = "native",
    challenger: Actor = BOB,
) -> Row:
    """A challenge with a claim, spoilt or not."""

    def build(nitro: Nitro) -> Case:
        channel = channel_of(nitro)
        made = both(*spoils)(claim_of(channel, token_of(nitro, kind)))
        return challenged(nitro, channel, made.signed, challenger, made.proof, reason)

    return build


def refused_rows(
    channel_of: ChannelOf, claim_of: ClaimOf, table: Refused, prefix: str = ""
) -> dict[str, Row]:
    """A row for each way to spoil the claim."""
    return {
        f"{prefix}{name}": row(channel_of, claim_of, spoil, reason=reason)
        for name, (spoil, reason) in table.items()
    }


def checkpoint_row(channel_of: ChannelOf, claim_of: ClaimOf, stale: Said | None = None) -> Row:
    """A checkpoint with a claim; with `stale`, of a challenge by its first state."""

    def build(nitro: Nitro) -> Case:
        channel = channel_of(nitro)
        made = claim_of(channel, NATIVE)
        if stale is not None:
            nitro.challenge(channel, stale.signed(channel))
        call = ("checkpoint", channel.fixed_part, made.proof, made.signed)
        turn = made.candidate.turn
        name = "Checkpointed" if stale is None else "ChallengeCleared"
        told = {"channelId": channel.channel_id, "newTurnNumRecord": turn}
        proved = checkpoint_proved(channel, made.proof, made.signed)
        changes: dict[Key, Change] = {status_of(channel): (turn, 0, NO_STATE)}
        return Case(call, 0, None, [(name, told), ("CheckpointProved", proved)], changes)

    return build
