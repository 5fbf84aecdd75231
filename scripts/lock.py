"""Write requirements.lock anew from pyproject.toml: every version exact, every wheel's hash.

Resolves with pip-tools in a throw-away environment, for the Python that runs it. The file names
packages and hashes only, never an address.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Exact versions of everything the node runs on and is tested with, installed with
# pip install -r requirements.lock. Made from pyproject.toml by `make lock`; edit that file instead.
"""
FLAGS = [
    "--extra=dev",
    "--extra=postgres",
    "--generate-hashes",
    "--allow-unsafe",
    "--strip-extras",
    "--no-annotate",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--pip-args=--only-binary :all:",
]


def main() -> int:
    """Resolve and write; the exit code is pip-compile's."""
    with tempfile.TemporaryDirectory(prefix="lock-") as name:
        scratch = Path(name)
        python = scratch / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pip-tools"], check=True)
        resolved = scratch / "resolved.txt"
        print("resolving, which takes a few minutes ...", flush=True)
        compile_command = [str(python), "-m", "piptools", "compile", "--quiet", *FLAGS]
        command = [*compile_command, f"--output-file={resolved}", "pyproject.toml"]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode == 0:
            text = resolved.read_text()
            (ROOT / "requirements.lock").write_text(HEADER + text)
            print(f"requirements.lock: {text.count('==')} packages")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
