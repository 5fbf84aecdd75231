"""What follows from a channel's data: support, holdings, statuses, final turns, withdrawal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols.abi import encode_outcome
from protocols.adjudication import Adjudicated, status_after
from protocols.channel import (
    ChainStatus,
    Channel,
    ChannelStatus,
    FinalRequest,
    Holding,
    ObservedLog,
    confirmed_holdings,
    funding_terms,
    is_funded,
    is_supported,
    is_withdrawn,
    known_signer,
    next_final_turn,
    observed_chain_status,
    observed_holdings,
    signed_final,
    status,
    supported_final,
    with_signature,
    with_turn,
)
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import CHANNEL, DEPOSIT, FIXED, block_hash, final, state, tx_hash

TOKEN = b"\x70" * 20
PEOPLE = (ALICE, BOB)


def knowing(channel: Channel, known: State, *by: Actor) -> Channel:
    """The channel with that state, signed by these."""
    channel = with_turn(channel, known, known.state_hash(), known.encode())
    for actor in by:
        index = PEOPLE.index(actor)
        channel = with_signature(channel, known.turn_num, index, actor.signer(known.state_hash()))
    return channel


def observed(
    name: str, amount: int = 0, asset: bytes = ZERO_ADDRESS, block: int = 9
) -> ObservedLog:
    return ObservedLog(name, block, block_hash(block), tx_hash(block), 0, asset, amount, 0)


PROPOSED = knowing(Channel(CHANNEL, FIXED, 0), state(0), ALICE)
FUNDING = knowing(PROPOSED, state(0), BOB)
OPEN = replace(
    knowing(FUNDING, state(1), *PEOPLE),
    supported_turn=1,
    holdings=(Holding(ZERO_ADDRESS, DEPOSIT),),
)
FINAL = knowing(OPEN, final(30), *PEOPLE)


def test_we_and_the_counterparty_are_told_by_our_index() -> None:
    assert (OPEN.me, OPEN.counterparty) == (ALICE.address, BOB.address)
    mirrored = replace(OPEN, my_index=1)
    assert (mirrored.me, mirrored.counterparty) == (BOB.address, ALICE.address)


def test_a_turn_is_found_by_its_number_with_its_state() -> None:
    turn = FINAL.turn(3)
    assert turn is not None
    assert FINAL.state(turn) == final(30)
    assert FINAL.turn(2) is None


def test_turns_are_kept_in_order_whatever_came_first() -> None:
    channel = knowing(knowing(knowing(Channel(CHANNEL, FIXED, 0), final(1)), state(1)), state(0))
    assert [turn.turn_num for turn in channel.turns] == [0, 1, 3]


def test_a_known_turn_is_not_replaced() -> None:
    assert knowing(FINAL, final(31)) == FINAL


def test_our_own_signature_is_told_from_theirs() -> None:
    assert PROPOSED.signed_by_me(0)
    assert not replace(PROPOSED, my_index=1).signed_by_me(0)
    assert not PROPOSED.signed_by_me(1)


def test_support_needs_every_participants_signature() -> None:
    assert not is_supported(PROPOSED, 0)
    assert is_supported(FUNDING, 0)
    assert not is_supported(FUNDING, 1)


def test_a_participants_key_comes_from_its_prefund_signature() -> None:
    alice, bob = known_signer(PROPOSED, 0), known_signer(PROPOSED, 1)
    assert alice is not None
    assert alice.address == ALICE.address
    assert bob is None
    assert known_signer(Channel(CHANNEL, FIXED, 0), 0) is None


def test_the_funding_terms_are_those_of_the_prefund() -> None:
    terms = funding_terms(PROPOSED)
    assert (terms.asset, terms.deposits, terms.total) == (ZERO_ADDRESS, (DEPOSIT, 0), DEPOSIT)


# --- holdings ---


def test_holdings_are_by_asset_and_zero_where_none_were_seen() -> None:
    channel = replace(OPEN, holdings=(Holding(TOKEN, 5), Holding(ZERO_ADDRESS, 7)))
    assert confirmed_holdings(channel, TOKEN) == 5
    assert confirmed_holdings(channel, ZERO_ADDRESS) == 7
    assert confirmed_holdings(channel, b"\x01" * 20) == 0


def test_observed_logs_stand_above_the_confirmed_holdings() -> None:
    logs = (observed("Deposited", 9), observed("Deposited", 99, TOKEN), observed("Concluded", 1))
    channel = replace(OPEN, observed=logs)
    assert observed_holdings(channel, ZERO_ADDRESS) == 9
    assert confirmed_holdings(channel, ZERO_ADDRESS) == DEPOSIT
    paid_out = replace(channel, observed=(*logs, observed("AllocationUpdated", 2)))
    assert observed_holdings(paid_out, ZERO_ADDRESS) == 2


@pytest.mark.parametrize(
    ("held", "funded"), [(DEPOSIT - 1, False), (DEPOSIT, True), (DEPOSIT + 1, True)]
)
def test_a_channel_is_funded_by_confirmed_holdings_of_at_least_the_sum(
    held: int, funded: bool
) -> None:
    assert is_funded(replace(OPEN, holdings=(Holding(ZERO_ADDRESS, held),))) == funded


def test_neither_another_asset_nor_an_observed_deposit_funds() -> None:
    bare = replace(OPEN, holdings=(Holding(TOKEN, DEPOSIT),))
    assert not is_funded(bare)
    assert not is_funded(replace(bare, observed=(observed("Deposited", DEPOSIT),)))


# --- the chain's view ---


@pytest.mark.parametrize(
    ("log_name", "after"),
    [
        ("ChallengeRegistered", ChainStatus.CHALLENGED),
        ("ChallengeCleared", ChainStatus.OPEN),
        ("Checkpointed", ChainStatus.OPEN),
        ("Concluded", ChainStatus.CONCLUDED),
        ("Deposited", ChainStatus.CHALLENGED),
        ("OutcomePaid", ChainStatus.CHALLENGED),
    ],
)
def test_a_log_changes_the_chains_view_or_leaves_it(log_name: str, after: ChainStatus) -> None:
    assert status_after(ChainStatus.CHALLENGED, log_name) == after


def test_the_observed_view_follows_the_logs_in_order() -> None:
    logs = [observed("ChallengeRegistered"), observed("Checkpointed"), observed("Concluded")]
    seen = [observed_chain_status(replace(OPEN, observed=tuple(logs[:n]))) for n in range(4)]
    assert seen == ["open", "challenged", "open", "concluded"]


# --- final turns ---


def test_the_first_final_turn_leaves_turn_2_to_the_redemption() -> None:
    assert next_final_turn(OPEN) == 3


@pytest.mark.parametrize(
    ("channel", "turn_num"),
    [
        (FINAL, 4),
        (knowing(OPEN, final(1), ALICE), 4),
        (replace(OPEN, refused_turns=(3, 4)), 5),
        (replace(knowing(OPEN, final(1, 6), ALICE), refused_turns=(3,)), 7),
    ],
)
def test_the_next_final_turn_is_above_all_that_were_used_or_refused(
    channel: Channel, turn_num: int
) -> None:
    assert next_final_turn(channel) == turn_num


def test_the_final_state_of_a_participant_is_the_newest_it_signed_and_nobody_refused() -> None:
    channel = knowing(knowing(OPEN, final(1, 3), ALICE), final(2, 4), ALICE)
    newest = signed_final(channel, 0)
    assert newest is not None
    assert newest.turn_num == 4
    assert signed_final(channel, 1) is None
    left = signed_final(replace(channel, refused_turns=(4,)), 0)
    assert left is not None
    assert left.turn_num == 3


def test_only_a_final_state_signed_by_all_is_a_supported_final_one() -> None:
    assert supported_final(OPEN) is None
    assert supported_final(knowing(OPEN, final(30), ALICE)) is None
    found = supported_final(FINAL)
    assert found is not None
    assert found.is_signed_by_all()


# --- withdrawal ---


def concluded(*rests: int, channel: Channel = FINAL) -> Channel:
    """The channel as it was concluded, with this much of each share not paid out yet."""
    mine, theirs = rests
    shares = (
        Allocation(destination_of(ALICE.address), mine),
        Allocation(destination_of(BOB.address), theirs),
    )
    outcome = encode_outcome((SingleAssetExit(ZERO_ADDRESS, shares),))
    kept = Adjudicated(0, 9, bytes(32), outcome, outcome)
    return replace(channel, chain_status=ChainStatus.CONCLUDED, adjudicated=kept)


CONCLUDED = concluded(DEPOSIT - 30, 30)
CLOSED = concluded(0, 0)


@pytest.mark.parametrize(
    ("rests", "done"),
    [((DEPOSIT - 30, 30), False), ((0, 30), False), ((0, 1), False), ((0, 0), True)],
)
def test_a_concluded_channel_is_withdrawn_when_everybody_got_its_share(
    rests: tuple[int, int], done: bool
) -> None:
    assert is_withdrawn(concluded(*rests)) == done


def test_a_channel_that_expired_is_withdrawn_when_we_got_ours() -> None:
    def expired(*rests: int) -> Channel:
        return replace(concluded(*rests), chain_status=ChainStatus.EXPIRED)

    assert not is_withdrawn(expired(1, 0))
    assert is_withdrawn(expired(0, 30))


def test_what_is_left_for_good_is_withdrawn_whatever_stays() -> None:
    kept = CONCLUDED.adjudicated
    assert kept is not None
    assert is_withdrawn(replace(CONCLUDED, adjudicated=replace(kept, is_left=True)))


def test_nothing_is_withdrawn_before_the_conclusion_is_confirmed() -> None:
    assert not is_withdrawn(replace(CLOSED, chain_status=ChainStatus.OPEN))


def test_a_forgotten_final_state_ends_when_the_chain_holds_nothing_any_more() -> None:
    unknown = replace(OPEN, chain_status=ChainStatus.CONCLUDED)
    assert not is_withdrawn(unknown)
    assert is_withdrawn(replace(unknown, holdings=()))


def test_shares_of_channels_are_not_awaited_as_payouts_and_our_guarantees_are() -> None:
    def with_guarantee(left: bytes) -> Channel:
        shares = (
            Allocation(b"\x0c" * 32, 30, GUARANTEE, left + bytes(32)),
            Allocation(b"\x0d" * 32, 5),
        )
        outcome = encode_outcome((SingleAssetExit(ZERO_ADDRESS, shares),))
        kept = Adjudicated(0, 9, bytes(32), outcome, outcome)
        return replace(FINAL, chain_status=ChainStatus.CONCLUDED, adjudicated=kept)

    assert is_withdrawn(with_guarantee(bytes(32)))
    assert not is_withdrawn(with_guarantee(destination_of(ALICE.address)))


# --- the status ---


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (PROPOSED, ChannelStatus.PROPOSED),
        (FUNDING, ChannelStatus.FUNDING),
        (OPEN, ChannelStatus.OPEN),
        (replace(PROPOSED, rejected=True), ChannelStatus.REJECTED),
        (knowing(OPEN, final(1), ALICE), ChannelStatus.CLOSING),
        (
            replace(OPEN, final_requests=(FinalRequest(BOB.address, 0, b""),)),
            ChannelStatus.CLOSING,
        ),
        (
            replace(FINAL, observed=(observed("ChallengeRegistered"),)),
            ChannelStatus.CHALLENGED,
        ),
        (replace(OPEN, chain_status=ChainStatus.CHALLENGED), ChannelStatus.CHALLENGED),
        (replace(FINAL, observed=(observed("Concluded"),)), ChannelStatus.CONCLUDED),
        (CONCLUDED, ChannelStatus.CONCLUDED),
        (replace(CONCLUDED, chain_status=ChainStatus.EXPIRED), ChannelStatus.EXPIRED),
        (CLOSED, ChannelStatus.CLOSED),
    ],
)
def test_the_status_says_where_the_channel_is(channel: Channel, expected: ChannelStatus) -> None:
    assert status(channel) == expected


def test_a_participants_key_is_parsed_once_for_all_its_channels() -> None:
    other_fixed = replace(FIXED, channel_nonce=FIXED.channel_nonce + 1)
    prefund = replace(state(0), fixed=other_fixed)
    other = knowing(Channel(other_fixed.channel_id(), other_fixed, 0), prefund, ALICE)
    assert known_signer(other, 0) is known_signer(PROPOSED, 0)
