"""The state that the log folds to, against the digests the engine took of its memory."""

from collections.abc import Iterator, Sequence

from node.audit.entry import Entry
from protocols.events import StateDigestRecorded
from protocols.node_state import Digest, NodeState, apply, apply_run


class FoldCheck:
    """Every `state-digest-recorded` equals the digest of the fold of all records before it."""

    name = "fold"

    def __init__(self) -> None:
        self.state: NodeState | None = NodeState()
        """The fold so far; None once it could not go on."""
        self._digest = Digest()

    def check(self, entry: Entry) -> Iterator[str]:
        """Compare a digest, then fold the record."""
        if self.state is None:
            return
        event = entry.event
        if isinstance(event, StateDigestRecorded):
            digest = self._digest.update(self.state)
            if (digest, self._digest.entity_count) != (event.digest, event.entity_count):
                yield (
                    f"the records before fold to {self._digest.entity_count} entities with digest "
                    f"0x{digest.hex()}, not {event.entity_count} with 0x{event.digest.hex()}"
                )
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
