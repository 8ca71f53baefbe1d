"""``/auth/apps/<id>/analytics``: how the owner of an app has its hits kept."""

from flask import Blueprint, Response, request

from webapp.access.views import Owning
from webapp.collect.policies import AppPolicies
from webapp.collect.policy_change import change_policy, load_patch, policy_to_wire
from webapp.http_errors import json_response
from webapp.json_body import read_json

PATH = "/auth/apps/<app_id>/analytics"


def make_policy_blueprint(owning: Owning, policies: AppPolicies) -> Blueprint:
    """Return the blueprint; another's app answers as one that is not there."""
    blueprint = Blueprint("policies", __name__)

    @blueprint.get(PATH)
    def show(app_id: str) -> Response:
        app = owning.apps.owned(app_id, owning.current().id)
        return json_response(policy_to_wire(policies.stored(app.id)))

    @blueprint.patch(PATH)
    def change(app_id: str) -> Response:
        owner = owning.current()
        app = owning.apps.owned(app_id, owner.id)
        patch = load_patch(read_json(request))
        policy = change_policy(
            policies, owning.audit, app, patch, who=owner.id, address=request.remote_addr
        )
        return json_response(policy_to_wire(policy))

    return blueprint
