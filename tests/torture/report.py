"""What a fault run did and found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """One run: one kind of fault, again and again."""

    fault: str
    seed: int
    faults: int
    seconds: float = 0.0
    events: int = 0
    """Events that were acknowledged to writers."""
    deliveries: int = 0
    """Deliveries that consumers wrote down."""
    redeliveries: int = 0
    """Those among them that were not the first of their event."""
    operations: dict[str, int] = field(default_factory=dict)
    """How often each operation was answered, where a run counts them."""
    killed: dict[str, int] = field(default_factory=dict)
    """How often each kind of process was killed."""
    errors_met: dict[str, int] = field(default_factory=dict)
    recovery_seconds: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
