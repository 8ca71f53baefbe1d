"""The key that makes a first start usable without a further step."""

from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope

DEFAULT_APP = "default"


def first_key(keys: ApiKeys) -> str | None:
    """Return the token of a key with every scope for the app ``default``, at the first start only.

    None where that app has, or ever had, a key. The token cannot be shown again.
    """
    issued = keys.issue_first(DEFAULT_APP, frozenset(Scope), "made at the first start")
    return None if issued is None else issued.token
