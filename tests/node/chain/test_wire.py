"""What an endpoint says is checked before it is believed."""

from __future__ import annotations

from typing import Any

import pytest

from node.chain import wire
from node.chain.wire import Header, MalformedAnswer

BLOCK = {"number": "0x10", "hash": "0x" + "aa" * 32, "parentHash": "0x" + "bb" * 32, "more": 1}
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
    assert wire.header(BLOCK) == Header(16, b"\xaa" * 32, b"\xbb" * 32)


@pytest.mark.parametrize(
    "change",
    [{"number": None}, {"number": 16}, {"number": "0xzz"}, {"hash": "0x00"}, {"hash": "aa" * 32},
     {"parentHash": "0x" + "zz" * 32}, {"number": "0x"}],
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
    found = [(log.block_num, log.log_index) for log in wire.logs([later, LOG, earlier])]
    assert found == [(16, 1), (16, 3), (17, 0)]


def test_a_log_is_read_whole() -> None:
    (log,) = wire.logs([LOG])
    assert log.address == b"\xad" * 20
    assert log.topics == (b"\x11" * 32,)
    assert log.data == b"\x01\x02"
    assert (log.tx_hash, log.tx_index, log.log_index) == (b"\xcc" * 32, 2, 3)


def test_a_removed_log_belongs_to_a_block_that_is_gone() -> None:
    assert wire.logs([{**LOG, "removed": True}]) == []


@pytest.mark.parametrize(
    "value",
    [None, {}, [None], [{**LOG, "topics": None}], [{**LOG, "topics": ["0x" + "11" * 32] * 5}],
     [{**LOG, "topics": ["0x11"]}], [{**LOG, "address": "0x11"}], [{**LOG, "data": None}]],
)  # fmt: skip
def test_malformed_logs_are_refused(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        wire.logs(value)
