"""Reading a dispute kit: what it says, checked, as a node's state that can go on from there (M21).

Nothing is believed for being written: ids follow from fixed parts, hashes from states, every
signature recovers its participant, sums are kept, and each ready call is made again and compared.
What nobody can sign, what the chain held at the kit's block, is read again from there on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import decode_outcome
from protocols.adjudication import Adjudicated, ChainStatus
from protocols.app_definitions import rule_of
from protocols.app_kits import learn_apps
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    Holding,
    SignedTurn,
    Virtual,
    funding_terms,
)
from protocols.compact_state import compacted
from protocols.crypto import recover_address, restore_v
from protocols.dispute_kit import (
    KIT_STATE_COUNT_MAX,
    DisputeKit,
    KitChannel,
    KitOnChain,
    KitPath,
    KitState,
)
from protocols.dispute_making import calls_of
from protocols.entities import Node, NodeState
from protocols.errors import ProtocolError
from protocols.events import ChainBlockProcessed, NodeCreated
from protocols.exit_calls import redemption
from protocols.exit_errors import KeyNotOfKit, KitDamaged, KitNeedsKey, KitRefused
from protocols.exit_value import exit_value, material_of
from protocols.ledger import Ledger, vars_of
from protocols.node_state import apply
from protocols.objectives.dispute_export import needs_challenge
from protocols.objectives.supports import held_support, needs_redemption
from protocols.outcome import destination_of, total
from protocols.redemptions import redeemed_by
from protocols.signed_state import SignedState
from protocols.state import FixedPart, challenge_message, state_from_encoding
from protocols.types import (
    UINT48_MAX,
    UINT256_MAX,
    Address,
    Amount,
    Bytes32,
    ChannelId,
    Signature,
    from_hex,
    parse_address,
    require_width,
    to_hex,
)
from protocols.voucher import Vouchers, voucher_hash

CONFIRMATION_COUNT_MAX = 10_000
"""No chain needs more: a day and a half of Ethereum's blocks."""
LIMIT_COUNT_MAX = 16
"""Sentences on what a kit cannot do."""
BLOCK_NUM_MAX = 2**63 - 1
CHAIN_ID_MAX = 2**64 - 1
FORMAT_VERSION = 1
"""What record 0 would say of the log that there is none of."""

_DIGITS = re.compile("[0-9]{1,78}", re.ASCII)


class Case(Struct, frozen=True):
    """A kit that was checked: who runs it goes on from here."""

    kit: DisputeKit
    state: NodeState
    account: Address
    signatures: dict[Bytes32, Signature]
    """Made in advance, by what was signed."""
    funded: tuple[ChannelId, ...]
    """The channels with holdings of their own: what is paid out is paid out of them."""
    needing: tuple[ChannelId, ...]
    """Channels whose redemption is to be signed first, with the account's key."""

    def signer(self, key: Callable[[Bytes32], Signature] | None) -> Callable[[Bytes32], Signature]:
        """What signs as the account: what was signed in advance, and with `key` the rest.

        `key` has an `address` if it is a `crypto.Signer`. Raises KitNeedsKey or KeyNotOfKit.
        """
        if key is None:
            if self.needing:
                raise KitNeedsKey(self.account, self.needing[0])
            return _Advance(self.account, self.signatures)
        given = getattr(key, "address", self.account)
        if given != self.account:
            raise KeyNotOfKit(self.account, given)
        return key


class _Advance:
    """Signatures that were made in advance, and no others."""

    def __init__(self, account: Address, signatures: dict[Bytes32, Signature]) -> None:
        self._account = account
        self._signatures = signatures

    def __call__(self, hash32: Bytes32) -> Signature:
        signature = self._signatures.get(hash32)
        if signature is None:
            raise KitNeedsKey(self._account, bytes(32))
        return signature


def read_kit(kit: DisputeKit) -> Case:
    """The kit's case. Raises KitDamaged."""
    try:
        return _read(kit)
    except KitRefused:
        raise
    except (ProtocolError, ValueError) as error:
        raise KitDamaged("its values", str(error)) from error


