"""No secret leaves by a failure: not to Sentry, not into a log, not in an answer."""

import base64
import json
import re
import time
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import LogQuery
from tests.services.herald import HeraldServer, wait_until
from tests.services.sentry_receiver import SentryReceiver
from tests.services.sockets import RawWebSocket
from tests.web.conftest import refusal, stored_log
from webapp.access.scopes import Scope
from webapp.redaction import MOST, without_secrets

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2huIn0.c2lnbmF0dXJlLW9mLWEtdXNlcg"
SESSION = ".eJwljkFqAzEMRf-session-of-a-user.Zz1Q2w.qP7"
LINK = "0123456789abcdef0123456789abcdef-one-time-link"
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def sentry() -> Iterator[SentryReceiver]:
    """What takes what is really sent."""
    with SentryReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def failing(
    sentry: SentryReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HeraldServer]:
    """A server that reports to ``sentry`` and can be made to fail; it prints its access log."""
    home = tmp_path_factory.mktemp("failing")
    server = HeraldServer(home, {"SENTRY_DSN": sentry.dsn, "SECRET_KEY": "k" * 40})
    try:
        server.start("--access-logfile", "-", "tests.access.probe_app:app")
        yield server
    finally:
        server.stop()


def parts_of(secret: str) -> set[str]:
    """Return ``secret`` and each part of it that would be one itself, however it is written."""
    parts = {secret, *(part for part in secret.split(".") if len(part) >= 20)}
    return parts | {base64.b64encode(part.encode()).decode().rstrip("=") for part in parts}


def output_of(server: HeraldServer) -> str:
    """Return what the server has printed, but for the first key, which it is to print."""
    return server.log_text().replace(server.first_key, "")


def test_a_failure_with_secrets_everywhere(failing: HeraldServer, sentry: SentryReceiver) -> None:
    """A request that fails, with keys, cookies and tokens in every place, tells nobody of them.

    The view has all of them in local variables and quotes them in its error, which is logged to
    Sentry, to standard error and into the database.
    """
    key, other = (failing.issue_key(Scope.PUBLISH) for _ in range(2))
    secrets = [key, other, JWT, SESSION, LINK, PASSWORD]
    answer = requests.post(
        f"{failing.url}/test/failure?token={LINK}&api_key={other}&id_token={JWT}",
        data=json.dumps({"apiKey": key, "password": PASSWORD, "token": JWT}),
        headers={"Authorization": f"Bearer {key}", "X-API-Key": other},
        cookies={"session": SESSION, "user_token": JWT},
        timeout=10,
    )
    refusal(answer, 500, "internal_error")
    wait_until(lambda: bool(sentry.events), "the event in Sentry")
    failing.wait_for_log("[request.failed]")
    with stored_log({"HERALD_HOME": str(failing.home)}) as log:
        query = LogQuery(event="request.failed")
        wait_until(lambda: bool(log.read(query)), "the stored record")
        (record,) = log.read(query)
    stored = json.dumps([record.message, dict(record.fields)])
    assert "RuntimeError: cannot deal with" in stored
    assert "probe_app.py" in stored
    failing.wait_for_log("POST /test/failure?token=")
    (event,) = sentry.events
    assert '"RuntimeError"' in json.dumps(event["exception"])
    places = {
        "Sentry": b"".join(sentry.raw).decode(),
        "the output": output_of(failing),
        "the database": stored,
        "the answer": answer.text + str(answer.headers),
    }
    found = [
        (place, part)
        for place, text in places.items()
        for secret in [*secrets, "k" * 40]
        for part in parts_of(secret)
        if part in text
    ]
    print(f"secrets: {len(secrets) + 1} in {len(places)} places, found: {len(found)}")
    assert found == []


