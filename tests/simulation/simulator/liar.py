"""The peer that lies: an honest engine whose messages are twisted on their way out.

It has the key, so that what it says is signed by it as often as not: larger and smaller amounts,
other turns, old messages again, and bytes that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
from msgspec.structs import replace

from protocols import messages
from protocols.crypto import keccak256
from protocols.errors import ProtocolError
from protocols.messages import Body, decode_body, encode_body
from protocols.types import Address, Signature, amount_from_bytes, amount_to_bytes
from protocols.voucher import sign_voucher

TWISTED_SHARE = 0.25
HEARD_COUNT_MAX = 64


class Liar:
    """Twists some of what its node says, until `stop`."""

    def __init__(
        self,
        random: Random,
        signer: Callable[[bytes], Signature],
        note: Callable[[str], None],
    ) -> None:
        self._random = random
        self._signer = signer
        self._note = note
        self._said: list[bytes] = []
        self.has_stopped = False

    def twist(self, peer: Address, data: bytes) -> bytes:
        """What is said instead: often the very same."""
        self._said = [*self._said[-HEARD_COUNT_MAX:], data]
        if self.has_stopped or self._random.random() >= TWISTED_SHARE:
            return data
        twisted = self._other(data)
        if twisted != data:
            self._note("message twisted")
        return twisted

    def _other(self, data: bytes) -> bytes:
        random = self._random
        if random.random() < 0.25:
            return random.choice(self._said)
        body = decode_body(data)
        try:
            changed = encode_body(self._changed(body))
            decode_body(changed)
        except (ProtocolError, msgspec.MsgspecError, ValueError, OverflowError):
            return data
        return changed

    def _changed(self, body: Body) -> Body:
        """One field is another, and signed again where that is easily done."""
        if isinstance(body, messages.Payment) and self._random.random() < 0.5:
            return self._payment(body)
        fields = list(body.__struct_fields__)
        name = self._random.choice(fields)
        changed = replace(body, **{name: self._value(getattr(body, name))})
        if name == "encoded_state" and hasattr(changed, "signature"):
            signature = self._signer(keccak256(changed.encoded_state))
            return replace(changed, signature=signature)
        return changed

    def _payment(self, body: messages.Payment) -> Body:
        total = amount_from_bytes(body.total)
        other = max(0, total + self._random.choice((-1, 1, 10, 100, 10**6)))
        rise = amount_from_bytes(body.amount) + other - total
        amount = amount_to_bytes(max(0, rise)) if self._random.random() < 0.5 else body.amount
        signature = sign_voucher(body.channel_id, other, self._signer)
        return replace(body, total=amount_to_bytes(other), amount=amount, signature=signature)

    def _value(self, value: object) -> object:
        random = self._random
        if isinstance(value, bytes) and value:
            changed = bytearray(value)
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
            return bytes(changed)
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return max(0, value + random.choice((-1, 1, 2, 1_000)))
        if isinstance(value, str):
            return value + "?"
        if isinstance(value, tuple) and value:
            return value[:-1] if random.random() < 0.5 else (*value, value[0])
        return value
