"""Signing in and out."""

from logger_lib import JsonObject
from webapp.api_docs.operation import (
    BY_SESSION,
    BY_SESSION_TO_CHANGE,
    Answer,
    Body,
    Operation,
    json_answer,
)
from webapp.errors import (
    MalformedBody,
    NoIssuer,
    SignInRefused,
    Unavailable,
    ValidationFailed,
)

TAG = "Sign-in"
_TEXT: JsonObject = {"type": ["string", "null"]}
_PROFILE: JsonObject = {
    "type": "object",
    "required": ["user", "token", "expiresAt", "csrfToken"],
    "properties": {
        "user": {
            "type": "object",
            "required": ["id", "email", "name", "issuer"],
            "properties": dict.fromkeys(("id", "email", "name", "issuer"), _TEXT),
        },
        "token": {"type": "string", "description": "The user token, good for an hour."},
        "expiresAt": {"type": "string", "format": "date-time"},
        "csrfToken": {**_TEXT, "description": "Null where the call is by token."},
    },
}


def _of_answer(name: str, description: str) -> JsonObject:
    """Return a parameter of the issuer's answer, whatever is in it."""
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


SIGN_IN = (
    Operation(
        id="begin_sign_in",
        method="get",
        path="/auth/google",
        tag=TAG,
        summary="Sign in at Google, or another issuer",
        description="For a browser: open it as a page. A script cannot follow it to the issuer.",
        answers={302: Answer("To the issuer.", headers={"Location": "Where that is."})},
        refusals=(NoIssuer, SignInRefused, Unavailable),
    ),
    Operation(
        id="end_sign_in",
        method="get",
        path="/auth/google/callback",
        tag=TAG,
        summary="Come back from the issuer",
        description="Where the issuer sends the browser.",
        parameters=(
            _of_answer("code", "What the issuer knows the sign-in by."),
            _of_answer("state", "What the browser began it with."),
        ),
        answers={303: Answer("Signed in.", headers={"Location": "The profile."})},
        refusals=(SignInRefused, NoIssuer, Unavailable),
    ),
    Operation(
        id="show_profile",
        method="get",
        path="/auth/profile",
        tag=TAG,
        summary="See who is signed in, and get a user token",
        security=BY_SESSION,
        answers={
            200: json_answer(
                "Who it is.",
                _PROFILE,
                {
                    "user": {
                        "id": "01a200dc-06c6-74c5-8373-25b3767662b6",
                        "email": "ada@example.com",
                        "name": "Ada",
                        "issuer": "https://accounts.google.com",
                    },
                    "token": "herald_user_eyJhbGciOiJIUzI1NiIs…",
                    "expiresAt": "2026-05-25T13:00:00Z",
                    "csrfToken": None,
                },
            )
        },
    ),
    Operation(
        id="sign_out",
        method="post",
        path="/auth/logout",
        tag=TAG,
        summary="Sign out",
        security=BY_SESSION_TO_CHANGE,
        body=Body(
            {
                "type": "object",
                "properties": {
                    "everywhere": {
                        "type": "boolean",
                        "default": False,
                        "description": "End all of your sessions.",
                    }
                },
                "additionalProperties": False,
            },
            {"here": {"everywhere": False}},
            required=False,
        ),
        answers={
            200: json_answer(
                "How many sessions have ended.",
                {
                    "type": "object",
                    "required": ["signedOut", "sessions"],
                    "properties": {
                        "signedOut": {"const": True},
                        "sessions": {"type": "integer", "minimum": 1},
                    },
                },
                {"signedOut": True, "sessions": 1},
            )
        },
        refusals=(MalformedBody, ValidationFailed),
    ),
)
