"""Bounds of applications' views: value, unit, why."""

from node.store.limits import REDUCER_COUNT_MAX, REDUCER_SIZE_BYTES_MAX
from node.views.limits import MODULE_SIZE_BYTES_MAX

OPEN_VIEW_COUNT_MAX = 64
"""Views that are kept open: three files and some 200 KB each."""

RUN_TIME_S_MAX = 0.05
"""How long one offer's messages are judged before the rest is left for the next one: nobody else is
served meanwhile."""

OFFER_TIME_S_MAX = RUN_TIME_S_MAX / 2
"""How long messages of ours run before they are offered: so few that the other end, which may be
slower, has time for all of them."""

INSTALLED_COUNT_MAX = REDUCER_COUNT_MAX
"""Reducers of one node: what a backup of it holds at most."""

QUOTA_PEER_COUNT_MAX = 1_024
"""Peers whose use of reducers is remembered; the one that asked longest ago is forgotten first."""

DERIVING_TIME_S_MAX = 60.0
"""For making a view that a question needs and that is not there: some 100,000 messages."""

DERIVING_NICENESS = 10
"""Of the process that does: whoever serves peers goes first."""

QUERY_TIMEOUT_S_MAX = 60.0
"""A question's time at most; whoever needs more reads the file."""

QUERY_TIMEOUT_S = 5.0
"""A question's time unless its asker gives another."""

QUERY_COUNT_MAX = 2
"""Questions at once, each in a process of its own: laptops have two cores."""

QUERY_ANSWER_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""Of an answer, as JSON."""

# Whatever is installed, a backup holds.
assert MODULE_SIZE_BYTES_MAX == REDUCER_SIZE_BYTES_MAX
