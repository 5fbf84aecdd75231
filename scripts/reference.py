"""Write the reference pages, docs/errors.md and most of docs/rpc.md, from the tables that serve.

    python scripts/reference.py            write them
    python scripts/reference.py --check    compare with what is committed, exit 1 if they differ

Fields are described by the strings under them in the source, so that code and page agree.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import sys
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # Python puts this file's folder first, where other files hide packages of their names.
    sys.path[0] = str(ROOT)

from node.explain import standing, story  # noqa: E402
from node.rpc import (  # noqa: E402
    apps,
    assumptions,
    backups,
    diff,
    disputes,
    exits,
    explain,
    follow,
    params,
    payment_stories,
    payments,
    proofs,
    recovery,
    results,
    routes,
    whatif,
)
from node.rpc.errors import all_faults  # noqa: E402
from node.rpc.method import Command, Query  # noqa: E402
from node.rpc.methods import DOCUMENT, METHODS  # noqa: E402
from protocols import dispute_kit  # noqa: E402
from protocols.errors import all_errors  # noqa: E402

ERRORS_PAGE = ROOT / "docs" / "errors.md"
RPC_PAGE = ROOT / "docs" / "rpc.md"

ROOMS = (
    params,
    results,
    payments,
    routes,
    backups,
    recovery,
    diff,
    explain,
    payment_stories,
    follow,
    standing,
    story,
    apps,
    exits,
    disputes,
    dispute_kit,
    assumptions,
    whatif,
    proofs,
)
"""Where parameters and answers are described."""

MARK = "<!-- From here on written by scripts/reference.py -->\n"
"""What stands above it in docs/rpc.md is written by hand."""

TYPES = {
    "AmountText": "amount",
    "AmountOut": "amount",
    "AddressText": "address",
    "AddressOut": "address",
    "Hash32Text": "id",
    "Hash32Out": "id",
    "SignedAmountOut": "amount, below 0 with a minus sign",
    "SignatureText": "signature",
    "SignatureOut": "signature",
    "MomentText": "moment",
    "str": "text",
    "int": "integer",
    "bool": "true or false",
    "None": "null",
}
"""How the page calls the source's types; what is not here is described by its schema."""


class Refusal(Protocol):
    """What the page says of an error."""

    code: int
    retry_safe: bool
    next_step: str
    template: str
    __doc__: str | None


def errors_page() -> str:
    """docs/errors.md: every refusal, by name."""
    lines = [
        "# Errors",
        "",
        "Every refusal carries these in `error`: a `code`, a `message`, and in `data` a stable",
        "`name`, the `values` that were checked, `retry_safe` (whether the same call may be",
        "repeated later without the risk of doing it twice) and `next_step` (what to do about it).",
        "",
        "Names and codes never change. This page is written by `scripts/reference.py`.",
        "",
        "## The way in",
        "",
        "A call that never reached the rules: envelope, token, sizes.",
        "",
    ]
    for name, fault in sorted(all_faults().items()):
        lines += _refusal(name, fault)
    lines += ["## The rules", "", "A call, or a peer's message, that a rule forbids.", ""]
    for name, error in all_errors().items():
        lines += _refusal(name, error)
    return "\n".join(lines)


def _refusal(name: str, refusal: type[Any]) -> list[str]:
    about = (refusal.__doc__ or "").strip()
    # A dataclass without a docstring is given its signature.
    said = [] if about.startswith(refusal.__name__ + "(") else [_joined(about), ""]
    retry = "safe" if refusal.retry_safe else "not safe"
    return [
        f"### {name}",
        "",
        *said,
        f"Code {refusal.code}: *{refusal.template}*",
        "",
        f"Retry: {retry}. Next: {refusal.next_step}.",
        "",
    ]


def rpc_page(written_by_hand: str) -> str:
    """docs/rpc.md: what is above the mark as it is, then every method and object."""
    head = written_by_hand.partition(MARK)[0]
    lines = ["", "## Methods", ""]
    for name, method in METHODS.items():
        lines += _method(name, method)
    lines += ["## Objects", "", "What methods answer, and what is inside of it.", ""]
    described = {entry["name"]: entry for entry in DOCUMENT["methods"]}
    assert described.keys() == METHODS.keys()
    for name, (about, fields) in _documented().items():
        if name not in DOCUMENT["components"]["schemas"]:
            continue
        lines += [f"### {name}", "", about, ""]
        lines += _result_table(name, fields)
    return head + MARK + "\n".join(lines)