def _read(kit: DisputeKit) -> Case:
    account = parse_address(kit.account)
    _require(len(kit.limits) <= LIMIT_COUNT_MAX, "limits", "there are too many")
    _require(from_hex(kit.destination) == destination_of(account), "destination", "not of account")
    state = NodeState()
    _found_node(state, kit, account)
    learn_apps(state, kit.channels)
    signatures: dict[Bytes32, Signature] = {}
    for entry in kit.channels:
        try:
            channel = _channel(state.node, entry)
            _check_calls(state.node, channel, entry, signatures)
        except KitRefused:
            raise
        except (ProtocolError, ValueError) as error:
            raise KitDamaged(f"channel {entry.channel_id[:66]}", str(error)) from error
        _require(state.channels.get(channel.channel_id) is None, "channels", "one is listed twice")
        state.channels[channel.channel_id] = channel
        state.unconfirmed.look_at(channel)
    return _case(kit, state, account, signatures)


def _case(
    kit: DisputeKit, state: NodeState, account: Address, signatures: dict[Bytes32, Signature]
) -> Case:
    channels = [state.channels[known] for known in state.channels]
    _require(bool(channels), "channels", "there are none")
    _require(to_hex(channels[0].channel_id) == kit.channel_id, "channel_id", "it is not the first")
    funded = tuple(channel.channel_id for channel in channels if channel.virtual is None)
    _require(bool(funded), "channels", "none has holdings of its own")
    for channel in channels:
        _check_guarantees(state, channel)
    needing = tuple(
        channel.channel_id
        for channel in channels
        if needs_challenge(channel) and needs_redemption(state.node, channel)
    )
    _require(kit.needs_key == bool(needing), "needs_key", "the channels say otherwise")
    _require(not (kit.sealed and needing), "sealed", "a redemption is not signed")
    _check_worth(kit, state, channels)
    return Case(kit, state, account, signatures, funded, needing)


def _check_guarantees(state: NodeState, channel: Channel) -> None:
    """What a ledger guarantees names the ledger as its own, on the side where it stands."""
    if channel.ledger is None:
        return
    mine = destination_of(channel.me)
    for guarantee in channel.ledger.current.guarantees:
        target = state.channels.get(guarantee.target)
        if target is None:
            continue
        virtual = target.virtual
        _require(virtual is not None, "path", "a ledger funds it, and it has none")
        assert virtual is not None
        is_left = guarantee.left == mine
        named = virtual.right_ledger if is_left else virtual.left_ledger
        _require(named == channel.channel_id, "path", "another ledger funds it")


def _require(holds: bool, what: str, reason: str) -> None:
    if not holds:
        raise KitDamaged(what, reason)


def _number(what: str, text: str, most: int = UINT256_MAX) -> Amount:
    if _DIGITS.fullmatch(text) is None or int(text) > most:
        raise KitDamaged(what, "expected a decimal number within its width")
    return int(text)


def _found_node(state: NodeState, kit: DisputeKit, account: Address) -> None:
    deployment, made = kit.deployment, kit.made
    _require(0 < deployment.chain_id <= CHAIN_ID_MAX, "chain_id", "no chain has such an id")
    depth = deployment.confirmation_count
    _require(0 <= depth <= CONFIRMATION_COUNT_MAX, "confirmation_count", "out of all proportion")
    created = NodeCreated(
        FORMAT_VERSION,
        deployment.chain_id,
        parse_address(deployment.adjudicator),
        parse_address(deployment.virtual_payment_app),
        parse_address(deployment.consensus_app),
        account,
    )
    apply(state, created, 0)
    _require(made.time_ms >= 0 and made.log_seq >= 0, "made", "a number is negative")
    require_width("made.log_hash", from_hex(made.log_hash), 32)
    _require(-1 <= made.block_num <= BLOCK_NUM_MAX, "made.block_num", "no block has such a number")
    _require(0 <= made.block_time_s <= UINT48_MAX, "made.block_time_s", "no block has such a time")
    block_hash = from_hex(made.block_hash)
    if made.block_num >= 0:
        require_width("made.block_hash", block_hash, 32)
        block = ChainBlockProcessed(made.block_num, block_hash, made.block_time_s)
        apply(state, block, 0)
    else:
        _require(not block_hash, "made.block_hash", "there was no block")


