"""What a person reads first: where Herald listens, how to publish, where the log is."""

from sqlalchemy.engine import make_url

from webapp.settings import Settings

FIRST_EVENT = """{
    "event": "order.created",
    "room": "9d283b4a-c87f-4337-ac2e-fe71ad0c6c42",
    "data": {
        "orderId": "cfa3f520-fa3f-4859-b5b0-a0b4e32e593f",
        "amount": 100,
        "products": [
            { "id": "d4c792cd-8690-400f-bc89-b1c5acef4903", "price": 50, "qty": 2 }
        ]
    }
}"""


def banner(settings: Settings, first_key: str | None, login_link: str | None = None) -> str:
    """Return the text shown when the server has started.

    ``first_key`` is the token that this start has made, ``login_link`` a link that signs the
    operator in; both are shown this once.
    """
    address = f"http://localhost:{settings.port}"
    hint = (
        "This first start made the key. It is not shown again: 'make key' prints a fresh one."
        if first_key
        else "$KEY is an API key: KEY=$(make -s key) makes a fresh one."
    )
    sign_in = (
        f"\nOpen the console, once, within 15 minutes, with this link:\n\n{login_link}\n"
        if login_link
        else ""
    )
    places = "\n".join(f"  {_place(name, settings)}" for name in settings.event_loggers)
    return f"""
Herald listens on {address}

Publish an event:

curl -i {address}/events \\
  -H "Authorization: Bearer {first_key or "$KEY"}" \\
  -H "Content-Type: application/json" \\
  -d '{FIRST_EVENT}'

{hint}
{sign_in}
The log goes to:
{places}
"""


def _place(logger: str, settings: Settings) -> str:
    database = make_url(settings.database_url).render_as_string(hide_password=True)
    places = {
        "logging": "this terminal, a line for each event and each recipient",
        "console": "standard output, a JSON object a line",
        "sql": f"the table event_log of {database}",
        "mongodb": "the collection event_log of MONGO_URI",
        "sentry": "the project of SENTRY_DSN",
    }
    return f"{logger}: {places.get(logger, 'a destination of its own')}"
