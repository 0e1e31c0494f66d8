"""Ratings from the database for those who join without one: many lookups in one query, none of them on an event loop.

Whoever asks gets a future. Two queries at most are under way; what is asked meanwhile waits and travels with the
next query, up to 500 players at a time, so a crowd costs a few queries, and a slow database makes them larger, not
more. A player who is asked for twice is looked up once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, cast

from matchmaker import errors
from matchmaker.calls import Found, Lookup, Rated
from matchmaker.store.queries import AsyncDatabase, DatabasePlan, Transactions
from matchmaker.store.ratings import look_up, settle_unknown

TIMEOUT_SECONDS: Final = 5.0
"""The longest that one who asks is kept waiting."""

MOST_WAITING: Final = 10_000
"""Players being looked up, at most; who comes then is refused at once."""

PLAYERS_A_QUERY: Final = 500
QUERIES_AT_A_TIME: Final = 2
_LEAST_SECONDS: Final = 0.05
_BROKEN_OFF: Final = "the lookup of ratings broke off"


@dataclass(slots=True, eq=False)
class _Ask:
    """One caller's question, and what is known of the answer so far."""

    open: int
    future: Future[Found] = field(default_factory=Future)
    found: dict[str, Rated | errors.MatchmakerError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # From now on nobody can cancel it: others may wait for the same player.
        self.future.set_running_or_notify_cancel()


@dataclass(slots=True, eq=False)
class _Wanted:
    """One player being looked up in one queue. ``until``: when the last of those who ask gives up."""

    default: Rated
    until: float
    asks: list[_Ask]


class _Desk:
    """Who asks for whom, and what travels with the next query: all but how a query is run.

    :param seconds: see :data:`TIMEOUT_SECONDS`. :param most: see :data:`MOST_WAITING`.
    """

    def __init__(self, shown: str, realm: str, seconds: float, most: int) -> None:
        self._shown = shown
        self._realm = realm
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._wanted: dict[tuple[str, str], _Wanted] = {}
        self._waiting: dict[str, list[str]] = {}
        self._drains = 0
        self._closed = False
        self.queries = 0
        """Transactions begun so far."""

    def _start(self) -> None:
        """Has :data:`QUERIES_AT_A_TIME` at most look up what waits until nothing does. Called under the lock."""
        raise NotImplementedError

    def _close(self) -> None:
        """Refuses who still waits and whoever comes."""
        with self._lock:
            self._closed = True
            wanted, self._wanted, self._waiting = self._wanted, {}, {}
            done = self._answer(wanted, errors.DatabaseUnavailable("the lookup of ratings was closed"))
        _settle(done)

    def _late(self, wanted: Lookup) -> Found:
        said = f"the database {self._shown} told no rating within {self._seconds:g} s"
        return dict.fromkeys(wanted.players, errors.DatabaseUnavailable(said))

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, lookup: Lookup) -> _Ask:
        ask = _Ask(len(lookup.players))
        until = time.monotonic() + self._seconds
        with self._lock:
            for player in lookup.players:
                wanted = self._wanted.get((lookup.queue, player))
                if wanted is not None:
                    wanted.asks.append(ask)
                    wanted.until = until
                elif self._closed:
                    ask.found[player] = errors.DatabaseUnavailable("the lookup of ratings was closed")
                elif len(self._wanted) >= self._most:
                    said = f"the database {self._shown} is slow: {self._most:,} lookups wait already"
                    ask.found[player] = errors.DatabaseUnavailable(said)
                else:
                    self._wanted[lookup.queue, player] = _Wanted(lookup.default, until, [ask])
                    self._waiting.setdefault(lookup.queue, []).append(player)
            ask.open -= len(ask.found)
            done = [ask] if ask.open == 0 else []
            if self._waiting and self._drains < QUERIES_AT_A_TIME:
                self._drains += 1
                self._start()
        _settle(done)
        return ask

    # -- answering -------------------------------------------------------------------------------------------------

    def _next(self) -> tuple[str, dict[str, _Wanted]]:
        """The next query's queue and players; with none the one who drains must stop."""
        with self._lock:
            queue, players, done = self._take()
            if not players:
                self._drains -= 1  # under the lock: whoever asks from now on starts another
        _settle(done)
        return queue, players

    def _broken_off(self) -> None:
        with self._lock:
            self._drains -= 1

    def _take(self) -> tuple[str, dict[str, _Wanted], list[_Ask]]:
        """The next query's queue and players, none if nothing waits; and those who ask in vain: their time is over."""
        late: dict[tuple[str, str], _Wanted] = {}
        players: dict[str, _Wanted] = {}
        queue = next(iter(self._waiting), "")
        names = self._waiting.pop(queue, [])
        if names[PLAYERS_A_QUERY:]:
            self._waiting[queue] = names[PLAYERS_A_QUERY:]  # behind the other queues
        now = time.monotonic()
        for player in names[:PLAYERS_A_QUERY]:
            wanted = self._wanted[queue, player]
            if wanted.until > now:
                players[player] = wanted
            else:
                late[queue, player] = wanted
        done = self._answer(late, errors.DatabaseUnavailable(f"the database {self._shown} is slow"))
        if late and not players and self._waiting:
            further = self._take()
            return further[0], further[1], done + further[2]
        return queue, players, done

    def _question(self, queue: str, players: dict[str, _Wanted]) -> DatabasePlan[dict[str, Rated]]:
        """One transaction for all of these players. Who is known is answered at once, and also when creating the others
        fails; those are answered by :meth:`_tell` once it is committed."""
        known = yield from look_up(self._realm, queue, list(players))
        self._tell(queue, players, known)
        settled: dict[str, Rated] = {}
        for default, unknown in _by_default(players).items():
            settled |= yield from settle_unknown(self._realm, queue, unknown, default)
        return settled

    def _seconds_for(self, players: Mapping[str, _Wanted]) -> float:
        self.queries += 1
        left = max(wanted.until for wanted in players.values()) - time.monotonic()
        return max(left, _LEAST_SECONDS)

    def _tell(
        self, queue: str, players: dict[str, _Wanted], answers: Mapping[str, Rated | errors.MatchmakerError]
    ) -> None:
        """Answers these players and takes them out of ``players``."""
        done: list[_Ask] = []
        with self._lock:
            for player, answer in answers.items():
                done += self._answer({(queue, player): players.pop(player)}, answer)
        _settle(done)

    def _answer(self, players: dict[tuple[str, str], _Wanted], answer: Rated | errors.MatchmakerError) -> list[_Ask]:
        """Tells everybody who asks for these; the asks that are complete by it. Needs the lock."""
        done = []
        for place, wanted in players.items():
            if self._wanted.get(place) is wanted:
                del self._wanted[place]
            for ask in wanted.asks:
                if place[1] not in ask.found:
                    ask.found[place[1]] = answer
                    ask.open -= 1
                    if ask.open == 0:
                        done.append(ask)
            wanted.asks = []
        return done


