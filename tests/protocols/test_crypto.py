"""Signatures are Ethereum's, have one form only, and the fast hash is the one that runs."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from Crypto.Hash import keccak as slow_keccak
from hypothesis import given
from hypothesis import strategies as st

from protocols import crypto
from protocols.crypto import (
    KnownSigner,
    Signer,
    address_of_public_key,
    eip191_digest,
    encoded_payments_root,
    keccak256,
    known_signer_from_signature,
    merkle_proof,
    merkle_root,
    payment_leaf,
    payment_root,
    recover_address,
    restore_v,
    root_of_proof,
    sign,
)
from protocols.errors import InvalidEncoding, InvalidSignature, InvalidWidth
from protocols.types import from_hex, parse_address
from tests.support.actors import ACTORS, ALICE, BOB
from tests.support.vectors import NITRO, golden_state

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HASH = keccak256(b"a message")


def independent_keccak(data: bytes) -> bytes:
    return slow_keccak.new(digest_bits=256, data=data).digest()


def malleated(signature: bytes) -> bytes:
    """The same approval in its other form: n - s, and the other v."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],))


def with_v(signature: bytes, v: int) -> bytes:
    return signature[:64] + bytes((v,))


# Hashes


def test_keccak_of_nothing_is_ethereums_and_not_sha3s() -> None:
    expected = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == expected


@given(st.binary(max_size=600))
def test_keccak_agrees_with_another_implementation(data: bytes) -> None:
    assert keccak256(data) == independent_keccak(data)


def test_every_hash_of_a_payment_is_computed_without_the_slow_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import eth_hash.auto

    def refuse(*_arguments: Any, **_options: Any) -> bytes:
        raise AssertionError("the slow keccak was called")

    monkeypatch.setattr(eth_hash.auto, "keccak", refuse)
    monkeypatch.setattr(slow_keccak, "new", refuse)
    with pytest.raises(AssertionError, match="slow keccak"):
        independent_keccak(b"")

    state_hash = golden_state().state_hash()
    assert state_hash == from_hex(NITRO["state"]["state_hash"])
    signature = ALICE.signer(state_hash)
    assert ALICE.known.verify(state_hash, signature)
    assert recover_address(state_hash, signature) == ALICE.address
    assert crypto.keccak_256.__module__ == "_pysha3"


def test_the_signed_core_loads_neither_the_slow_hash_nor_the_slow_encoder() -> None:
    script = (
        "import sys, protocols.state, protocols.voucher\n"
        "slow = {'eth_hash', 'Crypto', 'Cryptodome', 'eth_abi', 'eth_utils'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {sorted(slow)}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_eip_191_digest_is_the_prefixed_hash() -> None:
    assert eip191_digest(HASH) == independent_keccak(b"\x19Ethereum Signed Message:\n32" + HASH)


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), bytearray(32), "x" * 32, None])
def test_only_32_byte_hashes_are_signed_or_checked(wrong: Any) -> None:
    signature = ALICE.signer(HASH)
    for use in (
        lambda: sign(wrong, ALICE.secret),
        lambda: ALICE.signer(wrong),
        lambda: recover_address(wrong, signature),
        lambda: ALICE.known.verify(wrong, signature),
    ):
        with pytest.raises(InvalidWidth):
            use()


# Signing


def test_the_golden_signatures_are_reproduced() -> None:
    vector = NITRO["state"]
    keys = [from_hex(key) for key in vector["secret_keys"]]
    state_hash = from_hex(vector["state_hash"])
    assert sign(state_hash, keys[0]) == from_hex(vector["signature_0"])
    assert sign(state_hash, keys[1]) == from_hex(vector["derived"]["signature_1"])
    challenge = from_hex(vector["derived"]["challenge_message"])
    assert sign(challenge, keys[0]) == from_hex(vector["derived"]["challenger_signature_0"])


def test_the_golden_signatures_recover_to_their_participants() -> None:
    vector = NITRO["state"]
    state_hash = from_hex(vector["state_hash"])
    first, second = (parse_address(text) for text in vector["participants"])
    assert recover_address(state_hash, from_hex(vector["signature_0"])) == first
    assert recover_address(state_hash, from_hex(vector["derived"]["signature_1"])) == second


def test_every_actors_key_has_the_golden_address() -> None:
    for actor in ACTORS:
        assert actor.signer.address == actor.address
        assert address_of_public_key(actor.signer.public_key) == actor.address


