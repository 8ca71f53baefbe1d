class _Local:
    already_handled: bool

WSGI_LOCAL: _Local
