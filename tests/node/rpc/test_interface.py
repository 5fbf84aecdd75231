"""What the door asks of a node: the node of these tests has all of it."""

import inspect

from node.rpc.interface import NodeApi
from tests.support.rpc_node import RecordingNode


def test_the_node_of_the_tests_takes_what_the_interface_names() -> None:
    node: NodeApi = RecordingNode()
    for name, member in vars(NodeApi).items():
        if name.startswith("_"):
            continue
        if not callable(member):
            assert getattr(node, name) is not None
            continue
        asked = list(inspect.signature(member).parameters)[1:]
        assert list(inspect.signature(getattr(node, name)).parameters) == asked
