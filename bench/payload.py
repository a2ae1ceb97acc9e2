"""Every event of every benchmark carries the same 200 bytes of valid JSON."""

from __future__ import annotations

from typing import Final

EVENT_TYPE: Final = "Measured"
CONTENT_TYPE: Final = "application/json"
PAYLOAD_SIZE: Final = 200

_FRAME: Final = b'{"reading":"%b"}'
PAYLOAD: Final = _FRAME % (b"x" * (PAYLOAD_SIZE - len(_FRAME % b"")))
