"""``db`` and what ``doctor`` says of the records: what is printed, and how a database that is not fit is told apart."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from matchmaker import Matchmaker
from matchmaker.store.connect import Database
from tests.integration.recorded import Recorded
from tests.integration.terminal import Cli, Result

SECRET = "hunter2-secret"


def findings(result: Result) -> dict[str, tuple[str, str, str]]:
    return {one["name"]: (one["state"], one["message"], one["remedy"]) for one in result.document["findings"]}


def move_clock(recorded: Recorded, by_ms: int) -> None:
    """Makes the realm's clock so much later, as if nobody had recorded for a while."""
    keys = recorded.mm.calls.keys
    clock: Any = recorded.client.get(keys.clock)
    last, offset, *rest = clock.decode().split()
    recorded.client.set(keys.clock, " ".join([last, str(int(offset) + by_ms), *rest]))


# -- upgrade and status ------------------------------------------------------------------------------------------------


def test_upgrade_adds_the_tables_once(db_cli: Cli) -> None:
    """Given an empty database, when upgraded twice, then the versions are told and the second time nothing is done."""
    before = db_cli("db", "status")
    assert before.code == 1
    assert re.search(r"^schema +none yet, .*: run `matchmaker db upgrade`$", before.out, re.MULTILINE)
    assert db_cli("db", "upgrade").out == "added  0001\nadded  0002\nadded  0003\n"
    assert db_cli("db", "upgrade").out == "nothing to do: 0003, up to date\n"
    assert db_cli("db", "upgrade", "--json").document == {"added": [], "version": "0003"}
    after = db_cli("db", "status", "--json").document
    assert after["schema"] == {
        "version": "0003",
        "oldest_program": "0001",
        "program": "0003",
        "pending": [],
        "fault": None,
    }
    assert (after["realms"], after["rows"]["matches"]) == ([], {"count": 0, "exact": True})


def test_status_tells_how_far_each_realm_is(db_cli: Cli, recorded: Recorded) -> None:
    """Given a realm with three events behind, when asked, then place, counts and lag are told."""
    recorded.play(4)
    report = recorded.drain()
    recorded.mm.enqueue("ladder", "late", rating=1)
    done = db_cli("db", "status")
    assert (done.code, done.err) == (0, "")
    line = next(line for line in done.out.splitlines() if line.startswith(recorded.realm))
    wanted = (
        rf"{recorded.realm} +{report.events} +{report.place} +\d{{4}}-\d\d-\d\d [\d:]+ +1 event, the oldest .* s ago"
    )
    assert re.fullmatch(wanted, line)
    assert re.search(r"^teams +4$", done.out, re.MULTILINE)
    (realm,) = db_cli("db", "status", "--json").document["realms"]
    assert (realm["place"], realm["events"], realm["recording"]["behind"]) == (report.place, report.events, 1)
    assert realm["recording"]["recorded"] == report.events


