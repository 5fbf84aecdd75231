"""The adjudicator's rules of disputes, executed on real call data: what stands, for how long, and
what is paid out of it.

Written after the contracts (ForceMove.sol, AssetHolder.sol, VirtualPaymentApp.sol), with eth_abi
and without a line of what decides in `protocols`: a call that would revert gives None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from eth_abi.abi import decode
from eth_abi.abi import encode as eth_encode

from protocols import inputs
from protocols.app_data import decode_app_data, next_root
from protocols.crypto import keccak256, recover_address
from protocols.exit_calls import (
    CHALLENGE_SELECTOR,
    CHECKPOINT_SELECTOR,
    CONCLUDE_SELECTOR,
    RECLAIM_SELECTOR,
    TRANSFER_SELECTOR,
)
from protocols.outcome import GUARANTEE, Allocation, Outcome, SingleAssetExit, is_external
from protocols.state import FixedPart, State
from protocols.types import Address, ChannelId
from tests.support.builders import CONSENSUS_APP, GAME_APP, LOG_APP, RPS_APP, chain_log
from tests.support.model_games import is_move_of_game
from tests.support.states import OUTCOME_TYPE, outcome_values

FIXED = "(address[],uint64,address,uint48)"
SIGNATURE = "(uint8,bytes32,bytes32)"
SIGNED = f"(({OUTCOME_TYPE},bytes,uint48,bool),{SIGNATURE}[])"
RECLAIM = "(bytes32,bytes32,bytes,uint256,uint256,bytes32,bytes,uint256)"

Logs = list[inputs.ChainLog] | None


@dataclass(frozen=True)
class Kept:
    """What the adjudicator keeps of one channel."""

    turn_num: int = 0
    finalizes_at: int = 0
    state_hash: bytes = bytes(32)
    outcome: Outcome = ()
    first_outcome: Outcome | None = None
    """Before the first payout: what guarantees are judged by."""


class ModelAdjudicator:
    """Disputes of all channels; `held` is shared with whoever counts deposits."""

    def __init__(self) -> None:
        self.kept: dict[ChannelId, Kept] = {}
        self.refusing: set[Address] = set()
        """Who cannot be paid now: a payout to them fails, stays owed, and blocks nobody (M3)."""

    def run(self, data: bytes, now_s: int, held: dict[ChannelId, int]) -> Logs:
        """The logs of one call in a block of that time; None if it reverts."""
        calls = {
            CHALLENGE_SELECTOR: self._challenge,
            CHECKPOINT_SELECTOR: self._checkpoint,
            CONCLUDE_SELECTOR: self._conclude,
        }
        if data[:4] in calls:
            return calls[data[:4]](data[4:], now_s)
        if data[:4] == TRANSFER_SELECTOR:
            return self._transfer(data[4:], now_s, held)
        assert data[:4] == RECLAIM_SELECTOR, f"no call begins with {data[:4].hex()}"
        return self._reclaim(data[4:], now_s)

    def is_final(self, channel_id: ChannelId, now_s: int) -> bool:
        """Whether nothing can be registered any more."""
        return 0 < self.kept.get(channel_id, Kept()).finalizes_at <= now_s

    def pay_out(self, channel_id: ChannelId, outcome: Outcome, now_s: int) -> None:
        """A conclusion that pays everybody at once: no state hash stands, and nothing is owed."""
        (exit_,) = outcome
        nothing = tuple(msgspec.structs.replace(a, amount=0) for a in exit_.allocations)
        rest = (msgspec.structs.replace(exit_, allocations=nothing),)
        self.kept[channel_id] = Kept(0, now_s, bytes(32), rest, outcome)

    def _challenge(self, data: bytes, now_s: int) -> Logs:
        fixed_values, proof, candidate, wish = decode(
            [FIXED, f"{SIGNED}[]", SIGNED, SIGNATURE], data
        )
        fixed = _fixed(fixed_values)
        channel_id, state = fixed.channel_id(), _state(fixed, candidate)
        known = self.kept.get(channel_id, Kept())
        least = known.turn_num + (known.finalizes_at > 0)
        if self.is_final(channel_id, now_s) or state.turn_num < least:
            return None
        if not _is_supported(fixed, proof, candidate):
            return None
        message = keccak256(eth_encode(["bytes32", "string"], [state.state_hash(), "forceMove"]))
        assert recover_address(message, _raw(wish)) in fixed.participants
        ends_at = now_s + fixed.challenge_duration
        self.kept[channel_id] = Kept(state.turn_num, ends_at, state.state_hash(), state.outcome)
        return [
            chain_log(
                "ChallengeRegistered",
                0,
                channel_id=channel_id,
                number=ends_at,
                turn_num=state.turn_num,
                candidate_state_hash=state.state_hash(),
                candidate_outcome=encoded(state.outcome),
                **_shown(fixed, proof, state, candidate),
            )
        ]

    def _checkpoint(self, data: bytes, now_s: int) -> Logs:
        fixed_values, proof, candidate = decode([FIXED, f"{SIGNED}[]", SIGNED], data)
        fixed = _fixed(fixed_values)
        channel_id, state = fixed.channel_id(), _state(fixed, candidate)
        known = self.kept.get(channel_id, Kept())
        if self.is_final(channel_id, now_s) or state.turn_num <= known.turn_num:
            return None
        if not _is_supported(fixed, proof, candidate):
            return None
        self.kept[channel_id] = Kept(state.turn_num)
        name = "ChallengeCleared" if known.finalizes_at else "Checkpointed"
        told = _shown(fixed, proof, state, candidate) if proof else {}
        told["signatures"] = tuple(map(_raw, candidate[1]))
        signed = chain_log(
            "CheckpointProved" if proof else "CheckpointSigned",
            0,
            channel_id=channel_id,
            turn_num=state.turn_num,
            candidate_state_hash=state.state_hash(),
            **told,
        )
        return [chain_log(name, 0, channel_id=channel_id, number=state.turn_num), signed]

    def _conclude(self, data: bytes, now_s: int) -> Logs:
        fixed_values, candidate = decode([FIXED, SIGNED], data)
        fixed = _fixed(fixed_values)
        channel_id, state = fixed.channel_id(), _state(fixed, candidate)
        if self.is_final(channel_id, now_s) or not state.is_final:
            return None
        if _signers(state, candidate) != set(fixed.participants):
            return None
        self.kept[channel_id] = Kept(0, now_s, bytes(32), state.outcome)
        told = {"number": now_s, "amounts": amounts_of(state.outcome)}
        return [chain_log("Concluded", 0, channel_id=channel_id, **told)]

    def _transfer(self, data: bytes, now_s: int, held: dict[ChannelId, int]) -> Logs:
        kinds = ["uint256", "bytes32", "bytes", "bytes32", "uint256[]"]
        asset_index, channel_id, outcome, state_hash, indices = decode(kinds, data)
        known = self._standing(channel_id, now_s, state_hash, outcome)
        if known is None or asset_index != 0 or list(indices) != sorted(set(indices)):
            return None
        (exit_,), surplus, amounts = known.outcome, held.get(channel_id, 0), {}
        for place, share in enumerate(exit_.allocations):
            affordable = min(share.amount, surplus)
            surplus -= affordable
            if place in indices or not indices:
                if share.allocation_type == GUARANTEE:
                    return None
                if affordable and external(share) not in self.refusing:
                    amounts[place] = affordable
        shares = tuple(
            msgspec.structs.replace(share, amount=share.amount - amounts.get(place, 0))
            for place, share in enumerate(exit_.allocations)
        )
        held[channel_id] = held.get(channel_id, 0) - sum(amounts.values())
        rest = (msgspec.structs.replace(exit_, allocations=shares),)
        first = known.first_outcome or (known.outcome if amounts else None)
        self.kept[channel_id] = replace(known, outcome=rest, first_outcome=first)
        common: dict[str, Any] = {"channel_id": channel_id}
        logs = [chain_log("AllocationUpdated", 0, amount=held[channel_id], **common)]
        if amounts:
            paid = {"indices": tuple(amounts), "amounts": tuple(amounts.values())}
            logs.append(chain_log("OutcomePaid", 0, **paid, **common))
        return logs

    def _reclaim(self, data: bytes, now_s: int) -> Logs:
        ((source_id, source_hash, source, _, place, target_hash, target, _),) = decode(
            [RECLAIM], data
        )
        known = self._standing(source_id, now_s, source_hash, source)
        if known is None:
            return None
        (exit_,) = known.outcome
        guarantee = exit_.allocations[place]
        if guarantee.allocation_type != GUARANTEE:
            return None
        judged = self.kept.get(guarantee.destination, Kept())
        first = judged.first_outcome or judged.outcome
        is_judged = judged.state_hash == target_hash and encoded(first) == target
        if not self.is_final(guarantee.destination, now_s) or not is_judged:
            return None
        right_share = first[0].allocations[1].amount
        if right_share > guarantee.amount:
            return None
        gains = {
            guarantee.metadata[:32]: guarantee.amount - right_share,
            guarantee.metadata[32:]: right_share,
        }
        shares = tuple(
            msgspec.structs.replace(share, amount=share.amount + gains.pop(share.destination, 0))
            for index, share in enumerate(exit_.allocations)
            if index != place
        )
        rest = (msgspec.structs.replace(exit_, allocations=shares),)
        self.kept[source_id] = replace(known, outcome=rest)
        reclaimed = {"target": guarantee.destination, "amount": right_share}
        return [chain_log("OutcomeReclaimed", 0, channel_id=source_id, **reclaimed)]

    def _standing(
        self, channel_id: ChannelId, now_s: int, state_hash: bytes, outcome: bytes
    ) -> Kept | None:
        known = self.kept.get(channel_id)
        if known is None or not self.is_final(channel_id, now_s):
            return None
        fits = known.state_hash == state_hash and encoded(known.outcome) == outcome
        return known if fits else None


def encoded(outcome: Outcome) -> bytes:
    """The outcome as the contracts take it."""
    return eth_encode([OUTCOME_TYPE], [outcome_values(outcome)])


def amounts_of(outcome: Outcome) -> tuple[int, ...]:
    """What a conclusion tells of it, as a node reads the two logs of one."""
    return tuple(share.amount for exit_ in outcome for share in exit_.allocations)


def _shown(fixed: FixedPart, proof: Sequence[Any], state: State, signed: Any) -> dict[str, Any]:
    """What a log tells of a candidate and its proof."""
    shown = [(_state(fixed, each).encode(), tuple(map(_raw, each[1]))) for each in proof]
    signatures = tuple(map(_raw, signed[1]))
    return {"candidate": state.encode(), "proof": tuple(shown), "signatures": signatures}


def _is_supported(fixed: FixedPart, proof: Sequence[Any], candidate: Any) -> bool:
    state, everybody = _state(fixed, candidate), set(fixed.participants)
    signers = _signers(state, candidate)
    if fixed.app_definition == CONSENSUS_APP:
        return not proof and signers == everybody
    if not proof:
        return signers == everybody and state.turn_num in (0, 1)
    postfund = _state(fixed, proof[0])
    if fixed.app_definition in (LOG_APP, GAME_APP, RPS_APP):
        shown = [(_state(fixed, each), _signers(_state(fixed, each), each)) for each in proof]
        claim = [*shown, (state, signers)]
        is_game = fixed.app_definition == RPS_APP
        return _is_app_state(claim, everybody) and (not is_game or is_move_of_game(claim))
    if len(proof) != 1 or postfund.turn_num != 1 or _signers(postfund, proof[0]) != everybody:
        return False
    if state.turn_num != 2 or state.is_final or fixed.participants[-1] not in signers:
        return False
    if len(state.app_data) != 128:
        return False
    ((amount, voucher),) = decode([f"(uint256,{SIGNATURE})"], state.app_data)
    message = keccak256(eth_encode(["bytes32", "uint256"], [fixed.channel_id(), amount]))
    if recover_address(message, _raw(voucher)) != fixed.participants[0]:
        return False
    before, later = (
        [share.amount for share in each.outcome[0].allocations] for each in (postfund, state)
    )
    return before[1] == 0 and later == [before[0] - amount, amount]


def _is_app_state(shown: list[tuple[State, set[Address]]], everybody: set[Address]) -> bool:
    """The rules of both app contracts but the game's own: of postfund, state before, candidate."""
    (postfund, openers), *running = shown
    people, is_log = postfund.fixed.participants, postfund.fixed.app_definition == LOG_APP
    if postfund.turn_num != 1 or openers != everybody or len(running) > 2:
        return False
    for state, signers in running:
        data = decode_app_data(state.app_data)
        wanted = {people[0], people[-1]} if is_log else {people[0 if data.count % 2 else -1]}
        amounts = [share.amount for share in state.outcome[0].allocations]
        opened = [share.amount for share in postfund.outcome[0].allocations]
        is_form = data.count == state.turn_num - 1 > 0 and not state.is_final
        if not is_form or sum(amounts) != sum(opened) or not wanted <= signers:
            return False
    newest = decode_app_data(running[-1][0].app_data)
    root = bytes(32)
    if len(running) == 2:
        before = decode_app_data(running[0][0].app_data)
        if before.count + 1 != newest.count:
            return False
        root = before.root
    elif newest.count > 1:
        return is_log
    return newest.root == next_root(root, newest.message)


def _signers(state: State, signed: Any) -> set[Address]:
    return {recover_address(state.state_hash(), _raw(signature)) for signature in signed[1]}


def _raw(signature: tuple[int, bytes, bytes]) -> bytes:
    v, r, s = signature
    return r + s + bytes((v,))


def _fixed(values: Any) -> FixedPart:
    participants, nonce, app, duration = values
    return FixedPart(tuple(map(_address, participants)), nonce, _address(app), duration)


def _state(fixed: FixedPart, signed: Any) -> State:
    outcome, app_data, turn_num, is_final = signed[0]
    exits = tuple(
        SingleAssetExit(
            _address(asset), tuple(Allocation(*values) for values in allocations), *metadata
        )
        for asset, metadata, allocations in outcome
    )
    return State(fixed, app_data, exits, turn_num, is_final)


def _address(text: str) -> Address:
    return bytes.fromhex(text[2:])


def external(share: Allocation) -> Address | None:
    """Whom a share pays; None if it is a channel's."""
    return share.destination[12:] if is_external(share.destination) else None
