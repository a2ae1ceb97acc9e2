"""Telemetry of a node: log lines, metrics and health."""
