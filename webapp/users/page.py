"""The one page of a sign-in: a button, or why it was refused.

It works without its script, which only takes the code out of the link. The code stands behind the
``#``, which browsers send to nobody: it is in no log of any server on the way, and no ``Referer``.
"""

from flask import Response, make_response, render_template_string, request

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Herald</title>
<link rel="icon" href="/console/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/console.css">
<link rel="stylesheet" href="/console/sign-in.css">
<script src="/console/first-theme.js"></script>
<script src="{{ script }}" defer></script>
</head>
<body class="sign-in">
<main class="card">
<img src="/console/favicon.svg" alt="" width="40" height="40">
<h1>Sign in to Herald</h1>
{% if refusal %}<p class="refusal" role="alert">{{ refusal }}</p>
{% endif %}{% if issuer %}
<a class="button primary" href="/auth/google">Sign in with {{ issuer }}</a>
<p class="or">or with a link</p>
{% endif %}<form method="post" action="/auth/login">
<label>Code of a sign-in link, behind its #
<input class="mono" name="token" required autocomplete="off" spellcheck="false"></label>
<input type="hidden" name="{{ csrf_field }}" value="{{ csrf_token }}">
<button type="submit"{% if not issuer %} class="primary"{% endif %}>Sign in</button>
</form>
<p class="hint">Whoever operates this Herald makes such a link:</p>
<code>flask --app webapp users login-link</code>
</main>
</body>
</html>
"""

SCRIPT = """function takeCode() {
  if (location.hash.length > 1) {
    document.querySelector("input[name=token]").value = location.hash.slice(1);
    // Out of the address, and so of what the browser remembers of it.
    history.replaceState(null, "", location.pathname);
  }
}
addEventListener("hashchange", takeCode);
takeCode();
"""


def sign_in_page(
    *, issuer: str | None, script: str, csrf_field: str, csrf_token: str, refusal: str = ""
) -> Response:
    """Return the page; ``script`` is the address of ``SCRIPT``."""
    text = render_template_string(
        _PAGE,
        issuer=issuer,
        script=script,
        csrf_field=csrf_field,
        csrf_token=csrf_token,
        refusal=refusal,
    )
    return make_response(text)


def wants_page() -> bool:
    """Say whether a browser shows the answer to a person, as its ``Accept`` tells."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]
