"""Forks for whoever asks: what it has loaded need not be loaded by what becomes of the forks.

Nothing but that has been done in it, so a fork goes on as ``python -m`` does when it has loaded as
much. Asked and answered by ``tests.services.forks``, over the socket whose number is its first
argument. The second one names modules, and the third one those that are loaded as a worker loads
them, when what blocks has been patched. Its forks find nothing patched; one that patches gets what
those modules have got.
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
from types import ModuleType

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


def load_patched(names: Sequence[str]) -> None:
    """Load modules after a patch, and take the patch back until it is asked for again."""
    # What patches nothing does without.
    import eventlet  # noqa: PLC0415

    from webapp.patching import patch  # noqa: PLC0415

    # Locks that are kept to be given back are no locks that eventlet has to complain of.
    gc.freeze()
    before = {module: dict(vars(module)) for module in _not_eventlets()}
    patch()
    given = [
        (module, name, was, vars(module).get(name))
        for module, names_before in before.items()
        for name, was in names_before.items()
        if vars(module).get(name) is not was
    ]
    for name in names:
        importlib.import_module(name)
    for module, name, was, _ in given:
        setattr(module, name, was)

    def patch_again(**on: bool) -> None:
        del on
        for module, name, _, now in given:
            # What cannot be patched is taken away.
            if now is None:
                vars(module).pop(name, None)
            else:
                setattr(module, name, now)

    eventlet.monkey_patch = patch_again


def _not_eventlets() -> list[ModuleType]:
    return [
        module
        for name, module in sys.modules.items()
        if name.partition(".")[0] not in {"eventlet", "__main__"} and isinstance(module, ModuleType)
    ]


if __name__ == "__main__":
    loaded, loaded_patched = (names.split() for names in sys.argv[2:])
    for name in loaded:
        importlib.import_module(name)
    if loaded_patched:
        load_patched(loaded_patched)
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
