"""Tokens that are signed here: a prefix, and a JWT of one kind."""

import hashlib
import hmac

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from logger_lib.json_value import JsonObject

_ALGORITHM = "HS256"


class TokenInvalid(Exception):
    """A text is not a token of the asked kind that was signed here, or its time is over."""


class TokenSigner:
    """Makes and opens tokens of one kind with a key that is derived from the secret for it alone.

    A token of another kind, made from the same secret, is therefore never taken for one of these.
    What is wrong with a token is raised as ``refusal``.
    """

    def __init__(
        self,
        secret: str,
        *,
        prefix: str,
        kind: str,
        purpose: bytes,
        longest: int,
        refusal: type[TokenInvalid] = TokenInvalid,
    ) -> None:
        derived = hmac.digest(secret.encode(), purpose, hashlib.sha256)
        self._key = OctKey.import_key(derived)
        self._prefix = prefix
        self._kind = kind
        self._longest = longest
        self._refusal = refusal

    def sign(self, payload: JsonObject) -> str:
        """Return the token that says ``payload``: the prefix and a JWT."""
        header = {"alg": _ALGORITHM, "typ": self._kind}
        return self._prefix + jwt.encode(header, payload, self._key, [_ALGORITHM])

    def open(self, token: str) -> JsonObject:
        """Return what ``token`` says, whose signature, kind and length are right."""
        if not token.startswith(self._prefix) or len(token) > self._longest:
            raise self._refusal(
                f"not a text of at most {self._longest} characters with {self._prefix}"
            )
        try:
            decoded = jwt.decode(token.removeprefix(self._prefix), self._key, [_ALGORITHM])
        except (JoseError, ValueError) as error:
            raise self._refusal("not signed here") from error
        if decoded.header.get("typ") != self._kind:
            raise self._refusal("a token of another kind")
        claims: JsonObject = decoded.claims
        return claims
