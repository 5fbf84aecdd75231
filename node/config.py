"""The configuration: flags over environment over file over defaults, each value with its origin.

`load` reads DIR/config.toml and gives one frozen `Config`, or raises one `ConfigError` that names
the key, the value, where it came from and what to do. The rule of the environment is mechanical:
the setting `urls` of `[chain]` is TALLY_CHAIN_URLS, lists are comma separated, and what is given
there replaces what the file says. Keys and passwords are never part of it (`node.keys`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from node import config_tables as tables
from node import config_values as values
from node.config_tables import TokenTerms
from node.config_values import Endpoint, Parser, printable
from node.limits import (
    SNAPSHOT_INTERVAL_RECORD_COUNT,
    SNAPSHOT_INTERVAL_RECORD_COUNT_MAX,
    SNAPSHOT_INTERVAL_RECORD_COUNT_MIN,
)
from node.policy import Rule
from protocols.draft import CHALLENGE_DURATION_S_MAX
from protocols.hub import PARTS
from protocols.ledger import GUARANTEE_COUNT_MAX
from protocols.types import Address

CONFIG_FILE = "config.toml"
"""The file's name in a node's directory."""
TOKEN_FILE = "rpc.token"
"""The owner's bearer token, beside the configuration."""
RPC_FILE = "rpc.json"
"""Where a running daemon says which ports it got, beside the configuration."""

CONFIRMATION_COUNT_MAX = 10_000
"""Blocks. More than a day of blocks is a typing error."""
QUORUM_MAX = 16
"""Endpoints. More say nothing that these do not."""
FEE_CEILING_GWEI_MAX = 1_000_000
"""Gwei. A transaction of 100,000 gas would cost 100 of the chain's own coins."""
CHALLENGE_DURATION_S_MAX_DEFAULT = 7 * 86_400
"""Seconds. Seven times what a channel gets that is opened without saying: time for an owner who is
away for days, and money that is bound for several durations comes back within weeks."""
APPROVAL_TIMEOUT_S_MAX = 366 * 86_400
"""Seconds. What an owner left for a year will not be answered."""


@dataclass
class ConfigError(Exception):
    """One setting that cannot be used, and what to do about it."""

    key: str
    """`section.key`, or the file's name where the whole file is at fault."""
    value: object
    """As given; None when nothing was given."""
    origin: str
    reason: str
    next_step: str

    def __str__(self) -> str:
        given = "" if self.value is None else f" = {printable_given(self.value)}"
        return f"{self.key}{given} ({self.origin}): {self.reason}. {self.next_step}"


def printable_given(value: object) -> str:
    """What was written, short enough for an error line."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


@dataclass(frozen=True)
class NodeConfig:
    """`[node]`: who this is and where it keeps its files."""

    name: str
    data_dir: Path
    """The event log's directory, absolute."""
    keystore: Path
    """The encrypted key, absolute."""


@dataclass(frozen=True)
class ChainConfig:
    """`[chain]`: the one deployment this node works on."""

    urls: tuple[str, ...]
    """Endpoints in order of preference."""
    chain_id: int
    adjudicator: Address
    virtual_payment_app: Address
    consensus_app: Address
    confirmation_count: int
    """Blocks upon a log's block before the log counts."""
    quorum: int = 1
    """Endpoints that must tell the same before a fact counts."""
    fee_ceiling_gwei: int = 500
    """The most that is bid for a unit of gas."""
    message_log_app: Address | None = None
    """What application channels run on unless they are told another; None: there is none."""
    judged_apps: tuple[Address, ...] = ()
    """Contracts that judge an application's moves themselves."""


@dataclass(frozen=True)
class P2pConfig:
    """`[p2p]`: where peers reach us and where we reach them."""

    listen: Endpoint
    peers: Mapping[Address, Endpoint]


@dataclass(frozen=True)
class RpcConfig:
    """`[rpc]`: where the owner's programs reach us."""

    listen: Endpoint


