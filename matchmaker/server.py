"""What server this is, and whether it can keep this project's promises.

INFO tells nearly everything; CONFIG GET tells the rest, and what INFO may not. Both may be closed to a user (an ACL, a
managed service): what nobody tells is None, and only what is known to be wrong is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis import exceptions

from matchmaker._guards.valkey import server_version
from matchmaker.errors import ServerUnsuitable
from matchmaker.runner import as_text, typed_errors

OLDEST: Final[Mapping[str, int]] = {"redis": 7, "valkey": 8}
"""The oldest major version of each server that will do."""

_MATCHER = "matcher:"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of a server; None where it would not tell. Sizes in bytes.

    ``limit_bytes`` is maxmemory, 0 for none. ``pubsub_limit`` is the hard and soft limit of a listener's output buffer
    and the seconds for which it may exceed the soft one, 0 for none.
    """

    name: str | None = None
    version: str | None = None
    role: str | None = None
    policy: str | None = None
    limit_bytes: int | None = None
    used_bytes: int | None = None
    machine_bytes: int | None = None
    aof: bool | None = None
    aof_write_ok: bool | None = None
    snapshot_ok: bool | None = None
    appendfsync: str | None = None
    pubsub_limit: tuple[int, int, int] | None = None
    cut_clients: int | None = None

    @property
    def title(self) -> str:
        """Name and version, as in ``valkey 9.1.2``."""
        return f"{self.name or 'unknown server'} {self.version or ''}".rstrip()


def inspect_server(client: redis.Redis) -> ServerFacts:
    """Asks the server what it is and how it is set.

    :raises ServerUnavailable: it does not answer. :raises ServerUnsuitable: it does not let this user in.
    """
    with typed_errors():
        info = fields_of(_asked(client, "INFO"))
        config = {
            name: value
            for setting in ("maxmemory-policy", "maxmemory", "appendonly", "appendfsync", "client-output-buffer-limit")
            for name, value in fields_of(_asked(client, "CONFIG", "GET", setting)).items()
        }
        hello = {} if info else fields_of(_asked(client, "HELLO"))
    name, version = server_version(info) if info else (hello.get("server"), hello.get("version"))
    aof = _yes(info.get("aof_enabled") or config.get("appendonly"))
    return ServerFacts(
        name=name,
        version=version,
        role=info.get("role") or hello.get("role"),
        policy=info.get("maxmemory_policy") or config.get("maxmemory-policy"),
        limit_bytes=_number(info.get("maxmemory") or config.get("maxmemory")),
        used_bytes=_number(info.get("used_memory")),
        machine_bytes=_number(info.get("total_system_memory")),
        aof=aof,
        aof_write_ok=_yes(info.get("aof_last_write_status")) if aof else None,
        snapshot_ok=_yes(info.get("rdb_last_bgsave_status")),
        appendfsync=config.get("appendfsync"),
        pubsub_limit=_pubsub_limit(config.get("client-output-buffer-limit", "")),
        cut_clients=_number(info.get("client_output_buffer_limit_disconnections")),
    )


def faults(facts: ServerFacts) -> Iterator[tuple[str, str]]:
    """What makes the server unfit: the setting, and a sentence with the value, the bound and what to do."""
    oldest = OLDEST.get(facts.name or "")
    major = _number((facts.version or "").split(".")[0])
    if oldest is not None and major is not None and major < oldest:
        yield "server", f"{facts.title} is too old (allowed: Redis 7 or newer, Valkey 8 or newer)"
    if facts.role == "slave":
        yield "role", "the server is a replica and takes no writes: give the URL of its primary"
    if facts.policy is not None and facts.policy != "noeviction":
        yield (
            "maxmemory-policy",
            f"maxmemory-policy is {facts.policy}, which may evict those who wait (allowed: noeviction): run CONFIG SET "
            "maxmemory-policy noeviction and set the same in the server's configuration",
        )


def refuse_unsuitable(facts: ServerFacts) -> None:
    """Called before a matcher starts.

    :raises ServerUnsuitable: names each setting at fault and what to do.
    """
    found = [sentence for _, sentence in faults(facts)]
    if found:
        raise ServerUnsuitable("; ".join(found))


# -- who listens ---------------------------------------------------------------------------------------------------


def matcher_name(realms: Sequence[str]) -> str:
    """The name a matcher gives the connection on which it sleeps, for CLIENT LIST."""
    return _MATCHER + ",".join(realms)


def proposer_name(realm: str, queue: str) -> str:
    """The same for a proposer."""
    return f"proposer:{realm},{queue}"


def parse_clients(reply: str) -> list[dict[str, str]]:
    """The lines of CLIENT LIST, each by field."""
    return [dict(part.split("=", 1) for part in line.split(" ") if "=" in part) for line in reply.splitlines() if line]


def matchers_of(clients: Sequence[Mapping[str, str]], realm: str) -> int:
    """How many of the connected serve the realm as matchers."""
    names = [client.get("name", "") for client in clients]
    return sum(name.startswith(_MATCHER) and realm in name.removeprefix(_MATCHER).split(",") for name in names)


# -- replies -------------------------------------------------------------------------------------------------------


def fields_of(reply: Any) -> dict[str, str]:
    """A reply of names and values as text, flat or mapped as the protocol version has it; empty for none."""
    text = as_text(list(reply) if isinstance(reply, tuple) else reply)
    if isinstance(text, list):
        text = dict(zip(text[::2], text[1::2], strict=True))
    return {str(name): str(value) for name, value in text.items()} if isinstance(text, dict) else {}


def _asked(client: redis.Redis, *command: str) -> Any:
    """The reply, or None where this user may not ask or the server does not know the command."""
    try:
        return client.execute_command(*command)
    except exceptions.ResponseError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _yes(text: str | None) -> bool | None:
    return None if text is None else text in ("1", "yes", "ok")


def _pubsub_limit(text: str) -> tuple[int, int, int] | None:
    """Out of ``normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60``."""
    words = text.split()
    if "pubsub" not in words:
        return None
    hard, soft, seconds = words[words.index("pubsub") + 1 :][:3]
    return int(hard), int(soft), int(seconds)
