"""A proof holds for what it says and for nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from msgspec.structs import replace

from protocols.errors import InvalidEncoding, InvalidSignature
from protocols.log_head import HEAD_LENGTH_MAX, LogOwner, sign_head
from protocols.log_proof import (
    ConsistencyProof,
    LogProof,
    require_grown,
    require_true,
)
from protocols.mountain_range import MountainRange, leaf_hashes
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHAIN_ID

OWNER = LogOwner(CHAIN_ID, ADJUDICATOR, ALICE.address)
RECORDS = [b"record %d" % number for number in range(3)]


def proof() -> LogProof:
    """Of record 1 among three."""
    chain = [sha256(b"").digest()]
    for record in RECORDS:
        chain.append(sha256(chain[-1] + record).digest())
    grown = MountainRange()
    grown.extend(chain[1:])
    first, second, third = leaf_hashes(chain[1:])
    peak = sha256(b"\x01" + first + second).digest()
    head = sign_head(OWNER, 3, grown.root(), ALICE.signer)
    return LogProof(OWNER, 1, RECORDS[1], chain[1], (first,), (peak, third), head)


def test_a_true_proof_is_true() -> None:
    require_true(proof())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"record": b"record 2"}, InvalidEncoding, "does not lead to its peak"),
        ({"chain_before": bytes(32)}, InvalidEncoding, "does not lead to its peak"),
        ({"chain_before": bytes(33)}, InvalidEncoding, "not of 32 bytes"),
        ({"seq": 0}, InvalidEncoding, "does not lead to its peak"),
        ({"seq": 2}, InvalidEncoding, "0 hashes expected, found 1"),
        ({"seq": 3}, InvalidEncoding, "record 3 is none of 3"),
        ({"path": ()}, InvalidEncoding, "1 hashes expected, found 0"),
        ({"peaks": proof().peaks[:1]}, InvalidEncoding, "2 peaks expected, found 1"),
        (
            {"peaks": (proof().peaks[0], bytes(32))},
            InvalidEncoding,
            "peaks do not lead to the signed root",
        ),
        ({"owner": replace(OWNER, node=BOB.address)}, InvalidSignature, "not by its log's node"),
        ({"owner": replace(OWNER, chain_id=1)}, InvalidSignature, "not by its log's node"),
        ({"head": replace(proof().head, length=0)}, InvalidEncoding, "no log has 0 records"),
        ({"head": replace(proof().head, length=2**50)}, InvalidEncoding, "no log has"),
    ],
)
def test_a_proof_with_something_changed_is_none(
    change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        require_true(replace(proof(), **change))


def growth() -> ConsistencyProof:
    """Of one record to three."""
    first, second, third = leaf_hashes([sha256(bytes([n])).digest() for n in range(3)])
    root = sha256(b"\x01" + sha256(b"\x01" + first + second).digest() + third).digest()
    old = sign_head(OWNER, 1, first, ALICE.signer)
    new = sign_head(OWNER, 3, root, ALICE.signer)
    return ConsistencyProof(OWNER, old, new, (second, third))


def test_a_log_that_only_grew_is_proved() -> None:
    require_grown(growth())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"path": ()}, InvalidEncoding),
        ({"path": growth().path[::-1]}, InvalidEncoding),
        ({"old": growth().new, "new": growth().old}, InvalidEncoding),
        ({"old": replace(growth().old, length=2)}, InvalidEncoding),
        ({"old": replace(growth().old, length=0)}, InvalidEncoding),
        ({"new": replace(growth().new, length=HEAD_LENGTH_MAX + 1)}, InvalidEncoding),
        ({"old": replace(growth().old, signature=growth().new.signature)}, InvalidSignature),
        ({"new": replace(growth().new, signature=growth().old.signature)}, InvalidSignature),
        ({"owner": replace(OWNER, node=BOB.address)}, InvalidSignature),
    ],
)
def test_a_growth_that_is_not_shown_or_not_signed_is_refused(
    change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        require_grown(replace(growth(), **change))
