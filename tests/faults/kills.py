"""SIGKILL under load: of a server's worker, and of all of it."""

import os
import signal
import time
from itertools import cycle, islice
from random import Random

from tests.faults.conftest import KILLS
from tests.services.herald import HeraldServer, wait_until
from tests.services.ledger import Ledger

BETWEEN = (20, 200)
"""How many events are acknowledged between two kills."""


def kill_in_turn(server: HeraldServer, ledger: Ledger, chance: Random) -> list[float]:
    """Kill the worker and everything in turn, at moments that ``chance`` picks.

    Returns how long nothing was acknowledged, each time, in seconds.
    """
    away = []
    for kill in islice(cycle([kill_worker, kill_everything]), KILLS):
        ledger.await_acknowledged(chance.randint(*BETWEEN))
        killed_at = time.monotonic()
        kill(server)
        ledger.await_acknowledged(1)
        away.append(time.monotonic() - killed_at)
    ledger.await_acknowledged(chance.randint(*BETWEEN))
    return away


def kill_worker(server: HeraldServer) -> None:
    """Kill the worker; Gunicorn starts another."""
    killed = server.worker_pid
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.worker_pids() not in ([killed], []), "another worker")


def kill_everything(server: HeraldServer) -> None:
    """Kill the master too, and start it again."""
    server.kill()
    server.start()
