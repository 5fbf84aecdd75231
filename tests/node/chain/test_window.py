"""Confirmation by depth over a chain that forks, against the chain that is left in the end."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chain.window import REMEMBERED_BELOW_CURSOR_COUNT, ConfirmationWindow
from node.chain.wire import Header
from protocols.crypto import keccak256
from protocols.inputs import ChainLog

GENESIS = Header(0, bytes(32), bytes(32))


def child(parent: Header, salt: int = 0) -> Header:
    """A block on top of `parent`; another salt makes a sibling."""
    name = keccak256(parent.hash + salt.to_bytes(8, "big"))
    return Header(parent.number + 1, name, parent.hash)


def log_in(block: Header, index: int = 0) -> ChainLog:
    """A log of this block."""
    return ChainLog(
        log_name="Deposited",
        channel_id=bytes(32),
        block_num=block.number,
        block_hash=block.hash,
        tx_hash=keccak256(block.hash + bytes([index])),
        tx_index=index,
        log_index=index,
        confirmed=False,
    )


def grow(window: ConfirmationWindow, log_counts: list[int], salt: int = 0) -> list[ChainLog]:
    """Append blocks with this many logs each; everything that came out."""
    due = []
    for log_count in log_counts:
        block = child(window.head, salt)
        due += window.append(block, tuple(log_in(block, index) for index in range(log_count)))
    return due


def test_at_depth_0_a_log_is_observed_and_confirmed_in_one_go() -> None:
    window = ConfirmationWindow(0, GENESIS)
    due = grow(window, [2])
    assert [(log.log_index, log.confirmed) for log in due] == [
        (0, False), (1, False), (0, True), (1, True),
    ]  # fmt: skip
    assert window.cursor == window.head


def test_at_depth_3_a_log_is_confirmed_when_three_blocks_lie_on_it() -> None:
    window = ConfirmationWindow(3, GENESIS)
    assert [log.confirmed for log in grow(window, [1, 0, 0])] == [False]
    assert [log.confirmed for log in grow(window, [0])] == [True]
    assert window.cursor.number == 1


def test_a_block_that_is_no_child_of_the_head_is_refused() -> None:
    window = ConfirmationWindow(0, GENESIS)
    stranger = Header(1, b"\x01" * 32, b"\x02" * 32)
    with pytest.raises(ValueError, match="no child"):
        window.append(stranger, ())
    with pytest.raises(ValueError, match="no child"):
        window.append(Header(2, b"\x01" * 32, GENESIS.hash), ())


def test_going_back_takes_a_remembered_block_below_the_head() -> None:
    window = ConfirmationWindow(0, GENESIS)
    grow(window, [0, 0])
    for impossible in (window.head, Header(1, b"\x07" * 32, GENESIS.hash), Header(9, *2 * [b""])):
        with pytest.raises(ValueError, match="go back"):
            window.rewind(impossible)


def test_a_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ConfirmationWindow(-1, GENESIS)


def test_a_fork_below_the_cursor_says_so_and_confirms_the_new_blocks_too() -> None:
    window = ConfirmationWindow(1, GENESIS)
    grow(window, [1, 1, 0])
    fork = window.rewind(GENESIS)
    assert fork.below_cursor
    assert fork.first_replaced.number == 1
    assert window.cursor == GENESIS
    assert [log.confirmed for log in grow(window, [1, 0], salt=7)] == [False, True]


def test_a_fork_above_the_cursor_leaves_it() -> None:
    window = ConfirmationWindow(2, GENESIS)
    grow(window, [0, 0, 0])
    ancestor = window.at(2)
    assert ancestor is not None
    assert not window.rewind(ancestor).below_cursor
    assert window.cursor.number == 1


def test_burying_confirms_what_is_left_once() -> None:
    window = ConfirmationWindow(5, GENESIS)
    grow(window, [1, 2])
    assert [log.confirmed for log in window.bury()] == [True] * 3
    assert window.bury() == []
    assert window.cursor == window.head


def test_memory_stays_bounded_and_still_reaches_below_the_cursor() -> None:
    window = ConfirmationWindow(3, GENESIS)
    grow(window, [0] * 1000)
    assert window.cursor.number == 997
    assert window.lowest.number == 997 - REMEMBERED_BELOW_CURSOR_COUNT
    assert window.at(window.lowest.number - 1) is None
    assert window.at(1001) is None


def test_a_day_of_blocks_that_wait_for_a_quorum_takes_few_megabytes() -> None:
    tracemalloc.start()
    window = ConfirmationWindow(12, GENESIS, waits=True)
    assert grow(window, [0] * 7_200) == []
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 7_200 * 500
    # Once they agree it all goes but what tells a deep fork.
    window.confirm()
    assert window.head.number - window.lowest.number == 12 + REMEMBERED_BELOW_CURSOR_COUNT


def test_what_waits_is_confirmed_in_parts_in_order() -> None:
    window = ConfirmationWindow(2, GENESIS, waits=True)
    grow(window, [1, 2, 0, 1, 0, 1])
    second = window.at(2)
    assert [log.block_num for log in window.confirm(second)] == [1, 2, 2]
    assert window.cursor == second
    assert [(log.block_num, log.confirmed) for log in window.confirm()] == [(4, True)]
    assert window.cursor == window.ripe == window.at(4)


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(0, 2), min_size=1, max_size=5)),
    max_size=12,
)
"""(how many blocks to replace, logs of the blocks that follow)."""


@given(depth=st.integers(0, 4), steps=STEPS)
def test_confirmed_logs_are_those_of_the_final_chain_when_forks_are_shallower(
    depth: int, steps: list[tuple[int, list[int]]]
) -> None:
    window = ConfirmationWindow(depth, GENESIS)
    chain = [GENESIS]
    logs: dict[Header, list[ChainLog]] = {GENESIS: []}
    came_out: list[ChainLog] = []
    for salt, (wanted, log_counts) in enumerate(steps):
        # Never deeper than what is unconfirmed: that is what the depth is chosen for.
        replaced = min(wanted, window.head.number - window.cursor.number)
        if replaced:
            del chain[len(chain) - replaced :]
            window.rewind(chain[-1])
        for log_count in log_counts:
            block = child(chain[-1], salt)
            chain.append(block)
            logs[block] = [log_in(block, index) for index in range(log_count)]
            came_out += window.append(block, tuple(logs[block]))
    # A fork may leave the chain shorter; what was buried before stays so.
    assert window.cursor.number >= window.head.number - depth
    buried = chain[: window.cursor.number + 1]
    confirmed = [(log.block_hash, log.log_index) for log in came_out if log.confirmed]
    assert confirmed == [(b.hash, log.log_index) for b in buried for log in logs[b]]
    observed = [(log.block_hash, log.log_index) for log in came_out if not log.confirmed]
    assert len(observed) == len(set(observed))
    assert set(confirmed) <= set(observed)
    assert window.head == chain[-1]
