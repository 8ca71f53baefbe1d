"""The secret that tokens are signed with: what the environment gives, or one made here and kept."""

import os
import secrets
from pathlib import Path

from webapp.environment import LEAST_SECRET
from webapp.settings import Settings, SettingsInvalid

_BYTES = 48


def load_secret(settings: Settings) -> str:
    """Return ``SECRET_KEY``, or else the content of ``HERALD_HOME/secret_key``, made if missing.

    The file is readable by its owner alone. Processes that start at once end up with the same
    secret. Raises ``SettingsInvalid`` where the file cannot be made, or is too short to be one.
    """
    return settings.secret_key or _kept_secret(settings.home)


def _kept_secret(home: Path) -> str:
    kept = home / "secret_key"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not kept.exists():
            _make(kept)
        secret = kept.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"must be a directory in which Herald may keep its secret key: {error}"
        raise SettingsInvalid({"HERALD_HOME": problem}) from error
    if len(secret) < LEAST_SECRET:
        problem = f"must hold a whole secret_key: remove {kept}, and issue all API keys anew"
        raise SettingsInvalid({"HERALD_HOME": problem})
    return secret


def _make(kept: Path) -> None:
    draft = kept.with_name(f"{kept.name}.{secrets.token_hex(8)}")
    try:
        _write_durably(draft, secrets.token_urlsafe(_BYTES))
        # A link appears whole and never replaces: of two processes the first one wins.
        kept.hardlink_to(draft)
    except FileExistsError:
        # The other process's secret counts from here on.
        return
    finally:
        draft.unlink(missing_ok=True)


def _write_durably(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
