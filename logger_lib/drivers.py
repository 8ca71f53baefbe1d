"""The drivers of databases that Herald's programs use."""

DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+pg8000",
    "postgresql": "postgresql+pg8000",
    "postgresql+pg8000": "postgresql+pg8000",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
"""The first part of a URL, as hosts write it, and the pure Python driver that it stands for.

These let an event loop go on; psycopg and mysqlclient wait in C and stop it.
"""
