"""From the stream into Postgres: everything once, whatever is done twice, cut off, lost or damaged on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from matchmaker import Matchmaker, errors, parse_rules
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from matchmaker.store.reconcile import reconcile
from tests.integration.recorded import RULES, Recorded
from tests.servers import StartServer


def test_everything_is_recorded(recorded: Recorded) -> None:
    """Given matches, cancels and players who wait, when the stream is drained, then the rows are what it tells."""
    made = recorded.play(11)
    report = recorded.drain()
    assert (report.matches, report.events, report.restarted) == (made, 2 + 11 + made + 4, 0)
    verdict = recorded.check()
    assert (verdict.ok, verdict.matches, verdict.behind) == (True, made, 0), str(verdict)
    assert recorded.count("tickets", "state = 'matched'") == 2 * made == 10
    assert recorded.count("tickets", "state = 'waiting'") == 1
    assert recorded.count("tickets", "state = 'cancelled' AND reason = 'requested'") == 2
    assert recorded.count("players") == 13
    assert recorded.count("events", "kind = 'rules'") == 2
    assert recorded.value("SELECT rules->>'accept' FROM rule_versions WHERE queue = 'side'") == "both"
    assert recorded.value("SELECT count(*) FROM teams WHERE deviation = 50.5") > 0
    assert recorded.value("SELECT data FROM tickets WHERE player = 'player 1'") == "x\\y"


def test_a_second_drain_finds_nothing(recorded: Recorded) -> None:
    recorded.play(6)
    recorded.drain()
    before = recorded.rows()
    assert recorded.drain().events == 0
    assert recorded.rows() == before
    assert (recorded.group()["pending"], recorded.group()["lag"]) == (0, 0)


@pytest.mark.parametrize("batch_events", [1, 2, 7, 1000])
def test_batches_of_any_size_make_the_same_rows(recorded: Recorded, batch_events: int) -> None:
    recorded.play(9)
    recorded.drain(batch_events=batch_events)
    assert recorded.check().ok, str(recorded.check())
    assert recorded.count("tickets", "state = 'matched'") == 8


def test_the_same_events_again_change_nothing(recorded: Recorded) -> None:
    """Given everything recorded, when the place goes back to the start as if no commit had come through, then writing
    all of it once more leaves the rows as they were."""
    recorded.play(9)
    recorded.drain()
    before = recorded.rows()
    with recorded.database.transaction() as cursor:
        cursor.execute("UPDATE realms SET recorded = '0-0', events = 0")
    assert recorded.drain(batch_events=3).events > 0
    assert recorded.rows() == before


def test_an_end_that_comes_later_is_added(recorded: Recorded) -> None:
    """Given a ticket recorded as waiting, when it is matched and that is recorded, then its row says so."""
    recorded.play(3)
    recorded.drain()
    assert recorded.count("tickets", "state = 'waiting'") == 1
    recorded.mm.enqueue("ladder", "late", rating=1503)
    assert recorded.mm.attempt_match("ladder").made == 1
    recorded.drain()
    assert recorded.count("tickets", "state = 'waiting'") == 0
    assert recorded.check().ok


def test_one_drain_at_a_time(recorded: Recorded) -> None:
    """Given a drain at work, when another begins, then it leaves at once or as soon as the first has ended."""
    recorded.play(4)
    with Drain(recorded.client, recorded.database, recorded.realm) as first:
        assert recorded.drain().busy
        waiting = threading.Thread(target=lambda: results.append(recorded.drain(patience_seconds=20)))
        results: list[Any] = []
        waiting.start()
        first.run()
    waiting.join(20)
    assert [report.busy for report in results] == [False]
    assert recorded.check().ok


def test_nothing_is_trimmed_before_it_is_recorded(recorded: Recorded, redis_client: redis.Redis) -> None:
    """Given a realm that keeps events for a second, when it is left unrecorded and then drained, then the stream is
    whole before and trimmed after."""
    keys = recorded.mm.calls.keys
    recorded.drain()
    recorded.flood(400)
    before = redis_client.xlen(keys.events)
    redis_client.hset(keys.meta, mapping={"floor_ms": "9999999999999", "kept_ms": "0"})
    recorded.mm.enqueue("side", "anybody", rating=1)
    assert redis_client.xlen(keys.events) == before + 1
    assert recorded.drain().matches == 400
    redis_client.hset(keys.meta, mapping={"floor_ms": "9999999999999", "kept_ms": "0"})
    recorded.mm.enqueue("side", "somebody", rating=1)
    assert redis_client.xlen(keys.events) < 300
    recorded.drain()
    assert recorded.count("matches") == 400
    assert recorded.check().ok


def test_how_far_it_is_behind(recorded: Recorded) -> None:
    """Given events since the last drain, then the server's own count of the lag is theirs."""
    recorded.drain()
    recorded.play(5)
    assert recorded.group()["lag"] == 5 + 2 + 4
    recorded.drain(batch_events=4)
    assert recorded.group()["lag"] == 0


