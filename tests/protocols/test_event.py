"""The base of events: a frozen array of fields, with its name and version outside of them."""

from protocols.event import Event
from protocols.event_codec import EVENTS


def test_the_base_has_no_name_so_it_is_no_event_itself() -> None:
    assert Event.NAME == ""
    assert "" not in EVENTS


def test_every_event_is_a_frozen_array_of_its_fields() -> None:
    for event_class in EVENTS.values():
        config = event_class.__struct_config__
        assert config.frozen, event_class
        assert config.array_like, event_class
        assert event_class.VERSION >= 1