class RatingLookup(_Desk):
    """Looks ratings up in a database, for one realm; any number of threads may ask.

    :param seconds: see :data:`TIMEOUT_SECONDS`. :param most: see :data:`MOST_WAITING`.
    :param on_close: what :meth:`close` calls last.
    """

    def __init__(
        self,
        database: Transactions,
        realm: str,
        *,
        seconds: float = TIMEOUT_SECONDS,
        most: int = MOST_WAITING,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(database.shown, realm, seconds, most)
        self.database = database
        self._on_close = on_close
        self._threads = ThreadPoolExecutor(QUERIES_AT_A_TIME, thread_name_prefix="ratings")

    def close(self) -> None:
        """Refuses who still waits and whoever comes. A query that runs is left to end by itself."""
        self._close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._on_close:
            self._on_close()

    def find(self, wanted: Lookup) -> Found:
        """Blocks until all players are known, or refused; at most as long as one may be kept waiting."""
        try:
            return self._ask(wanted).future.result(self._seconds)
        except concurrent.futures.TimeoutError:
            return self._late(wanted)

    def _start(self) -> None:
        self._threads.submit(self._drain)

    def _drain(self) -> None:
        try:
            while (taken := self._next())[1]:
                self._query(*taken)
        except BaseException:
            self._broken_off()
            raise

    def _query(self, queue: str, players: dict[str, _Wanted]) -> None:
        failed: errors.MatchmakerError = errors.DatabaseUnavailable(_BROKEN_OFF)
        try:
            question = self._question(queue, players)
            self._tell(queue, players, self.database.run(question, self._seconds_for(players), read_only=False))
        except errors.MatchmakerError as error:
            failed = error
        finally:
            self._tell(queue, players, dict.fromkeys(players, failed))


class AsyncRatingLookup(_Desk):
    """As :class:`RatingLookup`, for the tasks of one event loop: queries are tasks too, by whichever driver."""

    def __init__(
        self,
        database: AsyncDatabase,
        realm: str,
        *,
        seconds: float = TIMEOUT_SECONDS,
        most: int = MOST_WAITING,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(database.shown, realm, seconds, most)
        self.database = database
        self._on_close = on_close
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Refuses who still waits and whoever comes. A query that runs is left to end by itself."""
        self._close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._on_close:
            await self._on_close()

    async def awaited(self, wanted: Lookup) -> Found:
        """Waits until all players are known, or refused; at most as long as one may be kept waiting. Whoever is
        cancelled leaves the others' answers alone."""
        ask = self._ask(wanted)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(ask.future)
        except TimeoutError:
            return self._late(wanted)

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._drain())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        try:
            while (taken := self._next())[1]:
                await self._query(*taken)
        except BaseException:
            self._broken_off()
            raise

    async def _query(self, queue: str, players: dict[str, _Wanted]) -> None:
        failed: errors.MatchmakerError = errors.DatabaseUnavailable(_BROKEN_OFF)
        try:
            question = self._question(queue, players)
            settled = await self.database.run(question, self._seconds_for(players), read_only=False)
            self._tell(queue, players, settled)
        except errors.MatchmakerError as error:
            failed = error
        finally:
            self._tell(queue, players, dict.fromkeys(players, failed))


def _by_default(players: Mapping[str, _Wanted]) -> dict[Rated, list[str]]:
    by_default: dict[Rated, list[str]] = {}
    for player, wanted in players.items():
        by_default.setdefault(wanted.default, []).append(player)
    return by_default


def _settle(done: list[_Ask]) -> None:
    """Outside the lock: a future runs its callbacks."""
    for ask in done:
        ask.future.set_result(ask.found)


def opened_lookup(database: Transactions | str | None, realm: str) -> RatingLookup | None:
    """A lookup in a database of the caller's, or at a URL, which it then closes itself; None without either.

    :raises InvalidInput: the URL is none.
    """
    if database is None:
        return None
    if not isinstance(database, str):
        return RatingLookup(database, realm)
    from matchmaker.store.connect import Database  # the driver is loaded for those who have a database

    own = Database(database)
    return RatingLookup(own, realm, on_close=own.close)


def opened_async_lookup(database: AsyncDatabase | Transactions | str | None, realm: str) -> AsyncRatingLookup | None:
    """As :func:`opened_lookup`; a blocking database, or one at a URL, is asked in threads."""
    if database is None:
        return None
    if not isinstance(database, str) and asyncio.iscoroutinefunction(database.run):
        return AsyncRatingLookup(cast(AsyncDatabase, database), realm)
    from matchmaker.store.connect import Database
    from matchmaker.store.threaded import ThreadedDatabase

    own = Database(database) if isinstance(database, str) else None
    threads = ThreadedDatabase(own or cast(Transactions, database))

    async def close() -> None:
        await threads.close()
        if own is not None:
            own.close()

    return AsyncRatingLookup(threads, realm, on_close=close)