def test_a_removed_queue(recorded: Recorded) -> None:
    recorded.mm.apply_rules({"ladder": RULES["ladder"]}, prune=True)
    recorded.drain()
    assert recorded.value("SELECT state FROM queues WHERE queue = 'side'") == "removed"
    recorded.mm.apply_rules(parse_rules("[side]\nmax_gap = 7\n", "q"))
    recorded.drain()
    assert recorded.value("SELECT (state, version)::text FROM queues WHERE queue = 'side'") == "(open,2)"
    assert recorded.count("rule_versions", "queue = 'side'") == 2
    assert recorded.check().ok


def test_what_nobody_understands_is_kept(recorded: Recorded) -> None:
    """Given an event of a newer program and one that somebody else wrote, then both are kept and the rest recorded."""
    keys = recorded.mm.calls.keys
    recorded.client.xadd(
        keys.events, {"event": "sung", "body": '{"v":2,"event":"sung","at":5,"queue":"ladder","x":[1]}'}
    )
    recorded.client.xadd(keys.events, {"event": "matched", "body": '{"teams": "\\u0000 nonsense'})
    recorded.client.xadd(keys.events, {"something": "else"})
    recorded.drain()
    assert recorded.value("SELECT body->>'x' FROM events WHERE kind = 'sung'") == "[1]"
    assert recorded.count("events", "kind = 'unreadable'") == 2
    recorded.client.delete(keys.events)


def test_names_that_hurt(recorded: Recorded) -> None:
    """Given players whose names hold what COPY, SQL and JSON use, then each comes back as it was."""
    names = [
        "\\N",
        "\\.",
        "a\\tb",
        "'; DROP TABLE players; --",
        "\u2028\u200d🎲",
        '{"a":1}',
        "100%s",
        "ÿ\u00a0",
        "\ufeff",
    ]
    for name in names:
        recorded.mm.enqueue("side", name, rating=-0.1, data=name)
    recorded.drain()
    with recorded.database.transaction() as cursor:
        cursor.execute("SELECT player, data, rating FROM tickets ORDER BY enqueued_ms, player")
        assert {row[0] for row in cursor.fetchall()} == set(names)
    assert recorded.check().ok, str(recorded.check())


def test_a_realm_that_nobody_made(redis_client: redis.Redis, realm: str, database: Database) -> None:
    """Given no realm, when it is drained, then nothing comes of it: no key, no row."""
    with Drain(redis_client, database, realm) as drain:
        assert drain.run().unknown
    assert list(redis_client.scan_iter(f"*{realm}*")) == []


def test_a_database_without_tables(redis_client: redis.Redis, realm: str, database_url: str) -> None:
    with (
        Database(database_url) as empty,
        pytest.raises(errors.DatabaseSchema, match="matchmaker db upgrade"),
        Drain(redis_client, empty, realm),
    ):
        pytest.fail("it began")


