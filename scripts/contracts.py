"""Build the contracts: `rebuild` writes the artifacts, `--check` compares them byte for byte.

    python scripts/contracts.py rebuild      compile and write contracts/artifacts and the manifest
    python scripts/contracts.py --check      compile in a temporary folder and compare, exit 1
    python scripts/contracts.py --manifest   compare hashes only, without Node or a compiler

Each contract is compiled alone with the files it imports, so that its bytes depend on nothing
else. The compiler is npm's `solc`, kept in `.tools`; Node comes from the machine or, where it
has none, from a Python wheel.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # Python puts this file's folder first, where this file hides the package of its name.
    sys.path[0] = str(ROOT)

from contracts import manifest  # noqa: E402
from scripts.setup import SetupError, find_npm  # noqa: E402

CONTRACTS = ROOT / "contracts"
TOOLS = ROOT / ".tools"

SOLC_VERSION = "0.8.37"
SOLC_FOLDER = TOOLS / f"solc-{SOLC_VERSION}"

CODE_SIZE_MAX = 24_576
"""Bytes of deployed code the chain accepts (EIP-170)."""

CONTRACT_NAMES = (
    *("ConsensusApp", "MessageLogApp", "NitroAdjudicator", "RockPaperScissorsApp"),
    *("TestToken", "VirtualPaymentApp"),
)
"""The contracts with an artifact; so has every file of src/test, under `test/`."""

OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
IMPORT = re.compile(r"""\bfrom\s+['"](\.[^'"]+)['"]""")

DRIVER = """
const fs = require('fs');
const solc = require(process.argv[1]);
const inputs = JSON.parse(fs.readFileSync(0, 'utf8'));
const outputs = inputs.map((input) => JSON.parse(solc.compile(JSON.stringify(input))));
process.stdout.write(JSON.stringify({version: solc.version(), outputs}));
"""
"""Reads a list of standard JSON inputs, answers the outputs and the compiler's full version."""


class BuildError(Exception):
    """The contracts cannot be built; the text says why."""


def import_closure(source: Path, root: Path) -> dict[str, str]:
    """{path relative to `root`: text} of a Solidity file and everything it imports."""
    found: dict[str, str] = {}
    waiting = [source.resolve()]
    while waiting:
        path = waiting.pop()
        key = path.relative_to(root.resolve()).as_posix()
        if key not in found:
            found[key] = path.read_text()
            waiting += [(path.parent / name).resolve() for name in IMPORT.findall(found[key])]
    return dict(sorted(found.items()))


def artifact_names(root: Path) -> list[str]:
    """Names of all artifacts, the tests' helpers included."""
    helpers = sorted(f"test/{path.stem}" for path in (root / "src" / "test").glob("*.sol"))
    return [*CONTRACT_NAMES, *helpers]


def compiler_input(name: str, root: Path) -> dict[str, Any]:
    """The standard JSON input that compiles one contract."""
    settings = json.loads((root / manifest.SETTINGS_NAME).read_text())
    sources = import_closure(root / "src" / f"{name}.sol", root)
    return {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sources.items()},
        "settings": {**settings, "outputSelection": {"*": {"*": OUTPUTS}}},
    }


def artifact_text(name: str, output: dict[str, Any]) -> str:
    """The artifact file of one contract; raises BuildError on any complaint of the compiler."""
    complaints = [entry["formattedMessage"] for entry in output.get("errors", [])]
    if complaints:
        raise BuildError("\n".join(complaints))
    contract = name.rpartition("/")[2]
    compiled = output["contracts"][f"src/{name}.sol"][contract]
    code_size = len(compiled["evm"]["deployedBytecode"]["object"]) // 2
    if code_size > CODE_SIZE_MAX:
        raise BuildError(f"{name}: {code_size} bytes of code, {CODE_SIZE_MAX} are allowed")
    artifact = {
        "contract": contract,
        "source": f"src/{name}.sol",
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + compiled["evm"]["deployedBytecode"]["object"],
    }
    return json.dumps(artifact, indent=1) + "\n"


