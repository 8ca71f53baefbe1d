"""Sign-in, apps and keys of signed-in users."""
