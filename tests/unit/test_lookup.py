"""RatingLookup on a real database: many in one query, each player once, nobody waits for ever, nobody spoils it for
others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from matchmaker import errors
from matchmaker.calls import Found, Lookup, Rated
from matchmaker.store.connect import Database
from matchmaker.store.lookup import RatingLookup
from matchmaker.store.queries import DatabasePlan
from matchmaker.store.ratings import import_ratings, look_up, settle_unknown, stored_ratings
from matchmaker.store.schema import upgrade

REALM, QUEUE = "r", "ladder"
DEFAULT = Rated(1500.0, 350.0)
PATIENCE_SECONDS = 20.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An upgraded database with a pool of its own."""
    upgrade(database_url)
    with Database(database_url) as opened:
        yield opened


@pytest.fixture
def lookup(database: Database) -> Iterator[RatingLookup]:
    made = RatingLookup(database, REALM, seconds=PATIENCE_SECONDS)
    yield made
    made.close()


def of(*players: str, default: Rated = DEFAULT, queue: str = QUEUE) -> Lookup:
    return Lookup(queue, players, default)


def store(database: Database, rated: dict[str, Rated], queue: str = QUEUE) -> None:
    with database.transaction() as cursor:
        import_ratings(cursor, REALM, queue, rated)


def stored(database: Database, queue: str = QUEUE) -> dict[str, Rated]:
    with database.transaction() as cursor:
        return dict(stored_ratings(cursor, REALM, queue))


@contextmanager
def held_up(database: Database) -> Iterator[Callable[[], None]]:
    """While nobody can read ratings; ends with the ``with`` or by the call it answers."""
    link = database.connect()
    with link.cursor() as cursor:
        cursor.execute("LOCK TABLE ratings IN ACCESS EXCLUSIVE MODE")
    try:
        yield link.rollback
    finally:
        link.close()


def wait_for_waiting(database: Database, count: int) -> None:
    """Until so many connections wait for a lock: the server says so, there is nothing else to wait on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = -1
    with database.transaction() as cursor:
        while found != count:
            assert time.monotonic() < deadline, f"{found} connections wait, not {count}"
            cursor.execute(
                "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            found = (cursor.fetchone() or (None, -1))[1]


def both_stuck(database: Database, lookup: RatingLookup, threads: ThreadPoolExecutor) -> list[Future[Found]]:
    """Has both of a lookup's queries wait for a database that is held up: for a, and for b."""
    asked = []
    for number, player in enumerate("ab", 1):
        asked.append(threads.submit(lookup.find, of(player)))
        wait_for_waiting(database, number)
    return asked


class TestAnswers:
    def test_who_is_known_gets_what_is_stored(self, database: Database, lookup: RatingLookup) -> None:
        store(database, {"ann": Rated(1520.5, 70.25), "bob": Rated(1 / 3)})
        store(database, {"ann": Rated(1.0)}, queue="other")
        assert lookup.find(of("ann", "bob")) == {"ann": Rated(1520.5, 70.25), "bob": Rated(1 / 3)}
        assert lookup.find(of("ann", queue="other")) == {"ann": Rated(1.0)}

    def test_whom_nobody_knew_is_created_with_the_default(self, database: Database, lookup: RatingLookup) -> None:
        names = ["zoë", "a'b\\c", "%s", "🦊", "x" * 128]
        assert lookup.find(of(*names)) == dict.fromkeys(names, DEFAULT)
        assert stored(database) == dict.fromkeys(names, DEFAULT)
        with database.transaction() as cursor:
            cursor.execute("SELECT count(*), min(since_ms) > 1600000000000 FROM players WHERE realm = %s", [REALM])
            assert cursor.fetchone() == (5, True)
            cursor.execute("SELECT DISTINCT source FROM ratings")
            assert cursor.fetchall() == [("default",)]

    def test_the_default_of_the_first_time_stays(self, lookup: RatingLookup) -> None:
        lookup.find(of("ann"))
        assert lookup.find(of("ann", default=Rated(9.0))) == {"ann": DEFAULT}

    def test_known_and_unknown_are_two_statements(self, database: Database, lookup: RatingLookup) -> None:
        store(database, {"ann": Rated(1.0)})
        found = lookup.find(of("ann", "bob", "cat"))
        assert found == {"ann": Rated(1.0), "bob": DEFAULT, "cat": DEFAULT}
        assert lookup.queries == 1

    def test_somebody_who_was_rated_in_the_same_moment_keeps_that(self, database: Database) -> None:
        """Given a lookup that found nobody, and an import since then, then what it settles on is the import's."""

        def question() -> DatabasePlan[dict[str, Rated]]:
            assert (yield from look_up(REALM, QUEUE, ["ann"])) == {}
            store(database, {"ann": Rated(1700.0)})
            return (yield from settle_unknown(REALM, QUEUE, ["ann", "bob"], DEFAULT))

        assert database.run(question(), read_only=False) == {"ann": Rated(1700.0), "bob": DEFAULT}


