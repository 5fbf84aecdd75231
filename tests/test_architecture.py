"""The rules of the house, held against this tree and against planted breaches of each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import architecture

ROOT = Path(__file__).resolve().parent.parent
RECORD = "# {number}. A title\n\n## Status\n\n{status}\n\n" + "".join(
    f"## {section}\n\nText.\n\n" for section in architecture.ADR_SECTIONS[1:]
)
INDEX_LINE = "| [{number}]({number}-a-title.md) | A title | {status} |\n"


def plant(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def plant_record(root: Path, number: str, status: str = "Accepted", listed: bool = True) -> None:
    text = RECORD.format(number=number, status=status)
    plant(root, f"docs/adrs/{number}-a-title.md", text)
    index = root / "docs/adrs/README.md"
    line = INDEX_LINE.format(number=number, status=status.split(" ")[0]) if listed else ""
    index.write_text((index.read_text() if index.exists() else "") + line)


@pytest.mark.parametrize("rule", architecture.RULES, ids=lambda rule: rule.__name__)
def test_this_tree_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", architecture.RULES, ids=lambda rule: rule.__name__)
def test_an_empty_tree_breaks_no_rule(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert rule(tmp_path) == []


def function(line_count: int) -> str:
    body = "".join(f"    value = {number}\n" for number in range(line_count - 2))
    return f'def long():\n    """Says.\n\n    More.\n    """\n\n    # why\n{body}    return value\n'


def test_a_function_at_the_wall_passes_and_one_line_more_does_not(tmp_path: Path) -> None:
    plant(tmp_path, "node/fine.py", function(architecture.FUNCTION_LINES_MAX))
    assert architecture.long_functions(tmp_path) == []
    plant(tmp_path, "node/long.py", function(architecture.FUNCTION_LINES_MAX + 1))
    assert architecture.long_functions(tmp_path) == ["node/long.py:1 long: 71 lines"]


def test_a_module_without_its_test_file_is_named(tmp_path: Path) -> None:
    plant(tmp_path, "node/store/__init__.py", "")
    plant(tmp_path, "node/store/log.py", "")
    assert architecture.modules_without_test(tmp_path) == [
        "node/store/log.py: no tests/node/store/test_log.py"
    ]
    plant(tmp_path, "tests/node/store/test_log.py", "")
    assert architecture.modules_without_test(tmp_path) == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME"])
@pytest.mark.parametrize("path", ["node/a.py", "contracts/src/A.sol", "docs/page.md"])
def test_a_promise_to_finish_later_is_found(word: str, path: str, tmp_path: Path) -> None:
    plant(tmp_path, path, f"first\n// {word}: later\n")
    assert architecture.unfinished_work(tmp_path) == [f"{path}:2 // {word}: later"]


@pytest.mark.parametrize(
    "line",
    [
        "@pytest.mark.skip",
        "@pytest.mark.xfail(strict=True)",
        "pytest.importorskip('web3')",
        "from unittest.mock import patch",
    ],
)
def test_a_dodged_test_is_found(line: str, tmp_path: Path) -> None:
    plant(tmp_path, "tests/node/test_a.py", line + "\n")
    assert architecture.dodged_tests(tmp_path) == [f"tests/node/test_a.py:1 {line}"]


@pytest.mark.parametrize(
    "module",
    [
        "time",
        "random",
        "secrets",
        "os",
        "socket",
        "logging",
        "trio",
        "msgpack",
        "node",
        "eth_utils",
    ],
)
def test_an_impure_import_of_the_core_is_found(module: str, tmp_path: Path) -> None:
    plant(tmp_path, "protocols/a.py", f"def f():\n    import {module}\n")
    plant(tmp_path, "protocols/b.py", f"from {module} import thing\n")
    assert architecture.impure_imports(tmp_path) == [
        f"protocols/a.py:2 imports {module}",
        f"protocols/b.py:1 imports {module}",
    ]


def test_the_pure_imports_of_the_core_pass(tmp_path: Path) -> None:
    plant(tmp_path, "protocols/a.py", "import enum, hashlib, msgspec\nfrom eth_abi import encode\n")
    plant(tmp_path, "protocols/b.py", "from protocols.a import enum\nfrom . import a\n")
    assert architecture.impure_imports(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [
        "from eth_hash.auto import keccak",
        "from Crypto.Hash import keccak",
        "from eth_utils import keccak",
        "import eth_hash",
    ],
)
def test_a_slow_keccak_is_found(line: str, tmp_path: Path) -> None:
    plant(tmp_path, "node/chain/a.py", line + "\n")
    plant(tmp_path, "node/chain/b.py", "from protocols.crypto import keccak\n")
    (breach,) = architecture.slow_keccak(tmp_path)
    assert breach.startswith("node/chain/a.py:1")


def test_a_crypto_module_without_the_fast_keccak_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "protocols/crypto.py", "import hashlib\n")
    assert architecture.slow_keccak(tmp_path) == [
        "protocols/crypto.py: does not call sha3.keccak_256"
    ]
    plant(tmp_path, "protocols/crypto.py", "from sha3 import keccak_256\n")
    assert architecture.slow_keccak(tmp_path) == []


def test_well_formed_records_with_their_index_pass(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    plant_record(tmp_path, "0001", "Superseded by [0002](0002-a-title.md)")
    assert architecture.adr_breaches(tmp_path) == []


def test_a_gap_in_the_numbers_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    plant_record(tmp_path, "0002")
    assert architecture.adr_breaches(tmp_path) == [
        "0002-a-title.md: number 0001 is missing or used twice"
    ]


def test_an_unknown_status_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000", "Maybe")
    assert architecture.adr_breaches(tmp_path) == ["0000-a-title.md: status 'Maybe'"]


def test_a_missing_section_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    path = tmp_path / "docs/adrs/0000-a-title.md"
    path.write_text(path.read_text().replace("## Rejected\n", ""))
    assert architecture.adr_breaches(tmp_path) == ["0000-a-title.md: no Rejected"]


def test_an_essay_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    path = tmp_path / "docs/adrs/0000-a-title.md"
    path.write_text(path.read_text() + "More.\n" * architecture.ADR_LINES_MAX)
    assert architecture.adr_breaches(tmp_path) == ["0000-a-title.md: longer than 64 lines"]


def test_a_record_the_index_forgets_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    plant_record(tmp_path, "0001", listed=False)
    (breach,) = architecture.adr_breaches(tmp_path)
    assert "no line '| [0001]" in breach


def test_an_index_line_without_a_record_is_found(tmp_path: Path) -> None:
    plant_record(tmp_path, "0000")
    index = tmp_path / "docs/adrs/README.md"
    index.write_text(index.read_text() + INDEX_LINE.format(number="0001", status="Accepted"))
    assert architecture.adr_breaches(tmp_path) == [
        "docs/adrs/README.md: 0001-a-title.md does not exist"
    ]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


ADAPTERS = ("node/p2p", "node/chain", "node/rpc", "node/store", "node/views")
ROOMS = ("protocols", "contracts", "node", "node/sinks", *ADAPTERS)


def plant_house(root: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", root)
    for room in ROOMS:
        plant(root, f"{room}/__init__.py", "")
    for module in ("node/engine", "node/outbox", "node/daemon", "node/cli", "node/keys"):
        plant(root, f"{module}.py", "")
    plant(root, "protocols/state.py", "")
    plant(root, "node/limits.py", "")
    plant(root, "node/whatif.py", "")
    plant(root, "node/explain.py", "")


def test_a_house_in_order_passes_the_import_rules(tmp_path: Path) -> None:
    plant_house(tmp_path)
    plant(tmp_path, "node/engine.py", "import node.store, node.p2p, node.outbox, protocols.state\n")
    plant(tmp_path, "node/cli.py", "import node.daemon, node.limits\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


CROSSING = [
    ("protocols/state.py", "import node.limits", "protocols.state -> node.limits"),
    ("protocols/state.py", "import trio", "protocols.state -> trio"),
    ("protocols/state.py", "import time", "protocols.state -> time"),
    ("node/p2p/session.py", "import node.store", "node.p2p.session -> node.store"),
    ("node/store/log.py", "import node.engine", "node.store.log -> node.engine"),
    ("node/store/views.py", "import node.views", "node.store.views -> node.views"),
    ("node/views/view.py", "import node.store", "node.views.view -> node.store"),
    ("node/views/view.py", "import node.keys", "node.views.view -> node.keys"),
    ("node/views/view.py", "import time", "node.views.view -> time"),
    ("node/views/view.py", "import node.sinks", "node.views.view -> node.sinks"),
    ("node/sinks/sink.py", "import node.store", "node.sinks.sink -> node.store"),
    ("node/sinks/sink.py", "import socket", "node.sinks.sink -> socket"),
    ("node/engine.py", "import node.daemon", "node.engine -> node.daemon"),
    ("node/daemon.py", "import node.cli", "node.daemon -> node.cli"),
    ("contracts/__init__.py", "import protocols.state", "contracts -> protocols.state"),
    ("node/whatif.py", "import node.keys", "node.whatif -> node.keys"),
    ("node/explain.py", "import node.store", "node.explain -> node.store"),
    ("node/explain.py", "import time", "node.explain -> time"),
]
"""Path, the line planted there, and what the linter says of it."""


def test_every_import_across_the_floors_is_found(tmp_path: Path) -> None:
    plant_house(tmp_path)
    for path in {path for path, _, _ in CROSSING}:
        lines = [line for planted, line, _ in CROSSING if planted == path]
        plant(tmp_path, path, "\n".join(lines) + "\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert [named for _, _, named in CROSSING if named not in done.stdout] == []


def test_adapters_may_not_meet_in_a_module_of_no_floor(tmp_path: Path) -> None:
    plant_house(tmp_path)
    plant(tmp_path, "node/joiner.py", "import node.store\n")
    plant(tmp_path, "node/rpc/server.py", "import node.joiner\n")
    assert lint_imports(tmp_path).returncode == 1
