"""What can go wrong between this node and a chain, by what must be done about it.

    ChainError
      EndpointDown        wait, or use another endpoint
      RpcError            the endpoint answered, and said no
      WrongChain          the configuration and the endpoint disagree: a person must look
      NoCodeAtAddress     likewise
      NoTokenAtAddress    likewise
      ToldOtherwise       what was read does not count: read it again

Nothing here is recorded or sent to peers; refusals of the core are `protocols.errors`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocols.types import Address, checksum_address


class ChainError(Exception):
    """Root of everything the chain room raises on purpose."""


RATE_LIMIT_CODES = frozenset({429, -32029, -32097})
"""HTTP's, and what providers of endpoints use. -32005 means too many results as well."""
RATE_LIMIT_WORDS = re.compile(r"rate.?limit|too many requests|limit exceeded|throughput", re.I)


@dataclass(eq=False)
class EndpointDown(ChainError):
    """The endpoint could not be reached, fell silent, hung up, or spoke nonsense."""

    endpoint: str
    """As `endpoint_label` prints it: without what a URL may hide in its path."""
    reason: str

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.reason}"


@dataclass(eq=False)
class RpcError(ChainError):
    """The endpoint answered a call with an error."""

    method: str
    code: int
    message: str
    data: object = None
    """Whatever the endpoint added: revert bytes as hex, an object, or nothing."""
    retry_after_s: float = 0.0
    """How long the endpoint asks us to wait; 0 if it does not say."""

    @property
    def asks_to_wait(self) -> bool:
        """Whether we asked too often, rather than for something impossible."""
        return self.code in RATE_LIMIT_CODES or RATE_LIMIT_WORDS.search(self.message) is not None

    def __str__(self) -> str:
        return f"{self.method}: {self.message} (code {self.code})"


@dataclass(eq=False)
class WrongChain(ChainError):
    """The endpoint serves another chain than the one this node was made for."""

    endpoint: str
    expected_chain_id: int
    chain_id: int

    def __str__(self) -> str:
        return (
            f"{self.endpoint} serves chain {self.chain_id}, this node was made for chain "
            f"{self.expected_chain_id}. Put an endpoint of chain {self.expected_chain_id} into "
            "[chain] urls"
        )


@dataclass(eq=False)
class NoCodeAtAddress(ChainError):
    """No contract lives where the configuration says one does."""

    endpoint: str
    contract: str
    address: Address
    chain_id: int

    def __str__(self) -> str:
        return (
            f"no contract at {checksum_address(self.address)}, the configured {self.contract}, on "
            f"chain {self.chain_id} ({self.endpoint}). Correct [chain] {self.contract}, or deploy "
            "the contracts (`tally devnet` does so on a local chain)"
        )


@dataclass(eq=False)
class NoTokenAtAddress(ChainError):
    """No contract lives where the policy accepts a token."""

    endpoint: str
    address: Address
    chain_id: int

    def __str__(self) -> str:
        return (
            f"no contract at {checksum_address(self.address)}, a token of [policy] assets, on "
            f"chain {self.chain_id} ({self.endpoint}). Correct [policy] assets"
        )


class ToldOtherwise(ChainError):
    """The endpoint in use tells other logs than it, or another before it, told of those blocks."""
