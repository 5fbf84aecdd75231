"""`tally config show`: every setting, its value and where the value came from."""

from node.cli.failures import reports_failures
from node.cli.options import HERE, AsJson, NodeDir, Overrides
from node.cli.output import flattened, print_json, print_table
from node.cli.settings import parse_overrides


@reports_failures
def show(overrides: Overrides = None, directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """Show every setting, its value and where it came from."""
    from node.config import load, rows

    config = load(directory, overrides=parse_overrides(overrides))
    shown = rows(config)
    if as_json:
        settings = {name: {"value": value, "origin": origin} for name, value, origin in shown}
        print_json({"config": str(config.path), "settings": settings})
        return
    # The table's title is the file's path: no need to repeat it in every row.
    table = [[name, _text(value), origin.split(" /")[0]] for name, value, origin in shown]
    print_table(str(config.path), ("setting", "value", "from"), table, "No settings.")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{who}={where}" for who, where in value.items()) or "none"
    return flattened({"": value})[0][1]
