"""``doctor`` against real servers and realms: sound ones, broken ones, and ones that do not tell."""

from __future__ import annotations

import re

import pytest
import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker.cli.stage_findings import about_ratings
from matchmaker.server import inspect_server, matcher_name
from tests.integration.played import Played
from tests.integration.terminal import Cli, Result
from tests.servers import StartServer


def findings(result: Result) -> dict[str, tuple[str, str]]:
    """State and message by name; of several with one name the last."""
    return {one["name"]: (one["state"], one["message"]) for one in result.document["findings"]}


def newest_ms(mm: Matchmaker) -> int:
    """Realm ms of the newest event."""
    stream = mm.redis.xinfo_stream(mm.calls.keys.events)
    return int(stream["last-generated-id"].decode().partition("-")[0])


def test_a_sound_realm_with_a_matcher_is_ok(cli: Cli, mm: Matchmaker, redis_url: str, realm: str) -> None:
    """Given a match, one who waits and a matcher's connection, when examined, then no line complains of the realm."""
    mm.enqueue("ladder", "alice", rating=1)
    mm.enqueue("ladder", "bob", rating=1)
    mm.enqueue("ladder", "carol", rating=999)
    mm.attempt_match("ladder")
    mm.attempt_match("casual")
    with redis.Redis.from_url(redis_url, client_name=matcher_name([realm])) as matcher:
        matcher.ping()
        found = findings(cli("doctor", "--json"))
        text = cli("doctor")
    assert found["matchers"] == ("ok", "1 at work")
    assert found["checker"] == ("ok", "3 tickets, 1 match, 1 waiting: nothing is wrong")
    for name in ("scripts", "clock", "realm", "clock steps", "backlog", "consumers", "passes"):
        assert found[name][0] == "ok"
    assert text.code == 0
    lines = text.out.splitlines()
    assert len(lines) == len(found)
    assert re.match(r"ok +server +(valkey|redis) \d+\.\d+", lines[0])
    assert "\x1b" not in text.out


def test_waiting_without_a_matcher_fails(cli: Cli, mm: Matchmaker) -> None:
    """Given a ticket and no matcher, when examined, then it FAILs with what to do; without the ticket it only warns."""
    assert findings(cli("doctor", "--json"))["matchers"] == ("warn", "none at work")
    mm.enqueue("ladder", "alice", rating=1)
    done = cli("doctor")
    assert done.code == 1
    wanted = r"FAIL  matchers +none at work, with 1 ticket waiting → matchmaker worker, as many as you like"
    assert any(re.fullmatch(wanted, line) for line in done.out.splitlines())
    assert done.err == ""


def test_a_pair_that_stays_due_is_named(cli: Cli, mm: Matchmaker) -> None:
    """Given a line that wants a pass since 9 s, when examined, then the queue and the time are told."""
    now_ms = mm.enqueue("ladder", "alice", rating=1).enqueued_ms
    mm.redis.zadd(mm.calls.keys.due, {"ladder": now_ms - 9_000})
    done = cli("doctor", "--json")
    assert done.code == 1
    assert findings(done)["passes"] == ("fail", "ladder wants one since 9 s")


def test_what_the_checker_finds_fails(cli: Cli, mm: Matchmaker) -> None:
    """Given ghosts in the realm, when examined, then each is a line; many are summed up, and JSON has them all."""
    mm.redis.hset(mm.calls.keys.players, mapping={f"ghost{i}": f"T{i}" for i in range(30)})
    done = cli("doctor")
    lines = [line for line in done.out.splitlines() if "checker" in line]
    assert (done.code, len(lines)) == (1, 21)
    assert all(line.startswith("FAIL") for line in lines)
    assert lines[-1].endswith("10 violations more: --json lists them")
    document = cli("doctor", "--json").document
    assert document["ok"] is False
    assert len([one for one in document["findings"] if one["name"] == "checker"]) == 30


def test_quick_leaves_the_stream_alone(cli: Cli, mm: Matchmaker) -> None:
    """Given an entry no script writes, when examined quickly, then only the thorough examination finds it."""
    mm.redis.xadd(mm.calls.keys.events, {"event": "nonsense", "body": "{}"}, id=f"{newest_ms(mm)}-*")
    assert findings(cli("doctor", "--json"))["checker"][0] == "fail"
    assert findings(cli("doctor", "--quick", "--json"))["checker"][0] == "ok"


