"""How Gunicorn serves the stock app: with the same limits as Herald."""

import os

from gunicorn.workers.base_async import AsyncWorker

wsgi_app = "bench.peers.stock.app:app"
bind = f"127.0.0.1:{os.environ['PORT']}"
worker_class = "bench.peers.stock.worker.StockWorker"
workers = 1
worker_connections = 12_000
keepalive = 100
timeout = 60
graceful_timeout = 10
control_socket_disable = True


def post_worker_init(worker: AsyncWorker) -> None:
    """Do to the garbage collector what Herald does to its own, where that is to be measured."""
    del worker
    if os.environ.get("BENCH_SETTLED") == "1":
        # Here, so that a stock app without it has none of Herald in its memory.
        from webapp.worker import settle_garbage_collector  # noqa: PLC0415

        settle_garbage_collector()
