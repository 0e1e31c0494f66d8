"""A TCP proxy that stands between a client and the server, and loses what a network loses.

It passes bytes on until it is told otherwise: :meth:`Proxy.drop_replies` lets requests through and loses their answers,
:meth:`Proxy.lose_messages` loses pub/sub messages, :meth:`Proxy.cut` breaks every connection, :meth:`Proxy.stall` holds
everything back without breaking anything. Two threads a connection; nothing in here sleeps.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65536
CLOSING_SECONDS = 5.0


def frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The complete RESP replies (versions 2 and 3) that ``buffer`` begins with, and the rest."""
    found, start = [], 0
    while (end := _end_of_frame(buffer, start)) is not None:
        found.append(buffer[start:end])
        start = end
    return found, buffer[start:]


def _end_of_frame(buffer: bytes, start: int) -> int | None:
    """Where the reply that begins at ``start`` ends; None while part of it is missing."""
    line = buffer.find(b"\r\n", start)
    if line < 0:
        return None
    kind, end = buffer[start : start + 1], line + 2
    if kind in b"$=!":
        length = int(buffer[start + 1 : line])
        end += length + 2 if length >= 0 else 0
        return end if end <= len(buffer) else None
    if kind in b"*>~%|":
        parts = int(buffer[start + 1 : line]) * (2 if kind in b"%|" else 1)
        for _ in range(parts):
            part = _end_of_frame(buffer, end)
            if part is None:
                return None
            end = part
    return end


class Link:
    """One client's connection and the one to the server behind it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.asked = b""
        self.buffer = b""

    def cut(self) -> None:
        """Ends both, so that whoever reads from them wakes up."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Listens on a free local port for a server's clients; used as a context manager.

    :param url: the server, as ``redis://host:port``.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}"
        self._changed = threading.Condition()
        self._links: set[Link] = set()
        self._threads: list[threading.Thread] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = threading.Event()
        self._replies_to_drop, self._needle = 0, b""
        self._lose_every, self._cut_on_loss, self._messages = 0, False, 0
        self.dropped = 0
        """Replies and messages lost so far."""
        self.accepted = 0
        """Connections taken so far."""

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection and thread."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._flowing.set()
        self.cut()
        for thread in self._threads:
            thread.join(CLOSING_SECONDS)

    # -- faults ----------------------------------------------------------------------------------------------------

    def drop_replies(self, count: int, to: bytes = b"") -> None:
        """Loses the next ``count`` replies and breaks their connections. The server has done what it was asked.

        :param to: only replies to requests with these bytes in them (``b"EVALSHA"``); otherwise any, a client's
            greeting included.
        """
        with self._changed:
            self._replies_to_drop, self._needle = count, to

    def lose_messages(self, every: int, *, cut: bool = False) -> None:
        """Loses every so many-th pub/sub message from now on, 0 for none; with ``cut`` the connection breaks there.

        A message lost without a broken connection is more than a network does, and less than a listener may be told.
        """
        with self._changed:
            self._lose_every, self._cut_on_loss, self._messages = every, cut, 0

    def cut(self) -> int:
        """Breaks every connection; answers how many there were."""
        with self._changed:
            links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    def stall(self) -> None:
        """Passes nothing on, in either direction, until :meth:`resume`. New connections are taken and stall too."""
        self._flowing.clear()

    def resume(self) -> None:
        """Passes on what was held back, and all that follows."""
        self._flowing.set()

    def wait_dropped(self, count: int, timeout: float) -> bool:
        """Waits until so many replies and messages were lost in all; answers whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: self.dropped >= count, timeout)

    def wait_accepted(self, count: int, timeout: float) -> bool:
        """Waits until so many connections were taken in all."""
        with self._changed:
            return self._changed.wait_for(lambda: self.accepted >= count, timeout)

    # -- threads ---------------------------------------------------------------------------------------------------

    def _spawn(self, work: Callable[..., None], *args: Link) -> None:
        thread = threading.Thread(target=work, args=args, name="proxy", daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            with self._changed:
                self._links.add(link)
                self.accepted += 1
                self._changed.notify_all()
            self._spawn(self._pass_requests, link)
            self._spawn(self._pass_replies, link)
            if self._closed.is_set():
                link.cut()

    def _pass_requests(self, link: Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.client.recv(CHUNK):
                self._flowing.wait()
                with self._changed:
                    # Requests that the server answers out of one buffer share a reply: remember all since the last.
                    link.asked = (link.asked + data)[-CHUNK:]
                link.server.sendall(data)
        link.cut()

    def _pass_replies(self, link: Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.server.recv(CHUNK):
                self._flowing.wait()
                with self._changed:
                    kept = None if self._drops(link) else self._without_lost(link, data)
                if kept is None:
                    break
                link.client.sendall(kept)
        link.cut()
        with self._changed:
            self._links.discard(link)
        link.client.close()
        link.server.close()

    def _drops(self, link: Link) -> bool:
        """Whether this reply is to be lost."""
        asked, link.asked = link.asked, b""
        if not self._replies_to_drop or self._needle not in asked:
            return False
        self._replies_to_drop -= 1
        self._count_loss()
        return True

    def _without_lost(self, link: Link, data: bytes) -> bytes | None:
        """The bytes that go on to the client; None where the connection breaks instead."""
        if not self._lose_every and not link.buffer:
            return data
        whole, link.buffer = frames(link.buffer + data)
        kept = b""
        for frame in whole:
            if self._lose_every and frame[1:].startswith(b"3\r\n$7\r\nmessage\r\n"):
                self._messages += 1
                if self._messages % self._lose_every == 0:
                    self._count_loss()
                    if self._cut_on_loss:
                        return None
                    continue
            kept += frame
        return kept

    def _count_loss(self) -> None:
        self.dropped += 1
        self._changed.notify_all()
