"""The one page of a sign-in: how to, a button, or why it was refused. It has no script."""

from flask import Response, make_response, render_template_string, request

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Herald</title>
</head>
<body>
<main>
<h1>Sign in to Herald</h1>
{% if refusal %}<p role="alert">{{ refusal }}</p>
{% endif %}{% if token %}<form method="post" action="/auth/login">
<input type="hidden" name="token" value="{{ token }}">
<input type="hidden" name="{{ csrf_field }}" value="{{ csrf_token }}">
<button type="submit">Sign in</button>
</form>
{% endif %}{% if issuer %}<p><a href="/auth/google">Sign in with {{ issuer }}</a></p>
{% elif not token %}<p>Whoever operates this Herald makes a link that signs in once:
<code>flask --app webapp users login-link</code></p>
{% endif %}</main>
</body>
</html>
"""


def sign_in_page(
    *,
    issuer: str | None,
    token: str = "",
    csrf_field: str = "",
    csrf_token: str = "",
    refusal: str = "",
) -> Response:
    """Return the page: with a button where there is the ``token`` of a link."""
    text = render_template_string(
        _PAGE,
        issuer=issuer,
        token=token,
        csrf_field=csrf_field,
        csrf_token=csrf_token,
        refusal=refusal,
    )
    return make_response(text)


def wants_page() -> bool:
    """Say whether a browser shows the answer to a person, as its ``Accept`` tells."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]