@pytest.mark.parametrize(
    ("fields", "name", "state", "part"),
    [
        ({"full": "no room", "kept_ms": 10**14}, "backlog", "fail", "no tickets are taken: no room"),
        ({"max_backlog": 3}, "backlog", "warn", "2 events kept, the bound is 3"),
        ({"schema": "999"}, "realm", "fail", "is 999, this program writes"),
    ],
)
def test_the_state_of_the_realm_is_judged(
    cli: Cli, mm: Matchmaker, *, fields: dict[str, object], name: str, state: str, part: str
) -> None:
    mm.redis.hset(mm.calls.keys.meta, mapping={field: str(value) for field, value in fields.items()})
    done = cli("doctor", "--json")
    assert findings(done)[name][0] == state
    assert part in findings(done)[name][1]
    if state == "fail":
        assert done.code == 1


def test_clock_steps_are_told(cli: Cli, mm: Matchmaker) -> None:
    """Given a realm whose server's clock was set back by an hour, when examined, then that is told as it is."""
    server_ms, _, _, _ = mm.redis.get(mm.calls.keys.clock).decode().split()  # type: ignore[union-attr]
    mm.redis.set(mm.calls.keys.clock, f"{server_ms} 3600000 1 -3600000")
    state, message = findings(cli("doctor", "--json"))["clock steps"]
    assert (state, message) == ("ok", "1 of over 30 s, 60 min in all: realm time stood still")


def test_a_consumer_group_that_lags_is_named(cli: Cli, mm: Matchmaker) -> None:
    """Given groups that keep up, read nothing or hold an old entry, when examined, then the late are named."""
    events = mm.calls.keys.events
    mm.redis.xadd(events, {"event": "x", "body": "{}"}, id=f"{newest_ms(mm) + 120_000}-0")
    assert findings(cli("doctor", "--json"))["consumers"] == ("ok", "nobody else reads the stream as a group")
    mm.redis.xgroup_create(events, "current", "$")
    assert findings(cli("doctor", "--json"))["consumers"] == ("ok", "1 group keep up")
    mm.redis.xgroup_create(events, "stale", "0")
    mm.redis.xgroup_create(events, "stuck", "0")
    mm.redis.xreadgroup("stuck", "consumer", {events: ">"}, count=1)
    state, message = findings(cli("doctor", "--json"))["consumers"]
    assert state == "warn"
    assert "stale (has read nothing)" in message
    assert "stuck (2 min)" in message
    assert "current" not in message


def test_open_matches_and_disputes_are_told(cli: Cli, mm: Matchmaker) -> None:
    """Given a ready check, an open match and one in dispute, then they are counted, and the dispute wants somebody; one
    that nobody sees to FAILs."""
    mm.apply_rules(parse_rules("[cup]\nready_check = { seconds = 600 }\nresults = {}\n[quick]\nresults = {}\n", "q"))
    assert findings(cli("doctor", "--json"))["open"] == ("ok", "0 ready checks, 0 open matches")
    for queue in ("cup", "quick", "quick"):
        for player in ("a", "b"):
            mm.enqueue(queue, f"{player}-{queue}-{newest_ms(mm)}", rating=1)
        mm.attempt_match(queue)
    disputed = mm.open_matches()[0]
    for winner, (player,) in enumerate(disputed.teams, 1):
        mm.report(disputed.id, player, winner=winner)
    found = findings(cli("doctor", "--json"))
    assert found["open"] == ("ok", "1 ready check, 1 open match")
    assert found["disputes"][0] == "warn"
    assert found["disputes"][1].startswith("1 match waits for an operator")
    for match in mm.open_matches():
        mm.redis.zadd(mm.calls.keys.deadlines, {f"m:{match.id}": newest_ms(mm) - 60_000}, xx=True)
    assert findings(cli("doctor", "--json"))["open"][0] == "fail"