def test_an_emptied_server_is_recorded_anew(recorded: Recorded) -> None:
    """Given everything recorded, when the server is emptied and the realm made anew, then the new events are recorded
    although their ids say nothing of it, and what the realm lost is named."""
    recorded.play(3)
    recorded.drain()
    waiting = recorded.value("SELECT ticket FROM tickets WHERE state = 'waiting'")
    keys = recorded.mm.calls.keys
    recorded.client.delete(*recorded.client.keys(keys.prefix + "*"))
    recorded.mm.apply_rules(RULES)
    recorded.play(4, first=100)
    report = recorded.drain()
    assert (report.restarted, report.matches) == (1, 2)
    assert "no longer holds event" in report.warnings[0]
    found = reconcile(recorded.client, recorded.database, recorded.realm, settled_ms=0)
    assert found.lost_tickets == (waiting,)
    assert recorded.check().ok, str(recorded.check())
    assert reconcile(recorded.client, recorded.database, recorded.realm, settled_ms=0).nothing


def test_writes_that_the_server_lost(own_server: StartServer, database: Database) -> None:
    """Given matches and tickets that were recorded, when the server comes back without its last writes, then they are
    named and marked, tickets wait again if the realm has them, and what happens next is recorded."""
    server = own_server("--save", "", appendonly=False)
    with redis.Redis.from_url(server.url) as client, Matchmaker(client) as mm:
        recorded = Recorded(client, mm, database)
        mm.apply_rules(RULES)
        stays = mm.enqueue("ladder", "stays", rating=1000)
        early = mm.enqueue("side", "early", rating=1)
        recorded.drain()
        client.save()
        gone = mm.enqueue("ladder", "gone", rating=1001)
        assert mm.attempt_match("ladder").made == 1
        mm.cancel(early)
        recorded.drain()
        match = recorded.value("SELECT match FROM matches")
        server.kill()
        server.restart()
        client.ping()
        assert mm.status(stays).state == "waiting"
        other = mm.enqueue("ladder", "other", rating=1000)
        assert mm.attempt_match("ladder").made == 1
        assert recorded.drain().restarted == 1
        found = reconcile(client, database, "main", settled_ms=0)
        assert found.lost_matches == (match,)
        assert found.lost_tickets == (gone.id,)
        assert found.reopened == (early.id,)
        assert mm.status(other).match is not None
        assert recorded.count("matches", "lost_at IS NULL") == 1
        assert recorded.value(f"SELECT state FROM tickets WHERE ticket = '{gone.id}'") == "lost"
        assert recorded.check().ok, str(recorded.check())


def test_rows_that_were_lost_are_written_again(recorded: Recorded) -> None:
    """Given rows that somebody deleted, when the stream is drained again from its start, then they are there."""
    recorded.play(6)
    recorded.drain()
    before = recorded.rows()
    with recorded.database.transaction() as cursor:
        cursor.execute("TRUNCATE matches, teams, tickets, events, players")
    assert not recorded.check().ok
    recorded.drain(again=True)
    after = recorded.rows()
    assert {table: after[table] for table in after if table != "realms"} == {
        table: before[table] for table in before if table != "realms"
    }


def test_a_database_restored_from_a_backup(recorded: Recorded, redis_client: redis.Redis) -> None:
    """Given a database as it was before events that were recorded, and trimmed, since, when it is drained, then the
    warning says what may be missing, at once."""
    recorded.play(4)
    recorded.drain()
    place = recorded.value("SELECT recorded FROM realms")
    recorded.play(4, first=10)
    recorded.drain()
    keys = recorded.mm.calls.keys
    redis_client.xtrim(keys.events, maxlen=3, approximate=False)
    with recorded.database.transaction() as cursor:
        cursor.execute("UPDATE realms SET recorded = %s", (place,))
    told: list[str] = []
    with Drain(recorded.client, recorded.database, recorded.realm) as drain:
        drain.run(warn=told.append)
    assert told == drain.report.warnings
    assert "restored from a backup" in told[0]
