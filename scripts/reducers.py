"""Build the shipped reducers: `rebuild` writes them, `--check` compares them byte for byte.

    python scripts/reducers.py rebuild      compile and write the modules and their manifest
    python scripts/reducers.py --check      compile and compare, exit 1 if a byte differs

The compiler is zig, from the package `ziglang`, kept in `.tools`.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # Python puts this file's folder first, where files would hide packages of their name.
    sys.path[0] = str(ROOT)

from node.reducer_compiler import (  # noqa: E402
    SHIPPED,
    ZIG_VERSION,
    CompilationFailed,
    compile_reducer,
)
from node.views.module import load_module  # noqa: E402
from node.views.view import View  # noqa: E402

TOOLS = ROOT / ".tools"
APPLICATIONS = ROOT / "node" / "views" / "applications"
"""A folder for each application, with a manifest of its own."""
FOR_TESTS = ROOT / "tests" / "support" / "reducers"
"""What tests of applications play with."""
MANIFEST = "manifest.json"
SCHEMA = "schema.sql"
"""The tables that the reducer of the folder makes, for who asks them."""


class ZigMissing(Exception):
    """zig could not be fetched; the text says why."""


def fetch_zig() -> list[str]:
    """The command that runs zig, fetched by name with pip if it is not there yet."""
    folder = TOOLS / f"zig-{ZIG_VERSION}"
    zig = folder / "ziglang" / "zig"
    TOOLS.mkdir(exist_ok=True)
    # Tests that run side by side want it at the same time: one of them fetches it.
    with (TOOLS / "zig.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not zig.exists():
            _fetch(folder)
    return [str(zig)]


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=TOOLS, prefix="fetch-") as name:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", name, f"ziglang=={ZIG_VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ZigMissing(f"{done.stderr.strip()}\n\nzig {ZIG_VERSION} did not come.")
        folder.mkdir(exist_ok=True)
        (Path(name) / "ziglang").replace(folder / "ziglang")


def folders() -> list[Path]:
    """All that hold reducers which ship, and that of the tests."""
    applications = sorted(source.parent for source in APPLICATIONS.glob("*/*.c"))
    return [SHIPPED, *applications, FOR_TESTS]


def build(folder: Path) -> dict[str, bytes]:
    """{file name: content} of what the C sources of a folder compile to, with the tables that it
    makes and the manifest."""
    zig = fetch_zig()
    sources = sorted([*folder.glob("*.c"), *folder.glob("*.h")])
    made = {
        source.with_suffix(".wasm").name: compile_reducer(zig, source)
        for source in sources
        if source.suffix == ".c"
    }
    digests = {
        **{source.name: _sha256(source.read_bytes()) for source in sources},
        **{name: _sha256(content) for name, content in made.items()},
    }
    if folder != FOR_TESTS:
        made[SCHEMA] = "\n".join(schema_of(made[name]) for name in sorted(made)).encode()
    content = {"zig": ZIG_VERSION, "files": dict(sorted(digests.items()))}
    return {**made, MANIFEST: (json.dumps(content, indent=2) + "\n").encode()}


def schema_of(code: bytes) -> str:
    """The tables and indexes that a reducer makes, as statements in SQL."""
    with View(":memory:", load_module(code)) as view:
        return "".join(f"{sql};\n" for _, sql in view.schema)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differences(built: dict[str, bytes], folder: Path) -> list[str]:
    """Names of what is not in the folder as it was built, or is there and was not built."""
    made = ("*.wasm", MANIFEST, SCHEMA)
    there = {path.name for pattern in made for path in folder.glob(pattern)}
    return [
        name
        for name in sorted(there | built.keys())
        if name not in there or built.get(name) != (folder / name).read_bytes()
    ]


def main() -> int:
    """Run what the arguments say; 0 when all is well, 1 when something differs or is missing."""
    parser = argparse.ArgumentParser(description="Build and compare the shipped reducers.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("action", nargs="?", choices=["rebuild"], help="compile and write")
    choice.add_argument("--check", action="store_true", help="compile and compare bytes")
    arguments = parser.parse_args()
    try:
        built = {folder: build(folder) for folder in folders()}
    except (CompilationFailed, ZigMissing) as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments.check:
        for folder, files in built.items():
            for name, content in files.items():
                (folder / name).write_bytes(content)
        print("reducers: modules and manifests written")
        return 0
    different = [
        (folder / name).relative_to(ROOT)
        for folder, files in built.items()
        for name in differences(files, folder)
    ]
    for path in different:
        print(f"{path}: not what the sources compile to", file=sys.stderr)
    if different:
        print("Run: python scripts/reducers.py rebuild", file=sys.stderr)
        return 1
    print(f"reducers: a rebuild with zig {ZIG_VERSION} gives the same bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
