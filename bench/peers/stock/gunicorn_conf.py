"""How Gunicorn serves the stock app: the same loop and limits as Herald."""

import os

wsgi_app = "bench.peers.stock.app:app"
bind = f"127.0.0.1:{os.environ['PORT']}"
worker_class = "bench.peers.stock.worker.StockWorker"
workers = 1
worker_connections = 12_000
keepalive = 100
timeout = 60
graceful_timeout = 10
control_socket_disable = True
