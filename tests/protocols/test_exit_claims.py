"""Call data says what must stand on chain; tests/node/chain/test_standing.py asks the contracts."""

from __future__ import annotations

from protocols.abi import encode_outcome
from protocols.crypto import keccak256
from protocols.exit_calls import CONCLUDE_SELECTOR, Finalised, reclaim_call, transfer_call
from protocols.exit_claims import Claim, claims_of
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, guarantee_metadata
from protocols.state import fingerprint
from protocols.types import ZERO_ADDRESS

LEFT, RIGHT = bytes(31) + b"\x01", bytes(31) + b"\x02"
LEDGER_ID, TARGET_ID = b"\xc1" * 32, b"\xc2" * 32
BACKING = Allocation(TARGET_ID, 5, GUARANTEE, guarantee_metadata(LEFT, RIGHT))
LEDGER = Finalised(
    LEDGER_ID,
    b"\x0a" * 32,
    (SingleAssetExit(ZERO_ADDRESS, (Allocation(LEFT, 1), Allocation(RIGHT, 2), BACKING)),),
)
TARGET = Finalised(
    TARGET_ID,
    b"\x0b" * 32,
    (SingleAssetExit(ZERO_ADDRESS, (Allocation(LEFT, 4), Allocation(RIGHT, 1))),),
)


def kept(finalised: Finalised) -> bytes:
    return fingerprint(finalised.state_hash, keccak256(encode_outcome(finalised.outcome)))


def test_a_transfer_claims_the_outcome_that_it_pays_from() -> None:
    assert claims_of(transfer_call(LEDGER, [0, 1])) == (Claim(LEDGER_ID, kept(LEDGER)),)


def test_a_reclaim_claims_both_the_target_as_it_finalised() -> None:
    assert claims_of(reclaim_call(LEDGER, 2, TARGET)) == (
        Claim(LEDGER_ID, kept(LEDGER)),
        Claim(TARGET_ID, kept(TARGET), is_first=True),
    )


def test_other_calls_claim_nothing() -> None:
    assert claims_of(CONCLUDE_SELECTOR + bytes(64)) == ()
    assert claims_of(b"") == ()
