"""Noise XX with an Ethereum identity: the only module that imports `noise`.

Three messages agree on a key; each side's last one carries its secp256k1 public key with a
signature that binds it to this handshake, so the X25519 keys live for one session only and
nothing a listener records or steals later proves an identity again. What is signed:

    keccak256( keccak256(IDENTITY_DOMAIN) || role || x25519 static key || handshake hash )

role is 0x00 for who dialled, 0x01 for who answered; the handshake hash is that before the message
which carries the signature. 97 bytes are never the preimage of a state, a voucher or a receipt.

The module works on whole Noise messages and knows neither sockets nor frames.
Source: The Noise Protocol Framework, revision 34; Noise_XX_25519_ChaChaPoly_SHA256.
"""

import secrets
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from noise.connection import Keypair, NoiseConnection
from noise.exceptions import NoiseInvalidMessage, NoiseValueError

from node.p2p.errors import DecryptionFailed, HandshakeFailed, WrongIdentity
from node.p2p.limits import PLAINTEXT_SIZE_BYTES_MAX
from protocols.crypto import KnownSigner, keccak256
from protocols.errors import ProtocolError
from protocols.types import Address, Signature, checksum_address

NOISE_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
PROLOGUE = b"tallystick p2p 1"
"""Mixed into the handshake hash: another protocol's handshake fails at its second message."""
IDENTITY_DOMAIN = b"tallystick p2p identity v1"

PUBLIC_KEY_SIZE_BYTES = 33
SIGNATURE_SIZE_BYTES = 65
IDENTITY_SIZE_BYTES = PUBLIC_KEY_SIZE_BYTES + SIGNATURE_SIZE_BYTES

HANDSHAKE_SIZES_BYTES = (32, 32 + 48 + IDENTITY_SIZE_BYTES + 16, 48 + IDENTITY_SIZE_BYTES + 16)
"""Exact sizes of the three messages: e; e, ee, s, es, identity; s, se, identity."""

_NONCE_PREFIX = bytes(4)
"""Before the number of a message, 8 bytes little-endian (Noise specification, section 12.3)."""

_READ_ERRORS = (InvalidTag, NoiseInvalidMessage, NoiseValueError, ValueError)
"""What the library lets through for bytes that are no valid handshake message: a bad tag, a key
of another length, a point of low order."""


class IdentitySigner(Protocol):
    """The node's key, here or in a remote signer: `protocols.crypto.Signer` is one."""

    @property
    def address(self) -> Address:
        """20 bytes."""

    @property
    def public_key(self) -> bytes:
        """33 bytes, compressed."""

    def __call__(self, hash32: bytes, /) -> Signature:
        """The EIP-191 signature of a 32-byte hash."""


class NoiseCipher:
    """Both directions of a finished handshake. Each message must be opened in the order sealed.

    The library's ciphers without its layers above them, which cost as much again: a message is
    ChaCha20-Poly1305 under its direction's key, with its number as the nonce (Noise specification,
    sections 5.1 and 12.3). A number that outgrows its eight bytes raises; no session lives so long.
    """

    __slots__ = ("_decrypt", "_encrypt", "_opened_count", "_sealed_count")

    def __init__(self, connection: Any) -> None:
        protocol = connection.noise_protocol
        sending, receiving = protocol.cipher_state_encrypt, protocol.cipher_state_decrypt
        self._encrypt, self._sealed_count = sending.cipher.cipher.encrypt, int(sending.n)
        self._decrypt, self._opened_count = receiving.cipher.cipher.decrypt, int(receiving.n)

    def seal(self, plaintext: bytes) -> bytes:
        """Encrypt at most `PLAINTEXT_SIZE_BYTES_MAX` bytes; the result is 16 bytes longer."""
        assert len(plaintext) <= PLAINTEXT_SIZE_BYTES_MAX, "one Noise message at a time"
        count = self._sealed_count
        self._sealed_count = count + 1
        sealed: bytes = self._encrypt(_NONCE_PREFIX + count.to_bytes(8, "little"), plaintext, None)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """The plaintext; `DecryptionFailed` for anything but the peer's next message."""
        count = self._opened_count
        try:
            plaintext: bytes = self._decrypt(
                _NONCE_PREFIX + count.to_bytes(8, "little"), sealed, None
            )
        except InvalidTag as error:
            raise DecryptionFailed("not the peer's next record", len(sealed)) from error
        self._opened_count = count + 1
        return plaintext


