"""The database for apps, keys and what else Herald keeps: tables, sessions and migrations."""
