"""The page that shows the AsyncAPI document: plain HTML, made here."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
from flask import render_template
from markupsafe import Markup, escape

from logger_lib import JsonObject, JsonValue
from webapp.api_docs.asyncapi import ABOUT
from webapp.api_docs.socket_messages import ABOUT_CHANNELS, ADDRESSES, HEARD, SAID, Channel

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Part:
    """One property of a payload."""

    name: str
    kind: str
    is_required: bool
    description: str


def socketio_page(files: Callable[[str], str]) -> str:
    """Return the page; ``files`` gives the address of a file."""
    return render_template(
        "api_docs/socketio.html",
        files=files,
        about=ABOUT,
        said=SAID,
        channels=[
            (
                ADDRESSES[channel],
                ABOUT_CHANNELS[channel],
                {key: message for key, message in HEARD.items() if message.channel is channel},
            )
            for channel in Channel
        ],
        parts=lambda schema: [*_parts(schema)],
        as_json=lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(),
        with_code=_with_code,
    )


def _with_code(text: str) -> Markup:
    """Return ``text`` with what stands between backquotes as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  it is escaped


def _parts(schema: JsonObject) -> Iterator[Part]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return
    for name, described in properties.items():
        if isinstance(described, dict):
            is_required = isinstance(required, list) and name in required
            told = described.get("description")
            yield Part(name, _kind(described), is_required, told if isinstance(told, str) else "")


def _kind(described: JsonObject) -> str:
    kinds: JsonValue = described.get("type")
    names = [str(kind) for kind in kinds] if isinstance(kinds, list) else [str(kinds or "any")]
    longest = described.get("maxLength")
    bounds = f", up to {longest} characters" if isinstance(longest, int) else ""
    return " or ".join(names) + bounds
