"""Every event has a sentence, and nothing of a peer's text gets through as an order."""

import unicodedata

import pytest
from msgspec.structs import replace

from node.explain.sentences import SENTENCES, tell
from node.explain.story import Cast
from protocols.event_codec import EVENTS
from protocols.events import Event
from tests.support.actors import ALICE, BOB
from tests.support.event_samples import sample

CAST = Cast(ALICE.address, b"\x01" * 32, "direct", (ALICE.address, BOB.address))
NASTY = "\x1b[31mred\x07\r\n\u202e</text><script>"


def told(event: Event) -> Event:
    """The sample with a peer that can be one."""
    peers = {"peer_id": "0x" + BOB.address.hex()}
    fields = {name: value for name, value in peers.items() if hasattr(event, name)}
    return replace(event, **fields)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_a_sentence(name: str) -> None:
    telling = tell(told(sample(EVENTS[name])), CAST)
    assert telling.what[0] == telling.what[0].upper()
    assert telling.what.endswith(".")
    assert "\n" not in telling.what
    assert "\n" not in telling.label
    assert telling.peer is None or "peer" in (telling.who, telling.to)


def test_an_event_without_a_sentence_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = sample(EVENTS["voucher-issued"])
    monkeypatch.delitem(SENTENCES, type(event))
    assert tell(event, CAST).what == "voucher-issued was recorded; there are no words for it here."


def test_no_sentence_is_left_of_an_event_that_is_gone() -> None:
    assert set(SENTENCES) == set(EVENTS.values())


@pytest.mark.parametrize("name", EVENTS)
def test_no_text_of_a_peer_can_give_a_terminal_orders(name: str) -> None:
    event = told(sample(EVENTS[name]))
    texts = {
        field: NASTY
        for field in event.__struct_fields__
        if isinstance(getattr(event, field), str) and field != "peer_id"
    }
    telling = tell(replace(event, **texts), CAST)
    for letter in telling.what + telling.label:
        assert letter == " " or unicodedata.category(letter)[0] not in "CZ"
