"""What can go wrong with a reducer, each with a name that is the same on every node.

ViewError
  ModuleRefused      a module that is not loaded
  ReducerFailed      a message (or `init`) that was undone: the reducer's fault, the same everywhere
  StampMismatch      a view on disk that another reducer, engine or budget made
  CacheUnsafe        a directory of compiled code that others can write to
  ViewBroken         this machine's fault: disk, memory. Nothing follows about the message

A refusal (a reducer's own code above 0) is no error: it is a verdict.
"""

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Names of failures. They are compared between nodes: never rename one."""

    # A module that is not loaded.
    MODULE_OVERSIZED = "module-oversized"
    MODULE_MALFORMED = "module-malformed"
    MODULE_INVALID = "module-invalid"
    MODULE_FUNCTIONS = "module-functions-too-many"
    MODULE_START = "module-has-start-function"
    MODULE_DATA_OVERSIZED = "module-data-oversized"
    MODULE_IMPORT = "module-import-unknown"
    MODULE_IMPORT_TYPE = "module-import-type"
    MODULE_EXPORT_MISSING = "module-export-missing"
    MODULE_EXPORT_TYPE = "module-export-type"
    MODULE_MEMORY_OVERSIZED = "module-memory-oversized"

    # What a reducer did.
    OUT_OF_FUEL = "out-of-fuel"
    STACK_OVERFLOW = "stack-overflow"
    TRAP_MEMORY = "trap-memory-out-of-bounds"
    TRAP_TABLE = "trap-table-out-of-bounds"
    TRAP_UNREACHABLE = "trap-unreachable"
    TRAP_DIVISION = "trap-division-by-zero"
    TRAP_OVERFLOW = "trap-integer-overflow"
    TRAP_CONVERSION = "trap-bad-conversion"
    TRAP_NULL_CALL = "trap-call-of-null"
    TRAP_SIGNATURE = "trap-bad-signature"
    TRAP_OTHER = "trap-other"
    INSTANCE_REFUSED = "instance-refused"
    MEMORY_EXHAUSTED = "memory-exhausted"
    INIT_REFUSED = "init-refused"
    POINTER_FORGED = "pointer-out-of-bounds"

    # What it handed over.
    MESSAGE_OVERSIZED = "message-oversized"
    MESSAGE_NOT_CANONICAL = "message-not-canonical"
    REPLY_OVERSIZED = "reply-oversized"
    REPLY_MALFORMED = "reply-malformed"
    VALUE_TYPE = "value-type"
    VALUE_RANGE = "value-out-of-range"
    TEXT_INVALID = "text-invalid"

    # What it makes of an application channel's money.
    PAYOUTS_UNBALANCED = "payouts-unbalanced"

    # What it asked of SQL.
    SQL_INVALID = "sql-invalid"
    SQL_BINDINGS = "sql-bindings"
    SQL_CONSTRAINT = "sql-constraint"
    SQL_STEPS = "sql-steps-exhausted"
    SQL_OVERSIZED = "sql-value-oversized"
    SQL_CHANGES = "sql-changes-exhausted"
    SQL_MULTIPLE = "sql-multiple-statements"
    SQL_STATEMENT = "sql-statement-unknown"
    SQL_WRITE_IN_QUERY = "sql-write-in-query"
    SQL_QUERY_IN_WRITE = "sql-query-in-write"
    SQL_ATTACH = "sql-attach"
    SQL_PRAGMA = "sql-pragma"
    SQL_TRANSACTION = "sql-transaction"
    SQL_EXPLAIN = "sql-explain"
    SQL_MAINTENANCE = "sql-maintenance"
    SQL_SCHEMA_CHANGE = "sql-schema-change"
    SQL_TEMPORARY = "sql-temporary-table"
    SQL_VIEW = "sql-view"
    SQL_TRIGGER = "sql-trigger"
    SQL_VIRTUAL_TABLE = "sql-virtual-table"
    SQL_FUNCTION = "sql-function"
    SQL_HOST_TABLE = "sql-host-table"
    SQL_REFUSED = "sql-refused"

    # Tables that are not let through.
    TABLE_NOT_STRICT = "table-not-strict"
    TABLE_WITH_ROWID = "table-with-rowid"
    TABLE_COLUMN_TYPE = "table-column-type"
    TABLE_DEFAULT = "table-default"
    TABLE_GENERATED = "table-generated-column"
    TABLE_COLLATION = "table-collation"
    TABLE_FOREIGN_KEY = "table-foreign-key"
    TABLE_NAME = "table-name"
    TABLE_COUNT = "table-count"
    COLUMN_COUNT = "table-column-count"


@dataclass(eq=False)
class ViewError(Exception):
    """Root of everything a view raises on purpose."""


@dataclass(eq=False)
class ModuleRefused(ViewError):
    """A module that is not loaded, and why."""

    failure: Failure
    detail: str
    """For people: not the same on every machine."""

    def __str__(self) -> str:
        return f"reducer refused, {self.failure}: {self.detail}"


@dataclass(eq=False)
class ReducerFailed(ViewError):
    """A message whose work was undone because of what the reducer did."""

    failure: Failure
    detail: str
    """For people: not the same on every machine."""

    def __str__(self) -> str:
        return f"{self.failure}: {self.detail}"


@dataclass(eq=False)
class StampMismatch(ViewError):
    """The view at `path` was made by something else; it can be removed and derived anew."""

    path: str
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"the view at {self.path} has {self.field} {self.found}, not {self.expected}: "
            "remove it and derive it anew from its messages"
        )


@dataclass(eq=False)
class CacheUnsafe(ViewError):
    """A directory that others can write to must never be loaded code from."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"compiled reducers are not kept in {self.path}: {self.reason}"


@dataclass(eq=False)
class ViewBroken(ViewError):
    """The machine failed. The view is closed; its messages are not in doubt."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"the view at {self.path} cannot go on: {self.reason}. Open it again"
