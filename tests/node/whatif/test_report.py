"""A step begins empty, and no two share what they gather."""

from node.whatif.report import Awaited, Step


def test_steps_do_not_share_what_they_gather() -> None:
    one, two = Step(1), Step(2)
    one.awaited.append(Awaited(b"", "DirectFund", b"", "approval"))
    assert (two.awaited, two.recorded, two.sent, two.submitted) == ([], [], [], [])
    assert two.refusal is None
