"""Publish to Herald from Python 3.9 or newer, with nothing to install.

HERALD_URL=http://localhost:1055 HERALD_KEY=… python publish.py
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

TRIES = 6  # with the waits between them less than the 5 minutes that Herald knows a key of a call
SECONDS = 10  # for an answer
LONGEST_WAIT = 30
AGAIN = {408, 409, 429, 500, 502, 503, 504}  # any other refusal would be the same once more


class Refused(Exception):
    """What Herald says is wrong with a call."""


def call(path, body):
    """POST ``body`` and return the answer; what is sent several times is published once."""
    headers = {
        "Authorization": "Bearer " + os.environ["HERALD_KEY"],
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    url, data = os.environ["HERALD_URL"] + path, json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    attempt = 0
    while True:
        attempt += 1
        wait = 0.25 * 2**attempt * random.uniform(0.5, 1)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in AGAIN or attempt == TRIES:
                raise Refused(error.read().decode()) from error
            wait = max(wait, float(error.headers.get("Retry-After") or 0))
        except (OSError, http.client.HTTPException):  # not reached, no answer, half an answer
            if attempt == TRIES:
                raise
        time.sleep(min(wait, LONGEST_WAIT))


def main():
    """Publish one event, and two in one call."""
    order = {"event": "order.created", "room": "orders", "data": {"orderId": "cfa3f520"}}
    print(json.dumps(call("/events", order)))
    paid = {"event": "order.paid", "room": "orders", "data": {"paymentId": "9b93e1a0"}}
    done = call("/events/batch", {"events": [order, paid]})
    print(json.dumps(done))  # an answer for each event, in order: an id, or an error


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError, http.client.HTTPException) as error:
        sys.exit(str(error))
