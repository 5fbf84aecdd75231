"""The handshake against published vectors and against forgers."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from node.p2p.errors import DecryptionFailed, HandshakeFailed, WrongIdentity
from node.p2p.noise import (
    HANDSHAKE_SIZES_BYTES,
    IDENTITY_DOMAIN,
    PROLOGUE,
    Handshake,
    NoiseCipher,
    NoiseXX,
)
from protocols.crypto import keccak256
from tests.support.peer_nodes import FOURTH, HIGH, LOW, MIDDLE

INITIATOR_STATIC = bytes(range(0x20))
RESPONDER_STATIC = bytes(range(0x01, 0x21))
INITIATOR_EPHEMERAL = bytes(range(0x20, 0x40))
RESPONDER_EPHEMERAL = bytes(range(0x41, 0x61))

EMPTY_PAYLOADS = (
    ("", "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"),
    (
        "",
        "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
        "3414af878d3e46a2f58911a816d6e8346d4ea17a6f2a0bb4ef4ed56c133cff45"
        "60a34e36ea82109f26cf2e5a5caf992b608d55c747f615e5a3425a7a19eefb8f",
    ),
    (
        "",
        "87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d9"
        "7e5ea11b16f3968710b23a3be3202dc1b5e1ce3c963347491e74f5c0768a9b42",
    ),
)
FILLED_PAYLOADS = (
    (
        "746573745f6d73675f30",
        "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254746573745f6d73675f30",
    ),
    (
        "746573745f6d73675f31",
        "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
        "3414af878d3e46a2f58911a816d6e8346d4ea17a6f2a0bb4ef4ed56c133cff45"
        "72e7a2ba5123ac30618b3d205f5c2d17f50cbca216483ac56bcc78e33bf52030"
        "3278db641e5e731b2e3a",
    ),
    (
        "746573745f6d73675f32",
        "87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d9"
        "f27e318e43ba630594c4d08eeb3b36d97c7377a2f4f9144b2f0c8095ad921405"
        "05b2ab53eff244b14138",
    ),
)
TRANSPORT = (
    (
        "79656c6c6f777375626d6172696e65",
        "a52ef02ba60e12696d1d6b9ef4245c88fca757b6134ad6e76b56e310a6adf6",
    ),
    (
        "7375626d6172696e6579656c6c6f77",
        "2445aa438ebd649281c636cc7269ca82f1d9023d72520943aeabf909cdf521",
    ),
)


def vector_pair() -> tuple[NoiseXX, NoiseXX]:
    # The library warns whoever sets an ephemeral key: right for a daemon, needed for a vector.
    with pytest.warns(UserWarning, match="ephemeral"):
        initiator = NoiseXX(
            initiator=True,
            prologue=b"",
            static_secret=INITIATOR_STATIC,
            ephemeral_secret=INITIATOR_EPHEMERAL,
        )
    with pytest.warns(UserWarning, match="ephemeral"):
        responder = NoiseXX(
            initiator=False,
            prologue=b"",
            static_secret=RESPONDER_STATIC,
            ephemeral_secret=RESPONDER_EPHEMERAL,
        )
    return initiator, responder


@pytest.mark.parametrize("messages", [EMPTY_PAYLOADS, FILLED_PAYLOADS], ids=["empty", "filled"])
def test_the_published_vectors_of_noise_xx_come_out_byte_for_byte(
    messages: tuple[tuple[str, str], ...],
) -> None:
    initiator, responder = vector_pair()
    for index, (payload, ciphertext) in enumerate(messages):
        writer, reader = (initiator, responder) if index % 2 == 0 else (responder, initiator)
        message = writer.write(bytes.fromhex(payload))
        assert message.hex() == ciphertext
        assert reader.read(message).hex() == payload
    assert initiator.handshake_hash == responder.handshake_hash
    pair = (initiator.cipher(), responder.cipher())
    for (plain, sealed), (writer, reader) in zip(TRANSPORT, (pair, pair[::-1]), strict=True):
        assert writer.seal(bytes.fromhex(plain)).hex() == sealed
        assert reader.open(bytes.fromhex(sealed)).hex() == plain


def test_the_static_keys_of_the_vectors_are_seen_by_the_other_side() -> None:
    initiator, responder = vector_pair()
    responder.read(initiator.write())
    initiator.read(responder.write())
    responder.read(initiator.write())
    public = X25519PrivateKey.from_private_bytes(RESPONDER_STATIC).public_key()
    assert initiator.remote_static_public == responder.static_public == public.public_bytes_raw()
    assert responder.remote_static_public == initiator.static_public


def shaken() -> tuple[Handshake, Handshake, list[bytes]]:
    dialler = Handshake(LOW, initiator=True, expected=HIGH.address)
    listener = Handshake(HIGH, initiator=False)
    messages = [dialler.write()]
    listener.read(messages[0])
    messages.append(listener.write())
    dialler.read(messages[1])
    messages.append(dialler.write())
    listener.read(messages[2])
    return dialler, listener, messages


def ciphers() -> tuple[NoiseCipher, NoiseCipher]:
    dialler, listener, _ = shaken()
    return dialler.cipher(), listener.cipher()


def test_both_sides_learn_the_address_the_other_proved() -> None:
    dialler, listener, _ = shaken()
    assert (dialler.remote, listener.remote) == (HIGH.address, LOW.address)
    assert dialler.finished
    assert listener.finished


def test_the_messages_have_the_sizes_a_reader_may_insist_on() -> None:
    _, _, messages = shaken()
    assert tuple(len(message) for message in messages) == HANDSHAKE_SIZES_BYTES


def test_no_two_handshakes_share_a_byte_string() -> None:
    first, second = shaken()[2], shaken()[2]
    assert not set(first) & set(second)


def test_another_identity_than_the_one_dialled_is_refused_before_ours_is_shown() -> None:
    dialler = Handshake(LOW, initiator=True, expected=MIDDLE.address)
    listener = Handshake(HIGH, initiator=False)
    listener.read(dialler.write())
    with pytest.raises(WrongIdentity, match="answered"):
        dialler.read(listener.write())


def test_a_handshake_recorded_from_one_session_is_refused_in_the_next() -> None:
    _, _, recorded = shaken()
    listener = Handshake(HIGH, initiator=False)
    listener.read(recorded[0])
    listener.write()
    with pytest.raises(HandshakeFailed):
        listener.read(recorded[2])


def test_an_answer_recorded_from_one_session_is_refused_in_the_next() -> None:
    _, _, recorded = shaken()
    dialler = Handshake(LOW, initiator=True, expected=HIGH.address)
    dialler.write()
    with pytest.raises(HandshakeFailed):
        dialler.read(recorded[1])


def claim(role: bytes, static_public: bytes, handshake_hash: bytes) -> bytes:
    return keccak256(keccak256(IDENTITY_DOMAIN) + role + static_public + handshake_hash)


def forged_initiator(payload_of: object) -> None:
    """Play the initiator by hand with a payload that `payload_of` makes, against a listener."""
    assert callable(payload_of)
    noise, listener = NoiseXX(initiator=True), Handshake(HIGH, initiator=False)
    listener.read(noise.write())
    noise.read(listener.write())
    listener.read(noise.write(payload_of(noise)))


def test_the_hand_made_identity_is_accepted_when_it_is_right() -> None:
    forged_initiator(
        lambda n: LOW.public_key + LOW(claim(b"\x00", n.static_public, n.handshake_hash))
    )


@pytest.mark.parametrize(
    "payload_of",
    [
        lambda n: b"",
        lambda n: bytes(98),
        lambda n: LOW.public_key + bytes(65),
        lambda n: LOW.public_key + MIDDLE(claim(b"\x00", n.static_public, n.handshake_hash)),
        lambda n: LOW.public_key + LOW(claim(b"\x01", n.static_public, n.handshake_hash)),
        lambda n: LOW.public_key + LOW(claim(b"\x00", bytes(32), n.handshake_hash)),
        lambda n: LOW.public_key + LOW(claim(b"\x00", n.static_public, bytes(32))),
        lambda n: LOW.public_key + LOW(claim(b"\x00", n.static_public, n.handshake_hash)) + b"\0",
    ],
    ids=[
        "no identity",
        "no key",
        "no signature",
        "another signer",
        "the listener's role",
        "another static key",
        "another session",
        "one byte more",
    ],
)
def test_an_identity_that_does_not_sign_this_handshake_is_refused(payload_of: object) -> None:
    with pytest.raises(HandshakeFailed):
        forged_initiator(payload_of)


def test_a_first_message_with_a_payload_is_refused() -> None:
    noise, listener = NoiseXX(initiator=True), Handshake(HIGH, initiator=False)
    with pytest.raises(HandshakeFailed, match="no payload"):
        listener.read(noise.write(b"early"))


def test_a_handshake_of_another_prologue_fails() -> None:
    noise, listener = NoiseXX(initiator=True, prologue=PROLOGUE + b"!"), NoiseXX(initiator=False)
    listener.read(noise.write())
    with pytest.raises(HandshakeFailed):
        noise.read(listener.write())


def test_a_point_of_low_order_is_refused() -> None:
    listener = Handshake(HIGH, initiator=False)
    listener.read(bytes(32))
    # The library meets the point when it mixes the shared secret into our answer.
    with pytest.raises(HandshakeFailed):
        listener.write()


@pytest.mark.parametrize("position", [0, 31, 32, 79, 80, 112, 177, 193])
def test_a_flipped_bit_in_the_answer_is_refused(position: int) -> None:
    dialler = Handshake(LOW, initiator=True, expected=HIGH.address)
    listener = Handshake(HIGH, initiator=False)
    listener.read(dialler.write())
    answer = bytearray(listener.write())
    answer[position] ^= 1
    with pytest.raises(HandshakeFailed):
        dialler.read(bytes(answer))


@given(st.binary(max_size=300))
def test_random_bytes_in_the_handshake_raise_nothing_but_handshake_failed(data: bytes) -> None:
    for handshake in (
        Handshake(HIGH, initiator=False),
        Handshake(LOW, initiator=True, expected=HIGH.address),
    ):
        if handshake.ours_is_next:
            handshake.write()
        try:
            handshake.read(data)
        except HandshakeFailed:
            continue
        assert len(data) == 32


def test_a_repeated_reordered_or_changed_record_does_not_open() -> None:
    ours, theirs = ciphers()
    first, second = ours.seal(b"one"), ours.seal(b"two")
    with pytest.raises(DecryptionFailed):
        theirs.open(second)
    assert theirs.open(first) == b"one"
    with pytest.raises(DecryptionFailed):
        theirs.open(first)
    assert theirs.open(second) == b"two"
    changed = bytearray(ours.seal(b"three"))
    changed[0] ^= 1
    with pytest.raises(DecryptionFailed):
        theirs.open(bytes(changed))


def test_a_record_of_one_direction_does_not_open_in_the_other() -> None:
    ours, _ = ciphers()
    with pytest.raises(DecryptionFailed):
        ours.open(ours.seal(b"echo"))


def test_what_a_stranger_sealed_does_not_open() -> None:
    ours, _ = ciphers()
    _, theirs = ciphers()
    with pytest.raises(DecryptionFailed):
        theirs.open(ours.seal(b"hello"))


def test_a_listener_does_not_mind_who_dials() -> None:
    dialler = Handshake(FOURTH, initiator=True, expected=HIGH.address)
    listener = Handshake(HIGH, initiator=False)
    listener.read(dialler.write())
    dialler.read(listener.write())
    listener.read(dialler.write())
    assert listener.remote == FOURTH.address
