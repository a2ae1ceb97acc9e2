"""An event store gateway."""

__version__ = "0.1.0"