class NoiseXX:
    """The bare handshake pattern, without identities: write and read three messages in turn."""

    def __init__(
        self,
        *,
        initiator: bool,
        prologue: bytes = PROLOGUE,
        static_secret: bytes | None = None,
        ephemeral_secret: bytes | None = None,
    ) -> None:
        """Start one side. Secrets are 32 bytes; both are drawn fresh unless a test vector sets
        them."""
        connection = NoiseConnection.from_name(NOISE_NAME)
        if initiator:
            connection.set_as_initiator()
        else:
            connection.set_as_responder()
        connection.set_prologue(prologue)
        connection.set_keypair_from_private_bytes(
            Keypair.STATIC, static_secret or secrets.token_bytes(32)
        )
        if ephemeral_secret is not None:
            connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral_secret)
        connection.start_handshake()
        self._connection = connection
        # The library forgets both when the handshake ends, and with them the peer's static key.
        self._handshake = connection.noise_protocol.handshake_state
        self._symmetric = connection.noise_protocol.symmetric_state

    @property
    def handshake_hash(self) -> bytes:
        """32 bytes over all that both sides have seen so far."""
        value: bytes = self._symmetric.h
        return value

    @property
    def static_public(self) -> bytes:
        """Our X25519 static key, 32 bytes."""
        value: bytes = self._handshake.s.public_bytes
        return value

    @property
    def remote_static_public(self) -> bytes:
        """The peer's X25519 static key, 32 bytes, once its second message was read."""
        value: bytes = self._handshake.rs.public_bytes
        return value

    def write(self, payload: bytes = b"") -> bytes:
        """The next message of ours; `HandshakeFailed` if the peer's key allows none."""
        try:
            return bytes(self._connection.write_message(payload))
        except ValueError as error:
            # A key of low order is met only here, where the answer mixes it in.
            raise HandshakeFailed("the peer's key is of low order") from error

    def read(self, message: bytes) -> bytes:
        """The payload of the peer's next message; `HandshakeFailed` if it is not one."""
        try:
            return bytes(self._connection.read_message(message))
        except _READ_ERRORS as error:
            raise HandshakeFailed("not a message of this handshake") from error

    def cipher(self) -> NoiseCipher:
        """The ciphers, after the third message."""
        assert self._connection.handshake_finished, "a cipher needs a finished handshake"
        return NoiseCipher(self._connection)


class Handshake:
    """A NoiseXX handshake that proves who both sides are.

    The initiator writes, reads, writes; the responder reads, writes, reads. `remote` is known after
    the read that carries the peer's identity: before the initiator shows its own.
    """

    def __init__(
        self, signer: IdentitySigner, *, initiator: bool, expected: Address | None = None
    ) -> None:
        """`expected` is the address the initiator means to reach."""
        self._noise = NoiseXX(initiator=initiator)
        self._signer = signer
        self._initiator = initiator
        self._expected = expected
        self._step = 0
        self._known: KnownSigner | None = None

    @property
    def message_size_bytes(self) -> int:
        """Size of the next message, in either direction."""
        return HANDSHAKE_SIZES_BYTES[self._step]

    @property
    def finished(self) -> bool:
        """Whether all three messages went by."""
        return self._step == len(HANDSHAKE_SIZES_BYTES)

    @property
    def ours_is_next(self) -> bool:
        """Whether the next message is ours to write."""
        return self._initiator == (self._step % 2 == 0)

    @property
    def remote(self) -> Address:
        """The address the peer proved."""
        assert self._known is not None, "the peer has not shown its identity yet"
        return self._known.address

    def write(self) -> bytes:
        """Our next message; `HandshakeFailed` if what the peer sent allows none."""
        payload = b""
        if self._step > 0:
            claim = _claim(self._initiator, self._noise.static_public, self._noise.handshake_hash)
            payload = self._signer.public_key + self._signer(claim)
        self._step += 1
        return self._noise.write(payload)

    def read(self, message: bytes) -> None:
        """Take the peer's next message.

        Raises `HandshakeFailed` if it does not belong here or proves nothing, `WrongIdentity` if
        it proves another address than the one expected.
        """
        handshake_hash = self._noise.handshake_hash
        payload = self._noise.read(message)
        if self._step > 0:
            self._identify(payload, handshake_hash)
        elif payload:
            raise HandshakeFailed("the first message carries no payload")
        self._step += 1

    def cipher(self) -> NoiseCipher:
        """The session's ciphers, once finished."""
        return self._noise.cipher()

    def _identify(self, payload: bytes, handshake_hash: bytes) -> None:
        if len(payload) != IDENTITY_SIZE_BYTES:
            raise HandshakeFailed("the identity has another size")
        try:
            known = KnownSigner(payload[:PUBLIC_KEY_SIZE_BYTES])
        except ProtocolError as error:
            raise HandshakeFailed("the identity is no secp256k1 key") from error
        claim = _claim(not self._initiator, self._noise.remote_static_public, handshake_hash)
        if not known.verify(claim, payload[PUBLIC_KEY_SIZE_BYTES:]):
            raise HandshakeFailed("the identity did not sign this handshake")
        if self._expected is not None and known.address != self._expected:
            raise WrongIdentity(
                f"expected {checksum_address(self._expected)}, "
                f"{checksum_address(known.address)} answered"
            )
        self._known = known


def _claim(by_initiator: bool, static_public: bytes, handshake_hash: bytes) -> bytes:
    role = b"\x00" if by_initiator else b"\x01"
    return keccak256(keccak256(IDENTITY_DOMAIN) + role + static_public + handshake_hash)