class TestManyAtOnce:
    def test_what_is_asked_during_a_slow_query_travels_with_the_next(
        self, database: Database, lookup: RatingLookup
    ) -> None:
        with ThreadPoolExecutor(52) as threads, held_up(database) as release:
            # Given both queries under way and stuck
            first = both_stuck(database, lookup, threads)
            # When fifty threads ask, for twenty-five players, and the database comes back
            asked = threading.Barrier(51, timeout=PATIENCE_SECONDS)

            def ask(number: int) -> Found:
                asked.wait()
                return lookup.find(of(f"p{number % 25}", "a"))

            rest = [threads.submit(ask, number) for number in range(50)]
            asked.wait()
            release()
            # Then everybody is answered, by a few queries in all
            assert [one.result(PATIENCE_SECONDS) for one in first] == [{"a": DEFAULT}, {"b": DEFAULT}]
            for number, one in enumerate(rest):
                assert one.result(PATIENCE_SECONDS) == {f"p{number % 25}": DEFAULT, "a": DEFAULT}
        assert lookup.queries <= 10

    def test_a_large_question_goes_in_parts(self, lookup: RatingLookup) -> None:
        names = [f"p{i}" for i in range(1_201)]
        assert lookup.find(of(*names)) == dict.fromkeys(names, DEFAULT)
        assert lookup.queries == 3

    def test_queues_take_turns(self, lookup: RatingLookup, database: Database) -> None:
        with ThreadPoolExecutor(4) as threads, held_up(database) as release:
            stuck = both_stuck(database, lookup, threads)
            many = threads.submit(lookup.find, of(*(f"p{i}" for i in range(1_500))))
            few = threads.submit(lookup.find, of("x", queue="other", default=Rated(7.0)))
            release()
            assert few.result(PATIENCE_SECONDS) == {"x": Rated(7.0)}
            assert len(many.result(PATIENCE_SECONDS)) == 1_500
            assert all(one.result(PATIENCE_SECONDS) for one in stuck)

    def test_two_programs_that_create_the_same_players_agree(self, database: Database) -> None:
        """A real race: each of two lookups, as two programs would have, by threads that start together."""
        lookups = [RatingLookup(database, REALM, seconds=PATIENCE_SECONDS) for _ in range(2)]
        start = threading.Barrier(16, timeout=PATIENCE_SECONDS)

        def ask(number: int) -> list[Found]:
            mine, default = lookups[number % 2], Rated(1000.0 + number % 2)
            start.wait()
            return [mine.find(of(*(f"p{number + step + i}" for i in range(20)), default=default)) for step in range(10)]

        with ThreadPoolExecutor(16) as threads:
            answers = [found for all_ in threads.map(ask, range(16)) for found in all_]
        for one in lookups:
            one.close()
        stand = stored(database)
        assert stand.keys() == {f"p{i}" for i in range(44)}
        assert all(found == {player: stand[player] for player in found} for found in answers)


