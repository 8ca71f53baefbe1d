"""Forks for whoever asks: what it has loaded need not be loaded by what becomes of the forks.

Nothing but that has been done in it, so a fork goes on as ``python -m`` does when it has loaded as
much. Asked and answered by ``tests.services.forks``, over the socket whose number is its first
argument; the others are the modules.
"""

import gc
import importlib
import json
import os
import resource
import runpy
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence

LONGEST = 1 << 20
"""Bytes of a call: its arguments and its environment."""


def serve(calls: socket.socket) -> None:
    """Fork, or tell how a fork has ended, until nobody asks any more."""
    while True:
        asked, streams, _, _ = socket.recv_fds(calls, LONGEST, 2)
        if not asked:
            return
        call = json.loads(asked)
        if "ended" in call:
            _, status = os.waitpid(call["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                calls.close()
                resource.setrlimit(resource.RLIMIT_NOFILE, call["files"])
                become(call["module"], call["arguments"], call["environ"], *streams)
        for stream in streams:
            os.close(stream)
        calls.send(str(answer).encode())


def become(
    module: str, arguments: Sequence[str], environ: Mapping[str, str], stdout: int, stderr: int
) -> None:
    """Run ``python -m module`` to its end, which is that of this process."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    # Behind the folder that it is run in, as at a start.
    sys.path[1:1] = [
        each for each in environ.get("PYTHONPATH", "").split(os.pathsep) if each not in sys.path
    ]
    if environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    stdin = os.open(os.devnull, os.O_RDONLY)
    for given, number in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(given, number)
        os.close(given)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
