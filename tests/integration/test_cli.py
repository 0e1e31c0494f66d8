"""Commands against a real server: what they print, for people and as JSON, and how each of them fails."""

from __future__ import annotations

import io
import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker.model import EventKind
from tests.integration.terminal import Cli, Running
from tests.servers import StartServer

TICKET = r"[0-9A-Z]{26}"
TIME = r"\d\d:\d\d:\d\d"


def when_waiting(mm: Matchmaker, player: str, act: Callable[[], object]) -> threading.Thread:
    """Does something in a thread as soon as the player has a ticket."""

    def run() -> None:
        with mm.listen(player) as listener:
            event = listener.get(20)
            assert event is not None
            assert event.kind is EventKind.ENQUEUED
            act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# -- one ticket ----------------------------------------------------------------------------------------------------


def test_enqueue_prints_the_ticket(cli: Cli, mm: Matchmaker) -> None:
    """Given a queue, when a player is enqueued, then the line says so and the ticket waits."""
    done = cli("enqueue", "ladder", "zoë", "--rating", "1520.5", "--deviation", 90, "--data", "eu", "--ticket", "T-1")
    assert (done.code, done.out, done.err) == (0, "ticket T-1  waiting    zoë (1520.5)  ladder\n", "")
    ticket = mm.status("T-1")
    assert (ticket.player, ticket.rating, ticket.players[0].deviation, ticket.data) == ("zoë", 1520.5, 90.0, "eu")


