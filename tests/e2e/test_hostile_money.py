"""Hostile counterparties: states and vouchers that must not be signed, accepted or paid.

Each is refused by its own name, and bob goes on.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import messages
from protocols.crypto import Signer
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS, Bytes32, parse_address
from tests.support.hostile_peer import DEPOSIT_WEI, Mallory

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("bob_goes_on")]

STRANGER = Signer(b"\x77" * 32)


# --- states ---


@pytest.mark.parametrize(
    "signature",
    ["another's", "zeros", "high s", "v of 29", "another message's"],
)
async def test_a_badly_signed_proposal_is_dropped(signature: str, mallory: Mallory) -> None:
    good = mallory.proposal()
    bad = {
        "another's": mallory.proposal(signer=STRANGER).signature,
        "zeros": bytes(65),
        "high s": high_s(good.signature),
        "v of 29": good.signature[:64] + b"\x1d",
        "another message's": mallory.signer(bytes(32)),
    }[signature]
    async with mallory.session():
        await mallory.say(replace(good, signature=bad))
        assert (await mallory.drops()).error_code == "signature_invalid"
    assert known_channels(mallory) == []


def high_s(signature: bytes) -> bytes:
    """The other signature of the same message, which Ethereum does not take."""
    order = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
    s = order - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def known_channels(mallory: Mallory) -> list[str]:
    """Bob's channels with mallory."""
    channels = mallory.victim.call("channel_list")["channels"]
    return [c["channel_id"] for c in channels if c["counterparty"] == mallory.spelt]


def proposal_of(mallory: Mallory, state: State) -> messages.ChannelProposal:
    fixed = state.fixed
    return messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        state.encode(),
        mallory.signer(state.state_hash()),
    )


def with_fixed(mallory: Mallory, **changes: Any) -> State:
    state = mallory.state(0)
    return replace(state, fixed=replace(state.fixed, **changes))


def with_allocations(mallory: Mallory, *amounts: int, **changes: Any) -> State:
    state = mallory.state(0)
    allocations = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(state.fixed.participants, amounts, strict=True)
    )
    return replace(state, outcome=(SingleAssetExit(ZERO_ADDRESS, allocations),), **changes)


def forbidden(mallory: Mallory) -> dict[str, State]:
    """Prefund states, each with one thing that may not be."""
    _, bob = mallory.fixed().participants
    foreign_nonce = mallory.fixed().channel_nonce ^ (1 << 63)
    deployment = mallory.deployment.addresses
    return {
        "NONCE_PREFIX_MISMATCH": with_fixed(mallory, channel_nonce=foreign_nonce),
        "CHALLENGE_DURATION_TOO_SHORT": with_fixed(mallory, challenge_duration=10),
        "CHALLENGE_DURATION_TOO_LONG": with_fixed(mallory, challenge_duration=2**48 - 1),
        "APP_NOT_SUPPORTED": with_fixed(
            mallory, app_definition=parse_address(deployment["adjudicator"])
        ),
        "PARTICIPANTS_REFUSED": with_fixed(mallory, participants=(STRANGER.address, bob)),
        "PAYEE_MUST_OPEN_WITH_ZERO": with_allocations(mallory, 10, 10),
        "OUTCOME_NOT_SUPPORTED": replace(mallory.state(0), outcome=()),
        "STATE_REFUSED": replace(mallory.state(0), is_final=True),
    }


@pytest.mark.parametrize(
    "rule",
    [
        "NONCE_PREFIX_MISMATCH",
        "CHALLENGE_DURATION_TOO_SHORT",
        "CHALLENGE_DURATION_TOO_LONG",
        "APP_NOT_SUPPORTED",
        "PARTICIPANTS_REFUSED",
        "PAYEE_MUST_OPEN_WITH_ZERO",
        "OUTCOME_NOT_SUPPORTED",
        "STATE_REFUSED",
    ],
)
async def test_a_channel_that_cannot_be_enforced_is_refused_by_its_rule(
    rule: str, mallory: Mallory
) -> None:
    async with mallory.session():
        await mallory.say(proposal_of(mallory, forbidden(mallory)[rule]))
        assert (await mallory.drops()).reason.startswith(rule)
    assert known_channels(mallory) == []
    assert mallory.all(messages.SignedState) == []


async def test_states_of_a_foreign_channel_are_refused(mallory: Mallory, channel_id: str) -> None:
    """Alice's channel with bob is none of mallory's business."""
    theirs = bytes.fromhex(channel_id[2:])
    async with mallory.session():
        state = mallory.state(3)
        await mallory.say(
            messages.SignedState(theirs, state.encode(), mallory.signer(state.state_hash()))
        )
        assert (await mallory.drops()).error_code == "channel_unknown"
        await mallory.say(messages.FinalStateRequest(theirs, bytes(32), b""))
        assert (await mallory.drops(2)).error_code == "channel_unknown"
        await mallory.say(mallory.payment(theirs, 10, 10))
        assert (await mallory.drops(3)).error_code == "channel_unknown"


