"""The rules of the house that a linter does not know, each a function from a tree to its breaches.

Every function takes the root of a source tree and returns one line per breach, so that the tests
can hold them against this tree (which must be clean) and against planted breaches (which must be
found). What imports may cross which floor is import-linter's part, in pyproject.toml.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("protocols", "node", "contracts")
"""What ships; each module of these has a test file of its own."""

FUNCTION_LINES_MAX = 70
"""Code lines of one function, without docstring, comments and blank lines."""

FUNCTION_ROOMS = (*PACKAGES, "scripts", "tests")

PURE_THIRD_PARTIES = frozenset({"eth_abi", "coincurve", "sha3", "msgspec"})
"""All that `protocols` may import besides itself and the pure part of the standard library."""

IMPURE_STDLIB = frozenset(
    {
        "asyncio",
        "concurrent",
        "ctypes",
        "datetime",
        "fcntl",
        "getpass",
        "glob",
        "http",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "platform",
        "queue",
        "random",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shelve",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "warnings",
    }
)
"""Clock, entropy, files, sockets, processes, logging: what would make a replay differ."""

SLOW_KECCAK = frozenset({"eth_hash", "Crypto", "Cryptodome", "pycryptodome"})
"""Packages whose keccak costs 5 us where sha3.keccak_256 costs 0.75 us."""

UNFINISHED = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b")
TEXT_SUFFIXES = frozenset({".py", ".sol", ".md", ".toml", ".sh", ".js", ".html", ".css"})
TEXT_ROOMS = (*FUNCTION_ROOMS, "docs", ".ci")

DODGES = re.compile(
    r"pytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b|unittest\.(?:mock|skip)|MagicMock"
)
"""Ways not to test: none is used here."""

ADR_NAME = re.compile(r"^(\d{4})-[a-z0-9-]+\.md$")
ADR_STATUSES = ("Proposed", "Accepted", "Rejected", "Deprecated", "Superseded")
ADR_SECTIONS = ("Status", "Context", "Decision", "Consequences", "Rejected")
ADR_LINES_MAX = 64


def sources(root: Path, rooms: tuple[str, ...]) -> Iterator[Path]:
    """All Python files of the given rooms that exist, in a stable order."""
    for room in rooms:
        yield from sorted((root / room).rglob("*.py"))


def statements(block: ast.AST) -> Iterator[ast.AST]:
    """What stands in a module or a statement, at any depth; expressions are not looked into."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(block, name, ()):
            yield inner
            yield from statements(inner)


@functools.lru_cache(maxsize=1)
def lines_with_code(source: str) -> frozenset[int]:
    """Numbers of the lines that hold more than comments and layout."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    return frozenset(lines)


def code_lines(source: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function that hold code: no docstring, no comment, no blank line."""
    first = node.body[0]
    skipped: set[int] = set()
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        skipped = set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    body = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return len((lines_with_code(source) & set(body)) - skipped)


