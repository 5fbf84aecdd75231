"""What an endpoint says is checked before it is believed."""

from __future__ import annotations

from typing import Any

import pytest

from node.chain import wire
from node.chain.wire import Header, MalformedAnswer

BLOCK = {
    "number": "0x10", "hash": "0x" + "aa" * 32, "parentHash": "0x" + "bb" * 32,
    "timestamp": "0x6553f100", "more": 1,
}  # fmt: skip
LOG: dict[str, Any] = {
    "address": "0x" + "ad" * 20,
    "topics": ["0x" + "11" * 32],
    "data": "0x0102",
    "blockNumber": "0x10",
    "blockHash": "0x" + "aa" * 32,
    "transactionHash": "0x" + "cc" * 32,
    "transactionIndex": "0x2",
    "logIndex": "0x3",
}


def test_a_header_is_read() -> None:
    block = wire.header(BLOCK)
    assert block == Header(16, b"\xaa" * 32, b"\xbb" * 32)
    assert block.timestamp_s == 1_700_000_000


def test_one_block_with_two_times_is_one_block() -> None:
    assert wire.header(BLOCK) == wire.header({**BLOCK, "timestamp": "0x1"})


@pytest.mark.parametrize(
    "text",
    [
        "0x-5",
        "0x+5",
        "0x 5",
        "0x5 ",
        "0x5\n",
        "0x1_0",
        "0x\u0665",
        "0x",
        "-0x5",
        "5",
        "0X5",
        "0x0x5",
    ],
)
def test_a_quantity_is_hex_digits_and_nothing_else(text: str) -> None:
    with pytest.raises(MalformedAnswer, match="a count is no quantity"):
        wire.quantity(text, "a count")


def test_a_quantity_fits_what_a_record_can_hold() -> None:
    assert wire.quantity("0x" + "f" * 16, "a count") == 2**64 - 1
    assert wire.quantity("0x" + "F" * 64, "a fee", 256) == 2**256 - 1
    assert wire.quantity("0x000", "a count") == 0
    for text, bits in [(hex(2**64), 64), (hex(2**256), 256), ("0x2", 1), ("0x" + "f" * 10_000, 64)]:
        with pytest.raises(MalformedAnswer, match=f"no number of {bits} bits"):
            wire.quantity(text, "a count", bits)


@pytest.mark.parametrize("value", [-1, 256, True, 1.0, "1", None])
def test_only_an_integer_within_its_bits_is_within_them(value: object) -> None:
    assert wire.within(255, "a byte", 8) == 255
    with pytest.raises(MalformedAnswer, match="a byte"):
        wire.within(value, "a byte", 8)


def test_words_of_strangers_are_cut_and_printable() -> None:
    assert wire.recordable("held != expectedHeld, größer") == "held != expectedHeld, größer"
    assert wire.recordable("a\x00b\x1b[2Jc\ud800d\u2028e\nf") == "a�b�[2Jc�d�e�f"
    assert wire.recordable("x" * 10**6) == "x" * 256
    assert wire.recordable("\udfff" * 300).encode() == "�".encode() * 256


@pytest.mark.parametrize(
    "change",
    [{"number": None}, {"number": 16}, {"number": "0xzz"}, {"hash": "0x00"}, {"hash": "aa" * 32},
     {"parentHash": "0x" + "zz" * 32}, {"number": "0x"}, {"number": hex(2**64)},
     {"number": "0x-5"}, {"timestamp": None}, {"timestamp": hex(2**64)}],
)  # fmt: skip
def test_a_malformed_header_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        wire.header({**BLOCK, **change})


@pytest.mark.parametrize("value", [None, [], "0x1", 7])
def test_what_is_no_block_is_refused(value: object) -> None:
    with pytest.raises(MalformedAnswer, match="no object"):
        wire.header(value)


def test_logs_come_out_in_the_chains_order_whatever_order_they_came_in() -> None:
    later = {**LOG, "blockNumber": "0x11", "logIndex": "0x0"}
    earlier = {**LOG, "logIndex": "0x1"}
    found = [(log.block_num, log.log_index) for log in wire.logs([later, LOG, earlier])[0]]
    assert found == [(16, 1), (16, 3), (17, 0)]


def test_a_log_is_read_whole() -> None:
    (log,), removed = wire.logs([LOG])
    assert removed == []
    assert log.address == b"\xad" * 20
    assert log.topics == (b"\x11" * 32,)
    assert log.data == b"\x01\x02"
    assert (log.tx_hash, log.tx_index, log.log_index) == (b"\xcc" * 32, 2, 3)


def test_a_log_that_is_called_removed_is_told_apart() -> None:
    there, (removed,) = wire.logs([LOG, {**LOG, "removed": True, "logIndex": "0x9"}])
    assert [log.log_index for log in there] == [3]
    assert removed.log_index == 9


def test_a_notified_log_names_its_block_if_it_was_taken_back() -> None:
    assert wire.removed_block(LOG) is None
    assert wire.removed_block({**LOG, "removed": None, "blockNumber": None}) is None
    block = wire.removed_block({**LOG, "removed": True})
    assert block == wire.BlockName(int(LOG["blockNumber"], 16), bytes.fromhex(LOG["blockHash"][2:]))


@pytest.mark.parametrize(
    "value",
    [None, [], {**LOG, "removed": 1}, {**LOG, "removed": "true"},
     {**LOG, "removed": True, "blockNumber": None}, {**LOG, "removed": True, "blockHash": "0x1"}],
)  # fmt: skip
def test_a_notified_log_of_no_shape_is_refused(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        wire.removed_block(value)


@pytest.mark.parametrize(
    "value",
    [None, {}, [None], [{**LOG, "topics": None}], [{**LOG, "topics": ["0x" + "11" * 32] * 5}],
     [{**LOG, "topics": ["0x11"]}], [{**LOG, "address": "0x11"}], [{**LOG, "data": None}],
     [{**LOG, "logIndex": hex(2**64)}], [{**LOG, "transactionIndex": hex(2**64)}],
     [{**LOG, "blockNumber": hex(2**64)}], [{**LOG, "logIndex": "0x-1"}]],
)  # fmt: skip
def test_malformed_logs_are_refused(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        wire.logs(value)
