"""A Herald on each kind of database, and apps of a test's own with hits that it makes up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import requests
from sqlalchemy import update

from logger_lib import JsonObject, inline, uuid7
from tests.services.herald import HeraldServer
from tests.services.migrated import migrated
from tests.web.conftest import object_in
from webapp.access.apps import Apps
from webapp.access.scopes import Scope
from webapp.collect.hit import Hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database
from webapp.storage.tables import App

SECRET = "a secret of the tests, long enough for it"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True, slots=True)
class Collecting:
    """A running Herald, and its database, which hits are written to as its collector does."""

    server: HeraldServer
    database: Database
    store: HitStore

    def app(self, time_zone: str = "UTC") -> "Collected":
        """Return a new app of the operator's, with a key that may read."""
        name = f"app-{uuid7()}"
        key = self.server.issue_key(Scope.READ, app=name)
        return self.collected(Apps(self.database).find(name).id, key, time_zone)

    def collected(self, app_id: str, token: str, time_zone: str = "UTC") -> "Collected":
        """Return an app that is there, as the bearer of ``token`` sees it."""
        change = update(App).where(App.id == app_id).values(time_zone=time_zone)
        self.database.run(lambda session: session.connection().execute(change))
        return Collected(self, app_id, token, ZoneInfo(time_zone))


@dataclass(frozen=True, slots=True)
class Collected:
    """An app and what it has collected."""

    collecting: Collecting
    id: str
    token: str
    zone: ZoneInfo

    def hit(
        self,
        at: str,
        event: str = "view",
        user: str | None = None,
        *,
        device: str = "desktop",
        user_agent: str = FIREFOX,
        url: str | None = None,
        referrer: str | None = None,
        session_id: str | None = None,
        ip_address: str | None = None,
    ) -> Hit:
        """Return a hit, not written yet; ``at`` is in the app's zone, or says its offset."""
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        ms = round(moment.timestamp() * 1000)
        return Hit(
            app_id=self.id,
            message_id=uuid7(),
            event=event,
            at=ms,
            received_at=ms,
            user_id=user,
            device=device,
            user_agent=user_agent,
            url=url,
            referrer=referrer,
            session_id=session_id,
            ip_address=ip_address,
        )

    def write(self, *hits: Hit) -> None:
        """Write hits."""
        assert list(self.collecting.store.write(hits)) == []

    def get(self, path: str, **query: str | Sequence[str]) -> requests.Response:
        """Ask a question."""
        return ask(self.collecting.server, self.token, path, **query)

    def ask(self, path: str, **query: str | Sequence[str]) -> JsonObject:
        """Ask a question that must be answered."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return object_in(answer)


def ask(
    server: HeraldServer, token: str | None, path: str, **query: str | Sequence[str]
) -> requests.Response:
    """Ask a question as the bearer of ``token``."""
    return requests.get(
        f"{server.url}/analytics/{path}",
        params=query,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=20,
    )


@pytest.fixture(scope="session", params=["sqlite", "mariadb", "postgresql"])
def collecting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collecting]:
    """A Herald on a database of each kind."""
    home = tmp_path_factory.mktemp("collecting")
    with migrated(request.param, home / "herald.db") as url:
        environ = {"DATABASE_URL": url, "SECRET_KEY": SECRET, "EVENT_LOGGERS": "logging"}
        with HeraldServer(home, environ) as server:
            database = Database(url, inline)
            yield Collecting(server, database, HitStore(database, AppPolicies(database)))
            database.close()


@pytest.fixture
def app(collecting: Collecting) -> Collected:
    """An app of this test's own, whose days are UTC's."""
    return collecting.app()
