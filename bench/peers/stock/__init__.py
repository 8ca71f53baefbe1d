"""Flask-SocketIO as its documentation has it."""
