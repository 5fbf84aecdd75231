"""The durable memory of a node: one append-only log, and what must be written together with it."""
