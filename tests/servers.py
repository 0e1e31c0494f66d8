"""What tests share about servers and processes."""

from __future__ import annotations

import os
import re
import select
from pathlib import Path
from typing import Protocol

import redis

from matchmaker.embedded import EmbeddedServer


class StartServer(Protocol):
    """The ``own_server`` fixture: options of the server in, a running server out."""

    def __call__(self, *extra_args: str, data_dir: Path | None = None, appendonly: bool = True) -> EmbeddedServer: ...


def remove_keys(client: redis.Redis, realm: str) -> None:
    """Removes a realm's keys, a page at a time."""
    for key in client.scan_iter(match=f"mm:{{{realm}}}:*", count=1000):
        client.unlink(key)


def database_at(url: str, name: str) -> str:
    """The URL of another database on the same Postgres server."""
    parts = re.fullmatch(r"([a-z0-9+]+://[^/?]*)(?:/[^?]*)?(\?.*)?", url)
    assert parts is not None, "a URL of Postgres is wanted"
    return f"{parts[1]}/{name}{parts[2] or ''}"


class Process:
    """A handle on any process, taken while it lives: its end can be awaited, and no later process is taken for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def ended(self, within_seconds: float) -> bool:
        """Waits for its end, at most so long."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(within_seconds * 1000))

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
