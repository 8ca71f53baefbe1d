from wsgiref.types import WSGIEnvironment

from gunicorn.config import Config

def base_environ(cfg: Config) -> WSGIEnvironment: ...
