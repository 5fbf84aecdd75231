"""Whether a state is, byte for byte, what it was: asked around every crank of the core's tests."""

from __future__ import annotations

from protocols.digest import canonical
from protocols.node_state import NodeState


class Purity:
    """Notes a state's entities; what was noted before and is the same object is not encoded again.

    That is quicker than two digests, which hash every entity for each input, and sees as much:
    afterwards everything is encoded anew, so a change inside of an object shows as well.
    """

    def __init__(self) -> None:
        self._noted: dict[bytes, tuple[object, bytes]] = {}

    def note(self, state: NodeState) -> None:
        """Remember the state as it is now."""
        noted, old = {}, self._noted
        for key, entity in state.entities():
            known = old.get(key)
            if known is None or known[0] is not entity:
                known = (entity, canonical(entity))
            noted[key] = known
        self._noted = noted

    def is_kept(self, state: NodeState) -> bool:
        """Whether it holds exactly what was noted last."""
        now = {key: canonical(entity) for key, entity in state.entities()}
        return now == {key: encoded for key, (_, encoded) in self._noted.items()}