@dataclass(frozen=True)
class PolicyConfig:
    """`[policy]`: what peers may propose."""

    challenge_duration_s_min: int
    default: Literal["ask", "allow", "deny"]
    assets: tuple[Address, ...] = ()
    """Tokens that channels may hold besides the chain's own currency."""
    rules: tuple[Rule, ...] = ()
    """The first that matches decides; the default where none does."""
    approval_timeout_s: int = 86_400
    """What the owner was asked and did not answer is rejected after it."""
    challenge_after_silence_s: int = 0
    """How long a peer may keep a running objective waiting before it is challenged; 0: for ever."""
    exit_patience_s: int = 60
    app_messages_per_minute: int = 300_000
    """Of one peer in all its applications; what it says beyond that waits."""
    app_reducer_s_per_minute: int = 30
    """How long reducers run for one peer, likewise."""
    """How long neighbours have to give back what they guarantee for a channel final on chain."""
    challenge_duration_s_max: int = CHALLENGE_DURATION_S_MAX_DEFAULT
    """Who does not answer, or holds channels together with others, binds our money for one duration
    or several."""


@dataclass(frozen=True)
class HubConfig:
    """`[hub]`: what this node takes, and how much it risks, in virtual channels.

    Fees and limits are for the chain's own currency, smallest unit; a limit of None is none.
    """

    enabled: bool = False
    """Whether channels between others may lead through this node."""
    fee_base: int = 0
    fee_ppm: int = 0
    """Parts per million of a channel's amount."""
    fee_minimum: int = 0
    capacity: int | None = None
    """The most that all channels between others may come to."""
    exposure_max: int | None = None
    """The most that guarantees with one peer may come to, as a hub or as an end."""
    guarantee_count_max: int = 100
    """Guarantees in one ledger."""
    tokens: Mapping[Address, TokenTerms] = field(default_factory=lambda: MappingProxyType({}))
    """The same for tokens; the node is no hub for a token that is not here."""


@dataclass(frozen=True)
class PaymentsConfig:
    """`[payments]`: how this node pays."""

    share_vouchers: bool = True
    """Whether the payments of a batch share one voucher, unless the call says."""


@dataclass(frozen=True)
class StoreConfig:
    """`[store]`: how this node keeps its log."""

    snapshot_interval_records: int = SNAPSHOT_INTERVAL_RECORD_COUNT
    """Records between two snapshots; a busy node takes them less often."""


@dataclass(frozen=True)
class ViewsConfig:
    """`[views]`: tables of channels, payments, fees and balances, kept beside the log."""

    enabled: bool = True
    """Whether a process of its own keeps them while the node runs."""
    keep_changes: bool = False
    """Whether each row's changes are kept too, for a sink."""
    postgres: str = ""
    """To where a sink copies them, as libpq takes it; nowhere if empty."""
    postgres_schema: str = "tally"
    """PostgreSQL's schema for them."""


@dataclass(frozen=True)
class ForTestsConfig:
    """`[test]`: nothing here belongs on a node with money."""

    fault_points: bool
    """Lets an environment variable arm the points where the process kills itself."""


@dataclass(frozen=True)
class Config:
    """Everything a daemon is told. `origins` maps `section.key` to where the value came from."""

    path: Path
    node: NodeConfig
    chain: ChainConfig
    p2p: P2pConfig
    rpc: RpcConfig
    policy: PolicyConfig
    hub: HubConfig
    test: ForTestsConfig
    payments: PaymentsConfig = PaymentsConfig()
    store: StoreConfig = StoreConfig()
    views: ViewsConfig = ViewsConfig()
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def home(self) -> Path:
        """The node's directory: where the configuration lies."""
        return self.path.parent

    @property
    def token_path(self) -> Path:
        """The owner's bearer token."""
        return self.home / TOKEN_FILE

    @property
    def rpc_file(self) -> Path:
        """The running daemon's ports."""
        return self.home / RPC_FILE


