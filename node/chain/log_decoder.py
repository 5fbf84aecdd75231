"""The adjudicator's logs, decoded by its ABI into `ChainLog` inputs.

`event_shapes` reads a log by the ABI; this module says which argument goes into which field. A log
of another contract, or of an event this node has no use for, decodes to None. Imported when the
room runs: it brings the libraries of the ABI along.
Source: the events of contracts/src (ForceMove.sol, AssetHolder.sol).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from node.chain.event_shapes import EventShape
from node.chain.wire import MalformedAnswer, RawLog
from protocols.abi import encode_outcome, encode_state
from protocols.crypto import keccak256
from protocols.errors import EncodingError
from protocols.inputs import ChainLog
from protocols.outcome import Allocation, SingleAssetExit
from protocols.types import Address, ChannelId

Arguments = Mapping[str, Any]
Fields = dict[str, Any]


def _deposited(arguments: Arguments, _: ChannelId) -> Fields:
    asset = bytes.fromhex(arguments["asset"][2:])
    return {"asset": asset, "amount": arguments["destinationHoldings"]}


def _allocation_updated(arguments: Arguments, _: ChannelId) -> Fields:
    # The log names the asset by its place in the outcome alone; the core knows the outcome.
    return {"amount": arguments["finalHoldings"], "asset_index": arguments["assetIndex"]}


def _challenge_registered(arguments: Arguments, channel_id: ChannelId) -> Fields:
    candidate = arguments["candidate"]["variablePart"]
    fields = _shown(arguments, channel_id)
    encoded = fields["candidate"]
    outcome = encode_outcome(tuple(map(_exit, candidate["outcome"]))) if encoded else b""
    return {
        "number": arguments["finalizesAt"],
        "candidate_is_final": candidate["isFinal"],
        "candidate_outcome": outcome,
        **fields,
    }


def _turn_record(arguments: Arguments, _: ChannelId) -> Fields:
    return {"number": arguments["newTurnNumRecord"]}


def _concluded(arguments: Arguments, _: ChannelId) -> Fields:
    return {"number": arguments["finalizesAt"]}


def _outcome_concluded(arguments: Arguments, _: ChannelId) -> Fields:
    return {"amounts": tuple(arguments["amounts"])}


def _reclaimed(arguments: Arguments, _: ChannelId) -> Fields:
    return {"asset_index": arguments["assetIndex"]}


def _outcome_paid(arguments: Arguments, _: ChannelId) -> Fields:
    indices, amounts = tuple(arguments["indices"]), tuple(arguments["amounts"])
    if len(indices) != len(amounts):
        raise MalformedAnswer(
            f"an OutcomePaid log with {len(indices)} indices and {len(amounts)} amounts"
        )
    return {"asset_index": arguments["assetIndex"], "indices": indices, "amounts": amounts}


def _checkpoint_signed(arguments: Arguments, _: ChannelId) -> Fields:
    return {
        "turn_num": arguments["turnNum"],
        "candidate_state_hash": bytes(arguments["stateHash"]),
        "signatures": _signatures(arguments["sigs"]),
    }


def _shown(arguments: Arguments, channel_id: ChannelId) -> Fields:
    """A candidate and its proof, with the signatures under them."""
    candidate = arguments["candidate"]
    encoded = _encoded_state(channel_id, candidate["variablePart"])
    proof = [
        (_encoded_state(channel_id, shown["variablePart"]), _signatures(shown["sigs"]))
        for shown in arguments["proof"]
    ]
    return {
        "turn_num": candidate["variablePart"]["turnNum"],
        "candidate_state_hash": keccak256(encoded) if encoded else b"",
        "signatures": _signatures(candidate["sigs"]),
        "candidate": encoded,
        "proof": tuple(proof) if all(shown for shown, _ in proof) else (),
    }


def _signatures(given: Sequence[Mapping[str, Any]]) -> tuple[bytes, ...]:
    return tuple(bytes(each["r"]) + bytes(each["s"]) + bytes([each["v"]]) for each in given)


def _outcome_reclaimed(arguments: Arguments, _: ChannelId) -> Fields:
    asset_index, target = arguments["assetIndex"], bytes(arguments["target"])
    return {"asset_index": asset_index, "amount": arguments["rightShare"], "target": target}


_READERS: dict[str, Callable[[Arguments, ChannelId], Fields]] = {
    "Deposited": _deposited,
    "AllocationUpdated": _allocation_updated,
    "ChallengeRegistered": _challenge_registered,
    "ChallengeCleared": _turn_record,
    "Checkpointed": _turn_record,
    "Concluded": _concluded,
    "Reclaimed": _reclaimed,
    "OutcomePaid": _outcome_paid,
    "OutcomeReclaimed": _outcome_reclaimed,
    "OutcomeConcluded": _outcome_concluded,
    "CheckpointSigned": _checkpoint_signed,
    "CheckpointProved": _shown,
}


class LogDecoder:
    """Decodes the logs of one adjudicator."""

    def __init__(self, abi: Sequence[Mapping[str, Any]], adjudicator: Address) -> None:
        self._adjudicator = adjudicator
        shapes = [
            EventShape(item)
            for item in abi
            if item.get("type") == "event" and item.get("name") in _READERS
        ]
        self._events = {shape.topic: shape for shape in shapes}
        missing = _READERS.keys() - {shape.name for shape in shapes}
        if missing:
            raise ValueError(f"the adjudicator's ABI lacks the events {sorted(missing)}")

    def decode(self, log: RawLog) -> ChainLog | None:
        """The log as it is observed, not yet confirmed.

        Raises `MalformedAnswer` when it does not fit its event's ABI.
        """
        shape = self._events.get(log.topics[0]) if log.topics else None
        if shape is None or log.address != self._adjudicator:
            return None
        name, arguments = shape.name, shape.arguments(log)
        channel_id = log.topics[1]
        return ChainLog(
            log_name=name,
            channel_id=channel_id,
            block_num=log.block_num,
            block_hash=log.block_hash,
            tx_hash=log.tx_hash,
            tx_index=log.tx_index,
            log_index=log.log_index,
            confirmed=False,
            **_READERS[name](arguments, channel_id),
        )


def _encoded_state(channel_id: ChannelId, candidate: Mapping[str, Any]) -> bytes:
    """A state as it was signed; nothing where no state we could know has this shape."""
    try:
        return encode_state(
            channel_id,
            bytes(candidate["appData"]),
            tuple(map(_exit, candidate["outcome"])),
            candidate["turnNum"],
            candidate["isFinal"],
        )
    except EncodingError:
        # A stranger's channel may hold sums or sizes that this node never signs.
        return b""


def _exit(exit_: Mapping[str, Any]) -> SingleAssetExit:
    return SingleAssetExit(
        asset=bytes.fromhex(exit_["asset"][2:]),
        allocations=tuple(
            Allocation(
                destination=bytes(allocation["destination"]),
                amount=allocation["amount"],
                allocation_type=allocation["allocationType"],
                metadata=bytes(allocation["metadata"]),
            )
            for allocation in exit_["allocations"]
        ),
        asset_type=exit_["assetMetadata"]["assetType"],
        asset_metadata=bytes(exit_["assetMetadata"]["metadata"]),
    )