def test_refused_keys_are_not_repeated(failing: HeraldServer, sentry: SentryReceiver) -> None:
    """Neither a refused call nor a refused socket has its key in an answer or in the log."""
    forged = failing.issue_key(Scope.PUBLISH)[:-8] + "AAAAAAAA"
    answer = failing.post("/events", {"event": "a", "data": {}}, forged)
    refusal(answer, 401, "unauthorized")
    with RawWebSocket(failing.port).open() as client:
        told = client.ask_login(forged)
    assert "unauthorized" in told
    failing.wait_for_log("[socket.refused]")
    failing.wait_for_log("[audit.call_refused]")
    for text in (answer.text, told, output_of(failing), b"".join(sentry.raw).decode()):
        assert not any(part in text for part in parts_of(forged))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a herald_abc.def-ghi.jkl_mno b", "a … b"),
        ("herald_room_eyJhbGciOiJ.eyJz.c2ln", "…"),
        (f"got {JWT}!", "got …!"),
        ("Authorization: Bearer 0123456789", "Authorization: … …"),
        ("sent basic dXNlcjpwYXNz", "sent basic …"),
        ("postgres://user:pass@db/herald", "postgres://…@db/herald"),
        ("/auth/login?token=0123456789&next=/", "/auth/login?token=…&next=/"),
        (
            "/auth/google/callback?code=abc&state=def&x=1",
            "/auth/google/callback?code=…&state=…&x=1",
        ),
        ("{'X-API-Key': 'abcdef', 'Host': 'h'}", "{'X-API-Key': …, 'Host': 'h'}"),
        ('{"client_secret": "a\\"bc", "n": 1}', '{"client_secret": …, "n": 1}'),
        ('{"password": "cut off in its mid', '{"password": …'),
        ("{'cookies': {'a': 'x]}', 'b': 'y'}, 'n': 1}", "{'cookies': …, 'n': 1}"),
        ('{"tokens": ["a", "b"], "n": 1}', '{"tokens": …, "n": 1}'),
        ("{'session': {'a': {'token': 'x'}}, 'n': 1}", "{'session': …{'token': …, 'n': 1}"),
        ("Cookie: session=abcdefgh; theme=dark\nHost: h", "Cookie: …\nHost: h"),
        ("set-cookie: a=b; Path=/", "set-cookie: …"),
        ("[('client_secret', 'x'), ('n', 'y')]", "[('client_secret', …), ('n', 'y')]"),
        ('[b"cookie", b"a=b; c=d"]', '[b"cookie", b…]'),
        ("('password', 'cut off in its mid", "('password', …"),
        ("code=abc&state=def&x=1", "code=…&state=…&x=1"),
        ("sent 'code=abc'", "sent 'code=…'"),
        ("it ended with code=5", "it ended with code=5"),
        ("password=hunter2hunter2", "password=…"),
        ("password=a.b[c] x", "password=… x"),
        ("token = request.args", "token = …"),
        # What is no secret stays: without it nobody could mend a failure.
        (
            "    token = presented_token(request.environ)",
            "    token = presented_token(request.environ)",
        ),
        ("    self._session = app.session[0]", "    self._session = app.session[0]"),
        ("caller = gate.admit(token, scope)", "caller = gate.admit(token, scope)"),
        ("KeyError: 'orderId'", "KeyError: 'orderId'"),
        ("no such table: api_key", "no such table: api_key"),
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
    ],
)
def test_what_is_taken_out(text: str, shown: str) -> None:
    """Tokens and what is named as a secret go; the rest stays as it was."""
    assert without_secrets(text) == shown


NAMES = ["password", "api_key", "X-API-Key", "clientSecret", "Cookie", "id_token", "session_id"]
VALUES = st.text(
    st.characters(min_codepoint=33, exclude_categories=["Z", "C"], exclude_characters=",;&"),
).filter(lambda text: not re.match(r"[\[({][\"']", text))


@given(st.sampled_from(NAMES), st.sampled_from(["=", ":", ": ", " = ", " : ", '"=', '": ']), VALUES)
def test_no_value_is_let_through(name: str, between: str, around: str) -> None:
    """Whatever signs a value is made of, quotes, dots and brackets too, nothing of it is shown."""
    for value in (f"{around}hunter2", f"hunter2{around}", f"{around}hunter2{around}"):
        assert "hunter2" not in without_secrets(f"failed with {name}{between}{value} for them")


@pytest.mark.parametrize(
    "piece",
    [
        *["a", "token", "token=", 'token="', "-", "herald_", "eyJaaaaa.", "://a", "a:", "x "],
        *["    token = a", "\n     ", "token='\\", 'token="\\"', f"\n{' ' * 60}a", "token :  "],
        *["token={'", "token={'a'", 'token=["a', "token=(\"a'", "('token','", "['token", "'code="],
        *["Cookie: ", "('token',b\"\\", "(   '"],
    ],
)
def test_long_texts_take_no_time(piece: str) -> None:
    """A text of any size is cut, and searched in a moment, whatever it is made of."""
    text = piece * (20 * MOST // len(piece))
    began = time.monotonic()
    assert len(without_secrets(text)) <= MOST + 100
    assert time.monotonic() - began < 1.0
