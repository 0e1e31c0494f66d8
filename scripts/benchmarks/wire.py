"""Commands over a plain socket, packed beforehand, so that what is measured is the server and not a client library."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, cast

import hiredis

from matchmaker.calls import Call

RECEIVE_BYTES = 1 << 18


def packed(*command: str | int | float | bytes) -> bytes:
    """One command in RESP."""
    return cast(bytes, hiredis.pack_command(cast(Any, command)))


def packed_call(call: Call[Any]) -> bytes:
    """One script call in RESP, by its hash: the server must know the script."""
    return packed("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)


class Wire:
    """One connection. Replies are bytes, integers and lists; an error reply is raised."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(notEnoughData=self)

    def send(self, commands: bytes) -> None:
        self.socket.sendall(commands)

    def ready_replies(self) -> Iterator[Any]:
        """Replies that were received and not yet handed out."""
        while True:
            reply = self._reader.gets()
            if reply is self:
                return
            if isinstance(reply, hiredis.ReplyError):
                raise reply
            yield reply

    def receive(self) -> list[Any]:
        """Waits for bytes; answers the replies they complete."""
        piece = self.socket.recv(RECEIVE_BYTES)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self._reader.feed(piece)
        return list(self.ready_replies())

    def replies(self, count: int) -> list[Any]:
        """Waits for so many replies. More than were asked for never come."""
        found: list[Any] = []
        while len(found) < count:
            found += self.receive()
        return found

    def ask(self, *command: str | int | float | bytes) -> Any:
        """One command and its reply."""
        self.send(packed(*command))
        return self.replies(1)[0]

    def stream(self, commands: Iterable[bytes], window: int = 32, *, replies_each: int = 1) -> Iterator[Any]:
        """Sends pieces that get ``replies_each`` replies, with about ``window`` replies outstanding; yields the replies
        in order."""
        unanswered = 0
        for command in commands:
            self.send(command)
            unanswered += replies_each
            while unanswered >= window:
                replies = self.receive()
                unanswered -= len(replies)
                yield from replies
        yield from self.replies(unanswered)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
