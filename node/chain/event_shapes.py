"""One event of a contract's ABI: a log's arguments by name.

eth_abi decodes, strictly, as web3 would have it do. web3's own decoder is not used: it takes a
challenge's log through a tree of typed values and back, five times the work, and a node that is
challenged in many channels at once has no time for it.
Source: the contract ABI specification of Solidity, events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic

from node.chain.wire import MalformedAnswer, RawLog

Part = Mapping[str, Any]
"""An argument, or a component of one, as the ABI describes it."""


class EventShape:
    """Which arguments a log of this event has, and where they lie."""

    def __init__(self, item: Part) -> None:
        """`item`: an event of an ABI that is not anonymous."""
        self.name: str = item["name"]
        self.topic: bytes = event_abi_to_log_topic(item)  # type: ignore[arg-type]
        self._indexed = [part for part in item["inputs"] if part["indexed"]]
        self._lying = [part for part in item["inputs"] if not part["indexed"]]
        self._indexed_types = [_type(part) for part in self._indexed]
        self._lying_types = [_type(part) for part in self._lying]

    def arguments(self, log: RawLog) -> dict[str, Any]:
        """Every argument: tuples as mappings by name, addresses as hex digits, bytes as bytes.

        Raises `MalformedAnswer` when the log does not fit.
        """
        if len(log.topics) != 1 + len(self._indexed):
            raise MalformedAnswer(f"a {self.name} log with {len(log.topics)} topics")
        try:
            indexed = [
                decode([kind], topic)[0]
                for kind, topic in zip(self._indexed_types, log.topics[1:], strict=True)
            ]
            lying = decode(self._lying_types, log.data)
        except (DecodingError, ValueError, OverflowError) as error:
            # OverflowError: a pointer beyond what a stream can be sought to.
            raise MalformedAnswer(f"a {self.name} log that does not decode: {error}") from error
        return _named(self._indexed, indexed) | _named(self._lying, lying)


def _type(part: Part) -> str:
    """As eth_abi spells it: a tuple by the types of its components."""
    return collapse_if_tuple(part)  # type: ignore[arg-type]


def _named(parts: Sequence[Part], values: Sequence[Any]) -> dict[str, Any]:
    return {
        part["name"]: _value(part, part["type"], value)
        for part, value in zip(parts, values, strict=True)
    }


def _value(part: Part, kind: str, value: Any) -> Any:
    if not kind.startswith("tuple"):
        return value
    if kind.endswith("]"):
        element = kind[: kind.rindex("[")]
        return [_value(part, element, each) for each in value]
    return _named(part["components"], value)
