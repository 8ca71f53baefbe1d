"""Whom ``SIGN_IN_ALLOWED`` lets in: asked at the sign-in, and again at each call."""

from dataclasses import dataclass

from webapp.errors import SignInRefused
from webapp.storage.tables import OPERATOR_ID
from webapp.users.users import Identity, UserDetails


@dataclass(frozen=True, slots=True)
class Allowed:
    """The addresses and ``@domains`` that may sign in; none at all: everybody may."""

    names: tuple[str, ...] = ()

    def require(self, identity: Identity) -> None:
        """Raise ``SignInRefused`` where others are named."""
        why = self._why_not(identity.email, verified=identity.email_verified)
        if why is not None:
            raise SignInRefused(f"{why}. Ask whoever operates this Herald.")

    def why_not(self, user: UserDetails) -> str | None:
        """Return why a user may not, or not any more, be signed in; None where they may.

        The operator, who has a shell, always may.
        """
        if user.id == OPERATOR_ID:
            return None
        return self._why_not(user.email, verified=user.email_verified)

    def _why_not(self, email: str, *, verified: bool) -> str | None:
        if not self.names:
            return None
        address = email.lower()
        if address not in self.names and f"@{address.rpartition('@')[2]}" not in self.names:
            return f"SIGN_IN_ALLOWED does not name {email or 'a user without an e-mail address'}"
        # Else anybody could claim it.
        return None if verified else f"The issuer of the sign-in has not verified {email}"
