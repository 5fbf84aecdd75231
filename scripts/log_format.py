"""Write the list of events in docs/log-format.md from `protocols.events`.

    python scripts/log_format.py            write it
    python scripts/log_format.py --check    compare with what is committed, exit 1 if it differs

Fields are described by the strings under them in the source, so that code and page agree. What
stands above the mark in the page is written by hand and left alone.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # Python puts this file's folder first, where other files hide packages of their names.
    sys.path[0] = str(ROOT)

from protocols import event_codec  # noqa: E402
from protocols.event import Event  # noqa: E402

PAGE = ROOT / "docs" / "log-format.md"
MARK = "<!-- From here on written by scripts/log_format.py -->\n"

WORDS = {
    "Address": "20 bytes",
    "Amount32": "amount",
    "Bytes32": "32 bytes",
    "ChannelId": "32 bytes",
    "ObjectiveId": "32 bytes",
    "PaymentId": "32 bytes",
    "StateHash": "32 bytes",
    "Signature": "65 bytes",
    "Destination": "32 bytes",
    "bytes": "bytes",
    "bool": "boolean",
    "int": "integer",
    "str": "text",
}
"""How the page calls the source's types; a new type needs its words here."""


def page(written_by_hand: str) -> str:
    """What is above the mark as it is, then every event of the current version in its order."""
    lines = ["", "## Events", ""]
    for name, event_class in event_codec.EVENTS.items():
        node = _class_node(event_class)
        lines += [f"### {name}", ""]
        about = ast.get_docstring(node)
        if about:
            lines += [_joined(about), ""]
        lines += [
            f"Version {event_class.VERSION}.",
            "",
            "| | field | type | |",
            "|--:|---|---|---|",
        ]
        fields = _fields(node)
        assert tuple(field for field, _, _ in fields) == event_class.__struct_fields__
        for index, (field, annotation, said) in enumerate(fields):
            lines.append(f"| {index} | `{field}` | {type_in_words(annotation)} | {said} |")
        lines.append("")
    return written_by_hand.partition(MARK)[0] + MARK + "\n".join(lines)


def type_in_words(annotation: str) -> str:
    """The source's annotation as the page says it."""
    if annotation.endswith(" | None"):
        return f"{type_in_words(annotation.removesuffix(' | None'))} or nil"
    if annotation.startswith("tuple[") and annotation.endswith(", ...]"):
        return f"array of {type_in_words(annotation[6:-6])}"
    return WORDS[annotation]


def _class_node(event_class: type[Event]) -> ast.ClassDef:
    (node,) = ast.parse(inspect.getsource(event_class)).body
    assert isinstance(node, ast.ClassDef)
    return node


def _fields(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    """(name, annotation, the string under it) of each field, in order."""
    found: list[tuple[str, str, str]] = []
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            said = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                said = _joined(str(following.value.value))
            found.append((statement.target.id, ast.unparse(statement.annotation), said))
    return found


def _joined(text: str) -> str:
    """Wrapped source text as one line."""
    return " ".join(text.split())


def main(arguments: list[str]) -> int:
    """Write or, with --check, compare; 1 if the page is not what it should be."""
    written = PAGE.read_text(encoding="utf-8")
    text = page(written)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif text != written:
        print(f"{PAGE.relative_to(ROOT)} is not current: run python scripts/log_format.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
