"""Reclaim: a ledger's guarantee, the channel it backs, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.support.contract_tables import (
    A,
    B,
    Case,
    H,
    M,
    Row,
    Rows,
    status_of,
    token_of,
)
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Allocation,
    Channel,
    Outcome,
    VariablePart,
    encode_outcome,
    fingerprint,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
)

FUNDED = 20
WRONG_PRINT = "incorrect fingerprint"


@dataclass(frozen=True)
class Pair:
    """A ledger of Alice and a hub, and the channel between Alice and Bob that it backs."""

    ledger: Channel
    target: Channel
    source: VariablePart
    judged: VariablePart

    def arguments(self, nitro: Nitro, index: int) -> tuple[object, ...]:
        shown = (state_hash(self.target.channel_id, self.judged), self.judged[0])
        return nitro.reclaim_arguments(self.ledger, self.source, index, shown)


def pair(
    nitro: Nitro,
    target_shares: Sequence[Allocation],
    *,
    parties: tuple[bytes, bytes] = (A, H),
    asset: str = NATIVE,
    target_asset: str = NATIVE,
    finalised: Sequence[str] = ("ledger", "target"),
) -> Pair:
    """Both channels, challenged with these outcomes and, unless said otherwise, finalised."""
    ledger, target = nitro.ledger(ALICE, HUB), nitro.ledger(ALICE, BOB, nonce=9)
    backing = guarantee(target.channel_id, 10, *parties)
    source = state(outcome_of(simple(A, 5), simple(H, 5), backing, asset=asset), 4)
    judged = state(outcome_of(*target_shares, asset=target_asset), 4)
    nitro.deposit(ledger.channel_id, FUNDED, asset)
    if "ledger" in finalised:
        nitro.finalise(ledger, ledger.signed(source))
    if "target" in finalised:
        nitro.finalise(target, target.signed(judged))
    return Pair(ledger, target, source, judged)


def reclaimed(nitro: Nitro, both: Pair, near: int, far: int, right: int, index: int = 2) -> Case:
    """A reclaim after which the ledger's two parties have `near` and `far`."""
    asset = both.source[0][0][0]
    channel_id = both.ledger.channel_id
    after = outcome_of(simple(A, near), simple(H, far), asset=asset)
    print_after = fingerprint(state_hash(channel_id, both.source), after)
    turn_num, finalizes_at, _ = nitro.status(both.ledger)
    named = {"channelId": channel_id, "assetIndex": 0}
    ours = {**named, "target": both.target.channel_id, "rightShare": right}
    return Case(
        ("reclaim", both.arguments(nitro, index)),
        0,
        None,
        [("Reclaimed", named), ("OutcomeReclaimed", ours)],
        {status_of(both.ledger): (turn_num, finalizes_at, print_after)},
        (both.target.channel_id,),
    )


def refused(nitro: Nitro, both: Pair, reason: str, arguments: tuple[object, ...]) -> Case:
    channels = (both.ledger.channel_id, both.target.channel_id)
    return Case(("reclaim", arguments), reason=reason, channels=channels)


def split(left: int, right: int) -> Row:
    """The target's two shares decide, whatever they sum to."""

    def build(nitro: Nitro) -> Case:
        both = pair(nitro, [simple(A, left), simple(B, right)])
        return reclaimed(nitro, both, 5 + 10 - right, 5 + right, right)

    return build


def one_share(nitro: Nitro) -> Case:
    return reclaimed(nitro, pair(nitro, [simple(A, 10)]), 15, 5, 0)


def in_a_token(nitro: Nitro) -> Case:
    asset = token_of(nitro, "token")
    both = pair(nitro, [simple(A, 7), simple(B, 3)], asset=asset, target_asset=asset)
    return reclaimed(nitro, both, 12, 8, 3)


def after_a_strangers_wei(amount: int) -> Row:
    """Somebody funded the finalised target and had it paid out."""

    def build(nitro: Nitro) -> Case:
        both = pair(nitro, [simple(A, 7), simple(B, 3)])
        nitro.deposit(both.target.channel_id, amount)
        message_hash = state_hash(both.target.channel_id, both.judged)
        arguments = (both.target.channel_id, both.judged[0], message_hash)
        nitro.adjudicator.send("transferAllAssets", *arguments)
        return reclaimed(nitro, both, 12, 8, 3)

    return build


