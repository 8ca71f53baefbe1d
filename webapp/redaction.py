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
_IN_QUERY = re.compile(r"([?&](?:code|state|key)=)[^&\s'\"]+", re.ASCII)

# A name that begins a word, so that long texts are searched in one go; what looks like a value
# and not like the code in a traceback, which calls something or goes on to an attribute.
_NAMED = re.compile(
    r"""(?<![\w-])
    ([\w-]{0,40}?
     (?:token|secret|passw(?:or)?d|authorization|cookie|api[-_]?key|session|credentials?|verifier)
     [\w-]{0,20}+ ['"]? \s{0,3} [:=] \s{0,3})
    (?:"[^"\n]{1,4096}" | '[^'\n]{1,4096}' | [^\s,;&(){}\[\]"'.]{6,}+ (?![(.\[]))""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """Return ``text`` without tokens, passwords, cookies and the like, and of bounded length."""
    if len(text) > MOST:
        text = f"{text[: MOST // 2]} {HIDDEN} {text[-MOST // 2 :]}"
    text = _TOKEN.sub(HIDDEN, text)
    text = _SCHEME.sub(rf"\1\2{HIDDEN}", text)
    text = _IN_URL.sub(rf"\1{HIDDEN}@", text)
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
