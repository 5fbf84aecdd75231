"""`tally status`: who the node is and how each of its rooms is doing."""

from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_fields, print_json


@reports_failures
def status(directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """Show who the node is and how it is doing."""
    found = ask(directory, "node_status")
    if as_json:
        print_json(found)
    else:
        print_fields("Node", found)