def with_the_poorer_outcome(nitro: Nitro) -> Case:
    both = pair(nitro, [simple(A, 7), simple(B, 3)])
    nitro.deposit(both.target.channel_id, 1)
    message_hash = state_hash(both.target.channel_id, both.judged)
    arguments = (both.target.channel_id, both.judged[0], message_hash)
    nitro.adjudicator.send("transferAllAssets", *arguments)
    poorer = outcome_of(simple(A, 6), simple(B, 3))
    shown = nitro.reclaim_arguments(both.ledger, both.source, 2, (message_hash, poorer))
    return refused(nitro, both, WRONG_PRINT, shown)


def after_the_ledgers_shares(nitro: Nitro) -> Case:
    both = pair(nitro, [simple(A, 7), simple(B, 3)])
    message_hash = state_hash(both.ledger.channel_id, both.source)
    encoded = encode_outcome(both.source[0])
    nitro.adjudicator.send("transfer", 0, both.ledger.channel_id, encoded, message_hash, [0, 1])
    left = outcome_of(simple(A, 0), simple(H, 0), both.source[0][0][2][2])
    case = reclaimed(nitro, both, 7, 3, 3)
    (_, arguments), *_ = [case.call]
    return replace(case, call=("reclaim", (*arguments[:2], encode_outcome(left), *arguments[3:])))


def wrong(
    reason: str,
    change: Callable[[Nitro, Pair], tuple[object, ...]],
    target_shares: Sequence[Allocation] | None = None,
    parties: tuple[bytes, bytes] = (A, H),
    finalised: Sequence[str] = ("ledger", "target"),
) -> Row:
    """A reclaim that is refused."""

    def build(nitro: Nitro) -> Case:
        shares = target_shares or [simple(A, 7), simple(B, 3)]
        both = pair(nitro, shares, parties=parties, finalised=finalised)
        return refused(nitro, both, reason, change(nitro, both))

    return build


def at_index(index: int) -> Callable[[Nitro, Pair], tuple[object, ...]]:
    return lambda nitro, both: both.arguments(nitro, index)


def showing(position: int, value: object) -> Callable[[Nitro, Pair], tuple[object, ...]]:
    def change(nitro: Nitro, both: Pair) -> tuple[object, ...]:
        arguments = list(both.arguments(nitro, 2))
        arguments[position] = value
        return tuple(arguments)

    return change


def twice(nitro: Nitro) -> Case:
    both = pair(nitro, [simple(A, 7), simple(B, 3)])
    arguments = both.arguments(nitro, 2)
    nitro.adjudicator.send("reclaim", arguments)
    return refused(nitro, both, WRONG_PRINT, arguments)


def of_another_asset(nitro: Nitro) -> Case:
    both = pair(nitro, [simple(A, 7), simple(B, 3)], target_asset=nitro.token.address)
    return refused(nitro, both, "targetAsset != guaranteeAsset", both.arguments(nitro, 2))


OTHER: Outcome = outcome_of(simple(A, 8), simple(B, 2))
UNREADY = "Channel not finalized."

RECLAIMS: Rows = {
    "seven to three": split(7, 3),
    "all to the left": split(10, 0),
    "all to the right": split(0, 10),
    "in a token": in_a_token,
    "after the ledger's shares were paid": after_the_ledgers_shares,
    "a target of less than the guarantee": split(6, 3),
    "a target of more than the guarantee": split(500, 3),
    "a target of one share": one_share,
    "after a stranger's wei": after_a_strangers_wei(1),
    "after the target was paid out": after_a_strangers_wei(10),
    "with the target's poorer outcome": with_the_poorer_outcome,
    "more for the right than the guarantee": wrong(
        "totalReclaimed!=guarantee.amount", at_index(2), [simple(A, 0), simple(B, 11)]
    ),
    "a simple share": wrong("not a guarantee allocation", at_index(0)),
    "an index beyond the end": wrong("could not find target", at_index(3)),
    "a left party who has no share": wrong("could not find left", at_index(2), parties=(M, H)),
    "a right party who has no share": wrong("could not find right", at_index(2), parties=(A, M)),
    "a ledger that is not finalised": wrong(UNREADY, at_index(2), finalised=["target"]),
    "a target that is not finalised": wrong(UNREADY, at_index(2), finalised=["ledger"]),
    "another state of the ledger": wrong(WRONG_PRINT, showing(1, bytes(32))),
    "another outcome of the ledger": wrong(WRONG_PRINT, showing(2, encode_outcome(OTHER))),
    "another state of the target": wrong(WRONG_PRINT, showing(5, bytes(32))),
    "another outcome of the target": wrong(WRONG_PRINT, showing(6, encode_outcome(OTHER))),
    "an asset of the ledger beyond the end": wrong("Index out of range", showing(3, 1)),
    "an asset of the target beyond the end": wrong("Index out of range", showing(7, 1)),
    "another asset": of_another_asset,
    "the same guarantee twice": twice,
}
