"""What a two-party payment channel is made of, built by hand: to say what a peer or a chain says.

Everything defaults to the channel that ALICE opens to BOB with `DEPOSIT` on the test deployment;
every part can be changed, to build what must be refused.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.nonce import channel_nonce
from protocols.outcome import Allocation, Outcome, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB, Actor

CHAIN_ID = 31_337
ADJUDICATOR = b"\xad" * 20
PAYMENT_APP = b"\xab" * 20
CONSENSUS_APP = b"\xac" * 20
LOG_APP = b"\xa9" * 20
GAME_APP = b"\xaa" * 20
RPS_APP = b"\xa8" * 20
"""The chain's own rock-paper-scissors; of GAME_APP's game it knows movers and sums alone."""
DEPOSIT = 10**18
DURATION_S = 86_400
ENTROPY = b"abcd"


def open_command(**changes: Any) -> commands.OpenChannel:
    """ALICE's owner opens the channel."""
    command = commands.OpenChannel(BOB.address, ZERO_ADDRESS, DEPOSIT, 0, DURATION_S, ENTROPY)
    return replace(command, **changes)


def fixed_part(**changes: Any) -> FixedPart:
    """The channel's fixed part."""
    nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, ENTROPY)
    fixed = FixedPart((ALICE.address, BOB.address), nonce, PAYMENT_APP, DURATION_S)
    return replace(fixed, **changes)


FIXED = fixed_part()
CHANNEL: ChannelId = FIXED.channel_id()


def split(
    paid: int = 0,
    *,
    total: int = DEPOSIT,
    asset: Address = ZERO_ADDRESS,
    payer: Address = ALICE.address,
    payee: Address = BOB.address,
) -> Outcome:
    """The deposit, with `paid` of it the payee's."""
    allocations = (
        Allocation(destination_of(payer), total - paid),
        Allocation(destination_of(payee), paid),
    )
    return (SingleAssetExit(asset, allocations),)


def state(turn: int, paid: int = 0, **changes: Any) -> State:
    """A state of the channel."""
    built = State(FIXED, b"", split(paid), turn, False)
    return replace(built, **changes)


def final(paid: int, turn_num: int = 3, **changes: Any) -> State:
    """A final state that gives the payee `paid`."""
    return state(turn_num, paid, is_final=True, **changes)


def signed(signed_state: State, by: Actor) -> messages.SignedState:
    """The state with the actor's signature, as a message."""
    encoded = signed_state.encode()
    signature = by.signer(signed_state.state_hash())
    return messages.SignedState(signed_state.channel_id, encoded, signature)


def consent(signed_state: State) -> messages.SignedState:
    """BOB's signature on a final state of ALICE's, with hers."""
    signature = ALICE.signer(signed_state.state_hash())
    return replace(signed(signed_state, BOB), receivers_signature=signature)


def proposal(prefund: State | None = None, by: Actor = ALICE) -> messages.ChannelProposal:
    """The state proposed by the actor, with its fixed part."""
    prefund = state(0) if prefund is None else prefund
    fixed, said = prefund.fixed, signed(prefund, by)
    return messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        said.encoded_state,
        said.signature,
    )


def payment(
    total: int, amount: int, *, by: Actor = ALICE, channel_id: ChannelId = CHANNEL, **changes: Any
) -> messages.Payment:
    """A payment of `amount` under a voucher of `total`; its id is the total."""
    signature = sign_voucher(channel_id, total, by.signer)
    identity = amount_to_bytes(total)
    body = messages.Payment(
        channel_id, identity, amount_to_bytes(amount), amount_to_bytes(total), signature
    )
    return replace(body, **changes)


def final_request(
    total: int, by: Actor = ALICE, channel_id: ChannelId = CHANNEL
) -> messages.FinalStateRequest:
    """A wish to close that shows the voucher of `total` signed by the actor; none for 0."""
    signature = sign_voucher(channel_id, total, by.signer) if total else b""
    return messages.FinalStateRequest(channel_id, amount_to_bytes(total), signature)


def final_refusal(turn_num: int, total: int, by: Actor = ALICE) -> messages.FinalStateRefusal:
    """The payee will not sign that turn and shows the payer's voucher of `total`."""
    signature = sign_voucher(CHANNEL, total, by.signer)
    return messages.FinalStateRefusal(CHANNEL, turn_num, amount_to_bytes(total), signature)


def chain_log(
    name: str, block_num: int, *, confirmed: bool = True, **changes: Any
) -> inputs.ChainLog:
    """A log of the adjudicator about the channel; its hashes follow from the block number."""
    log = inputs.ChainLog(
        name,
        CHANNEL,
        block_num,
        block_hash(block_num),
        tx_hash(block_num),
        tx_index=0,
        log_index=0,
        confirmed=confirmed,
    )
    return replace(log, **changes)


def deposited(
    held: int = DEPOSIT, block_num: int = 1, *, confirmed: bool = True, **changes: Any
) -> inputs.ChainLog:
    """Somebody deposited; the channel holds `held` now."""
    return chain_log("Deposited", block_num, confirmed=confirmed, amount=held, **changes)


def payout(block_num: int, *amounts: int, confirmed: bool = True) -> tuple[inputs.ChainLog, ...]:
    """The logs of one conclude-and-transfer that pays all of `amounts`, by allocation."""
    paid = tuple((index, amount) for index, amount in enumerate(amounts) if amount)
    indices, values = tuple(i for i, _ in paid), tuple(a for _, a in paid)
    return (
        chain_log("Concluded", block_num, confirmed=confirmed, number=1_700_000_000),
        chain_log("AllocationUpdated", block_num, confirmed=confirmed, log_index=1),
        chain_log(
            "OutcomePaid",
            block_num,
            confirmed=confirmed,
            log_index=2,
            indices=indices,
            amounts=values,
        ),
    )


def block_hash(block_num: int, fork: int = 0) -> bytes:
    """The made-up hash of a block."""
    return b"block" + fork.to_bytes(3, "big") + block_num.to_bytes(24, "big")


def tx_hash(block_num: int, index: int = 0) -> bytes:
    """The made-up hash of a block's transaction."""
    return b"tx" + index.to_bytes(6, "big") + block_num.to_bytes(24, "big")


def voucher_signature(total: int, by: Actor = ALICE) -> bytes:
    """The actor's voucher for the channel."""
    return sign_voucher(CHANNEL, total, by.signer)
