"""Every failure a caller can meet, in one tree.

GaterError
├── InvalidRequestError          the call itself is wrong; repeating it cannot help
│   ├── InvalidArgumentError         invalid_argument
│   ├── InvalidStartVersionError     invalid_start_version
│   ├── InvalidCountError            invalid_count
│   ├── ValidationError              validation_error
│   ├── EventTooLargeError           event_too_large
│   ├── RequestTooLargeError         request_too_large
│   ├── WrongContextError            wrong_context
│   └── ApiClosedError               api_closed
├── ConflictError                the call contradicts what is stored
│   ├── WrongExpectedVersionError    wrong_expected_version
│   ├── DuplicateEventError          duplicate_event
│   ├── AlreadyExistsError           already_exists
│   ├── StreamDeletedError           stream_deleted
│   └── HistoryChangedError          history_changed
├── NotFoundError                    not_found
│   ├── StoreNotFoundError           store_not_found
│   └── SubscriptionNotFoundError    subscription_not_found
├── AccessError                  who calls is unknown, or may not do this
│   ├── UnauthenticatedError         unauthenticated
│   └── PermissionDeniedError        permission_denied
├── MessageError                 a system message was refused
│   ├── InvalidSignatureError        invalid_signature
│   ├── NoSecretConfiguredError      no_secret_configured
│   ├── UnsecuredMessageError        unsecured_message_rejected
│   ├── InvalidFormatError           invalid_format
│   ├── UnknownInstanceError         unknown_instance
│   ├── NoSecretError                no_secret
│   ├── MessageExpiredError          message_expired
│   └── MessageReplayedError         message_replayed
├── TransientError               may pass; appends can be repeated safely (retryable)
│   ├── NoWorkersError               no_workers
│   ├── RequestTimeoutError          timeout
│   ├── OverloadedError              overloaded
│   └── StoreUnavailableError        store_unavailable
├── SetupError                   the installation or its settings are wrong
│   ├── MisconfiguredError           misconfigured
│   └── MissingExtraError            missing_extra
├── IntegrityError               what is stored is not what was written
│   ├── StoreCorruptError            store_corrupt
│   └── ReplicaDivergedError         replica_diverged
└── InternalError                    internal_error: a defect in Gater
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self


class GaterError(Exception):
    """Something went wrong.

    `code` is the stable name of the failure, `details` its fields, `message` a sentence for people. Fields are
    given by position or by name and can be read as attributes; a field that is not given is None.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *values: Any, message: str | None = None, **details: Any) -> None:
        self.details: dict[str, Any] = {**dict(zip(self.fields, values, strict=False)), **details}
        self.message = message or self._default_message()
        super().__init__(self.message)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).fields:
            return self.__dict__.get("details", {}).get(name)
        raise AttributeError(name)

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.message, self.details)

    def again(self) -> Self:
        """The same failure as a new exception: one that is raised many times would grow its traceback each time."""
        return type(self)(message=self.message, **self.details)

    @classmethod
    def _default_message(cls) -> str:
        return (inspect.getdoc(cls) or cls.__name__).splitlines()[0].rstrip(".")

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.details.items())
        return f"{self.message} ({facts})" if facts else self.message


def _rebuild(cls: type[GaterError], message: str, details: dict[str, Any]) -> GaterError:
    return cls(message=message, **details)


class InvalidRequestError(GaterError):
    """The request is not valid."""

    code = "invalid_argument"


class InvalidArgumentError(InvalidRequestError):
    """An argument has a value that is not allowed."""

    code = "invalid_argument"
    fields: ClassVar[tuple[str, ...]] = ("argument", "reason")


class InvalidStartVersionError(InvalidRequestError):
    """The version that a read starts at is a whole number, 0 or more."""

    code = "invalid_start_version"
    fields: ClassVar[tuple[str, ...]] = ("value",)


class InvalidCountError(InvalidRequestError):
    """The count of a read is a whole number, 1 or more."""

    code = "invalid_count"
    fields: ClassVar[tuple[str, ...]] = ("value",)


class ValidationError(InvalidRequestError):
    """A value does not have the shape that this call takes."""

    code = "validation_error"
    fields: ClassVar[tuple[str, ...]] = ("field", "reason")


class EventTooLargeError(InvalidRequestError):
    """The event's data and metadata together are larger than the limit (bytes)."""

    code = "event_too_large"
    fields: ClassVar[tuple[str, ...]] = ("size", "limit")


class RequestTooLargeError(InvalidRequestError):
    """The request is larger than the limit (bytes)."""

    code = "request_too_large"
    fields: ClassVar[tuple[str, ...]] = ("size", "limit")


class WrongContextError(InvalidRequestError):
    """The object that is used belongs to another event loop or process."""

    code = "wrong_context"
    fields: ClassVar[tuple[str, ...]] = ("reason",)


class ApiClosedError(InvalidRequestError):
    """The API was closed; open another one."""

    code = "api_closed"


class ConflictError(GaterError):
    """The call contradicts what is stored."""


