"""The golden Nitro encodings of tests/golden, read once."""

import json
from pathlib import Path
from typing import Any

from protocols.outcome import Allocation, Outcome, SingleAssetExit
from protocols.state import FixedPart, State
from protocols.types import from_hex, parse_address

GOLDEN = Path(__file__).parent.parent / "golden"

NITRO: dict[str, Any] = json.loads((GOLDEN / "nitro.json").read_text())
"""tests/golden/nitro.json as it stands."""


def golden_state() -> State:
    """The state whose hash and signatures the reference implementation asserts."""
    vector = NITRO["state"]
    fixed = FixedPart(
        participants=tuple(parse_address(text) for text in vector["participants"]),
        channel_nonce=vector["channel_nonce"],
        app_definition=parse_address(vector["app_definition"]),
        challenge_duration=vector["challenge_duration"],
    )
    return State(
        fixed=fixed,
        app_data=from_hex(vector["app_data"]),
        outcome=_outcome(vector["outcome"]),
        turn_num=vector["turn_num"],
        is_final=vector["is_final"],
    )


def _outcome(exits: list[dict[str, Any]]) -> Outcome:
    return tuple(
        SingleAssetExit(
            asset=from_hex(exit_["asset"]),
            allocations=tuple(
                Allocation(
                    destination=from_hex(allocation["destination"]),
                    amount=allocation["amount"],
                    allocation_type=allocation["allocation_type"],
                    metadata=from_hex(allocation["metadata"]),
                )
                for allocation in exit_["allocations"]
            ),
            asset_type=exit_["asset_metadata"]["asset_type"],
            asset_metadata=from_hex(exit_["asset_metadata"]["metadata"]),
        )
        for exit_ in exits
    )
