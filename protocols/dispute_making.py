"""Making a dispute kit from what a node holds and from what was signed for the export (M21)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from protocols.adjudication import Adjudicated
from protocols.app_definitions import rule_of
from protocols.channel import (
    Channel,
    confirmed_holdings,
    funding_terms,
    is_finalised,
    supported_final,
)
from protocols.crypto import restore_v
from protocols.dispute_kit import (
    KIT_FORMAT,
    KIT_VERSION,
    DisputeKit,
    KitCall,
    KitChallenge,
    KitChannel,
    KitDeployment,
    KitMoment,
    KitOnChain,
    KitPath,
    KitState,
    KitVoucher,
    KitWorth,
    checksum_of,
)
from protocols.entities import Node, NodeState
from protocols.exit_calls import (
    challenge_call,
    checkpoint_call,
    conclude_and_transfer_call,
    conclude_call,
)
from protocols.exit_events import DisputeKitExported
from protocols.exit_plan import worth_of_channels
from protocols.objectives.app_supports import app_support, running_states
from protocols.objectives.dispute_export import kit_members, needs_challenge
from protocols.objectives.supports import (
    Support,
    held_support,
    needs_redemption,
    signed_for_chain,
    signed_running,
)
from protocols.outcome import destination_of
from protocols.signed_state import SignedState
from protocols.types import (
    Bytes32,
    ChannelId,
    Signature,
    StateHash,
    checksum_address,
    to_hex,
)
from protocols.voucher import voucher_hash

CHANNEL_STOP_COUNT = 4
"""Channels between two stops: some milliseconds, most of them for signatures' v."""


class Exported(Struct, frozen=True, gc=False):
    """The export as it was recorded, and the rules of the node that a kit's reader goes by."""

    event: DisputeKitExported
    log_seq: int
    log_hash: Bytes32
    time_ms: int
    confirmation_count: int


def kit_steps(state: NodeState, exported: Exported) -> Generator[None, None, DisputeKit | None]:
    """The kit; None if the node went on since the export, so that more would have to be signed.

    It stops now and then to let others go first, since a large one takes seconds, and is about the
    moment when it was called.
    """
    members = kit_members(state, state.channels[exported.event.channel_id])
    return _kit_steps(state.node, members, exported)


def _kit_steps(
    node: Node, members: Sequence[Channel], exported: Exported
) -> Generator[None, None, DisputeKit | None]:
    event = exported.event
    signed = {
        channel_id: (state_hash, signature)
        for channel_id, state_hash, signature in zip(
            event.channels, event.state_hashes, event.signatures, strict=True
        )
    }
    channels = []
    for count, member in enumerate(members, start=1):
        made = _channel(node, member, signed)
        if made is None:
            return None
        channels.append(made)
        if count % CHANNEL_STOP_COUNT == 0:
            yield
    needing = [m for m in members if needs_challenge(m) and needs_redemption(node, m)]
    if event.sealed and needing:
        return None
    kit = DisputeKit(
        KIT_FORMAT,
        KIT_VERSION,
        to_hex(event.channel_id),
        checksum_address(node.address),
        to_hex(destination_of(node.address)),
        event.sealed,
        bool(needing),
        _deployment(node, exported.confirmation_count),
        _moment(node, exported),
        (yield from _worth(node, members)),
        _limits(event, needs_key=bool(needing)),
        channels,
    )
    return replace(kit, checksum=checksum_of(kit))


def _limits(event: DisputeKitExported, *, needs_key: bool) -> list[str]:
    found = ["It holds what was signed until it was made; anything newer is not in it."]
    if needs_key:
        found.append("It needs the key of the account to redeem vouchers (--channel-key).")
    if event.sealed:
        found.append("It is sealed: the channels in it that pay the account take no voucher since.")
    found.append("Whoever has it can end the channels in it. All is paid to the account alone.")
    return found


def _deployment(node: Node, confirmation_count: int) -> KitDeployment:
    return KitDeployment(
        node.chain_id,
        checksum_address(node.adjudicator),
        checksum_address(node.virtual_payment_app),
        checksum_address(node.consensus_app),
        confirmation_count,
    )


def _moment(node: Node, exported: Exported) -> KitMoment:
    return KitMoment(
        exported.time_ms,
        node.processed_block_num,
        to_hex(node.processed_block_hash),
        node.processed_block_time_s,
        exported.log_seq,
        to_hex(exported.log_hash),
    )


