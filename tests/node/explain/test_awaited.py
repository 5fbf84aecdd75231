"""What is waited for, in words."""

from node.explain.awaited import AWAITED, awaited
from protocols.objectives.base import WaitingFor


def test_every_condition_there_is_has_words_for_a_person() -> None:
    assert set(AWAITED) == {str(condition) for condition in WaitingFor}
    assert awaited("my-deposit") == "our deposit to be mined"
    assert awaited("a-later-nodes-condition") == "a later nodes condition"
