"""How payloads of older versions become today's: one small function per event and old version.

A function takes the fields of its version, in order, and returns those of the next; several
steps run one after another. Payloads on disk are never rewritten.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from node.store.errors import NewerLogFormat

Upcaster = Callable[[Sequence[Any]], Sequence[Any]]

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""(event name, version it reads) -> fields of the next version. Empty: no event has changed yet."""


def upcast(
    name: str,
    version: int,
    current_version: int,
    fields: Sequence[Any],
    upcasters: Mapping[tuple[str, int], Upcaster],
) -> Sequence[Any]:
    """The fields as `current_version` spells them.

    Raises `NewerLogFormat` if a step is missing: this program does not read that version.
    """
    for step in range(version, current_version):
        function = upcasters.get((name, step))
        if function is None:
            raise NewerLogFormat(name, version, current_version)
        fields = function(fields)
    return fields
