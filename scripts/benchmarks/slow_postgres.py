"""A Postgres that answers late: a proxy in front of a real one that holds back every answer for a stated time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

CHUNK = 65536
CLOSING_SECONDS = 5.0


def address_of(url: str) -> tuple[str, int]:
    """Host, or folder of the socket, and port."""
    parts = urlsplit(url)
    named = dict(parse_qsl(parts.query))
    return named.get("host") or parts.hostname or "127.0.0.1", int(named.get("port") or parts.port or 5432)


class SlowPostgres:
    """Listens on a local port for the clients of a Postgres server; ``url`` is what they are given.

    ``delay_seconds`` may be set at any time: it is what every answer from then on waits for, however short.
    """

    def __init__(self, url: str, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self.answers = 0
        """Answers held back so far; many rows may be several."""
        self._server = address_of(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        parts = urlsplit(url)
        kept = {name: value for name, value in parse_qsl(parts.query) if name not in ("host", "port")}
        query = {**kept, "host": "127.0.0.1", "port": str(self._listening.getsockname()[1]), "sslmode": "disable"}
        user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
        self.url = f"postgresql://{user}{parts.path}?{urlencode({**query, 'gssencmode': 'disable'})}"
        self._closed = threading.Event()
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for end in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(CLOSING_SECONDS)
        for end in self._ends:
            end.close()

    def _spawn(self, work: Callable[..., None], *args: socket.socket, late: bool = False) -> None:
        options = {"late": True} if late else {}
        thread = threading.Thread(target=work, args=args, kwargs=options, name="slow-postgres", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = self._connected()
            self._ends |= {client, server}
            self._spawn(self._pass_on, client, server)
            self._spawn(self._pass_on, server, client, late=True)

    def _connected(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection(self._server)
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket, *, late: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if late:
                    self.answers += 1
                    self._closed.wait(self.delay_seconds)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
