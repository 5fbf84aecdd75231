"""Ties sources, compiler settings and artifacts together by sha256, without a compiler.

It can tell that a file is not the one that was there when the contracts were built. Whether the
artifacts are what the sources compile to, only a rebuild can tell: `scripts/contracts.py --check`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
"""The folder of the contracts; every path in the manifest is relative to it."""
MANIFEST_NAME = "manifest.json"
SETTINGS_NAME = "settings.json"
SECTIONS = {
    "settings": SETTINGS_NAME,
    "sources": "src/**/*.sol",
    "artifacts": "artifacts/**/*.json",
}
"""Sections of the manifest and the files each one lists, as glob patterns."""


def read_manifest(root: Path = ROOT) -> dict[str, Any]:
    """The manifest as parsed JSON: `solc` (full version) and a {path: sha256} per section."""
    manifest: dict[str, Any] = json.loads((root / MANIFEST_NAME).read_text())
    return manifest


def file_digests(root: Path) -> dict[str, dict[str, str]]:
    """{section: {path: sha256 in hex}} of the files that are in `root` now."""
    return {
        section: {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.glob(pattern))
        }
        for section, pattern in SECTIONS.items()
    }


def verify_manifest(root: Path = ROOT) -> list[str]:
    """One line per file that is missing, changed, or not listed; empty when all is as built."""
    try:
        manifest = read_manifest(root)
    except (OSError, ValueError) as error:
        return [f"{MANIFEST_NAME}: {error}"]
    found = []
    for section, present in file_digests(root).items():
        listed: dict[str, str] = manifest.get(section, {})
        for path in sorted(listed.keys() | present.keys()):
            if path not in present:
                found.append(f"{path}: listed in {MANIFEST_NAME}, but missing")
            elif path not in listed:
                found.append(f"{path}: not listed in {MANIFEST_NAME}")
            elif listed[path] != present[path]:
                found.append(f"{path}: changed since the contracts were built")
    return found


def main() -> int:
    """Print what does not match; 0 when everything does, else 1."""
    mismatches = verify_manifest()
    for line in mismatches:
        sys.stderr.write(f"contracts/{line}\n")
    if mismatches:
        sys.stderr.write("The contracts are not as they were built: see `make contracts`.\n")
        return 1
    sys.stdout.write("contracts: sources, settings and artifacts match the manifest\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
