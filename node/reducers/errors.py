"""What can go wrong with the tools for reducers, each with a name that scripts may rely on.

ToolError
  CompilerMissing       no zig, or another one than reducers are built with
  CompileFailed         the compiler refused the source; its own words are the message
  SourceMissing         no C file where the reducer should be
  ModuleMissing         no WebAssembly where it should be
  NameUnusable          a name that a new reducer cannot have, or a folder that is there already
  MessageFileInvalid    a line that is neither a message nor an expectation
  ReplayFailed          a process that should have replayed did not answer
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class ToolError(Exception):
    """Root of what the tools raise on purpose."""

    reason: str
    next_step: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.reason}. {self.next_step}" if self.next_step else self.reason


class CompilerMissing(ToolError):
    """No compiler, or not the one whose bytes are known."""


class CompileFailed(ToolError):
    """The source is no reducer that the compiler would build."""


class SourceMissing(ToolError):
    """No file where the source should be."""


class ModuleMissing(ToolError):
    """No file where the module should be: it was not built yet."""


class NameUnusable(ToolError):
    """A new reducer cannot go there."""


class MessageFileInvalid(ToolError):
    """A file of messages that cannot be read; `values` has the line."""


class ReplayFailed(ToolError):
    """A process of a replay ended without a result."""
