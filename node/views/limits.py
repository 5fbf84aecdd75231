"""Bounds of views: value, unit, why. What a message may spend is a `Budget`, part of a view's
stamp: two nodes that agree on a result ran it under the same one."""

import msgspec

MODULE_SIZE_BYTES_MAX = 128 * 1024
"""Of a reducer's code. One written in C or Zig has a few kilobytes."""

MODULE_FUNCTION_COUNT_MAX = 4_096
"""Of a module: 32,000 empty ones took longer to compile than anything else of that size."""

MODULE_DATA_BYTES_MAX = 64 * 1024
"""Of initial data in a module: copied into each instance, and there is one for each message."""

MODULE_SECTION_COUNT_MAX = 64
"""Of a module. There are 13 kinds; tools add a few custom ones for names and producers."""

TABLE_ELEMENT_COUNT_MAX = 4_096
"""Entries of a module's table of functions: eight bytes each, in each instance."""

WASM_STACK_SIZE_BYTES = 256 * 1024
"""What calls inside a reducer may take of the thread's stack: eight megabytes are usual."""

MEMORY_BYTES_MAX = 16 * 1024 * 1024
"""Of linear memory that a budget may allow."""

MEMORY_PAGE_BYTES = 65_536
"""A page of WebAssembly's memory."""

DEPTH_MAX = 16
"""Arrays inside arrays in one message."""

TABLE_COUNT_MAX = 64
"""Tables of a view."""

COLUMN_COUNT_MAX = 32
"""Columns of a table, or of a result."""

SQL_SIZE_BYTES_MAX = 4_096
"""Of one statement. Values are bound, so that its text is short."""

STEP_GRAIN = 1_000
"""Instructions of SQLite's machine between two looks at the budget."""

STATEMENT_STEP_COUNT = 100
"""Instructions that each statement is charged before it runs, and one more for each byte of its
text: it has to be parsed and planned, also when there is nothing to do."""

SUM_INTERVAL_COUNT = 256
"""Messages after which the sum over a view's rows is written down: opening the view hashes what
fewer of them changed."""

DETAIL_SIZE_MAX = 300
"""Characters of the runtime's words about a failure: they hold names that the module chose."""

CODE_MAX = 2**31 - 1
"""The largest number a reducer may refuse with: fits a signed integer of 32 bits."""


class Budget(msgspec.Struct, frozen=True, array_like=True):
    """What one message may take. All of it counts the same on every machine."""

    fuel: int = 10_000_000
    """Instructions of WebAssembly, about: 30 to 50 ms if a reducer burns all."""
    memory_bytes: int = MEMORY_BYTES_MAX
    """Of linear memory."""
    message_bytes: int = 64 * 1024
    """Of a message."""
    reply_bytes: int = 256 * 1024
    """Of a reply with its writes, and of what one host call hands in or out."""
    sql_steps: int = 100_000
    """Instructions of SQLite's machine; an insert takes 20 to 40."""
    row_bytes: int = 4_096
    """Of a value or a row, also in between: SQLite holds a tenth of `sql_steps` rows at most."""
    change_count: int = 10_000
    """Rows inserted, updated or deleted."""

    def __post_init__(self) -> None:
        """Raise ValueError for a budget that the engine is not made for."""
        if self.memory_bytes > MEMORY_BYTES_MAX:
            raise ValueError(f"at most {MEMORY_BYTES_MAX} bytes of memory")
