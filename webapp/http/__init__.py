"""HTTP/1.1 on the wire: bytes become a WSGI environment, what the app answers becomes bytes.

From the wire up: ``stream`` (a client's socket, with deadlines), ``bounds`` and ``refusal`` (what a
request may have, and what is answered before the app is asked), ``request`` and ``fields`` (the
head), ``body`` (chunks), ``answer`` (WSGI's ``start_response`` and what follows it), ``connection``
(one request after the other), ``service`` (what all connections share).
"""
