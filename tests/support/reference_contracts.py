"""Nitro's published contracts, as its npm package holds them, for tests that compare.

Fetched by name when a test first needs them, through npm and its own configuration (the npm of a
wheel where the machine has none), and kept in `.tools`. Whatever answers must give exactly the
package pinned here; nothing of it is installed or run.
"""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from contracts.loader import Artifact
from scripts.setup import TOOLS, SetupError, find_npm

PACKAGE = "@statechannels/nitro-protocol"
VERSION = "2.0.1-alpha.6"
INTEGRITY = (
    "VehCgq3AOVTGCvGGIoF23YyQX+x1IbLzByFWbqPovucsm9vW0udR7r8Okw9hC0ZHanHOjQH5KxJL6aKUnrXinw=="
)
"""The registry's `dist.integrity` of that version: base64 of sha512 over the archive."""

ARCHIVE = TOOLS / f"nitro-protocol-{VERSION}.tgz"


def is_pinned(content: bytes) -> bool:
    """Whether these bytes are the archive of the pinned version."""
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == INTEGRITY


def fetch() -> bytes:
    """The archive, fetched once for all test processes. SetupError when it cannot be had."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "nitro-protocol.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ARCHIVE.exists() and is_pinned(content := ARCHIVE.read_bytes()):
            return content
        with tempfile.TemporaryDirectory(dir=TOOLS, prefix="fetch-") as name:
            folder = Path(name)
            command = [*find_npm(folder), "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts"]
            command += ["--pack-destination", str(folder)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            found = list(folder.glob("*.tgz"))
            if done.returncode != 0 or len(found) != 1:
                raise SetupError(f"{done.stderr}\n\n{PACKAGE} could not be fetched from npm.")
            content = found[0].read_bytes()
            if not is_pinned(content):
                raise SetupError(f"{PACKAGE}@{VERSION} is not the archive that is pinned here.")
            found[0].replace(ARCHIVE)
    return content


@functools.cache
def reference_artifact(name: str) -> Artifact:
    """One of Nitro's contracts: `NitroAdjudicator`, `ConsensusApp` or `VirtualPaymentApp`."""
    with tarfile.open(fileobj=io.BytesIO(fetch()), mode="r:gz") as archive:
        member = archive.extractfile(f"package/dist/artifacts/contracts/{name}.sol/{name}.json")
        if member is None:
            raise LookupError(name)
        fields = json.loads(member.read())
    return Artifact(
        name=name,
        abi=fields["abi"],
        bytecode=bytes.fromhex(fields["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(fields["deployedBytecode"][2:]),
    )
