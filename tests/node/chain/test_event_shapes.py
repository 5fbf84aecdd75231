"""A log is read as web3 reads it, and one that does not fit its event is told by name."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from eth_abi import encode
from hexbytes import HexBytes
from web3 import Web3
from web3.types import LogReceipt

from contracts.loader import load_artifact
from node.chain.event_shapes import EventShape
from node.chain.wire import MalformedAnswer, RawLog
from protocols.types import checksum_address
from tests.support.states import outcome_values, random_state

EVENTS = {
    item["name"]: item for item in load_artifact("NitroAdjudicator").abi if item["type"] == "event"
}
ADJUDICATOR = b"\xad" * 20
OUTCOME = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
SIGNED = f"(({OUTCOME},bytes,uint48,bool),(uint8,bytes32,bytes32)[])"


def log_of(shape: EventShape, data: bytes, *topics: bytes) -> RawLog:
    return RawLog(ADJUDICATOR, (shape.topic, *topics), data, 5, b"\x05" * 32, b"\x06" * 32, 7, 8)


def by_web3(name: str, log: RawLog) -> Any:
    """What web3 makes of the same log."""
    address = checksum_address(log.address)
    contract = Web3().eth.contract(address=address, abi=list(EVENTS.values()))  # type: ignore[call-overload]
    return contract.events[name]().process_log(
        LogReceipt(
            address=address,  # type: ignore[typeddict-item]
            topics=[HexBytes(topic) for topic in log.topics],
            data=HexBytes(log.data),
            blockNumber=log.block_num,  # type: ignore[typeddict-item]
            blockHash=HexBytes(log.block_hash),
            transactionHash=HexBytes(log.tx_hash),
            transactionIndex=log.tx_index,
            logIndex=log.log_index,
            removed=False,
        )
    )["args"]


def plain(value: Any) -> Any:
    """Without web3's own classes, and addresses without their checksum."""
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


@pytest.mark.parametrize("seed", range(20))
def test_a_challenge_is_read_as_web3_reads_it(seed: int) -> None:
    random = Random(seed)
    state = random_state(random)
    variable = (outcome_values(state.outcome), state.app_data, state.turn_num, state.is_final)
    signed = (variable, [(27, random.randbytes(32), random.randbytes(32))] * random.randint(0, 3))
    types = ["uint48", f"{SIGNED}[]", SIGNED]
    shape = EventShape(EVENTS["ChallengeRegistered"])
    data = encode(types, [random.getrandbits(48), [signed] * random.randint(0, 2), signed])
    log = log_of(shape, data, random.randbytes(32))
    assert plain(shape.arguments(log)) == plain(by_web3(shape.name, log))


def test_indexed_arguments_come_from_the_topics() -> None:
    shape = EventShape(EVENTS["OutcomeReclaimed"])
    log = log_of(shape, encode(["uint256", "uint256"], [1, 250]), b"\xc4" * 32, b"\x77" * 32)
    assert plain(shape.arguments(log)) == plain(by_web3(shape.name, log))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log: (log.topics[:1], log.data),
        lambda log: ((*log.topics, bytes(32)), log.data),
        lambda log: (log.topics, log.data[:-1]),
        lambda log: (log.topics, b""),
        lambda log: (log.topics, b"\xff" * 64),
    ],
)
def test_a_log_that_does_not_fit_is_malformed(
    spoil: Callable[[RawLog], tuple[tuple[bytes, ...], bytes]],
) -> None:
    shape = EventShape(EVENTS["Deposited"])
    asset = "0x" + "ab" * 20
    log = log_of(shape, encode(["address", "uint256"], [asset, 9]), b"\xc4" * 32)
    assert shape.arguments(log)["destinationHoldings"] == 9
    topics, data = spoil(log)
    with pytest.raises(MalformedAnswer, match="Deposited log"):
        shape.arguments(log_of(shape, data, *topics[1:]))