def test_ratings_that_were_not_told_are_counted(played: Played) -> None:
    """Given rated matches, when the realm was told of all but one, then that one is counted."""
    assert list(about_ratings(played.mm, played.database)) == []
    for _ in range(2):
        played.season.play("elo", [["ann"], ["bob"]])
    played.recorded.drain()
    assert [one[:3] for one in about_ratings(played.mm, played.database)] == [("ok", "ratings", "2 matches are rated")]
    played.mm.redis.hset(played.mm.calls.keys.meta, "rated", 1)
    (found,) = about_ratings(played.mm, played.database)
    assert found[:3] == ("warn", "ratings", "2 matches are rated, 1 of them not told to the realm yet")


def test_a_realm_without_rules_is_a_warning(cli: Cli, realm: str) -> None:
    done = cli("doctor", "--json")
    assert done.code == 0
    assert findings(done)["realm"] == ("warn", f"{realm} has no rules yet")
    assert done.document["ok"] is True


def test_a_server_that_may_evict_fails(bare_cli: Cli, own_server: StartServer) -> None:
    server = own_server("--maxmemory-policy", "volatile-lru", "--maxmemory", "100mb", appendonly=False)
    done = bare_cli("doctor", "--url", server.url)
    assert done.code == 1
    assert re.search(
        r"^FAIL +eviction +maxmemory-policy is volatile-lru: .* → CONFIG SET maxmemory-policy", done.out, re.MULTILINE
    )
    assert re.search(r"^warn +persistence +appendonly is no: ", done.out, re.MULTILINE)


def test_a_user_of_few_rights_still_gets_a_report(bare_cli: Cli, own_server: StartServer) -> None:
    """Given an ACL that closes INFO, CONFIG and CLIENT, when examined, then what is not told is a warning each."""
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        rights = ("+@all", "-info", "-config", "-client|list", "-xinfo")
        client.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", *rights)
    with Matchmaker(server.url) as mm:
        mm.apply_rules(parse_rules("[ladder]\n", "test"))
        mm.attempt_match("ladder")
    done = bare_cli("doctor", "--url", server.url.replace("://", "://guest:pw@"), "--json")
    found = findings(done)
    assert done.code == 0
    assert found["server"] == ("ok", f"{server.name} {server.version}")
    asked_in_vain = ("persistence", "eviction", "memory", "listeners", "consumers", "matchers", "checker")
    assert {name: found[name][0] for name in asked_in_vain} == dict.fromkeys(asked_in_vain, "warn")
    assert found["scripts"][0] == found["realm"][0] == found["passes"][0] == "ok"


def test_scripts_that_may_not_run_fail(bare_cli: Cli, own_server: StartServer) -> None:
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(
            "ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", "-script", "-eval", "-evalsha"
        )
    done = bare_cli("doctor", "--url", server.url.replace("://", "://guest:pw@"), "--json")
    assert (done.code, findings(done)["scripts"][0]) == (1, "fail")


def test_facts_are_the_same_whichever_way_the_server_is_asked(own_server: StartServer) -> None:
    """Given INFO closed, CONFIG closed or neither, RESP2 or RESP3, when inspected, then what is known agrees."""
    server = own_server("--maxmemory", "50mb", "--maxmemory-policy", "noeviction")
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "noinfo", "on", ">pw", "~*", "+@all", "-info")
        client.execute_command("ACL", "SETUSER", "noconfig", "on", ">pw", "~*", "+@all", "-config")
        client.execute_command("ACL", "SETUSER", "all", "on", ">pw", "~*", "+@all")
    for protocol in (2, 3):
        for user in ("all", "noinfo", "noconfig"):
            url = server.url.replace("://", f"://{user}:pw@")
            with redis.Redis.from_url(url, protocol=protocol, decode_responses=user == "noconfig") as client:
                facts = inspect_server(client)
            assert (facts.name, facts.version, facts.role) == (server.name, server.version, "master")
            assert (facts.policy, facts.limit_bytes, facts.aof) == ("noeviction", 50 * 1024 * 1024, True)
            assert facts.appendfsync == (None if user == "noconfig" else "everysec")
            assert facts.pubsub_limit == (None if user == "noconfig" else (33_554_432, 8_388_608, 60))
            assert (facts.used_bytes is None) == (user == "noinfo")
