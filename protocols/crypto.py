"""Hashes and signatures: keccak-256, EIP-191 over secp256k1, and the Merkle root of a receipt.

The only module that imports sha3, and with `signature_batch` the only one that imports coincurve.
Both are called as directly as they allow: a signature is most of a payment's cost, and the wrappers
around it would be the rest. It works on bytes and knows neither channels nor states, and no widths
but its own: `protocols.types` stands on it, so the aliases are not used here. A signature is
r (32) || s (32) || v (1) with s low and v 27 or 28, as the contracts' ecrecover takes it.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # a C extension
from coincurve.context import GLOBAL_CONTEXT
from coincurve.flags import EC_COMPRESSED, EC_UNCOMPRESSED
from sha3 import keccak_256

from protocols.errors import InvalidEncoding, InvalidSignature, InvalidWidth

SIGNATURE_SIZE_BYTES = 65

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Points of the curve, a prime: r, s and every scalar are below it (SEC 2, 2.4.1)."""
_S_MAX = (SECP256K1_ORDER // 2).to_bytes(32, "big")
"""Above half the order the same signature exists a second time, as n - s (EIP-2)."""
_S_MAX_BYTE = _S_MAX[0]

_EIP191_PREFIX = b"\x19Ethereum Signed Message:\n32"
_CONTEXT = GLOBAL_CONTEXT.ctx
_NULL = ffi.NULL
_V_OFFSET = 27
_V_VALUES = (27, 28)

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"

_RECOVERABLE = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_PARSED = ffi.typeof("secp256k1_ecdsa_signature *")
_signing: list[tuple[Any, Any, Any, Any]] = []
_verifying: list[Any] = []
"""C memory that is free to use: one for each thread that ever signed, or checked, beside others.
It is taken out while in use, since the C library runs without Python's lock. To allocate it anew
cost a twentieth of a signature."""


def keccak256(data: bytes) -> bytes:
    """The 32-byte keccak-256 of `data` (Ethereum's, not SHA-3)."""
    digest: bytes = keccak_256(data).digest()
    return digest


def eip191_digest(hash32: bytes) -> bytes:
    """What is really signed for a 32-byte hash: keccak256 over EIP-191's prefix and the hash.

    Raises `InvalidWidth` for any other width, which also guards the C library's reads.
    """
    if type(hash32) is not bytes or len(hash32) != 32:
        _require_size("hash", hash32, 32)
    digest: bytes = keccak_256(_EIP191_PREFIX + hash32).digest()
    return digest


def sign(digest_hash32: bytes, secret: bytes) -> bytes:
    """Sign a 32-byte message hash under EIP-191 with a 32-byte secret, as RFC 6979 prescribes.

    The result is 65 bytes, the same for the same input. Who signs more than once keeps a `Signer`.
    """
    return _sign(digest_hash32, _secret_buffer(secret))


def with_low_s(signature: bytes) -> bytes:
    """The same signature with the lower of the two s that it exists with, the only one taken here.

    Contracts take both, so what was read from the chain may hold the other. Unchanged if it is no
    signature at all.
    """
    s = signature[32:64]
    if len(signature) != SIGNATURE_SIZE_BYTES or signature[64] not in _V_VALUES or s <= _S_MAX:
        return signature
    lower = SECP256K1_ORDER - int.from_bytes(s, "big")
    if lower <= 0:
        return signature
    v = sum(_V_VALUES) - signature[64]
    return signature[:32] + lower.to_bytes(32, "big") + bytes((v,))


class Signer:
    """A secp256k1 key that signs message hashes. Shows its address, never its secret."""

    __slots__ = ("_secret", "address", "public_key")

    address: bytes
    """20 bytes."""
    public_key: bytes
    """33 bytes, compressed."""

    def __init__(self, secret: bytes) -> None:
        """Parse a 32-byte secret; `InvalidEncoding` if it is no secp256k1 key."""
        self._secret = _secret_buffer(secret)
        parsed = ffi.new("secp256k1_pubkey *")
        created = lib.secp256k1_ec_pubkey_create(_CONTEXT, parsed, self._secret)
        assert created == 1, "a verified secret has a public key"
        self.public_key = _serialize(parsed, EC_COMPRESSED, 33)
        self.address = _address(parsed)

    def __call__(self, hash32: bytes) -> bytes:
        """The 65-byte EIP-191 signature of a 32-byte message hash."""
        return _sign(hash32, self._secret)

    def __repr__(self) -> str:
        return f"Signer(0x{self.address.hex()})"


class KnownSigner:
    """An address with its public key already parsed, to check many signatures against (M9)."""

    __slots__ = ("_parsed", "address")

    address: bytes
    """20 bytes, computed from the key."""

    def __init__(self, public_key: bytes) -> None:
        """Parse a 33- or 65-byte public key; `InvalidEncoding` if it is none."""
        self._hold(_parse_public_key(public_key))

    def verify(self, hash32: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over the EIP-191 digest of `hash32`.

        False for any other signature, however malformed. v must be 27 or 28 but is not compared
        (M9): `restore_v` finds the right one before a signature leaves for the chain.
        """
        digest = eip191_digest(hash32)
        # What `_defect` looks at, without the call and its words.
        if (
            type(signature) is not bytes
            or len(signature) != SIGNATURE_SIZE_BYTES
            or signature[64] not in _V_VALUES
            or (signature[32] >= _S_MAX_BYTE and signature[32:64] > _S_MAX)
        ):
            return False
        try:
            parsed = _verifying.pop()
        except IndexError:
            parsed = ffi.new(_PARSED)
        # It reads r and s: the first 64 bytes.
        is_parsed = lib.secp256k1_ecdsa_signature_parse_compact(_CONTEXT, parsed, signature) == 1
        verdict: bool = (
            is_parsed and lib.secp256k1_ecdsa_verify(_CONTEXT, parsed, digest, self._parsed) == 1
        )
        _verifying.append(parsed)
        return verdict

    def times(self, scalar: int) -> Any | None:
        """The key's point so many times (below the order), as the library holds it; None for 0."""
        found = ffi.new("secp256k1_pubkey *", self._parsed[0])
        multiplied = lib.secp256k1_ec_pubkey_tweak_mul(_CONTEXT, found, scalar.to_bytes(32, "big"))
        return found if multiplied == 1 else None

    def __repr__(self) -> str:
        return f"KnownSigner(0x{self.address.hex()})"

    def _hold(self, parsed: Any) -> None:
        self._parsed = parsed
        self.address = _address(parsed)


def recover_address(hash32: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed `hash32` under EIP-191.

    Raises `InvalidSignature` for a wrong length, v outside 27 and 28, a high s, and for bytes
    that are no signature at all.
    """
    return _address(_recover(hash32, signature))


def known_signer_from_signature(
    hash32: bytes, signature: bytes, expected_address: bytes
) -> KnownSigner | None:
    """The parsed key behind a signature, or None if it is not `expected_address`'s."""
    try:
        parsed = _recover(hash32, signature)
    except InvalidSignature:
        return None
    signer = KnownSigner.__new__(KnownSigner)
    signer._hold(parsed)
    return signer if signer.address == expected_address else None


def restore_v(hash32: bytes, signature: bytes, address: bytes) -> bytes:
    """The same r and s with the v that recovers `address` (M9); contracts know no other check.

    Raises `InvalidSignature` if neither v does, or the signature is malformed.
    """
    _require_sound(signature)
    for v in _V_VALUES:
        candidate = signature[:64] + bytes((v,))
        try:
            if recover_address(hash32, candidate) == address:
                return candidate
        except InvalidSignature:
            continue
    raise InvalidSignature("signed by another key")


def address_of_public_key(public_key: bytes) -> bytes:
    """The 20-byte address of a 33- or 65-byte public key; `InvalidEncoding` if it is none."""
    return _address(_parse_public_key(public_key))


def payment_leaf(payment_id: bytes, amount: int) -> bytes:
    """The leaf of one payment: keccak256(0x00 || abi.encode(bytes32 id, uint256 amount)) (M13)."""
    _require_size("payment_id", payment_id, 32)
    if not 0 <= amount < 2**256:
        raise InvalidWidth("amount", "uint256", "a number out of range")
    return keccak256(_LEAF_PREFIX + payment_id + amount.to_bytes(32, "big"))


def payment_root(payments: Iterable[tuple[bytes, int]]) -> bytes:
    """The root over the leaves of (id, amount) pairs, in order (M13).

    The ids and amounts of recorded payments have their widths: none is checked again. One payment
    of a shared voucher costs little more than this.
    """
    prefix = _LEAF_PREFIX
    hashed = [prefix + payment_id + amount.to_bytes(32, "big") for payment_id, amount in payments]
    return _root([leaf.digest() for leaf in map(keccak_256, hashed)])


def encoded_payments_root(encoded: bytes) -> bytes:
    """The same of payments that are encoded and joined: id (32) || amount (32) of each."""
    prefix = _LEAF_PREFIX
    hashed = [prefix + encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    return _root([leaf.digest() for leaf in map(keccak_256, hashed)])


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over 32-byte leaves, in order (M13).

    A node is keccak256(0x01 || left || right), an odd node moves up unchanged, one leaf is its own
    root. Raises `InvalidEncoding` for no leaves, `InvalidWidth` for a leaf of another width.
    """
    if not leaves:
        raise InvalidEncoding("merkle leaves", "there are none")
    for leaf in leaves:
        _require_size("merkle leaf", leaf, 32)
    return _root(list(leaves))


def _root(level: list[bytes]) -> bytes:
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def _parents(level: list[bytes]) -> list[bytes]:
    # Without a line of Python for each: there are as many nodes as payments.
    nodes = iter(level)
    pairs = map(b"".join, zip(repeat(_NODE_PREFIX), nodes, nodes, strict=False))
    parents: list[bytes] = [node.digest() for node in map(keccak_256, pairs)]
    if len(level) % 2:
        parents.append(level[-1])
    return parents


def merkle_proof(leaves: Sequence[bytes], index: int) -> tuple[tuple[bool, bytes], ...]:
    """What leads from the leaf at `index` up to the root: (is it on the left, the sibling's hash).

    A level at which the node is odd adds nothing.
    """
    proof: list[tuple[bool, bytes]] = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append((sibling < index, level[sibling]))
        level, index = _parents(level), index // 2
    return tuple(proof)


def root_of_proof(leaf: bytes, proof: Iterable[tuple[bool, bytes]]) -> bytes:
    """The root that a proof leads to: the leaf is under it if it is the signed one."""
    node = leaf
    for is_left, sibling in proof:
        pair = sibling + node if is_left else node + sibling
        node = keccak256(_NODE_PREFIX + pair)
    return node


def _require_size(field: str, value: object, size: int) -> None:
    if not isinstance(value, bytes):
        raise InvalidWidth(field, f"{size} bytes", type(value).__name__)
    if len(value) != size:
        raise InvalidWidth(field, f"{size} bytes", f"{len(value)} bytes")


def _secret_buffer(secret: bytes) -> Any:
    """The secret in C memory, once it is known to be a key. No error shows any of it."""
    _require_size("secret key", secret, 32)
    buffer = ffi.new("unsigned char[32]", secret)
    if lib.secp256k1_ec_seckey_verify(_CONTEXT, buffer) != 1:
        raise InvalidEncoding("secret key", "outside the range of secp256k1")
    return buffer


def _sign(hash32: bytes, secret_buffer: Any) -> bytes:
    digest = eip191_digest(hash32)
    try:
        held = _signing.pop()
    except IndexError:
        held = _signing_memory()
    recoverable, recovery_id, output, view = held
    signed = lib.secp256k1_ecdsa_sign_recoverable(
        _CONTEXT, recoverable, digest, secret_buffer, _NULL, _NULL
    )
    assert signed == 1, "a verified secret signs"
    lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(
        _CONTEXT, output, recovery_id, recoverable
    )
    # Ids 2 and 3 need an r that overflowed the order: one signature in 2**127.
    v = _V_OFFSET + recovery_id[0]
    assert v in _V_VALUES, "the contracts know v 27 and 28 only"
    output[64] = v
    signature: bytes = view[:]
    _signing.append(held)
    return signature


def _signing_memory() -> tuple[Any, Any, Any, Any]:
    """Room for a signature, its recovery id, its 65 bytes, and those to read."""
    output = ffi.new("unsigned char[]", SIGNATURE_SIZE_BYTES)
    return ffi.new(_RECOVERABLE), ffi.new("int *"), output, ffi.buffer(output)


def _defect(signature: object) -> str | None:
    """What a signature's bytes alone show to be wrong, or None."""
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_SIZE_BYTES:
        return "expected 65 bytes"
    if signature[64] not in _V_VALUES:
        return f"v is {signature[64]}, expected 27 or 28"
    if signature[32] >= _S_MAX_BYTE and signature[32:64] > _S_MAX:
        return "s is in the upper half of the order"
    return None


def _require_sound(signature: bytes) -> None:
    defect = _defect(signature)
    if defect is not None:
        raise InvalidSignature(defect)


def _recover(hash32: bytes, signature: bytes) -> Any:
    digest = eip191_digest(hash32)
    # First: the C library aborts the process on a recovery id outside 0 to 3.
    _require_sound(signature)
    recoverable = ffi.new("secp256k1_ecdsa_recoverable_signature *")
    parsed = lib.secp256k1_ecdsa_recoverable_signature_parse_compact(
        _CONTEXT, recoverable, signature[:64], signature[64] - _V_OFFSET
    )
    public_key = ffi.new("secp256k1_pubkey *")
    if parsed != 1 or lib.secp256k1_ecdsa_recover(_CONTEXT, public_key, recoverable, digest) != 1:
        raise InvalidSignature("no key recovers from it")
    return public_key


def _parse_public_key(public_key: object) -> Any:
    parsed = ffi.new("secp256k1_pubkey *")
    if (
        not isinstance(public_key, bytes)
        or len(public_key) not in (33, 65)
        or lib.secp256k1_ec_pubkey_parse(_CONTEXT, parsed, public_key, len(public_key)) != 1
    ):
        raise InvalidEncoding("public key", "expected a point of secp256k1 in 33 or 65 bytes")
    return parsed


def _serialize(parsed: Any, flag: int, size: int) -> bytes:
    output = ffi.new("unsigned char[]", size)
    output_size = ffi.new("size_t *", size)
    lib.secp256k1_ec_pubkey_serialize(_CONTEXT, output, output_size, parsed, flag)
    return bytes(ffi.buffer(output))


def _address(parsed: Any) -> bytes:
    """The last 20 bytes of the hash of the point, without its 0x04 prefix."""
    return keccak256(_serialize(parsed, EC_UNCOMPRESSED, 65)[1:])[12:]
