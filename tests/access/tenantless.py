"""The calls in which no tenant is named, and why there is nothing to be got by them."""

TENANTLESS = {
    "GET /health/live": "says of the process alone",
    "GET /health/ready": "says of the process alone",
    "GET /metrics": "counts over all apps, and names none",
    "GET /auth/google": "begins a sign-in, whoever asks",
    "GET /auth/google/callback": "takes what the issuer says",
    "GET /auth/login": "shows a button",
    "GET /auth/login.js": "is the same for everybody",
    "GET /herald.js": "is the same for everybody",
    "POST /auth/login": "takes a link's token, which nobody can guess",
    "POST /auth/logout": "ends the caller's own session",
    "GET /": "is one page for everybody who is signed in",
    "GET /console/<path:name>": "serves the files of that page",
    "GET /openapi.json": "describes the calls, which are the same for everybody",
    "GET /asyncapi.json": "describes what sockets say and hear",
    "GET /api-docs": "shows the description",
    "GET /api-docs/socketio": "shows that of sockets",
    "GET /api-docs/files/<path:name>": "serves the files of these pages",
}
