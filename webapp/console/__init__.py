"""The console: one page at ``/``, its files, and the key that it calls with."""
