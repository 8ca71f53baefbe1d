"""A browser as far as a sign-in needs one: it keeps cookies, and shows each redirect."""

from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar

from logger_lib import JsonObject, JsonValue

SECONDS = 20.0


class Browser:
    """One person at one Herald; the ``with`` block closes its connections."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    @property
    def cookies(self) -> RequestsCookieJar:
        """What is kept of Herald."""
        return self._session.cookies

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET a path, or an address of this Herald, and follow no redirect."""
        return self._session.get(
            self._address(path), headers=_named(headers), allow_redirects=False, timeout=SECONDS
        )

    def submit(self, path: str, form: dict[str, str], **headers: str) -> requests.Response:
        """POST a form."""
        return self._session.post(
            self._address(path),
            data=form,
            headers=_named(headers),
            allow_redirects=False,
            timeout=SECONDS,
        )

    def call(self, path: str, body: JsonValue, **headers: str) -> requests.Response:
        """POST JSON with the cookie, as a script of Herald's own page would."""
        return self._session.post(
            self._address(path), json=body, headers=_named(headers), timeout=SECONDS
        )

    def sign_in(self, subject: str) -> requests.Response:
        """Sign in at the issuer as ``subject``; return what Herald answers to its answer."""
        return self.get(authorize(self.begin(), subject))

    def begin(self) -> str:
        """Return where at the issuer Herald sends this browser."""
        sent = self.get("/auth/google")
        assert sent.status_code == 302, sent.text
        return sent.headers["Location"]

    def use_link(self, link: str) -> requests.Response:
        """Open a sign-in link at this Herald, whatever it calls itself, and press the button."""
        address, _, code = link.strip().partition("#")
        page = self.get(urlsplit(address).path)
        assert page.status_code == 200, page.text
        return self.submit("/auth/login", {"token": code, **form_in(page.text)})

    def profile(self) -> JsonObject:
        """Return who is signed in here."""
        answer = self.get("/auth/profile")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert isinstance(body, dict)
        return body

    @property
    def csrf_token(self) -> str:
        """What a call with the cookie has to bring along."""
        return str(self.profile()["csrfToken"])

    @property
    def user_token(self) -> str:
        """What a program may call with in this person's name."""
        return str(self.profile()["token"])

    def _address(self, path: str) -> str:
        return path if path.startswith("http") else self.url + path


def authorize(address: str, subject: str, **more: str) -> str:
    """Sign in as ``subject`` at the issuer's ``address``; return where it sends the browser."""
    answer = requests.post(
        address, data={"sub": subject, **more}, allow_redirects=False, timeout=SECONDS
    )
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def form_in(page: str) -> dict[str, str]:
    """Return the hidden fields of the page's form."""
    fields: dict[str, str] = {}
    for part in page.split('<input type="hidden" name="')[1:]:
        name, _, rest = part.partition('" value="')
        fields[name] = rest.partition('"')[0]
    return fields


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