def test_keys_made_from_a_seed_have_their_golden_addresses() -> None:
    addresses = {
        0x01: "0x6370ef2f4db3611d657b90667de398a2cc2a370c",
        0x02: "0x44fa977a2bd3d8f3e51d4af41a05da4b55feff39",
        0x03: "0x47259855e279f73cce0256e5f02dfd19844f5f52",
        0x0A: "0x39977e965feed1133d04f49c232b754e168978b4",
    }
    for seed, address in addresses.items():
        secret = bytes((seed + i) % 256 for i in range(32))
        assert Signer(secret).address == parse_address(address)


def test_signing_the_same_hash_again_gives_the_same_bytes() -> None:
    assert {ALICE.signer(HASH) for _ in range(100)} == {sign(HASH, ALICE.secret)}


@given(st.binary(min_size=32, max_size=32))
def test_what_is_signed_recovers_to_its_signer_in_the_one_form_allowed(hash32: bytes) -> None:
    signature = ALICE.signer(hash32)
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2
    assert recover_address(hash32, signature) == ALICE.address
    assert ALICE.known.verify(hash32, signature)
    assert not BOB.known.verify(hash32, signature)


def test_both_values_of_v_occur() -> None:
    signatures = [ALICE.signer(keccak256(bytes((i,)))) for i in range(40)]
    assert {signature[64] for signature in signatures} == {27, 28}


@pytest.mark.parametrize("wrong", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_numbers_outside_the_curves_order_are_no_keys_and_are_not_shown(wrong: bytes) -> None:
    for use in (lambda: Signer(wrong), lambda: sign(HASH, wrong)):
        with pytest.raises(InvalidEncoding) as caught:
            use()
        assert wrong.hex() not in str(caught.value)


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), "k" * 32])
def test_a_key_of_another_width_is_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(InvalidWidth) as caught:
        Signer(wrong)
    assert "kkk" not in str(caught.value)


def test_a_signer_shows_its_address_and_never_its_key() -> None:
    for text in (repr(ALICE.signer), str(ALICE.signer), repr(ALICE)):
        assert ALICE.secret.hex() not in text
        assert repr(ALICE.secret) not in text
    assert repr(ALICE.signer) == "Signer(0x" + ALICE.address.hex() + ")"
    assert repr(ALICE.known) == "KnownSigner(0x" + ALICE.address.hex() + ")"


# Refusing


@given(st.binary(min_size=32, max_size=32))
def test_the_malleated_form_of_a_signature_is_refused_everywhere(hash32: bytes) -> None:
    other_form = malleated(ALICE.signer(hash32))
    with pytest.raises(InvalidSignature, match="upper half"):
        recover_address(hash32, other_form)
    with pytest.raises(InvalidSignature, match="upper half"):
        restore_v(hash32, other_form, ALICE.address)
    assert not ALICE.known.verify(hash32, other_form)
    assert known_signer_from_signature(hash32, other_form, ALICE.address) is None


@pytest.mark.parametrize("v", [0, 1, 2, 3, 26, 29, 30, 35, 55, 255])
def test_v_outside_27_and_28_is_refused_everywhere(v: int) -> None:
    wrong = with_v(ALICE.signer(HASH), v)
    with pytest.raises(InvalidSignature, match=f"v is {v}"):
        recover_address(HASH, wrong)
    with pytest.raises(InvalidSignature, match=f"v is {v}"):
        restore_v(HASH, wrong, ALICE.address)
    assert not ALICE.known.verify(HASH, wrong)
    assert known_signer_from_signature(HASH, wrong, ALICE.address) is None


@pytest.mark.parametrize("wrong", [b"", bytes(64), bytes(66), "x" * 65, None])
def test_a_signature_is_65_bytes(wrong: Any) -> None:
    with pytest.raises(InvalidSignature, match="65 bytes"):
        recover_address(HASH, wrong)
    assert not ALICE.known.verify(HASH, wrong)


@pytest.mark.parametrize(
    "r_and_s",
    [
        bytes(64),
        b"\xff" * 32 + b"\x01".rjust(32, b"\0"),
        ORDER.to_bytes(32, "big") + b"\x01".rjust(32, b"\0"),
        bytes(32) + b"\x01".rjust(32, b"\0"),
        b"\x01".rjust(32, b"\0") + bytes(32),
    ],
)
def test_numbers_that_are_no_signature_are_refused(r_and_s: bytes) -> None:
    for v in (27, 28):
        with pytest.raises(InvalidSignature):
            recover_address(HASH, r_and_s + bytes((v,)))
        assert not ALICE.known.verify(HASH, r_and_s + bytes((v,)))


