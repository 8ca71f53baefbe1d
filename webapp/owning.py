"""The composition root's part that joins what people who sign in have: apps, keys, the console."""

from __future__ import annotations

from flask import Flask

from webapp.access.keys import ApiKeys
from webapp.access.session_keys import SessionKeys
from webapp.access.tokens import KeySigner
from webapp.access.views import Owning, make_owner_blueprint
from webapp.collect.policies import AppPolicies
from webapp.collect.policy_views import make_policy_blueprint
from webapp.console.assets import Assets
from webapp.console.keys import KeyIssuing, make_key_blueprint
from webapp.console.views import make_assets_blueprint, make_page_blueprint
from webapp.storage.database import Database
from webapp.users.views import SignIn, make_users_blueprint


def add_owners_views(
    app: Flask,
    *,
    keys: ApiKeys,
    signer: KeySigner,
    database: Database,
    sign_in: SignIn,
    policies: AppPolicies,
) -> None:
    """Have ``app`` take the calls of who signs in and then has apps, and show the console."""
    owning = Owning(
        apps=keys.apps, keys=keys, signer=signer, audit=sign_in.audit, current=sign_in.current
    )
    app.register_blueprint(make_users_blueprint(sign_in))
    app.register_blueprint(make_owner_blueprint(owning))
    app.register_blueprint(make_policy_blueprint(owning, policies))
    assets = Assets()
    app.register_blueprint(make_page_blueprint(assets, sign_in.current))
    app.register_blueprint(make_assets_blueprint(assets))
    issuing = KeyIssuing(
        apps=keys.apps,
        keys=SessionKeys(keys, database),
        audit=sign_in.audit,
        current=lambda: sign_in.current.signed_in().session,
    )
    app.register_blueprint(make_key_blueprint(issuing))
