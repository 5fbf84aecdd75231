"""Which contracts applications may run on is what the log says."""

from protocols.app_definitions import JUDGED, MESSAGE_LOG, rule_of
from protocols.app_events import AppDefinitionRecorded
from protocols.entities import NodeState
from protocols.node_state import apply
from tests.support.logs import GENESIS

APP, GAME = b"\xa9" * 20, b"\xaa" * 20


def known(*recorded: AppDefinitionRecorded) -> NodeState:
    state = NodeState()
    for event in (GENESIS, *recorded):
        apply(state, event, 5)
    return state


def test_a_definition_counts_from_its_record_on() -> None:
    assert rule_of(known().node, APP) is None
    state = known(AppDefinitionRecorded(APP, MESSAGE_LOG), AppDefinitionRecorded(GAME, JUDGED))
    assert (rule_of(state.node, APP), rule_of(state.node, GAME)) == (MESSAGE_LOG, JUDGED)


def test_a_definition_told_again_stands_once() -> None:
    event = AppDefinitionRecorded(APP, MESSAGE_LOG)
    assert known(event, event).node.app_definitions == ((APP, MESSAGE_LOG),)
