"""The table of scopes."""

from __future__ import annotations

from gater.api.catalog import OPERATIONS
from gater.config.tokens import SCOPES
from gater.gateway.permissions import PERMISSIONS


def test_every_operation_has_a_scope() -> None:
    assert set(PERMISSIONS) == set(OPERATIONS)
    assert {permission.scope for permission in PERMISSIONS.values()} == set(SCOPES)


def test_what_destroys_needs_admin() -> None:
    for name in ("remove_store", "delete_stream", "truncate_stream", "compact_store", "import_events"):
        assert PERMISSIONS[name].scope == "admin"