def _worth(node: Node, members: Sequence[Channel]) -> Generator[None, None, list[KitWorth] | None]:
    found = yield from worth_of_channels(node, members)
    if found is None:
        return None
    return [KitWorth(checksum_address(asset), str(found[asset])) for asset in sorted(found)]


def _channel(
    node: Node, channel: Channel, signed: Mapping[ChannelId, tuple[StateHash, Signature]]
) -> KitChannel | None:
    held = held_support(node, channel, restore_v) if needs_challenge(channel) else None
    challenge = None
    if held is not None:
        state_hash, signature = signed.get(channel.channel_id, (b"", b""))
        if state_hash != held.state_hash:
            return None
        turn_num = held.candidate.state.turn_num
        challenge = KitChallenge(turn_num, to_hex(state_hash), to_hex(signature))
    fixed = channel.fixed
    return KitChannel(
        to_hex(channel.channel_id),
        [checksum_address(who) for who in fixed.participants],
        str(fixed.channel_nonce),
        checksum_address(fixed.app_definition),
        fixed.challenge_duration,
        [_state(found) for found in _states(node, channel, held)],
        _voucher(channel),
        _path(channel),
        challenge,
        _on_chain(channel),
        calls_of(channel, held, None if challenge is None else signature),
        rule_of(node, fixed.app_definition) or "",
    )


def _states(node: Node, channel: Channel, held: Support | None) -> list[SignedState]:
    """All that is known of its states; of a ledger what was agreed last as well, once."""
    found = {turn.turn_num: signed_for_chain(restore_v, channel, turn) for turn in channel.turns}
    if rule_of(node, channel.fixed.app_definition) is not None:
        # What the chain takes comes last: of one turn there may be another, from an offer.
        taken = app_support(node, channel)
        best = [] if taken is None else [each for each in (taken.before, taken.newest) if each]
        for running in (*running_states(channel), *best):
            found[running.state.turn_num] = signed_running(restore_v, running)
    if channel.ledger is not None:
        agreed = held or held_support(node, channel, restore_v)
        assert agreed is not None, "a ledger has an agreed state"
        found[agreed.candidate.state.turn_num] = agreed.candidate
    return [found[turn_num] for turn_num in sorted(found)]


def _state(signed: SignedState) -> KitState:
    encoded = signed.state.encode()
    return KitState(
        signed.state.turn_num,
        signed.state.is_final,
        to_hex(signed.state.state_hash()),
        to_hex(encoded),
        [to_hex(signature) for signature in signed.signatures],
    )


def _voucher(channel: Channel) -> KitVoucher | None:
    vouchers = channel.vouchers
    if not vouchers.total or not vouchers.signature:
        return None
    payer = channel.fixed.participants[0]
    hashed = voucher_hash(channel.channel_id, vouchers.total)
    signature = restore_v(hashed, vouchers.signature, payer)
    return KitVoucher(str(vouchers.total), to_hex(signature))


def _path(channel: Channel) -> KitPath | None:
    virtual = channel.virtual
    if virtual is None:
        return None
    ledgers = to_hex(virtual.left_ledger), to_hex(virtual.right_ledger)
    return KitPath(*ledgers, [str(fee) for fee in virtual.fees])


def _on_chain(channel: Channel) -> KitOnChain:
    known = channel.adjudicated or Adjudicated()
    held = confirmed_holdings(channel, funding_terms(channel).asset)
    return KitOnChain(
        str(channel.chain_status),
        str(held),
        known.turn_num,
        known.finalizes_at,
        to_hex(known.state_hash),
        to_hex(known.first_outcome),
        to_hex(known.outcome),
    )


def calls_of(channel: Channel, held: Support | None, wish: Signature | None) -> list[KitCall]:
    """What could be called for the channel by who holds its states and that challenger signature.

    What is reclaimed and transferred later follows from what the chain says then.
    """
    if is_finalised(channel):
        return []
    final = supported_final(channel)
    if final is not None:
        signed = signed_for_chain(restore_v, channel, final)
        if channel.virtual is not None:
            return [KitCall("conclude", to_hex(conclude_call(signed)))]
        return [KitCall("conclude_and_transfer", to_hex(conclude_and_transfer_call(signed)))]
    if held is None or wish is None:
        return []
    challenge = challenge_call(held.candidate, held.proof, wish)
    found = [KitCall("challenge", to_hex(challenge))]
    if channel.ledger is not None:
        checkpoint = checkpoint_call(held.candidate, held.proof)
        found.append(KitCall("checkpoint", to_hex(checkpoint)))
    return found