def find_node() -> str:
    """Path of node: the machine's, else the one of a wheel. Raises SetupError without either."""
    beside = Path(sys.executable).parent
    wheel = TOOLS / "node-venv" / "bin"
    path = os.pathsep.join([os.environ.get("PATH", ""), str(beside), str(wheel)])
    if (node := shutil.which("node", path=path)) is None:
        TOOLS.mkdir(exist_ok=True)
        find_npm(TOOLS)
        node = shutil.which("node", path=path)
    if node is None:
        raise SetupError("node is missing. Debian and Ubuntu: sudo apt-get install nodejs npm")
    return node


def fetch_solc(node: str) -> Path:
    """Folder of the pinned compiler, fetched by name from npm if it is not there yet."""
    package = SOLC_FOLDER / "node_modules" / "solc"
    if (package / "soljson.js").exists():
        return package
    folders = [str(Path(node).parent), os.environ.get("PATH", "")]
    path = os.pathsep.join(folders)
    if (npm := shutil.which("npm", path=path)) is None:
        raise SetupError("npm is missing. Debian and Ubuntu: sudo apt-get install npm")
    SOLC_FOLDER.mkdir(parents=True, exist_ok=True)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
    command = [npm, "install", "--prefix", str(SOLC_FOLDER), *flags, f"solc@{SOLC_VERSION}"]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"{done.stderr.strip()}\n\nsolc {SOLC_VERSION} could not be fetched.")
    return package


def build(root: Path) -> None:
    """Compile every contract of `root` and write its artifacts and manifest there."""
    node = find_node()
    solc = fetch_solc(node)
    names = artifact_names(root)
    inputs = json.dumps([compiler_input(name, root) for name in names])
    command = [node, "-e", DRIVER, str(solc)]
    done = subprocess.run(command, input=inputs, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"solc did not run: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    if not answer["version"].startswith(f"{SOLC_VERSION}+"):
        raise BuildError(f"solc is {answer['version']}, {SOLC_VERSION} is needed")
    texts = [artifact_text(*pair) for pair in zip(names, answer["outputs"], strict=True)]
    shutil.rmtree(root / "artifacts", ignore_errors=True)
    for name, text in zip(names, texts, strict=True):
        path = root / "artifacts" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    content = {"solc": answer["version"], **manifest.file_digests(root)}
    (root / manifest.MANIFEST_NAME).write_text(json.dumps(content, indent=2) + "\n")


def differences(built: Path, committed: Path) -> list[str]:
    """Artifacts and manifests that are not byte-equal between two folders of contracts."""
    patterns = (manifest.MANIFEST_NAME, manifest.SECTIONS["artifacts"])
    paths = {
        path.relative_to(root).as_posix()
        for root in (built, committed)
        for pattern in patterns
        for path in root.glob(pattern)
    }
    return [path for path in sorted(paths) if not _same_bytes(built / path, committed / path)]


def _same_bytes(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.read_bytes() == other.read_bytes()


def check() -> int:
    """Rebuild beside the clone and compare; 0 when every byte is the same."""
    with tempfile.TemporaryDirectory() as name:
        built = Path(name) / "contracts"
        built.mkdir()
        shutil.copytree(CONTRACTS / "src", built / "src")
        shutil.copy(CONTRACTS / manifest.SETTINGS_NAME, built)
        build(built)
        different = differences(built, CONTRACTS)
    for path in different:
        print(f"contracts/{path}: not what the sources compile to", file=sys.stderr)
    if different:
        print("Run: python scripts/contracts.py rebuild", file=sys.stderr)
        return 1
    print(f"contracts: a rebuild with solc {SOLC_VERSION} gives the same bytes")
    return 0


def main() -> int:
    """Run what the arguments say; 0 when all is well, 1 when something differs or is missing."""
    parser = argparse.ArgumentParser(description="Build and compare the contracts.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("action", nargs="?", choices=["rebuild"], help="compile and write")
    choice.add_argument("--check", action="store_true", help="compile and compare bytes")
    choice.add_argument("--manifest", action="store_true", help="compare hashes, no compiler")
    arguments = parser.parse_args()
    if arguments.manifest:
        return manifest.main()
    try:
        if arguments.check:
            return check()
        build(CONTRACTS)
    except (BuildError, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    print("contracts: artifacts and manifest written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
