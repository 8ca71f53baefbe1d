"""One module a destination: its factory, its sink and, where it can be read, its reader."""
