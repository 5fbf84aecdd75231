"""Steps and figures for tests of payouts: a concluded channel, its outcome, what is told of it."""

from __future__ import annotations

from tests.support.contract_calls import Contract, Receipt
from tests.support.nitro_chain import Nitro
from tests.support.nitro_signing import (
    GUARANTEE,
    Channel,
    Outcome,
    destination_of,
    encode_outcome,
    fingerprint,
    state,
)

NO_STATE_HASH = bytes(32)
"""The state hash under which a concluded channel's outcome stands."""


def conclude(nitro: Nitro, ledger: Channel, outcome: Outcome) -> None:
    """Finalise without paying; the state hash of a concluded channel is zero."""
    final = ledger.signed(state(outcome, 4, is_final=True))
    nitro.adjudicator.send("conclude", ledger.fixed_part, final)


def transfer(
    nitro: Nitro, ledger: Channel, outcome: Outcome, indices: list[int], asset_index: int = 0
) -> Receipt:
    encoded = encode_outcome(outcome)
    arguments = (asset_index, ledger.channel_id, encoded, NO_STATE_HASH, indices)
    return nitro.adjudicator.send("transfer", *arguments)


def transfer_all(nitro: Nitro, ledger: Channel, outcome: Outcome) -> Receipt:
    return nitro.adjudicator.send("transferAllAssets", ledger.channel_id, outcome, NO_STATE_HASH)


def stands(nitro: Nitro, ledger: Channel, outcome: Outcome) -> bool:
    """Whether `outcome` is the concluded channel's outcome now, payouts made."""
    return nitro.status(ledger)[2] == standing(NO_STATE_HASH, outcome)


def standing(state_hash: bytes, outcome: Outcome) -> int:
    """The fingerprint of a channel that was paid down to `outcome`: zero when nothing is left."""
    shares = [allocation for _, _, allocations in outcome for allocation in allocations]
    left = any(share[1] != 0 or share[2] == GUARANTEE for share in shares)
    return fingerprint(state_hash, outcome) if left else 0


def with_amounts(outcome: Outcome, amounts: list[int], asset_index: int = 0) -> Outcome:
    """The outcome with other amounts in one asset."""
    changed = list(outcome)
    asset, metadata, allocations = outcome[asset_index]
    pairs = zip(allocations, amounts, strict=True)
    changed[asset_index] = (asset, metadata, [(d, new, t, m) for (d, _, t, m), new in pairs])
    return changed


def after(outcome: Outcome, receipt: Receipt) -> Outcome:
    """The outcome that our own events tell: what the node folds (M4)."""
    for event in receipt.named("OutcomePaid"):
        asset_index = event["assetIndex"]
        amounts = [allocation[1] for allocation in outcome[asset_index][2]]
        for index, amount in zip(event["indices"], event["amounts"], strict=True):
            assert amount > 0
            amounts[index] -= amount
        outcome = with_amounts(outcome, amounts, asset_index)
    return outcome


def contract_receiver(nitro: Nitro, name: str) -> tuple[Contract, bytes]:
    receiver = nitro.rpc.deploy(name)
    return receiver, destination_of(receiver.address)
