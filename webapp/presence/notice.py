"""What is said on stderr of who is there: each thing once an outage."""

from logger_lib.notice import Notice, reason_of


class PresenceNotice(Notice):
    """Speaks for this host."""

    def __init__(self) -> None:
        super().__init__("Herald:")

    def failed(self, error: Exception) -> None:
        """Say that watchers may not have been told of something."""
        self._say(
            "failed",
            f"cannot tell watchers who comes and goes on other hosts: {reason_of(error)}; it is"
            " tried again every second, with all that was missed",
        )

    def works(self) -> None:
        """Say, where it was said that they may not, that watchers are told again."""
        self._over("failed", "watchers are told again who comes and goes on other hosts")
