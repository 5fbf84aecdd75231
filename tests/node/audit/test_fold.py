"""Digests against the fold."""

from node.audit.fold import FoldCheck
from protocols import events
from tests.support.audit_cases import History, alice, bob, changed, entries, nth, without


def faults(history: History) -> list[tuple[int, str]]:
    check = FoldCheck()
    return [(entry.seq, text) for entry in entries(history) for text in check.check(entry)]


DIGEST = events.StateDigestRecorded


def at_recorded_times(history: History) -> History:
    """Objectives remember when they were created; these histories are all told at one time."""
    check = FoldCheck()
    told: History = []
    for entry in entries(history):
        event = entry.event
        if isinstance(event, DIGEST):
            assert check.state is not None
            event = DIGEST(check.state.digest(), event.entity_count, event.clean_stop)
        told.append(event)
        list(check.check(entries([*told])[-1]))
    return told


def test_every_digest_of_an_honest_history_is_the_folds() -> None:
    for history in (alice(), bob()):
        assert faults(at_recorded_times(history)) == []


def test_a_wrong_digest_or_count_is_named() -> None:
    honest = at_recorded_times(alice())
    seq, _ = nth(honest, DIGEST)
    ((at, text),) = faults(changed(honest, DIGEST, digest=b"\x01" * 32))
    assert at == seq
    assert "fold to" in text
    ((at, text),) = faults(changed(honest, DIGEST, entity_count=1))
    assert at == seq
    assert "not 1 with" in text


def test_a_missing_record_changes_every_digest_behind_it() -> None:
    honest = at_recorded_times(alice())
    found = faults(without(honest, events.VoucherIssued))
    assert [text.split(" ")[0:2] for _, text in found] == [["the", "records"]] * 2


def test_what_cannot_be_folded_ends_the_fold() -> None:
    honest = at_recorded_times(alice())
    seq, _ = nth(honest, events.StateStored)
    ((at, text),) = faults(without(honest, events.ChannelCreated))
    assert at < seq
    assert "cannot be folded" in text
