"""Tells the realm what was settled: ratings as they are shown there, and an event for each rated match.

The database comes first: a match is settled by a commit, and announced after it, in the order of its number. The realm
keeps the number of the last one it told (``rated`` in its meta); what a crash left out is announced by the next drain,
and what is announced twice is told once. A realm that knows too little, as after its server was emptied, gets all
ratings at once and no events of matches that were told before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import redis
from pydantic_core import to_json

from matchmaker import errors
from matchmaker.calls import Calls
from matchmaker.keys import Keys
from matchmaker.runner import Runner, typed_errors
from matchmaker.store import settle

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

MATCHES_A_CALL: Final = 50
"""About a millisecond of the server's time."""

MATCHES_A_QUERY: Final = 1_000
PLAYERS_A_PAGE: Final = 500
MOST_BEHIND: Final = 10_000
"""A realm that was told so much less than was settled is filled at once."""

_RATED: Final = "rated"
_CHANGES: Final = """
SELECT n, match, queue, player, side, rating, deviation, before, game FROM rating_changes
WHERE realm = %s AND part = 0 AND n > %s AND n <= %s ORDER BY n, rank, player
"""
_OF_PLAYERS: Final = """
SELECT queue, player, side, rating, deviation FROM ratings
WHERE realm = %s AND queue = %s AND side = %s AND player = ANY(%s)
"""
_PAGE: Final = """
SELECT queue, player, side, rating, deviation FROM ratings
WHERE realm = %s AND (queue, player, side) > (%s, %s, %s) ORDER BY queue, player, side LIMIT %s
"""

Shown = tuple[str, str, str, float, float | None]
"""Queue, player, side, rating and deviation, as the realm shows them."""


class Announcer:
    """Announces one realm's settled matches. ``transaction`` gives a cursor of the database, committed at the end."""

    def __init__(
        self, client: redis.Redis, keys: Keys, transaction: Callable[[], AbstractContextManager[cursor]]
    ) -> None:
        self._client = client
        self._keys = keys
        self._runner = Runner(client)
        self._transaction = transaction
        self._calls: Calls | None = None

    @classmethod
    def within(cls, client: redis.Redis, keys: Keys, cursor: cursor) -> Announcer:
        """One that asks in a transaction that goes on already."""
        return cls(client, keys, lambda: nullcontext(cursor))

    def begin(self) -> None:
        """Before the first match of all is settled: the realm was told everything. Without it, it was emptied."""
        with typed_errors():
            self._client.hsetnx(self._keys.meta, _RATED, 0)

    def told(self) -> int | None:
        """The number of the last match the realm was told of; None if it does not know of any."""
        with typed_errors():
            found: Any = self._client.hget(self._keys.meta, _RATED)
        return None if found is None else int(found)

    def announce(self, settled: int) -> int:
        """Everything up to the match of that number; answers how many matches were told.

        :raises ServerUnavailable: or another error of the server; the next call goes on from there.
        """
        told = self.told() if settled else 0
        if told == settled:
            return 0
        if told is None or not 0 <= settled - told <= MOST_BEHIND:
            self._restore(settled)
            return 0
        first = told
        while told < settled:
            with self._transaction() as cursor:
                entries = pending(cursor, self._keys.realm, told, told + MATCHES_A_QUERY)
            told = self._tell(entries, told)
        return told - first

    def _tell(self, entries: Sequence[dict[str, Any]], told: int) -> int:
        """The number of the last match the realm was told of then."""
        for first in range(0, len(entries), MATCHES_A_CALL):
            texts = [to_json(entry).decode() for entry in entries[first : first + MATCHES_A_CALL]]
            reached = self._runner.call(self._realm_calls().rate(texts))
            if reached <= told:
                raise errors.ScriptFault("rate", [_RATED, str(reached)])
            told = reached
        return told

    def _realm_calls(self) -> Calls:
        """A realm in virtual time stays where it is: 0 never moves it."""
        if self._calls is None:
            with typed_errors():
                mode: Any = self._client.hget(self._keys.meta, "time")
            self._calls = Calls(self._keys.realm, clock=(lambda: 0) if mode == b"virtual" else None)
        return self._calls

    def _restore(self, settled: int) -> None:
        """All ratings, page by page; nobody changes one while its page is on the way."""
        after = ("", "", "")
        while True:
            with self._transaction() as cursor:
                settle.lock(cursor, self._keys.realm)
                cursor.execute(_PAGE, (self._keys.realm, *after, PLAYERS_A_PAGE))
                page: list[Shown] = cursor.fetchall()
                show(self._client, self._keys, page)
            if len(page) < PLAYERS_A_PAGE:
                break
            after = page[-1][:3]
        with typed_errors():
            self._client.hset(self._keys.meta, _RATED, settled)


def pending(cursor: cursor, realm: str, after: int, until: int) -> list[dict[str, Any]]:
    """Rated matches numbered ``after`` < n ≤ ``until``, each as the script ``rate`` takes it."""
    cursor.execute(_CHANGES, (realm, after, until))
    return [
        {"n": n, "match": match, "queue": queue, "players": [_player(row) for row in rows]}
        for (n, match, queue), rows in groupby(cursor.fetchall(), key=lambda row: row[:3])
    ]


def _player(row: tuple[Any, ...]) -> dict[str, Any]:
    _, _, _, player, side, rating, deviation, before, game = row
    told = {"player": player, "rating": rating, "before": before, "game": game}
    if side:
        told["side"] = side
    if deviation is not None:
        told["deviation"] = deviation
    return told


def show(client: redis.Redis, keys: Keys, rows: Sequence[Shown]) -> None:
    """Puts ratings where enqueue reads them, over what stands there."""
    if not rows:
        return
    with typed_errors():
        pipeline: Any = client.pipeline(transaction=False)
        for queue, side, some in _by_list(rows):
            # Deviations first: a lookup that runs at the same moment then adds nothing old.
            deviations = {player: "" if deviation is None else repr(deviation) for player, _, deviation in some}
            pipeline.hset(keys.deviations(queue, side), mapping=deviations)
            pipeline.zadd(keys.ratings(queue, side), {player: rating for player, rating, _ in some})
        pipeline.execute()


def _by_list(rows: Sequence[Shown]) -> Iterator[tuple[str, str, list[tuple[str, float, float | None]]]]:
    """The rows of each ranking."""
    lists: dict[tuple[str, str], list[tuple[str, float, float | None]]] = {}
    for queue, player, side, rating, deviation in rows:
        lists.setdefault((queue, side), []).append((player, rating, deviation))
    for (queue, side), some in lists.items():
        yield queue, side, some


def show_imported(
    client: redis.Redis, cursor: cursor, keys: Keys, queue: str, players: Sequence[str], *, side: str = ""
) -> None:
    """Shows what stands in the database of these players, whatever was settled since it was imported.

    What is settled and not told yet is told first, for it may be older; ``cursor`` is in a transaction.
    """
    settle.lock(cursor, keys.realm)
    Announcer.within(client, keys, cursor).announce(settle.settled_of(cursor, keys.realm))
    for first in range(0, len(players), PLAYERS_A_PAGE):
        cursor.execute(_OF_PLAYERS, (keys.realm, queue, side, list(players[first : first + PLAYERS_A_PAGE])))
        show(client, keys, cursor.fetchall())
