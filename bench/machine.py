"""What the machine is, and what its processes cost in CPU time."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg

TICK = os.sysconf("SC_CLK_TCK")
PACKAGES = ("uvicorn", "starlette", "asyncpg", "uvloop", "httptools")
WAITING = ("idle", "iowait", "guest", "guest_nice")  # guest time is counted in user already


class Cpu(NamedTuple):
    """CPU seconds used so far."""

    database: float
    server: float
    client: float
    machine: float


class CpuClock:
    """Reads what the parts of one measurement have used."""

    def __init__(self, postmaster: int, server: int | None) -> None:
        self._postmaster = postmaster
        self._server = server

    def read(self, client: int) -> Cpu:
        """Read it now; PostgreSQL includes what its ended backends used, but not initdb's."""
        return Cpu(
            database=_tree(self._postmaster, ended=True),
            server=_tree(self._server) if self._server else 0.0,
            client=_tree(client),
            machine=_busy(),
        )


def describe(connection: psycopg.Connection) -> dict[str, str]:
    """Describe what the figures depend on."""
    row = connection.execute("show server_version").fetchone()
    return {
        "cores": f"{os.cpu_count()} x {_cpu_model()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "fdatasync": f"{fdatasync_us():.0f} µs",
        "system": f"{platform.system()} {platform.release()}",
        "PostgreSQL": str(row[0]) if row else "",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def fdatasync_us(times: int = 300) -> float:
    """Time flushing one 8 KiB write where the databases are, in microseconds: the median."""
    taken = []
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(bytes(8192))
        os.fsync(file.fileno())
        for _ in range(times):
            file.seek(0)
            file.write(bytes(8192))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def _tree(pid: int, *, ended: bool = False) -> float:
    """Add up a process and its descendants; `ended`: also the children it has buried."""
    total = 0.0
    for one in _with_children(pid):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if ended and one.pid == pid:
            total += times.children_user + times.children_system
    return total


def _with_children(pid: int) -> Iterable[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _busy() -> float:
    times = psutil.cpu_times()._asdict()
    return float(sum(seconds for name, seconds in times.items() if name not in WAITING))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
