"""The guard of one Postgres server, for :mod:`matchmaker.embedded_postgres`.

In the folder: ``data`` (the cluster, made whole or not at all), ``run`` (the socket, 0700), ``postgres.log`` and what
every guard keeps. All server processes hold the folder's lock, so whoever has it knows that none of them is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from matchmaker._guards.cluster import (
    DATA_FOLDER,
    DATABASE,
    USER,
    Programs,
    Request,
    check_data,
    forget_dead_server,
    make_data,
    option_arguments,
)
from matchmaker._guards.common import (
    LOCK_FILE,
    LOCK_SECONDS,
    Watch,
    announced,
    end,
    open_log,
    read_runtime,
    report,
    supervise,
    take_folder,
)
from matchmaker._guards.identity import Identity, as_identity, choose_identity
from matchmaker._guards.sockets import PORT, answering_pid, remove_socket, socket_folder

LOG_FILE = "postgres.log"
_PR_SET_CHILD_SUBREAPER, _IPC_RMID = 36, 0


def running_server(folder: Path) -> dict[str, Any] | None:
    """The folder's runtime file (``url``, ``pid``, ``socket_folder``), if the very server it names answers."""
    kept = read_runtime(folder)
    try:
        return kept if answering_pid(Path(kept["socket_folder"])) in (kept["pid"], 0) else None
    except (TypeError, KeyError):
        return None


def is_ready(request: Request, pid: int) -> bool:
    """As pg_ctl finds out: the server writes its state into postmaster.pid."""
    try:
        lines = (request.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def inherit_strays() -> None:
    """Has this process become the parent of the server's processes when the server itself is gone (on Linux)."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_strays() -> None:
    """Kills the inherited processes of a server that is gone: one that computes would not notice for a long time."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(OSError):  # ChildProcessError: there are none. Or a system without such a list.
        while True:
            for pid in children.read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)


def forget_shared_memory(data: Path) -> None:
    """Removes the few bytes of System V memory by which a server that was killed marked its folder as in use."""
    try:
        text = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
        memory = int(text.splitlines()[6].split()[1])
    except (OSError, IndexError, ValueError):
        return  # it ended in good order
    import ctypes

    ctypes.CDLL(None).shmctl(memory, _IPC_RMID, None)


def forget_shared_memory_as(identity: Identity, data: Path) -> None:
    """The same by a child that becomes its owner. A namespace of its own takes the memory with it anyway."""
    if identity.namespaced:
        return
    prepare, child = as_identity(identity), os.fork()
    if child == 0:
        try:
            prepare()
            forget_shared_memory(data)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def start(request: Request, programs: Programs, place: Path) -> subprocess.Popen[bytes]:
    if not check_data(request):
        make_data(request, programs)
    forget_dead_server(request)
    owned = {"listen_addresses": "", "port": str(PORT), "unix_socket_directories": str(place)}
    server = programs.spawn("postgres", ["-D", str(request.data), *option_arguments({**request.settings, **owned})])
    pause = 0.002
    try:
        while not is_ready(request, server.pid):
            if server.poll() is not None:
                raise programs.failed("postgres", server.returncode)
            programs.go_on(pause)
            pause = min(pause * 1.5, 0.05)
    except BaseException:
        end(server, signal.SIGINT)
        raise
    return server


def clean_up_after_guard(folder: Path, place: Path) -> None:
    """What a guard that was killed with its server could not do, once the server's other processes have noticed: a
    moment as a rule. If somebody else uses the folder by now, it is theirs."""
    deadline = time.monotonic() + LOCK_SECONDS
    with contextlib.suppress(FileNotFoundError), (folder / LOCK_FILE).open("rb") as lock:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            forget_shared_memory(folder / DATA_FOLDER)
            remove_socket(place)
            return


def serve(request: Request, watch: Watch) -> None:
    folder = Path(request.folder)
    with contextlib.ExitStack() as held:
        lock = held.enter_context(take_folder(folder, watch, running_server))
        os.umask(0o077)  # the log quotes statements, and these hold data
        log = held.enter_context(open_log(folder / LOG_FILE))
        identity = choose_identity(folder, request.data, Path(request.binary_dir, "postgres"))
        for mine in (lock, log):
            identity.own(mine.fileno())
        place = held.enter_context(socket_folder(folder, identity))
        inherit_strays()
        held.callback(forget_shared_memory_as, identity, request.data)
        held.callback(end_strays)
        server = start(request, Programs(request, identity, lock, log, watch), place)
        url = f"postgresql:///{DATABASE}?host={quote(str(place), safe='')}&port={PORT}&user={USER}"
        answer = {"url": url, "pid": server.pid, "socket_folder": str(place)}
        try:
            with announced(folder, answer):
                report({**answer, "version": request.version})
                os.dup2(log.fileno(), sys.stderr.fileno())  # nobody reads our errors elsewhere from here on
                supervise(server, watch, signal.SIGINT)
        finally:
            if server.poll() is None:
                end(server, signal.SIGINT)
