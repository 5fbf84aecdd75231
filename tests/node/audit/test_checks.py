"""A family that does nothing says nothing."""

from node.audit.checks import Check
from tests.support.audit_cases import alice, entries


def test_every_part_may_be_left_out() -> None:
    check = Check()
    assert check.judges == ()
    assert [*check.check(entries(alice())[0]), *check.take(entries(alice()))] == []