class Setting(NamedTuple):
    """One row of the table below."""

    section: str
    key: str
    parse: Parser
    default: object
    """As TOML would give it; None: the setting is required."""

    @property
    def name(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return f"TALLY_{self.section}_{self.key}".upper()


SETTINGS: tuple[Setting, ...] = (
    Setting("node", "name", values.name, "node"),
    Setting("node", "data_dir", values.path, "data"),
    Setting("node", "keystore", values.path, "keystore.json"),
    Setting("chain", "urls", values.urls, None),
    Setting("chain", "chain_id", values.integer(1), None),
    Setting("chain", "adjudicator", values.address, None),
    Setting("chain", "virtual_payment_app", values.address, None),
    Setting("chain", "consensus_app", values.address, None),
    Setting("chain", "message_log_app", values.maybe_address, values.NONE),
    Setting("chain", "judged_apps", values.addresses, []),
    Setting("chain", "confirmation_count", values.integer(0, CONFIRMATION_COUNT_MAX), 12),
    Setting("chain", "quorum", values.integer(1, QUORUM_MAX), 1),
    Setting("chain", "fee_ceiling_gwei", values.integer(1, FEE_CEILING_GWEI_MAX), 500),
    Setting("p2p", "listen", values.endpoint, "127.0.0.1:7401"),
    Setting("p2p", "peers", values.peers, {}),
    Setting("rpc", "listen", values.loopback_endpoint, "127.0.0.1:0"),
    Setting(
        "policy", "challenge_duration_s_min", values.integer(1, CHALLENGE_DURATION_S_MAX), 3600
    ),
    Setting(
        "policy",
        "challenge_duration_s_max",
        values.integer(1, CHALLENGE_DURATION_S_MAX),
        CHALLENGE_DURATION_S_MAX_DEFAULT,
    ),
    Setting("policy", "default", values.choice("ask", "allow", "deny"), "ask"),
    Setting("policy", "assets", values.addresses, []),
    Setting("policy", "rules", tables.rules, []),
    Setting("policy", "approval_timeout_s", values.integer(1, APPROVAL_TIMEOUT_S_MAX), 86_400),
    Setting("policy", "challenge_after_silence_s", values.integer(0, APPROVAL_TIMEOUT_S_MAX), 0),
    Setting("policy", "exit_patience_s", values.integer(0, APPROVAL_TIMEOUT_S_MAX), 60),
    Setting("policy", "app_messages_per_minute", values.integer(1, 10**9), 300_000),
    Setting("policy", "app_reducer_s_per_minute", values.integer(1, 60), 30),
    Setting("hub", "enabled", values.boolean, False),
    Setting("hub", "fee_base", tables.amount, 0),
    Setting("hub", "fee_ppm", values.integer(0, PARTS), 0),
    Setting("hub", "fee_minimum", tables.amount, 0),
    Setting("hub", "capacity", tables.limit, tables.NO_LIMIT),
    Setting("hub", "exposure_max", tables.limit, tables.NO_LIMIT),
    Setting("hub", "guarantee_count_max", values.integer(1, GUARANTEE_COUNT_MAX), 100),
    Setting("hub", "tokens", tables.tokens, {}),
    Setting("payments", "share_vouchers", values.boolean, True),
    Setting(
        "store",
        "snapshot_interval_records",
        values.integer(SNAPSHOT_INTERVAL_RECORD_COUNT_MIN, SNAPSHOT_INTERVAL_RECORD_COUNT_MAX),
        SNAPSHOT_INTERVAL_RECORD_COUNT,
    ),
    Setting("views", "enabled", values.boolean, True),
    Setting("views", "keep_changes", values.boolean, False),
    Setting("views", "postgres", values.conninfo, values.NONE),
    Setting("views", "postgres_schema", values.schema_name, "tally"),
    Setting("test", "fault_points", values.boolean, False),
)
"""Every setting there is, in the order in which people read them."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}
_SECTIONS = tuple(dict.fromkeys(setting.section for setting in SETTINGS))
_PATHS = ("node.data_dir", "node.keystore")


def load(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration of the node at `path`, a config.toml or its directory.

    `overrides` are the command line's, by `section.key`, as text; `environment` is os.environ
    unless given. Raises `ConfigError`.
    """
    file = config_file(path)
    document = _read(file)
    _refuse_unknown(document, file)
    environment = os.environ if environment is None else environment
    _refuse_unknown_variables(environment)
    overrides = overrides or {}
    for name in overrides:
        if name not in _BY_NAME:
            raise ConfigError(name, overrides[name], "flag", "there is no such setting", _known())
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        raw, origin, text = _given(setting, overrides, environment, document, file)
        found[setting.name] = _parsed(setting, raw, origin, text)
        origins[setting.name] = origin
    for name in _PATHS:
        found[name] = (file.parent / found[name]).resolve()
    return Config(
        path=file,
        node=NodeConfig(**_section(found, "node")),
        chain=ChainConfig(**_section(found, "chain")),
        p2p=P2pConfig(**_section(found, "p2p")),
        rpc=RpcConfig(**_section(found, "rpc")),
        policy=PolicyConfig(**_section(found, "policy")),
        hub=HubConfig(**_section(found, "hub")),
        test=ForTestsConfig(**_section(found, "test")),
        payments=PaymentsConfig(**_section(found, "payments")),
        store=StoreConfig(**_section(found, "store")),
        views=ViewsConfig(**_section(found, "views")),
        origins=MappingProxyType(origins),
    )


def config_file(path: Path) -> Path:
    """The absolute path of the configuration at `path`, a file or a node's directory."""
    return (path / CONFIG_FILE if path.is_dir() else path).resolve()


def rows(config: Config) -> list[tuple[str, object, str]]:
    """`(section.key, printable value, origin)` of every setting, for people and for JSON."""
    return [
        (
            setting.name,
            printable(getattr(getattr(config, setting.section), setting.key)),
            config.origins[setting.name],
        )
        for setting in SETTINGS
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            str(file), None, "file", "there is no configuration", "Make one with: tally init DIR"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(str(file), None, "file", reason, "Make the file readable") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(file), None, "file", f"it is not TOML: {error}", "Correct the line it names"
        ) from error


def _refuse_unknown(document: Mapping[str, Any], file: Path) -> None:
    for section, content in document.items():
        if section not in _SECTIONS:
            known = "Known sections: " + ", ".join(_SECTIONS)
            raise ConfigError(f"[{section}]", None, f"file {file}", "no such section", known)
        if not isinstance(content, Mapping):
            raise ConfigError(
                section, content, f"file {file}", "must be a section", f"Write it as [{section}]"
            )
        for key, value in content.items():
            if f"{section}.{key}" not in _BY_NAME:
                raise ConfigError(
                    f"{section}.{key}", value, f"file {file}", "no such setting", _known(section)
                )


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    prefixes = tuple(f"TALLY_{section}_".upper() for section in _SECTIONS)
    for variable, value in environment.items():
        if variable.startswith(prefixes) and variable not in _BY_VARIABLE:
            section = variable.split("_")[1].lower()
            raise ConfigError(variable, value, "environment", "no such setting", _known(section))


def _known(section: str | None = None) -> str:
    names = [s.name for s in SETTINGS if section is None or s.section == section]
    return "Known settings: " + ", ".join(names)


def _given(
    setting: Setting,
    overrides: Mapping[str, str],
    environment: Mapping[str, str],
    document: Mapping[str, Mapping[str, Any]],
    file: Path,
) -> tuple[object, str, bool]:
    """What was given for a setting, by whom, and whether it is text."""
    if setting.name in overrides:
        return overrides[setting.name], "flag", True
    if setting.variable in environment:
        return environment[setting.variable], f"environment {setting.variable}", True
    section = document.get(setting.section, {})
    if setting.key in section:
        return section[setting.key], f"file {file}", False
    if setting.default is None:
        raise ConfigError(
            setting.name,
            None,
            f"file {file}",
            "is required and was not given",
            f"Add it under [{setting.section}], or set {setting.variable}; "
            "tally init --deployment FILE fills in all of [chain]",
        )
    return setting.default, "default", False


def _parsed(setting: Setting, raw: object, origin: str, text: bool) -> object:
    try:
        return setting.parse(raw, text)
    except ValueError as error:
        raise ConfigError(setting.name, raw, origin, str(error), "Correct it there") from error


def _section(found: Mapping[str, Any], section: str) -> dict[str, Any]:
    return {s.key: found[s.name] for s in SETTINGS if s.section == section}
