"""The Unix socket of a Postgres server: the folder it is in, and who answers there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matchmaker._guards.common import read_runtime
from matchmaker._guards.identity import Identity

PORT = 5432
SOCKET_FILE = f".s.PGSQL.{PORT}"
SOCKET_FOLDER = "run"
ANSWER_SECONDS = 1.0
# What fits into a socket's address, its final zero byte aside.
_SOCKET_PATH_BYTES = 107 if sys.platform.startswith("linux") else 103
# Any other character may mean something to Postgres's list of folders or to a client's list of hosts.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+=~-]*", re.ASCII)
_SSL_REQUEST = struct.pack("!II", 8, 80877103)  # every server answers it with one byte, S or N


def answering_pid(socket_folder: Path) -> int | None:
    """Process id of the server that answers on a folder's socket, or None. (0 where the system does not tell it.)"""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(ANSWER_SECONDS)
            link.connect(str(socket_folder / SOCKET_FILE))
            link.sendall(_SSL_REQUEST)
            if link.recv(1) not in (b"N", b"S"):
                return None
            if not hasattr(socket, "SO_PEERCRED"):
                return 0
            size = struct.calcsize("3i")
            return int(struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])
    except OSError:
        return None


def _is_private(folder: Path, identity: Identity) -> bool:
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and stat.S_IMODE(found.st_mode) == 0o700
        and found.st_uid in (os.geteuid(), identity.uid)
    )


def _socket_place(folder: Path, identity: Identity) -> Path:
    """A folder of mode 0700 for the socket: within the data folder or, when its path is too long or has characters
    that would be misread, under /tmp. There too the name is the same every time, so that the URL is."""
    inside = folder / SOCKET_FOLDER
    if _PLAIN_PATH.fullmatch(str(inside)) and len(str(inside / SOCKET_FILE)) <= _SOCKET_PATH_BYTES:
        inside.mkdir(mode=0o700, exist_ok=True)
        inside.chmod(0o700)
        return inside
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    outside = Path("/tmp", f"matchmaker-{identity.uid}-{digest}")
    with contextlib.suppress(FileExistsError):
        outside.mkdir(mode=0o700)
    if _is_private(outside, identity):
        return outside
    return Path(tempfile.mkdtemp(prefix="matchmaker-", dir="/tmp"))  # somebody else has taken our name


def _clear(place: Path) -> None:
    for name in (SOCKET_FILE, SOCKET_FILE + ".lock"):
        (place / name).unlink(missing_ok=True)


def remove_socket(place: Path) -> None:
    """What a server that was killed leaves. A folder under /tmp goes too."""
    with contextlib.suppress(OSError):
        _clear(place)
        if place.name != SOCKET_FOLDER:
            place.rmdir()


@contextlib.contextmanager
def socket_folder(folder: Path, identity: Identity) -> Iterator[Path]:
    """An empty folder for the socket of this folder's server. Needs the folder's lock."""
    place = _socket_place(folder, identity)
    try:
        _clear(place)
        former = read_runtime(folder).get("socket_folder")  # of a server that was killed together with its guard
        # A copy of a folder names the socket of the original, which may be in use.
        if isinstance(former, str) and former != str(place) and answering_pid(Path(former)) is None:
            remove_socket(Path(former))
        identity.own(place)
        yield place
    finally:
        remove_socket(place)
