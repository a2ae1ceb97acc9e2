"""A message as people and JSON see it: an envelope with its record opened, anything else as it is."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.messages.envelope import SECURE, UNSECURED, read_canonical
from gater.messages.signing import Signature
from gater.model.errors import MessageError

encode: Final = msgspec.json.Encoder(enc_hook=repr).encode
"""As JSON; what msgpack can say and JSON cannot is shown as Python prints it."""


def shown(body: Any) -> Any:
    """The body of a message, to look at.

    An envelope becomes `{"tag", "signed", "record"}`, with the `key_id` and the time `sent` (milliseconds since 1970)
    of a signed one. Its signature is not verified: `signed` says that there is one, not that it is good; whoever acts
    on a message opens it with `validate_message`. What is no envelope of a known record is returned as it is.
    """
    if not isinstance(body, list | tuple):
        return body
    try:
        match body:
            case [str(kind), signature, bytes(original)] if kind == SECURE:
                return _shown(original, Signature.read(signature))
            case [str(kind), bytes(original)] if kind == UNSECURED:
                return _shown(original, None)
    except MessageError:
        pass
    return body


def shown_as_json(instance: str, topic: str, body: Any) -> bytes:
    """A message on one line: `{"topic", "instance", "message"}`, bytes as base64 text."""
    return encode({"topic": topic, "instance": instance, "message": shown(body)})


def _shown(original: bytes, signature: Signature | None) -> dict[str, Any]:
    record = read_canonical(original)
    facts: dict[str, Any] = {"tag": record.tag, "signed": signature is not None}
    if signature is not None:
        facts |= {"key_id": signature.key_id, "sent": signature.sent}
    return {**facts, "record": record.to_dict()}
