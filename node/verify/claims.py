"""Who signed, and over which payments: derived from the bytes in the log, never believed.

A family says which signatures must be there (`Signed`, `SignedTotals`) and what a receipt's root
must be (`Rooted`), and goes on; whether it is so is found out later, many at a time, by whoever has
a processor to spare (`pool`).
"""

import os
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from node.verify.limits import (
    SIGNER_COUNT_MAX,
    TOGETHER_COUNT_MIN,
    TOGETHER_PER_SIGNER_COUNT_MIN,
)
from protocols.crypto import (
    KnownSigner,
    encoded_payments_root,
    keccak256,
    known_signer_from_signature,
    recover_address,
    restore_v,
)
from protocols.errors import InvalidSignature
from protocols.signature_batch import WEIGHT_SIZE_BYTES, SignedBy, all_hold


class Signed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="one"):
    """`signer` (20 bytes) must have signed `hash32` under EIP-191."""

    what: str
    """Begins the finding if it did not."""
    hash32: bytes
    signature: bytes
    signer: bytes


class SignedTotals(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="run"):
    """The same of a run of vouchers: each over keccak256(channel id || total), one a record."""

    what: str
    channel_id: bytes
    totals32: list[bytes]
    signatures: list[bytes]
    signer: bytes


class Rooted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="root"):
    """`root` must be the Merkle root over these payments (M13)."""

    payments: bytes
    """id (32) || amount (32) of each, in order; one at least."""
    root: bytes


Claim = Signed | SignedTotals | Rooted
Said = str | Claim
"""What a family says of a record: a fault, or what is one unless the signatures are there."""


def signature_fault(what: str, hash32: bytes, signature: bytes, signer: bytes) -> str | None:
    """None if `signer` (20 bytes) signed `hash32` under EIP-191, else what is wrong.

    A peer may have sent either v (M9): who signed is in r and s.
    """
    try:
        if recover_address(hash32, signature) != signer:
            restore_v(hash32, signature, signer)
    except InvalidSignature as error:
        return f"{what} is not signed by 0x{signer.hex()}: {error.reason}"
    return None


def faults(said: Iterable[Said]) -> Iterator[str]:
    """The faults in what was said, every signature looked at here and now."""
    for one in said:
        if isinstance(one, str):
            yield one
        else:
            yield from (fault for _, fault in claim_faults(one))


def claim_faults(claim: Claim) -> Iterator[tuple[int, str]]:
    """(place in the run, what is wrong) of each signature that is not there, one by one."""
    if isinstance(claim, Rooted):
        root = encoded_payments_root(claim.payments)
        if root != claim.root:
            yield 0, f"its root is not that of the payments it covers, 0x{root.hex()} (M13)"
        return
    for place, single in enumerate(singles(claim)):
        fault = signature_fault(single.what, single.hash32, single.signature, single.signer)
        if fault is not None:
            yield place, fault


def singles(claim: Signed | SignedTotals) -> Sequence[Signed]:
    """The signatures of a claim, each for itself."""
    if isinstance(claim, Signed):
        return (claim,)
    return [
        Signed(claim.what, hash32, signature, claim.signer)
        for hash32, signature in zip(_hashes(claim), claim.signatures, strict=True)
    ]


class SignatureBook:
    """Checks many signatures of few signers: against the key that the first of them showed, and
    many of one signer at once.

    It finds what `signature_fault` finds, without recovering a key each time.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, KnownSigner] = {}

    def __len__(self) -> int:
        """Keys that it keeps."""
        return len(self._known)

    def failed(self, claims: Sequence[Claim]) -> list[int]:
        """Places of the claims that do not hold."""
        sound = self._sound_signers(claims)
        return [
            place
            for place, claim in enumerate(claims)
            if (isinstance(claim, Rooted) or claim.signer not in sound) and not self.holds(claim)
        ]

    def holds(self, claim: Claim) -> bool:
        """Whether what is claimed is so; every signature is looked at by itself."""
        if isinstance(claim, Rooted):
            return encoded_payments_root(claim.payments) == claim.root
        if isinstance(claim, Signed):
            return self._is_signed(claim.hash32, claim.signature, claim.signer)
        pairs = zip(_hashes(claim), claim.signatures, strict=True)
        known = self._known.get(claim.signer)
        if known is None:
            return all(self._is_signed(hash32, s, claim.signer) for hash32, s in pairs)
        verify = known.verify
        return all(verify(hash32, signature) for hash32, signature in pairs)

    def _sound_signers(self, claims: Sequence[Claim]) -> set[bytes]:
        """Who signed so much that it was looked at together, and all of it is there."""
        gathered: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
        for claim in claims:
            if isinstance(claim, Rooted):
                continue
            hashes, signatures = gathered.setdefault(claim.signer, ([], []))
            if isinstance(claim, Signed):
                hashes.append(claim.hash32)
                signatures.append(claim.signature)
            else:
                hashes += _hashes(claim)
                signatures += claim.signatures
        groups = [
            SignedBy(known, hashes, signatures)
            for signer, (hashes, signatures) in gathered.items()
            if len(hashes) >= TOGETHER_PER_SIGNER_COUNT_MIN
            and self._is_signed(hashes[0], signatures[0], signer)
            and (known := self._known.get(signer)) is not None
        ]
        count = sum(len(group.hashes) for group in groups)
        if count < TOGETHER_COUNT_MIN:
            return set()
        # One wrong signature, or one that is right with the other v only, and each is looked at.
        are_sound = all_hold(groups, os.urandom(count * WEIGHT_SIZE_BYTES))
        return {group.signer.address for group in groups} if are_sound else set()

    def _is_signed(self, hash32: bytes, signature: bytes, signer: bytes) -> bool:
        known = self._known.get(signer)
        if known is not None:
            return known.verify(hash32, signature)
        if signature_fault("", hash32, signature, signer) is not None:
            return False
        known = known_signer_from_signature(hash32, signature, signer)
        if known is not None:
            if len(self._known) >= SIGNER_COUNT_MAX:
                self._known.clear()
            self._known[signer] = known
        return True


def _hashes(claim: SignedTotals) -> list[bytes]:
    """What the signatures of a run are over."""
    prefix = claim.channel_id
    return [keccak256(prefix + total) for total in claim.totals32]
