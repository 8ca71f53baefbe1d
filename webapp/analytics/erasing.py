"""One user's data deleted from all apps of an owner, or from one, and that written down."""

import time
from collections.abc import Callable

from webapp.analytics.asked_apps import Asker, find_apps
from webapp.audit import Action, AuditTrail
from webapp.collect.deletion.erasure import Erased, Erasure
from webapp.collect.deletion.set_aside import HitsSetAside
from webapp.storage.database import Database

SECONDS = 5.0
"""How long a call deletes; whoever has more hits than that is told to call again."""


class UserErasing:
    """Erases users for owners."""

    def __init__(
        self,
        database: Database,
        erasure: Erasure,
        set_aside: HitsSetAside,
        audit: AuditTrail,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._erasure = erasure
        self._set_aside = set_aside
        self._audit = audit
        self._timer = timer

    def erase(self, owner: Asker, user_id: str, address: str | None) -> Erased:
        """Delete the hits of the user for about five seconds, and say how far that came.

        Those that were set aside count as hits. Raises ``NotFound`` where the app is not the
        owner's, ``Unavailable`` where something cannot be searched just now. The trail does not
        say who the user was: that would be left of them.
        """
        apps = self._database.run(lambda session: find_apps(session, owner)).ids
        deadline = self._timer() + SECONDS
        set_aside = self._set_aside.erase(apps, user_id)
        hits, is_complete = set_aside.hits, set_aside.is_complete
        for app_id in apps:
            erased = self._erasure.erase(app_id, user_id, deadline - self._timer())
            hits += erased.hits
            is_complete = is_complete and erased.is_complete
        self._audit.record(
            Action.USER_ERASED,
            who=owner.owner_id or "",
            address=address,
            about={"appIds": [*apps], "hits": hits, "isComplete": is_complete},
        )
        return Erased(hits, is_complete=is_complete)
