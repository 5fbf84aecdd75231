"""The fold: what the reducers take, and where they cannot go on."""

from node.audit.fold import FoldCheck
from protocols import events
from protocols.node_state import NodeState, apply
from tests.support.audit_cases import History, alice, bob, entries, nth, without


def faults(history: History) -> list[tuple[int, str]]:
    check = FoldCheck()
    return [(entry.seq, text) for entry in entries(history) for text in check.check(entry)]


def test_the_fold_of_an_honest_history_is_that_of_the_reducers() -> None:
    for history in (alice(), bob()):
        check, state = FoldCheck(), NodeState()
        for entry in entries(history):
            assert list(check.check(entry)) == []
            apply(state, entry.event, entry.time_ms)
        assert check.state is not None
        assert check.state.digest() == state.digest()


def test_what_cannot_be_folded_ends_the_fold() -> None:
    honest = alice()
    seq, _ = nth(honest, events.StateStored)
    ((at, text),) = faults(without(honest, events.ChannelCreated))
    assert at < seq
    assert "cannot be folded" in text
