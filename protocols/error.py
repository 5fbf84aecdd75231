"""The base of every refusal, so that each room can keep its refusals beside its rules."""

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False)
class ProtocolError(Exception):
    """The root: every expected refusal of the core."""

    code: ClassVar[int] = 1000
    """Stable number, also the JSON-RPC error code."""
    retry_safe: ClassVar[bool] = False
    """True if the same call may be repeated later without risk of doing it twice."""
    next_step: ClassVar[str] = "see the values and correct the call"
    """What the caller can do about it."""
    template: ClassVar[str] = "refused"
    """Message with the fields' names in braces."""

    @classmethod
    def name(cls) -> str:
        """The stable name: the class name in snake case, upper-cased."""
        letters = [("_" + c if c.isupper() and i else c) for i, c in enumerate(cls.__name__)]
        return "".join(letters).upper()

    def values(self) -> dict[str, str]:
        """What was checked, printable: bytes as 0x hex, everything else through str."""
        return {f.name: _printable(getattr(self, f.name)) for f in fields(self)}

    def __str__(self) -> str:
        return self.template.format(**self.values())


def _printable(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
