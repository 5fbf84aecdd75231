"""Who signed: recovered from the bytes in the log, never believed."""

from protocols.crypto import recover_address, restore_v
from protocols.errors import InvalidSignature


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
