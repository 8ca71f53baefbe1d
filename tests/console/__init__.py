"""The console, as a browser and a program see it."""
