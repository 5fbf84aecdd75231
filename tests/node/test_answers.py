"""What callers are told: plain values that cannot be changed after the fact."""

import msgspec
import pytest

from node.answers import Answer, LogEntry


def test_an_answer_promises_nothing_that_it_was_not_told() -> None:
    answer = Answer(7)
    assert (answer.objective_id, answer.channel_id, answer.payment_id) == (b"", b"", b"")
    assert answer.total == 0
    assert answer.receipted is False


def test_an_answer_is_compared_by_value_and_cannot_be_changed() -> None:
    assert Answer(7, total=3) == Answer(7, total=3) != Answer(7, total=4)
    with pytest.raises(AttributeError):
        Answer(7).seq = 8  # type: ignore[misc]


def test_an_entry_becomes_json_with_every_field() -> None:
    entry = LogEntry(3, 1_704_067_200_000, None, "channel-created", 1, {"nonce": 5}, b"\x01" * 32)
    fields = msgspec.to_builtins(entry)
    assert list(fields) == [
        "seq",
        "time_ms",
        "cause_seq",
        "name",
        "version",
        "payload",
        "chain_hash",
    ]
    assert fields["cause_seq"] is None
    assert fields["payload"] == {"nonce": 5}