def test_enqueue_as_json(cli: Cli, mm: Matchmaker) -> None:
    done = cli("enqueue", "ladder", "alice", "--rating", -5, "--json")
    assert re.fullmatch(TICKET, done.document["ticket"])
    assert done.document == {
        "ticket": done.document["ticket"],
        "state": "waiting",
        "queue": "ladder",
        "player": "alice",
        "rating": -5.0,
        "deviation": None,
        "data": "",
        "enqueued_ms": mm.status_of_player("alice").enqueued_ms,
        "ended_ms": None,
        "reason": "",
        "match": None,
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_enqueue_waits_for_the_match(cli: Cli, mm: Matchmaker, as_json: bool) -> None:
    """Given somebody who waits, when another is enqueued with --wait, then the match is printed once it exists."""
    mm.enqueue("ladder", "alice", rating=1520)
    matching = when_waiting(mm, "bob", lambda: mm.attempt_match("ladder"))
    done = cli("enqueue", "ladder", "bob", "--rating", 1520, "--wait", 20, *["--json"] * as_json)
    matching.join()
    assert (done.code, done.err) == (0, "")
    if as_json:
        assert done.document["state"] == "matched"
        members = [member for team in done.document["match"]["teams"] for member in team]
        assert {member["player"] for member in members} == {"alice", "bob"}
    else:
        waiting, found = done.out.splitlines()
        assert re.fullmatch(rf"ticket ({TICKET})  waiting    bob \(1520\)  ladder", waiting)
        ticket = waiting.split()[1]
        assert re.fullmatch(rf"{TIME}  match.found  {ticket}  bob \(1520\) vs alice \(1520\)  gap 0", found)


def test_enqueue_that_waits_in_vain_exits_with_1_and_the_ticket_stays(cli: Cli, mm: Matchmaker) -> None:
    done = cli("enqueue", "ladder", "alice", "--rating", 1, "--ticket", "T", "--wait", "0.01")
    assert done.code == 1
    assert done.err == "error: ticket T found no match within 0.01 s and still waits\n"
    assert mm.status("T").state == "waiting"
    again = cli("enqueue", "ladder", "alice", "--rating", 1, "--ticket", "T", "--wait", "0.01", "--json")
    assert (again.code, again.out) == (1, "")
    assert (again.error["code"], again.error["ticket"]) == ("wait_timeout", "T")


def test_enqueue_whose_ticket_is_cancelled_meanwhile_exits_with_1(cli: Cli, mm: Matchmaker) -> None:
    cancelling = when_waiting(mm, "alice", lambda: mm.cancel_player("alice"))
    done = cli("enqueue", "ladder", "alice", "--rating", 1, "--ticket", "T", "--wait", 20)
    cancelling.join()
    assert (done.code, done.err) == (1, "error: ticket T was cancelled (requested)\n")


def test_a_repeated_enqueue_gets_what_became_of_the_ticket(cli: Cli, mm: Matchmaker) -> None:
    """Given a ticket that was matched and one that was cancelled, when enqueued again, then that is the answer."""
    mm.enqueue("ladder", "alice", rating=1, ticket="A")
    mm.enqueue("ladder", "bob", rating=1, ticket="B")
    mm.attempt_match("ladder")
    matched = cli("enqueue", "ladder", "alice", "--rating", 1, "--ticket", "A", "--wait", 20)
    assert matched.code == 0
    assert re.fullmatch(r"ticket A  matched    alice \(1\)  ladder  after .* s", matched.out.splitlines()[0])
    assert "match.found" in matched.out.splitlines()[1]
    mm.enqueue("ladder", "carol", rating=1, ticket="C")
    mm.cancel("C")
    cancelled = cli("enqueue", "ladder", "carol", "--rating", 1, "--ticket", "C")
    assert cancelled.code == 1
    assert re.fullmatch(r"ticket C  cancelled  carol \(1\)  ladder  after .* s  \(requested\)\n", cancelled.out)


def test_cancel_by_ticket_and_by_player(cli: Cli, mm: Matchmaker) -> None:
    """Given tickets that wait, when cancelled either way and once more, then they are, with exit code 0."""
    mm.enqueue("ladder", "alice", rating=1, ticket="A")
    mm.enqueue("casual", "bob", rating=1, ticket="B")
    for args in (["A"], ["A"], ["--player", "bob"]):
        done = cli("cancel", *args, "--json")
        assert (done.code, done.document["state"], done.document["reason"]) == (0, "cancelled", "requested")
    assert re.match(r"ticket A  cancelled  alice \(1\)  ladder  after", cli("cancel", "A").out)


def test_a_cancel_that_comes_too_late_shows_the_match_and_exits_with_1(cli: Cli, mm: Matchmaker) -> None:
    mm.enqueue("ladder", "alice", rating=1, ticket="A")
    mm.enqueue("ladder", "bob", rating=1, ticket="B")
    mm.attempt_match("ladder")
    done = cli("cancel", "A")
    assert done.code == 1
    assert re.fullmatch(rf"{TIME}  match.found  A  alice \(1\) vs bob \(1\)  gap 0", done.out.splitlines()[1])


def test_status_follows_a_ticket(cli: Cli, mm: Matchmaker) -> None:
    mm.enqueue("ladder", "alice", rating=1, ticket="A")
    assert re.fullmatch(r"ticket A  waiting    alice \(1\)  ladder  [\d.]+ s\n", cli("status", "A").out)
    assert cli("status", "--player", "alice", "--json").document["state"] == "waiting"
    mm.cancel("A")
    done = cli("status", "--player", "alice")
    assert (done.code, done.out.split()[2]) == (0, "cancelled")


# -- how commands fail ---------------------------------------------------------------------------------------------

RATING = "(allowed −1,000,000 … 1,000,000)"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["enqueue", "ladder", "p", "--rating", "nan"], 2, f"rating: nan is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "-inf"], 2, f"rating: -inf is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "1e400"], 2, f"rating: inf is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "0x10"], 2, f"rating: '0x10' is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", " 12 "], 2, f"rating: ' 12 ' is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "1_0"], 2, f"rating: '1_0' is not a finite number {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "2e6"], 2, f"rating: 2000000.0 is out of range {RATING}"),
        (["enqueue", "ladder", "p", "--rating", "1", "--deviation", "-1"], 2, "deviation: -1.0 is out of range"),
        (["enqueue", "ladder", "p", "--rating", "1", "--wait", "nan"], 2, "wait: nan is not a finite number"),
        (["enqueue", "ladder", "p", "--rating", "1", "--wait", "-1"], 2, "wait: -1.0 is out of range"),
        (["enqueue", "Ladder", "p", "--rating", "1"], 2, "queue: 'Ladder' is refused (allowed: 1 to 64 of a-z"),
        (["enqueue", "ladder", "", "--rating", "1"], 2, "player: '' is refused"),
        (["enqueue", "ladder", "p\x1b[31m", "--rating", "1"], 2, r"player: 'p\x1b[31m' is refused"),
        (["enqueue", "ladder", "p", "--rating", "1", "--ticket", "{}"], 2, "ticket: '{}' is refused"),
        (["enqueue", "nowhere", "p", "--rating", "1"], 3, "queue: 'nowhere' is not a queue of realm"),
        (["enqueue", "ladder", "taken", "--rating", "1"], 4, "player: 'taken' already waits in 'ladder' with ticket T"),
        (["enqueue", "casual", "p", "--rating", "1", "--ticket", "T"], 4, "ticket: 'T' was already used by player"),
        (["cancel", "nothing"], 3, "ticket: 'nothing' is neither waiting nor"),
        (["cancel", "--player", "nobody"], 3, "ticket: 'nobody' is neither waiting nor"),
        (["status", "nothing"], 3, "ticket: 'nothing' is neither waiting nor"),
        (["status", "{"], 2, "ticket: '{' is refused"),
        (["watch", "p", "--after", "yesterday"], 2, "after: 'yesterday' is refused (allowed: an event's id"),
        (["watch", "p", "--for", "soon"], 2, "for: 'soon' is not a finite number"),
        (["queues", "show", "nowhere"], 3, "queue: 'nowhere' is not a queue of realm"),
        (["queues", "apply", "/no/such/file"], 2, "/no/such/file: file: '/no/such/file' is refused"),
        (["stats", "--realm", "No Realm"], 2, "realm: 'No Realm' is refused"),
        (["stats", "--realm", "no-such-realm"], 3, "realm: 'no-such-realm' does not exist"),
        (["watch", "p", "--realm", "no-such-realm"], 3, "realm: 'no-such-realm' does not exist"),
        (["stats", "--url", "http://localhost"], 2, "redis_url: '***' is refused (allowed: redis://"),
        (["stats", "--url", "redis://localhost?colour=red"], 2, "redis_url: 'redis://localhost?colour=red' is refused"),
        (["stats", "--url", "redis://localhost?db=one"], 2, "redis_url: 'redis://localhost?db=one' is refused"),
    ],
)
def test_each_refusal_is_one_line_with_its_exit_code(
    cli: Cli, mm: Matchmaker, args: list[str], code: int, message: str
) -> None:
    """Given a command that must be refused, when it runs, then one line says why, in JSON too, and nothing changed."""
    mm.enqueue("ladder", "taken", rating=1, ticket="T")
    before = mm.stats()
    done = cli(*args)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: {message}")
    assert done.err.count("\n") == 1
    as_json = cli(*args, "--json")
    assert (as_json.code, as_json.out) == (code, "")
    assert as_json.error["exit"] == code
    assert f"error: {as_json.error['message']}\n" == done.err
    assert mm.stats() == before


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"full": "too much", "kept_ms": 10**14}, 6, "the realm takes no new tickets: too much"),
        ({"schema": 999}, 5, "the realm's schema is 999, this program writes"),
        ({"time": "virtual"}, 5, "the realm runs in virtual time"),
    ],
)
def test_a_realm_that_takes_no_ticket_says_why(
    cli: Cli, mm: Matchmaker, *, fields: dict[str, object], code: int, message: str
) -> None:
    """Given a realm that is full, of another version or in virtual time, when enqueued, then its own exit code."""
    mm.redis.hset(mm.calls.keys.meta, mapping={name: str(value) for name, value in fields.items()})
    done = cli("enqueue", "ladder", "alice", "--rating", 1)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: {message}")


