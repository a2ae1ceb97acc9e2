"""Gater: event streams with optimistic concurrency, subscriptions and snapshots, in process or served."""

from gater.api.arguments import LIVE, StreamAppend
from gater.api.blocking import BlockingGaterApi
from gater.api.gater_api import GaterApi
from gater.client.connecting import connect
from gater.client.connecting import connect_blocking as connect_sync
from gater.gateway.opening import open_api as open
from gater.gateway.opening import open_blocking as open_sync
from gater.model.commands import StreamGuard, WriteResult
from gater.model.errors import (
    AccessError,
    AlreadyExistsError,
    ConflictError,
    DuplicateEventError,
    EventTooLargeError,
    GaterError,
    IntegrityError,
    InternalError,
    InvalidArgumentError,
    InvalidCountError,
    InvalidRequestError,
    InvalidStartVersionError,
    MisconfiguredError,
    MissingExtraError,
    NotFoundError,
    NoWorkersError,
    OverloadedError,
    PermissionDeniedError,
    ReplicaDivergedError,
    RequestTimeoutError,
    RequestTooLargeError,
    SetupError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreUnavailableError,
    StreamDeletedError,
    TransientError,
    UnauthenticatedError,
    ValidationError,
    WrongExpectedVersionError,
)
from gater.model.events import Event, NewEvent
from gater.model.expected_version import ANY, NO_STREAM, STREAM_EXISTS
from gater.model.limits import Limits
from gater.model.snapshots import Snapshot
from gater.model.stores import StoreConfig, StoreInfo, StoreStatus, VerifyReport

__all__ = [
    "ANY",
    "LIVE",
    "NO_STREAM",
    "STREAM_EXISTS",
    "AccessError",
    "AlreadyExistsError",
    "BlockingGaterApi",
    "ConflictError",
    "DuplicateEventError",
    "Event",
    "EventTooLargeError",
    "GaterApi",
    "GaterError",
    "IntegrityError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidCountError",
    "InvalidRequestError",
    "InvalidStartVersionError",
    "Limits",
    "MisconfiguredError",
    "MissingExtraError",
    "NewEvent",
    "NoWorkersError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "ReplicaDivergedError",
    "RequestTimeoutError",
    "RequestTooLargeError",
    "SetupError",
    "Snapshot",
    "StoreConfig",
    "StoreCorruptError",
    "StoreInfo",
    "StoreNotFoundError",
    "StoreStatus",
    "StoreUnavailableError",
    "StreamAppend",
    "StreamDeletedError",
    "StreamGuard",
    "TransientError",
    "UnauthenticatedError",
    "ValidationError",
    "VerifyReport",
    "WriteResult",
    "WrongExpectedVersionError",
    "connect",
    "connect_sync",
    "open",
    "open_sync",
]

__version__ = "0.1.0"