async def test_a_badly_signed_postfund_does_not_open_the_channel(mallory: Mallory) -> None:
    async with mallory.session():
        await mallory.say(mallory.proposal())
        await mallory.hears(messages.SignedState)
        await mallory.say(mallory.signed(mallory.state(1), STRANGER))
        assert (await mallory.drops()).error_code == "signature_invalid"
        await mallory.say(mallory.payment(mallory.fixed().channel_id(), 10, 10))
        refusal = await mallory.hears(messages.PaymentRefusal)
        assert refusal.error_code == "CHANNEL_NOT_OPEN"


# --- vouchers ---


def payments_to_refuse(
    mallory: Mallory, channel_id: Bytes32
) -> dict[str, tuple[messages.Payment, str]]:
    """By name: a payment after one of 100 was accepted, and the error it must meet."""
    pay = mallory.payment
    return {
        "another's signature": (pay(channel_id, 110, 10, STRANGER), "VOUCHER_SIGNATURE_WRONG"),
        "another total signed": (
            replace(pay(channel_id, 110, 10), signature=pay(channel_id, 100, 100).signature),
            "VOUCHER_SIGNATURE_WRONG",
        ),
        "no signature": (
            replace(pay(channel_id, 110, 10), signature=bytes(65)),
            "VOUCHER_SIGNATURE_WRONG",
        ),
        "above the deposit": (
            pay(channel_id, DEPOSIT_WEI + 1, DEPOSIT_WEI - 99),
            "AMOUNT_ABOVE_DEPOSIT",
        ),
        "far above the deposit": (
            pay(channel_id, 2**256 - 1, 2**256 - 101),
            "AMOUNT_ABOVE_DEPOSIT",
        ),
        "nothing": (pay(channel_id, 100, 0), "AMOUNT_NOT_POSITIVE"),
        "less than the last": (pay(channel_id, 90, 10), "VOUCHER_TOTAL_WRONG"),
        "a sum that is wrong": (pay(channel_id, 120, 10), "VOUCHER_TOTAL_WRONG"),
        "the last one again": (pay(channel_id, 100, 100), "VOUCHER_TOTAL_WRONG"),
    }


async def test_a_wrong_voucher_is_refused_by_name_and_the_next_good_one_accepted(
    mallory: Mallory,
) -> None:
    async with mallory.session():
        channel_id = await mallory.open_channel()
        await mallory.say(mallory.payment(channel_id, 100, 100))
        await mallory.hears(messages.Receipt)
        for count, (wrong, error) in enumerate(
            payments_to_refuse(mallory, channel_id).values(), start=1
        ):
            await mallory.say(wrong)
            refusal = await mallory.hears(messages.PaymentRefusal, count)
            assert refusal.error_code == error
            assert int.from_bytes(refusal.accepted_total, "big") == 100
        await mallory.say(mallory.payment(channel_id, 130, 30))
        receipt = await mallory.hears(messages.Receipt, 2)
        assert int.from_bytes(receipt.total, "big") == 130
        assert len(mallory.all(messages.Receipt)) == 2


async def test_a_final_state_below_the_vouchers_is_refused_and_nothing_is_paid_after(
    mallory: Mallory,
) -> None:
    async with mallory.session():
        channel_id = await mallory.open_channel()
        await mallory.say(mallory.payment(channel_id, 100, 100))
        await mallory.hears(messages.Receipt)
        cheap = replace(with_allocations(mallory, DEPOSIT_WEI - 99, 99), turn_num=3, is_final=True)
        await mallory.say(mallory.signed(cheap))
        refusal = await mallory.hears(messages.FinalStateRefusal)
        assert (refusal.turn_num, int.from_bytes(refusal.total, "big")) == (3, 100)
        # Once refused it is never signed, whatever is said again.
        await mallory.say(mallory.signed(cheap))
        await mallory.hears(messages.FinalStateRefusal, 2)
        assert len(mallory.all(messages.SignedState)) == 2
        fair = replace(with_allocations(mallory, DEPOSIT_WEI - 100, 100), turn_num=4, is_final=True)
        await mallory.say(mallory.signed(fair))
        await mallory.hears(messages.SignedState, 3)
        await mallory.say(mallory.payment(channel_id, 110, 10))
        late = await mallory.hears(messages.PaymentRefusal)
        assert late.error_code == "CHANNEL_CLOSING"
