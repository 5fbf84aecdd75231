"""Blocks and logs as an endpoint's JSON spells them, checked and turned into values.

An endpoint is a stranger: whatever does not have the promised shape raises `MalformedAnswer`, which
callers treat like an endpoint that is down. What a log means is `log_decoder`'s business.
Source: the Ethereum JSON-RPC specification (execution-apis).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from protocols.types import Address, Bytes32

TOPIC_COUNT_MAX = 4
"""The EVM's LOG4 is the largest."""
WORDS_CHARACTER_COUNT_MAX = 256
"""What a record keeps of an endpoint's own words."""

_QUANTITY = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)


class MalformedAnswer(Exception):
    """An answer without the shape that the specification promises."""


@dataclass(frozen=True)
class Header:
    """What following a chain takes of a block."""

    number: int
    hash: Bytes32
    parent_hash: Bytes32
    timestamp_s: int = field(default=0, compare=False)
    """Unix time of the block. 0, older than any chain, where it was not read. Not compared: the
    hash covers it, so one block with two times is an endpoint's lie and no fork."""


class BlockName(NamedTuple):
    """Which block, and which one of its height."""

    number: int
    hash: Bytes32


@dataclass(frozen=True)
class RawLog:
    """A log as it lies in a block, not yet decoded."""

    address: Address
    topics: tuple[Bytes32, ...]
    data: bytes
    block_num: int
    block_hash: Bytes32
    tx_hash: Bytes32
    tx_index: int
    log_index: int


def quantity(value: object, what: str, bits: int = 64) -> int:
    """A number from 0 to 2**bits - 1 from its 0x spelling: hex digits alone, no sign.

    What is counted fits the 64 bits that a record holds; amounts and fees have 256.
    """
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise MalformedAnswer(f"{what} is no quantity: {str(value)[:80]}")
    return within(int(value[2:], 16), what, bits)


def within(value: object, what: str, bits: int) -> int:
    """The same number, known to be an integer from 0 to 2**bits - 1."""
    if type(value) is not int or value < 0 or value >> bits:
        raise MalformedAnswer(f"{what} is no number of {bits} bits")
    return value


def recordable(words: str) -> str:
    """An endpoint's or a contract's words, as far as a record and a log line take them.

    Control characters, lone surrogates and line separators are replaced; the rest is cut.
    """
    kept = words[:WORDS_CHARACTER_COUNT_MAX]
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in kept
    )


def data(value: object, what: str, size: int | None = None) -> bytes:
    """Bytes from their 0x spelling, of exactly `size` when given."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise MalformedAnswer(f"{what} is no hex data: {str(value)[:80]}")
    try:
        decoded = bytes.fromhex(value[2:])
    except ValueError:
        raise MalformedAnswer(f"{what} is no hex data: {value[:80]}") from None
    if size is not None and len(decoded) != size:
        raise MalformedAnswer(f"{what} has {len(decoded)} bytes, not {size}")
    return decoded


def header(value: Any) -> Header:
    """A block's header, from `eth_getBlockBy...` or a `newHeads` notification."""
    fields = _object(value, "block")
    return Header(
        quantity(fields.get("number"), "block number"),
        data(fields.get("hash"), "block hash", 32),
        data(fields.get("parentHash"), "parent hash", 32),
        quantity(fields.get("timestamp"), "block timestamp"),
    )


def logs(value: Any) -> tuple[list[RawLog], list[RawLog]]:
    """The answer of `eth_getLogs` in the chain's order whatever order it came in: what is part of
    the chain, and what it calls removed."""
    if not isinstance(value, list):
        raise MalformedAnswer(f"logs are no list: {str(value)[:80]}")
    there: list[RawLog] = []
    removed: list[RawLog] = []
    for item in value:
        fields = _object(item, "log")
        (removed if _is_removed(fields) else there).append(_log(fields))
    there.sort(key=lambda log: (log.block_num, log.log_index))
    return there, removed


def removed_block(value: Any) -> BlockName | None:
    """The block of a notified log that is called removed; None for one that was added."""
    fields = _object(value, "log")
    if not _is_removed(fields):
        return None
    number = quantity(fields.get("blockNumber"), "log block number")
    return BlockName(number, data(fields.get("blockHash"), "log block hash", 32))


def _is_removed(fields: dict[str, Any]) -> bool:
    removed = fields.get("removed")
    if removed is None:
        return False
    if not isinstance(removed, bool):
        raise MalformedAnswer(f"a log is neither removed nor not: {str(removed)[:80]}")
    return removed


def _log(fields: dict[str, Any]) -> RawLog:
    topics = fields.get("topics")
    if not isinstance(topics, list) or len(topics) > TOPIC_COUNT_MAX:
        raise MalformedAnswer("a log's topics are no list of at most four")
    return RawLog(
        address=data(fields.get("address"), "log address", 20),
        topics=tuple(data(topic, "log topic", 32) for topic in topics),
        data=data(fields.get("data"), "log data"),
        block_num=quantity(fields.get("blockNumber"), "log block number"),
        block_hash=data(fields.get("blockHash"), "log block hash", 32),
        tx_hash=data(fields.get("transactionHash"), "log transaction hash", 32),
        tx_index=quantity(fields.get("transactionIndex"), "log transaction index"),
        log_index=quantity(fields.get("logIndex"), "log index"),
    )


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{what} is no object: {str(value)[:80]}")
    return value
