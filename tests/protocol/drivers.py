"""Three clients of the protocol, spoken to in one way: a raw socket, redis-cli alone, and ioredis."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import redis

from tests.protocol.programs import redis_cli
from tests.protocol.resp_client import Ear, EventsLost, Listener, Realm

CLIENT = Path(__file__).parent / "node" / "client.js"
END_SECONDS = 10.0


class Driver(Protocol):
    """One client. Replies are flat lists of text; ``event`` waits for the next, as long as the test's time limit."""

    def load(self, source: str) -> None: ...
    def apply(self, queue: str, rules: str) -> Sequence[str]: ...
    def enqueue(self, queue: str, ticket: str) -> Sequence[str]: ...
    def cancel(self, queue: str, ticket: str) -> Sequence[str]: ...
    def listen(self, player: str, cursor: str = "") -> None: ...
    def event(self) -> dict[str, Any]:
        """:raises EventsLost: what follows the cursor may be forgotten."""

    def fall_asleep(self) -> None:
        """The client stands still: it notices nothing until it wakes."""

    def wake_up(self) -> None: ...
    def close(self) -> None: ...


class Socket:
    """The raw-socket client. It runs in the test, so it stands still whenever it is not asked."""

    def __init__(self, url: str, realm: str) -> None:
        address = urlsplit(url)
        self.realm = self._realm(address.hostname or "", address.port or 0, realm)
        self._listener: Listener | None = None

    def _realm(self, host: str, port: int, name: str) -> Realm:
        return Realm(host, port, name)

    def load(self, source: str) -> None:
        assert self.realm.call("FUNCTION", "LOAD", "REPLACE", source) == "mm1"

    def apply(self, queue: str, rules: str) -> Sequence[str]:
        return list(self.realm.apply(queue, rules))

    def enqueue(self, queue: str, ticket: str) -> Sequence[str]:
        return list(self.realm.enqueue(queue, ticket))

    def cancel(self, queue: str, ticket: str) -> Sequence[str]:
        return list(self.realm.cancel(queue, ticket))

    def listen(self, player: str, cursor: str = "") -> None:
        self._listener = Listener(self.realm, player, cursor)

    def event(self) -> dict[str, Any]:
        assert self._listener is not None
        return self._listener.next()

    def fall_asleep(self) -> None:
        pass

    def wake_up(self) -> None:
        pass

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self.realm.close()


class _CliEar:
    """``redis-cli SUBSCRIBE``: three lines a message. It ends when its connection does."""

    def __init__(self, command: Sequence[str], channel: str) -> None:
        self._process = subprocess.Popen(
            [*command, "SUBSCRIBE", channel], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def read(self) -> list[str]:
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline().rstrip("\n") for _ in range(3)]
        if lines[0] not in ("subscribe", "message"):
            raise ConnectionError("redis-cli lost its connection")
        return lines

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class _CliRealm(Realm):
    """A realm whose every command is a run of redis-cli, which prints a value a line."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self._command = [redis_cli(), "-h", host, "-p", str(port)]
        self.prefix = f"mm:{{{name}}}:"
        self.channels = self.prefix + "player:"

    def call(self, *words: str) -> Any:
        if words[:2] == ("FUNCTION", "LOAD"):
            *words_before, text = words  # too long for a command line: by way of standard input
            return self._run("-x", *words_before, text=text)[0]
        return self._run(*words)

    def _run(self, *words: str, text: str | None = None) -> list[str]:
        command = [*self._command, *words]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=END_SECONDS)
        return done.stdout.removesuffix("\n").split("\n")

    def enqueue(self, queue: str, ticket: str) -> Any:
        keys = [f"{kind}:{queue}" for kind in ("line", "due", "ratings", "deviations")]
        return self.fcall("enqueue", keys, "", self.channels, queue, ticket)  # nesting does not show

    def subscribe(self, channel: str) -> Ear:
        return _CliEar(self._command, channel)

    def close(self) -> None:
        pass


class Cli(Socket):
    """redis-cli alone: the raw client's logic, with redis-cli as its only way to the server."""

    def _realm(self, host: str, port: int, name: str) -> Realm:
        return _CliRealm(host, port, name)


class Node:
    """``node/client.js`` over ioredis, a process of its own."""

    def __init__(self, url: str, realm: str, node: str, modules: Path) -> None:
        self._process = subprocess.Popen(
            [node, str(CLIENT), url, realm],
            env={"NODE_PATH": str(modules)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._events: list[dict[str, Any]] = []

    def _read(self, wanted: str) -> Any:
        """The next message of that kind; events that come before it are kept."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if wanted in message:
                return message[wanted]
            if "lost" in message:
                raise EventsLost(message["lost"])
            assert "event" in message, message
            self._events.append(message["event"])
        raise AssertionError("the client ended")

    def _ask(self, name: str, *args: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, "args": args}) + "\n")
        self._process.stdin.flush()
        return self._read("reply")

    def load(self, source: str) -> None:
        assert self._ask("load", source) == "mm1"

    def apply(self, queue: str, rules: str) -> Sequence[str]:
        return [str(part) for part in self._ask("apply", queue, rules)]

    def enqueue(self, queue: str, ticket: str) -> Sequence[str]:
        return list(self._ask("enqueue", queue, ticket))

    def cancel(self, queue: str, ticket: str) -> Sequence[str]:
        return list(self._ask("cancel", queue, ticket))

    def listen(self, player: str, cursor: str = "") -> None:
        self._ask("listen", player, cursor)

    def event(self) -> dict[str, Any]:
        return self._events.pop(0) if self._events else dict(self._read("event"))

    def fall_asleep(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wake_up(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


def cut_listeners(client: redis.Redis) -> int:
    """Kills every subscribed connection of the server; answers how many there were."""
    return int(client.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))
