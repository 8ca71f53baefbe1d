"""A shop that is made up: what its services publish, and what its site's visitors do."""

import random
from datetime import UTC, datetime, timedelta

from logger_lib import JsonObject, JsonValue

BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36",
)
_PAGES = ("", "shoes", "shoes", "shoes/sneakers?size=42", "cart", "about", "blog/spring-collection")
_REFERRERS = ("https://www.google.com/", "https://duckduckgo.com/", "https://news.example/", None)
_VISITS = ("page_view",) * 6 + ("add_to_cart", "add_to_cart", "checkout", "signup")
_EVENTS = ("order.created", "order.created", "order.paid", "cart.updated")
CUSTOMERS = 12
_CHANCES = random.Random(7)
_WEEKEND, _STAY_AWAY = (5, 6), 0.5


def order_event(name: str | None = None) -> JsonObject:
    """Return an event, as a service of the shop publishes it."""
    event = name or _CHANCES.choice(_EVENTS)
    customer = _CHANCES.randint(1, CUSTOMERS)
    item: JsonObject = {
        "sku": f"shoe-{_CHANCES.randint(1, 40)}",
        "size": _CHANCES.randint(36, 46),
    }
    data: JsonObject = {
        "orderId": f"{_CHANCES.getrandbits(32):08x}",
        "amount": _CHANCES.randint(10, 400),
        "customer": {"id": customer, "name": "Ada Lovelace"},
        "items": [item],
    }
    rooms: list[JsonValue] = ["orders", f"customer-{customer}"]
    return {"event": event, "rooms": rooms[event == "cart.updated" :], "data": data}


def visits(number: int, days: int = 60) -> list[JsonValue]:
    """Return hits of the last ``days``, more of them lately, and fewer at weekends."""
    now = datetime.now(UTC)
    found: list[JsonValue] = []
    while len(found) < number:
        age = timedelta(days=days * (1 - _CHANCES.random() ** 0.6))
        if (now - age).weekday() in _WEEKEND and _CHANCES.random() < _STAY_AWAY:
            continue
        found.append(
            {
                "event": _CHANCES.choice(_VISITS),
                "timestamp": (now - age).isoformat(),
                "userId": f"visitor-{int(_CHANCES.expovariate(1 / 150))}",
                "url": f"https://shop.example/{_CHANCES.choice(_PAGES)}",
                "referrer": _CHANCES.choice(_REFERRERS),
                "userAgent": _CHANCES.choice(BROWSERS),
            }
        )
    return found
