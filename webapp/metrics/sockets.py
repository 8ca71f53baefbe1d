"""Figures of events and sockets."""

from logger_lib import JsonObject
from webapp.events.idempotency import MAX_BYTES as MAX_ANSWER_BYTES
from webapp.events.idempotency import IdempotentAnswers
from webapp.events.publisher import Publisher
from webapp.metrics.families import Figures, counter, counters, gauge
from webapp.realtime.connection import FLOOD, MALFORMED, SLOW
from webapp.realtime.engine import EngineServer
from webapp.realtime.parting import Parting
from webapp.realtime.rooms import RoomManager

OTHER = "other"


class SocketFigures:
    """Reads what the sockets' own parts count."""

    def __init__(
        self,
        rooms: RoomManager,
        engine: EngineServer,
        parting: Parting,
        publisher: Publisher,
        answers: IdempotentAnswers,
        *,
        max_sockets: int,
    ) -> None:
        self._rooms = rooms
        self._engine = engine
        self._parting = parting
        self._publisher = publisher
        self._answers = answers
        self._max_sockets = max_sockets
        told = engine.reason
        self._reasons = {
            SLOW: "slow",
            FLOOD: "flood",
            MALFORMED: "malformed",
            told.PING_TIMEOUT: "ping_timeout",
            told.CLIENT_DISCONNECT: "client_disconnect",
            told.SERVER_DISCONNECT: "server_disconnect",
            told.TRANSPORT_CLOSE: "transport_close",
            told.TRANSPORT_ERROR: "transport_error",
        }

    def collect(self) -> Figures:
        """Return the figures of events, then those of sockets."""
        yield counter(
            "herald_events_published_total", "Events taken here.", self._publisher.published
        )
        yield counter(
            "herald_deliveries_total",
            "Events given to sockets here, each socket counted; what is shown live is among them.",
            self._rooms.deliveries,
        )
        yield from self._idempotent()
        yield from self._sockets()
        yield from self._refused()

    def seen(self) -> JsonObject:
        """Return how many there are, for who asks whether Herald is well."""
        waiting, _ = self._waiting()
        return {
            "open": self._rooms.socket_count,
            "most": self._max_sockets,
            "rooms": self._rooms.room_count,
            "queueBytes": waiting,
        }

    def _idempotent(self) -> Figures:
        yield counter(
            "herald_idempotent_replays_total",
            "Calls answered again by their Idempotency-Key.",
            self._answers.replayed,
        )
        yield counter(
            "herald_idempotent_evicted_total",
            "Kept answers forgotten before their time, for want of room.",
            self._answers.evicted,
        )
        yield counter(
            "herald_idempotent_left_out_total",
            "Answers not kept for other hosts, as too many were being kept.",
            self._answers.left_out,
        )
        yield gauge(
            "herald_idempotent_bytes", "What the kept answers take here.", self._answers.size
        )
        yield gauge("herald_idempotent_limit_bytes", "What they may take.", MAX_ANSWER_BYTES)

    def _sockets(self) -> Figures:
        waiting, most = self._waiting()
        yield gauge("herald_sockets", "Sockets connected now.", self._rooms.socket_count)
        yield gauge("herald_sockets_limit", "Sockets there may be.", self._max_sockets)
        yield gauge(
            "herald_connections",
            "Connections of sockets, those included that have not logged in.",
            len(self._engine.sockets),
        )
        yield gauge(
            "herald_rooms", "Rooms in which somebody is, of all apps.", self._rooms.room_count
        )
        yield gauge("herald_socket_queue_bytes", "What waits for all sockets to read it.", waiting)
        yield gauge("herald_socket_queue_longest_bytes", "What waits for one at most.", most)
        yield gauge(
            "herald_socket_queue_limit_bytes",
            "What may wait for one; beyond it that is disconnected as slow.",
            self._engine.max_pending,
        )
        yield counters(
            "herald_socket_disconnects_total", "Connections ended.", "reason", self._disconnects()
        )
        yield counter(
            "herald_sockets_parted_total",
            "Sockets ended for good, as their key or room token was over.",
            self._parting.ended,
        )

    def _refused(self) -> Figures:
        engine = self._engine
        yield counters(
            "herald_connections_refused_total",
            "Connections of sockets that were refused, or not logged in in time.",
            "reason",
            {
                "full": engine.refused,
                "polling": engine.polling_refused,
                "session_unknown": engine.sessions_unknown,
                "never_logged_in": engine.never_logged_in,
            },
        )

    def _disconnects(self) -> dict[str, float]:
        found = dict.fromkeys([*self._reasons.values(), OTHER], 0.0)
        for reason, count in self._engine.disconnects.items():
            found[self._reasons.get(reason, OTHER)] += count
        return found

    def _waiting(self) -> tuple[int, int]:
        total = most = 0
        for connection in self._engine.sockets.values():
            pending = connection.pending_bytes
            if pending:
                total += pending
                most = max(most, pending)
        return total, most
