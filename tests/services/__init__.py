"""Real services that tests start, each as a context manager."""
