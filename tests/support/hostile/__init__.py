"""Reducers that try to stop, slow or leave the node, or to differ between two nodes.

Each is held to the failure that it must end with. Where nothing else is said, a reducer is loaded,
makes its table, and fails at its message.
"""

from tests.support.hostile import hand_overs, instructions, modules, statements, tables

ALL = [
    *modules.MODULES,
    *instructions.INSTRUCTIONS,
    *hand_overs.HAND_OVERS,
    *statements.STATEMENTS,
    *tables.TABLES,
]
