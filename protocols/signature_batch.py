"""Many signatures of known signers at once, at less than half of what each costs by itself.

A signature (r, s) of the key Q over the digest z says that the point R, whose x is r, is
(z/s) G + (r/s) Q. With random weights a, all of them say it together: the sum of a R is
(sum of a z/s) G + (sum of a r/s) Q. If one of them is wrong, the sums are equal for one choice of
weights in 2**64 at most, since the group's order is prime (Bellare, Garay and Rabin 1998: the small
exponents test). R is read from r and v, so a signature with the wrong one of the two v's, which
holds by itself (M9), fails here: who gets False looks at each.

The sum of weighted points goes by bytes of the weights (Pippenger 1976): points that share a byte
are added first. The C library adds and reads points; nothing here is secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import mul
from typing import Any

from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # a C extension
from coincurve.context import GLOBAL_CONTEXT

from protocols.crypto import (
    SECP256K1_ORDER,
    SIGNATURE_SIZE_BYTES,
    KnownSigner,
    eip191_digest,
)
from protocols.errors import InvalidWidth

WEIGHT_SIZE_BYTES = 8
"""Of a signature's random weight: a wrong one passes with a chance of 2**-64."""

_CONTEXT = GLOBAL_CONTEXT.ctx
_COMPRESSED_SIZE_BYTES = 33
_PREFIX_OF_V = {27: b"\x02", 28: b"\x03"}
"""Of a compressed point: the parity of its y."""
_S_MAX = SECP256K1_ORDER // 2
_POINT = ffi.typeof("secp256k1_pubkey *")
_POINTS = ffi.typeof("secp256k1_pubkey[]")


@dataclass(frozen=True, slots=True)
class SignedBy:
    """What one key must have signed under EIP-191: hashes of 32 bytes, a signature for each."""

    signer: KnownSigner
    hashes: Sequence[bytes]
    signatures: Sequence[bytes]


class _AtInfinity(Exception):
    """Points add up to none: nothing that honest signatures do."""


def all_hold(groups: Sequence[SignedBy], weights: bytes) -> bool:
    """True if every signature holds; False if one does not, or only with the other v.

    `weights` are `WEIGHT_SIZE_BYTES` fresh random bytes for each signature: who could foresee them
    could make wrong signatures that pass. Raises `InvalidWidth` for any other number of them, and
    for a hash that is none.
    """
    signatures = [signature for group in groups for signature in group.signatures]
    expected = len(signatures) * WEIGHT_SIZE_BYTES
    if len(weights) != expected:
        raise InvalidWidth("weights", f"{expected} bytes", f"{len(weights)} bytes")
    if not signatures or not _are_signatures(signatures):
        return not signatures
    all_r = [int.from_bytes(signature[:32], "big") for signature in signatures]
    all_s = [int.from_bytes(signature[32:64], "big") for signature in signatures]
    if not (min(all_r) > 0 < min(all_s) and max(all_r) < SECP256K1_ORDER and max(all_s) <= _S_MAX):
        return False
    points = ffi.new(_POINTS, len(signatures))
    places = [points + place for place in range(len(signatures))]
    encoded = [_PREFIX_OF_V[signature[64]] + signature[:32] for signature in signatures]
    parse, size = lib.secp256k1_ec_pubkey_parse, _COMPRESSED_SIZE_BYTES
    if sum(map(parse, repeat(_CONTEXT), places, encoded, repeat(size))) != len(signatures):
        return False
    try:
        right = _claimed_sum(groups, all_r, _weights_over_s(all_s, weights))
        left = _weighted_sum(places, weights)
    except _AtInfinity:
        return False
    is_equal: bool = lib.secp256k1_ec_pubkey_cmp(_CONTEXT, left, right) == 0
    return is_equal


def _are_signatures(signatures: Sequence[bytes]) -> bool:
    return (
        set(map(type, signatures)) == {bytes}
        and set(map(len, signatures)) == {SIGNATURE_SIZE_BYTES}
        and {signature[64] for signature in signatures} <= _PREFIX_OF_V.keys()
    )


def _weights_over_s(all_s: Sequence[int], weights: bytes) -> list[int]:
    """Each weight divided by its s, with one inversion for all (Montgomery's trick)."""
    order = SECP256K1_ORDER
    product, before = 1, []
    for s in all_s:
        before.append(product)
        product = product * s % order
    inverse = pow(product, -1, order)
    found = []
    for place in range(len(all_s) - 1, -1, -1):
        start = place * WEIGHT_SIZE_BYTES
        weight = int.from_bytes(weights[start : start + WEIGHT_SIZE_BYTES], "little")
        found.append(before[place] * inverse % order * weight)
        inverse = inverse * all_s[place] % order
    found.reverse()
    return found


def _claimed_sum(groups: Sequence[SignedBy], all_r: Sequence[int], factors: Sequence[int]) -> Any:
    """(sum of a z/s) G, and for each key (sum of a r/s) Q."""
    of_generator, start, terms = 0, 0, []
    for group in groups:
        end = start + len(group.signatures)
        own, start_r, start = factors[start:end], start, end
        for factor, hash32 in zip(own, group.hashes, strict=True):
            of_generator += factor * int.from_bytes(eip191_digest(hash32), "big")
        of_key = sum(map(mul, own, all_r[start_r:end]))
        terms.append(group.signer.times(of_key % SECP256K1_ORDER))
    generator = ffi.new(_POINT)
    scalar = (of_generator % SECP256K1_ORDER).to_bytes(32, "big")
    if lib.secp256k1_ec_pubkey_create(_CONTEXT, generator, scalar) != 1 or None in terms:
        raise _AtInfinity
    return _sum([generator, *terms])


def _weighted_sum(points: Sequence[Any], weights: bytes) -> Any:
    """The sum of all points, each as often as its weight (little-endian) says."""
    total: list[Any] = []
    for at in range(WEIGHT_SIZE_BYTES - 1, -1, -1):
        sharing: list[list[Any]] = [[] for _ in range(256)]
        for value, point in zip(weights[at::WEIGHT_SIZE_BYTES], points, strict=True):
            sharing[value].append(point)
        sums = [(value, _sum(sharing[value])) for value in range(1, 256) if sharing[value]]
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            parts = [*total, *total, *(point for value, point in sums if value & bit)]
            total = [_sum(parts)] if parts else []
    if not total:
        raise _AtInfinity
    return total[0]


def _sum(points: Sequence[Any]) -> Any:
    found = ffi.new(_POINT)
    if lib.secp256k1_ec_pubkey_combine(_CONTEXT, found, points, len(points)) != 1:
        raise _AtInfinity
    return found
