"""The chain room: follows the adjudicator's logs and gets this node's transactions mined.

It turns blocks into `protocols.inputs` and effects into transactions. It never sees what the node
believes, and decides nothing about money. web3 is imported when the room runs, never before: it
costs a second that a starting daemon has better use for.
"""

from node.unused_curves import leave_out

leave_out()
