"""Effects are settled once, by a later record, and of something that was told."""

import pytest

from node.audit.fold import FoldCheck
from node.audit.outbox import OutboxCheck
from protocols import events
from protocols.types import to_hex
from tests.support.actors import BOB
from tests.support.audit_cases import History, alice, bob, changed, doubled, entries, nth
from tests.support.audit_webs import hub, payer

ACKNOWLEDGED, ACKED = events.PeerAcknowledged, events.MessageAcked


def faults(history: History) -> list[tuple[int, str]]:
    fold = FoldCheck()
    check = OutboxCheck(fold)
    found = []
    for entry in entries(history):
        if isinstance(entry.event, check.judges):
            found += [(entry.seq, text) for text in check.check(entry)]
        list(fold.check(entry))
    return found


def test_an_honest_history_settles_each_effect_once() -> None:
    for history in (alice(), bob(), hub(), payer()):
        assert faults(history) == []
        assert any(isinstance(event, ACKNOWLEDGED) for event in history)


def test_an_acknowledgement_rises_and_stays_below_what_was_sent() -> None:
    seq, first = nth(alice(), ACKNOWLEDGED)
    assert faults(doubled(alice(), ACKNOWLEDGED)) == [
        (seq + 1, f"message {first.sequence} was acknowledged before, up to {first.sequence}")
    ]
    (found,) = [f for f in faults(changed(alice(), ACKNOWLEDGED, sequence=99)) if f[0] == seq]
    assert "message 99 is acknowledged, " in found[1]


def test_a_message_is_acknowledged_once_and_only_when_it_was_sent() -> None:
    seq, _ = nth(alice(), ACKED)
    words = "no such message was sent, or it was acknowledged before"
    assert faults(doubled(alice(), ACKED)) == [(seq + 1, words)]
    assert (seq, words) in faults(changed(alice(), ACKED, message_id=b"\x01" * 32))


def test_a_message_waits_for_the_peers_own_count() -> None:
    history = alice()
    seq, acknowledged = nth(history, ACKNOWLEDGED)
    acked = nth(history, ACKED)[1]
    place = history.index(acked)
    history[seq : place + 1] = [acked, *history[seq:place]]
    assert any(at == seq and "the peer has" in text for at, text in faults(history))
    assert acknowledged in history


@pytest.mark.parametrize("peer_id", ["", "bob"])
def test_a_name_of_a_peer_is_an_address(peer_id: str) -> None:
    seq, _ = nth(alice(), ACKED)
    assert (seq, f"{peer_id!r} is no address") in faults(changed(alice(), ACKED, peer_id=peer_id))


def test_nobody_answers_what_was_not_asked() -> None:
    channel_id = nth(alice(), events.ChannelCreated)[1].channel_id
    read = events.HoldingsRead(channel_id, bytes(20), bytes(32), 7, bytes(32), 0)
    history = [*alice(), read]
    ((seq, text),) = faults(history)
    assert seq == len(history) - 1
    assert "nobody waits for what the chain holds" in text


def test_nothing_is_said_where_the_fold_ended() -> None:
    check = OutboxCheck(FoldCheck(is_wanted=False))
    last = entries([ACKED(b"\x01" * 32, to_hex(BOB.address), 5)])[-1]
    assert list(check.check(last)) == []
