"""A Ray cluster: started here or joined, how many workers fit, and what a worker says when it fails."""

import math
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from .settings import Workers, usable_cpus
from .stops import hold_stops

try:
    import pyarrow  # noqa: F401 (the engine's files need it)
    import ray

    # Ray brings it along, and lets it be found.
    import psutil  # isort: skip
except ImportError as err:
    raise ImportError(
        f'engine "ray" needs Ray: pip install ".[ray]" in a checkout of craftner_spacy ({err})'
    ) from err

Result = TypeVar("Result")
TOKEN = secrets.token_hex(32)
"""What Ray's processes know each other by; one for all clusters of this process: Ray keeps the first."""
SERVERS = ("gcs_server", "raylet")
"""The names of Ray's processes that start others, or are asked by them."""
END_SECONDS = 1.0
"""How long Ray's processes have to end by themselves when it was stopped."""
MAX_BASE = 30
"""Characters of the path of the folder for temporary files, at most."""
REMOVAL_SECONDS = 10.0
"""How long to try to remove the files of a session."""


def worker_count(pool: Workers, resources: Mapping[str, float]) -> int:
    """The number of workers that there will be.

    pool (Workers): the workers that are asked for.
    resources (Mapping[str, float]): what the cluster has, as `ray.cluster_resources` tells it.
    RAISES: ValueError if they do not fit, or would leave no CPU for reading and writing: Ray would wait.

    >>> worker_count(Workers(), {"CPU": 8.0}), worker_count(Workers(cpus_per_worker=2), {"CPU": 8.0})
    (7, 3)
    >>> worker_count(Workers(gpus_per_worker=0.5), {"CPU": 8.0, "GPU": 1.0})
    2
    """
    free = {"CPU": resources.get("CPU", 0) - 1, "GPU": resources.get("GPU", 0)}
    needed = {"CPU": pool.cpus_per_worker, "GPU": pool.gpus_per_worker}
    most = min(int(free[name] / needed[name]) for name in needed if needed[name])
    if most < (pool.workers or 1):
        has = ", ".join(f"{resources.get(name, 0):g} {name}" for name in needed)
        raise ValueError(
            f"workers = {pool.workers or 1}, each with {pool.cpus_per_worker:g} CPU and "
            f"{pool.gpus_per_worker:g} GPU: Ray has {has}, and one CPU has to stay free for reading and "
            "writing"
        )
    return pool.workers or most


@contextmanager
def cluster(pool: Workers) -> Iterator[None]:
    """Ray, while the context lasts.

    It may run in this process already. Else it is joined at the pool's address, or started here; what was
    joined is left and what was started is stopped at the end.

    pool (Workers): the workers, and the address.
    RAISES: ConnectionError if no cluster answers at the address.
    """
    if ray.is_initialized() and pool.address is None:
        yield
        return
    # Read when Ray starts, here and in its own processes.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if pool.address is not None:
        with _running({"address": pool.address}):
            yield
        return
    n_cpus = max(usable_cpus(), math.ceil((pool.workers or 1) * pool.cpus_per_worker) + 1)
    options = {"address": "local", "num_cpus": n_cpus, "include_dashboard": False}
    with _session_folder() as folder, _own_token(), _running({**options, "_temp_dir": folder}):
        yield


@contextmanager
def _running(options: Mapping[str, Any]) -> Iterator[None]:
    """Ray, started or joined with these options, while the context lasts; SIGTERM does what it did before."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        try:
            ray.init(**options, log_to_driver=False, logging_level="error")
            if handler is not signal.SIG_DFL:
                _handle_sigterm(handler)
        except SystemExit:
            # At first of all, Ray sets a handler of its own, which ends the program.
            if callable(handler):
                handler(signal.SIGTERM, None)
            raise
        yield
    finally:
        _handle_sigterm(handler)
        with hold_stops():
            _stop()


def _stop() -> None:
    """Stop Ray, and kill what is left of it soon after.

    Its agents look for its end after some seconds only, and nobody else knows the servers of a Ray that was
    stopped while it started.
    """
    processes = _own_processes()
    ray.shutdown()
    left = psutil.wait_procs(processes, timeout=END_SECONDS)[1]
    for process in left:
        with suppress(psutil.Error):
            # One that is just starting another one cannot go on with that.
            process.suspend()
    for process in {*left, *_own_processes()}:
        with suppress(psutil.Error):
            process.kill()


def _own_processes() -> list[psutil.Process]:
    """Ray's servers that this process has started, and their descendants."""
    processes = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.name() in SERVERS:
                processes += [child, *child.children(recursive=True)]
    return processes


def _handle_sigterm(handler: Any) -> None:
    """Set the handler of SIGTERM, as the main thread can, unless it is one that Python does not know."""
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _own_token() -> Iterator[None]:
    """Let Ray's processes know each other by the token of this process, which is in their environment alone.

    Without it Ray writes one to ``~/.ray/auth_token``, where others can read it, and who has it can run code.
    """
    before = {name: os.environ.pop(name, None) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")}
    os.environ["RAY_AUTH_TOKEN"] = before["RAY_AUTH_TOKEN"] or TOKEN
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN"]
        os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def _session_folder() -> Iterator[str]:
    """A folder for Ray's sockets and logs that nobody else can read; removed at the end."""
    # The paths of sockets may have 107 bytes, of which Ray's own part takes about 70.
    base = tempfile.gettempdir() if len(tempfile.gettempdir()) < MAX_BASE else "/tmp"
    folder = tempfile.mkdtemp(prefix="ray-", dir=base)
    try:
        # Ray lets everybody read and write the folder that it is given, but nobody gets there.
        yield os.path.join(folder, "s")
    finally:
        end = time.monotonic() + REMOVAL_SECONDS
        with hold_stops():
            # Ray's last processes may still write their logs.
            while os.path.exists(folder) and time.monotonic() < end:
                shutil.rmtree(folder, ignore_errors=True)
                time.sleep(0.05)


def run_on_worker(pool: Workers, function: Callable[[], Result]) -> Result:
    """The result of a function where a worker would run: with its resources and its versions of everything.

    pool (Workers): the workers.
    function (Callable[[], Result]): can be pickled, and so can its result.
    RAISES: ValueError if the workers do not fit or the function fails.
    """
    worker_count(pool, ray.cluster_resources())

    def called() -> Result:
        """The function in a form that Ray takes: it refuses those that `partial` makes."""
        return function()

    with short_errors():
        return ray.get(
            ray.remote(num_cpus=pool.cpus_per_worker, num_gpus=pool.gpus_per_worker)(called).remote()
        )


@contextmanager
def short_errors() -> Iterator[None]:
    """Say in one line why a worker failed.

    RAISES: ValueError in place of an error of Ray's inside.
    """
    try:
        yield
    except ray.exceptions.RayError as err:
        raise ValueError(f"a worker failed: {reason_of(str(err))}") from err


def reason_of(trace: str) -> str:
    """The line of a trace that names the error of the worker, among those that name errors of Ray's.

    trace (str): the message of an error of Ray's.
    RETURNS (str): the whole trace if there is no such line.

    >>> reason_of("Traceback:\\n  File...\\nKeyError: 'x'\\n\\nray.exceptions.UserCodeException: UDF failed")
    "KeyError: 'x'"
    """
    errors = re.findall(r"^(?:[a-z]\w*\.)*[A-Z]\w*: .*", trace, flags=re.MULTILINE)
    return next((line for line in reversed(errors) if not line.startswith("ray.")), trace)
