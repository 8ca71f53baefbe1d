"""What becomes of hits where Herald, the network or the key do not do their part."""

from playwright.sync_api import Route

from tests.services.herald import HeraldServer
from tests.tracker.conftest import Shop, Visit
from webapp.access.scopes import Scope

COLLECT = "**/collect?*"
HIDING = """
let state = 'visible';
Object.defineProperty(document, 'visibilityState', {get: () => state});
window.show = (now) => { state = now; document.dispatchEvent(new Event('visibilitychange')); };
"""
"""Makes ``show('hidden')`` and ``show('visible')``, as a visitor's turn to another tab would."""


def cut(route: Route) -> None:
    """Let a call reach Herald, and its answer reach nobody."""
    if route.request.post_data_buffer is not None:
        route.fetch()
    route.abort("connectionreset")


def test_an_answer_that_is_lost(shop: Shop, visit: Visit) -> None:
    """What Herald has taken without the page knowing is sent again, and counts once."""
    visitor = visit()
    visitor.page.route(COLLECT, cut, times=1)
    visitor.go(shop.address())
    visitor.wait_for_count("retries")
    assert len(shop.hits("page_view", 1)) == 1
    visitor.wait_for_count("sent")
    visitor.run("herald.track('afterwards')")
    shop.hits("afterwards", 1)
    assert shop.counted("page_view") == 1
    assert visitor.count("retries") == 1


def test_herald_is_away(shop: Shop, server: HeraldServer, visit: Visit) -> None:
    """What happens while Herald is stopped waits, in order, and comes when it is back."""
    visitor = visit()
    visitor.go(shop.address())
    visitor.wait_for_count("sent")
    server.stop()
    try:
        visitor.run("for (let n = 0; n < 5; n++) herald.track('offline', {n})")
        visitor.wait_for_count("retries")
    finally:
        server.start()
    hits = shop.hits("offline", 5)
    assert [hit["metadata"] for hit in hits] == [{"n": n} for n in range(5)]
    visitor.wait_for_count("sent", 6)
    assert visitor.count("waiting") == visitor.count("dropped") == 0


def test_a_page_that_is_left_while_herald_is_away(shop: Shop, visit: Visit) -> None:
    """What it could not send is sent by the next page that has the same key, as the first one's."""
    visitor = visit()
    visitor.context.route(COLLECT, lambda route: route.abort("connectionrefused"))
    visitor.go(shop.address("/first"))
    visitor.wait_for_count("retries")
    visitor.run("herald.track('before')")
    shop.open(auto="false")
    visitor.context.unroute(COLLECT)
    visitor.run("Object.defineProperty(navigator, 'onLine', {value: false})")
    page, another = shop.site.page, shop.server.issue_key(Scope.COLLECT, app="another")
    shop.site.page = page.replace(shop.key, another)
    visitor.go(shop.address("/another"))
    assert (visitor.run("localStorage.length"), visitor.count("waiting")) == (1, 0)
    shop.site.page = page
    visitor.go(shop.address("/second"))
    visitor.wait_for_count("sent", 2)
    for event in ("page_view", "before"):
        (hit,) = shop.hits(event, 1)
        assert hit["url"] == shop.address("/first")
    assert visitor.run("localStorage.length") == 0


def test_a_page_that_is_hidden(shop: Shop, visit: Visit) -> None:
    """What waits is given to the browser; what cannot be sent then is taken up when it is shown."""
    visitor = visit(HIDING)
    visitor.go(shop.address())
    visitor.wait_for_count("sent")
    visitor.run("herald.track('hidden'); show('hidden')")
    assert (visitor.count("waiting"), visitor.count("beaconed")) == (0, 1)
    visitor.page.route(COLLECT, lambda route: route.abort("connectionrefused"))
    visitor.run("show('visible'); herald.track('kept')")
    visitor.wait_for_count("retries")
    for _ in range(2):
        visitor.run("show('hidden')")
        assert visitor.count("waiting") == 0
        visitor.run("show('visible')")
        assert visitor.count("waiting") == 1
    visitor.page.unroute(COLLECT)
    visitor.wait_for_count("sent", 2)
    assert len(shop.hits("kept", 1)) == len(shop.hits("hidden", 1)) == 1
    assert visitor.count("beaconed") == 1


