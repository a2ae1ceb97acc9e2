"""Every event carries 200 bytes of valid JSON, the same in all but for the few that a selector is to find."""

from __future__ import annotations

from typing import Final

EVENT_TYPE: Final = "Measured"
CONTENT_TYPE: Final = "application/json"
PAYLOAD_SIZE: Final = 200

_FRAME: Final = b'{"reading":"%b"}'
PAYLOAD: Final = _FRAME % (b"x" * (PAYLOAD_SIZE - len(_FRAME % b"")))

RARE_TYPE: Final = "Rare"
RARE_DATA: Final = {"operator": "John"}
"""What a payload selector looks for."""

_RARE_FRAME: Final = b'{"operator":"John","reading":"%b"}'
RARE_PAYLOAD: Final = _RARE_FRAME % (b"x" * (PAYLOAD_SIZE - len(_RARE_FRAME % b"")))