def _method(name: str, method: Command | Query) -> list[str]:
    lines = [f"### {name}", "", method.summary, ""]
    _, fields = _documented()[method.params.__name__]
    entry = next(entry for entry in DOCUMENT["methods"] if entry["name"] == name)
    if fields:
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        for param in entry["params"]:
            annotation, about = fields[param["name"]]
            type_, schema = _type(annotation, param["schema"]), param["schema"]
            if annotation == "RequestIdText":
                about = schema["description"]
            default = "required" if param["required"] else f"`{json.dumps(schema['default'])}`"
            lines.append(f"| `{param['name']}` | {type_} | {default} | {about} |")
    else:
        lines.append("No parameters.")
    lines += ["", _answer(entry["result"]["schema"]), ""]
    names = [error["data"]["name"] for error in entry["errors"]]
    if names:
        links = ", ".join(f"[{error}](errors.md#{error.lower()})" for error in names)
        lines += [f"Refused with: {links}.", ""]
    call = {"jsonrpc": "2.0", "id": 1, "method": name, "params": method.example}
    return [
        *lines,
        "```sh",
        'curl -s "http://$RPC/" -H "Authorization: Bearer $TOKEN" \\',
        '  -H "Content-Type: application/json" \\',
        f"  -d '{json.dumps(call)}'",
        "```",
        "",
    ]


def _answer(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"Answers a [{name}](#{name.lower()})."
    return f"Answers: {schema['description']}"


def _result_table(name: str, fields: dict[str, tuple[str, str]]) -> list[str]:
    lines = ["| field | type | |", "|---|---|---|"]
    properties = DOCUMENT["components"]["schemas"][name]["properties"]
    for field, (annotation, about) in fields.items():
        lines.append(f"| `{field}` | {_type(annotation, properties[field])} | {about} |")
    return [*lines, ""]


@functools.cache
def _documented() -> dict[str, tuple[str, dict[str, tuple[str, str]]]]:
    """Classes of all rooms: what they are, and field to (annotation, the string under it)."""
    found: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {}
    for node in [node for room in ROOMS for node in ast.parse(inspect.getsource(room)).body]:
        if isinstance(node, ast.ClassDef):
            fields: dict[str, tuple[str, str]] = {}
            for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(statement, ast.AnnAssign):
                    assert isinstance(statement.target, ast.Name)
                    annotation = ast.unparse(statement.annotation)
                    # from_ is spelt so because Python keeps the word for itself.
                    fields[statement.target.id.rstrip("_")] = (annotation, _string(following))
            found[node.name] = (_joined(ast.get_docstring(node)), fields)
    return found


def _string(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return _joined(str(statement.value.value))
    return ""


def _type(annotation: str, schema: dict[str, Any]) -> str:
    """The source's annotation in the page's words."""
    if annotation.startswith("Annotated[list["):
        annotation = annotation[len("Annotated[") :].partition(", Meta(")[0]
    if " | " in annotation:
        options = schema.get("anyOf", [{}, {}])
        parts = zip(annotation.split(" | "), options, strict=True)
        return " or ".join(_type(part, option) for part, option in parts)
    if annotation.startswith("list["):
        return f"list of {_type(annotation[5:-1], {})}"
    if annotation.startswith("Literal["):
        return " or ".join(f"`{option}`" for option in ast.literal_eval(f"({annotation[8:-1]},)"))
    if annotation in TYPES:
        return TYPES[annotation]
    if "$ref" in schema and schema["$ref"].rpartition("/")[2] == annotation:
        target = DOCUMENT["components"]["schemas"][annotation]
        if "enum" in target:
            return " or ".join(f"`{option}`" for option in target["enum"])
    if annotation in DOCUMENT["components"]["schemas"]:
        return f"[{annotation}](#{annotation.lower()})"
    if "maxLength" in schema:
        return f"text of at most {schema['maxLength']} characters"
    if "maximum" in schema:
        return f"integer from {schema['minimum']} to {schema['maximum']}"
    return "object"


def _joined(text: str | None) -> str:
    """Wrapped source text as one line."""
    return " ".join((text or "").split())


def main(arguments: list[str]) -> int:
    """Write or, with --check, compare; 1 if a page is not what it should be."""
    pages = {ERRORS_PAGE: errors_page(), RPC_PAGE: rpc_page(RPC_PAGE.read_text())}
    for path, text in pages.items():
        if "--check" not in arguments:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.relative_to(ROOT)} is not current: run python scripts/reference.py")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
