"""The queries, and what each may be refused with."""

from node.rpc.query_table import QUERIES
from protocols.moment_errors import MomentAhead, MomentBeforeLog


def test_what_is_read_as_of_a_moment_says_which_moments_there_are_not() -> None:
    takes = {one.name for one in QUERIES if "at" in one.params.__struct_fields__}
    assert len(takes) > 10
    for error in (MomentAhead, MomentBeforeLog):
        assert takes <= {one.name for one in QUERIES if error in one.errors}
