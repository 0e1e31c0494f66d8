"""What ``doctor`` says of a server, and which servers a matcher refuses: both from facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matchmaker.cli.findings import State, about_server
from matchmaker.errors import ServerUnsuitable
from matchmaker.server import ServerFacts, matcher_name, matchers_of, parse_clients, refuse_unsuitable

GOOD = ServerFacts(
    name="valkey",
    version="9.1.2",
    role="master",
    policy="noeviction",
    limit_bytes=0,
    used_bytes=2_000_000,
    machine_bytes=8_000_000_000,
    aof=True,
    aof_write_ok=True,
    snapshot_ok=True,
    appendfsync="everysec",
    pubsub_limit=(33_554_432, 8_388_608, 60),
    cut_clients=0,
)


def test_a_good_server_is_ok_throughout() -> None:
    """Given the defaults of `up`, when they are judged, then every line is ok and none asks for anything."""
    findings = list(about_server(GOOD))
    assert [one.name for one in findings] == ["server", "persistence", "eviction", "memory", "listeners"]
    assert {(one.state, one.remedy) for one in findings} == {(State.OK, "")}


@pytest.mark.parametrize(
    ("changed", "name", "state", "part"),
    [
        ({"name": "redis", "version": "6.2.14"}, "server", State.FAIL, "redis 6.2.14 is too old"),
        ({"version": "7.2.4"}, "server", State.FAIL, "valkey 7.2.4 is too old"),
        ({"role": "slave"}, "server", State.FAIL, "replica"),
        ({"name": "dragonfly"}, "server", State.WARN, "not one that is known to work"),
        ({"version": None}, "server", State.WARN, "not one that is known to work"),
        ({"aof": False, "aof_write_ok": None}, "persistence", State.WARN, "appendonly is no"),
        ({"aof": None, "aof_write_ok": None}, "persistence", State.WARN, "does not tell"),
        ({"appendfsync": "no"}, "persistence", State.WARN, "appendfsync is no"),
        ({"appendfsync": "always"}, "persistence", State.OK, "loses nothing"),
        ({"appendfsync": None}, "persistence", State.OK, "appendfsync unknown"),
        ({"aof_write_ok": False}, "persistence", State.FAIL, "append-only file failed"),
        ({"snapshot_ok": False}, "persistence", State.FAIL, "snapshot failed"),
        ({"policy": "allkeys-lru"}, "eviction", State.FAIL, "maxmemory-policy is allkeys-lru"),
        ({"policy": None}, "eviction", State.WARN, "does not tell"),
        ({"limit_bytes": 10_000_000}, "memory", State.OK, "20.0% of 10.0 MB, maxmemory"),
        ({"limit_bytes": 2_800_000}, "memory", State.WARN, "71.4%"),
        ({"limit_bytes": 2_300_000}, "memory", State.FAIL, "no tickets are taken"),
        ({"machine_bytes": 2_300_000}, "memory", State.WARN, "maxmemory is not set"),
        ({"machine_bytes": None}, "memory", State.OK, "2.0 MB used"),
        ({"used_bytes": None}, "memory", State.WARN, "does not tell"),
        ({"pubsub_limit": (0, 0, 0)}, "listeners", State.WARN, "nothing bounds"),
        ({"pubsub_limit": (100_000, 0, 0)}, "listeners", State.WARN, "cut at 100 kB"),
        ({"pubsub_limit": None}, "listeners", State.WARN, "does not tell"),
        ({"cut_clients": 3}, "listeners", State.WARN, "3 clients were"),
    ],
)
def test_each_fault_is_found_with_what_to_do(changed: dict[str, Any], name: str, state: State, part: str) -> None:
    """Given one fact that differs, when judged, then its line says so, with a remedy, and the others stay ok."""
    findings = {one.name: one for one in about_server(replace(GOOD, **changed))}
    found = findings.pop(name)
    assert found.state is state
    assert part in found.message
    assert (found.remedy != "") == (state is not State.OK)
    assert all(one.state is State.OK for one in findings.values())


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        (
            {"name": "redis", "version": "6.2.14"},
            "redis 6.2.14 is too old (allowed: Redis 7 or newer, Valkey 8 or newer)",
        ),
        ({"version": "7.2.4"}, "valkey 7.2.4 is too old"),
        ({"role": "slave"}, "give the URL of its primary"),
        ({"policy": "volatile-ttl"}, "maxmemory-policy is volatile-ttl"),
        ({"policy": "allkeys-lru", "limit_bytes": 0}, "CONFIG SET maxmemory-policy noeviction"),
    ],
)
def test_an_unfit_server_is_refused_by_the_name_of_its_setting(changed: dict[str, Any], part: str) -> None:
    with pytest.raises(ServerUnsuitable) as refused:
        refuse_unsuitable(replace(GOOD, **changed))
    assert part in str(refused.value)


def test_all_that_makes_a_server_unfit_is_told_at_once() -> None:
    with pytest.raises(ServerUnsuitable, match=r"too old.*allkeys-lru"):
        refuse_unsuitable(replace(GOOD, name="redis", version="5.0.1", policy="allkeys-lru"))


@pytest.mark.parametrize(
    "facts", [GOOD, ServerFacts(), replace(GOOD, policy=None), ServerFacts(name="redis", version="7.0.15")]
)
def test_what_is_not_known_is_not_refused(facts: ServerFacts) -> None:
    """A managed service may tell next to nothing."""
    refuse_unsuitable(facts)


def test_matchers_are_counted_by_the_name_of_their_connection() -> None:
    """Given matchers of several realms and others, when one realm's are counted, then exactly those count."""
    listed = "\n".join(
        f"id={i} addr=127.0.0.1:1 name={name} flags=b cmd=brpop user=default"
        for i, name in enumerate(
            [matcher_name(["main"]), matcher_name(["a", "main"]), matcher_name(["mainly"]), "main", ""]
        )
    )
    clients = parse_clients(listed + "\n")
    assert len(clients) == 5
    assert [matchers_of(clients, realm) for realm in ("main", "a", "mainly", "b")] == [2, 1, 1, 0]
