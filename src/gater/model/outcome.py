"""The outcome of a call as its callback takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from gater.model.errors import GaterError

Done: TypeAlias = Callable[[Any, GaterError | None], None]
"""Takes the answer of a call, or its error, once."""
