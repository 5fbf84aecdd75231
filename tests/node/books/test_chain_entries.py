"""Entries by what the chain confirmed: whose deposit, whose payout, whose gas."""

from __future__ import annotations

from collections.abc import Sequence

from node.books import Books, Entry
from node.books.entry import GAS, OUTSIDE, WALLET, channel_account, peer_account
from protocols import events
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.transaction_events import TransactionReplaced
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import Network, opened
from tests.support.web import Web

TX, INTENT, BLOCK = b"\x70" * 32, b"\x71" * 32, b"\x72" * 32
OURS, THEIRS = channel_account(CHANNEL, "ours"), channel_account(CHANNEL, "theirs")
SURPLUS, LEAVING = channel_account(CHANNEL, "surplus"), channel_account(CHANNEL, "leaving")


def books_of(network: Network, *, until: str = "") -> Books:
    """Alice's, up to the first event of that name."""
    books = Books()
    for _, event in network.alice.log:
        if until == event.NAME:
            break
        books.post(event)
    return books


def deposit(amount: int, now_held: int, tx_hash: bytes | None = TX) -> events.DepositDetected:
    return events.DepositDetected(
        CHANNEL,
        9,
        0,
        ZERO_ADDRESS,
        amount_to_bytes(amount),
        amount_to_bytes(now_held),
        tx_hash,
    )


def movements(entries: Sequence[Entry]) -> list[tuple[tuple[str, int], ...]]:
    return [entry.postings for entry in entries]


def mined(number: int = 7) -> events.TransactionMined:
    price = amount_to_bytes(3)
    return events.TransactionMined(INTENT, TX, number, BLOCK, 100, price, succeeded=False)


def test_our_own_deposit_comes_from_our_wallet() -> None:
    books = books_of(opened())
    assert books.balance(ZERO_ADDRESS, OURS) == DEPOSIT
    gas = books.balance(ZERO_ADDRESS, GAS)
    assert books.balance(ZERO_ADDRESS, WALLET) == -DEPOSIT - gas
    assert books.balance(ZERO_ADDRESS, OUTSIDE) == 0


def test_a_stranger_who_pays_our_share_gives_it_to_us() -> None:
    books = books_of(opened(), until="deposit-detected")
    entries = books.post(deposit(DEPOSIT, DEPOSIT, None))
    assert movements(entries) == [((OURS, DEPOSIT), (OUTSIDE, -DEPOSIT))]


def test_what_is_above_the_shares_is_nobodys() -> None:
    books = books_of(opened())
    entries = books.post(deposit(5, DEPOSIT + 5))
    assert movements(entries) == [((SURPLUS, 5), (OUTSIDE, -5))]


def test_one_deposit_may_cover_two_shares() -> None:
    web = Web(0)
    books = Books()
    for _, event in web.payer.log:
        books.post(event)
    ledger = web.payer.channel(web.ledgers[0])
    assert books.balance(ZERO_ADDRESS, channel_account(ledger.channel_id, "ours")) == 10_000
    assert books.balance(ZERO_ADDRESS, channel_account(ledger.channel_id, "theirs")) == 10_000
    neighbour = peer_account(ledger.counterparty)
    assert books.balance(ZERO_ADDRESS, neighbour) == -10_000


def test_another_assets_deposit_moves_nothing() -> None:
    books = books_of(opened())
    other = b"\x0a" * 20
    amount = amount_to_bytes(5)
    strange = events.DepositDetected(CHANNEL, 9, 0, other, amount, amount, TX)
    assert list(books.post(strange)) == []


