"""The worker answers each frame with the places of what does not hold."""

from io import BytesIO

from node.verify.claims import Claim, Signed
from node.verify.worker import SIZE_BYTES, decode_places, frame, serve
from tests.support.actors import ALICE, BOB

HASH = b"\x11" * 32
GOOD = Signed("it", HASH, ALICE.signer(HASH), ALICE.address)
BAD = Signed("it", HASH, BOB.signer(HASH), ALICE.address)


def answers(*batches: list[Claim]) -> list[list[int]]:
    sink = BytesIO()
    serve(BytesIO(b"".join(frame(batch) for batch in batches)), sink)
    data, found = sink.getvalue(), []
    while data:
        end = SIZE_BYTES + int.from_bytes(data[:SIZE_BYTES], "big")
        found.append(decode_places(data[SIZE_BYTES:end]))
        data = data[end:]
    return found


def test_batches_are_answered_in_order_until_the_input_ends() -> None:
    assert answers([GOOD, BAD, GOOD, BAD], [], [GOOD]) == [[1, 3], [], []]
    assert answers() == []
