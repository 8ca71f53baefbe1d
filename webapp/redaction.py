"""Takes what may be secret out of the text of a failure before it is logged.

An error's own text can quote whatever a caller has sent. Frames and local variables are never
logged, and SQLAlchemy hides the values of its statements; this is for what is left.
"""

import re

HIDDEN = "…"
MOST = 65_536
"""Characters that are kept of a text: of a longer one its begin and its end."""

_TOKEN = re.compile(r"\bherald_[\w.~+/=-]{8,}|\beyJ[\w-]{5,}\.[\w-]{2,}(?:\.[\w-]*)?", re.ASCII)
_SCHEME = re.compile(r"\b(Bearer|Basic|Digest)(\s+)[^\s'\",;]{8,}", re.ASCII | re.IGNORECASE)
_IN_URL = re.compile(r"(://)[^\s/?#@'\"]{1,256}@", re.ASCII)
_IN_QUERY = re.compile(r"((?:^|[?&])(?:code|state|key)=)[^&\s'\"]+", re.ASCII)
_IN_FORM = re.compile(r"((?:^|['\"])(?:code|state)=)[^&\s'\"]+", re.ASCII | re.MULTILINE)
_COOKIES = re.compile(r"\b((?:Set-)?Cookie:\s{0,3})(?!['\"])[^\n]+", re.ASCII | re.IGNORECASE)

_NAME = r"""[\w-]{0,40}?
    (?:token|secret|passw(?:or)?d|authorization|cookie|api[-_]?key|session|credentials?|verifier)
    [\w-]{0,20}+"""
_TEXT = r"""(?:"(?:[^"\\\n]|\\.)*+" | '(?:[^'\\\n]|\\.)*+')"""

# As frameworks show headers and forms: ('client_secret', 'x'), [b"cookie", b"a=b"].
_PAIR = re.compile(
    rf"""([(\[]\s{{0,3}} b?['"]{_NAME}['"]\s{{0,3}},\s{{0,3}} b?)(?:{_TEXT} | ["'][^\n]*+)""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)

# A name that begins a word, so that long texts are searched in one go, and all that may be its
# value: a list or an object of texts, a text, or what goes up to a blank, comma, semicolon or
# ampersand. Let through is code in a traceback, which stands indented on a line of its own and
# calls something or goes on to an attribute: it is no secret, and without it nobody could mend a
# failure.
_NAMED = re.compile(
    rf"""^[ ]{{4,60}}+ [\w.]{{1,60}}+ [ ]=[ ] [a-z_]\w*+ [.(\[]
    | (?<![\w-])
    (?P<name> {_NAME} ['"]? \s{{0,3}} [:=] \s{{0,3}})
    (?: [\[({{] (?=["'])
        (?:{_TEXT} | [^\[\](){{}}"'\n])*+
        (?:["'][^\n]*+ | [\])}}]++[^\s,;&]*+)?
      | {_TEXT} [^\s,;&]*+
      | ["'][^\n]*+
      | [^\s,;&]++)""",
    re.ASCII | re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """Return ``text`` without tokens, passwords, cookies and the like, and of bounded length."""
    if len(text) > MOST:
        text = f"{text[: MOST // 2]} {HIDDEN} {text[-MOST // 2 :]}"
    text = _TOKEN.sub(HIDDEN, text)
    text = _SCHEME.sub(rf"\1\2{HIDDEN}", text)
    text = _IN_URL.sub(rf"\1{HIDDEN}@", text)
    for hidden_behind in (_IN_QUERY, _IN_FORM, _COOKIES, _PAIR):
        text = hidden_behind.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    name = found["name"]
    return found[0] if name is None else f"{name}{HIDDEN}"