class TestBounds:
    def test_who_waits_too_long_is_told_so(self, database: Database) -> None:
        lookup = RatingLookup(database, REALM, seconds=0.2)
        with held_up(database):
            began = time.monotonic()
            error = lookup.find(of("ann"))["ann"]
            assert isinstance(error, errors.DatabaseUnavailable)
            assert time.monotonic() - began < 5
        # And it works again as soon as the database does
        assert retried(lookup, of("ann")) == {"ann": DEFAULT}
        lookup.close()

    def test_who_comes_to_a_full_house_is_refused_at_once(self, database: Database) -> None:
        lookup = RatingLookup(database, REALM, seconds=PATIENCE_SECONDS, most=10)
        with ThreadPoolExecutor(2) as threads, held_up(database) as release:
            # Given as many players being looked up as there may be
            waiting = threads.submit(lookup.find, of(*(f"p{i}" for i in range(10))))
            wait_for_waiting(database, 1)
            # When more are asked for, then they are refused, and who is asked for already is not
            more = threads.submit(lookup.find, of("p3", "new"))
            error = lookup.find(of("newer"))["newer"]
            assert isinstance(error, errors.DatabaseUnavailable)
            assert "10 lookups wait already" in str(error)
            release()
            found = more.result(PATIENCE_SECONDS)
            assert found["p3"] == DEFAULT
            assert isinstance(found["new"], errors.DatabaseUnavailable)
            assert len(waiting.result(PATIENCE_SECONDS)) == 10
        assert lookup.find(of("new")) == {"new": DEFAULT}
        lookup.close()

    def test_closing_refuses_who_waits_and_who_comes(self, database: Database) -> None:
        lookup = RatingLookup(database, REALM, seconds=PATIENCE_SECONDS)
        with ThreadPoolExecutor(1) as threads, held_up(database):
            waiting = threads.submit(lookup.find, of("ann"))
            wait_for_waiting(database, 1)
            lookup.close()
            assert isinstance(waiting.result(PATIENCE_SECONDS)["ann"], errors.DatabaseUnavailable)
        assert isinstance(lookup.find(of("bob"))["bob"], errors.DatabaseUnavailable)
        lookup.close()


class TestFaults:
    def test_a_read_only_database_still_tells_who_is_known(self, database: Database, database_url: str) -> None:
        store(database, {"ann": Rated(1520.0)})
        with database.transaction() as cursor:
            cursor.execute("SELECT current_database()")
            (name,) = cursor.fetchone() or ("",)
            cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with Database(database_url) as read_only:
            lookup = RatingLookup(read_only, REALM)
            found = lookup.find(of("ann", "bob"))
            lookup.close()
        assert found["ann"] == Rated(1520.0)
        assert isinstance(found["bob"], errors.DatabaseUnsuitable)

    def test_a_database_without_tables_says_what_to_run(self, database_url: str) -> None:
        with Database(database_url) as empty:
            lookup = RatingLookup(empty, REALM)
            error = lookup.find(of("ann"))["ann"]
            lookup.close()
        assert isinstance(error, errors.DatabaseSchema)
        assert "matchmaker db upgrade" in str(error)

    def test_a_dead_connection_is_replaced(self, database: Database, lookup: RatingLookup) -> None:
        lookup.find(of("ann"))
        with database.transaction() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert lookup.find(of("ann", "bob")) == {"ann": DEFAULT, "bob": DEFAULT}

    def test_a_defect_below_reaches_those_who_ask_and_nobody_later(self) -> None:
        """Given a database that fails as none does, often enough to use up both threads."""

        class Defective:
            shown = "postgresql://nowhere"

            def run(self, *args: Any, **options: Any) -> Any:
                raise KeyError("a defect")

        lookup = RatingLookup(Defective(), REALM, seconds=PATIENCE_SECONDS)
        for number in range(5):
            error = lookup.find(of(f"p{number}"))[f"p{number}"]
            assert isinstance(error, errors.DatabaseUnavailable)
            assert "broke off" in str(error)
        lookup.close()


def retried(lookup: RatingLookup, wanted: Lookup) -> Found:
    """The first answer without an error in it; the query before may still be on its way out."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = lookup.find(wanted)
        if not any(isinstance(one, errors.MatchmakerError) for one in found.values()):
            return found
    raise AssertionError("it never recovered")