def test_more_than_is_granted(shop: Shop, visit: Visit) -> None:
    """A 429 is waited for as it says, and a batch that no limit would grant is made smaller."""
    visitor = visit()
    shop.open(auto="false")
    visitor.go(shop.address())
    visitor.run("for (let n = 0; n < 12; n++) herald.track('many', {n})")
    visitor.wait_for_count("sent", 12)
    assert visitor.count("retries") >= 1, "12 are more than 8"
    hits = shop.hits("many", 12)
    assert sorted(str(hit["metadata"]) for hit in hits) == sorted(str({"n": n}) for n in range(12))


def test_retry_after(shop: Shop, visit: Visit) -> None:
    """Who says when to come again, a proxy for one, is not called before, nor by other events."""
    said = {
        "Retry-After": "2",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
    }
    visitor = visit()
    visitor.page.route(COLLECT, lambda route: route.fulfill(status=503, headers=said), times=1)
    visitor.go(shop.address())
    visitor.wait_for_count("retries")
    visitor.run("for (let n = 0; n < 7; n++) herald.track('more', {n})")
    visitor.wait_for_count("sent", 8)
    times = visitor.run(
        "performance.getEntriesByType('resource')"
        ".filter(({name}) => name.includes('/collect')).map(({startTime}) => startTime)"
    )
    assert isinstance(times, list)
    first, second = (float(str(at)) for at in times)
    assert second - first >= 2000


def test_a_queue_that_is_full(shop: Shop, visit: Visit) -> None:
    """No more than 500 hits wait, the newest; a hit that is too large does not get in."""
    visitor = visit()
    visitor.context.route(COLLECT, lambda route: route.abort("connectionrefused"))
    shop.open(auto="false")
    visitor.go(shop.address())
    visitor.run("for (let n = 0; n < 510; n++) herald.track('full', {n})")
    assert (visitor.count("waiting"), visitor.count("dropped")) == (500, 10)
    visitor.wait_for_count("retries")
    visitor.run("herald.track('large', {text: 'x'.repeat(20000)})")
    assert (visitor.count("waiting"), visitor.count("dropped")) == (500, 11)
    warnings = [text for text in visitor.complaints if "herald.js" in text]
    assert len(warnings) == 1
    assert "20000 characters" in warnings[0]


def test_a_hit_that_is_refused(shop: Shop, visit: Visit) -> None:
    """It is counted and told once on the console; the others are taken."""
    visitor = visit()
    visitor.go(shop.address())
    visitor.run("herald.track(''); herald.track('good'); herald.track('')")
    assert len(shop.hits("good", 1)) == 1
    visitor.wait_for_count("rejected", 2)
    assert visitor.count("sent") == 2
    (warning,) = visitor.complaints
    assert "Must not be empty" in warning


def test_a_key_that_is_revoked(shop: Shop, visit: Visit) -> None:
    """It is said once, and nothing more is sent."""
    visitor = visit()
    calls: list[str] = []
    visitor.page.on("request", lambda request: calls.append(request.url))
    shop.site.page = shop.site.page.replace(shop.key, "nonsense")
    visitor.go(shop.address())
    visitor.wait_for_count("dropped")
    assert visitor.run("herald.isOn()") is False
    visitor.run("herald.track('more'); herald.flush()")
    visitor.go(shop.address("/next"))
    visitor.wait_for_count("dropped")
    assert sum("/collect" in call for call in calls) == 2, "one a page"
    assert sum("herald.js: " in text for text in visitor.complaints) == 2
