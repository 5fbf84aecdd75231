"""Events of ledgers carry what the reducer needs to make the same ledger again."""

from protocols import ledger_events
from protocols.ledger import Change
from protocols.ledger_reducers import change_of
from tests.support.event_samples import sample


def test_a_recorded_proposal_holds_every_value_of_its_change() -> None:
    for event_class in (ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived):
        event = sample(event_class)
        assert isinstance(event, event_class)
        change = change_of(event)
        for field in Change.__struct_fields__:
            recorded, value = getattr(event, field), getattr(change, field)
            assert value == (
                int.from_bytes(recorded, "big") if isinstance(value, int) else recorded
            )
