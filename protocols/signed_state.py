"""A state with the signatures that a party holds of it: what stands in a challenge or a kit."""

from __future__ import annotations

from msgspec import Struct

from protocols.state import State
from protocols.types import Signature


class SignedState(Struct, frozen=True, gc=False):
    """A state and the signatures a party holds; b"" where a participant's is missing."""

    state: State
    signatures: tuple[Signature, ...]

    @property
    def is_signed_by_all(self) -> bool:
        """Whether the adjudicator would take it, as far as signatures go."""
        return all(self.signatures)
