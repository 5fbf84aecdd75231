"""The state that the log folds to."""

from collections.abc import Iterator, Sequence

from node.audit.entry import Entry
from protocols.node_state import NodeState, apply, apply_run


class FoldCheck:
    """The reducers take every record."""

    name = "fold"

    def __init__(self, *, is_wanted: bool = True) -> None:
        self.state: NodeState | None = NodeState() if is_wanted else None
        """The fold so far; None once it could not go on, and if nobody wants it."""

    def check(self, entry: Entry) -> Iterator[str]:
        """Fold the record."""
        if self.state is not None:
            yield from self._apply(entry)

    def check_run(self, run: Sequence[Entry]) -> Iterator[tuple[int, str]]:
        """Fold events of one kind of `RUNS`, of one channel: (record, what is wrong with it)."""
        if self.state is None:
            return
        try:
            apply_run(self.state, [entry.event for entry in run])
        except Exception:  # noqa: BLE001  which of them it was shows one after the other
            for entry in run:
                if self.state is not None:
                    yield from ((entry.seq, message) for message in self._apply(entry))

    def _apply(self, entry: Entry) -> Iterator[str]:
        assert self.state is not None
        try:
            apply(self.state, entry.event, entry.time_ms)
        except Exception as error:  # noqa: BLE001  a record that no fold accepts is a finding
            yield f"{entry.name} cannot be folded: {type(error).__name__} {error}"
            self.state = None
