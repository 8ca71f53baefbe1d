"""The tracker in a real browser, on a site that Herald has never heard of."""

from playwright.sync_api import Request

from tests.tracker.conftest import Shop, Visit


def test_a_page_and_what_is_done_there(shop: Shop, visit: Visit) -> None:
    """A view comes by itself, and events that the page tells of; summaries have both."""
    visitor = visit()
    visitor.go(shop.address("/start?utm=mail#top"))
    visitor.follow(shop.address("/cart"))
    visitor.run("herald.identify(7); herald.track('order.paid', {amount: 100, items: ['a', null]})")
    (paid,) = shop.hits("order.paid", 1)
    assert paid["userId"] == "7"
    assert paid["metadata"] == {"amount": 100, "items": ["a", None]}
    views = {hit["url"]: hit for hit in shop.hits("page_view", 2)}
    first, second = views[shop.address("/start?utm=mail")], views[shop.address("/cart")]
    assert paid["url"] == shop.address("/cart")
    assert first["referrer"] is None
    assert second["referrer"] == shop.address("/start?utm=mail")
    assert first["sessionId"] == second["sessionId"] == paid["sessionId"] != ""
    assert (first["device"], first["browser"], first["isBot"]) == ("desktop", "Chrome", False)
    metadata = first["metadata"]
    assert isinstance(metadata, dict)
    assert metadata == {"title": "Shop", "language": "en-US", "screenSize": "1280x720"}
    assert visitor.context.cookies() == []
    assert visitor.complaints == []


def test_a_single_page_application(shop: Shop, visit: Visit) -> None:
    """Each address that a router shows is a view: pushed, replaced, or gone back to."""
    visitor = visit()
    visitor.go(shop.address("/one"))
    visitor.run("history.pushState({}, '', '/nowhere'); history.replaceState({}, '', '/two')")
    shop.hits("page_view", 2)
    visitor.run("history.replaceState({at: 1}, '', '/two'); history.pushState({}, '', '#part')")
    visitor.run("history.pushState({}, '', '/three')")
    shop.hits("page_view", 3)
    visitor.run("history.go(-2)")
    hits = shop.hits("page_view", 4)
    paths = [str(hit["url"]).removeprefix(shop.site.url) for hit in hits]
    assert paths == ["/one", "/two", "/three", "/two"]
    referrers = [str(hit["referrer"] or "").removeprefix(shop.site.url) for hit in hits]
    assert referrers == ["", "/one", "/two", "/three"]
    assert visitor.complaints == []


def test_pages_that_are_not_seen_when_they_load(shop: Shop, visit: Visit) -> None:
    """One loaded ahead is viewed when it is shown; one that the browser kept, when it is again."""
    ahead = "Object.defineProperty(document, 'prerendering', {value: !location.hash})"
    visitor = visit(ahead)
    visitor.go(shop.address("/ahead"))
    assert visitor.count("waiting") == 0
    visitor.run("document.dispatchEvent(new Event('prerenderingchange'))")
    shop.hits("page_view", 1)
    visitor.run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")
    assert visitor.count("waiting") == 0
    visitor.run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert len(shop.hits("page_view", 2)) == 2


def test_leaving(shop: Shop, visit: Visit) -> None:
    """What was told just before the page is left, or closed, is sent all the same."""
    visitor = visit()
    visitor.go(shop.address())
    visitor.wait_for_count("sent")
    visitor.run("herald.track('left'); location.href = 'about:blank'")
    assert len(shop.hits("left", 1)) == 1
    visitor.go(shop.address("/again"))
    visitor.run("herald.track('closed')")
    visitor.page.close(run_before_unload=True)
    (closed,) = shop.hits("closed", 1)
    assert closed["url"] == shop.address("/again")


def test_what_the_site_chooses(shop: Shop, visit: Visit) -> None:
    """``data-auto``, ``data-query``, ``data-hash`` and ``data-host`` do what they say."""
    shop.open(auto="false", query="false", hash="true", host=shop.server.url + "/")
    visitor = visit()
    visitor.go(shop.address("/reset?token=secret#/a"))
    visitor.run("history.pushState({}, '', '/b')")
    visitor.run("herald.page(); location.hash = '/c'; herald.page()")
    hits = shop.hits("page_view", 2)
    assert [hit["url"] for hit in hits] == [shop.address("/b"), shop.address("/b#/c")]
    shop.open(query="false", hash="true")
    visitor = visit()
    visitor.go(shop.address("/reset?token=secret#/a"))
    visitor.run("location.hash = '/b'")
    hits = shop.hits("page_view", 4)
    assert [hit["url"] for hit in hits[2:]] == [
        shop.address("/reset#/a"),
        shop.address("/reset#/b"),
    ]


REFUSALS = (
    "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})",
    "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})",
)


def test_who_does_not_want_it(shop: Shop, visit: Visit) -> None:
    """With Do Not Track or Global Privacy Control nothing is sent and nothing is kept."""
    for refusal in REFUSALS:
        visitor = visit(refusal)
        called: list[str] = []

        def note(request: Request, called: list[str] = called) -> None:
            called.append(request.url)

        visitor.page.on("request", note)
        visitor.go(shop.address())
        visitor.run(
            "herald.identify('7'); herald.track('order.paid'); herald.page(); herald.flush()"
        )
        assert visitor.run("herald.isOn()") is False
        assert visitor.count("waiting") == 0
        assert visitor.run("localStorage.length + sessionStorage.length") == 0
        visitor.go(shop.address("/next"))
        assert any("herald.js" in url for url in called)
        assert not any("collect" in url for url in called)
        assert visitor.complaints == []
    assert shop.counted("page_view") == shop.counted("order.paid") == 0


def test_an_odd_browser(shop: Shop, visit: Visit) -> None:
    """Storage blocked, a clock ten years behind, an id ``herald`` in the page: it counts."""
    shop.site.page = shop.site.page.replace("<h1>", "<h1 id=herald>")
    blocked = "".join(
        f"Object.defineProperty(window, '{name}', {{get() {{ throw new Error('blocked'); }}}});"
        for name in ("localStorage", "sessionStorage")
    )
    visitor = visit(blocked + "const real = Date.now; Date.now = () => real() - 315360000000;")
    visitor.go(shop.address())
    visitor.wait_for_count("sent")
    (hit,) = shop.hits("page_view", 1)
    assert str(hit["timestamp"])[:4] == str(hit["receivedAt"])[:4]
    assert hit["sessionId"]
    assert visitor.complaints == []
