"""A nonce belongs to one transaction for good; only one that never left may be given again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.chain.nonces import GAP_REPEAT_S, GAP_WAIT_S, GapWatch, NonceBook, OwnedTransaction


def owned(nonce: int, *, out: bool = False) -> OwnedTransaction:
    """A transaction whose intent is named after its nonce."""
    name = nonce.to_bytes(32, "big")
    return OwnedTransaction(name, name, nonce, b"raw", may_broadcast=out)


def test_a_fresh_book_follows_the_chain() -> None:
    assert NonceBook().next_nonce(7) == 7


def test_the_next_nonce_is_above_all_owned_even_when_the_chain_has_not_seen_them() -> None:
    book = NonceBook()
    book.own(owned(7, out=True))
    book.own(owned(8))
    assert book.next_nonce(7) == 9
    assert book.next_nonce(12) == 12


def test_a_transaction_that_never_left_gives_its_nonce_back() -> None:
    book = NonceBook()
    book.own(owned(7))
    assert book.waits_for_disk()
    book.forget(owned(7).intent_id)
    assert not book.waits_for_disk()
    assert book.next_nonce(7) == 7


def test_a_nonce_that_left_is_used_for_ever_even_if_an_endpoint_forgets_it() -> None:
    book = NonceBook()
    book.own(owned(7))
    book.allow_broadcast(owned(7).intent_id)
    book.forget(owned(7).intent_id)
    assert owned(7).intent_id not in book
    assert book.next_nonce(3) == 8


def test_transactions_come_in_the_order_of_their_nonces() -> None:
    book = NonceBook()
    for nonce in (9, 7, 8):
        book.own(owned(nonce, out=True))
    assert [item.nonce for item in book.in_order()] == [7, 8, 9]
    found = book.get(owned(8).intent_id)
    assert found is not None
    assert found.nonce == 8
    assert book.get(b"?" * 32) is None


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["sign", "drop", "out", "bury"]), st.integers(0, 5)), max_size=40
    )
)
def test_no_two_transactions_that_left_ever_share_a_nonce(steps: list[tuple[str, int]]) -> None:
    book = NonceBook()
    left: list[int] = []
    serial = 0
    for step, lagging_count in steps:
        waiting = [item for item in book.in_order() if not item.may_broadcast]
        if step == "sign" and not book.waits_for_disk():
            serial += 1
            nonce = book.next_nonce(min(lagging_count, len(left)))
            book.own(OwnedTransaction(serial.to_bytes(32, "big"), bytes(32), nonce, b""))
        elif step == "drop" and waiting:
            book.forget(waiting[0].intent_id)
        elif step == "out" and waiting:
            book.allow_broadcast(waiting[0].intent_id)
            left.append(waiting[0].nonce)
        elif step == "bury":
            out = [item for item in book.in_order() if item.may_broadcast]
            if out:
                book.forget(out[0].intent_id)
    assert left == list(range(len(left)))


def test_a_gap_is_told_after_two_minutes_and_again_every_ten() -> None:
    gaps = GapWatch()
    told = [
        second for second in range(0, 1500, 10) if gaps.look(7, 5, float(second)) == range(5, 7)
    ]
    assert told == [GAP_WAIT_S + 10, GAP_WAIT_S + 10 + GAP_REPEAT_S, GAP_WAIT_S + 10 + 1200]


def test_what_is_next_in_line_or_mined_leaves_no_gap() -> None:
    gaps = GapWatch()
    for second in range(0, 1000, 10):
        for lowest_unmined in (None, 5, 4):
            assert gaps.look(lowest_unmined, 5, float(second)) is None


def test_a_gap_that_closes_is_forgotten_and_a_new_one_waits_its_two_minutes() -> None:
    gaps = GapWatch()
    assert gaps.look(7, 6, 0.0) is None
    assert gaps.look(7, 7, 100.0) is None
    assert gaps.look(8, 7, 130.0) is None
    assert gaps.look(8, 7, 130.0 + GAP_WAIT_S) is None
    assert gaps.look(8, 7, 131.0 + GAP_WAIT_S) == range(7, 8)


def test_a_gap_that_shrinks_is_told_as_it_is_now() -> None:
    gaps = GapWatch()
    assert gaps.look(9, 5, 0.0) is None
    assert gaps.look(9, 7, 121.0) == range(7, 9)