def test_without_a_server_every_command_says_what_to_do(bare_cli: Cli, tmp_path: Path) -> None:
    """Given no URL and nothing that runs, when a command is called, then exit code 5 and the ways out."""
    for args in (["stats"], ["enqueue", "q", "p", "--rating", "1"], ["watch", "p"], ["doctor"], ["worker"]):
        done = bare_cli(*args)
        assert done.code == 5
        assert done.err == (
            f"error: no server is set and none runs on {tmp_path}/data: start one with `matchmaker up`, or give --url "
            "or MATCHMAKER_REDIS_URL\n"
        )


def test_a_server_that_is_down_is_reported(bare_cli: Cli) -> None:
    done = bare_cli("stats", "--url", "redis://:secret@127.0.0.1:1", "--json")
    assert (done.code, done.error["code"]) == (5, "server_unavailable")
    assert "secret" not in done.err


def test_a_server_that_refuses_the_password_is_reported(bare_cli: Cli, own_server: StartServer) -> None:
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">right", "~*", "+@all")
    done = bare_cli("stats", "--url", server.url.replace("://", "://guest:wrong@"))
    assert done.code == 5
    assert done.err.startswith("error: the Redis server refuses this user")
    assert "wrong@" not in done.err


def test_settings_are_checked_by_name(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHMAKER_LOG_LEVEL", "loud")
    done = bare_cli("stats")
    assert done.code == 2
    assert done.err.startswith("error: MATCHMAKER_LOG_LEVEL: 'loud' is refused (allowed: debug, info, warning")


# -- queues --------------------------------------------------------------------------------------------------------


def test_rules_are_applied_shown_and_pruned(cli: Cli, tmp_path: Path) -> None:
    """Given a rules file, when applied twice, changed and pruned, then each step says what it did."""
    file = tmp_path / "queues.toml"
    file.write_text("[ladder]\n[evoladder]\nmax_gap = 120\n")
    assert cli("queues", "apply", file).out == "ladder     created  version 1\nevoladder  created  version 1\n"
    assert "unchanged" in cli("queues", "apply", file).out
    file.write_text("[ladder]\nmax_gap = 200\nwillingness = { kind = 'stepped', step = 5, every_seconds = 2 }\n")
    dry = cli("queues", "apply", file, "--prune", "--dry-run")
    assert dry.out == (
        "ladder     changed  version 2\nevoladder  removed  version 1\n"
        "ladder: max_gap: 300 → 200\n"
        "ladder: willingness.every_seconds: none → 2\n"
        'ladder: willingness.kind: "linear" → "stepped"\n'
        "ladder: willingness.per_second: 1 → none\n"
        "ladder: willingness.step: none → 5\n"
        "nothing was changed\n"
    )
    done = cli("queues", "apply", file, "--prune", "--json")
    changes = done.document["changes"]
    assert changes[0].pop("diff")["max_gap"] == {"old": 300, "new": 200}
    assert changes == [
        {"queue": "ladder", "change": "changed", "version": 2},
        {"queue": "evoladder", "change": "removed", "version": 1},
    ]
    shown = cli("queues", "show").out.splitlines()
    assert shown == [
        "queue                version  waiting  accept  max gap  willingness",
        "evoladder (closing)        1        0  sum         120  per_second = 1",
        'ladder                     2        0  sum         200  kind = "stepped", step = 5, every_seconds = 2',
    ]


@pytest.mark.parametrize(("field", "value"), [("same", '["mode"]'), ("sides", '["a", "b"]')])
def test_new_sides_or_classes_are_said_to_cancel_who_waits(
    cli: Cli, mm: Matchmaker, tmp_path: Path, field: str, value: str
) -> None:
    """Given a queue, when its sides or classes change, dry or not, then who waits is said to be cancelled."""
    mm.apply_rules(parse_rules("[ladder]\n", "test"))
    file = tmp_path / "queues.toml"
    file.write_text(f"[ladder]\n{field} = {value}\n")
    dry = cli("queues", "apply", file, "--dry-run").out
    assert f"ladder: {field}: none → {value}\n" in dry
    assert "ladder: those who wait would be cancelled (rules_changed)\n" in dry
    (told,) = cli("queues", "apply", file, "--dry-run", "--json").document["changes"]
    assert told["cancels"] is True
    assert "ladder: those who wait are cancelled (rules_changed)\n" in cli("queues", "apply", file).out
    (told,) = cli("queues", "apply", file, "--json").document["changes"]
    assert "cancels" not in told


def test_the_rules_of_a_queue_are_shown_as_a_file_that_changes_nothing(
    cli: Cli, mm: Matchmaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given rules, when what `show` prints is applied from standard input, then they are unchanged."""
    text = "[ladder]\ninterval_ms = 250\nwillingness = { kind = 'exponential', base = 2.5, doubling_seconds = 10 }\n"
    mm.apply_rules(parse_rules(text, "test"))
    shown = cli("queues", "show", "ladder")
    assert shown.out.startswith("# version 2, 0 waiting\n[ladder]\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(shown.out.encode())))
    assert cli("queues", "apply", "-").out == "ladder  unchanged  version 2\n"
    as_json = cli("queues", "show", "ladder", "--json").document
    assert (as_json["queue"], as_json["version"], as_json["rules"]["interval_ms"]) == ("ladder", 2, 250)


def test_a_wrong_file_is_refused_with_all_that_is_wrong(cli: Cli, mm: Matchmaker, tmp_path: Path) -> None:
    file = tmp_path / "queues.toml"
    file.write_text("[ladder]\nmax_gap = -1\ncolour = 'red'\n[Bad]\n")
    done = cli("queues", "apply", file)
    lines = done.err.splitlines()
    assert (done.code, done.out, len(lines)) == (2, "", 3)
    assert all(line.startswith(f"error: {file}: ") for line in lines)
    as_json = cli("queues", "apply", file, "--json")
    assert [problem["field"] for problem in as_json.error["problems"]] == ["max_gap", "colour", "name"]
    assert {held.version for held in mm.rules().values()} == {1}


def test_advice_is_given_on_standard_error_and_in_the_document(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "queues.toml"
    file.write_text("[ladder]\nwillingness = { base = 50 }\n")
    done = cli("queues", "apply", file)
    assert (done.code, done.out) == (0, "ladder  created  version 1\n")
    assert done.err.startswith("warning: ladder: willingness.base = 50 with interval_ms = 0 pairs too early")
    as_json = cli("queues", "apply", file, "--json")
    assert as_json.err == ""
    assert len(as_json.document["warnings"]["ladder"]) == 1


def test_those_who_wait_are_listed_lowest_rating_first(cli: Cli, mm: Matchmaker) -> None:
    """Given tickets in two queues, when listed, then in order, numbers to the right, nobody cut short."""
    long = "x" * 120
    mm.enqueue("ladder", "bob", rating=1999.5, ticket="B")
    mm.enqueue("ladder", long, rating=900, ticket="L")
    mm.enqueue("casual", "carol", rating=1, ticket="C")
    lines = cli("queues", "show", "--waiting").out.splitlines()
    assert [line.split()[0] for line in lines] == ["queue", "casual", "ladder", "ladder"]
    assert lines[1].startswith("casual       1  carol ")
    assert lines[2].startswith(f"ladder     900  {long}  ")
    assert lines[3].startswith("ladder  1999.5  bob ")
    assert lines[3].endswith("  B")
    assert len(cli("queues", "show", "ladder", "--waiting").out.splitlines()) == 3
    waiting = cli("queues", "show", "--waiting", "--json").document["waiting"]
    assert [ticket["ticket"] for ticket in waiting] == ["C", "L", "B"]


def test_stats_count(cli: Cli, mm: Matchmaker) -> None:
    """Given a match, a cancelled ticket and one that waits, when counted, then in a table and as JSON."""
    for player, rating in (("alice", 1), ("bob", 1), ("carol", 500), ("dave", 1000)):
        mm.enqueue("ladder", player, rating=rating)
    mm.attempt_match("ladder")
    mm.cancel_player("carol")
    for queue in ("ladder", "casual"):
        mm.attempt_match(queue)  # nothing is due any more
    done = cli("stats")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "queue   waiting  next pass  version",
        "casual        0          –        1",
        "ladder        1          –        1",
        "all           1",
        "",
        "enqueued   4",
        "matched    2  in 1 match",
        "cancelled  1",
        "expired    0",
        "events     8  kept",
    ]
    document = cli("stats", "--json").document
    names = ("enqueued", "matched", "matches", "cancelled", "expired", "events", "full")
    assert [document[name] for name in names] == [4, 2, 1, 1, 0, 8, ""]
    assert document["now_ms"] >= mm.status_of_player("alice").enqueued_ms


# -- watching ------------------------------------------------------------------------------------------------------


def test_watch_prints_events_as_they_come(mm: Matchmaker, environment: dict[str, str]) -> None:
    """Given a process that watches, when things happen one by one, then each is a line at once; Ctrl-C is silent."""
    with Running("watch", "alice", env=environment) as watching:
        mm.enqueue("ladder", "alice", rating=1520, ticket="A")
        assert re.fullmatch(rf"{TIME}  enqueued     A  alice \(1520\)  ladder", watching.line())
        mm.cancel("A")
        assert re.fullmatch(
            rf"{TIME}  cancelled    A  alice \(1520\)  ladder  after .* s  \(requested\)", watching.line()
        )
        mm.enqueue("ladder", "alice", rating=1520, ticket="B")
        assert " enqueued     B " in watching.line()
        mm.enqueue("ladder", "bob", rating=1520)
        mm.attempt_match("ladder")
        assert re.fullmatch(rf"{TIME}  match.found  B  alice \(1520\) vs bob \(1520\)  gap 0", watching.line())
        watching.signal(signal.SIGINT)
        assert watching.ended() == 130
        assert watching.line() == ""
        assert watching.stderr() == ""


def test_watch_as_json_is_what_the_channel_carries_and_resumes(mm: Matchmaker, environment: dict[str, str]) -> None:
    """Given events seen and one missed, when watched again --after the last seen, then only the missed one comes."""
    mm.enqueue("ladder", "alice", rating=1520, ticket="A")
    with Running("watch", "alice", "--json", env=environment) as watching:
        first = watching.document()
    assert (first["event"], first["ticket"], first["prev"], first["v"]) == ("enqueued", "A", "", 1)
    mm.cancel("A")
    with Running("watch", "alice", "--json", "--after", first["id"], env=environment) as watching:
        second = watching.document()
    assert (second["event"], second["prev"]) == ("cancelled", first["id"])


def test_watch_leaves_after_the_time_that_is_set(cli: Cli, mm: Matchmaker) -> None:
    mm.enqueue("ladder", "alice", rating=1520, ticket="A")
    done = cli("watch", "alice", "--for", "0.3")
    assert (done.code, done.out.count("\n")) == (0, 1)


def test_watch_whose_events_are_forgotten_says_so(cli: Cli, mm: Matchmaker) -> None:
    """Given a cursor older than what the realm remembers, when watched from there, then exit code 3, not silence."""
    mm.enqueue("ladder", "alice", rating=1520, ticket="A")
    mm.redis.hset(mm.calls.keys.meta, "floor_ms", str(mm.status("A").enqueued_ms))
    mm.cancel("A")
    done = cli("watch", "alice", "--after", "1-0", "--for", "20")
    assert done.code == 3
    assert "are older than the realm remembers" in done.err


def test_a_reader_that_leaves_is_no_error(mm: Matchmaker, environment: dict[str, str]) -> None:
    """Given `watch | head -1`, when the reader has gone and more happens, then it ends without a word."""
    with Running("watch", "alice", "--json", env=environment) as watching:
        mm.enqueue("ladder", "alice", rating=1520, ticket="A")
        assert watching.document()["event"] == "enqueued"
        assert watching.process.stdout is not None
        watching.process.stdout.close()
        mm.cancel("A")
        assert watching.ended() == 141
        assert watching.stderr() == ""


def test_an_interrupted_wait_is_silent_and_the_ticket_stays(mm: Matchmaker, environment: dict[str, str]) -> None:
    with Running(
        "enqueue", "ladder", "alice", "--rating", 1, "--ticket", "T", "--wait", 60, env=environment
    ) as waiting:
        assert waiting.line() == "ticket T  waiting    alice (1)  ladder"
        waiting.signal(signal.SIGINT)
        assert waiting.ended() == 130
        assert (waiting.line(), waiting.stderr()) == ("", "")
    assert mm.status("T").state == "waiting"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminals_encoding_is_no_reason_to_fail(mm: Matchmaker, environment: dict[str, str], encoding: str) -> None:
    mm.enqueue("ladder", "孫悟空", rating=1520, ticket="A")
    with Running("status", "A", env={**environment, "PYTHONIOENCODING": encoding}) as asking:
        assert asking.line().startswith("ticket A  waiting    ")
        assert asking.ended() == 0
    with Running("status", "A", "--json", env={**environment, "PYTHONIOENCODING": encoding}) as asking:
        assert json.loads(asking.line())["player"] == "孫悟空"