def test_the_largest_low_s_is_judged_by_the_curve_and_the_next_by_its_form() -> None:
    r = ALICE.signer(HASH)[:32]
    half = (ORDER // 2).to_bytes(32, "big")
    assert isinstance(recover_address(HASH, r + half + b"\x1b"), bytes)
    above = (ORDER // 2 + 1).to_bytes(32, "big")
    with pytest.raises(InvalidSignature, match="upper half"):
        recover_address(HASH, r + above + b"\x1b")


def test_threads_that_sign_and_check_at_once_do_not_disturb_each_other() -> None:
    hashes = [keccak256(bytes((number,))) for number in range(64)]
    signer = Signer(ALICE.secret)
    known = KnownSigner(signer.public_key)
    expected = [signer(hash32) for hash32 in hashes]

    def sign_and_check(number: int) -> tuple[bytes, list[bool]]:
        signature = signer(hashes[number])
        return signature, [known.verify(hash32, signature) for hash32 in hashes]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(sign_and_check, range(len(hashes))))
    assert [signature for signature, _ in found] == expected
    assert [verdicts.index(True) for _, verdicts in found] == list(range(len(hashes)))
    assert all(verdicts.count(True) == 1 for _, verdicts in found)


def test_no_single_flipped_bit_of_a_signature_verifies() -> None:
    signature = ALICE.signer(HASH)
    # The last byte is v, which verification against a known key does not compare (M9).
    for bit in range(8 * 64):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << (bit % 8)
        assert not ALICE.known.verify(HASH, bytes(flipped))
        assert known_signer_from_signature(HASH, bytes(flipped), ALICE.address) is None


def test_no_single_flipped_bit_of_v_recovers_the_signer() -> None:
    signature = ALICE.signer(HASH)
    for bit in range(8):
        flipped = with_v(signature, signature[64] ^ (1 << bit))
        assert known_signer_from_signature(HASH, flipped, ALICE.address) is None


def test_no_single_flipped_bit_of_the_hash_verifies() -> None:
    signature = ALICE.signer(HASH)
    for bit in range(256):
        flipped = bytearray(HASH)
        flipped[bit // 8] ^= 1 << (bit % 8)
        assert not ALICE.known.verify(bytes(flipped), signature)
        assert recover_address_or_none(bytes(flipped), signature) != ALICE.address


def recover_address_or_none(hash32: bytes, signature: bytes) -> bytes | None:
    try:
        return recover_address(hash32, signature)
    except InvalidSignature:
        return None


@given(st.binary(min_size=65, max_size=65))
def test_garbage_is_refused_or_somebody_elses(garbage: bytes) -> None:
    assert recover_address_or_none(HASH, garbage) != ALICE.address
    assert not ALICE.known.verify(HASH, garbage)


# Known signers


def test_verification_against_a_known_key_ignores_which_v() -> None:
    signature = ALICE.signer(HASH)
    other_v = with_v(signature, 55 - signature[64])
    assert ALICE.known.verify(HASH, other_v)
    assert recover_address_or_none(HASH, other_v) != ALICE.address


def test_restoring_v_finds_the_one_that_recovers_the_signer() -> None:
    for i in range(40):
        hash32 = keccak256(bytes((i,)))
        signature = ALICE.signer(hash32)
        for v in (27, 28):
            assert restore_v(hash32, with_v(signature, v), ALICE.address) == signature


def test_restoring_v_refuses_a_signature_of_somebody_else() -> None:
    with pytest.raises(InvalidSignature, match="another key"):
        restore_v(HASH, BOB.signer(HASH), ALICE.address)


def test_restoring_v_refuses_numbers_from_which_no_key_recovers() -> None:
    with pytest.raises(InvalidSignature, match="another key"):
        restore_v(HASH, bytes(64) + b"\x1b", ALICE.address)


def test_a_signer_becomes_known_by_one_signature() -> None:
    known = known_signer_from_signature(HASH, ALICE.signer(HASH), ALICE.address)
    assert known is not None
    assert known.address == ALICE.address
    other = keccak256(b"another message")
    assert known.verify(other, ALICE.signer(other))
    assert not known.verify(other, BOB.signer(other))


def test_a_signer_does_not_become_known_by_anothers_signature() -> None:
    assert known_signer_from_signature(HASH, BOB.signer(HASH), ALICE.address) is None


def test_a_public_key_is_read_in_both_of_its_forms() -> None:
    from coincurve import PublicKey

    compressed = ALICE.signer.public_key
    assert len(compressed) == 33
    whole = PublicKey(compressed).format(compressed=False)
    assert address_of_public_key(whole) == ALICE.address
    assert KnownSigner(whole).verify(HASH, ALICE.signer(HASH))


@pytest.mark.parametrize("wrong", [b"", bytes(33), b"\x02" + b"\xff" * 32, bytes(65), "x" * 33])
def test_what_is_no_point_of_the_curve_is_no_public_key(wrong: Any) -> None:
    for use in (KnownSigner, address_of_public_key):
        with pytest.raises(InvalidEncoding, match="public key"):
            use(wrong)


# The Merkle root of a receipt


def independent_root(leaves: list[bytes]) -> bytes:
    """M13, written as the recursion it is: split at the largest power of two."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, right = independent_root(leaves[:split]), independent_root(leaves[split:])
    return independent_keccak(b"\x01" + left + right)


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 100])
def test_the_root_is_the_one_the_rule_describes(count: int) -> None:
    random = Random(count)
    leaves = [random.randbytes(32) for _ in range(count)]
    assert merkle_root(leaves) == independent_root(leaves)
    assert merkle_root(tuple(leaves)) == independent_root(leaves)


def test_one_leaf_is_its_own_root_and_an_odd_one_moves_up() -> None:
    a, b, c = (keccak256(bytes((i,))) for i in range(3))
    assert merkle_root([a]) == a
    assert merkle_root([a, b, c]) == keccak256(b"\x01" + keccak256(b"\x01" + a + b) + c)


def test_a_root_changes_with_the_order_the_number_and_each_leaf() -> None:
    leaves = [keccak256(bytes((i,))) for i in range(7)]
    variants = [
        leaves,
        leaves[::-1],
        leaves[:-1],
        [*leaves, leaves[-1]],
        *([*leaves[:i], HASH, *leaves[i + 1 :]] for i in range(7)),
    ]
    assert len({merkle_root(variant) for variant in variants}) == len(variants)


def test_a_root_needs_leaves_of_32_bytes() -> None:
    with pytest.raises(InvalidEncoding, match="none"):
        merkle_root([])
    for wrong in ([bytes(31)], [bytes(32), bytes(64)]):
        with pytest.raises(InvalidWidth):
            merkle_root(wrong)


def test_a_payment_leaf_hashes_id_and_amount_behind_a_zero_byte() -> None:
    expected = independent_keccak(b"\x00" + HASH + (500).to_bytes(32, "big"))
    assert payment_leaf(HASH, 500) == expected


@pytest.mark.parametrize(
    ("payment_id", "amount"), [(bytes(31), 1), (bytes(32), -1), (bytes(32), 2**256)]
)
def test_a_payment_leaf_of_the_wrong_shape_is_refused(payment_id: bytes, amount: int) -> None:
    with pytest.raises(InvalidWidth):
        payment_leaf(payment_id, amount)


# --- proofs ---

words = st.binary(min_size=32, max_size=32)


@given(st.lists(st.tuples(words, st.integers(0, 2**256 - 1)), min_size=1, max_size=40))
def test_the_root_of_payments_is_that_of_their_leaves(payments: list[tuple[bytes, int]]) -> None:
    leaves = [payment_leaf(*payment) for payment in payments]
    assert payment_root(payments) == merkle_root(leaves)
    encoded = b"".join(identity + amount.to_bytes(32, "big") for identity, amount in payments)
    assert encoded_payments_root(encoded) == merkle_root(leaves)


@given(st.lists(words, min_size=1, max_size=40, unique=True), st.data())
def test_a_proof_leads_from_its_own_leaf_to_the_root(leaves: list[bytes], data: Any) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1))
    proof = merkle_proof(leaves, index)
    assert root_of_proof(leaves[index], proof) == merkle_root(leaves)
    assert (root_of_proof(leaves[other], proof) == merkle_root(leaves)) == (other == index)
