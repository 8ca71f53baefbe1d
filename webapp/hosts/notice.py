"""What is said on stderr of the line between hosts: each thing once an outage."""

from logger_lib.notice import Notice, reason_of


class HostNotice(Notice):
    """Speaks for this host."""

    def __init__(self) -> None:
        super().__init__("Herald:")

    def out_of_reach(self, error: Exception) -> None:
        """Say that the other hosts cannot be reached, and what becomes of events."""
        self._say(
            "out of reach",
            f"the other hosts are out of reach, as Redis does not answer ({reason_of(error)});"
            " events go to this host's sockets at once, and to the others' when it does",
        )

    def in_reach(self) -> None:
        """Say, where it was said that they are not, that they are reached again."""
        self._over("out of reach", "the other hosts are reached again")

    def gave_up(self, events: int) -> None:
        """Say that the other hosts never get some events."""
        self._say(
            "gave up",
            f"too many events wait for Redis: other hosts never get {events} of them by now, the"
            " oldest; /health/ready counts on",
        )

    def deaf(self) -> None:
        """Say that what is appended does not come back."""
        self._say(
            "deaf",
            "this host is deaf: what it says to all hosts does not come back to it from Redis; it"
            " reads by a new connection, and is not ready until it hears",
        )

    def hears(self) -> None:
        """Say, where it was said that it does not, that this host hears."""
        self._over("deaf", "this host hears again")

    def died(self, host: str) -> None:
        """Say that another host has ended without a word."""
        self._print(f"the host {host} says nothing any more, and is taken for dead.")

    def cannot_take(self, error: Exception) -> None:
        """Say that something another host has said failed here."""
        self._say("cannot take", f"cannot do what another host says: {reason_of(error)}")

    def cannot_answer(self, error: Exception) -> None:
        """Say that other hosts are not told what became of their events here."""
        self._say("cannot answer", f"cannot answer other hosts: {reason_of(error)}")

    def ends(self, waiting: int) -> None:
        """Say how many events the other hosts never get, where there are such."""
        if waiting:
            self._print(f"ends while {waiting} events wait for Redis: other hosts never get them.")
