from gunicorn.config import Config
from gunicorn.glogging import Logger

class Arbiter:
    num_workers: int
    cfg: Config
    log: Logger
