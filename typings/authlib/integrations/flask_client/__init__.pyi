from collections.abc import Mapping
from typing import TypeAlias

from flask import Flask, Response

from logger_lib.json_value import JsonObject

ClaimOption: TypeAlias = Mapping[str, str | bool]
ClientOptions: TypeAlias = dict[str, str | tuple[float, float]]

class FlaskOAuth2App:
    client_kwargs: ClientOptions
    server_metadata: JsonObject
    def load_server_metadata(self) -> JsonObject: ...
    def authorize_redirect(self, redirect_uri: str) -> Response: ...
    def authorize_access_token(
        self, *, claims_options: Mapping[str, ClaimOption], leeway: int
    ) -> JsonObject: ...
    def userinfo(self, *, token: JsonObject) -> JsonObject: ...

class OAuth:
    app: Flask
    def __init__(self, app: Flask) -> None: ...
    def register(
        self,
        name: str,
        *,
        client_id: str,
        client_secret: str,
        server_metadata_url: str,
        client_kwargs: ClientOptions,
    ) -> FlaskOAuth2App: ...
