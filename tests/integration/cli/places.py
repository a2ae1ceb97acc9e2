"""Places that commands go to: a served node, or a folder of store files."""

from __future__ import annotations

from tests.integration.cli.runs import Finished, typed


class Place:
    """Where the commands of one test go, with a store of its own."""

    def __init__(self, where: tuple[str, str], store: str) -> None:
        self.where = where
        self.store = store

    def typed(self, *arguments: str) -> Finished:
        """What comes of a command that goes here."""
        return typed(*self.where, *arguments)

    def said(self, *arguments: str) -> Finished:
        """As `typed`, for a command that must succeed."""
        finished = self.typed(*arguments)
        assert finished.code == 0, finished.err
        return finished
