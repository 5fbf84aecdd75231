"""Where a record comes from."""

from pathlib import Path

from msgspec.structs import replace

from node.explain.origins import Trail, origin_of
from node.explain.story import Fact
from protocols import events, ledger_events, payment_events
from protocols.event_codec import EVENTS
from tests.support.event_samples import sample
from tests.support.recorded_nodes import demo


def test_every_first_record_has_an_origin() -> None:
    found = {name: origin_of(sample(kind)) for name, kind in EVENTS.items()}
    assert found["node-created"] == "node"
    assert found["voucher-issued"] == found["objective-created"] == "command"
    assert found["voucher-received"] == found["message-received"] == "message"
    assert found["deposit-detected"] == found["transaction-mined"] == "chain"
    assert found["voucher-resent"] == found["transaction-requested"] == "timer"


def test_a_rejection_is_the_owners_or_the_clocks() -> None:
    rejected = sample(events.ObjectiveRejected)
    assert isinstance(rejected, events.ObjectiveRejected)
    assert origin_of(replace(rejected, error_code="OWNER_REJECTED")) == "command"
    assert origin_of(replace(rejected, error_code="APPROVAL_EXPIRED")) == "timer"


def test_what_nobody_asked_for_is_no_command() -> None:
    assert origin_of(sample(events.ObjectiveCreated), is_ours=False) == "timer"
    assert origin_of(sample(payment_events.PaymentListed), is_ours=False) == "message"
    guarantee = replace(sample(ledger_events.LedgerUpdateProposed), kind="add", request_id="")
    assert origin_of(guarantee) == "timer"
    assert origin_of(replace(guarantee, kind="move", request_id="rent")) == "command"


def test_from_the_payout_the_trail_leads_back_to_what_was_signed(tmp_path: Path) -> None:
    world = demo(tmp_path, 3)
    trail, causes, names = Trail(), {}, {}
    for record, event in world.alice.log.read_events():
        fact = Fact(record.seq, record.time_ms, record.cause_seq, event)
        names[record.seq] = record.name
        causes[record.seq] = record.cause_seq if record.cause_seq is not None else trail.cause(fact)
        trail.remember(fact)
    world.stop()
    seq = next(seq for seq, name in names.items() if name == "withdraw-completed")
    path = [names[seq]]
    while (cause := causes[seq]) is not None:
        seq = cause
        path.append(names[seq])
    assert path == [
        "withdraw-completed",
        "outcome-paid",
        "chain-log-observed",
        "transaction-submitted",
        "transaction-requested",
        "message-received",
    ]
    receipts = [seq for seq, name in names.items() if name == "receipt-received"]
    assert [names[causes[seq] or 0] for seq in receipts] == ["voucher-issued"] * 3
