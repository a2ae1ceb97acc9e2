"""Every setting of a node: its type, default, meaning and the names it has in the environment."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec

from gater.config.tokens import Token
from gater.model.errors import InvalidArgumentError, MisconfiguredError
from gater.model.identifiers import check_store_id
from gater.model.limits import Limits
from gater.model.memory_budget import LEAST_MEMORY

SECRETS: Final = frozenset({"secret_key_base", "previous_secret_keys"})
"""Settings that nothing shows (tokens hide what is secret in them themselves)."""

_DEFAULT_LIMITS: Final = Limits()


def _about(doc: str, *, aliases: tuple[str, ...] = (), must: str = "") -> msgspec.Meta:
    """The metadata of a setting: a line for people, older names in the environment, and its rule."""
    return msgspec.Meta(description=doc, extra={"aliases": aliases, "must": must})


_POSITIVE: Final = msgspec.Meta(ge=1)
_POSITIVE_INT = "be a positive integer"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one node; a Settings that exists is valid, otherwise MisconfiguredError names the setting.

    Paths may be given as text and tuples as lists.
    """

    data_dir: Annotated[
        Path, _about("Folder of the store files; made when missing.", aliases=("EX_ESDB_DATA_DIR",))
    ] = Path("data")
    stores: Annotated[
        tuple[str, ...],
        _about("Stores that are made at the start when they are missing.", aliases=("EX_ESDB_STORE_ID",)),
    ] = ()

    host: Annotated[str, msgspec.Meta(min_length=1), _about("Address to listen on.", must="name an address")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65_535),
        _about(
            "Port of HTTP and RPC; 0 takes any free one.",
            aliases=("EXESDB_GATER_PORT",),
            must="be a valid port number (1-65535, or 0 for any free one)",
        ),
    ] = 4001
    max_connections: Annotated[
        int,
        _POSITIVE,
        _about(
            "Connections served at once; one more is answered `overloaded`.",
            aliases=("EXESDB_GATER_MAX_CONNECTIONS",),
            must=_POSITIVE_INT,
        ),
    ] = 1_000
    max_in_flight: Annotated[
        int,
        _POSITIVE,
        _about("Requests that one RPC connection may have under way.", must=_POSITIVE_INT),
    ] = 10_000
    max_streams: Annotated[
        int,
        _POSITIVE,
        _about("Reads and subscriptions that one RPC connection may have open.", must=_POSITIVE_INT),
    ] = 1_000
    body_timeout: Annotated[
        float,
        msgspec.Meta(gt=0, le=86_400),
        _about(
            "Seconds that a request over HTTP may keep the node waiting for its body, and one more for each 64 KiB "
            "that came; after that it is answered `timeout`.",
            must="be a number of seconds (above 0, up to 86400)",
        ),
    ] = 30.0
    drain_timeout: Annotated[
        float,
        msgspec.Meta(ge=0, le=86_400),
        _about(
            "Seconds that a node takes to stop at most (as a program; one second at least). Work under way may take "
            "to finish what is left of them without a second, or a quarter, for closing the files.",
            must="be a number of seconds (0-86400)",
        ),
    ] = 10.0

    max_event_bytes: Annotated[
        int, _POSITIVE, _about("Data and metadata of one event, in bytes.", must=_POSITIVE_INT)
    ] = _DEFAULT_LIMITS.max_event_bytes
    max_request_bytes: Annotated[
        int, _POSITIVE, _about("All events of one append, and any one request, in bytes.", must=_POSITIVE_INT)
    ] = _DEFAULT_LIMITS.max_request_bytes
    max_waiting_commands: Annotated[
        int, _POSITIVE, _about("Commands that may wait for one store's writer.", must=_POSITIVE_INT)
    ] = _DEFAULT_LIMITS.max_waiting_commands
    max_waiting_bytes: Annotated[
        int,
        _POSITIVE,
        _about(
            "Payload bytes that may wait for one store's writer, and request bytes that HTTP holds at once.",
            must=_POSITIVE_INT,
        ),
    ] = _DEFAULT_LIMITS.max_waiting_bytes
    max_memory: Annotated[
        int,
        msgspec.Meta(ge=LEAST_MEMORY),
        _about(
            "Bytes that may be held of what is counted, divided into shares; "
            "see [Run under load](../how-to/run-under-load.md).",
            must=f"be {LEAST_MEMORY} or more",
        ),
    ] = _DEFAULT_LIMITS.max_memory
    max_stores: Annotated[
        int,
        _POSITIVE,
        _about(
            "Stores that the node may have; making one more is answered `overloaded`. Those that are in `data_dir` "
            "when it starts are served in any case.",
            must=_POSITIVE_INT,
        ),
    ] = _DEFAULT_LIMITS.max_stores

    tokens: Annotated[
        tuple[Token, ...], _about("Who may do what: see [Tokens](#tokens). In the environment: a JSON list.")
    ] = ()
    allow_anonymous: Annotated[
        bool | None,
        _about(
            "Whether callers without a token may do everything. Not set: yes on a loopback address without `tokens`, "
            "otherwise no.",
            must="be a boolean",
        ),
    ] = None
    secret_key_base: Annotated[
        str | None,
        _about(
            "Key that signs system messages, the same on all nodes; a node that others reach needs one. An empty "
            "variable is none; SECRET_KEY_BASE, which other programs use as well, comes after the file.",
            aliases=("SECRET_KEY_BASE",),
        ),
    ] = None
    previous_secret_keys: Annotated[
        tuple[str, ...], _about("Keys that are still accepted, for as long as nodes are given a new one.")
    ] = ()
    allow_unsigned: Annotated[
        bool | None,
        _about(
            "Whether system messages may go unsigned when there is no key. Not set: yes on a loopback address, "
            "otherwise no.",
            must="be a boolean",
        ),
    ] = None
    tls_cert: Annotated[Path | None, _about("Certificate chain (PEM); turns TLS on.")] = None
    tls_key: Annotated[Path | None, _about("Private key of the certificate (PEM).")] = None
    tls_client_ca: Annotated[
        Path | None, _about("Authorities (PEM) of which every client must show a certificate (mutual TLS).")
    ] = None

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _about("Least important log line written.", aliases=("LOG_LEVEL",), must="be debug, info, warning or error"),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        _about("Log lines as `key=value` text or as JSON objects.", must="be text or json"),
    ] = "text"

    def __post_init__(self) -> None:
        for name, kind in FIELD_TYPES.items():
            msgspec.structs.force_setattr(self, name, _checked(name, kind, getattr(self, name)))
        self._check_stores()
        self._check_tls()
        if self.max_event_bytes > self.max_request_bytes:
            raise MisconfiguredError("max_event_bytes", "must not be larger than max_request_bytes")
        if not (self.tokens or self.anonymous):
            raise MisconfiguredError("tokens", self._why_tokens_are_needed())
        self._check_keys()

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in FIELD_TYPES if name not in SECRETS]
        return f"Settings({', '.join(shown)})"

    @property
    def anonymous(self) -> bool:
        """Whether callers without a token may do everything."""
        return self.loopback and not self.tokens if self.allow_anonymous is None else self.allow_anonymous

    @property
    def unsigned(self) -> bool:
        """Whether system messages may go unsigned when there is no key."""
        return self.loopback if self.allow_unsigned is None else self.allow_unsigned

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the node."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def limits(self) -> Limits:
        """The bounds that the gateway keeps."""
        return Limits(
            self.max_event_bytes,
            self.max_request_bytes,
            self.max_waiting_commands,
            self.max_waiting_bytes,
            self.max_memory,
            self.max_stores,
        )

    def _why_tokens_are_needed(self) -> str:
        if self.allow_anonymous is False:
            return "nobody could call: allow_anonymous is false and there are no tokens"
        return f"{self.host} can be reached from elsewhere: give tokens, or allow_anonymous = true"

    def _why_a_key_is_needed(self) -> str:
        if self.allow_unsigned is False:
            return "is needed: allow_unsigned is false"
        return f"is needed: {self.host} can be reached from elsewhere; give a key, or allow_unsigned = true"

    def _check_keys(self) -> None:
        if self.secret_key_base == "":
            msgspec.structs.force_setattr(self, "secret_key_base", None)
        if "" in self.previous_secret_keys:
            raise MisconfiguredError("previous_secret_keys", "a key is not empty")
        if self.secret_key_base is None:
            if not self.unsigned:
                raise MisconfiguredError("secret_key_base", self._why_a_key_is_needed())
            if self.previous_secret_keys:
                raise MisconfiguredError("previous_secret_keys", "needs secret_key_base, the key to sign with")

    def _check_stores(self) -> None:
        for store in self.stores:
            try:
                check_store_id(store)
            except InvalidArgumentError as error:
                raise MisconfiguredError("stores", error.reason) from None
        if len(set(self.stores)) > self.max_stores:
            raise MisconfiguredError("stores", f"must not be more than max_stores, {self.max_stores:,}")

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_cert" if self.tls_cert is None else "tls_key"
            raise MisconfiguredError(missing, "must be given: a certificate and its key go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise MisconfiguredError("tls_client_ca", "needs tls_cert and tls_key")


def must_text(name: str) -> str:
    """The rule of a setting, as the end of "NAME must"; empty when its type says all."""
    return str(_extra(name).get("must", ""))


def doc_text(name: str) -> str:
    """The line that says what a setting means."""
    return next(meta.description for meta in _metas(name) if meta.description)


def environment_names(name: str) -> tuple[str, ...]:
    """The environment variables of a setting, the one that wins first."""
    return (f"GATER_{name.upper()}", *_extra(name).get("aliases", ()))


FIELD_TYPES: Final[dict[str, Any]] = get_type_hints(Settings, include_extras=True)
"""The annotated type of every setting, in the order of the page."""


def _metas(name: str) -> tuple[msgspec.Meta, ...]:
    metas: tuple[msgspec.Meta, ...] = FIELD_TYPES[name].__metadata__
    return metas


def _extra(name: str) -> dict[str, Any]:
    return next(meta.extra for meta in _metas(name) if meta.extra is not None)


def _checked(name: str, kind: Any, value: Any) -> Any:
    """The value as the setting's type, or MisconfiguredError."""
    try:
        return msgspec.convert(value, kind, dec_hook=_as_path, from_attributes=True)
    except msgspec.ValidationError as error:
        rule = must_text(name)
        reason = f"must {rule}, got: {value!r}" if rule else str(error)
        raise MisconfiguredError(name, reason) from None


def _as_path(kind: Any, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value)
    raise msgspec.ValidationError(f"must be a path, got: {value!r}")