class WrongExpectedVersionError(ConflictError):
    """The stream is not at the version that was expected."""

    code = "wrong_expected_version"
    fields: ClassVar[tuple[str, ...]] = ("stream_id", "expected", "actual")


class DuplicateEventError(ConflictError):
    """An event with this id is already in the stream, elsewhere than this call would have it.

    `version` and `position` say where it is; they are None for an id that comes twice within the call.
    """

    code = "duplicate_event"
    fields: ClassVar[tuple[str, ...]] = ("stream_id", "event_id", "version", "position")


class AlreadyExistsError(ConflictError):
    """The name is taken."""

    code = "already_exists"
    fields: ClassVar[tuple[str, ...]] = ("kind", "name")


class StreamDeletedError(ConflictError):
    """The stream was closed for good."""

    code = "stream_deleted"
    fields: ClassVar[tuple[str, ...]] = ("stream_id",)


class HistoryChangedError(ConflictError):
    """The store is not the one that the call goes on from: make what was made of its events anew.

    `history` is its present history; up to position `shared` it has the same events as the history that was named (0:
    that is not known).
    """

    code = "history_changed"
    fields: ClassVar[tuple[str, ...]] = ("store", "reason", "history", "shared")


class NotFoundError(GaterError):
    """There is nothing of that name here."""

    code = "not_found"
    fields: ClassVar[tuple[str, ...]] = ("kind", "name")


class StoreNotFoundError(NotFoundError):
    """There is no store of that name here; create_store makes one."""

    code = "store_not_found"
    fields: ClassVar[tuple[str, ...]] = ("store",)


class SubscriptionNotFoundError(NotFoundError):
    """There is no durable subscription of that name in this store; save_subscription makes one."""

    code = "subscription_not_found"
    fields: ClassVar[tuple[str, ...]] = ("store", "name")


class AccessError(GaterError):
    """Access is refused."""


class UnauthenticatedError(AccessError):
    """The caller gave no identity, or could not prove it."""

    code = "unauthenticated"


class PermissionDeniedError(AccessError):
    """The caller may not do this."""

    code = "permission_denied"
    fields: ClassVar[tuple[str, ...]] = ("operation", "scope")


class MessageError(GaterError):
    """A system message was refused."""


class InvalidSignatureError(MessageError):
    """The system message was not signed with a key of this node, or was changed since."""

    code = "invalid_signature"


class NoSecretConfiguredError(MessageError):
    """The system message is signed, and this node has no key to check it with."""

    code = "no_secret_configured"


class UnsecuredMessageError(MessageError):
    """The system message is not signed, and this node takes only signed ones."""

    code = "unsecured_message_rejected"


class InvalidFormatError(MessageError):
    """This is not a system message."""

    code = "invalid_format"
    fields: ClassVar[tuple[str, ...]] = ("reason",)


class UnknownInstanceError(MessageError):
    """No system messages belong to this instance."""

    code = "unknown_instance"
    fields: ClassVar[tuple[str, ...]] = ("instance",)


class NoSecretError(MessageError):
    """There is no key to sign the system message with."""

    code = "no_secret"


class MessageExpiredError(MessageError):
    """The system message was signed too long ago, or in the future."""

    code = "message_expired"


class MessageReplayedError(MessageError):
    """The system message was received before."""

    code = "message_replayed"


class TransientError(GaterError):
    """The call did not get through; it may later."""

    retryable = True


class NoWorkersError(TransientError):
    """No worker serves this store at the moment."""

    code = "no_workers"
    fields: ClassVar[tuple[str, ...]] = ("store",)


class RequestTimeoutError(TransientError):
    """No answer came in time; whether the call took effect is unknown."""

    code = "timeout"
    fields: ClassVar[tuple[str, ...]] = ("operation", "seconds")


class OverloadedError(TransientError):
    """More is waiting than the limit allows; try again later."""

    code = "overloaded"
    fields: ClassVar[tuple[str, ...]] = ("what", "limit")


class StoreUnavailableError(TransientError):
    """The store cannot serve this call at the moment."""

    code = "store_unavailable"
    fields: ClassVar[tuple[str, ...]] = ("store", "reason")


class SetupError(GaterError):
    """The installation or its settings are wrong."""


class MisconfiguredError(SetupError):
    """A setting is wrong."""

    code = "misconfigured"
    fields: ClassVar[tuple[str, ...]] = ("setting", "reason")


class MissingExtraError(SetupError):
    """This needs an optional part that is not installed."""

    code = "missing_extra"
    fields: ClassVar[tuple[str, ...]] = ("extra", "install")


class IntegrityError(GaterError):
    """The stored data is not the data that was written."""


class StoreCorruptError(IntegrityError):
    """The store's file is damaged; restore it from a backup."""

    code = "store_corrupt"
    fields: ClassVar[tuple[str, ...]] = ("store", "reason")


class ReplicaDivergedError(IntegrityError):
    """This replica differs from the log; rebuild it."""

    code = "replica_diverged"
    fields: ClassVar[tuple[str, ...]] = ("store", "reason")


class InternalError(GaterError):
    """Gater met a case it does not handle: a defect, please report it."""

    code = "internal_error"
