"""The contracts' door: compiled contracts for whoever deploys or calls them.

Sources are in `src/`, what the compiler made of them in `artifacts/`, and `manifest.json` ties
the two together. Nothing here compiles, deploys or talks to a chain: `scripts/contracts.py`
rebuilds, `node/chain` calls.
"""

from contracts.loader import Artifact, ArtifactDamagedError, ArtifactMissingError, load_artifact
from contracts.manifest import verify_manifest

__all__ = [
    "Artifact",
    "ArtifactDamagedError",
    "ArtifactMissingError",
    "load_artifact",
    "verify_manifest",
]
