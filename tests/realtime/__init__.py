"""Tests of the sockets, and of the worker that serves them: real servers, real clients."""
