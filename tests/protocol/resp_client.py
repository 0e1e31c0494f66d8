"""A small client of the protocol: RESP over a socket, tickets, every event of a player once.

Written from docs/protocol.md with the standard library alone; nothing of the package is in here.
"""

from __future__ import annotations

import json
import socket
from collections import deque
from typing import Any, Protocol

REALM_KEYS = ["meta", "clock", "rules", "tickets", "players", "ends", "ended:0", "ended:1", "due", "events", "wake"]


class EventsLost(Exception):
    """Events after the cursor may be older than the realm remembers."""


class Connection:
    """One connection. Replies are text, lists of text, or None; an error of the server is raised."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._replies = self._socket.makefile("rb")

    def send(self, *words: str) -> None:
        parts = [word.encode() for word in words]
        head = f"*{len(parts)}\r\n".encode()
        self._socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

    def read(self) -> Any:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RuntimeError(text)
        if kind == b"*":
            return [self.read() for _ in range(int(text))]
        if kind == b"$":
            return None if text == "-1" else self._replies.read(int(text) + 2)[:-2].decode()
        return text  # a status, or a number as text

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


class Ear(Protocol):
    """A subscribed connection: what it reads is ``[kind, channel, text]``."""

    def read(self) -> Any: ...
    def close(self) -> None: ...


class Realm:
    """The functions of one realm."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self._address = (host, port)
        self._connection = Connection(host, port)
        self.prefix = f"mm:{{{name}}}:"
        self.channels = self.prefix + "player:"

    def call(self, *words: str) -> Any:
        self._connection.send(*words)
        return self._connection.read()

    def subscribe(self, channel: str) -> Ear:
        ear = Connection(*self._address)
        ear.send("SUBSCRIBE", channel)
        return ear

    def fcall(self, function: str, more_keys: list[str], *args: str) -> Any:
        keys = [self.prefix + key for key in [*REALM_KEYS, *more_keys]]
        return self.call("FCALL", f"mm1_{function}", str(len(keys)), *keys, *args)

    def apply(self, queue: str, rules: str) -> Any:
        return self.fcall("apply", [], "", "0", "0", "600000", "1000000", queue, rules)

    def enqueue(self, queue: str, ticket: str) -> Any:
        keys = [f"{kind}:{queue}" for kind in ("line", "due", "ratings", "deviations")]
        return self.fcall("enqueue", keys, "", self.channels, queue, ticket)[0]

    def cancel(self, queue: str, ticket: str) -> Any:
        line = [f"line:{queue}", f"due:{queue}"]
        return self.fcall("cancel", line, "", self.channels, queue, "ticket", ticket, "requested")

    def close(self) -> None:
        self._connection.close()


def order(event_id: str) -> tuple[int, int]:
    ms, _, count = event_id.partition("-")
    return int(ms), int(count)


class Listener:
    """Every event of a player once, in order, whatever becomes of the connection. It sends no PING."""

    def __init__(self, realm: Realm, player: str, cursor: str = "") -> None:
        self._realm, self._player, self.cursor = realm, player, cursor
        self._known_ms = order(cursor or "0-0")[0]
        self._ear: Ear | None = None
        self._events: deque[dict[str, Any]] = deque()

    def next(self) -> dict[str, Any]:
        while not self._events:
            try:
                self._ear = self._ear or self._realm.subscribe(self._realm.channels + self._player)
                kind, _, text = self._ear.read()
                if kind == "subscribe":
                    self._catch_up()
                elif kind == "message":
                    self._hear(json.loads(text))
            except ConnectionError:
                self.close()
        return self._events.popleft()

    def _hear(self, event: dict[str, Any]) -> None:
        if self.cursor and order(event["id"]) <= order(self.cursor):
            return
        if event["prev"] in ("", self.cursor):
            self._deliver(event)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        found: list[str] = []
        code, ticket, floor, now_ms = "more", "", "0", 0
        while code == "more":
            reply = self._realm.fcall("history", [], self._player, self.cursor, ticket, "100")
            (code, floor, server_ms, offset, ticket), found = reply[:5], found + reply[5:]
            now_ms = int(server_ms) + int(offset)
        follows = code == "reached" or (found and found[-2] == self.cursor) or self._known_ms >= int(floor)
        if self.cursor and not follows:
            raise EventsLost(self._player)
        for i in range(len(found) - 3, -1, -3):
            self._deliver({"id": found[i], "prev": found[i + 1], **json.loads(found[i + 2])})
        self.cursor, self._known_ms = self.cursor or "0-0", now_ms

    def _deliver(self, event: dict[str, Any]) -> None:
        self.cursor = event["id"]
        self._events.append(event)

    def close(self) -> None:
        if self._ear is not None:
            self._ear.close()
        self._ear = None
