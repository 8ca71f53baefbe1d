"""What other hosts are told of their events, whatever becomes of the records of deliveries."""

import threading
from datetime import UTC, datetime

from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.services.herald import wait_until
from webapp.acknowledgement import Acknowledgement, Refusing
from webapp.hosts.answers import Answers
from webapp.hosts.entry import EventEntry
from webapp.hosts.notice import HostNotice
from webapp.hosts.outbox import Outbox


class ThirdPartyKeeper:
    """A keeper that is not ours, and fails its own way until it is well."""

    lost = 0
    is_well = False

    def accepts(self) -> bool:
        """Say yes."""
        return True

    def settle(self, timeout: float) -> bool:
        """Fail, or have settled."""
        del timeout
        if not self.is_well:
            raise RuntimeError("the disk is gone")
        return True


def entry(number: int) -> EventEntry:
    return EventEntry(
        host="there",
        number=number,
        event_id=f"id{number}",
        app_id="app",
        name="x",
        at=datetime(2026, 11, 22, tzinfo=UTC),
        rooms=(),
        excluded=frozenset(),
        packet='2["x",{}]',
    )


def test_a_keeper_that_fails_in_its_own_way_ends_no_answers() -> None:
    """What it fails for is withheld and counted; what comes later is answered."""
    keeper, outbox = ThirdPartyKeeper(), Outbox("here")
    acknowledgement = Acknowledgement(keeper, Refusing("", "", ""), stored=True)
    logger = MemoryLoggerFactory().create_logger("deliveries")
    answers = Answers(outbox, logger, acknowledgement, HostNotice())
    runs = threading.Thread(target=answers.run)
    runs.start()
    try:
        answers.delivered(entry(1), ("sid",))
        wait_until(lambda: answers.withheld == 1, "the answer that is withheld")
        keeper.is_well = True
        answers.delivered(entry(2), ("sid",))
        assert outbox.wake.wait(5)
        assert outbox.next_batch().replies == {"there": {2: 1}}
    finally:
        answers.close()
        runs.join(5)
