"""The guard of one Redis-compatible server, for :mod:`matchmaker.embedded`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from matchmaker._guards.common import (
    StartFailed,
    Watch,
    announced,
    die_with_me,
    end,
    ended_early,
    open_log,
    read_runtime,
    report,
    supervise,
    take_folder,
)

LOG_FILE, PORT_FILE = "server.log", "server.port"
HOST = "127.0.0.1"
# Below the ports that systems hand to outgoing connections (32768 and up): while a server restarts, a client that
# keeps connecting to such a port can be given that very port and meet itself. A cluster's bus port, 10,000 above, fits.
PORTS = range(10_240, 32_768)
PORT_ATTEMPTS = 10
ANSWER_SECONDS = 0.25


class Request(NamedTuple):
    """What the parent wants. ``port`` 0 is any free one; a ``temporary`` folder is removed when the parent is gone."""

    binary: str
    arguments: list[str]
    folder: str
    port: int
    parent: int
    temporary: bool
    start_seconds: float


def server_info(port: int, seconds: float) -> dict[str, str]:
    """INFO of the server on a local port, by field; empty when nothing there answers it within ``seconds``."""
    try:
        with socket.create_connection((HOST, port), timeout=seconds) as link, link.makefile("rb") as reply:
            link.sendall(b"INFO\r\n")
            head = reply.readline()
            if not head.startswith(b"$"):
                return {}
            text = reply.read(int(head[1:])).decode("utf-8", "replace")
    except (OSError, OverflowError, ValueError):
        return {}
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def server_version(info: dict[str, str]) -> tuple[str, str]:
    """Name (``valkey`` or ``redis``) and version, out of INFO. Valkey calls its own version something else."""
    version = info.get("valkey_version")
    return ("valkey", version) if version else ("redis", info.get("redis_version", "unknown"))


def free_port() -> int:
    """A port that is free now. Another process may take it before the server does: the caller tries again."""
    for _ in range(1_000):
        port = PORTS[int.from_bytes(os.urandom(4), "big") % len(PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise StartFailed(f"no free port between {PORTS[0]} and {PORTS[-1]}")


def running_server(folder: Path) -> dict[str, Any] | None:
    """The folder's runtime file (``url``, ``port``, ``pid``, ``run_id``), if the very server it names answers."""
    kept = read_runtime(folder)
    try:
        return kept if server_info(kept["port"], 1.0).get("run_id") == kept["run_id"] else None
    except (TypeError, KeyError):
        return None


def last_port(folder: Path) -> int:
    """The port of this folder's server the last time, if it is free: who knew its address finds it again. Else 0."""
    try:
        port = int((folder / PORT_FILE).read_text(encoding="ascii"))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
            probe.bind((HOST, port))
    except (OSError, ValueError, OverflowError):
        return 0
    return port if port in PORTS else 0


# The embedded binary allocates with the C library, whose per-thread cache holds 7 blocks of a size by default. A script
# makes and frees hundreds of small blocks; with more of them cached, none has to be cut out of a heap full of data, and
# the cost of a script on 100,000 tickets falls by some 40 % (measured; elsewhere than on glibc this does nothing).
SERVER_TUNABLES = "glibc.malloc.tcache_count=4096:glibc.malloc.trim_threshold=536870912"


def spawn(request: Request, port: int, lock: FileIO, log: FileIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [
                request.binary,
                "--bind",
                HOST,
                "--port",
                str(port),
                "--dir",
                "./",
                "--daemonize",
                "no",
                *request.arguments,
            ],
            cwd=request.folder,
            # The log is searched for an error's English text. The allocator: see SERVER_TUNABLES.
            env={"GLIBC_TUNABLES": SERVER_TUNABLES, **os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock.fileno(),),
            preexec_fn=die_with_me(),  # noqa: PLW1509  (safe: this process has one thread)
        )
    except OSError as error:
        raise StartFailed(f"{request.binary} cannot be run: {error.strerror}") from error


def await_ready(server: subprocess.Popen[bytes], port: int, watch: Watch, deadline: float) -> dict[str, str] | None:
    """INFO of the server once it is this very process and has loaded its data; None if it ended by itself."""
    pause = 0.002
    while server.poll() is None:
        info = server_info(port, ANSWER_SECONDS)
        if info.get("process_id") == str(server.pid) and info.get("loading") == "0":
            return info
        if watch.stopping:
            end(server, signal.SIGTERM)
            raise StartFailed("stopped before the server was ready")
        if time.monotonic() > deadline:
            end(server, signal.SIGTERM)
            why = "it is still loading its data" if info.get("loading") == "1" else "it does not answer"
            raise StartFailed(f"the server was not ready in time: {why}")
        watch.wait(pause)
        pause = min(pause * 1.5, 0.05)
    return None


def start(
    request: Request, watch: Watch, lock: FileIO, log: FileIO
) -> tuple[subprocess.Popen[bytes], int, dict[str, str]]:
    """The server, its port and its INFO. A port lost to another process is tried again, or another one is."""
    deadline = time.monotonic() + request.start_seconds
    said, code = "", 0
    wanted = request.port or last_port(Path(request.folder))
    for _ in range(PORT_ATTEMPTS):
        port = wanted or free_port()
        seen = os.fstat(log.fileno()).st_size
        server = spawn(request, port, lock, log)
        info = await_ready(server, port, watch, deadline)
        if info is not None:
            return server, port, info
        log.seek(seen)
        said, code = log.read().decode("utf-8", "replace"), server.returncode
        if "Address already in use" not in said:
            break
        wanted = request.port
        if wanted:
            watch.wait(0.1)
    raise ended_early(request.binary, code, said, log)


def serve(request: Request, watch: Watch) -> None:
    folder = Path(request.folder)
    with take_folder(folder, watch, running_server) as lock, open_log(folder / LOG_FILE) as log:
        server, port, info = start(request, watch, lock, log)
        name, version = server_version(info)
        answer = {"url": f"redis://{HOST}:{port}", "port": port, "pid": server.pid, "run_id": info["run_id"]}
        try:
            with announced(folder, answer):
                (folder / PORT_FILE).write_text(f"{port}\n", encoding="ascii")
                report({**answer, "name": name, "version": version})
                os.dup2(log.fileno(), sys.stderr.fileno())  # nobody reads our errors elsewhere from here on
                supervise(server, watch, signal.SIGTERM)
        finally:
            if server.poll() is None:
                end(server, signal.SIGTERM)
