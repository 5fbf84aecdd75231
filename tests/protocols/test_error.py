"""The base of refusals: its name, its values and its sentence."""

from protocols.error import ProtocolError
from protocols.ledger_errors import TooManyGuarantees


def test_a_refusal_names_itself_in_snake_case_and_prints_its_values() -> None:
    refusal = TooManyGuarantees(100, 400)
    assert refusal.name() == "TOO_MANY_GUARANTEES"
    assert refusal.values() == {"count": "100", "limit": "400"}
    assert str(refusal) == "the ledger has 100 guarantees, the most is 400"


def test_the_root_stands_for_no_refusal_of_its_own() -> None:
    assert ProtocolError.code == 1000
    assert not ProtocolError.retry_safe
