"""Who may call: apps, their API keys, and the gate that every call passes."""