def long_functions(root: Path) -> list[str]:
    """Functions above the wall."""
    found = []
    for path in sources(root, FUNCTION_ROOMS):
        source = path.read_text()
        for node in statements(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            # Only a function that is long on paper is worth counting exactly.
            if (node.end_lineno or node.lineno) - node.lineno < FUNCTION_LINES_MAX:
                continue
            count = code_lines(source, node)
            if count > FUNCTION_LINES_MAX:
                found.append(f"{path.relative_to(root)}:{node.lineno} {node.name}: {count} lines")
    return found


def modules_without_test(root: Path) -> list[str]:
    """Modules of the packages that have no test file at the mirrored place."""
    found = []
    for path in sources(root, PACKAGES):
        if path.name == "__init__.py":
            continue
        relative = path.relative_to(root)
        test = root / "tests" / relative.parent / f"test_{path.name}"
        if not test.exists():
            found.append(f"{relative}: no {test.relative_to(root)}")
    return found


def unfinished_work(root: Path) -> list[str]:
    """Lines that promise to be finished later."""
    found = []
    for room in TEXT_ROOMS:
        for path in sorted((root / room).rglob("*")):
            if not path.is_file() or path.suffix not in TEXT_SUFFIXES:
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if UNFINISHED.search(line):
                    found.append(f"{path.relative_to(root)}:{number} {line.strip()}")
    return found


def dodged_tests(root: Path) -> list[str]:
    """Skips, expected failures and mocks."""
    checkers = {Path("tests/test_architecture.py")}
    found = []
    for path in sources(root, ("tests",)):
        if path.relative_to(root) in checkers:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if DODGES.search(line):
                found.append(f"{path.relative_to(root)}:{number} {line.strip()}")
    return found


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and imported name (empty for a plain import) of every absolute import."""
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield node.lineno, node.module or "", alias.name


def impure_imports(root: Path) -> list[str]:
    """What `protocols` imports beyond itself, the pure standard library and the four packages."""
    found = []
    for path in sources(root, ("protocols",)):
        for line, module, _ in imports(path):
            top = module.partition(".")[0]
            pure_stdlib = top in sys.stdlib_module_names and top not in IMPURE_STDLIB
            if top != "protocols" and not pure_stdlib and top not in PURE_THIRD_PARTIES:
                found.append(f"{path.relative_to(root)}:{line} imports {module}")
    return found


def slow_keccak(root: Path) -> list[str]:
    """Uses of a slow keccak in what ships, and a crypto module that does not use the fast one."""
    found = []
    for path in sources(root, PACKAGES):
        for line, module, name in imports(path):
            top = module.partition(".")[0]
            foreign = "keccak" in name and top not in (*PACKAGES, "sha3")
            if top in SLOW_KECCAK or foreign:
                found.append(f"{path.relative_to(root)}:{line} imports {module} {name}".rstrip())
    crypto = root / "protocols" / "crypto.py"
    if crypto.exists():
        fast = any(module == "sha3" for _, module, _ in imports(crypto))
        if not fast or "keccak_256" not in crypto.read_text():
            found.append("protocols/crypto.py: does not call sha3.keccak_256")
    return found


def adr_title(path: Path) -> str:
    """The first heading of a decision record, without the marker."""
    lines = path.read_text().splitlines()
    return lines[0].removeprefix("# ") if lines else ""


def adr_status(path: Path) -> str:
    """The first line under the Status heading; empty if there is none."""
    _, _, rest = path.read_text().partition("\n## Status\n")
    return next((line.strip() for line in rest.splitlines() if line.strip()), "")


def adr_breaches(root: Path) -> list[str]:
    """Decision records with a wrong number, name, title, status, section, length or index line."""
    folder = root / "docs" / "adrs"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    found = []
    for position, path in enumerate(records):
        match = ADR_NAME.match(path.name)
        if match is None:
            found.append(f"{path.name}: not NNNN-title.md")
            continue
        number = match.group(1)
        text = path.read_text()
        if int(number) != position:
            found.append(f"{path.name}: number {position:04d} is missing or used twice")
        if not adr_title(path).startswith(f"{number}. "):
            found.append(f"{path.name}: the first line is not '# {number}. Title'")
        if adr_status(path).split(" ")[0].rstrip(",.") not in ADR_STATUSES:
            found.append(f"{path.name}: status {adr_status(path)!r}")
        absent = [name for name in ADR_SECTIONS if f"\n## {name}\n" not in text]
        found += [f"{path.name}: no {name}" for name in absent]
        if len(text.splitlines()) > ADR_LINES_MAX:
            found.append(f"{path.name}: longer than {ADR_LINES_MAX} lines")
    return found + adr_index_breaches(folder, records)


def adr_index_breaches(folder: Path, records: list[Path]) -> list[str]:
    """Records the index does not list with their title and status, and lines without a record."""
    index = folder / "README.md"
    if not index.exists():
        return ["docs/adrs/README.md: missing"] if records else []
    text = index.read_text()
    found = []
    for path in records:
        number, _, title = adr_title(path).partition(". ")
        status = adr_status(path).split(" ")[0].rstrip(",.")
        line = f"| [{number}]({path.name}) | {title} | {status} |"
        if line not in text:
            found.append(f"docs/adrs/README.md: no line {line!r}")
    names = {path.name for path in records}
    linked = re.findall(r"^\| \[\d{4}\]\(([^)]+)\)", text, re.MULTILINE)
    found += [f"docs/adrs/README.md: {name} does not exist" for name in linked if name not in names]
    return found


RULES = (
    long_functions,
    modules_without_test,
    unfinished_work,
    dodged_tests,
    impure_imports,
    slow_keccak,
    adr_breaches,
)
