"""The composition root's part that joins what people who sign in have: apps, keys, the console."""

from __future__ import annotations

from flask import Flask

from webapp.access.session_keys import SessionKeys
from webapp.access.views import Owning, make_owner_blueprint
from webapp.accessing import Access
from webapp.collect.policies import AppPolicies
from webapp.collect.policy_views import make_policy_blueprint
from webapp.console.assets import Assets
from webapp.console.keys import KeyIssuing, make_key_blueprint
from webapp.console.views import make_assets_blueprint, make_page_blueprint
from webapp.users.views import SignIn, make_users_blueprint


def add_owners_views(app: Flask, access: Access, sign_in: SignIn, policies: AppPolicies) -> None:
    """Have ``app`` take the calls of who signs in and then has apps, and show the console."""
    keys = access.keys
    owning = Owning(
        apps=keys.apps,
        keys=keys,
        signer=access.signer,
        audit=sign_in.audit,
        current=sign_in.current,
    )
    app.register_blueprint(make_users_blueprint(sign_in))
    app.register_blueprint(make_owner_blueprint(owning))
    app.register_blueprint(make_policy_blueprint(owning, policies))
    assets = Assets()
    app.register_blueprint(make_page_blueprint(assets, sign_in.current))
    app.register_blueprint(make_assets_blueprint(assets))
    issuing = KeyIssuing(
        apps=keys.apps,
        keys=SessionKeys(keys, access.database),
        audit=sign_in.audit,
        current=lambda: sign_in.current.signed_in().session,
    )
    app.register_blueprint(make_key_blueprint(issuing))