def _channel(node: Node, entry: KitChannel) -> Channel:
    participants = tuple(map(parse_address, entry.participants))
    nonce = _number("channel_nonce", entry.channel_nonce)
    app = parse_address(entry.app_definition)
    fixed = FixedPart(participants, nonce, app, entry.challenge_duration_s)
    _require(to_hex(fixed.channel_id()) == entry.channel_id, "channel_id", "not of its fixed part")
    _require(node.address in participants, "participants", "the account takes no part in it")
    _require(len({*participants}) == len(participants) > 1, "participants", "not distinct")
    is_ledger = app == node.consensus_app
    is_known = is_ledger or app == node.virtual_payment_app or bool(entry.app_rule)
    _require(is_known, "app_definition", "not known here")
    _require(0 < len(entry.states) <= KIT_STATE_COUNT_MAX, "states", "none, or too many")
    signed = [_turn(fixed, found) for found in entry.states]
    numbers = [turn.turn_num for turn in signed]
    _require(sorted({*numbers}) == numbers, "states", "not in the order of their turns")
    _require(numbers[0] == PREFUND_TURN, "states", "the prefund is missing")
    channel = Channel(fixed.channel_id(), fixed, participants.index(node.address), tuple(signed))
    _check_sums(channel)
    supported = [turn.turn_num for turn in signed if turn.is_signed_by_all()]
    channel = replace(channel, supported_turn=max(supported, default=-1))
    if is_ledger:
        channel = _with_ledger(channel)
    channel = _with_chain(channel, entry.on_chain)
    channel = _with_voucher(channel, entry)
    channel = replace(channel, virtual=_virtual(entry.path))
    _check_redemption(channel, is_app=bool(entry.app_rule))
    return channel


def _turn(fixed: FixedPart, said: KitState) -> SignedTurn:
    encoded = from_hex(said.encoded_state)
    state = state_from_encoding(fixed, encoded)
    state_hash = state.state_hash()
    where = f"turn {state.turn_num}"
    _require(to_hex(state_hash) == said.state_hash, where, "the hash is another state's")
    _require(state.turn_num == said.turn_num, where, "the number is another state's")
    _require(state.is_final == said.is_final, where, "its end is another state's")
    signatures = tuple(map(from_hex, said.signatures))
    _require(len(signatures) == len(fixed.participants), where, "signatures are missing")
    for who, signature in zip(fixed.participants, signatures, strict=True):
        if signature and recover_address(state_hash, signature) != who:
            raise KitDamaged(where, "somebody else signed")
    return SignedTurn(state.turn_num, state_hash, state.is_final, compacted(encoded), signatures)


def _check_sums(channel: Channel) -> None:
    """Off chain every state of a channel splits one asset, and the same amount of it."""
    first = channel.state(channel.turns[0])
    _require(len(first.outcome) == 1, "states", "not of one asset")
    _require(len(first.outcome[0].allocations) > 1, "states", "not between two")
    for turn in channel.turns[1:]:
        outcome = channel.state(turn).outcome
        _require(len(outcome) == 1, "states", "not of one asset")
        _require(outcome[0].asset == first.outcome[0].asset, "states", "the asset changes")
        _require(total(outcome[0]) == total(first.outcome[0]), "states", "the sum changes")


def _with_ledger(channel: Channel) -> Channel:
    """The ledger at its newest state of both; it takes no update any more."""
    _require(len(channel.fixed.participants) == 2, "participants", "a ledger has two")
    agreed = [turn for turn in channel.turns if turn.is_signed_by_all() and not turn.is_final]
    kept = tuple(turn for turn in channel.turns if turn.turn_num <= 1 or turn.is_final)
    if not agreed or agreed[-1].turn_num < 1:
        return replace(channel, turns=kept)
    newest = agreed[-1]
    vars_ = vars_of(channel.state(newest))
    leader, follower = newest.signatures
    asset = funding_terms(channel).asset
    ledger = Ledger(asset, newest.turn_num, newest.state_hash, (leader, follower), vars_, vars_)
    return replace(channel, turns=kept, ledger=ledger, close_only=True)


