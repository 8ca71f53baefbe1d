"""Who signs in, how, and who is signed in."""
