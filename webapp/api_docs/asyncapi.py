"""The AsyncAPI document: what a socket says and hears."""

from collections.abc import Mapping

from logger_lib import JsonObject
from webapp.api_docs.field_limits import JSON_OBJECT, JSON_VALUE
from webapp.api_docs.refusals import ERROR
from webapp.api_docs.socket_messages import (
    ABOUT_CHANNELS,
    ADDRESSES,
    HEARD,
    SAID,
    Channel,
    Message,
)

ABOUT = (
    "Socket.IO, protocol 5, on the port of the HTTP API, at the default path and in the default"
    " namespace: any Socket.IO client of version 4 speaks it."
)


def asyncapi_document(host: str, *, is_secure: bool) -> JsonObject:
    """Return the document for who reaches this Herald as ``host``."""
    herald: JsonObject = {
        "host": host,
        "pathname": "/socket.io/",
        "protocol": "wss" if is_secure else "ws",
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Herald's sockets",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"herald": herald},
        "channels": {str(channel): _channel(channel) for channel in Channel},
        "operations": {**_operations(SAID, "receive"), **_operations(HEARD, "send")},
        "components": {
            "messages": {
                **{key: _message(said) for key, said in SAID.items()},
                **{key: _message(heard) for key, heard in HEARD.items()},
                **{_answer_to(key): _acknowledgement(said) for key, said in SAID.items()},
            },
            "schemas": {"JsonObject": JSON_OBJECT, "JsonValue": JSON_VALUE, "Error": ERROR},
        },
    }


def _answer_to(key: str) -> str:
    return f"{key}Acknowledged"


def _channel(channel: Channel) -> JsonObject:
    said = [key for key, message in SAID.items() if message.channel is channel]
    heard = [key for key, message in HEARD.items() if message.channel is channel]
    keys = [*said, *map(_answer_to, said), *heard]
    described: JsonObject = {
        "address": ADDRESSES[channel],
        "description": ABOUT_CHANNELS[channel],
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in keys},
    }
    if "{room}" in ADDRESSES[channel]:
        described["parameters"] = {"room": {"description": "The name of a room."}}
    return described


def _operations(messages: Mapping[str, Message], action: str) -> JsonObject:
    """Return what Herald does with ``messages``: the document is written from its side."""
    operations: JsonObject = {}
    for key, message in messages.items():
        channel = f"#/channels/{message.channel}"
        operation: JsonObject = {
            "action": action,
            "channel": {"$ref": channel},
            "summary": message.summary,
            "messages": [{"$ref": f"{channel}/messages/{key}"}],
        }
        if message.acknowledgement is not None:
            operation["reply"] = {
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{_answer_to(key)}"}],
            }
        operations[key] = operation
    return operations


def _message(message: Message) -> JsonObject:
    described: JsonObject = {
        "name": message.name,
        "title": message.summary,
        "payload": message.payload,
        "examples": [{"payload": message.example}],
    }
    return {**described, "description": message.description} if message.description else described


def _acknowledgement(message: Message) -> JsonObject:
    return {
        "name": f"{message.name} acknowledged",
        "title": f"The acknowledgement of {message.name}",
        "payload": message.acknowledgement,
        "examples": [{"payload": message.acknowledged}],
    }