def _with_chain(channel: Channel, said: KitOnChain) -> Channel:
    outcomes = from_hex(said.first_outcome), from_hex(said.outcome)
    for outcome in outcomes:
        if outcome:
            decode_outcome(outcome)
    state_hash = from_hex(said.state_hash)
    _require(len(state_hash) in (0, 32), "on_chain.state_hash", "expected 32 bytes or none")
    for name, number in (("turn_num", said.turn_num), ("finalizes_at", said.finalizes_at)):
        _require(0 <= number <= UINT48_MAX, f"on_chain.{name}", "expected a uint48")
    status = ChainStatus(said.status)
    if status == ChainStatus.OPEN:
        stands = any(outcomes) or state_hash or said.finalizes_at
        _require(not stands, "on_chain", "nothing stands of an open channel")
    else:
        _require(said.finalizes_at > 0, "on_chain", "what stands has its time")
    held = _number("on_chain.held", said.held)
    known = Adjudicated(said.turn_num, said.finalizes_at, state_hash, *outcomes)
    return replace(
        channel,
        chain_status=status,
        adjudicated=None if known == Adjudicated() else known,
        holdings=(Holding(funding_terms(channel).asset, held),) if held else (),
    )


def _with_voucher(channel: Channel, entry: KitChannel) -> Channel:
    if entry.voucher is None:
        return channel
    _require(channel.ledger is None, "voucher", "a ledger carries none")
    amount = _number("voucher.amount", entry.voucher.amount)
    _require(0 < amount <= funding_terms(channel).deposits[0], "voucher", "not within the deposit")
    signature = from_hex(entry.voucher.signature)
    payer = channel.fixed.participants[0]
    if recover_address(voucher_hash(channel.channel_id, amount), signature) != payer:
        raise KitDamaged("voucher", "the payer did not sign it")
    return replace(channel, vouchers=Vouchers(amount, signature))


def _virtual(path: KitPath | None) -> Virtual | None:
    if path is None:
        return None
    ledgers = from_hex(path.left_ledger), from_hex(path.right_ledger)
    for ledger_id in ledgers:
        _require(len(ledger_id) in (0, 32), "path", "a ledger's id has 32 bytes")
    return Virtual(*ledgers, tuple(_number("path.fees", fee) for fee in path.fees))


def _check_redemption(channel: Channel, *, is_app: bool) -> None:
    """Turn 2 of a payment channel is what the largest voucher makes of the postfund (M7)."""
    turn = channel.turn(REDEMPTION_TURN)
    if turn is None or channel.ledger is not None or is_app:
        return
    postfund = channel.turn(POSTFUND_TURN)
    vouchers = channel.vouchers
    is_payee = channel.my_index == channel.payee_index
    if postfund is None or (is_payee and not vouchers.total):
        raise KitDamaged("turn 2", "there is nothing to redeem")
    if not is_payee:
        # The payee showed it on chain: which voucher it chose is not ours to say.
        redeemed_by(channel.state(turn), channel.state(postfund))
        return
    proof = SignedState(channel.state(postfund), postfund.signatures)
    expected = redemption(proof, vouchers.total, vouchers.signature)
    _require(expected.state_hash() == turn.state_hash, "turn 2", "it redeems another voucher")


def _check_calls(
    node: Node, channel: Channel, entry: KitChannel, signatures: dict[Bytes32, Signature]
) -> None:
    """The challenger's signature is for the newest state, and every call is what it should be."""
    held = held_support(node, channel, restore_v) if needs_challenge(channel) else None
    said, wish = entry.challenge, None
    _require((held is None) == (said is None), "challenge", "there is one too many or too few")
    if held is not None and said is not None:
        _require(said.turn_num == held.candidate.state.turn_num, "challenge", "of another turn")
        _require(said.state_hash == to_hex(held.state_hash), "challenge", "of another state")
        wish = from_hex(said.signature)
        message = challenge_message(held.state_hash)
        if recover_address(message, wish) != node.address:
            raise KitDamaged("challenge", "the account did not sign it")
        signatures[message] = wish
    _require(calls_of(channel, held, wish) == entry.calls, "calls", "not what the states come to")


def _check_worth(kit: DisputeKit, state: NodeState, channels: Iterable[Channel]) -> None:
    """What the exporter counted on; it may have known of states that lower it, of none above."""
    if kit.worth is None:
        return
    node = state.node
    materials = [
        material_of(known, node.virtual_payment_app, rule_of(node, known.fixed.app_definition))
        for known in channels
    ]
    most = exit_value(state.node.address, materials)
    said = {parse_address(found.asset): _number("worth", found.amount) for found in kit.worth}
    _require(len(said) == len(kit.worth), "worth", "an asset is listed twice")
    for asset, amount in said.items():
        _require(amount <= most.get(asset, 0), "worth", "the channels are worth less")