def test_status_without_the_realms_server(db_cli: Cli, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a Redis that is away, when asked, then the lag is not known and all else is."""
    recorded.drain()
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", "redis://127.0.0.1:1")
    done = db_cli("db", "status")
    assert done.code == 0
    assert next(line for line in done.out.splitlines() if line.startswith(recorded.realm)).endswith("  not known")


def test_a_schema_from_the_future(db_cli: Cli, database: Database) -> None:
    """Given tables of a newer program: one that leaves this one at work is fine, one that does not is an error."""
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema SET version = '0009', oldest_program = '0001'")
    assert db_cli("db", "status").code == 0
    assert db_cli("db", "upgrade").out == "nothing to do: 0009, newer than this program's 0003, which may go on\n"
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema SET oldest_program = '0008'")
    assert db_cli("db", "status").code == 1
    for command in (("db", "upgrade"), ("db", "drain"), ("db", "reconcile"), ("matches", "list")):
        done = db_cli(*command)
        assert (done.code, done.out) == (5, "")
        assert "0009, this program works with 0003: upgrade this program" in done.err


# -- drain, reconcile, unregister --------------------------------------------------------------------------------------


def test_drain_records(db_cli: Cli, recorded: Recorded) -> None:
    recorded.play(4)
    done = db_cli("db", "drain")
    assert re.fullmatch(r"recorded  12 events in .* s: 2 matches, \d+ rows; up to \d+-\d+\n", done.out)
    assert recorded.count("matches") == 2
    again = db_cli("db", "drain", "--json")
    assert (again.code, again.document["events"], again.document["busy"]) == (0, 0, False)


def test_drain_while_another_is_at_work(db_cli: Cli, recorded: Recorded) -> None:
    from matchmaker.store.drain import Drain

    with Drain(recorded.client, recorded.database, recorded.realm):
        done = db_cli("db", "drain")
    assert (done.code, done.out) == (1, "another drain of this realm is at work\n")


def test_drain_of_a_realm_that_is_none(db_cli: Cli, database: Database) -> None:
    del database
    assert db_cli("db", "drain", "--realm", "nobody").code == 3


def test_reconcile_names_what_was_lost(db_cli: Cli, recorded: Recorded) -> None:
    """Given a realm whose match is gone from the stream, when reconciled, then match and tickets are named, once."""
    assert db_cli("db", "reconcile").out == "nothing was lost\n"
    recorded.play(2)
    recorded.drain()
    stream = recorded.mm.calls.keys.events
    entries: Any = recorded.client.xrange(stream)
    match = next(event for event, body in entries if body[b"event"] == b"matched")
    recorded.client.xdel(stream, match)
    done = db_cli("db", "reconcile")
    assert done.code == 1
    kinds = [line.rpartition("  ")[0] for line in done.out.splitlines()]
    assert kinds == ["lost match", "lost ticket", "lost ticket"]
    assert f"lost match  {match.decode()}\n" in done.out
    again = db_cli("db", "reconcile", "--json")
    assert (again.code, again.document["lost_matches"]) == (0, [])


def test_unregister_asks_first(db_cli: Cli, recorded: Recorded) -> None:
    """Given events that are not recorded, when unregistering, then it is said what would be lost; --yes does it."""
    assert db_cli("db", "unregister").out == "nobody is registered to record this realm\n"
    recorded.drain()
    refused = db_cli("db", "unregister")
    assert (refused.code, refused.out) == (2, "")
    assert "everything is recorded" in refused.err
    recorded.mm.enqueue("ladder", "late", rating=1)
    refused = db_cli("db", "unregister")
    assert refused.code == 2
    assert re.search("not recorded yet: 1 event, the oldest .* ago; they would be forgotten: give --yes", refused.err)
    assert recorded.group()["lag"] == 1
    done = db_cli("db", "unregister", "--yes")
    assert done.code == 0
    assert done.out.startswith("unregistered; not recorded: 1 event")
    assert recorded.client.xinfo_groups(recorded.mm.calls.keys.events) == []


# -- what doctor says --------------------------------------------------------------------------------------------------


def test_doctor_of_a_recorded_realm(db_cli: Cli, recorded: Recorded) -> None:
    recorded.play(2)
    recorded.drain()
    found = findings(db_cli("doctor", "--json"))
    state, message, _ = found["database"]
    assert state == "ok"
    assert re.fullmatch(r"PostgreSQL \d+\.\d+, schema 0003", message)
    assert found["recorder"][:2] == ("ok", "everything is recorded")
    assert found["records"][:2] == ("ok", "9 events, 1 match compared with the rows: nothing is wrong")
    recorded.mm.enqueue("ladder", "late", rating=1)
    state, message, _ = findings(db_cli("doctor", "--json"))["recorder"]
    assert state == "ok"
    assert re.fullmatch("1 event, the oldest .* s ago, is not recorded yet", message)


def test_doctor_names_who_holds_events_back(db_cli: Cli, recorded: Recorded) -> None:
    """Given a recorder that is two minutes behind and a group of somebody else's, when examined, then both are named
    with what they hold back and what to do."""
    recorded.drain()
    recorded.play(2)
    stream = recorded.mm.calls.keys.events
    recorded.client.xgroup_create(stream, "exporter", "0")
    recorded.client.xreadgroup("exporter", "one", {stream: ">"}, count=1)
    move_clock(recorded, 120_000)
    recorded.mm.enqueue("ladder", "late", rating=1)
    found = findings(db_cli("doctor", "--json"))
    state, message, remedy = found["recorder"]
    assert state == "warn"
    assert re.match(r"group recorder holds back 8 events, the oldest (2 min|1\d\d s) ago: .* since \d{4}-", message)
    assert f"after {recorded.group()['last-delivered-id'].decode()}, is not recorded" in message
    assert "matchmaker recorder" in remedy
    assert "matchmaker db unregister" in remedy
    state, message, remedy = found["consumers"]
    assert state == "warn"
    assert re.search(r"exporter \(.*\) at \d+-\d+ with 1 pending, idle for ", message)
    assert "recorder" not in message
    assert "XGROUP DESTROY" in remedy


def test_doctor_names_rows_that_are_wrong(db_cli: Cli, recorded: Recorded) -> None:
    """Given a recorded match whose gap was altered, when examined, then it FAILs; --quick does not look."""
    recorded.play(2)
    recorded.drain()
    with recorded.database.transaction() as cursor:
        cursor.execute("UPDATE matches SET gap = 99")
    done = db_cli("doctor", "--json")
    assert done.code == 1
    assert findings(done)["records"][0] == "fail"
    assert re.search(r"^FAIL +records +.*99", db_cli("doctor").out, re.MULTILINE)
    assert "records" not in findings(db_cli("doctor", "--quick", "--json"))


def test_doctor_without_a_database(cli: Cli, mm: Matchmaker) -> None:
    del mm
    found = findings(cli("doctor", "--json"))
    assert found["database"][0] == "ok"
    assert found["recorder"][:2] == ("ok", "nobody is registered to record this realm")


def test_doctor_of_an_empty_database(db_cli: Cli, mm: Matchmaker) -> None:
    del mm
    done = db_cli("doctor", "--json")
    assert done.code == 1
    state, message, _ = findings(done)["database"]
    assert state == "fail"
    assert "matchmaker db upgrade" in message


# -- databases that are not fit ----------------------------------------------------------------------------------------

COMMANDS = [("db", "upgrade"), ("db", "status"), ("db", "drain"), ("db", "reconcile"), ("matches", "list")]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_at_the_port(
    cli: Cli, mm: Matchmaker, monkeypatch: pytest.MonkeyPatch, closed_port: int, command: tuple[str, ...]
) -> None:
    """Given a database that is away, when asked for, then that is said in one line, without the password."""
    del mm
    monkeypatch.setenv("MATCHMAKER_DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:{closed_port}/records")
    done = cli(*command)
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith(
        f"error: the database postgresql://me:***@127.0.0.1:{closed_port}/records does not answer"
    )
    assert done.err.count("\n") == 1
    assert SECRET not in done.err
    assert cli(*command, "--json").error["code"] == "database_unavailable"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_such_database(
    cli: Cli, mm: Matchmaker, monkeypatch: pytest.MonkeyPatch, database_url: str, command: tuple[str, ...]
) -> None:
    del mm
    monkeypatch.setenv("MATCHMAKER_DATABASE_URL", re.sub("/t_[0-9a-f]+", "/nowhere", database_url))
    done = cli(*command)
    assert (done.code, done.out) == (5, "")
    assert "there is no such database: create it" in done.err


def test_a_user_without_rights(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str
) -> None:
    """Given a user who may connect and no more, when it reads, then the error says what it lacks."""
    user = re.sub(".*/(t_[0-9a-f]+).*", r"\1", database_url)
    link = database.connect()
    link.autocommit = True
    with link.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{SECRET}'")
        try:
            guest = psycopg2.extensions.make_dsn(database_url, user=user, password=SECRET)
            parts = psycopg2.extensions.parse_dsn(guest)
            query = f"host={parts['host']}&user={user}&password={SECRET}" + (
                f"&port={parts['port']}" if "port" in parts else ""
            )
            monkeypatch.setenv("MATCHMAKER_DATABASE_URL", f"postgresql:///{parts['dbname']}?{query}")
            done = cli("matches", "list")
        finally:
            cursor.execute(f"DROP ROLE {user}")
    link.close()
    assert (done.code, done.out) == (5, "")
    assert "this user lacks a right" in done.err
    assert SECRET not in done.err


def test_no_database_at_all(cli: Cli) -> None:
    done = cli("db", "status")
    assert (done.code, done.out) == (5, "")
    assert "MATCHMAKER_DATABASE_URL" in done.err
    assert "matchmaker up" in done.err
