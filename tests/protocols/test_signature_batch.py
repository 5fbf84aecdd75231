"""Many signatures at once: exactly what `KnownSigner.verify` says of all of them together."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from protocols.crypto import (
    SECP256K1_ORDER,
    KnownSigner,
    Signer,
    keccak256,
    known_signer_from_signature,
)
from protocols.errors import InvalidWidth
from protocols.signature_batch import WEIGHT_SIZE_BYTES, SignedBy, all_hold
from tests.support.actors import ALICE, BOB, IRENE

HASHES = [keccak256(number.to_bytes(4, "big")) for number in range(60)]
RANDOM = random.Random(20_261_122)
OTHER_V = {27: 28, 28: 27}


def known(signer: Signer) -> KnownSigner:
    """The key, as a signature shows it."""
    found = known_signer_from_signature(HASHES[0], signer(HASHES[0]), signer.address)
    assert found is not None
    return found


def signed_by(signer: Signer, hashes: list[bytes] = HASHES) -> SignedBy:
    """A signature for each hash."""
    return SignedBy(known(signer), hashes, [signer(hash32) for hash32 in hashes])


def weights(count: int) -> bytes:
    """Random weights for so many signatures."""
    return RANDOM.randbytes(count * WEIGHT_SIZE_BYTES)


def holds(*groups: SignedBy) -> bool:
    """With weights drawn for it."""
    return all_hold(groups, weights(sum(len(group.hashes) for group in groups)))


def with_changed(group: SignedBy, place: int, change: Callable[[bytes], bytes]) -> SignedBy:
    """The group with one signature changed."""
    changed = list(group.signatures)
    changed[place] = change(changed[place])
    return SignedBy(group.signer, group.hashes, changed)


def test_signatures_of_one_key_and_of_several_hold_together() -> None:
    assert holds(signed_by(ALICE.signer))
    assert holds(signed_by(ALICE.signer), signed_by(BOB.signer, HASHES[:7]))
    assert holds(*(signed_by(who.signer, HASHES[:3]) for who in (ALICE, BOB, IRENE)))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_signatures_hold_too(count: int) -> None:
    assert holds(signed_by(ALICE.signer, HASHES[:count]))


@pytest.mark.parametrize("place", [0, 17, 59])
def test_one_wrong_signature_among_many_is_noticed_wherever_it_is(place: int) -> None:
    by_alice, other = signed_by(ALICE.signer), HASHES[place - 1]
    assert not holds(with_changed(by_alice, place, lambda _: ALICE.signer(other)))
    assert not holds(with_changed(by_alice, place, lambda _: BOB.signer(HASHES[place])))
    assert not holds(signed_by(BOB.signer), with_changed(by_alice, place, lambda _: bytes(65)))


def _s_changed(signature: bytes, s: int) -> bytes:
    return signature[:32] + s.to_bytes(32, "big") + signature[64:]


def _r_changed(signature: bytes, r: int) -> bytes:
    return r.to_bytes(32, "big") + signature[32:]


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "short": lambda signature: signature[:64],
    "long": lambda signature: signature + b"\0",
    "no bytes": bytearray,
    "v of 29": lambda signature: signature[:64] + bytes([29]),
    "s is 0": lambda signature: _s_changed(signature, 0),
    "s is high": lambda signature: _s_changed(
        signature, SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    ),
    "s is the order": lambda signature: _s_changed(signature, SECP256K1_ORDER),
    "r is 0": lambda signature: _r_changed(signature, 0),
    "r is the order": lambda signature: _r_changed(signature, SECP256K1_ORDER),
    "r is no x of a point": lambda signature: _r_changed(signature, 5),
    "r is too large": lambda signature: _r_changed(signature, 2**256 - 1),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_what_no_key_could_have_signed_does_not_hold(change: Callable[[bytes], bytes]) -> None:
    wrong = with_changed(signed_by(ALICE.signer), 5, change)
    assert not wrong.signer.verify(wrong.hashes[5], wrong.signatures[5])
    assert not holds(wrong)


def test_the_other_v_does_not_hold_here_though_it_does_by_itself() -> None:
    flipped = with_changed(
        signed_by(ALICE.signer),
        9,
        lambda signature: signature[:64] + bytes([OTHER_V[signature[64]]]),
    )
    assert flipped.signer.verify(flipped.hashes[9], flipped.signatures[9])
    assert not holds(flipped)


def test_wrongs_that_cancel_each_other_without_weights_are_noticed() -> None:
    """Two signatures exchanged: their sums are the same, their weighted sums are not."""
    group = signed_by(ALICE.signer)
    exchanged = [group.signatures[1], group.signatures[0], *group.signatures[2:]]
    assert not holds(SignedBy(group.signer, group.hashes, exchanged))


def test_points_that_add_up_to_none_do_not_hold_and_break_nothing() -> None:
    group = signed_by(ALICE.signer, HASHES[:1])
    flipped = group.signatures[0][:64] + bytes([OTHER_V[group.signatures[0][64]]])
    both = SignedBy(group.signer, HASHES[:1] * 2, [group.signatures[0], flipped])
    assert not all_hold([both], b"\x05" * (2 * WEIGHT_SIZE_BYTES))
    assert not all_hold([both], bytes(2 * WEIGHT_SIZE_BYTES)), "weights of nothing prove nothing"


def test_each_bit_of_a_weight_counts() -> None:
    """One signature by itself, with each power of two: R is doubled as often as it must be."""
    group = signed_by(ALICE.signer, HASHES[:1])
    for bit in range(8 * WEIGHT_SIZE_BYTES):
        assert all_hold([group], (1 << bit).to_bytes(WEIGHT_SIZE_BYTES, "little"))


def test_weights_are_as_many_as_signatures() -> None:
    with pytest.raises(InvalidWidth, match="weights"):
        all_hold([signed_by(ALICE.signer)], weights(59))


def test_what_is_no_hash_is_refused() -> None:
    with pytest.raises(InvalidWidth, match="hash"):
        holds(SignedBy(known(ALICE.signer), [b"short"], [ALICE.signer(HASHES[0])]))
