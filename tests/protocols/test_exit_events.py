"""Events of leaving alone read as JSON: amounts as decimal strings, places as numbers."""

from protocols.event_codec import EVENTS, json_payload
from protocols.exit_events import (
    ChallengeExpired,
    ChallengeUnanswerable,
    DisputeKitExported,
    OutcomePaid,
    OutcomeReclaimed,
)
from protocols.types import amount_to_bytes

CHANNEL, TX = b"\xc1" * 32, b"\x0a" * 32


def test_their_names_are_recorded_for_ever() -> None:
    assert {
        kind.NAME: kind
        for kind in (
            OutcomePaid,
            OutcomeReclaimed,
            ChallengeExpired,
            ChallengeUnanswerable,
            DisputeKitExported,
        )
    } == {
        name: EVENTS[name]
        for name in (
            "outcome-paid",
            "outcome-reclaimed",
            "challenge-expired",
            "challenge-unanswerable",
            "dispute-kit-exported",
        )
    }


def test_payouts_list_places_and_amounts() -> None:
    paid = tuple(map(amount_to_bytes, (5, 10**30)))
    payload = json_payload(OutcomePaid(CHANNEL, 9, 1, 3, 0, (0, 2), paid, TX), 1, 5)
    assert payload["indices"] == [0, 2]
    assert payload["amounts"] == ["5", str(10**30)]


def test_shares_and_costs_are_amounts() -> None:
    reclaimed = OutcomeReclaimed(CHANNEL, 9, 1, 3, 0, b"\xc2" * 32, amount_to_bytes(7), TX)
    assert json_payload(reclaimed, 1, 5)["right_share"] == "7"
    alarm = ChallengeUnanswerable(CHANNEL, 9, -1, 100, bytes(20), amount_to_bytes(8))
    assert json_payload(alarm, 1, 5)["cost"] == "8"