def test_a_payout_leaves_the_channel_before_it_is_told_to_whom() -> None:
    books = books_of(opened())
    fell = events.AllocationUpdated(CHANNEL, 9, 0, ZERO_ADDRESS, amount_to_bytes(0), TX)
    assert movements(books.post(fell)) == [((LEAVING, -DEPOSIT), (OUTSIDE, DEPOSIT))]
    for recipient, wallet in ((ALICE.address, WALLET), (BOB.address, peer_account(BOB.address))):
        half = amount_to_bytes(DEPOSIT // 2)
        paid = events.WithdrawCompleted(CHANNEL, 9, 0, recipient, ZERO_ADDRESS, half, TX)
        (posting,) = movements(books.post(paid))
        assert (wallet, DEPOSIT // 2) in posting
    assert books.balance(ZERO_ADDRESS, LEAVING) == 0
    assert books.balance(ZERO_ADDRESS, OUTSIDE) == 0


def test_gas_is_spent_even_for_a_call_that_failed_and_comes_back_with_a_fork() -> None:
    books = Books()
    zero = amount_to_bytes(0)
    books.post(events.TransactionRequested(INTENT, "deposit", CHANNEL, b"\x01" * 20, zero, b""))
    assert movements(books.post(mined())) == [((WALLET, -300), (GAS, 300))]
    assert list(books.post(events.ChainReorged(8, BLOCK, TX))) == []
    assert movements(books.post(events.ChainReorged(7, BLOCK, TX))) == [
        ((WALLET, 300), (GAS, -300))
    ]
    assert books.balances == {ZERO_ADDRESS: {}}


def test_behind_a_confirmed_block_no_fork_takes_gas_back() -> None:
    books = Books()
    books.post(mined())
    books.post(events.ChainBlockProcessed(7, BLOCK))
    assert list(books.post(events.ChainReorged(7, BLOCK, TX))) == []


def test_after_a_cut_tail_the_chains_word_counts() -> None:
    books = books_of(opened(), until="deposit-detected")
    amount = amount_to_bytes(DEPOSIT)
    read = events.HoldingsRead(CHANNEL, ZERO_ADDRESS, amount, 9, BLOCK, 0)
    assert movements(books.post(read)) == [((OURS, DEPOSIT), (WALLET, -DEPOSIT))]
    assert list(books.post(read)) == []
    gone = events.HoldingsRead(CHANNEL, ZERO_ADDRESS, amount_to_bytes(0), 10, BLOCK, 0)
    assert movements(books.post(gone)) == [((LEAVING, -DEPOSIT), (OUTSIDE, DEPOSIT))]
    assert books.balance(ZERO_ADDRESS, THEIRS) == 0


def test_a_deposit_that_was_bid_for_anew_is_still_ours() -> None:
    books = books_of(opened(), until="transaction-mined")
    (old,) = books.chain.deposits
    fees = [amount_to_bytes(fee) for fee in (80, 8, 90, 9)]
    books.post(TransactionReplaced(INTENT, old, TX, 0, *fees, b"", "slow"))
    entries = books.post(deposit(DEPOSIT, DEPOSIT, TX))
    assert movements(entries) == [((OURS, DEPOSIT), (WALLET, -DEPOSIT))]


def test_what_a_deep_fork_took_back_left_for_nobody_and_is_no_second_deposit_when_it_returns() -> (
    None
):
    books = books_of(opened())
    wallet = books.balance(ZERO_ADDRESS, WALLET)
    held = amount_to_bytes(DEPOSIT)
    books.post(ChannelHalted(CHANNEL, 1, 1, ZERO_ADDRESS, held, "open"))
    (gone,) = books.post(
        events.HoldingsRead(CHANNEL, ZERO_ADDRESS, amount_to_bytes(0), 0, BLOCK, 0)
    )
    assert gone.kind == "retracted"
    (back,) = books.post(deposit(DEPOSIT, DEPOSIT))
    assert back.kind == "retracted"
    assert sorted(back.postings) == sorted((a, -amount) for a, amount in gone.postings)
    books.post(ChannelHaltLifted(CHANNEL, 1))
    assert books.balance(ZERO_ADDRESS, OURS) == DEPOSIT
    assert books.balance(ZERO_ADDRESS, WALLET) == wallet
    assert movements(books.post(deposit(5, DEPOSIT + 5))) == [((SURPLUS, 5), (OUTSIDE, -5))]
