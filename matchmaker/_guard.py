"""The guard: a small process that owns one embedded server, so that the server never outlives whoever asked for it.

:mod:`matchmaker.embedded` runs this file as a script (``python -I -S _guard.py REQUEST``), not as a module: that way
nothing else of the package is imported and it is up in some 30 ms. Standard library only, one thread.

Standard input is a pipe whose other end only the parent holds: its end means that the parent is gone, however it died.
A child that the parent forked may hold that end too, so the parent's process id is looked at once a second as well.
On Linux the kernel kills the server when the guard dies. The guard answers with one JSON line on standard output, then
SIGTERM ends the server in good order, SIGUSR1 kills it, and the server's own end is the guard's end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

LOCK_FILE, LOG_FILE, RUNTIME_FILE, PORT_FILE = "server.lock", "server.log", "server.json", "server.port"
HOST = "127.0.0.1"
# Below the ports that systems hand to outgoing connections (32768 and up): while a server restarts, a client that
# keeps connecting to such a port can be given that very port and meet itself. A cluster's bus port, 10,000 above, fits.
PORTS = range(10_240, 32_768)
PORT_ATTEMPTS = 10
ANSWER_SECONDS = 0.25
LOCK_SECONDS = 3.0
# Longer than an fsync on a slow disk; a server that is still there is killed.
STOP_SECONDS = 10.0
LOG_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


class Request(NamedTuple):
    """What the parent wants. ``port`` 0 is any free one; a ``temporary`` folder is removed when the parent is gone."""

    binary: str
    arguments: list[str]
    folder: str
    port: int
    parent: int
    temporary: bool
    start_seconds: float


class StartFailed(Exception):
    """The message is what the person who wanted the server reads."""


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


class Watch:
    """Waits for whatever comes first: the parent's end, a signal, a child's end, the time."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._asked: set[int] = set()
        self._closed = False
        self._signals, wake = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._poll = select.poll()
        self._poll.register(sys.stdin.fileno(), select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)

    def wait(self, seconds: float) -> None:
        for descriptor, _ in self._poll.poll(seconds * 1000):
            with contextlib.suppress(BlockingIOError):
                heard = os.read(descriptor, 4096)
                if descriptor == self._signals:
                    self._asked.update(heard)
                elif not heard:
                    self._closed = True
                    self._poll.unregister(descriptor)

    @property
    def orphaned(self) -> bool:
        return self._closed or os.getppid() != self._parent

    @property
    def stopping(self) -> bool:
        return signal.SIGTERM in self._asked or self.orphaned

    @property
    def killing(self) -> bool:
        return signal.SIGUSR1 in self._asked


def free_port() -> int:
    """A port that is free now. Another process may take it before the server does: the caller tries again."""
    for _ in range(1_000):
        port = PORTS[int.from_bytes(os.urandom(4), "big") % len(PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise StartFailed(f"no free port between {PORTS[0]} and {PORTS[-1]}")


def take_folder(request: Request, watch: Watch) -> FileIO:
    """The folder's lock. The server inherits it, so that it is held for as long as anything can write there."""
    folder = Path(request.folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / LOCK_FILE).open("a+b", buffering=0)
    deadline = time.monotonic() + LOCK_SECONDS
    while not watch.stopping:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A server that was killed just now may have left a child that rewrites the log and is about to notice:
            # so wait a little, unless somebody answers for the folder.
            lock.seek(0)
            holder = lock.read().decode("ascii", "replace").strip()
            running = running_server(folder)
            if running is None and time.monotonic() < deadline:
                watch.wait(0.05)
                continue
            who = f"process {running['pid']} at {running['url']}" if running else f"process {holder or 'unknown'}"
            raise StartFailed(
                f"data folder {folder} is in use by the server of {who}: stop it, or name another folder"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(b"%d\n" % os.getpid())
        return lock
    raise StartFailed("stopped before the server was ready")


def running_server(folder: Path) -> dict[str, Any] | None:
    """The folder's runtime file (``url``, ``port``, ``pid``, ``run_id``), if the very server it names answers."""
    try:
        kept: dict[str, Any] = json.loads((folder / RUNTIME_FILE).read_text(encoding="utf-8"))
        return kept if server_info(kept["port"], 1.0).get("run_id") == kept["run_id"] else None
    except (OSError, ValueError, TypeError, KeyError):
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


def die_with_me() -> Callable[[], None] | None:
    """For a child to call before it becomes the server: on Linux, SIGKILL it when this process is gone."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl, guard = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def prepare() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != guard:
            os._exit(1)

    return prepare


def end(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM, so that everything is on disk; SIGKILL if that takes too long. A stopped server is made to hear it."""
    server.terminate()
    server.send_signal(signal.SIGCONT)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def await_ready(server: subprocess.Popen[bytes], port: int, watch: Watch, deadline: float) -> dict[str, str] | None:
    """INFO of the server once it is this very process and has loaded its data; None if it ended by itself."""
    pause = 0.002
    while server.poll() is None:
        info = server_info(port, ANSWER_SECONDS)
        if info.get("process_id") == str(server.pid) and info.get("loading") == "0":
            return info
        if watch.stopping:
            end(server)
            raise StartFailed("stopped before the server was ready")
        if time.monotonic() > deadline:
            end(server)
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
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    lines = "\n".join("  " + line for line in said.splitlines()[-8:]) or "  (nothing: is the disk full?)"
    raise StartFailed(f"{request.binary} ended during its start ({how}); it said in {log.name}:\n{lines}")


def open_log(folder: Path) -> FileIO:
    """The server's log, appended to; one of over 1 MiB is put aside first, as ``server.log.1``."""
    path = folder / LOG_FILE
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(folder / (LOG_FILE + ".1"))
    return path.open("a+b", buffering=0)


def write_runtime(path: Path, answer: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(answer), encoding="utf-8")
    fresh.replace(path)


def supervise(server: subprocess.Popen[bytes], watch: Watch) -> None:
    while server.poll() is None:
        watch.wait(1.0)
        if watch.killing:
            server.kill()
            server.wait()
        elif watch.stopping:
            end(server)


def report(answer: dict[str, Any]) -> None:
    """One line to the parent. A parent that is gone by now is noticed by the watch."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


def serve(request: Request, watch: Watch) -> None:
    folder = Path(request.folder)
    with take_folder(request, watch) as lock, open_log(folder) as log:
        server, port, info = start(request, watch, lock, log)
        name, version = server_version(info)
        answer = {"url": f"redis://{HOST}:{port}", "port": port, "pid": server.pid, "run_id": info["run_id"]}
        try:
            write_runtime(folder / RUNTIME_FILE, answer)
            (folder / PORT_FILE).write_text(f"{port}\n", encoding="ascii")
            report({**answer, "name": name, "version": version})
            os.dup2(log.fileno(), sys.stderr.fileno())  # from here on there is nobody who reads our errors elsewhere
            supervise(server, watch)
        finally:
            if server.poll() is None:
                end(server)
            with contextlib.suppress(OSError):
                (folder / RUNTIME_FILE).unlink()


def main(text: str) -> int:
    request = Request(**json.loads(text))
    watch = Watch(request.parent)
    try:
        serve(request, watch)
    except StartFailed as error:
        report({"error": str(error)})
        return 1
    except OSError as error:
        where = error.filename or request.folder
        report({"error": f"data folder {request.folder} cannot be used: {where}: {error.strerror}"})
        return 1
    finally:
        if request.temporary and watch.orphaned:
            import shutil

            shutil.rmtree(request.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
