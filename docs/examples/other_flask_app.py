"""A shop that knows nothing of Herald's web app and logs through its logger library.

Run it with ``python docs/examples/other_flask_app.py``, then::

    curl -X POST localhost:5000/orders -H 'Content-Type: application/json' -d '{"orderId": "42"}'
    curl localhost:5000/audit
"""

from datetime import UTC, datetime

from flask import Blueprint, Flask, request

from logger_lib import JsonObject, LogQuery, event_record, uuid7
from logger_lib.flask import current_logger, reader, register_blueprint

orders = Blueprint("orders", __name__)
audit = Blueprint("audit", __name__)


@orders.post("/orders")
def create_order() -> tuple[JsonObject, int]:
    """Take an order and log it, wherever this registration logs to."""
    order: JsonObject = request.get_json()
    event_id = uuid7()
    current_logger().log(
        event_record("order.created", order, event_id=event_id, time=datetime.now(UTC))
    )
    return {"id": event_id}, 201


def create_app(database_url: str) -> Flask:
    """Return the shop; its orders are logged to a database, its trial orders to the console."""
    app = Flask(__name__)
    app.config["DATABASE_URL"] = database_url
    register_blueprint(app, orders, loggers=("sql", "logging"))
    register_blueprint(app, orders, loggers=("console",), name="trial", url_prefix="/trial")

    @audit.get("/audit")
    def list_orders() -> JsonObject:
        records = reader(app, "sql").read(LogQuery(event="order.created", limit=20))
        return {"orders": [record.fields for record in records]}

    app.register_blueprint(audit)
    return app


if __name__ == "__main__":
    create_app("sqlite:///shop.db").run()
