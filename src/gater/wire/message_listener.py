"""From WebSocket frames to whole messages: what both sides of a connection do with what picows reads."""

from __future__ import annotations

from typing import Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from gater.wire.codec import MalformedError
from gater.wire.fragments import Fragments, OversizedError

CLOSE_REASON_BYTES: Final = 123
"""What a closing frame has room for beside its code."""


def close_reason(text: object) -> bytes:
    """The reason of a closing frame: as much of a text as it has room for, in whole characters."""
    return str(text).encode()[:CLOSE_REASON_BYTES].decode(errors="ignore").encode()


class MessageListener(WSListener):
    """Hands on whole binary messages, violations of the protocol, and the peer's wish to close."""

    def __init__(self, largest_message: int) -> None:
        """`largest_message`: bytes that a message may have; picows bounds a single frame as well."""
        self._largest_message = largest_message
        self._fragments = Fragments(largest_message)

    def on_message(self, message: bytes) -> None:
        """A message arrived."""
        raise NotImplementedError

    def on_violation(self, reason: str, code: WSCloseCode = WSCloseCode.PROTOCOL_ERROR) -> None:
        """The peer sent what it must not send; the connection is to be closed with this code (RFC 6455, 7.4.1)."""
        raise NotImplementedError

    def on_close(self, code: int) -> None:
        """The peer closes; no message follows."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Forget a message that is not whole: the rest of it will not come."""
        self._fragments.let_go()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A WebSocket frame arrived; one that uses reserved bits is a violation, for no extension was agreed on."""
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.on_violation("reserved bits of a frame are set")
        elif kind is WSMsgType.BINARY and frame.fin and not self._fragments.unfinished:
            self._whole(frame.get_payload_as_bytes())
        elif kind is WSMsgType.BINARY or kind is WSMsgType.CONTINUATION:
            self._add(frame.get_payload_as_bytes(), first=kind is WSMsgType.BINARY, last=bool(frame.fin))
        elif kind is WSMsgType.CLOSE:
            self.on_close(int(frame.get_close_code().value))
        elif kind is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind is WSMsgType.TEXT:
            self.on_violation("messages are binary", WSCloseCode.UNSUPPORTED_DATA)

    def _whole(self, message: bytes) -> None:
        if len(message) > self._largest_message:
            self._oversized(OversizedError(self._largest_message))
        else:
            self.on_message(message)

    def _oversized(self, error: OversizedError) -> None:
        self.on_violation(str(error), WSCloseCode.MESSAGE_TOO_BIG)

    def _add(self, payload: bytes, *, first: bool, last: bool) -> None:
        try:
            message = self._fragments.add(payload, first=first, last=last)
        except OversizedError as error:
            self._oversized(error)
        except MalformedError as error:
            self.on_violation(str(error))
        else:
            if message is not None:
                self.on_message(message)
